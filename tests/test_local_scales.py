"""Local scales are drawn from what they are given all else, in a quadrature of SciPy's densities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from hebbax.inference.local_scales import log_prior, redrawn
from hebbax.priors import Group, scale_sites
from hebbax.sparsity import Sparsity

SCALES = np.array([0.5, 0.2, 1.0])
TOLD = Sparsity(expected=1.0, effect=0.3, choices=400, concentration=0.5)
TAU = 2.0
SITES = {
    "theta_population": jnp.array([0.4, -0.003, 0.0]),
    "theta_spread": jnp.log(jnp.array([0.1, 0.002, 0.3])),
    "theta_global_scale": jnp.log(TAU),
    "theta_local_scale": jnp.array([0.3, -1.0, 2.0]),
}
EVERYONE = jnp.arange(3)


def group(prior):
    return Group("theta", SCALES, prior, sparsity=TOLD)


def quadrature(prior, member):
    """A fine grid of the log local scale of a member, and the mass in each of its cells."""
    u = np.linspace(-18.0, 14.0, 20_001)
    local = np.exp(u)
    if prior == "r2d2":
        own, variance = stats.gamma(TOLD.concentration).logpdf(local), local / TAU / TOLD.effect**2
    else:
        degrees = 1.0 if prior == "horseshoe" else TOLD.degrees
        own, v = stats.t(degrees).logpdf(local), (TAU * local / TOLD.told) ** 2
        variance = v if prior == "horseshoe" else v / (1.0 + v)
    sd = SCALES[member] * np.sqrt(variance)
    mu = float(SITES["theta_population"][member])
    spread = float(np.exp(SITES["theta_spread"][member]))
    log_p = stats.norm(0, sd).logpdf(mu) + stats.halfnorm(0, sd / 2).logpdf(spread) + own + u
    mass = np.exp(log_p - log_p.max())
    return u, mass / mass.sum()


@pytest.mark.parametrize("prior", ["horseshoe", "regularised horseshoe", "r2d2"])
def test_draws_are_those_of_the_conditional_density(prior):
    own, n = group(prior), 4000

    def one(key):
        """Log local scales, and what the table leaves of the density ratio: within a cell it knows
        no slope."""
        drawn, log_back = redrawn(key, own, SITES, SITES, EVERYONE)
        rest = log_prior(own, drawn) - log_prior(own, SITES) + log_back
        return drawn[scale_sites(own)[1]], rest

    drawn, rest = jax.jit(jax.vmap(one))(jax.random.split(jax.random.PRNGKey(0), n))
    weight = np.exp(rest - rest.max(0))
    assert (np.asarray(rest).std(0) < 0.25).all()
    for member in range(3):
        u, mass = quadrature(prior, member)
        mean = (mass * u).sum()
        sd = np.sqrt((mass * (u - mean) ** 2).sum())
        w = weight[:, member] / weight[:, member].sum()
        found = np.asarray(drawn[:, member])
        # Means and standard deviations of 4000 weighted draws, to five of their standard errors.
        assert abs((w * found).sum() - mean) < 5 * sd / np.sqrt(n)
        assert abs(np.sqrt((w * (found - mean) ** 2).sum()) / sd - 1) < 5 / np.sqrt(n)


def test_only_the_members_asked_for_are_drawn():
    drawn, log_back = redrawn(
        jax.random.PRNGKey(1), group("horseshoe"), SITES, SITES, jnp.array([2])
    )
    moved = np.asarray(drawn["theta_local_scale"] != SITES["theta_local_scale"])
    assert moved.tolist() == [False, False, True]
    assert log_back.shape == (1,)


def test_a_scale_outside_the_table_offers_no_way_back():
    outside = {**SITES, "theta_local_scale": jnp.array([0.0, 40.0, 0.0])}
    _, log_back = redrawn(jax.random.PRNGKey(2), group("horseshoe"), outside, SITES, EVERYONE)
    assert np.isneginf(log_back).tolist() == [False, True, False]
