"""What the terminal shows: sentences, progress bars and tables, every name as it stands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from hebbax.check import comparison
from hebbax.typing import Progress as HebbaxProgress

CONSOLE = Console(markup=False, emoji=False)
"""The terminal; brackets and colons in names are no markup there."""


def say(name: str, sentence: str) -> None:
    """Print a sentence about something with a name: a model, an animal."""
    CONSOLE.print(Text.assemble((name, "bold"), "  ", sentence))


NAMES = 22
"""Columns of the terminal that hold the name of any declared model."""


@contextmanager
def bars() -> Iterator[Callable[[str], HebbaxProgress]]:
    """Give a progress bar for each name that is asked for."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=CONSOLE) as bar:

        def add(name: str) -> HebbaxProgress:
            task: list[TaskID] = []

            def tell(doing: str, done: int, total: int) -> None:
                # A bar begins with the first word of it: what is taken as it is shows none.
                if not task:
                    task.append(bar.add_task(name, total=total))
                bar.update(task[0], description=f"{name}: {doing}", completed=done, total=total)

            return tell

        yield add


@contextmanager
def progress(name: str) -> Iterator[HebbaxProgress]:
    """Give one progress bar."""
    with bars() as add:
        yield add(name)


def table(name: str, values: pd.DataFrame) -> Table:
    """Return a table of numbers for the terminal."""
    table = Table(name, *map(str, values.columns))
    for label, row in values.iterrows():
        key = " ".join(map(str, label)) if isinstance(label, tuple) else str(label)
        table.add_row(key, *(v if isinstance(v, str) else f"{v:.3f}" for v in row))
    return table


def comparison_table(compared: comparison.Comparison) -> Table:
    """Return a comparison for the terminal, best model first: LOO, what 80 columns hold of it,
    names and marks never cut."""
    model = Column("model", overflow="fold", min_width=NAMES)
    scores = ("elpd", "difference", "SE, trials", "SE, animals", "better in", "bad k")
    table = Table(model, *scores, box=SIMPLE_HEAD, padding=0)
    for name, row in compared.table.iterrows():
        animals, better = compared.by_animal.shape[1], row["animals_better"]
        table.add_row(
            compared.verdicts[str(name)].called(str(name)),
            f"{row['elpd_loo']:.1f}",
            f"{row['difference']:.1f}",
            f"{row['difference_se']:.1f}",
            f"{row['animal_se']:.1f}",
            "" if pd.isna(better) else f"{better} of {animals}",
            f"{row['bad_k']}",
        )
    return table
