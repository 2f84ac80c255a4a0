"""What the terminal shows: progress bars and tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from hebbax import comparison
from hebbax.typing import Progress as HebbaxProgress

CONSOLE = Console()


@contextmanager
def bars() -> Iterator[Callable[[str], HebbaxProgress]]:
    """Give a progress bar for each name that is asked for."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=CONSOLE) as bar:

        def add(name: str) -> HebbaxProgress:
            task = bar.add_task(name, total=None)
            return lambda doing, done, total: bar.update(
                task, description=f"{name}: {doing}", completed=done, total=total
            )

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
    """Return a comparison for the terminal, best model first."""
    scores = ("elpd (LOO)", "difference", "SE, trials", "SE, animals", "better in")
    table = Table("model", *scores, "elpd (WAIC)", "worst k")
    for name, row in compared.table.iterrows():
        table.add_row(
            str(name),
            f"{row['elpd_loo']:.1f}",
            f"{row['difference']:.1f}",
            f"{row['difference_se']:.1f}",
            f"{row['animal_se']:.1f}",
            f"{row['animals_better']:.0f} of {compared.by_animal.shape[1]}",
            f"{row['elpd_waic']:.1f}",
            f"{row['worst_k']:.2f}",
        )
    return table
