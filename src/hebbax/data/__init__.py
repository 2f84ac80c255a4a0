"""Sessions of trials: read, validate, pad, write."""

import os
from collections.abc import Mapping
from pathlib import Path

from hebbax.data.matlab import read_folder
from hebbax.data.sessions import (
    NO_CHOICE,
    Record,
    Sessions,
    compact,
    data_hash,
    first_trials,
    from_animals,
    observation_index,
    select,
    split,
)
from hebbax.data.storage import read_netcdf, write, write_table
from hebbax.data.table import read_table
from hebbax.errors import DataError

__all__ = [
    "NO_CHOICE",
    "Record",
    "Sessions",
    "compact",
    "data_hash",
    "first_trials",
    "from_animals",
    "observation_index",
    "read",
    "select",
    "split",
    "write",
    "write_table",
]

TABLES = (".csv", ".tsv", ".parquet")


def read(path: str | Path, *, columns: Mapping[str, str] | None = None) -> Sessions:
    """Return the sessions stored at ``path``, whatever the format (docs/data.md).

    Args:
        path: a CSV, TSV or Parquet table, hebbax's netCDF, a folder of ``.mat`` files with X, Y
            and R, or a folder of folders with ``choice_order.mat`` and ``reward_order.mat``.
        columns: header of each field in a table made by others, as in
            ``{"animal": "subjID", "reward": "outcome"}``.

    Raises:
        DataError: one sentence that names file, animal, trial and field, and what is allowed.
    """
    if not Path(path).exists():
        raise DataError(f"{path}: there is no such file or folder.")
    path = Path(os.path.abspath(path))  # "." and ".." have no name of their own
    kind = path.suffix.lower()
    if path.is_file() and kind in TABLES:
        return read_table(path, columns or {})
    if columns:
        raise DataError(f"{path.name}: --column is for tables only ({', '.join(TABLES)}).")
    if path.is_dir():
        return read_folder(path)
    if kind == ".nc":
        return read_netcdf(path)
    raise DataError(
        f'{path.name}: unknown kind of file "{path.suffix}"; allowed are '
        f"{', '.join((*TABLES, '.nc'))} and folders of .mat files."
    )
