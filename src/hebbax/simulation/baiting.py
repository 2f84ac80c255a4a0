"""Baited or independent rewards: which of the two a recording speaks for, and by how much.

Under either, each animal, block and stimulus has one probability p of arming a reward, so that both
have as much to fit with:

    L = sum over animals and stimuli of  max over p of  log P(rewards | choices, p).

The recording speaks for the larger L; the margin is the difference, in nats. The maximum and not
the mean over a prior of p: a uniform p is no uniform chance of a reward that waited, and would
decide where the rewards cannot (always and never rewarded: L is 0 under both).

Neither need be right. How long a stimulus was left alone before it was chosen does not enter p, and
so shows it: rewards are counted after each wait, against what is expected at the maximum.
"""

from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np

from hebbax.data import Sessions
from hebbax.errors import DataError
from hebbax.simulation.contingency import collected, highest
from hebbax.simulation.environment import AskedBaiting, Baiting

TELLING = 3.0
"""A recording tells baited from independent rewards by a margin of so many nats, odds of 20."""


MISFIT = 4.0
"""Rewards after some wait that lie so many standard deviations from what is expected are named."""

WAITS = ("at once", "after 1 trial without it", "after 2 trials or more without it")
"""When a stimulus is chosen again in a session."""


class Waited(NamedTuple):
    """Choices of a stimulus that had waited (`WAITS`): how many, what part of them was rewarded and
    what part is expected, and the distance in standard deviations."""

    wait: str
    choices: int
    rewarded: float
    expected: float
    z: float


@dataclass(frozen=True)
class Decision:
    """What rewards were taken as.

    Attributes:
        baiting: what they were taken as.
        margin: highest log likelihood as such less that as the other, in nats.
        asked: whether that was asked for; otherwise the margin decided.
        waited: rewards after each wait, against what is expected of rewards taken as that.
    """

    baiting: Baiting
    margin: float
    asked: bool
    waited: tuple[Waited, ...] = ()

    @property
    def sentence(self) -> str:
        """What was decided and why; and where rewards are not like that, that they are not."""
        worst = max(self.waited, key=lambda own: abs(own.z), default=None)
        if worst is None or abs(worst.z) < MISFIT:
            return self._decided
        return (
            f"{self._decided} But they were not quite so: of {worst.choices} choices of a stimulus "
            f"{worst.wait}, {worst.rewarded:.0%} were rewarded where {worst.expected:.0%} are "
            f"expected ({abs(worst.z):.0f} standard deviations), so that animals run free in "
            "another task than was recorded."
        )

    @property
    def _decided(self) -> str:
        (other,) = {*get_args(Baiting)} - {self.baiting}
        size = f"{abs(self.margin):.1f} nats {'more' if self.margin >= 0 else 'less'} likely"
        if self.asked:
            return (
                f"Rewards were taken as {self.baiting}, as was asked: as such the recorded ones "
                f"are {size} than as {other}."
            )
        if self.margin < TELLING:
            return (
                f"The recording cannot tell whether its rewards are baited or independent: they "
                f"were taken as {self.baiting}, as which they are only {size} than as {other} "
                f"({TELLING:g} are asked for); --baiting says which they are."
            )
        return (
            f"Rewards were taken as {self.baiting}: as such the recorded ones are {size} than as "
            f"{other}."
        )


def check_asked(asked: str) -> None:
    """Raise `DataError` for what rewards cannot be taken as."""
    if asked not in get_args(AskedBaiting):
        raise DataError(f"baiting {asked}: must be auto, {' or '.join(get_args(Baiting))}.")


def decide(sessions: Sessions, blocks: np.ndarray, asked: AskedBaiting = "auto") -> Decision:
    """Return whether the recorded rewards were baited.

    Args:
        sessions: recorded trials, those without a choice among them; rewards 0 or 1.
        blocks: ``(animal, trial)`` from 0.
        asked: what they are to be taken as; ``auto`` for what they speak for.
    """
    check_asked(asked)
    found = {kind: _rewards(sessions, blocks, kind) for kind in get_args(Baiting)}
    likelihood = {kind: own.log_likelihood for kind, own in found.items()}
    taken = max(found, key=lambda kind: likelihood[kind]) if asked == "auto" else asked
    margin = 2 * likelihood[taken] - sum(likelihood.values())
    return Decision(taken, margin, asked != "auto", _waited(found[taken]))


class _Rewards(NamedTuple):
    """The highest log likelihood of all rewards; and of each choice (choice,) the trials that its
    stimulus ``waited``, the present one included, and 0 at its first choice in a session; its
    reward, and its chance there."""

    log_likelihood: float
    waited: np.ndarray
    rewarded: np.ndarray
    chance: np.ndarray


def _rewards(sessions: Sessions, blocks: np.ndarray, baiting: Baiting) -> _Rewards:
    parts = []
    for a in range(sessions.n_animals):
        for k in range(sessions.n_stimuli):
            opportunity, rewarded = collected(sessions, blocks, a, k, baiting)
            best = highest(opportunity, rewarded)
            waited = collected(sessions, blocks, a, k, "baited").opportunity.sum(1)
            own = np.where(_again(sessions, a, k), waited, 0.0)
            parts.append(_Rewards(best.log_likelihood, own, rewarded, best.chance))
    likelihoods, *each = zip(*parts, strict=True)
    return _Rewards(sum(likelihoods), *map(np.concatenate, each))


def _again(sessions: Sessions, animal: int, stimulus: int) -> np.ndarray:
    """Return which choices of a stimulus ``(choice,)`` are not the first in their session."""
    n = sessions.n_trials[animal]
    session = sessions.session[animal, :n][sessions.choices[animal, :n] == stimulus]
    return np.diff(session, prepend=-1) == 0


def _waited(found: _Rewards) -> tuple[Waited, ...]:
    """Return the rewards after each wait that occurred."""
    out = []
    for place, wait in enumerate(WAITS, start=1):
        own = np.minimum(found.waited, len(WAITS)) == place
        chance, rewarded = found.chance[own], found.rewarded[own]
        spread = np.sqrt((chance * (1 - chance)).sum())
        if own.any():
            # A deviation of one reward cannot be told from rounding where all are certain.
            z = (rewarded.sum() - chance.sum()) / max(spread, 1.0)
            out.append(
                Waited(wait, int(own.sum()), float(rewarded.mean()), float(chance.mean()), float(z))
            )
    return tuple(out)
