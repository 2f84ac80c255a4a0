"""Tables as a page shows them: medians with their intervals, one style of digits, words in heads.

A median and the ends of its interval are three columns of a file and one of a page. Every number
carries its value beside its text, so that a browser sorts by the number.
"""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hebbax.reporting.glossary import WORDS, Digits, word

MIDDLES = {
    "median": "median (90 %)",
    "mean": "predicted",
    "alone: median": "alone (%)",
    "unchosen_median": "unchosen",
    "chosen_median": "chosen",
}
"""Name of the joined column of a middle whose ends have names of their own; others keep theirs."""

ENDS = {
    "median": ("5 %", "95 %"),
    "mean": ("5 %", "95 %"),
    "alone: median": ("alone: 5 %", "alone: 95 %"),
    "loss in a trial (%)": ("loss, 5 %", "loss, 95 %"),
    "memory (trials)": ("memory, 5 %", "memory, 95 %"),
    "unchosen_median": ("unchosen_low", "unchosen_high"),
    "chosen_median": ("chosen_low", "chosen_high"),
}
"""Columns of the ends of an interval, by that of its middle."""

NAMED_BY_USERS = ("animal", "model", "group", "difference")
"""Levels of an index whose entries are no words of ours, and which say themselves what they are."""

SIGNS = {np.inf: "∞", -np.inf: "−∞"}

LEAST = 0.001
"""Probability below which, and above whose complement, draws tell nothing more."""


class Interval(NamedTuple):
    """A middle and the ends around it."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Head:
    """A header: its words, and what they mean, empty where they say so themselves."""

    text: str
    meaning: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell: its text, the number that it is sorted by, and what it means where it is a name."""

    text: str
    number: float | None = None
    meaning: str = ""


@dataclass(frozen=True)
class Cells:
    """A table as text; the first ``names`` cells of each row name it. ``words`` are the names in it
    that the glossary may know."""

    heads: list[Head]
    rows: list[list[Cell]]
    names: int
    words: list[str]


def joined(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which each middle with two ends is one column of `Interval`."""
    out = table
    for middle, ends in ENDS.items():
        if middle in out and set(ends) <= set(out.columns):
            at = list(out.columns).index(middle)
            triples = out[[middle, *ends]].astype(float).to_numpy()
            out = out.drop(columns=[middle, *ends])
            own = pd.Series([Interval(*row) for row in triples], out.index, dtype=object)
            out.insert(min(at, out.shape[1]), MIDDLES.get(middle, middle), own)
    return out


def cells(table: pd.DataFrame) -> Cells:
    """Return a table as text; several index levels become columns of their own."""
    table = joined(table)
    index = [str(name or "") for name in table.index.names]
    labels = [
        [_name(str(k), level) for level, k in zip(index, _parts(key), strict=True)]
        for key in table.index
    ]
    columns = [_column(str(c), table.iloc[:, j]) for j, c in enumerate(table.columns)]
    bodies = [list(row) for row in zip(*columns, strict=True)] or [[] for _ in labels]
    rows = [a + b for a, b in zip(labels, bodies, strict=True)]
    names = [*index, *map(str, table.columns)]
    said = [*names, *(cell.text for row in labels for cell in row if cell.meaning)]
    heads = [Head(name) if name in NAMED_BY_USERS else _head(name) for name in index]
    return Cells([*heads, *(_head(str(c)) for c in table.columns)], rows, len(index), said)


def _parts(key: Any) -> list[Any]:
    return list(key) if isinstance(key, tuple) else [key]


def _head(name: str) -> Head:
    found = word(name)
    if found is None:
        return Head(name)
    return Head(found.called if found is WORDS.get(name) else name, found.meaning)


def _name(text: str, level: str) -> Cell:
    found = None if level in NAMED_BY_USERS else word(text)
    return Cell(text, meaning="" if found is None else found.meaning)


def _column(name: str, values: pd.Series) -> list[Cell]:
    """Return a column as text, its numbers with the digits a reader can use."""
    found = word(name)
    digits = None if found is None else found.digits
    if pd.api.types.is_bool_dtype(values):
        return [Cell("yes" if value else "no", float(value)) for value in values]
    if len(values) and all(isinstance(value, Interval) for value in values):
        return _intervals(list(values), digits)
    if not pd.api.types.is_numeric_dtype(values):
        return [Cell(str(value), _leading(str(value))) for value in values]
    numbers = values.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    if digits is Digits.PROBABILITY:
        return [Cell(_probability(value), _known(value)) for value in numbers.tolist()]
    places = _places(numbers, digits)
    return [Cell(_number(value, places), _known(value)) for value in numbers.tolist()]


def _intervals(each: list[Interval], digits: Digits | None) -> list[Cell]:
    places = _places(np.array(each).ravel(), digits)
    return [
        Cell("–", None)
        if np.isnan(one.middle)
        else Cell(
            f"{_number(one.middle, places)} ({_number(one.low, places)} to "
            f"{_number(one.high, places)})",
            _known(one.middle),
        )
        for one in each
    ]


def _places(numbers: np.ndarray, digits: Digits | None) -> int:
    """Return the digits behind the point: those of the word, or by what is in a column."""
    if digits is not None and isinstance(digits.value, int):
        return digits.value
    finite = numbers[np.isfinite(numbers)]
    if (finite == finite.round()).all():
        return Digits.COUNT.value
    return int(Digits.SIZE.value if np.abs(finite).max() >= 10 else Digits.COEFFICIENT.value)


def _number(value: float, places: int) -> str:
    if np.isfinite(value):
        return f"{value:.{places}f}".replace("-", "−")
    return SIGNS.get(float(value), "–")


def _probability(value: float) -> str:
    if np.isnan(value):
        return "–"
    if value < LEAST:
        return f"< {LEAST}"
    return f"> {1 - LEAST}" if value > 1 - LEAST else f"{value:.{Digits.COEFFICIENT.value}f}"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _leading(text: str) -> float | None:
    """Return the number that a text begins with, as "3 of 13" does."""
    found = re.match(r"-?\d+(\.\d+)?(?= of )", text)
    return None if found is None else float(found[0])
