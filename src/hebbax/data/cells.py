"""Columns of a table as names and numbers, and what stands for no choice."""

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from hebbax.data.headers import listed, option
from hebbax.data.names import check_name
from hebbax.data.numerals import NotANumberError, read_numbers
from hebbax.data.record import shown
from hebbax.data.sessions import natural_order
from hebbax.data.trials import called
from hebbax.errors import DataError
from hebbax.validation.quoting import MISSING, printable

LABELS = ("animal", "session", "choice", "forced", "offered", "stimulus")
NUMBERS = ("trial", "reward", "accepted", "block")
NAMES = (str, bool, np.bool_, Real, Decimal, date)
"""What may stand for a name in a typed table."""

TIMES = re.compile(r"\d{4}-\d\d?-\d\d?|\d{1,2}[:/]\d\d")
"""How a time or a date begins."""

WHOLE = re.compile(r"-?[0-9]+([.,]0)?")
"""A whole number, as a program may write it."""


def convert(table: pd.DataFrame, separator: str, source: str) -> list[str]:
    """Make names of the columns of names and numbers of those of numbers; return notes."""
    notes = []
    for name in table.columns.intersection(list(LABELS)):
        table[name] = read_labels(table[name], name, source)
    if "trial" not in table:
        notes.append("There is no column trial: the rows of each animal were taken in their order.")
        parts = table.columns.intersection(["animal", "session"])
        table["trial"] = table.groupby(list(parts), sort=False).cumcount() + 1.0
    _check_identity(table, source)
    for name in table.columns.intersection(list(NUMBERS)):
        table[name], note = _numeric(table, name, separator, source)
        notes += [f"{name}: {note}"] if note else []
    for name in table.columns.intersection(["trial", "block"]):
        _check_whole(table, name, source)
    return notes


def read_labels(values: pd.Series, name: str, source: str) -> pd.Series:
    """Return names as a person would write them, None where empty: where all are whole numbers,
    those with .0 lose it, as programs write it in a column with gaps; other names stay as they are.

    Raises `DataError` for the first cell of a typed table that is no name: bytes, a list, ...
    """
    for row, value in values.items():
        if not (_absent(value) or isinstance(value, NAMES)):
            raise DataError(
                f"{source}, row {row}, {name}: {type(value).__name__} given; a name is text, a "
                "number or a date."
            )
    return pd.Series(names_of(values), values.index, dtype=object)


def names_of(values: Iterable[Any]) -> list[str | None]:
    """Return what `read_labels` does, of cells of any kind."""
    names = [_label(value) for value in values]
    if all(name is None or name in MISSING or WHOLE.fullmatch(name) for name in names):
        names = [name and re.sub(r"[.,]0$", "", name) for name in names]
    return names


def _label(value: Any) -> str | None:
    return ("" if _absent(value) else str(value).strip()) or None


def _absent(value: Any) -> bool:
    """Whether a cell is empty, in any of the ways of a typed table."""
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and np.isnan(value))
    )


def _check_identity(table: pd.DataFrame, source: str) -> None:
    for name in table.columns.intersection(["animal", "session", "trial"]):
        empty = table.index[table[name].isna()]
        if len(empty):
            raise DataError(f"{source}, row {empty[0]}, {name}: empty; every row needs one.")
    for animal in table["animal"].unique():
        check_name(animal, "animal", source)


def read_numeric(values: pd.Series, separator: str, where: str) -> tuple[pd.Series, str]:
    """Return a column as numbers, NaN where empty, and a note on how they were written.

    Raises `NotANumberError` for the first cell that is none, and `DataError`, which calls the
    column ``where``, for complex numbers.
    """
    if pd.api.types.is_numeric_dtype(values):
        if pd.api.types.is_complex_dtype(values):
            raise DataError(f"{where}: complex numbers given; real ones are needed.")
        return pd.Series(values.to_numpy(float, na_value=np.nan), values.index), ""
    numbers, note = read_numbers(list(map(_cell, values)), separator)
    return pd.Series(numbers, values.index), note


def _cell(value: Any) -> str:
    return "" if _absent(value) else str(value)


def _numeric(table: pd.DataFrame, name: str, separator: str, source: str) -> tuple[pd.Series, str]:
    """Return a column of trials as numbers, and a note on how they were written."""
    try:
        return read_numeric(table[name], separator, f"{source}, {name}")
    except NotANumberError as problem:
        row = table.iloc[problem.place]
        why, cell = str(problem), _cell(row[name])
        if name == "trial" and TIMES.match(cell):
            why = (
                f'"{cell}" is a time; trials are numbered 1, 2, 3 ..., and without the column rows '
                "are taken in their order."
            )
        raise DataError(
            f"{source}, animal {row['animal']}, {called(row)}, {name}: {printable(why)}"
        ) from problem


def _check_whole(table: pd.DataFrame, name: str, source: str) -> None:
    odd = table.index[~(table[name] % 1 == 0)]
    if len(odd):
        raise DataError(
            f"{source}, row {odd[0]}, {name}: {shown(table[name][odd[0]])} given; a whole number "
            "is needed."
        )


def omit(table: pd.DataFrame, no_choice: str | None, source: str) -> list[str]:
    """Empty the choices that stand for none, and return notes that say how many."""
    notes = []
    if no_choice is not None:
        named = table["choice"] == _label(no_choice)
        if not named.any():
            found = listed(sorted(table["choice"].dropna().unique(), key=natural_order))
            raise DataError(f'{source}: no choice is "{printable(no_choice)}"; found {found}.')
        table.loc[named, "choice"] = None
        notes.append(f"{no_choice} is no choice, in {named.sum()} trials.")
    _refuse_unrewarded(table, source)
    missing = table["choice"].isin(MISSING)
    for row in table.index[missing & table["reward"].notna()][:1]:
        odd = table.loc[row]
        choice = odd["choice"]
        raise DataError(
            f'{source}, animal {odd["animal"]}, {called(odd)}, choice: "{choice}" given with '
            f"reward {odd['reward']:g}; where it is no choice, leave the cell empty or type "
            f"{option('no-choice', choice)}, and where it is an alternative, call it another name, "
            "because tables read this one as missing."
        )
    names = " and ".join(sorted(table.loc[missing, "choice"].unique()))
    table.loc[missing, "choice"] = None
    if missing.any():
        notes.append(f"{names} was read as no choice, in {missing.sum()} trials.")
    return notes


def _refuse_unrewarded(table: pd.DataFrame, source: str) -> None:
    """Raise `DataError` for a choice that never has a reward, where others have."""
    named = table[table["choice"].notna() & ~table["choice"].isin(MISSING)]
    rewarded = named["reward"].notna().groupby(named["choice"]).any()
    for choice in rewarded.index[~rewarded] if rewarded.any() else ():
        odd = named[named["choice"] == choice].iloc[0]
        raise DataError(
            f"{source}, animal {odd['animal']}, {called(odd)}, reward: nothing given, here and "
            f'wherever the choice is "{printable(choice)}"; if it stands for no choice, type '
            f"{option('no-choice', choice)}, else a trial with a choice needs a finite number, "
            "such as 0 or 1."
        )
