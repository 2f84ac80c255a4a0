"""What each animal says alone, against an exact grid."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import made
import numpy as np
import pytest
import xarray as xr
from scipy.special import logsumexp
from test_evidence import animals
from test_forgetting import PASSED, posterior

from hebbax.data import read as read_sessions
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec
from hebbax.model.likelihood import Choice
from hebbax.model.priors import Normal
from hebbax.model.spec import ModelSpec
from hebbax.posterior.alone import GROUP, SETTINGS, added, of_each, without_population
from hebbax.posterior.forgetting import animal_losses, forgetting_sentence
from hebbax.posterior.inference_data import read, to_inference_data, write
from hebbax.posterior.summary import animal_table

MANY = replace(SETTINGS, draws=4000, most_thinning=1)
SCALES = {"x r": 0.5, "w": 0.2}


@pytest.fixture(scope="module")
def model():
    return build_model(ModelSpec("forgetting", tuple(SCALES), scales=SCALES), animals())


@pytest.fixture(scope="module")
def found(model):
    return of_each(jax.random.PRNGKey(0), model, MANY)


def test_each_animal_alone_is_what_an_exact_grid_says_of_it(model, found):
    # Fine around no learning: there any w > 0 does nothing, on a ridge that gets ever narrower.
    places = np.linspace(-np.arcsinh(2.2e4), np.arcsinh(2.2e4), 281)
    learning, forgetting = 1e-4 * np.sinh(places), np.linspace(-0.8, 0.8, 161)
    cells = np.cosh(places) / np.cosh(places).sum()
    preferences = jnp.linspace(-4, 4, 41)
    observed = np.asarray(model.sessions.choices)

    def at(a, b):
        values = {"theta": jnp.broadcast_to(jnp.stack([a, b]), (3, 2)), "preference": jnp.zeros(3)}
        logits = model.readout(values)[0]

        def one(p):
            offset = jnp.stack([0.0 * p, p])
            return Choice(logits, offset).log_prob(jnp.asarray(observed)).sum(-1)

        prior = -0.5 * ((a / 0.5) ** 2 + (b / 0.2) ** 2 + preferences**2)
        return jax.nn.logsumexp(jax.vmap(one)(preferences) + prior[:, None], axis=0)

    row = jax.jit(jax.vmap(at, in_axes=(None, 0)))
    log_p = np.array([row(a, jnp.asarray(forgetting)) for a in learning])
    log_p += np.log(cells)[:, None, None]
    for k in range(3):
        p = np.exp(log_p[..., k] - logsumexp(log_p[..., k]))
        of_w, of_learning = p.sum(0), p.sum(1)
        below = of_w[forgetting < -1e-9].sum() + 0.5 * of_w[np.abs(forgetting) < 1e-9].sum()
        alone = found["theta"].isel(animal=k)
        assert alone.sel(term="w", statistic="P(< 0)") == pytest.approx(below, abs=0.01)
        for term, grid, mass in (("w", forgetting, of_w), ("x r", learning, of_learning)):
            middle = np.interp(0.5, np.cumsum(mass) - 0.5 * mass, grid)
            assert alone.sel(term=term, statistic="median") == pytest.approx(middle, abs=0.01)
    lost = found["loss"].sel(weight="a weight")
    np.testing.assert_allclose(
        lost.sel(statistic="median"), -found["theta"].sel(term="w", statistic="median") / 2
    )


# P(w < 0), by an integral in NumPy that shares nothing with the package: 1201 x 401 cells of x r
# (fine around zero) and w, in each a point drawn at random, times 41 preferences; 281 x 161 evenly
# spaced points where that changes nothing. Where weights grow the likelihood is narrow ridges, which
# points of an even grid of x r miss or hit: then fly 1 has .97 to .98, fly 5 .95 to 1.00 and fly 11
# .87 to .92.
OF_FLIES = {
    "Fly1": 0.994, "Fly2": 1.000, "Fly4": 0.999, "Fly5": 0.967, "Fly7": 1.000, "Fly8": 0.997,
    "Fly10": 0.941, "Fly11": 0.914, "Fly13": 0.250, "Fly14": 0.987, "Fly16": 0.997, "Fly17": 0.972,
}  # fmt: skip


@pytest.mark.slow
def test_each_of_the_recorded_flies_alone_is_what_an_integral_says_of_it(flies):
    model = build_model(read_spec("forgetting"), read_sessions(flies))
    found = of_each(jax.random.PRNGKey(0), model)
    for fly, expected in OF_FLIES.items():
        error = np.sqrt(expected * (1 - expected) / float(found["ess"].sel(animal=fly)))
        said = found["theta"].sel(animal=fly, term="w", statistic="P(< 0)")
        assert said == pytest.approx(expected, abs=4 * error + 0.002), fly


def test_two_keys_say_the_same(model, found):
    again = of_each(jax.random.PRNGKey(1), model)
    np.testing.assert_allclose(
        again["theta"].sel(statistic="P(< 0)"), found["theta"].sel(statistic="P(< 0)"), atol=0.04
    )


@pytest.mark.parametrize("size", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_many_values_an_animal(size):
    """Beside terms that the prior leaves no room, the one that has some is as if it were alone:
    three Monte Carlo errors of a median (0.03) and of a 95 % quantile (0.05) of two times 400
    effective draws, spread by 0.35."""
    terms = ("x r", "w", "x", "1", "r", "r w", "x w", "x r w", "r^2", "x r^2", "w^2", "x w^2")
    terms = terms[:size]
    scales = dict.fromkeys(terms, 1e-4) | {"x r": 0.5}
    wide = build_model(ModelSpec("wide", terms, scales=scales), animals())
    one = build_model(ModelSpec("one", ("x r",), scales={"x r": 0.5}), animals())
    both = [of_each(jax.random.PRNGKey(0), each)["theta"].sel(term="x r") for each in (wide, one)]
    np.testing.assert_allclose(*(each.sel(statistic="median") for each in both), atol=0.09)
    np.testing.assert_allclose(*(each.sel(statistic="95 %") for each in both), atol=0.15)


@pytest.mark.parametrize("prior", ["horseshoe", "regularised horseshoe", "r2d2"])
def test_priors_with_shared_scales_are_normal_ones_of_the_declared_scale(model, prior):
    spec = ModelSpec("shrunk", tuple(SCALES), scales=SCALES, prior=prior, expected_terms=1.0)
    theta = without_population(build_model(spec, animals())).groups[0]
    assert isinstance(theta.prior, Normal)
    assert not theta.population
    np.testing.assert_array_equal(theta.scales, list(SCALES.values()))


def test_what_was_found_is_stored_with_the_posterior_and_stands_in_its_table(model, tmp_path):
    rng = np.random.default_rng(0)
    draws = {
        "theta_population": rng.normal(size=(1, 4, 2)),
        "theta": rng.normal(size=(1, 4, 3, 2)),
        "preference": rng.normal(size=(1, 4, 3)),
        "preference_population": rng.normal(size=(1, 4)),
        "theta_spread": np.ones((1, 4, 2)),
        "preference_spread": np.ones((1, 4)),
    }
    key = jax.random.PRNGKey(0)
    stored = added(
        key, model, to_inference_data(key, model, draws, made.statistics((1, 4)), made.PROVENANCE)
    )
    write(stored, tmp_path / "forgetting.nc")
    again = read(tmp_path / "forgetting.nc")
    expected = of_each(key, model)["theta"]
    table = animal_table(again)
    for animal in model.sessions.animals:
        for statistic in ("median", "5 %", "95 %", "P(< 0)"):
            value = expected.sel(animal=animal, term="w", statistic=statistic)
            assert table.loc[(animal, "theta w"), f"alone: {statistic}"] == pytest.approx(
                float(value)
            )
    assert np.isnan(table.loc[("animal0", "preference"), "alone: median"])


def test_the_sentence_counts_animals_alone_and_names_those_that_are_not_known():
    made = posterior(["w"], [-0.1])
    known = of_two(0.97, 0.2)
    made[GROUP] = xr.DataTree(known)
    ending = (
        "That a weight loses is more than 95% probable in 1 of 2 animals, in the hierarchy, where "
        "they share strength, and in 1 of 2 by their own choices alone. Coefficients in the "
        "population: theta(w) = -0.100 (-0.116 to -0.084)."
    )
    assert forgetting_sentence(made, PASSED).endswith(ending)
    table = animal_losses(made, PASSED)
    assert table["alone: P(loss > 0)"].tolist() == pytest.approx([0.97, 0.2])
    assert table["alone: median"].tolist() == pytest.approx([5.0, 5.0])
    del made[GROUP]
    made[GROUP] = xr.DataTree(of_two(0.97, np.nan))
    assert (
        "share strength, and in 1 of 1 by their own choices alone (not known of fly2, "
        "whose chains did not agree)." in forgetting_sentence(made, PASSED)
    )


def test_a_weight_that_cannot_lose_anything_does_not_lose_alone():
    made = posterior(["w"], [-0.1])
    found = of_two(0.97, 0.0)
    found["loss"][1] = 0.0
    made[GROUP] = xr.DataTree(found)
    assert animal_losses(made, PASSED)["alone: P(loss > 0)"].tolist() == [0.97, 0.0]


def of_two(*below):
    numbers = np.array([[[0.05, 0.01, 0.09, 1.0 - p]] for p in below])
    return xr.Dataset(
        {
            "loss": (("animal", "weight", "statistic"), numbers),
            "theta": (("animal", "term", "statistic"), -2.0 * numbers),
        },
        coords={
            "animal": ["fly1", "fly2"],
            "weight": ["a weight"],
            "term": ["w"],
            "statistic": ["median", "5 %", "95 %", "P(< 0)"],
        },
    )
