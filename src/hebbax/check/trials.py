"""The trials of one animal as predictive checks see them, and which of them a statistic counts.

A statistic counts free trials. A forced one is part of the past of those after it, with its choice
and its reward; and no past reaches beyond the session of a trial.
"""

from typing import NamedTuple

import numpy as np

SECOND = 1
"""Index of the stimulus called B."""

SAME = 1e-9
"""Part by which two payoffs differ that are the same but for rounding."""


class Trials(NamedTuple):
    """The trials of one animal with a choice, and the past that each choice is judged against.

    ``choices`` (..., trial) are what is summarised. ``history`` (..., trial) are the choices that
    made the past of each trial and ``rewards`` (..., trial) their rewards: the recorded ones for
    choices drawn one step ahead, the same animal's own in a recording or a free run. ``blocks``
    (trial,) are counted from 0, ``session`` (trial,) rises, ``offered`` (trial, stimulus) says what
    was at hand, and ``numbers`` (trial,) are those of the recording, from 1. ``best`` (block,) is
    the stimulus that pays most in each block (`only_best`).
    """

    choices: np.ndarray
    history: np.ndarray
    rewards: np.ndarray
    blocks: np.ndarray
    session: np.ndarray
    offered: np.ndarray
    numbers: np.ndarray
    best: np.ndarray

    @property
    def n_stimuli(self) -> int:
        """Number of alternatives of the task."""
        return self.offered.shape[-1]

    @property
    def free(self) -> np.ndarray:
        """Whether several alternatives were offered ``(trial,)``."""
        return self.offered.sum(-1) > 1

    @property
    def first(self) -> np.ndarray:
        """Place of the first trial of each trial's session ``(trial,)``."""
        return np.searchsorted(self.session, self.session)

    @property
    def past(self) -> np.ndarray:
        """Number of trials of its session before each trial ``(trial,)``."""
        return np.arange(len(self.session)) - self.first

    @property
    def follows(self) -> np.ndarray:
        """Whether each trial but the first is free, follows one of its session, and offers what was
        chosen in that, so that the choice could be repeated ``(..., trial - 1)``."""
        again = self.offered[np.arange(1, len(self.offered)), self.history[..., :-1]]
        return self.free[1:] & (self.past[1:] > 0) & again


def only_best(payoffs: np.ndarray) -> np.ndarray:
    """Return which stimulus pays most ``(...)``, of payoffs (..., stimulus); -1 where several pay
    as much, or of one it is not known."""
    second, first = np.moveaxis(np.sort(payoffs, axis=-1)[..., -2:], -1, 0)  # NaN comes last
    with np.errstate(invalid="ignore"):  # of blocks in which an animal did not live
        return np.where(first - second > SAME * np.abs(first), payoffs.argmax(-1), -1)


def ratio(part: np.ndarray | int, whole: np.ndarray | int) -> np.ndarray:
    """Return part / whole, NaN where the whole is zero."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)
