"""What is said of the columns of a table that were not read: what they may be, and what to type."""

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from hebbax.data.cells import names_of
from hebbax.data.headers import listed, option, simple
from hebbax.data.offers import SEPARATOR
from hebbax.data.trials import OF_ANIMALS, stretches

FORCED = ("forced", "instructed", "guided")
"""Words of a header of trials in which the animal had no choice."""

FREE = "free"
"""The word of a header of those in which it had one."""

SESSIONS = ("session", "day", "date", "visit", "run")
"""Words of a header that may name sessions."""

OFFERED = ("offer", "available", "options", "stimul")
"""Words of a header of the alternatives that a trial let the animal choose from."""


def unread_notes(others: pd.DataFrame, several: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Return notes on the columns ``others`` of a table whose fields are ``table``, and on those
    whose cells hold ``several`` values."""
    named = [header for header in map(str, others) if header]
    unread = [*named, *map(str, several)]
    notes = [f"Columns that were not read: {listed(unread)}."] if unread else []
    notes += _used_again(others[named], table["animal"])
    if "session" not in table:
        notes += _sessions(others[named], table["animal"])
    if "choice" in table:
        notes += [] if "forced" in table or "offered" in table else _forced(named)
        notes += [] if "offered" in table else _offered(others[named], several, table["choice"])
    return notes


def _again(cells: pd.Series, animals: pd.Series) -> bool:
    """Whether a cell of an animal comes again after another one."""
    begins = stretches(pd.DataFrame({"animal": animals, "cell": cells}))
    return bool(begins.duplicated().any())


def _has(header: str, words: Sequence[str]) -> bool:
    return any(word in simple(header) for word in words)


def _sessions(others: pd.DataFrame, animals: pd.Series) -> Iterator[str]:
    """Ask about columns that part the trials of an animal into stretches."""
    for header in (name for name in map(str, others) if _has(name, SESSIONS)):
        cells = others[header].astype(str)
        parts = cells.groupby(animals).nunique()
        if parts.max() > 1 and not _again(cells, animals) and 2 * parts.sum() <= len(cells):
            yield (
                f"If {header} tells sessions apart, type {option('column', f'session={header}')}: "
                "all trials of an animal count as one session here."
            )


def _used_again(others: pd.DataFrame, animals: pd.Series) -> Iterator[str]:
    """Ask about names of animals that may stand for another one in each group."""
    for header in (name for name in map(str, others) if simple(name) in OF_ANIMALS):
        cells = others[header].astype(str)
        several = cells.groupby(animals, sort=False).nunique() > 1
        if several.any() and not _again(cells, animals):
            animal = several.idxmax()
            yield (
                f"Animal {animal} has several values of {header}; if animals are numbered anew in "
                "each, give every animal a name of its own: those of one name count as one here."
            )


def _forced(named: Sequence[str]) -> Iterator[str]:
    """Ask about columns that may say which trials were forced."""
    for header in named:
        if _has(header, FORCED):
            yield (
                f"If {header} marks trials without a free choice, type "
                f"{option('column', f'forced={header}')}: they count as free ones here."
            )
        elif _has(header, (FREE,)):
            yield (
                f"If {header} marks the trials with a free choice, add a column forced that is 1 "
                "in all others: they count as free ones here."
            )


def _offered(others: pd.DataFrame, several: pd.DataFrame, choices: pd.Series) -> Iterator[str]:
    """Ask about columns that may say what a trial offered."""
    lists = [h for h in map(str, several) if _has(h, OFFERED) and _names_any(several[h], choices)]
    for header in map(str, others):
        cells = others[header].dropna().astype(str)
        if _has(header, OFFERED) and cells.str.contains(SEPARATOR, regex=False).any():
            yield (
                f"If {header} names the alternatives that were offered, type "
                f"{option('column', f'offered={header}')}: all count as offered here."
            )
    found = lists or _names_of_alternatives(others, choices)
    if found:
        verb = "are" if len(found) > 1 else "names"
        example = SEPARATOR.join(sorted(set(choices.dropna()))[:2])
        yield (
            f"If {' and '.join(found)} {verb} the alternatives that were offered, add a column "
            f"offered that names them, as in {example}: all count as offered here."
        )


def _names_any(lists: pd.Series, choices: pd.Series) -> bool:
    """Whether any of the lists in some cells names an alternative."""
    names = {str(one) for cell in lists if isinstance(cell, Iterable) for one in cell}
    return not names.isdisjoint(choices.dropna())


def _names_of_alternatives(others: pd.DataFrame, choices: pd.Series) -> list[str]:
    """Return the columns that hold names of alternatives, where each choice is among them."""
    made = choices.dropna()
    cells = others.loc[made.index].apply(names_of)
    found = [name for name in map(str, cells) if set(cells[name]) <= set(made)]
    if len(found) < 2 or made.nunique() < 3:
        return []
    among = cells[found].eq(made, axis=0).any(axis=1)
    return found if among.all() else []
