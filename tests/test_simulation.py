"""Generated animals: what the design says is what comes out."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.errors import ModelError
from hebbax.model.declared import read_spec
from hebbax.model.spec import ModelSpec
from hebbax.simulation.cohort import Cohort, simulate
from hebbax.simulation.environment import arm, collect


def test_a_cohort_has_the_coefficients_of_its_population():
    cohort = Cohort(animals=400, trials_per_block=2)
    sessions, truth = simulate(jax.random.PRNGKey(0), cohort, read_spec("forgetting"))
    assert sessions.n_animals == 400
    assert sessions.n_choices == 400 * 6
    for j, term in enumerate(("x r", "w")):
        error = cohort.spread[term] / np.sqrt(400)
        assert abs(truth["theta"][:, j].mean() - cohort.population[term]) < 4 * error


def test_without_plasticity_choices_follow_the_preference():
    cohort = Cohort(population={}, spread={}, preference=(0.7, 0.0), animals=40)
    sessions, _ = simulate(jax.random.PRNGKey(1), cohort, ModelSpec("no-learning", ()))
    expected = 1 / (1 + np.exp(-0.7))
    n = sessions.n_choices
    error = np.sqrt(expected * (1 - expected) / n)
    assert abs((sessions.choices == 1).mean() - expected) < 4 * error


@pytest.mark.parametrize("baiting", ["baited", "independent"])
def test_an_armed_reward_waits_only_where_it_is_baited(baiting):
    armed = jnp.array([True, False])
    armed = arm(jax.random.PRNGKey(0), armed, jnp.zeros(2), baiting)
    reward, left = collect(armed, jnp.array(1))
    assert reward == 0
    np.testing.assert_array_equal(left, [baiting == "baited", False])
    armed = arm(jax.random.PRNGKey(0), left, jnp.zeros(2), baiting)
    reward, left = collect(armed, jnp.array(0))
    assert reward == (baiting == "baited")
    assert not left.any()


def test_cohort_and_model_must_have_the_same_terms():
    with pytest.raises(ModelError) as error:
        simulate(jax.random.PRNGKey(0), Cohort(), read_spec("reward"))
    assert str(error.value) == "reward: its terms are x r, and the cohort gives x r, w."


@pytest.mark.parametrize(
    ("spec", "meets"),
    [
        (read_spec("forgetting"), True),
        (ModelSpec("m", ("x r",), likelihood="encounter"), True),
        (replace(read_spec("forgetting"), lapse_scale=0.5), False),
        (ModelSpec("m", ("x r",), readout="softmax"), False),
    ],
)
def test_only_animals_that_meet_stimuli_one_by_one_reject_any(spec, meets):
    small = dict.fromkeys(spec.members, 0.1)
    cohort = Cohort(population=small, spread=small, animals=2, trials_per_block=10)
    sessions, _ = simulate(jax.random.PRNGKey(0), cohort, spec)
    assert (sessions.rejections is not None) == meets
    if not meets:
        with pytest.raises(ModelError) as error:
            simulate(jax.random.PRNGKey(0), replace(cohort, most_encounters=3), spec)
        assert str(error.value) == (
            f"{spec.name}: most_encounters 3 given; its animals choose among all that is offered, and "
            "meet nothing one after the other."
        )


def test_more_than_two_alternatives():
    cohort = Cohort(
        reward_probability=((0.1, 0.2, 0.9),), animals=30, population={"x r": 0.8, "w": -0.02}
    )
    sessions, _ = simulate(jax.random.PRNGKey(2), cohort, read_spec("forgetting"))
    late = sessions.choices[:, 40:]
    assert (late == 2).mean() > max((late == 0).mean(), (late == 1).mean())
