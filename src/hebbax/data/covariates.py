"""Covariates: what a table says of an animal and not of its trials, such as its group or its age.

A column that no field claims, that is the same in all rows of an animal and not the same in all
animals, is kept: as numbers where every cell is one, else as text. Empty is missing, "" or NaN.
"""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from hebbax.data.headers import listed
from hebbax.data.names import check_name
from hebbax.errors import DataError
from hebbax.validation.quoting import printable

Value = str | float
"""Of one animal: text, or a number."""

SHOWN = 12
"""Values of a covariate that are listed."""

MOST = 50_000
"""Characters that the covariates of a recording may take: an attribute of a file holds 64 kB."""


def covariates_of(others: pd.DataFrame, animals: pd.Series) -> dict[str, dict[str, Value]]:
    """Return the covariates by name, each by animal, of the columns ``others`` of a table, the rows
    of which are of ``animals``."""
    found: dict[str, dict[str, Value]] = {}
    for header in (name for name in map(str, others) if name):
        cells = others[header].map(lambda cell: "" if pd.isna(cell) else str(cell).strip())
        by_animal = cells.groupby(animals, sort=False)
        texts = [header, *cells.unique()]
        varies = (by_animal.nunique() > 1).any() or cells.nunique() < 2
        if varies or any(printable(text) != text for text in texts):
            continue
        each = by_animal.first()
        numbers = pd.to_numeric(each.replace("", np.nan), errors="coerce")
        whole = numbers.notna() | (each == "")
        numeric = whole.all() and numbers.notna().any()
        values = numbers.astype(float).tolist() if numeric else each.tolist()
        found[header] = dict(zip(map(str, each.index), values, strict=True))
    fitting: dict[str, dict[str, Value]] = {}
    for name, own in found.items():
        if len(json.dumps({**fitting, name: own})) <= MOST:
            fitting[name] = own
    return fitting


def note_on(found: Mapping[str, object]) -> list[str]:
    """Return a note on covariates that were kept."""
    if not found:
        return []
    one = len(found) == 1
    return [
        f"Column{'' if one else 's'} kept of each animal, for models that differ by "
        f"{'it' if one else 'them'}: {listed(list(found))}."
    ]


def check_covariates(
    covariates: Mapping[str, tuple[Value, ...]], animals: tuple[str, ...], source: str
) -> None:
    """Raise `DataError` unless every covariate has one name and one value an animal, all of them
    text or all numbers."""
    for name, values in covariates.items():
        check_name(name, "covariate", source)
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
