"""Which column of a table holds which field, and what to type where that cannot be told."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hebbax.errors import DataError
from hebbax.validation.quoting import printable

TRIAL_COLUMNS = ("animal", "choice", "reward")
ENCOUNTER_COLUMNS = ("animal", "trial", "stimulus", "accepted", "reward")
FIELDS = (
    *("animal", "session", "trial", "block", "choice", "reward", "forced", "offered"),
    *("stimulus", "accepted"),
)

WORDS = {
    "animal": "animal subject subj subjid subjectid mouse rat fly participant monkey bird fish",
    "choice": "choice choices response resp action chosen decision selected",
    "reward": "reward rewards outcome outcomes feedback rewarded reinforced payoff points",
    "stimulus": "stimulus stim odor odour cue",
    "accepted": "accepted accept",
    "block": "block",
}
"""Words by which others call a field: a header with one of them is proposed."""

TAKEN = {
    "animal": "subject subjid subjectid participant participantid mouse rat fly monkey",
    "choice": "choices",
    "reward": "rewards outcome outcomes",
}
"""Headers of one word that are taken for a field, with a note, where nothing else is proposed."""

WHOLE = {
    "animal": "id name animalid",
    "trial": "t trial trials trialno trialnr trialnum trialnumber trialid trialindex trialidx",
    "choice": "side arm option key",
    "reward": "r",
}
"""Words that stand for a field where they are the whole header."""

NUMBERED = re.compile(r"(?:trial|choice|t|c)?[ _.#-]*([0-9]+)", re.I)
"""A header of a table with one column a trial."""

PAIRS = (("gain", "loss"), ("gains", "losses"), ("win", "loss"), ("wins", "losses"))
SHOWN = 20
"""Headers that a message lists."""


def listed(headers: Sequence[str]) -> str:
    """Return headers as a message lists them."""
    named = [printable(header)[:60] for header in headers if header]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return (", ".join(named[:SHOWN]) or "nothing") + more


def simple(header: str) -> str:
    """Return a header without capitals and with single blanks: "Trial  No" is "trial no"."""
    return " ".join(header.split()).casefold()


def find(name: str, headers: Sequence[str]) -> str | None:
    """Return the header that is ``name``, or differs from it in capitals and blanks only."""
    if name in headers:
        return name
    alike = [header for header in headers if simple(header) == simple(name)]
    return alike[0] if len(alike) == 1 else None


class Assigned(NamedTuple):
    """The header of each field that a table has, and a note on those of another name."""

    fields: dict[str, str]
    notes: list[str]


def assign(headers: Sequence[str], columns: Mapping[str, str], source: str) -> Assigned:
    """Return the header of each field that the table has.

    ``columns`` are those that the user named. Raises `DataError` where a needed one is missing.
    """
    named = _claimed(headers, columns, source)
    # A header that a mapping claims is no longer read under its own name.
    free = [header for header in headers if header not in named.values()]
    own = {name: header for name in FIELDS if (header := find(name, free)) is not None}
    fields = own | named
    encounters = "accepted" in fields and not ("choice" in fields and "stimulus" not in fields)
    needed = ENCOUNTER_COLUMNS if encounters else TRIAL_COLUMNS
    if not encounters:
        if "stimulus" in named:
            raise DataError(
                f"{source}: stimulus is for one row an encounter, and there is no column accepted; "
                "of one row a trial, what was at hand is offered."
            )
        fields.pop("stimulus", None)
    free = [header for header in headers if header not in fields.values()]
    taken = _taken([name for name in needed if name not in fields], free)
    fields |= taken
    missing = [name for name in needed if name not in fields]
    free = [header for header in free if header not in taken.values()]
    proposed = {name: proposal(name, free) for name in dict.fromkeys((*missing, "trial"))}
    if "trial" not in fields and proposed["trial"] is not None and "trial" not in missing:
        missing.append("trial")
    if missing:
        raise DataError(f"{source}: {_lacks(missing, headers, free, proposed)}")
    read = ", ".join(f"{printable(header)} as {name}" for name, header in taken.items())
    return Assigned(fields, [f"Columns that were read by another name: {read}."] if read else [])


def _claimed(headers: Sequence[str], columns: Mapping[str, str], source: str) -> dict[str, str]:
    """Return the header of each field that the user named."""
    named = {}
    for name, wanted in columns.items():
        if name not in FIELDS:
            raise DataError(f'unknown field "{name}" in --column; fields are {", ".join(FIELDS)}.')
        header = find(wanted, headers)
        if header is None:
            raise DataError(f'{source}: no column "{wanted}" for {name}; found {listed(headers)}.')
        named[name] = header
    return named


def _taken(missing: Sequence[str], free: Sequence[str]) -> dict[str, str]:
    """Return the headers that can stand for one missing field only, and alone do so."""
    found = {name: proposal(name, free) for name in missing}
    return {
        name: header
        for name, header in found.items()
        if header is not None and simple(header) in TAKEN.get(name, "").split()
    }


def proposal(name: str, headers: Sequence[str]) -> str | None:
    """Return the one header that seems to hold a field, or None."""
    found = [header for header in headers if _names(name, header)]
    return found[0] if len(found) == 1 else None


def _names(field: str, header: str) -> bool:
    parts = [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+", header)]
    whole = "".join(parts)
    found = {*parts, whole} & set(WORDS.get(field, "").split())
    return bool(found) or whole in WHOLE.get(field, "").split()


def _lacks(
    missing: Sequence[str],
    headers: Sequence[str],
    free: Sequence[str],
    proposed: Mapping[str, str | None],
) -> str:
    """Return what is missing, what was found, and what to do."""
    numbered = [header for header in headers if NUMBERED.fullmatch(header)]
    if "choice" in missing and len(numbered) > 2:
        return (
            f"looks wide, with one column a trial ({numbered[0]} to {numbered[-1]}); one row a "
            "trial is needed, with columns animal, trial, choice and reward, as pandas.melt makes."
        )
    lower = {simple(header): header for header in free}
    gain, loss = next(((g, b) for g, b in PAIRS if g in lower and b in lower), ("", ""))
    if list(missing) == ["reward"] and gain:
        return (
            f'no column "reward", but {lower[gain]} and {lower[loss]}; add a column reward = '
            f"{lower[gain]} + {lower[loss]}, losses being negative, or leave losses out with "
            f"{_option('reward', lower[gain])}."
        )
    names = ", ".join(f'"{name}"' for name in missing)
    sentence = f"no column{'s' if len(missing) > 1 else ''} {names}; found {listed(headers)}; "
    if any(proposed[name] for name in missing):
        options = " ".join(_option(name, proposed[name] or "HEADER") for name in missing)
        return f"{sentence}if that is meant, type {options}."
    options = " ".join(_option(name, "HEADER") for name in missing)
    return f"{sentence}name another header with {options}."


def _option(field: str, header: str) -> str:
    return option("column", f"{field}={header}")


def option(name: str, value: str) -> str:
    """Return an option as it is typed in a shell."""
    return f"--{name} {shlex.quote(value)}"
