"""The posterior of a shared rule against sums over a grid."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from hebbax.inference.convergence import convergence
from hebbax.mehta2024 import mode as climb
from hebbax.mehta2024 import quadratic, scales, shrinkage, variational
from hebbax.mehta2024.experiment import Experiment, cohort
from hebbax.mehta2024.identified import combinations, named
from hebbax.mehta2024.pooled import Pooled, log_likelihood, recorded
from hebbax.mehta2024.quadratic import Quadratics
from hebbax.mehta2024.scales import Prior
from hebbax.rule.taylor import TaylorRule

EXPERIMENT = Experiment(trials_per_block=15, hidden_units=1, initial_scale=0.0, noise=0.0)
POOLED = Pooled(TaylorRule(("x r", "x")), EXPERIMENT.network)
SETTINGS = dict(rounds=3, sweeps=100, block=500, least=3, most=3)
SCALE, SLAB = 0.3, 0.8
GRID_STEP = 2.0 / np.pi / np.sqrt(2.0 * np.pi) * 18 / 1200
"""What `log_prior` of the horseshoe leaves out at a global scale of one."""


@cache
def written():
    made = cohort(jax.random.key(2), POOLED.rule, jnp.array([0.7, -0.05]), EXPERIMENT, size=3)
    return recorded(made, EXPERIMENT.network)


@cache
def likelihood():
    """Two axes (across, up; fine, and none through the cusp of the horseshoe at zero) and the log
    likelihood on their grid."""
    axes = np.linspace(-0.6, 2.4, 181), np.linspace(-0.35, 0.35, 182)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    one = jax.jit(lambda theta: log_likelihood(POOLED, theta, written()).sum())
    values = np.asarray(jax.lax.map(one, jnp.asarray(grid), batch_size=182))
    return *axes, values.reshape(181, 182)


def log_prior(family, theta, tau):
    """log of the density of one coefficient given tau, summed over its local scale."""
    if family == "normal":
        return -0.5 * (theta / tau) ** 2 - np.log(tau)
    if family == "laplace":
        return -abs(theta) / tau - np.log(tau)
    if family == "student":
        return -np.log(tau) - 2 * np.log1p((theta / tau) ** 2 / 3)
    local = np.exp(np.linspace(-9, 9, 1201))[:, None]  # half-Cauchy, on the log scale
    each = -0.5 * (theta / (tau * local)) ** 2 - np.log(tau * local) - np.log1p(local**2)
    return np.logaddexp.reduce(each + np.log(local), axis=0)


def moments(family, across, up, log_p):
    """Mean and standard deviation of both coefficients, tau and all scales summed out."""
    taus = np.exp(np.linspace(np.log(0.002), np.log(60), 161))
    prior = np.logaddexp.reduce(
        [
            log_prior(family, across, tau)[:, None]
            + log_prior(family, up, tau)
            - np.log1p((tau / SCALE) ** 2)
            + np.log(tau)
            for tau in taus
        ],
        axis=0,
    )
    slab = -0.5 * (across[:, None] ** 2 + up**2) / SLAB**2
    return summed(across, up, log_p + prior + slab)


def summed(across, up, log_density):
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    sides = weight.sum(1), weight.sum(0)
    mean = np.array([s @ a for s, a in zip(sides, (across, up), strict=True)])
    square = np.array([s @ a**2 for s, a in zip(sides, (across, up), strict=True)])
    return mean, np.sqrt(square - mean**2)


@pytest.mark.parametrize(
    "family",
    [
        "student",
        *(pytest.param(f, marks=pytest.mark.slow) for f in ("normal", "laplace", "horseshoe")),
    ],
)
def test_draws_are_of_the_exact_posterior(family):
    settings = shrinkage.Settings(Prior(family, SCALE, SLAB), **SETTINGS)
    found = shrinkage.fit(jax.random.key(0), POOLED, written(), settings)
    draws = np.asarray(found.theta)
    worst = convergence(draws)
    assert worst["r_hat"] < 1.02
    mean, sd = moments(family, *likelihood())
    flat = draws.reshape(-1, 2)
    np.testing.assert_array_less(
        abs(flat.mean(0) - mean), 4 * sd / np.sqrt(worst["ess"]) + 0.01 * sd
    )
    np.testing.assert_allclose(flat.std(0), sd, rtol=0.1)
    again = log_likelihood(POOLED, found.theta[1, -1], written()).sum()
    assert found.log_likelihood[1, -1] == pytest.approx(float(again))


@pytest.mark.parametrize(
    ("family", "density"),
    [
        ("normal", scipy.stats.norm.pdf),
        ("laplace", scipy.stats.laplace.pdf),
        ("student", scipy.stats.t(3).pdf),
        ("horseshoe", lambda theta: np.exp(log_prior("horseshoe", theta, 1.0)) * GRID_STEP),
    ],
)
def test_normals_over_the_grid_have_the_density_of_the_prior(family, density):
    log_local, log_weight = scales.grid(Prior(family))
    theta = np.array([0.01, 0.3, 1.0, 4.0, 9.0])
    each = scipy.stats.norm.pdf(theta[:, None], scale=np.exp(0.5 * log_local))
    np.testing.assert_allclose(each @ np.exp(log_weight), density(theta), rtol=5e-3)


@pytest.mark.parametrize("family", ["student", pytest.param("horseshoe", marks=pytest.mark.slow)])
def test_proposals_alone_have_the_posterior_of_two_linear_gaussian_likelihoods(family):
    prior = Prior(family, SCALE, SLAB)
    # The second terms are nearly one in the first, and both solutions have a fair share.
    information = jnp.array([[[30.0, 57.0], [57.0, 120.0]], [[60.0, 5.0], [5.0, 90.0]]])
    peaks = jnp.array([[0.9, 0.1], [0.2, -0.3]])
    linear = jnp.einsum("kij,kj->ki", information, peaks)
    both = Quadratics(jnp.array([-14.0, -3.0]), linear, information)

    def sweep(state, key):
        theta, chosen = state
        proposal_key, scale_key = jax.random.split(key)
        theta, chosen = quadratic.proposal(proposal_key, prior, both, chosen, sweeps=1)
        chosen = scales.update(scale_key, prior, theta, chosen.log_tau)
        return (theta, chosen), theta

    start = jnp.zeros(2), scales.Scales(jnp.log(SCALE), jnp.zeros(2))
    drawn = jax.jit(lambda key: jax.lax.scan(sweep, start, jax.random.split(key, 12000))[1])
    theta = np.asarray(drawn(jax.random.key(0)))
    axes = np.linspace(-0.9, 1.9, 181), np.linspace(-0.95, 0.95, 182)
    grid = jnp.asarray(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2))
    q = jax.vmap(lambda theta: jax.nn.logsumexp(quadratic.values(both, theta)))(grid)
    mean, sd = moments(family, *axes, np.asarray(q).reshape(181, 182))
    size = convergence(theta.reshape(4, -1, 2))["ess"]
    assert size > 1000
    np.testing.assert_array_less(abs(theta.mean(0) - mean), 4 * sd / np.sqrt(size) + 0.01 * sd)
    np.testing.assert_allclose(theta.std(0), sd, rtol=0.05)


def test_of_two_terms_that_are_nearly_one_the_sum_is_identified_and_named():
    # Rates differ by a tenth: x^2 r is 0.75 x r, but for a little.
    slopes = np.array([[1.0, 0.76, 0.0], [1.0, 0.74, 0.0], [0.0, 0.0, 0.5]])
    found = combinations(1e4 * slopes.T @ slopes, tau=0.05)
    names = [named(("x r", "x^2 r", "w"), one) for one in found]
    assert names == ["x r + 0.75 x^2 r", "w"]
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-12)


def test_the_variational_gaussian_has_the_moments_of_the_posterior():
    precision = jnp.array([4.0, 25.0])
    across, up, log_p = likelihood()
    mean, sd = summed(across, up, log_p - 2.0 * across[:, None] ** 2 - 12.5 * up**2)
    start = climb.fit(POOLED, written(), precision, jnp.zeros(2))
    settings = variational.Settings(rounds=80, samples=16)
    found, log_weights = variational.fit(
        jax.random.key(0), POOLED, written(), precision, start, settings
    )
    np.testing.assert_array_less(abs(found.mean - mean), 0.3 * sd)
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(found.precision))), sd, rtol=0.3)
    # The ELBO lies below the log evidence, which importance sampling with its weights gives.
    evidence = np.logaddexp.reduce(np.asarray(log_weights)) - np.log(len(log_weights))
    assert found.evidence < evidence
    cell = (across[1] - across[0]) * (up[1] - up[0])
    scale = 0.5 * np.log(np.asarray(precision) / (2 * np.pi)).sum() + np.log(cell)
    total = np.logaddexp.reduce((log_p - 2.0 * across[:, None] ** 2 - 12.5 * up**2).ravel())
    assert evidence == pytest.approx(total + scale, abs=0.3)
