"""Tables of Excel: the first sheet, its first row being the header."""

from pathlib import Path

import pandas as pd

from hebbax.data.frames import typed_table
from hebbax.data.isolated import Named, load_files
from hebbax.data.text import Grid
from hebbax.validation.quoting import printable

EXCEL = (".xlsx",)
"""Endings of the files of Excel."""


def read_excel(path: Path, name: str) -> Grid:
    """Return the first sheet of an Excel file; messages call it ``name``."""
    (held,) = load_files("xlsx", [Named(path, name)])
    cells = pd.DataFrame(held.columns, dtype=object)
    table = cells.set_axis(held.attrs["header"], axis=1)
    named = table.loc[:, [header != "" for header in table.columns]]
    first, *others = held.attrs["sheets"]
    notes = []
    if others:
        left = ", ".join(f'"{printable(other)}"' for other in others)
        notes = [f'Of its sheets the first, "{printable(first)}", was read, and not {left}.']
    return Grid(typed_table(named, name, 2), "", notes)
