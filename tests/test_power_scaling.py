"""Log priors that are stored, against SciPy; power-scaling sensitivity, against quadrature."""

import arviz_stats
import made
import numpy as np
import pytest
import xarray as xr
from conftest import random_sessions
from scipy import stats
from scipy.integrate import simpson

from hebbax.errors import FitError
from hebbax.inference.pseudo_marginal.population import Population, log_prior, prior_of
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.computed import log_priors
from hebbax.posterior.observed import BY_ANIMAL, of_each_animal
from hebbax.posterior.power_scaling import (
    ALPHAS,
    NOISE,
    Sensitivity,
    diagnosis,
    sensitivity_table,
    sentence,
)
from hebbax.posterior.verdict import Verdict

SCALES = np.array([0.5, 0.2])
SHAPE = (4, 1000)
STEP = 1.01
PASSED = Verdict((), {}, "")
SPEC = ModelSpec("m", ("x r", "w"), prior="laplace")


@pytest.fixture(scope="module")
def stored():
    return made.posterior(SPEC)


def test_the_stored_log_prior_is_that_of_scipy_and_of_the_sampler(stored):
    value, spread = (stored.posterior[f"theta_{end}"] for end in ("population", "spread"))
    bias, its = (stored.posterior[f"preference_{end}"] for end in ("population", "spread"))
    expected = {
        "theta_population": stats.laplace.logpdf(value, scale=SCALES).sum(-1),
        "theta_spread": stats.halfnorm.logpdf(spread, scale=SCALES / 2).sum(-1),
        "preference_population": stats.norm.logpdf(bias),
        "preference_spread": stats.halfnorm.logpdf(its, scale=0.5),
    }
    assert set(stored.log_prior.data_vars) == set(expected)
    for site, log_p in expected.items():
        np.testing.assert_allclose(stored.log_prior[site], log_p, rtol=1e-9)
    # The sampler's spreads are signed: each sign has half of the density.
    at = (1, 3)
    population = Population(
        np.append(value[at], bias[at]), np.append(spread[at], its[at]), np.zeros(0), np.zeros(())
    )
    whole = sum(float(log_p[at]) for log_p in expected.values())
    found = log_prior(prior_of(build_model(SPEC, random_sessions(4))), population)
    assert float(found) == pytest.approx(whole - 3 * np.log(2.0), rel=1e-9)


def test_of_a_prior_that_shrinks_it_is_that_of_its_scales():
    spec = ModelSpec("m", ("x r", "w"), prior="horseshoe", expected_terms=1.0)
    rng = np.random.default_rng(0)
    draws = {
        "theta_global_scale": np.abs(rng.normal(size=(2, 3))),
        "theta_local_scale": np.abs(rng.normal(size=(2, 3, 2))),
        "theta_population": np.zeros((2, 3, 2)),
        "theta_spread": np.ones((2, 3, 2)),
    }
    found = log_priors(build_model(spec, random_sessions(4)), draws)
    # One term of two: the half-Cauchy of scale p0 / (D - p0) = 1.
    expected = {
        "theta_global_scale": stats.halfcauchy.logpdf(draws["theta_global_scale"]),
        "theta_local_scale": stats.halfcauchy.logpdf(draws["theta_local_scale"]).sum(-1),
    }
    assert set(found) == set(expected)
    for site, log_p in expected.items():
        np.testing.assert_allclose(found[site], log_p, rtol=1e-6)


def test_without_a_population_it_is_that_of_the_animals():
    model = build_model(ModelSpec("m", ("x r", "w"), hierarchy="none"), random_sessions(4))
    theta = np.random.default_rng(0).normal(size=(2, 3, 2, 2))
    found = log_priors(model, {"theta": theta})
    assert set(found) == {"theta"}
    expected = stats.norm.logpdf(theta, scale=SCALES).sum((-1, -2))
    np.testing.assert_allclose(found["theta"], expected, rtol=1e-9)


CASES = {
    # prior scale, what is observed, its standard error
    "a wide prior": (10.0, 1.0, 1.0),
    "a strong prior": (0.2, 0.0, 3.0),
    "a prior far from the choices": (1.0, 6.0, 1.0),
    "both alike": (1.0, 1.0, 1.0),
}
MEANINGS = dict(
    zip(
        CASES,
        ("-", "strong prior or weak choices", *["prior and choices disagree"] * 2),
        strict=True,
    )
)


def normal_posterior(scale, observed, error, powers=(1.0, 1.0)):
    """Mean and standard deviation where prior and likelihood have these powers."""
    prior, likelihood = powers[0] / scale**2, powers[1] / error**2
    return likelihood * observed / (prior + likelihood), (prior + likelihood) ** -0.5


def distance(one, other, low, high):
    """The cumulative Jensen-Shannon distance of two normal distributions, over a range."""
    x = np.linspace(low, high, 20_001)
    p, q = (stats.norm.cdf(x, *law) for law in (one, other))
    of_p, of_q = simpson(p, x=x), simpson(q, x=x)
    parts = [
        simpson(a * np.log2(a / (0.5 * (p + q))), x=x) + (of_b - of_a) / (2.0 * np.log(2.0))
        for a, of_a, of_b in ((p, of_p, of_q), (q, of_q, of_p))
    ]
    return np.sqrt(sum(max(part, 0.0) for part in parts) / (of_p + of_q))


def exact(case, component, low, high):
    """The sensitivity of a normal mean by quadrature, over the range of its draws."""
    total = 0.0
    for alpha in (STEP, 1.0 / STEP):
        powers = [alpha if name == component else 1.0 for name in ("prior", "likelihood")]
        (m, s), (n, t) = normal_posterior(*case), normal_posterior(*case, powers)
        mirrored = distance((-m, s), (-n, t), -high, -low)
        total += max(distance((m, s), (n, t), low, high), mirrored)
    return total / (2.0 * np.log2(STEP))


def posterior_of(case, name):
    """Draws of a normal mean, evenly by their quantiles, with its log prior and its log likelihood
    of two animals, ``name``d as of a sampler that integrated these out, or of choices."""
    scale, observed, error = case
    rng, n = np.random.default_rng(0), int(np.prod(SHAPE))
    mean, sd = normal_posterior(*case)
    drawn = rng.permutation(stats.norm.ppf((np.arange(n) + 0.5) / n, mean, sd)).reshape(SHAPE)
    log_p = stats.norm.logpdf(observed, drawn, error)
    parts = np.stack([0.3 * log_p, 0.7 * log_p], -1)
    stored = made.tree(
        posterior={
            "theta": np.zeros((*SHAPE, 2, 1)),
            "theta_population": drawn[..., None],
        },
        sample_stats=made.statistics(SHAPE),
        log_likelihood={"choice": parts if name == "choice" else np.zeros((*SHAPE, 2))},
        coords={"term": ["x r"], "animal": ["a", "b"]},
        dims={
            "theta": ["animal", "term"],
            "theta_population": ["term"],
            "choice": ["observation"],
        },
        attrs={"method": "nuts", "model": "m"},
    )
    if name == "animals":
        stored[BY_ANIMAL] = xr.DataTree(of_each_animal(stored.posterior, parts))
    stored["log_prior"] = xr.DataTree(
        xr.Dataset({"theta_population": (("chain", "draw"), stats.norm.logpdf(drawn, 0.0, scale))})
    )
    return stored


@pytest.mark.parametrize("name", ["animals", "choice"])
@pytest.mark.parametrize("label", CASES)
def test_the_sensitivity_of_a_normal_mean_is_that_of_quadrature(label, name):
    case = CASES[label]
    stored = posterior_of(case, name)
    drawn = stored.posterior["theta_population"]
    row = sensitivity_table(stored, PASSED).loc["theta x r"]
    for component in ("prior", "likelihood"):
        expected = exact(case, component, float(drawn.min()), float(drawn.max()))
        assert row[component] == pytest.approx(expected, rel=0.01, abs=1e-4)
    assert row["diagnosis"] == MEANINGS[label]


@pytest.mark.parametrize("sd", [1.0, 4.0])
def test_a_value_that_has_nothing_to_do_with_what_is_scaled_has_the_stated_noise(sd):
    """The mean of 20 within 20 %: a sensitivity scatters by a third of it."""
    rng, draws = np.random.default_rng(3), (4, 250)
    values = xr.Dataset({f"{k}": (("chain", "draw"), rng.normal(size=draws)) for k in range(20)})
    log_p = xr.Dataset({"all": (("chain", "draw"), sd * rng.normal(size=draws))})
    found = arviz_stats.psense(
        xr.DataTree.from_dict({"posterior": values, "log_prior": log_p}),
        group="prior",
        alphas=ALPHAS,
    )
    mean = float(found.to_array().mean())
    assert mean == pytest.approx(NOISE * sd / np.sqrt(np.prod(draws)), rel=0.2)


@pytest.mark.parametrize(
    ("prior", "likelihood", "meaning"),
    [
        ((0.0, 0.0), (0.0, 0.0), "-"),
        ((0.049, 0.1), (0.5, 0.1), "-"),
        ((0.05, 0.025), (0.049, 0.1), "strong prior or weak choices"),
        ((0.3, 0.0), (0.0, 0.0), "strong prior or weak choices"),
        ((0.05, 0.025), (0.05, 0.025), "prior and choices disagree"),
        ((0.05, 0.026), (0.0, 0.0), "too few draws to tell"),
        ((0.3, 0.0), (0.06, 0.031), "too few draws to tell"),
    ],
)
def test_what_two_sensitivities_mean(prior, likelihood, meaning):
    assert diagnosis(Sensitivity(*prior), Sensitivity(*likelihood)) == meaning


@pytest.mark.filterwarnings("ignore:Number of tail draws")
def test_what_hangs_on_its_prior_is_named_and_the_most_of_what_does_not(stored):
    table = sensitivity_table(stored, PASSED)
    assert list(table.index) == ["theta x r", "theta w", "preference"]
    whole = arviz_stats.psense(stored, group="prior", alphas=ALPHAS)
    np.testing.assert_allclose(table["prior"].iloc[:2], whole["theta_population"], rtol=1e-9)
    table["prior"], table["diagnosis"] = (
        [0.04, 0.123, 0.0],
        ["-", "prior and choices disagree", "-"],
    )
    assert sentence(table) == (
        "Sensitive to the prior, by power-scaling (0.05 and more): theta w (0.12): prior and "
        "choices disagree."
    )
    assert sentence(table.drop(index="theta w")) == (
        "No population value is sensitive to its prior, by power-scaling (at most 0.04, of theta "
        "x r, where 0.05 is the limit)."
    )


def test_without_a_population_nothing_is_said(stored):
    animals = stored.copy(deep=True)
    names = ["theta_population", "preference_population"]
    animals["posterior"] = xr.DataTree(animals.posterior.to_dataset().drop_vars(names))
    table = sensitivity_table(animals, PASSED)
    assert table.empty
    assert not sentence(table)


def test_a_posterior_without_its_log_prior_is_refused(stored):
    without = stored.copy(deep=True)
    del without["log_prior"]
    with pytest.raises(FitError) as error:
        sensitivity_table(without, PASSED)
    assert str(error.value) == (
        "m: has no group log_prior, without which nothing can be said of it; fit the model again "
        "with --force."
    )
