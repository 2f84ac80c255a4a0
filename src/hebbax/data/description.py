"""What was read, before anything is made of it: counts, values, and what is asked about them.

Values that look like something else are questioned, never guessed: a code for a missing choice, one
alternative written in two ways, a reward that names the side.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np
from pydantic import TypeAdapter, ValidationError

from hebbax.data.covariates import described
from hebbax.data.questions import questions
from hebbax.data.sessions import Sessions
from hebbax.display import Displayed, Part
from hebbax.errors import DataError

MOST = 12
"""Alternatives or values of a reward that are listed; of more, how many there are."""


@dataclass(frozen=True, repr=False)
class Description(Displayed):
    """What was read from a recording.

    Attributes:
        source: name of the file or folder.
        counts: what was counted and how often it is, in words, by what it is.
        notes: what the reader took for granted or left out, in sentences.
        questions: what looks like something else, in sentences.
    """

    source: str
    counts: dict[str, str]
    notes: tuple[str, ...]
    questions: tuple[str, ...]

    def shown(self) -> list[Part]:
        """Return what was counted, and then notes and questions."""
        counted = (f"  {name}: {value}" for name, value in self.counts.items())
        return ["\n".join([f"Read from {self.source}:", *counted]), *self.notes, *self.questions]

    def to_json(self) -> str:
        """Return it as text to store beside a fit."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Description":
        """Return what `to_json` stored; raise `DataError` for what it did not store."""
        try:
            return TypeAdapter(cls).validate_json(text, strict=True)
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise DataError(
                f"not a description of a recording ({where}: {first['msg'].lower()})."
            ) from problem


def describe(sessions: Sessions) -> Description:
    """Return what was read: animals, sessions, trials, blocks, choices and rewards, of forced
    trials apart, and rejections.

    >>> import hebbax
    >>> table = {"animal": ["A"] * 3, "trial": [1, 2, 3], "choice": list("LRL")}
    >>> table["reward"] = [1, 0, 0]
    >>> describe(hebbax.read(table, name="my table"))
    Read from my table:
      animals: 1: A
      trials: 3, 3 an animal
      blocks: 1
      choices: 3: L 2 (66.7 %), R 1 (33.3 %)
      trials without a choice: 0 (0.0 %)
      rewards: 0 in 2 (66.7 %), 1 in 1 (33.3 %)
    """
    n_trials, free = int(sessions.n_trials.sum()), sessions.valid & sessions.free
    counts = {"animals": _listed(list(sessions.animals))}
    for name, values in list(sessions.covariates.items())[:MOST]:
        counts[f"animals by {name}"] = described(values)
    if sessions.n_sessions > 1:
        each = sessions.session.max(axis=1) + 1
        counts["sessions"] = f"{each.sum()}, {_range(each)} an animal"
    counts["trials"] = f"{n_trials}, {_range(sessions.n_trials)} an animal"
    counts["blocks"] = str(len(np.unique(sessions.blocks[sessions.blocks >= 0])))
    if partly := _partly(sessions):
        counts["offering a part"] = f"{_part(partly, n_trials)} of the trials"
    counts["choices"] = _choices(sessions, free)
    counts["trials without a choice"] = _part(n_trials - sessions.n_choices, n_trials)
    if sessions.rejections is not None:
        rejected = sessions.rejections.sum(axis=(0, 1))
        counts["rejections"] = _shares(dict(zip(sessions.stimuli, rejected, strict=True)))
    counts["rewards"] = _rewards(sessions.rewards[free])
    forced = sessions.valid & ~sessions.free
    if forced.any():
        part = _part(int(forced.sum()), n_trials)
        counts["forced trials"] = f"{part}, which teach and say nothing"
        counts["forced choices"] = _choices(sessions, forced)
        counts["rewards of these"] = _rewards(sessions.rewards[forced])
    return Description(sessions.source, counts, sessions.notes, tuple(questions(sessions)))


def _partly(sessions: Sessions) -> int:
    """Return how many trials offered several alternatives, and not all."""
    if sessions.offered is None:
        return 0
    offers = sessions.offered.sum(axis=-1)
    return int(((offers > 1) & (offers < sessions.n_stimuli)).sum())


def _choices(sessions: Sessions, of: np.ndarray) -> str:
    """Return how often each alternative was chosen in some trials ``(animal, trial)``."""
    counted = np.bincount(sessions.choices[of], minlength=sessions.n_stimuli)
    return _shares(dict(zip(sessions.stimuli, counted, strict=True)))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{len(names)}: {', '.join(names[:MOST])}{more}"


def _range(numbers: np.ndarray) -> str:
    low, high = numbers.min(), numbers.max()
    return str(low) if low == high else f"{low} to {high}"


def _part(count: int, whole: int) -> str:
    return f"{count} ({100 * count / whole:.1f} %)" if whole else "0"


def _shares(counts: dict[str, int]) -> str:
    """Return how often each name is, and its part of all."""
    whole = int(sum(counts.values()))
    shown = [f"{name} {_part(int(n), whole)}" for name, n in list(counts.items())[:MOST]]
    more = f" and {len(counts) - MOST} more" if len(counts) > MOST else ""
    return f"{whole}: {', '.join(shown)}{more}"


def _rewards(rewards: np.ndarray) -> str:
    values, counts = np.unique(rewards, return_counts=True)
    if len(values) > MOST:
        return (
            f"{len(values)} different values from {values[0]:g} to {values[-1]:g}, mean "
            f"{rewards.mean():.3g}"
        )
    whole = len(rewards)
    return ", ".join(
        f"{v:g} in {_part(int(n), whole)}" for v, n in zip(values, counts, strict=True)
    )
