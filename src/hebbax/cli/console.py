"""What the terminal shows: sentences and tables, every name as it stands."""

from typing import Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hebbax.check.score import BRIEF, Score

CONSOLE = Console(markup=False, emoji=False)
"""The terminal; brackets and colons in names are no markup there."""


def say(name: str, sentence: str) -> None:
    """Print a sentence about something with a name: a model, an animal."""
    CONSOLE.print(Text.assemble((name, "bold"), "  ", sentence))


def print_table(table: Table, console: Console = CONSOLE) -> None:
    """Print a table in which no word is cut, however narrow the terminal is: columns fold at
    blanks, and a table that is wider even so goes on where the terminal begins a new line."""
    table.box, table.padding = SIMPLE_HEAD, 0
    for column in table.columns:
        words = [word for cell in (column.header, *column.cells) for word in str(cell).split()]
        column.min_width = max(map(cell_len, words), default=0)
    console.print(table, crop=False)


def table(name: str, values: pd.DataFrame) -> Table:
    """Return a table of numbers for the terminal."""
    table = Table(name, *map(str, values.columns))
    for label, *row in values.itertuples(name=None):
        key = " ".join(map(str, label)) if isinstance(label, tuple) else str(label)
        table.add_row(key, *map(_cell, row))
    return table


def _cell(value: Any) -> str:
    """Return a cell of a table: names and whole numbers as they are, empty where nothing is."""
    if isinstance(value, str | int | np.integer):
        return str(value)
    return "" if pd.isna(value) else f"{value:.3f}"


def score_table(score: Score) -> Table:
    """Return models by one score for the terminal, best first."""
    own = [name for name in BRIEF if name in score.table]
    title = Text(score.question, style="italic")
    headers = [BRIEF[name] for name in own]
    table = Table("model", *headers, title=title, title_justify="left")
    n_animals = score.by_animal.shape[1]
    for name, row in score.table.iterrows():
        called = score.verdicts[str(name)].called(str(name))
        table.add_row(called, *(_shown(column, row[column], n_animals) for column in own))
    return table


def _shown(column: str, value: float, n_animals: int) -> str:
    """Return a cell of a score for the terminal."""
    if column == "animals_better":
        return "" if pd.isna(value) else f"{value} of {n_animals}"
    if column == "bad_k":
        return f"{value}"
    return "" if pd.isna(value) else f"{value:.1f}"
