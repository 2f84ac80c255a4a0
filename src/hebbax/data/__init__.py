"""Sessions of trials: read, validate, pad, write."""

import os
from collections.abc import Mapping
from pathlib import Path

from hebbax.data.description import Description, describe
from hebbax.data.matlab import read_folder
from hebbax.data.record import NO_CHOICE, Record
from hebbax.data.sessions import (
    Sessions,
    compact,
    data_hash,
    first_trials,
    from_animals,
    observation_index,
    part,
    select,
    split,
    split_sessions,
)
from hebbax.data.storage import read_netcdf, write, write_table
from hebbax.data.table import Meaning, read_table
from hebbax.errors import DataError
from hebbax.validation.quoting import printable

__all__ = [
    "NO_CHOICE",
    "Description",
    "Record",
    "Sessions",
    "compact",
    "data_hash",
    "describe",
    "first_trials",
    "from_animals",
    "observation_index",
    "part",
    "read",
    "select",
    "split",
    "split_sessions",
    "write",
    "write_table",
]

TABLES = (".csv", ".tsv", ".txt", ".parquet")


def read(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    no_choice: str | None = None,
) -> Sessions:
    """Return the sessions stored at ``path``, whatever the format (docs/data.md).

    Args:
        path: a table of text or Parquet, hebbax's netCDF, a folder of ``.mat`` files with X, Y and
            R, or a folder of folders with ``choice_order.mat`` and ``reward_order.mat``.
        columns: header of each field in a table made by others, as in
            ``{"animal": "subjID", "reward": "outcome"}``.
        no_choice: what stands in the column of choices of a table where the animal made none.

    Raises:
        DataError: one sentence that names file, animal, trial and field, and what is allowed.
    """
    path = _found(Path(path))
    name = printable(path.name)
    kind = "".join(path.suffixes[-2:]).lower() if path.suffix == ".gz" else path.suffix.lower()
    if path.is_file() and kind.removesuffix(".gz") in TABLES:
        return read_table(path, name, Meaning(columns or {}, no_choice))
    for option, value in {"--column": columns, "--no-choice": no_choice}.items():
        if value:
            raise DataError(f"{name}: {option} is for tables only ({', '.join(TABLES)}).")
    if path.is_dir():
        return read_folder(path, name)
    if not path.is_file():
        raise DataError(f"{name}: is no file or folder that can be read, but a pipe or a device.")
    if kind == ".nc":
        return read_netcdf(path, name)
    raise DataError(
        f'{name}: unknown kind of file "{printable(path.suffix)}"; allowed are '
        f"{', '.join((*TABLES, '.nc'))} and folders of .mat files."
    )


def _found(path: Path) -> Path:
    """Return a path that is there, in full: "." and ".." have no name of their own."""
    try:
        if not path.exists():
            raise DataError(f"{printable(str(path))}: there is no such file or folder.")
        return Path(os.path.abspath(path))
    except OSError as problem:
        raise DataError(
            f"{printable(str(path))}: cannot be read ({problem.strerror})."
        ) from problem
