"""Priors of the coefficients: their laws, their numbers of terms, and the sampler against direct draws."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from conftest import random_sessions
from numpyro.handlers import seed, trace
from scipy import stats
from scipy.integrate import quad
from unrecorded import assert_alike, drawn_directly, sampled_without_choices

from hebbax.errors import ModelError
from hebbax.model.choices import build_model
from hebbax.model.groups import Group, sample_group, sample_scales
from hebbax.model.priors import PRIORS
from hebbax.model.sparsity import expected_share, global_scale
from hebbax.model.spec import ModelSpec

SCALES = np.array([0.02, 0.3, 1.0, 0.2, 0.1])
HYPER = ModelSpec("hyper", (), expected_terms=1.5, effect=0.3)


def group(prior, choices=400, **changes):
    return Group("theta", SCALES, replace(HYPER, prior=prior, **changes).own_prior(choices))


def drawn(one, n=20_000):
    """Direct draws of a group's scales and population values, by site name."""

    def draw(key):
        sites = trace(seed(partial(sample_group, one, 1), key)).get_trace()
        return {name: site["value"] for name, site in sites.items() if site["type"] != "plate"}

    return jax.jit(jax.vmap(draw))(jax.random.split(jax.random.PRNGKey(0), n))


@pytest.mark.parametrize(
    ("prior", "law"), [("normal", stats.norm(0, SCALES)), ("laplace", stats.laplace(0, SCALES))]
)
def test_a_prior_without_scales_is_that_of_scipy(prior, law):
    theta = np.linspace(-0.5, 0.5, 7)[:, None]
    found = group(prior).prior.value(SCALES).log_prob(theta)
    np.testing.assert_allclose(found, law.logpdf(theta), rtol=1e-12)


def test_a_horseshoe_coefficient_has_the_law_of_its_integral():
    """P(|theta| > x) at a given global scale by integration over the half-Cauchy local scale."""
    values = drawn(group("horseshoe"))
    theta, tau = (np.asarray(values[k]) for k in ("theta_population", "theta_global_scale"))
    relative = np.abs(theta[:, 1]) / (tau * SCALES[1] / (0.3 * np.sqrt(400)))
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
    one = group(prior, choices=40_000)
    values = drawn(one)
    tau = np.asarray(values["theta_global_scale"])
    tau_0 = global_scale(5, HYPER.expected_terms, one.prior.degrees)
    assert (tau < tau_0).mean() == pytest.approx(0.5, abs=0.015)
    near = np.abs(np.log(tau / tau_0)) < 0.1
    counted = np.asarray(jax.vmap(one.prior.effective_terms)(*one.own_scales(values)))[near]
    assert (
        abs(counted.mean() - HYPER.expected_terms)
        < 4 * counted.std() / np.sqrt(counted.size) + 0.02
    )


def test_no_coefficient_leaves_the_slab():
    one = group("regularised horseshoe")
    variance = np.asarray(jax.vmap(one.prior.relative_variance)(*one.own_scales(drawn(one))))
    assert variance.max() <= 1.0
    assert variance.min() >= 0.0


def test_r2d2_divides_its_share_of_a_choice_among_the_terms():
    one = group("r2d2")
    values = drawn(one)
    information = (HYPER.effect / SCALES) ** 2  # of one choice
    variance = (
        np.asarray(jax.vmap(one.prior.relative_variance)(*one.own_scales(values))) * SCALES**2
    )
    each = variance * information
    total = each.sum(1)
    # R^2 is Beta(a, b) of mean 0.2 with a = 5 terms x 1/2, a member of Dirichlet(1/2, ...) Beta(1/2, 2).
    assert stats.kstest(total / (1.0 + total), stats.beta(2.5, 10.0).cdf).pvalue > 1e-3
    assert stats.kstest(each[:, 1] / total, stats.beta(0.5, 2.0).cdf).pvalue > 1e-3


LARGE = ("1", "r", "x", "x r", "w", "r w", "x w", "x r w")
"""With the preference more than are proposed as a whole."""


@pytest.mark.parametrize(
    ("prior", "terms", "hierarchy"),
    [
        ("regularised horseshoe", LARGE, "animals"),
        ("laplace", ("x r", "w"), "none"),
        *(
            pytest.param(prior, terms, hierarchy, marks=pytest.mark.slow)
            for prior in PRIORS
            for terms, hierarchy in ((LARGE, "animals"), (("x r", "w"), "none"))
        ),
    ],
)
def test_without_choices_the_posterior_is_the_prior(prior, terms, hierarchy, monkeypatch):
    """The whole sampler, every move and what it learns, against direct draws of all sites:
    quantiles within 4.5 Monte Carlo errors, of 60 a false alarm is one in 2500."""
    spec = ModelSpec("test", terms, prior=prior, expected_terms=1.0, hierarchy=hierarchy)
    model = build_model(spec, random_sessions(2, lengths=(20, 30)))
    sampled, info = sampled_without_choices(model, monkeypatch)
    assert abs(info.log_marginal.mean()) < 0.05
    truth = drawn_directly(model)
    names = truth.keys() & sampled.keys() - {f"{g.name}_offset" for g in model.groups}
    assert_alike(sampled, truth, names)


def test_more_terms_than_there_are_cannot_be_expected():
    with pytest.raises(ModelError) as error:
        seed(partial(sample_scales, group("horseshoe", expected_terms=7.0)), 0)()
    assert str(error.value) == (
        "expected_terms must lie between 0 and the number of terms (5), 7 given."
    )
