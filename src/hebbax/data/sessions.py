"""The one container of recorded trials, and what every reader does at its door.

Animals x trials, ragged: padded at the end with choice -1. A trial without a choice also has choice
-1, but lies inside the record. Where encounters were recorded, it may hold rejections: the animal
met stimuli and accepted none of them.

A trial is *observed* by a likelihood that it says something to: by ``choice`` where it has a
choice among several alternatives, by ``encounter`` where it has an encounter. A forced trial offers
one alternative: the animal learns from it, and its choice says nothing.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hebbax.data import laws
from hebbax.data.covariates import Value
from hebbax.data.names import check_names
from hebbax.data.record import INTEGERS, NO_CHOICE, Record, check_array, check_record
from hebbax.display import Displayed, Part, listed
from hebbax.errors import DataError
from hebbax.typing import Likelihood


@dataclass(frozen=True, eq=False, repr=False)
class Sessions(Displayed):
    """Sessions of animals x trials; what breaks `hebbax.data.laws` raises `DataError`.

    Attributes:
        animals: names of the animals.
        stimuli: names of the alternatives; the first is the reference of the preference.
        choices: ``(animal, trial)`` index of the chosen stimulus, -1 without a choice.
        rewards: ``(animal, trial)`` reward of the chosen stimulus, 0 without a choice.
        blocks: ``(animal, trial)`` block, from 0 without gaps over all animals, -1 in padding.
        session: ``(animal, trial)`` session of the animal, from 0 without gaps, -1 in padding.
        n_trials: ``(animal,)`` recorded trials, those without a choice included.
        rejections: ``(animal, trial, stimulus)`` rejected encounters of each trial, before its
            choice or without one, or None where only choices were recorded.
        offered: ``(animal, trial, stimulus)`` whether a trial offered each alternative, or None
            where every trial offered all.
        covariates: text or numbers of every animal (animal,) by name, "" or NaN where missing.
        source: name of the file or folder they came from.
        notes: what a reader took for granted or left out, in sentences; no part of the hash.
    """

    animals: tuple[str, ...]
    stimuli: tuple[str, ...]
    choices: np.ndarray
    rewards: np.ndarray
    blocks: np.ndarray
    session: np.ndarray
    n_trials: np.ndarray
    rejections: np.ndarray | None
    source: str
    offered: np.ndarray | None = None
    covariates: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Hold the sessions to their laws; where every trial offers all, nothing is said of it."""
        laws.check(self)
        if self.offered is not None and self.offered.all():
            object.__setattr__(self, "offered", None)

    def shown(self) -> list[Part]:
        """Return what was recorded in a sentence; `hebbax.data.describe` says more."""
        each = self.session.max(axis=1) + 1
        number = f"{each.min()}" if each.min() == each.max() else f"{each.min()} to {each.max()}"
        sessions = f" x {number} sessions" if self.n_sessions > 1 else ""
        omitted = int(self.n_trials.sum()) - self.n_choices
        forced = self.n_choices - self.n_free
        parts = [
            f"{self.n_animals} animal{'s' if self.n_animals > 1 else ''}{sessions}",
            f"{self.n_choices} choices of {listed(self.stimuli)}",
            f"{forced} of them forced" if forced else "",
            f"{omitted} omitted" if omitted else "",
            f"rewards {listed([f'{value:g}' for value in np.unique(self.rewards[self.valid])])}",
            "rejections recorded" if self.rejections is not None else "",
        ]
        return [f"{self.source}: {', '.join(filter(None, parts))}", *self.notes]

    @property
    def n_animals(self) -> int:
        """Number of animals."""
        return len(self.animals)

    @property
    def n_stimuli(self) -> int:
        """Number of alternatives."""
        return len(self.stimuli)

    @property
    def max_trials(self) -> int:
        """Trials of the longest session."""
        return self.choices.shape[1]

    @property
    def valid(self) -> np.ndarray:
        """Whether the animal made a choice ``(animal, trial)``."""
        return self.choices >= 0

    @property
    def n_choices(self) -> int:
        """Number of choices of all animals."""
        return int(self.valid.sum())

    @property
    def n_free(self) -> int:
        """Number of choices among several alternatives: forced ones say nothing."""
        return int((self.valid & self.free).sum())

    @property
    def n_sessions(self) -> int:
        """Sessions of the animal that has most."""
        return int(self.session.max()) + 1

    @property
    def begins(self) -> np.ndarray:
        """Whether a trial is the first of a later session ``(animal, trial)``."""
        return np.diff(self.session, axis=1, prepend=0) > 0

    @property
    def free(self) -> np.ndarray:
        """Whether a trial offered several alternatives ``(animal, trial)``."""
        if self.offered is None:
            return np.ones(self.choices.shape, dtype=bool)
        return self.offered.sum(axis=-1) > 1

    @property
    def at_hand(self) -> np.ndarray:
        """Whether a trial offered each alternative ``(animal, trial, stimulus)``."""
        if self.offered is None:
            return np.ones((*self.choices.shape, self.n_stimuli), dtype=bool)
        return self.offered

    def observed(self, likelihood: Likelihood) -> np.ndarray:
        """Return ``(animal, trial)``: whether a trial says something under a likelihood."""
        if likelihood == "choice" or self.rejections is None:
            return self.valid & self.free
        return self.valid | (self.rejections.sum(axis=-1) > 0)

    def needed(self, likelihood: Likelihood) -> np.ndarray:
        """Return ``(animal, trial)``: whether a trial has a choice or says something under a
        likelihood, or is the first of a session without such a trial, before which a night passed
        as before any other, or of a block of which no animal has one: the others keep their
        numbers."""
        told = self.valid | self.observed(likelihood)
        first = np.diff(self.session, axis=1, prepend=-1) > 0
        own = [np.isin(one, one[said]) for one, said in zip(self.session, told, strict=True)]
        needed = told | (first & ~np.array(own))
        for block in np.setdiff1d(self.blocks[self.blocks >= 0], self.blocks[needed]):
            needed[tuple(np.argwhere(self.blocks == block)[0])] = True
        return needed


def from_animals(
    records: Sequence[Record], stimuli: Sequence[str], source: str, notes: Sequence[str] = ()
) -> Sessions:
    """Return padded sessions of ragged records; raise `DataError` for what cannot be used."""
    check_names([record.animal for record in records], "animal", source)
    check_names(stimuli, "stimulus", source)
    for record in records:
        check_record(record, len(stimuli), source)
    laws.check_counts(len(records), len(stimuli), source)
    n_trials = np.array([len(record.choices) for record in records])
    laws.check_cells(len(records), int(n_trials.max()), len(stimuli), source)
    shape = (len(records), int(n_trials.max()))
    choices, blocks, session = np.full(shape, NO_CHOICE), np.full(shape, -1), np.full(shape, -1)
    rewards = np.zeros(shape)
    parted = any(record.offered is not None for record in records)
    offered = np.ones((*shape, len(stimuli)), dtype=bool) if parted else None
    every = all(record.rejections is not None for record in records)
    rejections = np.zeros((*shape, len(stimuli)), dtype=int) if every else None
    for row, record in enumerate(records):
        n = n_trials[row]
        choices[row, :n] = record.choices
        rewards[row, :n] = np.where(record.choices >= 0, np.nan_to_num(record.rewards), 0.0)
        session[row, :n] = 0 if record.session is None else record.session
        blocks[row, :n] = session[row, :n] if record.blocks is None else record.blocks
        if offered is not None and record.offered is not None:
            offered[row, :n] = record.offered
        if rejections is not None and record.rejections is not None:
            rejections[row, :n] = record.rejections
    return Sessions(
        animals=tuple(str(record.animal) for record in records),
        stimuli=tuple(map(str, stimuli)),
        choices=choices,
        rewards=rewards,
        blocks=blocks,
        session=session,
        n_trials=n_trials,
        rejections=rejections,
        source=source,
        offered=offered,
        covariates={
            name: tuple(record.covariates[name] for record in records)
            for name in records[0].covariates
        },
        notes=tuple(notes),
    )


def natural_order(name: str) -> list[float | str]:
    """Return a sorting key that puts Fly2 before Fly10, -1 before 1 and 0.5 mM before 2 mM."""
    number = re.match(r"[+-]?\d+(\.\d+)?(?![\d.])", name)
    begin: list[float | str] = ["", float(number[0])] if number else []
    rest = name[number.end() :] if number else name
    return begin + [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", rest)]


def compact(sessions: Sessions, likelihood: Likelihood) -> Sessions:
    """Return the sessions without the trials that change no weight and say nothing to a likelihood
    (`Sessions.needed`)."""
    return part(sessions, sessions.needed(likelihood))


def part(sessions: Sessions, kept: np.ndarray) -> Sessions:
    """Return the trials that are ``kept`` (animal, trial), blocks and sessions numbered anew."""
    counts = kept.sum(axis=1)
    order = np.argsort(~kept, axis=1, kind="stable")[:, : counts.max(initial=0)]
    inside = np.arange(order.shape[1]) < counts[:, None]

    def packed(field: str) -> np.ndarray | None:
        values = getattr(sessions, field)
        if values is None:
            return None
        rank = (1,) * (values.ndim - 2)
        taken = np.take_along_axis(values, order.reshape(order.shape + rank), 1)
        return np.where(inside.reshape(inside.shape + rank), taken, laws.PADDING[field])

    fields: dict[str, Any] = {field: packed(field) for field in laws.PADDING}
    numbered = {
        "blocks": _numbered(fields["blocks"]),
        "session": np.array([_numbered(own) for own in fields["session"]]),
    }
    return replace(sessions, n_trials=counts, **{**fields, **numbered})


def select(sessions: Sessions, animals: Sequence[str]) -> Sessions:
    """Return the sessions of some animals, in the order given."""
    for animal in animals:
        if animal not in sessions.animals:
            raise DataError(
                f"{sessions.source}: no animal {animal}; there are {', '.join(sessions.animals)}."
            )
    check_names(animals, "animal", sessions.source)
    rows = [sessions.animals.index(animal) for animal in animals]
    # Padding is cut to the longest animal kept: equal recordings then have equal hashes.
    cells = np.ix_(rows, range(sessions.n_trials[rows].max(initial=0)))
    whole = {name: getattr(sessions, name) for name in laws.PADDING}
    fields: dict[str, Any] = {
        name: None if values is None else values[cells] for name, values in whole.items()
    }
    fields["blocks"] = _numbered(fields["blocks"])
    covariates = {
        name: tuple(values[row] for row in rows) for name, values in sessions.covariates.items()
    }
    return replace(
        sessions,
        animals=tuple(animals),
        n_trials=sessions.n_trials[rows],
        covariates=covariates,
        **fields,
    )


def first_trials(sessions: Sessions, fraction: float) -> np.ndarray:
    """Return round(fraction n) ``(animal,)`` of each animal's n trials, those without a choice
    counted."""
    return np.rint(fraction * sessions.n_trials).astype(int)


def split(sessions: Sessions, trials: np.ndarray) -> tuple[Sessions, Sessions]:
    """Return the first ``trials`` (animal,) of every animal, and what comes after them.

    Raises `DataError` where either part of an animal has no trial with a choice.
    """
    check_array(sessions.source, "trials of a split", trials, INTEGERS, (sessions.n_animals,))
    before = np.arange(sessions.max_trials) < trials[:, None]
    ends = [f"trial {k} of {n}" for k, n in zip(trials, sessions.n_trials, strict=True)]
    return _parted(sessions, before, ends)


def split_sessions(sessions: Sessions, n: int) -> tuple[Sessions, Sessions]:
    """Return the first ``n`` sessions of every animal, and those after them.

    Raises `DataError` where either part of an animal has no trial with a choice made freely, as
    that of an animal with no more than ``n`` sessions.
    """
    ends = [f"session {n} of {last + 1}" for last in sessions.session.max(axis=1)]
    return _parted(sessions, sessions.session < n, ends)


def _parted(
    sessions: Sessions, before: np.ndarray, ends: Sequence[str]
) -> tuple[Sessions, Sessions]:
    """Return the trials that stand ``before`` (animal, trial) the end of each animal's first part,
    as messages call it, and the others."""
    for own, which in ((before, "first"), (~before, "last")):
        empty = ~(sessions.valid & sessions.free & own).any(axis=1)
        for row in map(int, np.flatnonzero(empty)):
            raise DataError(
                f"{sessions.source}, animal {sessions.animals[row]}: a split after {ends[row]} "
                f"leaves no choice in the {which} part."
            )
    recorded = sessions.session >= 0
    return part(sessions, recorded & before), part(sessions, recorded & ~before)


def _numbered(blocks: np.ndarray) -> np.ndarray:
    """Return blocks or sessions ``(...)`` of a part of a recording, counted anew from 0."""
    found = np.unique(blocks[blocks >= 0])
    return np.where(blocks >= 0, np.searchsorted(found, blocks), -1)


def observation_index(sessions: Sessions, likelihood: Likelihood) -> tuple[np.ndarray, np.ndarray]:
    """Return animal and trial index of each observation ``(observation,)``, animal by animal."""
    animal, trial = np.nonzero(sessions.observed(likelihood))
    return animal, trial


def data_hash(sessions: Sessions) -> str:
    """Return the SHA-256 of what was recorded, whatever file it came from."""
    digest = hashlib.sha256(repr((sessions.animals, sessions.stimuli)).encode())
    fields = ("choices", "blocks", "session", "n_trials", "rejections", "offered")
    for values in (getattr(sessions, name) for name in fields):
        if values is not None:
            digest.update(np.ascontiguousarray(values, dtype=np.int64).tobytes())
    digest.update(np.ascontiguousarray(sessions.rewards, dtype=np.float64).tobytes())
    if sessions.covariates:
        digest.update(json.dumps(sessions.covariates, sort_keys=True).encode())
    return digest.hexdigest()
