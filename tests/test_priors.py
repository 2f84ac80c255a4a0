"""Priors of the coefficients: their laws, their numbers of terms, and NUTS against direct draws."""

from dataclasses import replace
from functools import partial

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from numpyro.handlers import seed, trace
from numpyro.infer import MCMC, NUTS
from scipy import stats
from scipy.integrate import quad

from hebbax.errors import ModelError
from hebbax.inference.coordinates import Factors, left_alone, model_values, shapes, to_sites
from hebbax.inference.density import prior_potential
from hebbax.model import build_model
from hebbax.priors import (
    SHRINKING,
    Group,
    effective_terms,
    relative_variance,
    sample_group,
    sample_scales,
    value_prior,
)
from hebbax.sparsity import Sparsity, expected_share, global_scale
from hebbax.spec import ModelSpec

SCALES = np.array([0.02, 0.3, 1.0, 0.2, 0.1])
PRIORS = ("normal", "laplace", *SHRINKING)
HYPER = Sparsity(expected=1.5, effect=0.3, choices=400)


def group(prior, hyper=HYPER):
    return Group("theta", SCALES, prior, "animals", hyper)


def drawn(one, n=20_000):
    """Direct draws of a group's scales and population values, by site name."""

    def draw(key):
        sites = trace(seed(partial(sample_group, one, 1), key)).get_trace()
        return {name: site["value"] for name, site in sites.items()}

    return jax.jit(jax.vmap(draw))(jax.random.split(jax.random.PRNGKey(0), n))


@pytest.mark.parametrize(
    ("prior", "law"), [("normal", stats.norm(0, SCALES)), ("laplace", stats.laplace(0, SCALES))]
)
def test_a_prior_without_scales_is_that_of_scipy(prior, law):
    theta = np.linspace(-0.5, 0.5, 7)[:, None]
    found = value_prior(group(prior), {}).log_prob(theta)
    np.testing.assert_allclose(found, law.logpdf(theta), rtol=1e-12)


def test_a_horseshoe_coefficient_has_the_law_of_its_integral():
    """P(|theta| > x) at a given global scale by integration over the half-Cauchy local scale."""
    values = drawn(group("horseshoe"))
    theta, tau = (np.asarray(values[k]) for k in ("theta_population", "theta_global_scale"))
    relative = np.abs(theta[:, 1]) / (tau * SCALES[1] / HYPER.told)
    for x in (0.01, 0.3, 3.0, 100.0):

        def beyond(log_local, x=x):
            local = np.exp(log_local)
            return local * stats.halfcauchy.pdf(local) * 2.0 * stats.norm.sf(x / local)

        p = quad(beyond, -15, 15, points=[np.log(x)])[0]
        error = np.sqrt(p * (1 - p) / len(relative))
        assert abs((relative > x).mean() - p) < 4 * error


def test_the_global_scale_gives_the_expected_number_of_terms():
    # With half-Cauchy local scales it has a closed form.
    assert global_scale(12, 3.0, 1.0) == pytest.approx(3 / 9, rel=1e-5)
    assert expected_share(0.5, 1.0) == pytest.approx(0.5 / 1.5, rel=1e-6)
    local = np.abs(np.random.default_rng(0).standard_t(3.0, 400_000))
    variance = (global_scale(5, 1.5, 3.0) * local) ** 2
    counted = 5.0 * variance / (1.0 + variance)
    assert abs(counted.mean() - 1.5) < 4 * counted.std() / np.sqrt(counted.size)


@pytest.mark.parametrize("prior", ["horseshoe", "regularised horseshoe"])
def test_half_of_the_global_scales_expect_fewer_terms_than_asked_for(prior):
    one = group(prior, replace(HYPER, choices=40_000))
    values = drawn(one)
    tau = np.asarray(values["theta_global_scale"])
    tau_0 = global_scale(5, HYPER.expected, 1.0 if prior == "horseshoe" else HYPER.degrees)
    assert (tau < tau_0).mean() == pytest.approx(0.5, abs=0.015)
    near = np.abs(np.log(tau / tau_0)) < 0.1
    counted = np.asarray(jax.vmap(partial(effective_terms, one))(values))[near]
    assert abs(counted.mean() - HYPER.expected) < 4 * counted.std() / np.sqrt(counted.size) + 0.02


def test_no_coefficient_leaves_the_slab():
    values = drawn(group("regularised horseshoe"))
    variance = np.asarray(
        jax.vmap(partial(relative_variance, group("regularised horseshoe")))(values)
    )
    assert variance.max() <= 1.0
    assert variance.min() >= 0.0


def test_r2d2_divides_its_share_of_a_choice_among_the_terms():
    one = group("r2d2")
    values = drawn(one)
    information = (HYPER.effect / SCALES) ** 2  # of one choice
    variance = np.asarray(jax.vmap(partial(relative_variance, one))(values)) * SCALES**2
    each = variance * information
    total = each.sum(1)
    # R^2 is Beta(a, b) of mean 0.2 with a = 5 terms x 1/2, a member of Dirichlet(1/2, ...) Beta(1/2, 2).
    assert stats.kstest(total / (1.0 + total), stats.beta(2.5, 10.0).cdf).pvalue > 1e-3
    assert stats.kstest(each[:, 1] / total, stats.beta(0.5, 2.0).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    "prior",
    [
        "regularised horseshoe",
        *(pytest.param(p, marks=pytest.mark.slow) for p in PRIORS if p[:3] != "reg"),
    ],
)
def test_nuts_in_the_coordinates_of_a_fit_samples_the_prior(prior):
    """With animals that say nothing the posterior is the prior: NUTS against direct draws."""
    spec = ModelSpec("test", ("x r", "w"), prior=prior, expected_terms=1.0)
    model = build_model(spec, random_sessions(2, lengths=(200,)))
    members, n = model.scales.size, model.sessions.n_animals
    nothing = Factors(jnp.zeros((n, members, members)), jnp.zeros((n, members)))

    def potential(coordinates):
        sites, log_jacobian = to_sites(model, nothing, coordinates)
        return prior_potential(model, sites) - log_jacobian

    first = {k: jnp.zeros((2, *shape)) for k, shape in shapes(model).items()}
    given = trace(seed(model.latents, jax.random.PRNGKey(1))).get_trace()
    first |= {name: jnp.zeros((2, *jnp.shape(given[name]["value"]))) for name in left_alone(model)}
    sampler = MCMC(
        NUTS(potential_fn=potential, target_accept_prob=0.9),
        num_warmup=300, num_samples=600, num_chains=2, chain_method="vectorized",
        progress_bar=False,
    )  # fmt: skip
    sampler.run(jax.random.PRNGKey(2), init_params=first)
    one = jax.vmap(jax.vmap(partial(model_values, model, nothing)))
    sampled = one(sampler.get_samples(group_by_chain=True))

    def direct(key):
        sites = trace(seed(model.latents, key)).get_trace()
        return {name: site["value"] for name, site in sites.items()}

    truth = jax.jit(jax.vmap(direct))(jax.random.split(jax.random.PRNGKey(3), 20_000))
    for name in ("theta_population", "theta_spread", *left_alone(model)):
        expected = np.asarray(truth[name]).reshape(20_000, -1)
        found = np.asarray(sampled[name]).reshape(2, 600, -1)
        for j in range(expected.shape[1]):
            for level in (0.1, 0.5, 0.9):
                below = found[..., j] < np.quantile(expected[:, j], level)
                error = np.sqrt(level * (1 - level) / az.ess(below.astype(float)))
                assert abs(below.mean() - level) < 4.5 * error, (name, j, level)


def test_more_terms_than_there_are_cannot_be_expected():
    with pytest.raises(ModelError) as error:
        seed(partial(sample_scales, group("horseshoe", replace(HYPER, expected=7.0))), 0)()
    assert str(error.value) == (
        "expected_terms must lie between 0 and the number of terms (5), 7 given."
    )
