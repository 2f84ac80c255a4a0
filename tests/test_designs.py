"""Designs of an experiment, against cohorts that were simulated apart from them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from hebbax import figures
from hebbax.design.designs import Settings, check, parse_rewards, rank
from hebbax.design.identifiability import candidates
from hebbax.design.information import coefficient_covariance
from hebbax.errors import HebbaxError
from hebbax.inference.density import fisher_information
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec
from hebbax.model.spec import ModelSpec
from hebbax.simulation.cohort import Cohort, simulate
from hebbax.simulation.environment import Task

SPEC = candidates(read_spec("forgetting"), "x, x r, w")
SMALL = Settings(
    animals=(3, 9),
    trials=(60,),
    blocks=(1, 3),
    rewards=((0.2, 0.8),),
    baiting=("baited",),
    simulated=60,
)


@pytest.fixture(scope="module")
def ranked():
    return rank(SPEC, SMALL)


def row(found, animals, blocks):
    return found.table.query("animals == @animals and blocks == @blocks").iloc[0]


def test_the_expected_deviation_is_that_of_a_cohort_simulated_apart(ranked):
    population, spread = {"x": 0.0, "x r": 0.35, "w": -0.06}, {"x": 0.0, "x r": 0.105, "w": 0.018}
    cohort = Cohort(
        population, spread, animals=360, trials_per_block=20,
        reward_probability=((0.2, 0.8), (0.8, 0.2), (0.2, 0.8)),
    )  # fmt: skip
    sessions, truth = simulate(jax.random.PRNGKey(8), cohort, SPEC)
    phi = jnp.asarray(np.column_stack([truth["theta"], truth["preference"]]))
    model = build_model(SPEC, sessions)
    information = jax.jit(lambda phi: fisher_information(model, phi))(phi)
    members, prior = jnp.asarray([*spread.values(), 0.4]), jnp.asarray([0.2, 0.5, 0.2, 1.0])
    sd = [
        np.sqrt(coefficient_covariance(group, members, prior, 3)[2, 2])
        for group in information.reshape(40, 9, 4, 4)
    ]
    said = row(ranked, 9, 3)
    # The deviation of nine animals varies, and the mean over forty such nines hardly does.
    error = np.hypot(said["error"], np.std(sd) / np.sqrt(40))
    assert said["sd"] == pytest.approx(np.mean(sd), abs=4 * error)
    assert error < 0.1 * said["sd"]


def test_power_and_nats_follow_from_the_deviation(ranked):
    table = ranked.table
    assert table["sd"].is_monotonic_increasing
    # What the choices alone say has the precision sd^-2 less that of the prior, 0.2^-2.
    own = table["sd"] ** -2.0 - 0.2**-2.0
    np.testing.assert_allclose(table["nats"], 0.5 * 0.06**2 * own)
    part = own * table["sd"] ** 2
    z = (part * table["detectable"] / table["sd"] - 1.959964) / np.sqrt(part)
    np.testing.assert_allclose(z, 0.841621, atol=1e-5)
    z = (part * 0.06 / table["sd"] - 1.959964) / np.sqrt(part)
    np.testing.assert_allclose(table["power"], norm.cdf(z), atol=1e-6)


def test_deviations_and_what_is_detectable_are_told_as_losses_in_per_cent(ranked):
    table, by_level = ranked.table, ranked.effects
    np.testing.assert_allclose(table["loss, sd (%)"], 50.0 * table["sd"])
    np.testing.assert_allclose(table["loss, detectable (%)"], 50.0 * table["detectable"])
    np.testing.assert_allclose(by_level["loss, sd (%)"], 50.0 * by_level["sd"])
    left, right = figures.designs(ranked).axes
    assert left.get_ylabel() == "smallest detectable loss of a weight in a trial (%)"
    assert right.get_xlabel() == "standard deviation of a weight's loss\nin a trial (%)"
    (true,) = (line for line in left.lines if line.get_linestyle() == "--")
    np.testing.assert_allclose(true.get_ydata(), 3.0)


def test_a_design_that_says_nothing_detects_nothing():
    # Two trials: what is known of forgetting is the prior.
    found = rank(SPEC, replace(SMALL, animals=(1,), trials=(2,), blocks=(1,), rule="x r - 1.8 w"))
    design = found.table.iloc[0]
    assert design["sd"] == pytest.approx(0.2, rel=1e-3)
    assert design["power"] < 1e-6
    assert np.isinf(design["detectable"])
    assert "; 10.00 % before any choice) with x and x r free, and a loss of 90.00 %" in (
        found.sentence
    )
    assert found.sentence.startswith(
        "By 1 animal with 2 trials in 1 block, baited rewards 0.2/0.8 what"
    )
    assert found.sentence.endswith(", found with 0% power.")


def test_more_animals_say_more_and_no_more_than_their_number(ranked):
    for blocks in (1, 3):
        few, many = (row(ranked, n, blocks)["sd"] for n in (3, 9))
        assert few / np.sqrt(3) < many < few  # the prior's part does not grow with animals


def test_the_same_seed_gives_the_same_table(ranked):
    pd.testing.assert_frame_equal(rank(SPEC, SMALL).table, ranked.table)
    other = rank(SPEC, replace(SMALL, seed=1)).table
    assert not np.allclose(other["sd"], ranked.table["sd"])


def test_the_answer_names_the_best_design_and_what_matters(ranked):
    best = ranked.table.iloc[0]
    blocks = "1 block" if best["blocks"] == 1 else "3 blocks"
    assert ranked.sentence.startswith(
        f"Of 4 designs the best is 9 animals with 60 trials in {blocks}, baited rewards 0.2/0.8: "
    )
    assert "None of them reaches 80% power." in ranked.sentence
    assert "the standard deviation grows by a factor: animals " in ranked.sentence


def test_contingencies_move_from_block_to_block():
    np.testing.assert_array_equal(
        Task(5, 2, (0.1, 0.9), "baited").chances,
        [[0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]],
    )


@pytest.mark.parametrize(
    ("trials", "blocks"), [(240, 3), (120, 4), (120, 6), (100, 12), (120, 50), (7, 7), (90, 1)]
)
def test_blocks_are_as_many_as_asked_and_as_equal_as_can_be(trials, blocks):
    chances = Task(trials, blocks, (0.1, 0.9), "baited").chances
    starts = [0, *(np.flatnonzero(np.diff(chances[:, 0])) + 1), trials]
    lengths = np.diff(starts)
    assert len(lengths) == blocks
    assert set(lengths) <= {trials // blocks, -(-trials // blocks)}
    np.testing.assert_array_equal(
        chances[starts[:-1], 0], [[0.1, 0.9][k % 2] for k in range(blocks)]
    )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"rule": "0.3 x r"},
            'the rule "0.3 x r" does not forget; give w a coefficient below zero, as in '
            '"0.35 x r - 0.06 w".',
        ),
        (
            {"rule": "x r + w"},
            'the rule "x r + w" does not forget; give w a coefficient below zero, as in '
            '"0.35 x r - 0.06 w".',
        ),
        (
            {"rule": "x r - 3 w"},
            'by the rule "x r - 3 w" a weight loses 150 % of itself in a trial; less than 100 % is '
            "allowed.",
        ),
        ({"rule": "r - 0.1 w"}, 'the term "r" is not one of x, x r, w.'),
        (
            {"rule": f"x r - {'9' * 400} w"},
            'the rule gives "w" the coefficient -inf; from -5 to 5 per trial is allowed.',
        ),
        (
            {"rule": "x r - 3 w - 3 w"},
            'the rule gives "w" the coefficient -6; from -5 to 5 per trial is allowed.',
        ),
        (
            {"rule": "x r" + " " * 100_000 + "- w"},
            "a rule in words has at most 1000 characters, 100006 given.",
        ),
        (
            {"rule": "x r - 1e400 w"},
            'unknown term "1e400 w": a term is "1" or factors x, y, r, w with exponents up to 2, such '
            'as "x r" or "x^2 r w".',
        ),
        ({"animals": (6, 6)}, "--animals: gives a level twice; each may stand once."),
        (
            {"animals": (1,) * 101, "rewards": ((0.2, 0.8),) * 100},
            "20200 designs are asked for; at most 10000 are ranked.",
        ),
        (
            {"rewards": ((0.5,) * 51,)},
            "--rewards: 51 probabilities given; at most 50 stimuli are allowed.",
        ),
        ({"animals": (0, 3)}, "--animals: 0, 3 given; 1 or more is allowed."),
        ({"blocks": (61,)}, "--blocks: 61 blocks do not fit into 60 trials."),
        ({"simulated": 1}, "--simulated: 1 given; 2 or more is allowed."),
        (
            {"rewards": ((0.2, 1.4),)},
            "--rewards: 0.2/1.4 given; a probability between 0 and 1 for each of 2 or more stimuli "
            "is allowed, as in 0.2/0.8.",
        ),
        (
            {"rewards": ((0.2, 0.4), (0.1, 0.2, 0.3))},
            "--rewards: designs are compared with equally many stimuli.",
        ),
    ],
)
def test_settings_that_are_none(changed, sentence):
    with pytest.raises(HebbaxError) as caught:
        check(replace(SMALL, **changed), SPEC)
    assert str(caught.value) == sentence


def test_designs_are_for_choices():
    with pytest.raises(HebbaxError) as caught:
        check(SMALL, ModelSpec("met", ("x r", "w"), likelihood="encounter"))
    assert str(caught.value) == "met: designs are ranked for the choice likelihood."


def test_rewards_that_cannot_be_read():
    assert parse_rewards("0.2/0.8/0") == (0.2, 0.8, 0.0)
    with pytest.raises(HebbaxError) as caught:
        parse_rewards("0.2,0.8")
    assert str(caught.value) == (
        '--rewards: "0.2,0.8" given; probabilities with a slash between them are allowed, as in '
        "0.2/0.8."
    )
