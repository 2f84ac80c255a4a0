"""Coordinates and priors of a population, and Gibbs given its animals."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from numpyro.handlers import seed, trace
from scipy import stats

from hebbax.inference.pseudo_marginal import (
    gibbs,
    population,
    shrinkage,
)
from hebbax.inference.pseudo_marginal.population import Population
from hebbax.model.choices import build_model
from hebbax.model.priors import Laplace, Normal, with_key
from hebbax.model.spec import ModelSpec

SHRINKING = with_key("effect")


def _shrunk(prior, terms=("x r", "w"), **changes):
    spec = ModelSpec("shrunk", terms, prior=prior, expected_terms=1.0, **changes)
    recorded = replace(random_sessions(2, lengths=(20, 30)), covariates={"age": (0.5, 2.0)})
    return build_model(spec, recorded)


@pytest.mark.parametrize("prior", [*SHRINKING, "laplace", "normal"])
def test_coordinates_are_those_in_which_the_prior_is_standard_normal(prior):
    """There and back, and the density with its Jacobian, which is that of the sum over cells."""
    own = population.prior_of(_shrunk(prior, by={"w": "age", "preference": "age"}))
    keys = jax.random.split(jax.random.PRNGKey(0), 500)
    drawn = jax.jit(jax.vmap(partial(population.draw_prior, prior=own)))(keys)
    white = jax.jit(jax.vmap(partial(population.whitened, own)))(drawn)
    back = jax.jit(jax.vmap(partial(population.coloured, own)))(white)
    np.testing.assert_allclose(back.mean, drawn.mean, rtol=1e-9)
    np.testing.assert_allclose(back.spread, drawn.spread, rtol=1e-9)
    np.testing.assert_allclose(white.effect, drawn.effect / np.array([0.2, 1.0]), rtol=1e-12)
    np.testing.assert_allclose(back.effect, drawn.effect, rtol=1e-12)

    def coordinates(x, one):
        parts = jnp.split(x, [one.mean.size, 2 * one.mean.size])
        moved = population.whitened(own, Population(*parts, one.log_global))
        return jnp.concatenate([moved.mean, moved.spread, moved.effect])

    at, slopes = jax.jit(coordinates), jax.jit(jax.jacobian(coordinates))
    for one in (jax.tree.map(lambda leaf, k=k: leaf[k], drawn) for k in range(5)):
        x = jnp.concatenate([one.mean, one.spread, one.effect])
        expected = stats.norm.logpdf(at(x, one)).sum() + np.linalg.slogdet(slopes(x, one))[1]
        if own.shrinkage is not None:
            expected += shrinkage.log_prior_of_global(own.shrinkage, one.log_global)
        assert float(population.log_prior(own, one)) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("prior", SHRINKING)
def test_a_prior_with_its_local_scales_summed_out_is_the_one_that_numpyro_draws(prior):
    """Population values, spreads and global scales of the sites of the model itself (p > 1e-4)."""
    model = _shrunk(prior)

    def sites(key):
        drawn = trace(seed(model.latents, key)).get_trace()
        names = ("theta_population", "theta_spread", "theta_global_scale")
        return [drawn[name]["value"] for name in names]

    keys = jax.random.split(jax.random.PRNGKey(1), 20_000)
    mean, spread, whole = jax.jit(jax.vmap(sites))(keys)
    draw = partial(population.draw_prior, prior=population.prior_of(model))
    own = jax.jit(jax.vmap(lambda key: draw(key)))(jax.random.split(jax.random.PRNGKey(2), 20_000))
    pairs = [(mean[:, j], own.mean[:, j]) for j in range(2)]
    pairs += [(spread[:, j], jnp.abs(own.spread[:, j])) for j in range(2)]
    for theirs, ours in (*pairs, (whole, jnp.exp(own.log_global))):
        assert stats.ks_2samp(theirs, ours).pvalue > 1e-4


@pytest.mark.parametrize("concentration", [0.1, 0.2, 0.5, 1.0, 3.0, 10.0])
def test_local_scales_of_any_concentration_have_their_prior(concentration):
    """Against the Gamma distribution itself: its mean, that of log(1 + l), and what is nothing."""
    own = shrinkage.shrinkage_of(_shrunk("r2d2", concentration=concentration))
    share, scale = np.exp(own.log_weight), np.exp(own.log_local)
    gamma = stats.gamma(concentration)
    few, many = np.log(1e-7), 12.0  # in logs, where most of a small concentration lies
    grid = np.linspace(few, many, 200_001)
    density = np.exp(gamma.logpdf(np.exp(grid)) + grid)
    expected = np.trapezoid(density * np.log1p(np.exp(grid)), grid)
    assert share.sum() == pytest.approx(1.0, abs=1e-12)
    assert share @ scale == pytest.approx(concentration, rel=2e-3)
    assert share @ np.log1p(scale) == pytest.approx(expected, rel=2e-3)
    assert share[scale < 2e-8].sum() == pytest.approx(gamma.cdf(2e-8), abs=0.01)


@pytest.mark.parametrize(("laplace", "own_spreads"), [(0, 0), (1, 0), (0, 1)])
def test_gibbs_given_no_animals_to_speak_of_is_the_prior(laplace, own_spreads):
    """Animals drawn anew from their population each time: mean, spread and effects, of which two
    are on one value, and where spreads are the groups' own one more is on each spread, are of the
    prior."""
    shape = jnp.ones(2)
    laws = (Laplace() if laplace else Normal(),)
    scales = jnp.array([0.3, 0.2, 0.4])
    covariates = jnp.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0], [1.0, 1.0, 0.5]])
    onto = jnp.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    regression = population.Regression(scales, covariates, onto, None)
    if own_spreads:
        nothing = jnp.zeros_like(onto)
        regression = population.Regression(
            jnp.concatenate([scales, 2.0 * scales]),
            jnp.concatenate([covariates, covariates], axis=1),
            jnp.concatenate([onto, nothing]),
            jnp.concatenate([nothing, onto]),
        )
    prior = population.Prior(0.5 * shape, 0.25 * shape, jnp.zeros(2, int), laws, None, regression)

    def step(carry, key):
        one, two = jax.random.split(key)
        mean, spread = population.of_animals(prior, carry)
        phi = mean + spread * jax.random.normal(one, (3, 2))
        after = gibbs.centred(two, prior, carry, phi)
        return after, after

    start = population.draw_prior(jax.random.PRNGKey(0), prior)
    keys = jax.random.split(jax.random.PRNGKey(1), 60_000)
    drawn = jax.lax.scan(step, start, keys)[1]
    effect = np.asarray(drawn.effect)[::30]
    mean, spread = (np.asarray(leaf)[::30].ravel() for leaf in drawn[:2])
    of_mean = stats.laplace(0, 0.5) if laplace else stats.norm(0, 0.5)
    assert stats.kstest(mean, of_mean.cdf).pvalue > 1e-3
    assert stats.kstest(np.abs(spread), stats.halfnorm(0, 0.25).cdf).pvalue > 1e-3
    for e, scale in enumerate(regression.scale):
        assert stats.kstest(effect[:, e], stats.norm(0, float(scale)).cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(effect.T) - np.eye(effect.shape[1])).max() < 0.12
