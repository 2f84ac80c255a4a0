"""What is said of forgetting: losses in per cent and memories in trials, of draws that are known."""

import made
import numpy as np
import pytest
from scipy.stats import expon, norm

from hebbax import figures
from hebbax.data import Record, from_animals
from hebbax.model.declared import read_spec
from hebbax.model.spec import ModelSpec
from hebbax.posterior.forgetting import (
    animal_losses,
    forgetting,
    forgetting_sentence,
    population_losses,
)
from hebbax.posterior.inference_data import spec_attribute
from hebbax.posterior.summary import animal_table, population_table
from hebbax.posterior.verdict import Verdict
from hebbax.reporting.tables import truth_table
from hebbax.simulation.cohort import Cohort

GRID = norm.ppf((np.arange(1000) + 0.5) / 1000).reshape(2, 500)
"""Draws whose quantiles are those of a standard normal."""


PASSED = Verdict((), {}, "")


def posterior(terms, centres, n_inputs=2, spread=0.01, hierarchy="animals"):
    """Two animals, the second of which has coefficients of zero, around a population."""
    means = np.array([centres, np.zeros(len(terms))])
    theta = means + spread * GRID[..., None, None]
    values = {"theta": theta, "preference": 0.1 * GRID[..., None] * np.ones(2)}
    if hierarchy == "animals":
        values["theta_population"] = theta[:, :, 0]
    return made.tree(
        posterior=values,
        sample_stats=made.statistics(GRID.shape),
        coords={"term": list(terms), "animal": ["fly1", "fly2"]},
        dims={
            "theta_population": ["term"],
            "theta": ["animal", "term"],
            "preference": ["animal"],
        },
        attrs={
            "n_inputs": n_inputs,
            "spec": spec_attribute(ModelSpec("mine", tuple(terms), hierarchy=hierarchy)),
            "model_file": "",
            "model": "mine",
        },
    )


@pytest.mark.parametrize(
    ("n_inputs", "said"),
    [
        (
            2,
            "In the population a weight loses 5.0 % of itself in a trial (90 % interval 4.2 to "
            "5.8 %), a memory of 19 trials (17 to 23); that it loses, which is forgetting, has "
            "probability over 0.999.",
        ),
        (
            3,
            "In the population a weight loses 3.3 % of itself in a trial (90 % interval 2.8 to "
            "3.9 %), a memory of 29 trials (25 to 35); that it loses, which is forgetting, has "
            "probability over 0.999.",
        ),
    ],
)
def test_the_sentence_tells_what_a_weight_loses_and_its_memory(n_inputs, said):
    assert forgetting_sentence(posterior(["x r", "w"], [0.3, -0.1], n_inputs), PASSED) == (
        f"{said} That a weight loses is more than 95% probable in 1 of 2 animals, in the "
        "hierarchy, where they share strength. Coefficients in the population: theta(w) = -0.100 "
        "(-0.116 to -0.084)."
    )


def test_where_the_chosen_weight_loses_something_else_both_are_told():
    made = posterior(["w", "x w", "r w"], [-0.04, 0.08, 0.5], spread=0.001)
    chosen, other = forgetting(made)
    # theta(w) + 0.75 theta(x w) is above zero: what is chosen grows, by 1 % in a trial.
    assert np.median(chosen.population) == pytest.approx(-0.01)
    assert np.median(other.population) == pytest.approx(0.02)
    said = forgetting_sentence(made, PASSED)
    assert said.startswith(
        "In the population the chosen weight loses -1.0 % of itself in a trial (90 % interval -1.1 "
        "to -0.9 %; a negative loss is growth); that it loses, by forgetting or as in a delta rule, "
        "has probability under 0.001."
    )
    assert "In the population every other weight loses 2.0 % of itself in a trial" in said
    assert said.endswith(
        "theta(w) = -0.040 (-0.042 to -0.038), theta(x w) = 0.080 (0.078 to 0.082). What r w makes "
        "of a weight is not the same in every trial, and no part of this loss."
    )


def test_a_rule_that_does_not_fade_weights_has_no_forgetting():
    made = posterior(["x r", "w^2"], [0.3, -0.1])
    assert forgetting(made) == []
    assert forgetting_sentence(made) == ""
    assert len(population_losses(made)) == len(animal_losses(made)) == 0


def test_without_a_population_animals_are_counted_alone():
    assert forgetting_sentence(posterior(["w"], [-0.1], hierarchy="none"), PASSED) == (
        "That a weight loses is more than 95% probable in 1 of 2 animals."
    )


def test_tables_of_losses_hold_medians_and_intervals():
    fit = posterior(["w"], [-0.1])
    row = population_losses(fit).loc["a weight"]
    assert row["loss in a trial (%)"] == pytest.approx(5.0, abs=1e-3)
    assert row["loss, 5 %"] == pytest.approx(100 * (0.1 - 1.6449 * 0.01) / 2, abs=0.01)
    assert row["memory (trials)"] == pytest.approx(-1 / np.log(0.95), abs=0.01)
    assert row["memory, 95 %"] == pytest.approx(-1 / np.log(1 - row["loss, 5 %"] / 100))
    each = animal_losses(fit)
    assert list(each.index) == [("fly1", "a weight"), ("fly2", "a weight")]
    assert each.loc[("fly2", "a weight"), "P(loss > 0)"] == pytest.approx(0.5)
    assert each.loc[("fly2", "a weight"), "memory, 95 %"] == np.inf


def test_the_table_of_the_truth_holds_what_a_weight_loses():
    table = truth_table(posterior(["x r", "w"], [0.3, -0.1]), Cohort(), PASSED)
    assert list(table.index) == ["theta x r", "theta w", "loss of a weight (%)"]
    lost = table.loc["loss of a weight (%)"]
    # The cohort has theta(w) = -0.06, and two odours.
    assert lost["truth"] == pytest.approx(3.0)
    assert lost["median"] == pytest.approx(5.0, abs=1e-3)
    assert lost["95 %"] == pytest.approx(100 * (0.1 + 1.6449 * 0.01) / 2, abs=0.01)
    assert table["in the 90 % interval"].tolist() == ["no", "no", "no"]
    assert table["diagnostics"].tolist() == ["passed"] * 3


def test_of_skewed_draws_every_table_and_sentence_gives_the_median():
    fit = posterior(["w"], [-0.1])
    skewed = -0.1 * expon.ppf((np.arange(1000) + 0.5) / 1000).reshape(2, 500)
    fit.posterior["theta_population"][..., 0] = skewed
    fit.posterior["theta"][..., 0] = skewed[..., None]
    median = -0.1 * np.log(2)  # and the mean is -0.1
    cell = ("fly1", "theta w")
    assert population_table(fit, PASSED)["median"]["theta w"] == pytest.approx(median, abs=1e-3)
    assert animal_table(fit, PASSED)["median"][cell] == pytest.approx(median, abs=1e-3)
    each = animal_losses(fit, PASSED).loc[("fly1", "a weight")]
    for row in (population_losses(fit, PASSED).loc["a weight"], each):
        assert row["loss in a trial (%)"] == pytest.approx(-50 * median, abs=0.05)
        assert row["memory (trials)"] == pytest.approx(-1 / np.log(1 + median / 2), rel=0.01)
    said = forgetting_sentence(fit, PASSED)
    assert said.startswith("In the population a weight loses 3.5 % of itself in a trial")
    assert "theta(w) = -0.069 (" in said
    rules = {"population": {"w": -0.1}, "spread": {"w": 0.0}}
    told = truth_table(fit, Cohort(**rules), PASSED)
    assert told.loc["loss of a weight (%)", "median"] == pytest.approx(-50 * median, abs=0.05)


def test_pictures_speak_of_losses_in_per_cent_and_hold_every_memory():
    fit = posterior(["w", "x w"], [-0.004, -0.002], spread=0.001)
    figure = figures.forgetting_term(fit, PASSED)
    labels = [ax.get_xlabel() for ax in figure.axes]
    assert labels == [
        "what the chosen weight loses in a trial (%)",
        "memory: trials to fade to 1/e",
        "what every other weight loses in a trial (%)",
        "memory: trials to fade to 1/e",
    ]
    # -0.004 + 1.645 * 0.001 is a loss of 0.118 % in a trial: 848 trials, and the picture holds it.
    lost = population_losses(fit)
    for ax, weight in zip(figure.axes[1::2], lost.index, strict=True):
        assert ax.get_xlim()[1] > lost.loc[weight, "memory, 95 %"] > 700
    forest = figures.forest(fit, PASSED)
    assert [ax.get_xlabel() for ax in forest.axes] == [
        "coefficient of w",
        "coefficient of x w",
        "preference\n(log odds)",
    ]


@pytest.mark.parametrize(("lowest", "none"), [(0.0, ""), (-1.0, ", of which there is none")])
def test_a_loss_at_no_reward_says_whether_there_is_such_a_trial(lowest, none):
    rng = np.random.default_rng(0)
    choices, rewards = rng.integers(0, 2, 20), rng.choice([lowest, 1.0], 20)
    sessions = from_animals([Record("s", choices, rewards)], ("A", "B"), "s")
    spec = ModelSpec("m", ("x r", "w", "x r w"), readout="softmax", reward="raw")
    offered = np.ones((20, 2), bool)
    offered[3, 1 - choices[3]] = False  # a forced trial teaches, whatever is said of choices
    forced = np.where(np.arange(20) == 3, 0.0, rewards)
    known = from_animals([Record("s", choices, forced, offered=offered)], ("A", "B"), "s")
    assert ", of which" not in forgetting_sentence(
        made.posterior(spec, known, shape=(2, 50)), PASSED
    )
    said = forgetting_sentence(made.posterior(spec, sessions, shape=(2, 50)), PASSED)
    assert said.endswith(
        f"no part of this loss, which is that of a trial with a reward of zero{none}."
    )


def test_what_a_model_declares_has_no_probability_in_tables_and_pictures():
    fit = made.posterior(read_spec("forgetting-q"), shape=(2, 200))
    assert np.isnan(population_losses(fit, PASSED)["P(loss > 0)"]).all()
    assert np.isnan(animal_losses(fit, PASSED)["P(loss > 0)"]).all()
    title = figures.forgetting_term(fit, PASSED).axes[0].get_title()
    assert title == "a loss in the population: declared by the model"
