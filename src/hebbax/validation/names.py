"""The laws of names: what every output of hebbax can hold and give back as it was.

A name stands in tables, netCDF files, figures and on the terminal; that of a model in file names
too. What pandas would read back as something else, what cannot be stored and what nobody can see
is refused where it comes in. A name that is a number is one as numbers are written: 7, -1, 0.5.
"""

import re
from typing import NamedTuple

from hebbax.validation.limits import MAX_NAME, MAX_NAME_BYTES
from hebbax.validation.quoting import MISSING, presentable

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.I | re.ASCII)
"""What a table reads as a number."""

WORDS = ("true", "false")
"""What a table reads as true or false, however it is written."""

DIGITS = 15
"""Digits of a decimal number that every table gives back."""


class Flaw(NamedTuple):
    """Why a name is refused: what a schema says must stand there, and what a reader says of it."""

    allowed: str
    found: str


def flaw(name: str) -> Flaw | None:
    """Return the first law of all names that a name breaks; None for one that meets them."""
    hidden = [character for character in name if not presentable(character)]
    read = read_as(name)
    laws = (
        (
            not name,
            f"text of 1 to {MAX_NAME} characters",
            "an empty name given; each needs a name.",
        ),
        (
            len(name) > MAX_NAME,
            f"text of 1 to {MAX_NAME} characters",
            f"a name of {len(name)} characters given; at most {MAX_NAME} are allowed.",
        ),
        (
            name in MISSING,
            "text that no table reads as a number, as true or false, or as missing (NA, null, "
            "None, nan)",
            "tables read this name as missing, so that no table of results could hold it; write "
            f'another, such as "{name}_1".',
        ),
        (
            bool(hidden),
            "text without characters that cannot be seen, or broken UTF-8",
            f"the character U+{ord((hidden or ' ')[0]):04X} given; a name holds characters that "
            "can be printed.",
        ),
        (
            name.startswith("#"),
            "text that does not begin with #, a sign of comments",
            "begins with #, a sign of comments; leave it out.",
        ),
        (
            name != name.strip(),
            "text without blanks at its ends",
            "a blank at an end given; leave it out, tables lose it.",
        ),
        (
            read != name,
            "text that no table reads as another",
            f"tables read this name as {read}, so that no table of results could hold it; write "
            f'{read}, or another, such as "id_{name}".',
        ),
    )
    return next((Flaw(allowed, found) for broken, allowed, found in laws if broken), None)


def file_flaw(name: str) -> Flaw | None:
    """Return the first law that a name breaks which file names carry, and which is not taken for a
    number of a row."""
    size = len(name.encode(errors="replace"))
    laws = (
        (
            size > MAX_NAME_BYTES,
            f"text of at most {MAX_NAME_BYTES} bytes in UTF-8",
            f"a name of {size} bytes in UTF-8 given; at most {MAX_NAME_BYTES} are allowed.",
        ),
        (
            bool(re.search(r"[/\\]|\.\.", name)),
            'text without "/", "\\" or "..", because files carry it',
            'holds "/", "\\" or ".."; leave it out, because files carry it.',
        ),
        (
            name.lower() in WORDS or bool(NUMBER.fullmatch(name)),
            "text that no table reads as a number, as true or false, or as missing (NA, null, "
            "None, nan)",
            "tables read this name as a number or as true or false; write another.",
        ),
    )
    return next((Flaw(allowed, found) for broken, allowed, found in laws if broken), None)


def read_as(name: str) -> str:
    """Return what pandas makes of a name in a table: the number or the word in its own writing, and
    the name itself where it is neither."""
    if name.lower() in WORDS:
        return name.capitalize()
    if not NUMBER.fullmatch(name):
        return name
    if re.fullmatch(r"[+-]?\d+", name):
        return str(int(name))
    exact = str(float(name))
    return exact if sum(map(str.isdigit, exact)) <= DIGITS else f"{float(name):.{DIGITS}g}"
