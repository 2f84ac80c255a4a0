"""What the words in the tables of a report mean: one place for headers, hover texts and digits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hebbax.reporting.assets import texts


class Digits(Enum):
    """How the numbers of a column are written."""

    COUNT = 0
    SIZE = 1
    """Per cents, trials and nats: one digit behind the point."""
    COEFFICIENT = 3
    PROBABILITY = "p"
    """Three digits, and no more certainty than draws can give."""


@dataclass(frozen=True)
class Word:
    """A column or value: what it is called, what it means, how its numbers are written (by what is
    in the column where that is None), whether it has ``members``, named behind it, and whether it
    is explained ``always``, since sentences have it."""

    called: str
    meaning: str
    digits: Digits | None = None
    members: bool = False
    always: bool = False


def _word(name: str, held: Mapping[str, Any]) -> Word:
    digits = Digits[held["digits"].upper()] if "digits" in held else None
    members, always = (held.get(key, False) for key in ("members", "always"))
    return Word(held.get("called", name), held["meaning"], digits, members, always)


WORDS = {name: _word(name, held) for name, held in texts("glossary.toml").items()}
"""Words by the name of a column or value in the tables of hebbax."""


def word(name: str) -> Word | None:
    """Return what is known of a column or value, or of that whose member it is; None of one that
    says itself what it is."""
    if name in WORDS:
        return WORDS[name]
    first = WORDS.get(name.split(" ")[0])
    return first if first is not None and first.members else None


def listed(names: Iterable[str]) -> list[Word]:
    """Return the words among some names, and those that are explained always, each once, in the
    order of `WORDS`."""
    used = {found for found in map(word, names) if found is not None}
    return [one for one in dict.fromkeys(WORDS.values()) if one in used or one.always]
