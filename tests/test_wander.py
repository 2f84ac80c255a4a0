"""Weights that learn from noisy inputs wander: the variance in `hebbax.mehta2024.pooled`, and the slope."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.mehta2024.behavioural import simulated
from hebbax.mehta2024.experiment import Experiment
from hebbax.mehta2024.pooled import Pooled, Recorded, log_likelihood, recorded, wander, weights
from hebbax.rule.network import Presented, replay
from hebbax.rule.taylor import TaylorRule

NOISE = 0.05
EXPERIMENT = Experiment(noise=NOISE)
TRIALS = 60


@pytest.fixture(scope="module")
def data():
    """One trajectory of random choices and rewards."""
    rng = np.random.default_rng(3)
    choices = rng.integers(0, 2, TRIALS)
    x = EXPERIMENT.network.stimuli[choices]
    events = np.concatenate([np.zeros((TRIALS, 2)), choices[:, None]], axis=1)
    r = rng.uniform(-0.6, 0.8, TRIALS)
    return Recorded(*(jnp.asarray(one)[None] for one in (x, r, events)))


def test_a_rule_without_memory_adds_the_noise_of_every_trial(data):
    """For x r, v_t = (noise / 2)^2 sum of earlier r^2: every input is as noisy as the other."""
    pooled, theta = Pooled(TaylorRule(("x r",)), EXPERIMENT.network, NOISE), jnp.array([1.0])
    found = wander(pooled, theta, data, weights(pooled, theta, data))[0]
    earlier = np.concatenate([[0.0], np.cumsum(np.asarray(data.r[0]) ** 2)[:-1]])
    expected = np.repeat((NOISE / 2) ** 2 * earlier[:, None], 2, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_variance_is_that_of_many_noisy_runs(data):
    """A rule with decay and y, run on 4000 draws of its noisy inputs."""
    rule, theta = TaylorRule(("x r", "w", "x y")), jnp.array([1.0, -0.1, 0.2])
    pooled = Pooled(rule, EXPERIMENT.network, NOISE)
    noisy = data.x + NOISE * jax.random.normal(jax.random.key(0), (4000, TRIALS, 2))

    def run(x):
        drive = jax.vmap(jax.vmap(rule.drive, in_axes=(0, None)))(x, data.r[0])
        return replay(rule, pooled.network, theta, jnp.zeros((2, 1)), Presented(x, drive))[..., 0]

    seen = np.asarray(jax.jit(jax.vmap(run))(noisy)).var(axis=0)
    found = np.asarray(wander(pooled, theta, data, weights(pooled, theta, data))[0])
    # A variance from 4000 draws is known to 2.2 %; the first order in the noise costs a little.
    np.testing.assert_allclose(found[1:], seen[1:], rtol=0.15)
    assert found[-1].max() < 5 * found[10].max()  # decay keeps it from growing for ever


def test_no_noise_no_wandering(data):
    pooled, theta = Pooled(TaylorRule(("x r",)), EXPERIMENT.network), jnp.array([1.0])
    assert not wander(pooled, theta, data, weights(pooled, theta, data)).any()


@pytest.mark.slow
def test_the_slope_is_not_biased_by_noisy_inputs():
    """The posterior of one slope under a flat prior, ten seeds: its mean error is compatible with
    none, and 90 % intervals hold the truth in at least eight. Without `wander` the mean error is
    -3.3 %, three standard errors."""
    pooled = Pooled(TaylorRule(("x r",)), EXPERIMENT.network, NOISE)
    grid = jnp.linspace(0.8, 1.25, 46)
    score = jax.jit(
        lambda data: jax.lax.map(lambda g: log_likelihood(pooled, g[None], data).sum(), grid)
    )
    errors, inside = [], []
    for seed in range(10):
        truth = simulated(jax.random.key(seed), {"x r": 1.0}, EXPERIMENT, size=25, held_out=7)
        value = np.asarray(score(recorded(truth.train, EXPERIMENT.network)))
        share = np.exp(value - value.max()) / np.exp(value - value.max()).sum()
        mean = share @ grid
        spread = np.sqrt(share @ (np.asarray(grid) - mean) ** 2)
        errors.append((mean - 1.0) / spread)
        inside.append(abs(mean - 1.0) < 1.645 * spread)
    assert abs(np.mean(errors)) < 2.0 / np.sqrt(10)
    assert sum(inside) >= 8
