"""Sessions of trials: read, validate, pad, write."""

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from hebbax.data.description import Description, describe
from hebbax.data.excel import EXCEL
from hebbax.data.frames import read_frame
from hebbax.data.matlab import read_folder
from hebbax.data.nwb import NWB, nwb_files, read_nwb
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
from hebbax.data.storage import (
    from_dataset,
    is_stored,
    read_netcdf,
    to_dataset,
    to_frame,
    write,
    write_table,
)
from hebbax.data.table import Meaning, read_table, sessions_of_table
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
    "to_dataset",
    "to_frame",
    "write",
    "write_table",
]

TABLES = (".csv", ".tsv", ".txt", ".parquet", *EXCEL)


def read(
    data: Any,
    *,
    columns: Mapping[str, Hashable] | None = None,
    no_choice: str | float | None = None,
    name: str | None = None,
) -> Sessions:
    """Return the sessions of a recording, on disk or in memory, whatever the format (docs/data.md).

    >>> import pandas as pd
    >>> table = pd.DataFrame({"animal": 2 * ["A"], "choice": ["left", "right"], "reward": [1, 0]})
    >>> read(table).n_choices
    2

    Args:
        data: a path of a table of text, Parquet or Excel, of hebbax's netCDF, of an NWB file or a
            folder of them, of a folder of ``.mat`` files with X, Y and R, or of a folder of folders
            with ``choice_order.mat`` and ``reward_order.mat``; or a DataFrame (pandas, polars,
            pyarrow ...), a mapping of columns, or an `xarray.Dataset` with the columns of a table
            as variables along ``animal`` and ``trial``; or sessions, which are returned as they
            are.
        columns: header of each field in a table made by others, as in
            ``{"animal": "subjID", "reward": "outcome"}``.
        no_choice: what stands in the column of choices of a table where the animal made none.
        name: what answers and messages call a table that is no file.

    Raises:
        DataError: one sentence that names file, animal, trial and field, and what is allowed.
    """
    if columns is not None and not isinstance(columns, Mapping):
        raise DataError('columns are given as in {"reward": "outcome"}, a header of each field.')
    headers = {field: str(header) for field, header in (columns or {}).items()}
    meaning = Meaning(headers, None if no_choice is None else str(no_choice))
    if isinstance(data, Sessions):
        _refuse_meaning(meaning, data.source)
        return data
    if not isinstance(data, str | Path):
        called = printable(name or type(data).__name__)
        if isinstance(data, xr.Dataset) and is_stored(data):
            _refuse_meaning(meaning, called)
            return from_dataset(data, called)
        return sessions_of_table(read_frame(data, called), called, meaning)
    return _read_path(Path(data), meaning)


def _read_path(path: Path, meaning: Meaning) -> Sessions:
    """Return the sessions stored at ``path``."""
    path = _found(path)
    name = printable(path.name)
    kind = "".join(path.suffixes[-2:]).lower() if path.suffix == ".gz" else path.suffix.lower()
    if path.is_file() and kind.removesuffix(".gz") in TABLES:
        return read_table(path, name, meaning)
    if files := nwb_files(path, name):
        return sessions_of_table(read_nwb(files, name, meaning.columns), name, meaning)
    _refuse_meaning(meaning, name)
    if path.is_dir():
        return read_folder(path, name)
    if not path.is_file():
        raise DataError(f"{name}: is no file or folder that can be read, but a pipe or a device.")
    if kind == ".nc":
        return read_netcdf(path, name)
    raise DataError(
        f'{name}: unknown kind of file "{printable(path.suffix)}"; allowed are '
        f"{', '.join((*TABLES, '.nc', NWB))} and folders of .mat or {NWB} files."
    )


def _refuse_meaning(meaning: Meaning, name: str) -> None:
    """Raise `DataError` for what is said of columns where there is no table."""
    for option, value in {"--column": meaning.columns, "--no-choice": meaning.no_choice}.items():
        if value:
            allowed = ", ".join((*TABLES, NWB))
            raise DataError(f"{name}: {option} is for tables only ({allowed}).")


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
