"""A variational fit against importance sampling, and what is said of one that failed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from conftest import random_sessions
from scipy import stats

from hebbax.check.comparison import compare
from hebbax.errors import FitError
from hebbax.inference import svi
from hebbax.inference.density import (
    animal_values,
    constrain,
    flatten_groups,
    latent_sites,
    log_likelihood,
    potential,
)
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.diagnostics import diagnose
from hebbax.posterior.fitting import obtain
from hebbax.posterior.inference_data import read
from hebbax.posterior.measures import k_hat
from hebbax.simulation.cohort import Cohort, simulate

WIDTH, SPREADS = 0.3, np.geomspace(1e-6, 20.0, 25)
"""A prior scale of a spread, and spreads in units of it."""


def test_a_spread_is_where_its_normal_score_is_however_far_out():
    for z in (-2.0, 0.0, 3.0):
        score = np.where(
            SPREADS < 1.0,
            stats.norm.ppf(stats.halfnorm.cdf(SPREADS)),
            stats.norm.isf(stats.halfnorm.sf(SPREADS)),
        )
        score = score + svi.SPREAD_SCALE * z
        expected = np.where(
            score < 0.0,
            stats.halfnorm.ppf(stats.norm.cdf(score)),
            stats.halfnorm.isf(stats.norm.sf(score)),
        )
        found, slope = jax.vmap(
            lambda start, z=z: jax.jvp(
                lambda z: svi._spread(jnp.asarray(WIDTH), start, z), (z,), (1.0,)
            )
        )(jnp.log(WIDTH * SPREADS))
        np.testing.assert_allclose(np.exp(found), WIDTH * expected, rtol=1e-6)
        assert np.isfinite(slope).all()
        assert (slope > 0).all()


SPEC = ModelSpec("m", ("x r", "w"), hierarchy="none")


@pytest.fixture(scope="module")
def one_animal():
    rule = ModelSpec("truth", ("x r", "w"))
    return simulate(jax.random.PRNGKey(1), Cohort(animals=1), rule)[0]


@pytest.fixture(scope="module")
def reference(one_animal):
    """Draws of the prior and their weights: an independent way to the posterior of one animal."""
    model, n = build_model(SPEC, one_animal), 600_000
    key = jax.random.PRNGKey(0)
    draws = {
        "theta": jnp.array([0.5, 0.2]) * jax.random.normal(key, (n, 1, 2)),
        "preference": jax.random.normal(jax.random.PRNGKey(1), (n, 1)),
    }
    logs = jax.lax.map(lambda v: log_likelihood(model, v).sum(), draws, batch_size=5000)
    weights = jax.nn.softmax(logs)
    assert 1.0 / (weights**2).sum() > 1000
    evidence = float(jax.scipy.special.logsumexp(logs) - np.log(n))
    return (
        {k: np.asarray(v).reshape(n, -1) for k, v in draws.items()},
        np.asarray(weights),
        evidence,
    )


@pytest.fixture(scope="module")
def stored(one_animal, tmp_path_factory):
    settings = svi.Settings(guide="full", steps=600)
    folder = tmp_path_factory.mktemp("svi")
    obtain(one_animal, SPEC, folder, 0, settings)
    return read(folder / "m.svi.nc")


def test_a_guide_agrees_with_importance_sampling(stored, reference):
    draws, weights, evidence = reference
    effective = 1.0 / (weights**2).sum()
    for name, drawn in draws.items():
        mean = weights @ drawn
        sd = np.sqrt(weights @ (drawn - mean) ** 2)
        got = stored.posterior[name].to_numpy()[0].reshape(4000, -1)
        # Two sets of draws of finite size, and a tenth of a posterior sd for the guide's own bias.
        error = 4 * sd * np.sqrt(1 / effective + 1 / 4000) + 0.1 * sd
        assert (np.abs(got.mean(0) - mean) < error).all()
        np.testing.assert_allclose(got.std(0), sd, rtol=0.15)
    # The ELBO is a lower bound of the log evidence; near it, since the guide is.
    elbo = diagnose(stored).figures["elbo"]
    assert evidence - 0.3 < elbo < evidence + 0.1


@pytest.fixture(scope="module")
def good(one_animal, tmp_path_factory):
    # Without learning one number is left, the preference, and its posterior is nearly normal.
    folder = tmp_path_factory.mktemp("good")
    obtain(
        one_animal,
        ModelSpec("m", (), hierarchy="none"),
        folder,
        0,
        svi.Settings(guide="full", steps=600),
    )
    return read(folder / "m.svi.nc")


def test_a_good_guide_is_called_a_posterior(good):
    verdict = diagnose(good)
    assert verdict.passed
    assert verdict.sentence.startswith("The variational posterior passed its diagnostics: k-hat ")
    assert good.attrs["method"] == "svi"
    assert good.posterior.sizes["chain"] == 1
    assert good.sample_stats["elbo"].dims == ("step",)


def test_weights_correct_what_the_guide_misses(stored, reference):
    # log p - log q of each draw: weighted by them the guide's draws give the posterior mean.
    draws, weights, evidence = reference
    log_weights = stored.sample_stats["log_weights"].to_numpy()[0]
    assert jax.nn.logsumexp(log_weights) - np.log(4000) == pytest.approx(evidence, abs=0.1)
    own = np.asarray(jax.nn.softmax(log_weights))
    got = own @ stored.posterior["theta"].to_numpy()[0, :, 0]
    sd = np.sqrt(weights @ (draws["theta"] - weights @ draws["theta"]) ** 2)
    assert (np.abs(got - weights @ draws["theta"]) < 0.1 * sd).all()


def test_the_word_posterior_is_withheld_from_a_guide_that_misses_it(stored):
    # Left of zero the likelihood of w is flat, right of it a cliff: no normal guide has such tails.
    verdict = diagnose(stored)
    assert verdict.figures["k_hat"] > 0.7
    assert not verdict.passed
    assert verdict.sentence.startswith(
        "The variational approximation FAILED its diagnostics and cannot be called a posterior: "
        f"k-hat of its importance weights is {verdict.figures['k_hat']:.2f} (at most 0.7), so that "
        "it misses a part of the posterior that matters"
    )


def test_a_guide_that_failed_is_not_compared(stored):
    with pytest.raises(FitError) as error:
        compare({"m.svi": stored})
    assert str(error.value) == f"m.svi: not to be compared. {diagnose(stored).sentence}"


def test_an_elbo_that_still_rises_fails(good):
    rising = good.copy(deep=True)
    rising.sample_stats["elbo"] = xr.DataArray(np.linspace(-90.0, -80.0, 600), dims="step")
    (reason,) = diagnose(rising).reasons
    assert reason == (
        "the ELBO still moved by 2.5 nats in the last quarter of the steps (at most 0.5), so that "
        "more steps would change it"
    )


def test_a_weight_that_is_not_finite_fails(good):
    lost = good.copy(deep=True)
    kept = good.sample_stats["log_weights"].where(good.posterior["draw"] > 0, -np.inf)
    lost.sample_stats["log_weights"] = kept
    assert not diagnose(lost).passed
    assert k_hat(lost) == np.inf


def test_an_unknown_guide_answers_with_the_known_ones(one_animal):
    with pytest.raises(FitError) as error:
        svi.fit(jax.random.PRNGKey(0), build_model(SPEC, one_animal), svi.Settings(guide="flow"))
    assert str(error.value) == (
        'unknown guide "flow"; the known ones are diagonal, full, low-rank, laplace.'
    )


def test_a_spread_under_its_prior_is_a_standard_normal_score():
    width, settled, z = 0.25, jnp.log(0.1), jnp.linspace(-8.0, 6.0, 29)
    assert svi._spread(width, settled, jnp.zeros(())) == pytest.approx(float(settled))

    def log_spread(z):
        return svi._spread(width, settled, z)

    slope = jax.vmap(jax.grad(log_spread))(z)
    s = np.exp(log_spread(z))
    density = stats.halfnorm.logpdf(s, scale=width) + np.log(s) + np.log(slope)
    score = stats.norm.ppf(stats.halfnorm.cdf(0.1, scale=width)) + svi.SPREAD_SCALE * z
    np.testing.assert_allclose(
        density, stats.norm.logpdf(score) + np.log(svi.SPREAD_SCALE), atol=1e-6
    )


@pytest.mark.parametrize("hierarchy", ["animals", "none"])
def test_the_coordinates_are_a_change_of_variables(hierarchy):
    sessions = random_sessions(11, lengths=(30, 40))
    model = build_model(ModelSpec("m", ("x r", "w"), hierarchy=hierarchy), sessions)
    rng = np.random.default_rng(0)
    roots = jnp.asarray(rng.normal(size=(2, 3, 3)))
    scales = {"theta_spread": jnp.array([-1.5, -2.0]), "preference_spread": jnp.array([-1.0])}
    scales = scales if hierarchy == "animals" else {}
    start = svi._Start(roots @ jnp.swapaxes(roots, 1, 2), roots[..., 0], scales)
    target = svi._target(model, start)
    flat = jnp.asarray(rng.normal(0.0, 0.5, target.origin.shape))

    def moved(flat):
        return jax.flatten_util.ravel_pytree(target.sites(flat))[0]

    @jax.jit
    def both(flat):
        # A density of the sites becomes one of the coordinates by the determinant of all slopes.
        volume = jnp.linalg.slogdet(jax.jacobian(moved)(flat))[1]
        return target.log_density(flat), volume - potential(model, target.sites(flat))

    found, expected = both(flat)
    assert found == pytest.approx(float(expected), abs=1e-9)


def test_coordinates_of_a_gaussian_model_are_standard_normal():
    """Animals whose likelihoods are the start's own quadratics, spreads held: draws of the model by
    its conditionals have the density of standard normals."""
    model = build_model(ModelSpec("m", ("x r", "w")), random_sessions(11, lengths=(30, 40)))
    rng = np.random.default_rng(0)
    roots = jnp.asarray(rng.normal(size=(2, 3, 3)))
    information, linear = roots @ jnp.swapaxes(roots, 1, 2), roots[..., 0]
    scales = {"theta_spread": jnp.array([-1.5, -2.0]), "preference_spread": jnp.array([-1.0])}
    target = svi._target(model, svi._Start(information, linear, scales))

    def quadratic(sites):
        prior = sum((sites[f"{g.name}_population"] / g.scales) ** 2 for g in model.groups[1:])
        prior += ((sites["theta_population"] / model.groups[0].scales) ** 2).sum()
        values = animal_values(model, constrain(latent_sites(model), sites))
        phi = flatten_groups(model, values)
        offsets = sum((sites[f"{g.name}_offset"] ** 2).sum() for g in model.groups)
        likelihood = (linear * phi).sum() - 0.5 * jnp.einsum("ai,aij,aj", phi, information, phi)
        return likelihood - 0.5 * (prior.sum() + offsets)

    held = {name: jnp.zeros((5, *value.shape)) for name, value in scales.items()}
    moved = {"population": rng.normal(size=(5, 3)), "animal": rng.normal(size=(5, 2, 3))}
    at = jax.vmap(lambda each: jax.flatten_util.ravel_pytree(each)[0])({**held, **moved})
    one = jax.vmap(lambda flat: quadratic(target.sites(flat)) + 0.5 * flat @ flat)
    found = jax.jit(one)(at)
    np.testing.assert_allclose(found, found[0], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("guide", sorted(svi.GUIDES))
def test_every_guide_is_near_the_posterior_of_an_informed_animal(guide, one_animal, reference):
    settings = svi.Settings(guide=guide, steps=600)
    draws, info = svi.fit(jax.random.key(0), build_model(SPEC, one_animal), settings)
    prior, weights, evidence = reference
    mean = weights @ prior["theta"]
    sd = np.sqrt(weights @ (prior["theta"] - mean) ** 2)
    assert (np.abs(draws["theta"][0, :, 0].mean(0) - mean) < 0.4 * sd).all()
    assert evidence - 1.0 < info.log_weights.mean() < evidence + 0.1
