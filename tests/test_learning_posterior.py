"""Posteriors of learning models in natural units, of draws that are known."""

from dataclasses import replace

import jax.numpy as jnp
import made
import numpy as np
import pytest
import xarray as xr
from conftest import random_sessions
from scipy.special import expit, logit

from hebbax import figures
from hebbax.errors import FitError
from hebbax.inference import map
from hebbax.inference.density import start
from hebbax.model.choices import build_model
from hebbax.model.declared import parse_spec, read_spec
from hebbax.posterior import estimate
from hebbax.posterior.diagnostics import diagnose
from hebbax.posterior.forgetting import animal_losses, forgetting, forgetting_sentence
from hebbax.posterior.inference_data import read, write
from hebbax.posterior.power_scaling import sensitivity_table
from hebbax.posterior.summary import animal_table, population_table
from hebbax.posterior.verdict import Verdict
from hebbax.rule.equivalent import equivalent

PASSED = Verdict((), {}, "")
Q = read_spec("q-learning")


@pytest.fixture(scope="module")
def stored():
    return made.posterior(Q, shape=(2, 200))


def test_parameters_stand_first_and_in_their_own_units(stored):
    z = stored.posterior["theta_population"].to_numpy().reshape(-1, 2)
    alpha, beta = expit(logit(0.4) + z[:, 0]), 3.0 * np.exp(z[:, 1])
    want = {
        "alpha": alpha,
        "beta": beta,
        "theta x r": 2 * alpha * beta / 0.75,
        "theta x w": -2 * alpha / 0.75,
    }
    table = population_table(stored, PASSED)
    assert list(table.index) == [*want, "preference"]
    for name, drawn in want.items():
        low, middle, high = np.quantile(drawn, (0.05, 0.5, 0.95))
        assert table.loc[name, ["5 %", "median", "95 %"]].tolist() == pytest.approx(
            [low, middle, high]
        )
    assert list(sensitivity_table(stored, PASSED).index) == ["alpha", "beta", "preference"]
    each = animal_table(stored, PASSED)
    assert each.loc["animal0"].index.tolist() == [*want, "preference"]
    own = expit(logit(0.4) + stored.posterior["theta"].sel(animal="animal1", term="alpha"))
    assert each.loc[("animal1", "alpha"), "median"] == pytest.approx(np.median(own))


def test_the_chosen_weight_loses_the_learning_rate(stored):
    (lost,) = forgetting(stored)
    assert lost.loss.weight == "the chosen weight"
    alpha = stored.posterior["parameters_population"].sel(parameter="alpha").to_numpy().ravel()
    np.testing.assert_allclose(lost.population, alpha, rtol=1e-12)
    assert animal_losses(stored, PASSED).index.tolist() == [
        ("animal0", "the chosen weight"),
        ("animal1", "the chosen weight"),
    ]
    low, middle, high = np.quantile(alpha, (0.05, 0.5, 0.95))
    sentence = forgetting_sentence(stored, PASSED)
    assert f"In the population the chosen weight loses {100 * middle:.1f} % of itself" in sentence
    said = f"Parameters in the population: alpha = {middle:.3g} ({low:.3g} to {high:.3g}), beta = "
    assert said in sentence


def test_it_is_written_and_read_back_and_drawn(stored, tmp_path):
    write(stored, tmp_path / "q-learning.nc")
    back = read(tmp_path / "q-learning.nc")
    assert population_table(back, PASSED).equals(population_table(stored, PASSED))
    labels = [ax.get_xlabel() for ax in figures.forest(back, PASSED).axes]
    assert labels == ["alpha", "beta", "preference\n(log odds)"]
    assert figures.forgetting_term(back, PASSED) is not None
    broken = back.copy(deep=True)
    broken["posterior"] = xr.DataTree(back.posterior.to_dataset().drop_vars("coefficients"))
    write(broken, tmp_path / "broken.nc")
    with pytest.raises(FitError, match="the variable coefficients is missing"):
        read(tmp_path / "broken.nc")


def test_a_coefficient_that_is_declared_is_neither_judged_nor_told():
    fixed = made.posterior(read_spec("win-stay-lose-shift"), shape=(4, 400))
    assert (fixed.posterior["coefficients"].sel(coefficient="w") == -2.0).all()
    assert forgetting(fixed) == []
    assert not [reason for reason in diagnose(fixed).reasons if "R-hat" in reason]


def test_what_may_grow_or_fade_is_not_declared():
    """A parameter of any sign leaves open whether weights fade: how sure that is is told."""
    free = {
        "name": "free",
        "readout": "softmax",
        "reward": "raw",
        "parameters": {
            "alpha": {"range": "unit", "median": 0.3, "scale": 1.0},
            "kappa": {"range": "any", "median": 0.0, "scale": 0.3},
        },
        "coefficients": {"x r": "n*alpha/rate", "w": "-n*kappa"},
    }
    (found,) = forgetting(made.posterior(parse_spec(free), shape=(2, 100)))
    assert not found.declared
    assert "; that it loses, which is forgetting, has probability " in found.sentence


def test_a_point_estimate_says_the_same():
    model = build_model(Q, random_sessions(4))
    info = map.Info(jnp.zeros((1, 1)), jnp.zeros(()), jnp.zeros(()))
    provenance = {"method": "map", "seed": 0, "settings": {}}
    table = estimate.table(estimate.to_dataset(model, start(model), info, provenance))
    assert list(table.columns) == [
        "alpha",
        "beta",
        "theta x r",
        "theta x w",
        "preference",
        "loss of the chosen weight (%)",
    ]
    assert table.iloc[0, :2].tolist() == pytest.approx([0.4, 3.0])
    assert table.iloc[0, 5] == pytest.approx(40.0)


def test_without_a_population_there_are_animals_alone():
    own = made.posterior(replace(Q, hierarchy="none"), shape=(2, 200))
    assert list(animal_table(own, PASSED).loc["animal0"].index)[:2] == ["alpha", "beta"]


@pytest.mark.parametrize("name", ["q-learning", "forgetting-q", "differential-forgetting-q"])
def test_a_rule_without_the_constraint_is_read_back_in_the_parameters(name):
    rule = read_spec(name).plasticity(3)
    z = np.random.default_rng(0).normal(size=(20, len(rule.named)))
    z[:, -1] = 0.0 if "k2" in rule.parameters else z[:, -1]  # no aversion: x has no coefficient
    theta, values = np.asarray(rule.coefficients(z)), rule.values(z)
    kept = [j for j, term in enumerate(rule.taylor.terms) if term != "x"]
    terms = [rule.taylor.terms[j] for j in kept]
    found = equivalent(terms, theta[:, kept], 0.75, 3)
    np.testing.assert_allclose(found["learning rate"], values["alpha"], rtol=1e-12)
    beta = values["k1" if "k1" in values else "beta"]
    np.testing.assert_allclose(found["inverse temperature"], beta, rtol=1e-12)
    assert equivalent([*terms, "1"], np.ones(len(terms) + 1), 0.75, 3) == {}
    growing = equivalent(["x r", "w"], np.array([1.0, 0.3]), 0.75, 3)
    assert np.isnan(growing["inverse temperature"])


def test_a_taylor_rule_of_raw_reward_says_its_learning_rate():
    free = Q.with_terms(Q.terms)
    stored = made.posterior(free, shape=(2, 200), shift=0.0)
    for name in ("theta", "theta_population"):
        stored.posterior[name] = stored.posterior[name] * 0.1 + [3.2, -1.0667]
    assert "Read as a learning model, the population has learning rate 0.399 (0.381 to 0.417)" in (
        forgetting_sentence(stored, PASSED)
    )
    fly = made.posterior(replace(free, readout="accept"), shape=(2, 200))
    assert "learning rate" not in forgetting_sentence(fly, PASSED)
