"""A table as it is, of text, Parquet or Excel; and the columns of one that is no recording, such
as known reward probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hebbax.data.cells import read_labels, read_numeric
from hebbax.data.excel import EXCEL, read_excel
from hebbax.data.headers import find, listed
from hebbax.data.numerals import NotANumberError
from hebbax.data.parquet import read_parquet
from hebbax.data.text import Grid, read_grid
from hebbax.errors import DataError
from hebbax.validation.quoting import printable


class Columns(NamedTuple):
    """Named columns of a table, the index being the row of a spreadsheet; and notes on what the
    reader took for granted."""

    table: pd.DataFrame
    notes: list[str]


def read_any(path: Path, name: str, wanted: Sequence[str]) -> Grid:
    """Return a table without its empty rows; the index is the row of a spreadsheet.

    Headers that are ``wanted`` decide what separates the columns of a text. Raises `DataError`,
    which calls the table ``name``, for what is no table, too large, or ambiguous.
    """
    if path.suffix.lower() == ".parquet":
        return Grid(read_parquet(path, name), "", [])
    if path.suffix.lower() in EXCEL:
        return read_excel(path, name)
    return read_grid(path, name, lambda header: find(header, wanted) is not None)


def read_columns(path: Path, names: Sequence[str], numbers: Sequence[str]) -> Columns:
    """Return the columns ``names``, as text or None where empty, and the columns ``numbers``, NaN
    where empty, of a table that may have others.

    Raises `DataError` for what is no table, a column that is missing, and a cell that is no name or
    no number.
    """
    source = printable(path.name)
    if not path.is_file():
        raise DataError(f"{printable(str(path))}: there is no such table.")
    wanted = [*names, *numbers]
    grid = read_any(path, source, wanted)
    headers = list(grid.table.columns)
    found = {name: find(name, headers) for name in wanted}
    missing = [name for name, header in found.items() if header is None]
    if missing:
        raise DataError(
            f"{source}: no column {', '.join(missing)}; needed are {', '.join(wanted)}, and found "
            f"{listed(headers)}."
        )
    table = pd.DataFrame({name: grid.table[header] for name, header in found.items()})
    notes = list(grid.notes)
    for name in names:
        table[name] = read_labels(table[name], name, source)
    for name in numbers:
        try:
            table[name], note = read_numeric(table[name], grid.separator, f"{source}, {name}")
        except NotANumberError as problem:
            row = table.index[problem.place]
            raise DataError(f"{source}, row {row}, {name}: {printable(str(problem))}") from problem
        notes += [f"{name}: {note}"] if note else []
    return Columns(table, notes)
