"""Parquet tables, with what lies in their index."""

from pathlib import Path

import pandas as pd
import pyarrow

from hebbax.data.isolated import Named, load_files, unreadable
from hebbax.data.text import check_headers
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
    kept = [level for level in table.index.names if level is not None and level not in table]
    table = table.reset_index(kept) if kept else table
    table.columns = pd.Index([str(header).strip() for header in table.columns], dtype=object)
    check_headers(list(table.columns), name)
    table.index = pd.RangeIndex(2, len(table) + 2)
    return table.dropna(how="all")
