"""Parquet tables, with what lies in their index."""

from pathlib import Path

import pandas as pd
import pyarrow

from hebbax.data.frames import typed_table
from hebbax.data.isolated import Named, load_files, unreadable
from hebbax.errors import DataError


def read_parquet(path: Path, name: str) -> pd.DataFrame:
    """Return a Parquet table; what lies in its index is a column like the others. Messages call it
    ``name``."""
    (held,) = load_files("parquet", [Named(path, name)])
    try:
        with pyarrow.ipc.open_stream(pyarrow.py_buffer(held.numbers["table"])) as stream:
            table = stream.read_all().to_pandas()
    except Exception as bad:  # of values that pandas has no type for, or of its own notes
        raise DataError(unreadable("parquet", name)) from bad
    return typed_table(table, name, 2)  # as a spreadsheet counts rows
