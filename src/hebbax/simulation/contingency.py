"""Reward probabilities of each animal, block and stimulus: estimated from its rewards, or given.

A stimulus is armed in each trial with the probability p_b of the trial's block b, whatever the
animal does there, and if it chooses nothing. Let m_b be the trials of block b since the stimulus
was last chosen in the session, the present one included (since the first trial of the session
before its first choice there; what is armed waits through a change of block, and is gone when a
session begins). Given the choices, rewards at successive choices are independent, and

    P(reward) = 1 - prod_b (1 - p_b)^(m_b).

This is exact for ``baited`` rewards; for ``independent`` ones only the present trial counts, m_b =
[b is its block]. An armed reward that was never collected says nothing. It is the task that
`hebbax.simulation.environment.generate` makes. Which of the two it is,
`hebbax.simulation.baiting` decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from hebbax.data import Sessions
from hebbax.data.columns import read_columns
from hebbax.data.headers import listed
from hebbax.data.record import shown
from hebbax.errors import DataError
from hebbax.simulation.environment import Baiting
from hebbax.typing import Key
from hebbax.validation.keys import words
from hebbax.validation.quoting import plain, printable

CERTAIN = 20.0
"""Log odds at which a reward is as good as certain: between them the likelihood is maximised."""

COLUMNS = ("animal", "block", "stimulus", "probability")
"""Columns of a table of known contingencies; blocks are counted from 1."""


@dataclass(frozen=True)
class Contingencies:
    """What is known of the reward probabilities: a normal distribution of their log odds.

    ``log_odds`` (animal, block, stimulus) is its mean, ``factor`` (animal, stimulus, block, block)
    the Cholesky factor of its covariance over blocks; zero where the probabilities were given.
    ``notes`` say what the reader of their table took for granted.
    """

    log_odds: np.ndarray
    factor: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def probability(self) -> np.ndarray:
        """The central probabilities ``(animal, block, stimulus)``."""
        return expit(self.log_odds)

    def interval(self, z: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of an interval of z standard deviations, ``(animal, block, stimulus)``
        each."""
        sd = np.sqrt((self.factor**2).sum(-1)).swapaxes(1, 2)
        return expit(self.log_odds - z * sd), expit(self.log_odds + z * sd)

    def draw(self, key: Key, n: int) -> np.ndarray:
        """Return drawn probabilities ``(n, animal, block, stimulus)``."""
        key = words(key)
        animals, blocks, stimuli = self.log_odds.shape
        z = np.asarray(jax.random.normal(key, (n, animals, stimuli, blocks)))
        return expit(self.log_odds + np.einsum("akbc,rakc->rabk", self.factor, z))


class Fit(NamedTuple):
    """Log odds ``(block,)`` of one stimulus, and their covariance ``(block, block)``."""

    log_odds: np.ndarray
    covariance: np.ndarray


def opportunities(
    choices: np.ndarray, blocks: np.ndarray, n_blocks: int, stimulus: int, baiting: Baiting
) -> np.ndarray:
    """Return m ``(choice of the stimulus, block)``: trials of each block in which the reward that
    this choice may collect could be armed. ``choices`` (trial,), `NO_CHOICE` without one, and
    ``blocks`` (trial,) are those of one session."""
    chosen = np.flatnonzero(choices == stimulus)
    here = (blocks[:, None] == np.arange(n_blocks)).astype(float)
    if baiting == "independent":
        return here[chosen]
    return np.diff(here.cumsum(0)[chosen], axis=0, prepend=np.zeros((1, n_blocks)))


class Collected(NamedTuple):
    """The choices of one stimulus of one animal, all sessions: ``opportunity`` (choice, block) as
    in `opportunities`, and whether each was ``rewarded`` (choice,)."""

    opportunity: np.ndarray
    rewarded: np.ndarray


def collected(
    sessions: Sessions, blocks: np.ndarray, animal: int, stimulus: int, baiting: Baiting
) -> Collected:
    """Return what an animal collected at a stimulus; ``blocks`` (animal, trial) from 0."""
    n, n_blocks = sessions.n_trials[animal], int(blocks.max()) + 1
    choices, own = sessions.choices[animal, :n], blocks[animal, :n]
    begins = np.flatnonzero(sessions.begins[animal, :n])
    parts = zip(np.split(choices, begins), np.split(own, begins), strict=True)
    each = [opportunities(*part, n_blocks, stimulus, baiting) for part in parts]
    return Collected(np.concatenate(each), sessions.rewards[animal, :n][choices == stimulus] > 0)


def fit(opportunity: np.ndarray, rewarded: np.ndarray) -> Fit:
    """Return the posterior mode of the log odds of p under a uniform prior of p, and its Laplace
    covariance.

    For independent rewards expit of the mode is (1 + rewards) / (2 + choices), the posterior mean
    of p (Laplace's rule of succession). ``opportunity`` (choice, block) as in `opportunities`,
    ``rewarded`` (choice,) whether each choice was.
    """

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        surprise, slope = _surprise(x, opportunity, rewarded)
        prior = np.logaddexp(0.0, x) + np.logaddexp(0.0, -x)
        return surprise + prior.sum(), slope + 2 * expit(x) - 1

    mode = minimize(loss, np.zeros(opportunity.shape[1]), jac=True, method="BFGS").x
    return Fit(mode, np.linalg.inv(_information(mode, opportunity, rewarded)))


class Highest(NamedTuple):
    """The highest ``log_likelihood`` of rewards in nats, and there the ``chance`` (choice,) of each
    to be rewarded."""

    log_likelihood: float
    chance: np.ndarray


def highest(opportunity: np.ndarray, rewarded: np.ndarray) -> Highest:
    """Return the highest log likelihood of rewards over p; arguments as in `fit`."""
    found = minimize(
        _surprise,
        np.zeros(opportunity.shape[1]),
        (opportunity, rewarded),
        jac=True,
        method="TNC",  # small steps of its own: L-BFGS-B asks LAPACK, whose threads wait
        bounds=[(-CERTAIN, CERTAIN)] * opportunity.shape[1],
    )
    chance = -np.expm1(-(opportunity @ np.logaddexp(0.0, found.x)))
    return Highest(-float(found.fun), chance)


def _surprise(
    x: np.ndarray, opportunity: np.ndarray, rewarded: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return minus the log likelihood of rewards at log odds x ``(block,)``, and its slope."""
    waited = opportunity @ np.logaddexp(0.0, x)  # -log P(no reward)
    surprise = np.where(rewarded, -np.log(-np.expm1(-waited)), waited)
    slope = expit(x) * (opportunity.T @ (1.0 - rewarded / -np.expm1(-waited)))
    return float(surprise.sum()), slope


def _information(x: np.ndarray, opportunity: np.ndarray, rewarded: np.ndarray) -> np.ndarray:
    """Return minus the second derivative ``(block, block)`` of the log posterior of `fit`."""
    p = expit(x)
    reward = -np.expm1(-(opportunity @ np.logaddexp(0.0, x)))
    expected = opportunity.T @ (rewarded / reward)
    own = p * (1 - p) * (opportunity.sum(0) + 2 - expected)
    doubt = rewarded * (1 - reward) / reward**2
    return np.diag(own) + np.outer(p, p) * (opportunity.T @ (doubt[:, None] * opportunity))


def estimate(sessions: Sessions, blocks: np.ndarray, baiting: Baiting) -> Contingencies:
    """Return the contingencies that the recorded rewards imply.

    Args:
        sessions: recorded trials, those without a choice among them; a reward above 0 is one.
        blocks: ``(animal, trial)`` from 0.
        baiting: whether an armed reward waits.
    """
    n_blocks = int(blocks.max()) + 1
    shape = (sessions.n_animals, n_blocks, sessions.n_stimuli)
    log_odds = np.zeros(shape)
    factor = np.zeros((shape[0], shape[2], n_blocks, n_blocks))
    for a in range(sessions.n_animals):
        for k in range(sessions.n_stimuli):
            fitted = fit(*collected(sessions, blocks, a, k, baiting))
            log_odds[a, :, k] = fitted.log_odds
            factor[a, k] = np.linalg.cholesky(fitted.covariance)
    return Contingencies(log_odds, factor)


def read_contingencies(path: Path, sessions: Sessions, blocks: np.ndarray) -> Contingencies:
    """Return the contingencies of a table of text or Parquet: `COLUMNS`, a row an animal, block and
    stimulus.

    Raises `DataError` naming what is missing, unknown, given twice or out of range.
    """
    animal, block, stimulus, probability = COLUMNS
    table, notes = read_columns(path, (animal, stimulus), (block, probability))
    source = printable(path.name)
    n_blocks = int(blocks.max()) + 1
    known = {
        animal: _places(sessions.animals),
        block: _places(range(1, n_blocks + 1)),
        stimulus: _places(sessions.stimuli),
    }
    filled = np.full((sessions.n_animals, n_blocks, sessions.n_stimuli), np.nan)
    for row, *values in table.loc[:, list(COLUMNS)].itertuples():
        _fill(filled, known, values, f"{source}, row {row}")
    for a, b, k in np.argwhere(np.isnan(filled)):
        if (blocks[a, : sessions.n_trials[a]] == b).any():
            raise DataError(
                f"{source}, animal {sessions.animals[a]}, block {b + 1}, stimulus "
                f"{sessions.stimuli[k]}: no probability given."
            )
    shape = (sessions.n_animals, sessions.n_stimuli, n_blocks, n_blocks)
    told = tuple(f"{source}: {note}" for note in notes)
    return Contingencies(logit(np.nan_to_num(filled)), np.zeros(shape), told)


def _places(values: Iterable[str | int]) -> dict[str | int, int]:
    return {value: place for place, value in enumerate(values)}


def _fill(
    filled: np.ndarray, known: dict[str, dict[str | int, int]], values: list, where: str
) -> None:
    """Put one row of a table into ``(animal, block, stimulus)``, or raise `DataError`."""
    *labels, probability = values
    place = []
    for (name, allowed), value in zip(known.items(), labels, strict=True):
        if value not in allowed:
            there = listed(list(map(str, allowed)))
            raise DataError(f"{where}, {name}: {_shown(value)} given; there are {there}.")
        place.append(allowed[value])
    cell = tuple(place)
    if not 0 <= probability <= 1:
        raise DataError(
            f"{where}, probability: {_shown(probability)} given; it lies between 0 and 1."
        )
    if np.isfinite(filled[cell]):
        raise DataError(f"{where}: this animal, block and stimulus were given before.")
    filled[cell] = probability


def _shown(value: str | float | None) -> str:
    """Return a cell as a message shows it."""
    if isinstance(value, float):
        return shown(value)
    return "nothing" if value is None else plain(value)
