"""What the terminal shows: sentences, progress bars and tables, every name as it stands."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
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

from hebbax.check.score import BRIEF, Score
from hebbax.typing import Progress as HebbaxProgress

CONSOLE = Console(markup=False, emoji=False)
"""The terminal; brackets and colons in names are no markup there."""


def say(name: str, sentence: str) -> None:
    """Print a sentence about something with a name: a model, an animal."""
    CONSOLE.print(Text.assemble((name, "bold"), "  ", sentence))


NAMES = 22
"""Columns of the terminal that hold the name of any declared model."""


EVERY = 15.0
"""Seconds between two lines of progress where there is no terminal."""


@contextmanager
def bars() -> Iterator[Callable[[str], HebbaxProgress]]:
    """Give a progress bar for each name that is asked for; without a terminal lines on standard
    error, now and then."""
    if not CONSOLE.is_terminal:
        yield lines
        return
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


def lines(name: str, every: float = EVERY) -> HebbaxProgress:
    """Return progress that is said in a line whenever so many seconds have passed."""
    started = said = time.monotonic()

    def tell(doing: str, done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now >= said + every:
            said = now
            passed = f"{(now - started) / 60:.1f} min"
            click.echo(f"{name}: {doing}, {done} of {total}, {passed}", err=True)

    return tell


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


def score_table(score: Score) -> Table:
    """Return models by one score for the terminal, best first, names and marks never cut."""
    own = [name for name in BRIEF if name in score.table]
    model = Column("model", overflow="fold", min_width=NAMES)
    title = Text(score.question, style="italic")
    headers = [BRIEF[name] for name in own]
    table = Table(model, *headers, box=SIMPLE_HEAD, padding=0, title=title, title_justify="left")
    n_animals = score.by_animal.shape[1]
    for name, row in score.table.iterrows():
        called = score.verdicts[str(name)].called(str(name))
        table.add_row(called, *(_shown(column, row[column], n_animals) for column in own))
    return table


def _shown(column: str, value: float, n_animals: int) -> str:
    """Return a cell of a score for the terminal."""
    if column == "animals_better":
        return "" if pd.isna(value) else f"{value} of {n_animals}"
    return f"{value}" if column == "bad_k" else f"{value:.1f}"
