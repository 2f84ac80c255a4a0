"""The scores of a fitted rule against the one that made the data, over held-out trajectories.

Published: R2 of weights and of activity, and the deviance explained against no plasticity, each the
median over evaluation trajectories. Beside them, the deviance of the true rule itself (what can be
reached), and the gain over a constant preference in nats an encounter.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.mehta2024.experiment import Experiment, Trajectory
from hebbax.mehta2024.pooled import (
    Pooled,
    Recorded,
    counts,
    fresh_run,
    log_likelihood,
    null_log_likelihood,
    preference_log_likelihood,
    recorded,
)
from hebbax.mehta2024.recovery import percent_deviance, r2
from hebbax.rule.taylor import Rule
from hebbax.typing import Array, Key


class Truth(NamedTuple):
    """A rule that made trajectories, and they: ``train`` and ``test``."""

    rule: Rule
    theta: Array
    train: Trajectory
    test: Trajectory


def split(rule: Rule, theta: Array, made: Trajectory, held_out: int) -> Truth:
    """Return the last ``held_out`` trajectories as test, the others as training."""
    train, test = (
        jax.tree.map(lambda leaf, part=part: leaf[part], made)
        for part in (slice(None, -held_out), slice(-held_out, None))
    )
    return Truth(rule, theta, train, test)


def percent(log_likelihood: Array, data: Recorded) -> float:
    """Return the deviance explained against no plasticity, in percent, the median trajectory;
    ``log_likelihood`` (trajectory, trial) in nats."""
    null = np.asarray(null_log_likelihood(data))
    each = zip(np.asarray(log_likelihood), null, strict=True)
    return float(np.median([percent_deviance(*one) for one in each]))


def oracle(truth: Truth, pooled: Pooled, experiment: Experiment) -> dict[str, float]:
    """Return the deviance the true rule explains: told the noise of every input, and not told
    (as every fit is), and that of a constant preference."""
    train, test = (recorded(part, experiment.network) for part in (truth.train, truth.test))
    blind = Pooled(truth.rule, pooled.network, pooled.noise)
    return {
        "oracle, noise known": percent(truth.test.log_probability, test),
        "oracle": percent(log_likelihood(blind, truth.theta, test), test),
        "preference": percent(preference_log_likelihood(train, test), test),
    }


def score(
    key: Key, truth: Truth, pooled: Pooled, theta: Array, experiment: Experiment
) -> dict[str, float]:
    """Return the scores of coefficients ``theta`` (parameter,) of the rule in ``pooled``.

    ``r2 weights``, ``r2 activity`` (encounters with each stimulus weighing as often as they
    happened), ``deviance`` in percent, and ``over preference``: nats an encounter by which the
    held-out encounters are predicted better than by a constant preference.
    """
    train, test = (recorded(part, experiment.network) for part in (truth.train, truth.test))
    keys = jax.random.split(key, len(truth.test.r))
    true = _fresh(keys, truth.rule, truth.theta, truth.test, experiment)
    fitted = _fresh(keys, pooled.rule, theta, truth.test, experiment)
    met = np.asarray(counts(test))
    trajectories = range(len(met))
    on_weights = [r2(true[0][k], fitted[0][k]) for k in trajectories]
    on_activity = [r2(_flat(true[1][k]), _flat(fitted[1][k]), met[k].ravel()) for k in trajectories]
    log_p = log_likelihood(pooled, theta, test)
    gain = log_p.sum() - preference_log_likelihood(train, test).sum()
    return {
        "r2 weights": float(np.median(on_weights)),
        "r2 activity": float(np.median(on_activity)),
        "deviance": percent(log_p, test),
        "over preference": float(gain / met.sum()),
    }


@partial(jax.jit, static_argnames=("rule", "experiment"))
def _fresh(
    keys: Key, rule: Rule, theta: Array, made: Trajectory, experiment: Experiment
) -> tuple[Array, Array]:
    """Return weights and activity of each trajectory, run from fresh starting weights."""

    def one(key: Key, made: Trajectory) -> tuple[Array, Array]:
        return fresh_run(key, rule, theta, made, experiment)

    return jax.vmap(one)(keys, made)


def _flat(activity: Array) -> np.ndarray:
    """Return ``(trial * stimulus, hidden)``."""
    return np.asarray(jnp.reshape(activity, (-1, activity.shape[-1])))
