"""Covariates: what a table says of an animal and not of its trials, such as its group or its age.

A column that no field claims, that is the same in all rows of an animal and not the same in all
animals, is kept: as numbers where every cell is one, else as text. What is empty, or reads as
missing (NA, nan ...), is missing, "" or NaN. A column with the name of a field is not kept: a table
of the sessions would have two of that name.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hebbax.data.headers import FIELDS, listed, simple
from hebbax.data.names import check_name
from hebbax.data.numerals import WORDS, NotANumberError, read_numbers
from hebbax.errors import DataError
from hebbax.validation.quoting import MISSING, printable

Value = str | float
"""Of one animal: text, or a number."""

SHOWN = 12
"""Values of a covariate that are listed."""

MOST = 50_000
"""Characters that the covariates of a recording may take: an attribute of a file holds 64 kB."""


class Covariates(NamedTuple):
    """The covariates by name, each by animal; and notes on what was kept and how it was read."""

    values: dict[str, dict[str, Value]]
    notes: list[str]


def covariates_of(others: pd.DataFrame, animals: pd.Series, separator: str) -> Covariates:
    """Return the covariates among the columns ``others`` of a table, the rows of which are of
    ``animals`` and whose columns are parted by ``separator``."""
    found: dict[str, dict[str, Value]] = {}
    notes: dict[str, str] = {}
    for header in (name for name in map(str, others) if name and simple(name) not in FIELDS):
        cells = others[header].map(_cell)
        by_animal = cells.groupby(animals, sort=False)
        texts = [header, *cells.unique()]
        varies = (by_animal.nunique() > 1).any() or cells.nunique() < 2
        if varies or any(printable(text) != text for text in texts):
            continue
        each = by_animal.first()
        values, notes[header] = _values(each.tolist(), separator)
        found[header] = dict(zip(map(str, each.index), values, strict=True))
    fitting: dict[str, dict[str, Value]] = {}
    for name, own in found.items():
        if len(json.dumps({**fitting, name: own})) <= MOST:
            fitting[name] = own
    read = [f"{name}: {notes[name]}" for name in fitting if notes[name]]
    return Covariates(fitting, [*_note_on(list(fitting)), *read])


def _cell(value: Any) -> str:
    text = "" if pd.isna(value) else str(value).strip()
    return "" if text in MISSING else text


def _values(each: list[str], separator: str) -> tuple[list[Value], str]:
    """Return the values of a covariate, and a note where numbers were not written plainly. TRUE and
    FALSE are the names of two groups here."""
    if any(text.lower() in WORDS for text in each):
        return [*each], ""
    try:
        numbers, note = read_numbers(each, separator)
    except NotANumberError:
        return [*each], ""
    return [*numbers.tolist()], note


def _note_on(names: list[str]) -> list[str]:
    """Return a note on covariates that were kept."""
    if not names:
        return []
    one = len(names) == 1
    return [
        f"Column{'' if one else 's'} kept of each animal, for models that differ by "
        f"{'it' if one else 'them'}: {listed(names)}."
    ]


def check_covariates(
    covariates: Mapping[str, tuple[Value, ...]], animals: tuple[str, ...], source: str
) -> None:
    """Raise `DataError` unless every covariate has a name, which is not that of a field, and one
    value an animal, all of them text or all numbers."""
    for name, values in covariates.items():
        check_name(name, "covariate", source)
        if simple(name) in FIELDS:
            raise DataError(
                f"{source}, covariate {name}: has the name of a field; a table would have two of "
                "that name, so give it another."
            )
        if not isinstance(values, tuple) or len(values) != len(animals):
            raise DataError(
                f"{source}, {name}: a tuple of one value for each of the {len(animals)} animals is "
                "needed."
            )
        kinds = {str if isinstance(value, str) else float for value in values}
        odd = [value for value in values if not isinstance(value, str | float)]
        if odd or len(kinds) > 1:
            raise DataError(f"{source}, {name}: text or numbers are needed, and both given.")


def described(values: tuple[Value, ...]) -> str:
    """Return a covariate in words: how many animals have each value, or the range of numbers."""
    if isinstance(values[0], str):
        counts = pd.Series(values).replace("", "missing").value_counts(sort=False)
        shown = [f"{name} {n}" for name, n in list(counts.items())[:SHOWN]]
        more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
        return ", ".join(shown) + more
    numbers = np.array(values, dtype=float)
    known = numbers[np.isfinite(numbers)]
    missing = len(numbers) - len(known)
    return f"{known.min():g} to {known.max():g}" + (f", {missing} missing" if missing else "")
