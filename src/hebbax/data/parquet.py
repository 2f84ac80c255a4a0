"""Parquet tables, with what lies in their index."""

from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.parquet

from hebbax.data.limits import MAX_BYTES, MAX_COLUMNS, MAX_ROWS
from hebbax.data.text import check_headers
from hebbax.errors import DataError


def read_parquet(path: Path, name: str) -> pd.DataFrame:
    """Return a Parquet table; what lies in its index is a column like the others."""
    try:
        held = pyarrow.parquet.ParquetFile(path).metadata
        groups = range(held.num_row_groups)
        sizes = {
            "rows": (held.num_rows, MAX_ROWS),
            "columns": (held.num_columns, MAX_COLUMNS),
            "bytes": (sum(held.row_group(k).total_byte_size for k in groups), MAX_BYTES),
        }
        for what, (size, most) in sizes.items():
            if size > most:
                raise DataError(f"{name}: {size} {what} given; at most {most} are allowed.")
        table = pd.read_parquet(path)
    except (OSError, ValueError, KeyError, TypeError, MemoryError, pyarrow.ArrowException) as bad:
        if isinstance(bad, DataError):
            raise
        raise DataError(f"{name}: not a readable parquet table.") from bad
    kept = [level for level in table.index.names if level is not None and level not in table]
    table = table.reset_index(kept) if kept else table
    table.columns = pd.Index([str(header).strip() for header in table.columns], dtype=object)
    check_headers(list(table.columns), name)
    table.index = pd.RangeIndex(2, len(table) + 2)
    return table.dropna(how="all")
