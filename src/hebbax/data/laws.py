"""The laws of `Sessions`: whatever file or program they come from, these hold.

Names can be stored and stand once; arrays have the kinds and shapes of `Sessions`; counts of trials
lie in the arrays, and the longest fills them; every animal has a choice; choices are of the
alternatives; rewards are finite and belong to choices; blocks are numbered from 0 and follow each
other, within sessions, which do so in every animal; what was chosen was offered; padding is empty.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from hebbax.data.covariates import Value, check_covariates
from hebbax.data.limits import MAX_ANIMALS, MAX_CELLS, MAX_STIMULI, MAX_TRIALS
from hebbax.data.names import check_names
from hebbax.data.record import (
    INTEGERS,
    NO_CHOICE,
    REALS,
    TRUTHS,
    Record,
    check_array,
    check_record,
)
from hebbax.errors import DataError
from hebbax.validation.quoting import printable

PADDING = {
    "choices": NO_CHOICE,
    "rewards": 0,
    "blocks": -1,
    "session": -1,
    "rejections": 0,
    "offered": True,
}
"""What stands after the last trial of an animal."""


KINDS = {"rewards": REALS, "offered": TRUTHS}
"""Kinds of the values of a field; all others are integers."""


class Recorded(Protocol):
    """The fields of `hebbax.data.Sessions`."""

    @property
    def animals(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def stimuli(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def n_trials(self) -> np.ndarray: ...  # noqa: D102
    @property
    def choices(self) -> np.ndarray: ...  # noqa: D102
    @property
    def rewards(self) -> np.ndarray: ...  # noqa: D102
    @property
    def blocks(self) -> np.ndarray: ...  # noqa: D102
    @property
    def session(self) -> np.ndarray: ...  # noqa: D102
    @property
    def rejections(self) -> np.ndarray | None: ...  # noqa: D102
    @property
    def offered(self) -> np.ndarray | None: ...  # noqa: D102
    @property
    def covariates(self) -> Mapping[str, tuple[Value, ...]]: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102


def check(sessions: Recorded) -> None:
    """Raise `DataError`, one sentence that names source, animal, trial and field."""
    source = sessions.source
    if not isinstance(source, str) or printable(source) != source:
        raise DataError(f"source: {source!r} given; it is the name of a file, as text.")
    for field in ("animals", "stimuli"):
        names = getattr(sessions, field)
        if not isinstance(names, tuple):
            raise DataError(f"{source}, {field}: {type(names).__name__} given; a tuple is needed.")
    check_names(sessions.animals, "animal", source)
    check_names(sessions.stimuli, "stimulus", source)
    check_counts(len(sessions.animals), len(sessions.stimuli), source)
    shapes = _shapes(sessions)
    for field in shapes:
        kinds = KINDS.get(field, INTEGERS)
        check_array(source, field, getattr(sessions, field), kinds, shapes[field])
    _check_lengths(sessions)
    for row, animal in enumerate(sessions.animals):
        n = sessions.n_trials[row]
        where = f"{source}, animal {animal}"
        own = Record(
            animal,
            sessions.choices[row, :n],
            sessions.rewards[row, :n],
            sessions.blocks[row, :n],
            None if sessions.rejections is None else sessions.rejections[row, :n],
            sessions.session[row, :n],
            None if sessions.offered is None else sessions.offered[row, :n],
        )
        check_record(own, len(sessions.stimuli), source)
        _check_padding(sessions, row, where)
    _check_numbers(sessions)
    check_covariates(sessions.covariates, sessions.animals, source)


def check_counts(n_animals: int, n_stimuli: int, source: str) -> None:
    """Raise `DataError` where there are too few or too many animals or alternatives."""
    if n_animals == 0:
        raise DataError(f"{source}: there is no animal in it.")
    if n_stimuli < 2:
        raise DataError(
            f"{source}: only one stimulus was ever chosen; a choice needs at least 2 alternatives."
        )
    check_most(n_animals, n_stimuli, source)


def check_most(n_animals: int, n_stimuli: int, source: str) -> None:
    """Raise `DataError` where there are too many animals or alternatives."""
    if n_animals > MAX_ANIMALS:
        raise DataError(f"{source}: {n_animals} animals given; at most {MAX_ANIMALS} are allowed.")
    if n_stimuli > MAX_STIMULI:
        raise DataError(
            f"{source}: {n_stimuli} different alternatives given; at most {MAX_STIMULI} are "
            "allowed."
        )


def check_cells(n_animals: int, longest: int, n_stimuli: int, source: str) -> None:
    """Raise `DataError` where padded arrays of these sizes would be too large to hold."""
    if longest > MAX_TRIALS:
        raise DataError(f"{source}: {longest} trials given; at most {MAX_TRIALS} are allowed.")
    if n_animals * longest * n_stimuli > MAX_CELLS:
        raise DataError(
            f"{source}: {n_animals} animals x {longest} trials of the longest x {n_stimuli} "
            f"alternatives given; at most {MAX_CELLS} numbers are allowed."
        )


def _shapes(sessions: Recorded) -> dict[str, tuple[int, ...]]:
    """Return the shape that each array must have, given that of the choices."""
    n, k = len(sessions.animals), len(sessions.stimuli)
    shape = np.shape(sessions.choices)
    trials = shape[1] if len(shape) == 2 else 0
    check_cells(n, trials, k, sessions.source)
    cells = (n, trials)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("choices", "rewards", "blocks", "session"), cells
    )
    shapes["n_trials"] = (n,)
    for field in ("rejections", "offered"):
        if getattr(sessions, field) is not None:
            shapes[field] = (*cells, k)
    return shapes


def _check_lengths(sessions: Recorded) -> None:
    longest = sessions.choices.shape[1]
    for animal, n in zip(sessions.animals, sessions.n_trials, strict=True):
        if not 0 <= n <= longest:
            raise DataError(
                f"{sessions.source}, animal {animal}, n_trials: {n} given; the arrays hold "
                f"{longest} trials."
            )
    if sessions.n_trials.max() != longest:
        raise DataError(
            f"{sessions.source}, n_trials: at most {sessions.n_trials.max()} given; the longest "
            f"animal fills the {longest} trials of the arrays."
        )


def _check_padding(sessions: Recorded, row: int, where: str) -> None:
    n = sessions.n_trials[row]
    for field, empty in PADDING.items():
        values = getattr(sessions, field)
        if values is not None and (values[row, n:] != empty).any():
            raise DataError(
                f"{where}, {field}: something stands after its {n} trials; {empty} is needed there."
            )


def _check_numbers(sessions: Recorded) -> None:
    """Raise `DataError` unless the blocks of all animals are 0 and the following numbers."""
    found = np.unique(sessions.blocks[sessions.blocks >= 0])
    for number, block in enumerate(found):
        if block != number:
            raise DataError(
                f"{sessions.source}, blocks: there is a block {block} and no block {number}; "
                "blocks are numbered from 0 without gaps."
            )
