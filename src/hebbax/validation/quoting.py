"""How a sentence shows what was found: short, and without characters that a terminal would obey."""

import difflib
import math
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

SHOWN = 60
"""Characters of a value or a name that a sentence shows."""

# fmt: off
MISSING = frozenset((
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
))
# fmt: on
"""Text that pandas reads as missing, besides an empty cell: no table can hold it as a name."""


def shown(value: Any) -> str:
    """Return a value as a sentence shows it: text in quotes and without control characters, cut
    short, and what has no short form by its kind."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a number of {int(value.bit_length() * math.log10(2)) + 1} digits"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return f'"{plain(value)}"'
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return plain(str(value))


def meant(name: str, known: Iterable[str]) -> str:
    """Return a question after the known name that one of nobody's is nearest to, to stand behind
    it in a sentence; nothing where none is near.

    >>> meant("forgeting", ["forgetting", "reward"])
    ' (did you mean "forgetting"?)'
    """
    close = difflib.get_close_matches(name[:SHOWN], list(known), n=1)
    return f' (did you mean "{close[0]}"?)' if close else ""


def plain(value: str, longest: int = SHOWN) -> str:
    """Return text cut short, each character that cannot be shown as its escape."""
    return printable(value if len(value) <= longest else value[: longest - 3] + "...")


def printable(text: str) -> str:
    r"""Return text in which what cannot be shown is spelled, as in ``\x00``."""
    return "".join(c if presentable(c) else c.encode("unicode_escape").decode() for c in text)


def presentable(character: str) -> bool:
    """Whether a character can be stored and shown: no control, no surrogate, no line break, and
    none of those that steer others and are not seen (direction, zero width)."""
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
