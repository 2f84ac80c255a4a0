"""Tables in memory: DataFrames of any library, columns by name, data sets of xarray.

All become a pandas table with plain headers; the index of a row is its position, from 0.
"""

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import xarray as xr

from hebbax.data.headers import find
from hebbax.data.text import Grid, check_headers
from hebbax.errors import DataError
from hebbax.validation.quoting import plain

OUTCOME, UNIT = ("choice", "reward", "accepted"), ("animal", "session")
"""Fields that say what happened in a trial, and those of what it is a trial of."""

KINDS = "a path, a DataFrame, columns by name, or an xarray.Dataset"
"""What can be read, in words."""


def read_frame(data: Any, name: str) -> Grid:
    """Return the table of a DataFrame (pandas, polars, pyarrow, or another that narwhals knows), of
    a mapping of columns, or of an `xarray.Dataset`, whose dimensions become columns.

    Raises `DataError`, which calls the table ``name``, for what is none of these, columns of
    different lengths, and a header that stands twice.
    """
    if isinstance(data, pd.DataFrame):
        table = data
    elif isinstance(data, xr.Dataset):
        return _of_dataset(data, name)
    elif isinstance(data, Mapping):
        table = _of_columns(data, name)
    else:
        native = nw.from_native(data, pass_through=True)
        if isinstance(native, nw.LazyFrame):
            native = native.collect()
        if not isinstance(native, nw.DataFrame):
            raise DataError(f"{type(data).__name__} given to be read; {KINDS} is needed.")
        table = native.to_pandas()
    return Grid(typed_table(table, name, 0), "", [])


def typed_table(table: pd.DataFrame, name: str, first: int) -> pd.DataFrame:
    """Return a table with what lies in a named index as columns like the others, without its empty
    rows; rows are counted from ``first``. Raises `DataError` for a header that stands twice."""
    kept = [level for level in table.index.names if level is not None and level not in table]
    table = table.reset_index(kept) if kept else table
    headers = pd.Index([str(header).strip() for header in table.columns], dtype=object)
    check_headers(list(headers), name)
    rows = pd.RangeIndex(first, first + len(table))
    return table.set_axis(headers, axis=1).set_axis(rows, axis=0).dropna(how="all")


def with_several_values(table: pd.DataFrame) -> list[str]:
    """Return the columns of a table whose cells hold several values, as times of licks do."""
    kinds = {header: pd.api.types.infer_dtype(table[header]) for header in table.columns}
    odd = [header for header, kind in kinds.items() if kind.startswith(("mixed", "unknown"))]
    return [one for one in odd if table[one].map(_holds_several).any()]


def _holds_several(cell: Any) -> bool:
    return hasattr(cell, "__len__") and not isinstance(cell, str | bytes)


def _of_dataset(data: xr.Dataset, name: str) -> Grid:
    """Return the table of a data set, without what fills it up behind the last trial of an animal
    or a session: an array has as many trials for each."""
    if not data.sizes:
        raise DataError(f"{name}: has no dimension; variables along animal and trial are needed.")
    table = typed_table(data.to_dataframe().reset_index(), name, 0)
    found = {field: find(field, list(table.columns)) for field in (*OUTCOME, *UNIT, "trial")}
    said = [header for field in OUTCOME if (header := found[field]) is not None]
    units = [header for field in UNIT if (header := found[field]) is not None]
    if not said or not units or found["trial"] not in data.dims:
        return Grid(table, "", [])
    filled = (table[said].isna() | (table[said] == "")).all(axis=1)
    # Rows of a unit without a name are one more: what was chosen in them is not passed over.
    whose = [table[unit][::-1] for unit in units]
    after = filled[::-1].groupby(whose, dropna=False).cummin()[::-1]
    notes = []
    if after.any():
        notes = [
            f"{after.sum()} trials behind the last with a choice or a reward were taken for what "
            "fills an array up, and left out."
        ]
    return Grid(table[~after.astype(bool)], "", notes)


def _of_columns(columns: Mapping[Any, Any], name: str) -> pd.DataFrame:
    lengths = {}
    for header, values in columns.items():
        shape = np.shape(values)
        if len(shape) != 1:
            given = f"{len(shape)} dimensions" if shape else "a single value"
            raise DataError(
                f"{name}, {plain(str(header))}: {given} given; a column has one dimension, and "
                "arrays (animal, trial) go into an xarray.Dataset."
            )
        lengths[str(header)] = shape[0]
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{plain(header)} {n}" for header, n in lengths.items())
        raise DataError(f"{name}: columns of different lengths given ({found}).")
    return pd.DataFrame({header: list(values) for header, values in columns.items()})
