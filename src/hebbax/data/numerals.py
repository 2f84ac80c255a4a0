"""Numbers as people write them: decimal commas, thousands, TRUE and FALSE.

A column is read as a whole: "1,5" anywhere in it says that commas are decimal. Where "1,500" may be
1500 as well as 1.5, nothing is guessed.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hebbax.validation.quoting import MISSING

PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf(inity)?", re.I)
DECIMAL_COMMA = re.compile(r"[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]*),[0-9]+([eE][+-]?[0-9]+)?")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?")
HUNDREDS = re.compile(r"[+-]?[1-9][0-9]{2}")
GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+")
BLANKS, APOSTROPHES = "[ \u00a0\u2009\u202f]", "['\u2019]"
"""What stands between thousands and is never part of a number."""

PARTED = re.compile(
    rf"[+-]?[1-9][0-9]{{0,2}}(({BLANKS}[0-9]{{3}})+|({APOSTROPHES}[0-9]{{3}})+)([.,][0-9]*)?"
)
"""A number whose thousands are all parted, by the one or the other."""

WORDS = {"true": "1", "false": "0"}


class NotANumberError(ValueError):
    """The cell at ``place`` is no number; the message says why, to follow the name of a field."""

    def __init__(self, place: int, why: str):
        super().__init__(why)
        self.place = place


class Numbers(NamedTuple):
    """The ``values`` of a column, NaN where missing, and a note where commas were read, or blanks
    and apostrophes within a number."""

    values: np.ndarray
    note: str


def read_numbers(cells: Sequence[str | None], separator: str) -> Numbers:
    """Return the numbers of a column; raise `NotANumberError` for the first that is none.

    ``separator`` stands between the columns of the table: a comma inside a number of a table
    separated by commas is not a decimal one unless it can be nothing else.
    """
    bare = [_bare(cell) for cell in cells]
    with_comma = [k for k, cell in enumerate(bare) if "," in cell]
    decimal = all(DECIMAL_COMMA.fullmatch(bare[k]) for k in with_comma)
    grouped = all(THOUSANDS.fullmatch(bare[k]) for k in with_comma)
    parted = [k for k, cell in enumerate(cells) if PARTED.fullmatch(_plain(cell))]
    notes = [f'"{cells[parted[0]]}" was read as {_point(bare[parted[0]])}.'] if parted else []
    if separator == ";" and not with_comma:
        notes += _points(bare)
    if with_comma:
        first = bare[with_comma[0]]
        if decimal and grouped and separator != "," and not _twice(bare, with_comma):
            raise NotANumberError(
                with_comma[0],
                f'"{first}" may be {first.replace(",", "")} or {first.replace(",", ".")}; write it '
                "in one of these ways.",
            )
        if grouped:
            bare = [cell.replace(",", "") for cell in bare]
        elif decimal:
            _refuse_points(bare, with_comma)
            bare = [_point(cell) for cell in bare]
        value = next((bare[k] for k in with_comma), "")
        notes.append(f'"{first}" was read as {value}.')
    values = np.full(len(bare), np.nan)
    for k, cell in enumerate(bare):
        if cell in MISSING or not cell:
            continue
        if not PLAIN.fullmatch(cell):
            raise NotANumberError(k, f'"{cells[k]}" is not a number.')
        values[k] = float(cell)
    return Numbers(values, " ".join(notes))


def _plain(cell: str | None) -> str:
    return (cell or "").strip().replace("\u2212", "-")


def _bare(cell: str | None) -> str:
    text = _plain(cell)
    text = re.sub(f"{BLANKS}|{APOSTROPHES}", "", text) if PARTED.fullmatch(text) else text
    return WORDS.get(text.lower(), text)


def _twice(bare: Sequence[str], with_comma: Sequence[int]) -> bool:
    """Whether a number has two commas, or a point behind one: then commas part thousands."""
    return any(bare[k].count(",") > 1 or "." in bare[k] for k in with_comma)


def _refuse_points(bare: Sequence[str], with_comma: Sequence[int]) -> None:
    """Raise `NotANumberError` where a column has decimal commas and decimal points."""
    for k, cell in enumerate(bare):
        if "." in cell and "," not in cell:
            raise NotANumberError(
                k, f'"{cell}" and "{bare[with_comma[0]]}" write numbers in two ways; choose one.'
            )


def _points(bare: Sequence[str]) -> list[str]:
    """Return a note where all points of a column may part thousands, as they do where commas are
    decimal and semicolons part the columns; raise `NotANumberError` where other numbers of the
    column are of hundreds, so that they seem to."""
    pointed = [k for k, cell in enumerate(bare) if "." in cell]
    if not pointed or not all(GROUPED.fullmatch(bare[k]) for k in pointed):
        return []
    first = bare[pointed[0]]
    if any(HUNDREDS.fullmatch(cell) for cell in bare):
        whole = first.replace(".", "")
        raise NotANumberError(
            pointed[0], f'"{first}" may be {whole} or a fraction; write it in one of these ways.'
        )
    return [f'"{first}" was read as {float(first):g}.'] if first.count(".") == 1 else []


def _point(cell: str) -> str:
    return cell.replace(".", "").replace(",", ".") if "," in cell else cell
