"""The laws of one animal's trials, whichever door they come in by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hebbax.data.limits import MAX_REJECTIONS, MAX_REWARD, MAX_TRIALS
from hebbax.errors import DataError

NO_CHOICE = -1
"""The index of the chosen stimulus where none was."""


INTEGERS = ("iu", "integers")
REALS = ("f", "floating-point numbers")
NUMBERS = ("fiub", "numbers")
TRUTHS = ("b", "truth values")
"""NumPy's kinds of the values of an array, and what they are called."""


def counted(place: int) -> str:
    """Return how messages call the trial at a place of an animal's trials."""
    return f"trial {place + 1}"


@dataclass(frozen=True, eq=False)
class Record:
    """One animal's trials, before padding: ``choices`` (trial,), -1 for an omitted one; ``rewards``
    (trial,), NaN where none was recorded; ``blocks`` (trial,) from 0, without them one a session;
    ``rejections`` (trial, stimulus); ``session`` (trial,) from 0, without it one; ``offered``
    (trial, stimulus), without it all; ``covariates`` of the animal, text or numbers by name;
    ``called``: how the recording itself calls the trial at a
    place, for messages."""

    animal: str
    choices: np.ndarray
    rewards: np.ndarray
    blocks: np.ndarray | None = None
    rejections: np.ndarray | None = None
    session: np.ndarray | None = None
    offered: np.ndarray | None = None
    covariates: Mapping[str, str | float] = field(default_factory=dict)
    called: Callable[[int], str] = counted


def check_record(record: Record, n_stimuli: int, source: str) -> None:
    """Raise `DataError` naming the trial of one animal that cannot be used."""
    where = f"{source}, animal {record.animal}"
    check_sizes(record, n_stimuli, where)
    if not (record.choices >= 0).any():
        raise DataError(f"{where}: there is no trial with a choice.")
    check_trials(record, n_stimuli, where)


def check_array(
    where: str, field: str, values: Any, kinds: tuple[str, str], shape: tuple[int, ...]
) -> None:
    """Raise `DataError` where a field is no plain array of these kinds (`INTEGERS`, ...) and shape;
    a masked array is none, because what it hides would count."""
    if type(values) is not np.ndarray:
        raise DataError(
            f"{where}, {field}: {type(values).__name__} given; a NumPy array is needed."
        )
    letters, name = kinds
    if values.dtype.kind not in letters:
        raise DataError(f"{where}, {field}: {values.dtype} given; {name} are needed.")
    if values.shape != shape:
        raise DataError(f"{where}, {field}: shape {values.shape} given; {shape} is needed.")


def check_sizes(record: Record, n_stimuli: int, where: str) -> None:
    """Raise `DataError` where the arrays of one animal are of other kinds or shapes."""
    n = np.size(record.choices)
    if n > MAX_TRIALS:
        raise DataError(f"{where}: {n} trials given; at most {MAX_TRIALS} are allowed.")
    check_array(where, "choices", record.choices, INTEGERS, (n,))
    check_array(where, "rewards", record.rewards, NUMBERS, (n,))
    if record.blocks is not None:
        check_array(where, "blocks", record.blocks, INTEGERS, (n,))
    if record.rejections is not None:
        check_array(where, "rejections", record.rejections, INTEGERS, (n, n_stimuli))
    if record.session is not None:
        check_array(where, "session", record.session, INTEGERS, (n,))
    if record.offered is not None:
        check_array(where, "offered", record.offered, TRUTHS, (n, n_stimuli))


def check_trials(record: Record, n_stimuli: int, where: str) -> None:
    """Raise `DataError` naming the first trial whose choice, reward, block or rejections cannot
    be."""
    for name in ("blocks", "rejections"):
        values = getattr(record, name)
        if values is not None and values.size and values.min() < 0:
            raise DataError(f"{where}, {name}: {values.min()} given; 0 or more is allowed.")
    if (
        record.rejections is not None
        and (most := record.rejections.max(initial=0)) > MAX_REJECTIONS
    ):
        raise DataError(
            f"{where}, rejections: {most} given in one trial; at most {MAX_REJECTIONS} are allowed."
        )
    choices, rewards = record.choices, record.rewards.astype(float)
    made = choices >= 0
    odd = {
        "choice": (choices < NO_CHOICE) | (choices >= n_stimuli),
        "lost": made & ~np.isfinite(rewards),
        "far": np.abs(rewards) > MAX_REWARD,
        "stray": ~made & (np.nan_to_num(rewards) != 0),
    }
    for k in np.flatnonzero(np.any(list(odd.values()), axis=0))[:1]:
        (kind, *_) = (name for name, found in odd.items() if found[k])
        field = "choice" if kind == "choice" else "reward"
        sentence = {
            "choice": f"stimulus {choices[k]} is not one of {n_stimuli}.",
            "lost": f"{shown(rewards[k])} given; a trial with a choice needs a finite number, such "
            "as 0 or 1.",
            "far": f"{rewards[k]:g} given; a reward lies between {-MAX_REWARD:g} and "
            f"{MAX_REWARD:g}, so give it in other units.",
            "stray": f"{rewards[k]:g} given on a trial without a choice; leave it empty or 0.",
        }
        raise DataError(f"{where}, {record.called(int(k))}, {field}: {sentence[kind]}")
    if record.offered is not None:
        _check_offered(record, record.offered, where)
    if record.session is not None:
        _check_sessions(record, record.session, where)
    if record.blocks is not None:
        _check_blocks(record.blocks, record.called, where)


def _check_offered(record: Record, offered: np.ndarray, where: str) -> None:
    """Raise `DataError` where a trial offers nothing, or what was chosen was not offered."""
    if record.rejections is not None:
        raise DataError(
            f"{where}, offered: given beside rejections; what was met is what was offered there."
        )
    chosen = np.take_along_axis(offered, np.maximum(record.choices, 0)[:, None], axis=1)[:, 0]
    for odd, found in (
        (~offered.any(axis=1), "nothing; a trial offers at least one alternative."),
        ((record.choices >= 0) & ~chosen, "not what was chosen; a choice is of what was offered."),
    ):
        for k in np.flatnonzero(odd)[:1]:
            raise DataError(f"{where}, {record.called(int(k))}, offered: {found}")


def _check_sessions(record: Record, session: np.ndarray, where: str) -> None:
    """Raise `DataError` unless the sessions are 0 and the following numbers, each block in one."""
    steps = np.diff(session, prepend=0)
    odd = (steps != 0) & (steps != 1)
    odd[:1] |= session[:1] != 0
    for k in np.flatnonzero(odd)[:1]:
        raise DataError(
            f"{where}, {record.called(int(k))}, session: {session[k]} given; sessions are "
            "numbered from 0 without gaps, in their order."
        )
    if record.blocks is not None:
        for k in np.flatnonzero((steps == 1) & (np.diff(record.blocks, prepend=-1) == 0))[:1]:
            raise DataError(
                f"{where}, {record.called(int(k))}, block: goes on in another session; a "
                "block lies in one session."
            )


def _check_blocks(blocks: np.ndarray, called: Callable[[int], str], where: str) -> None:
    """Raise `DataError` where a block goes on after another one began."""
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    _, first = np.unique(blocks[starts], return_index=True)
    for start in np.delete(starts, first)[:1]:
        raise DataError(
            f"{where}, {called(int(start))}, block: goes back to an earlier block; blocks "
            "follow each other, so number them in their order."
        )


def shown(value: float) -> str:
    """Return a number as a message shows it; a missing one is "nothing"."""
    return "nothing" if np.isnan(value) else f"{value:g}"
