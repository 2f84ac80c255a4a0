"""Names of models and animals as parts of file names, and back.

Letters, digits and most signs stay as they are. What a file system takes for something else (a
slash, a dot in front, characters that do not print) is written as %XX, and so is the mark before an
ending that hebbax itself appends, so that a model called "a.svi" never takes the file of another.
"""

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote, unquote

from hebbax.errors import HebbaxError

KEPT = " !#&'()+,-.;=@[]^_{}~"
"""Signs that stay; letters and digits of every script do as well."""

ENDINGS = (
    *(".svi", ".map", ".state", ".truth"),
    *("_curves", "_contingencies", "_fits", "_summary"),
)
"""What hebbax appends to a name, before the type of the file."""

DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}
"""Names that Windows keeps for itself, whatever follows a dot."""

LONGEST = 150
"""Bytes of a name in a file name; what is written around it has to fit as well."""


def file_name(name: str) -> str:
    """Return a name as it stands in file names; `name_of` returns it.

    Raises `HebbaxError` for a name that is too long, or that no file can have.
    """
    try:
        plain = "".join(c if c.isalnum() or c in KEPT else quote(c, safe="") for c in name)
    except UnicodeEncodeError as problem:
        raise HebbaxError(f"{name!a}: a name of half a character; rename it.") from problem
    if ending := re.search(f"({'|'.join(map(re.escape, ENDINGS))})$", plain, re.IGNORECASE):
        plain = _escaped(plain, ending.start())
    if plain and plain[0] in ". ":
        plain = _escaped(plain, 0)
    if plain and plain[-1] in ". ":
        plain = _escaped(plain, len(plain) - 1)
    if plain.split(".")[0].lower() in DEVICES:
        plain = _escaped(plain, 0)
    size = len(plain.encode())
    if not 0 < size <= LONGEST:
        shown = name if len(name) <= 40 else f"{name[:40]}..."
        raise HebbaxError(
            f'"{shown}": takes {size} bytes in the names of its files, which may have 1 to '
            f"{LONGEST}; give it another name."
        )
    return plain


def name_of(file: str) -> str:
    """Return the name that `file_name` made a part of a file name of."""
    return unquote(file)


def check_distinct(names: Iterable[str], what: str) -> None:
    """Raise `HebbaxError` where two names would share a file: equal ones, and such as some file
    systems take for equal, which tell no case or no accents apart; ``what`` says what they name."""
    seen: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFD", file_name(name)).casefold()
        if key in seen:
            if seen[key] == name:
                raise HebbaxError(f"{what}: {name} is given twice; each may stand once.")
            raise HebbaxError(
                f"{what}: {seen[key]} and {name} would share their files; rename one of them."
            )
        seen[key] = name


def _escaped(text: str, at: int) -> str:
    """Return a text with one of its characters as %XX."""
    character = "".join(f"%{byte:02X}" for byte in text[at].encode())
    return f"{text[:at]}{character}{text[at + 1 :]}"
