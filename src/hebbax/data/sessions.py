"""The one container of recorded trials, and what every reader does at its door.

Animals x trials, ragged: padded at the end with choice -1. An omitted trial (the animal made no
choice) also has choice -1, but lies inside the record.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hebbax.errors import DataError

NO_CHOICE = -1
"""The index of the chosen stimulus where none was."""


@dataclass(frozen=True, eq=False)
class Sessions:
    """Sessions of animals x trials.

    Attributes:
        animals: names of the animals.
        stimuli: names of the alternatives; the first is the reference of the preference.
        choices: ``(animal, trial)`` index of the chosen stimulus, -1 without a choice.
        rewards: ``(animal, trial)`` reward of the chosen stimulus, 0 without a choice.
        blocks: ``(animal, trial)`` block from 0, -1 in padding.
        n_trials: ``(animal,)`` recorded trials, omitted ones included.
        rejections: ``(animal, trial, stimulus)`` rejected encounters before each choice, or None
            where only choices were recorded.
        source: name of the file or folder they came from.
    """

    animals: tuple[str, ...]
    stimuli: tuple[str, ...]
    choices: np.ndarray
    rewards: np.ndarray
    blocks: np.ndarray
    n_trials: np.ndarray
    rejections: np.ndarray | None
    source: str

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
        """``(animal, trial)``: whether the animal made a choice."""
        return self.choices >= 0

    @property
    def n_observations(self) -> int:
        """Number of choices of all animals."""
        return int(self.valid.sum())


@dataclass(frozen=True, eq=False)
class Record:
    """One animal's trials, before padding: ``choices`` (trial,), -1 for an omitted one; ``rewards``
    (trial,), NaN where none was recorded; ``blocks`` (trial,) from 0; ``rejections`` (trial,
    stimulus); ``first_trial``: how the recording itself numbers its first trial, for messages."""

    animal: str
    choices: np.ndarray
    rewards: np.ndarray
    blocks: np.ndarray | None = None
    rejections: np.ndarray | None = None
    first_trial: int = 1


def from_animals(records: Sequence[Record], stimuli: Sequence[str], source: str) -> Sessions:
    """Return padded sessions of ragged records; raise `DataError` for what cannot be used.

    The rejections of an omitted trial belong to no choice and are dropped.
    """
    if not records:
        raise DataError(f"{source}: there is no animal in it.")
    _check_names([record.animal for record in records], "animal", source)
    _check_names(stimuli, "stimulus", source)
    for record in records:
        check_record(record, len(stimuli), source)
    if len(stimuli) < 2:
        raise DataError(
            f"{source}: only one stimulus was ever chosen; a choice needs at least 2 alternatives."
        )
    n_trials = np.array([len(record.choices) for record in records])
    shape = (len(records), int(n_trials.max()))
    choices, blocks = np.full(shape, NO_CHOICE), np.full(shape, -1)
    rewards = np.zeros(shape)
    every = all(record.rejections is not None for record in records)
    rejections = np.zeros((*shape, len(stimuli)), dtype=int) if every else None
    for row, record in enumerate(records):
        n = n_trials[row]
        choices[row, :n] = record.choices
        rewards[row, :n] = np.where(record.choices >= 0, np.nan_to_num(record.rewards), 0.0)
        blocks[row, :n] = 0 if record.blocks is None else record.blocks
        if rejections is not None and record.rejections is not None:
            rejections[row, :n] = np.where((record.choices >= 0)[:, None], record.rejections, 0)
    return Sessions(
        animals=tuple(str(record.animal) for record in records),
        stimuli=tuple(map(str, stimuli)),
        choices=choices,
        rewards=rewards,
        blocks=blocks,
        n_trials=n_trials,
        rejections=rejections,
        source=source,
    )


def _check_names(names: Sequence[str], kind: str, source: str) -> None:
    for k, name in enumerate(names):
        if name in names[:k]:
            raise DataError(f"{source}, {kind} {name}: given twice; each needs a name of its own.")


def check_record(record: Record, n_stimuli: int, source: str) -> None:
    """Raise `DataError` naming the trial of one animal that cannot be used."""
    where = f"{source}, animal {record.animal}"
    n = len(record.choices)
    if n < 2:
        raise DataError(
            f"{where}: {n} trial{'s' if n == 0 else ''} given; at least 2 are needed to see "
            "learning."
        )
    _check_shapes(record, n_stimuli, where)
    if not (record.choices >= 0).any():
        raise DataError(f"{where}: there is no trial with a choice.")
    for trial, (choice, reward) in enumerate(
        zip(record.choices, record.rewards, strict=True), start=record.first_trial
    ):
        if not NO_CHOICE <= choice < n_stimuli:
            raise DataError(
                f"{where}, trial {trial}, choice: stimulus {choice} is not one of {n_stimuli}."
            )
        if choice >= 0 and not np.isfinite(reward):
            raise DataError(
                f"{where}, trial {trial}, reward: {shown(reward)} given; a trial with a choice "
                "needs a finite number, such as 0 or 1."
            )
        if choice < 0 and np.nan_to_num(reward) != 0:
            raise DataError(
                f"{where}, trial {trial}, reward: {reward:g} given on a trial without a choice; "
                "leave it empty or 0."
            )


def _check_shapes(record: Record, n_stimuli: int, where: str) -> None:
    n = len(record.choices)
    if not np.issubdtype(record.choices.dtype, np.integer):
        raise DataError(f"{where}, choices: {record.choices.dtype} given; integers are needed.")
    for field, shape in (("rewards", (n,)), ("blocks", (n,)), ("rejections", (n, n_stimuli))):
        values = getattr(record, field)
        if values is not None and values.shape != shape:
            raise DataError(f"{where}, {field}: shape {values.shape} given; {shape} is needed.")
    for field in ("blocks", "rejections"):
        values = getattr(record, field)
        if values is not None and (values < 0).any():
            raise DataError(f"{where}, {field}: {values.min()} given; 0 or more is allowed.")


def shown(value: float) -> str:
    """Return a number as a message shows it; a missing one is "nothing"."""
    return "nothing" if np.isnan(value) else f"{value:g}"


def natural_order(name: str) -> list[int | str]:
    """Return a sorting key that puts Fly2 before Fly10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def compact(sessions: Sessions) -> Sessions:
    """Return the sessions without omitted trials: they change no weight and have no likelihood."""
    counts = sessions.valid.sum(axis=1)
    order = np.argsort(~sessions.valid, axis=1, kind="stable")[:, : counts.max()]

    def packed(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, order.reshape(order.shape + (1,) * (values.ndim - 2)), 1)

    kept = packed(sessions.valid)
    return replace(
        sessions,
        choices=packed(sessions.choices),
        rewards=packed(sessions.rewards),
        blocks=np.where(kept, packed(sessions.blocks), -1),
        n_trials=counts,
        rejections=None
        if sessions.rejections is None
        else packed(sessions.rejections) * kept[..., None],
    )


def select(sessions: Sessions, animals: Sequence[str]) -> Sessions:
    """Return the sessions of some animals, in the order given."""
    for animal in animals:
        if animal not in sessions.animals:
            raise DataError(
                f"{sessions.source}: no animal {animal}; there are {', '.join(sessions.animals)}."
            )
    _check_names(animals, "animal", sessions.source)
    rows = [sessions.animals.index(animal) for animal in animals]
    # Padding is cut to the longest animal kept: equal recordings then have equal hashes.
    cells = np.ix_(rows, range(sessions.n_trials[rows].max(initial=0)))
    return replace(
        sessions,
        animals=tuple(animals),
        choices=sessions.choices[cells],
        rewards=sessions.rewards[cells],
        blocks=sessions.blocks[cells],
        n_trials=sessions.n_trials[rows],
        rejections=None if sessions.rejections is None else sessions.rejections[cells],
    )


def first_trials(sessions: Sessions, fraction: float) -> np.ndarray:
    """Return round(fraction n) ``(animal,)`` of each animal's n trials, omitted ones counted."""
    return np.rint(fraction * sessions.n_trials).astype(int)


def split(sessions: Sessions, trials: np.ndarray) -> tuple[Sessions, Sessions]:
    """Return the first ``trials`` (animal,) of every session, and what comes after them.

    Raises `DataError` where either part of an animal has no trial with a choice.
    """
    parts = _cut(sessions, np.zeros_like(trials), trials), _cut(sessions, trials, sessions.n_trials)
    for part, which in zip(parts, ("first", "last"), strict=True):
        for row in np.flatnonzero(~part.valid.any(axis=1)):
            raise DataError(
                f"{sessions.source}, animal {sessions.animals[row]}: a split after trial "
                f"{trials[row]} of {sessions.n_trials[row]} leaves no choice in the {which} part."
            )
    return parts


def _cut(sessions: Sessions, begin: np.ndarray, end: np.ndarray) -> Sessions:
    """Return the trials from ``begin`` (animal,) and before ``end`` (animal,), counted from 0."""
    counts = end - begin
    place = np.arange(counts.max(initial=0))
    kept = place < counts[:, None]
    rows, cells = np.arange(len(counts))[:, None], np.where(kept, begin[:, None] + place, 0)

    def taken(values: np.ndarray, padding: int) -> np.ndarray:
        own = kept if values.ndim == 2 else kept[..., None]
        return np.where(own, values[rows, cells], padding)

    return replace(
        sessions,
        choices=taken(sessions.choices, NO_CHOICE),
        rewards=taken(sessions.rewards, 0),
        blocks=taken(sessions.blocks, -1),
        n_trials=counts,
        rejections=None if sessions.rejections is None else taken(sessions.rejections, 0),
    )


def observation_index(sessions: Sessions) -> tuple[np.ndarray, np.ndarray]:
    """Return animal and trial index of each choice ``(observation,)``, animal by animal."""
    animal, trial = np.nonzero(sessions.valid)
    return animal, trial


def data_hash(sessions: Sessions) -> str:
    """Return the SHA-256 of what was recorded, whatever file it came from."""
    digest = hashlib.sha256(repr((sessions.animals, sessions.stimuli)).encode())
    for values in (sessions.choices, sessions.blocks, sessions.n_trials, sessions.rejections):
        if values is not None:
            digest.update(np.ascontiguousarray(values, dtype=np.int64).tobytes())
    digest.update(np.ascontiguousarray(sessions.rewards, dtype=np.float64).tobytes())
    return digest.hexdigest()
