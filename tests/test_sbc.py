"""What is ranked, and among which draws."""

import jax
import numpy as np

from hebbax.check.prior_predictive import generator, recorded, template
from hebbax.check.sbc import Settings, quantities, thinned
from hebbax.model.declared import parse_spec, read_spec
from hebbax.simulation.environment import Task

TASK = Task(6, 1, (0.2, 0.8), "baited")


def names(**table) -> list[str]:
    spec = parse_spec({"name": "any", "terms": ["x r", "w"], **table})
    return [quantity.name for quantity in quantities(template(spec, 2, TASK))]


def test_all_kinds_of_values_are_ranked():
    assert names(habit_scale=1.0, initial_weight_scale=0.5) == [
        "x r", "w", "spread of x r", "spread of w", "x r of an animal", "w of an animal",
        "preference", "spread of preference", "preference of an animal",
        "habit", "spread of habit", "habit of an animal",
        "initial weight 1", "initial weight 2", "spread of initial weight 1",
        "spread of initial weight 2", "initial weight 1 of an animal",
        "initial weight 2 of an animal",
    ]  # fmt: skip
    assert names(hierarchy="none") == [
        "x r of an animal", "w of an animal", "preference of an animal",
    ]  # fmt: skip
    assert names(prior="regularised horseshoe", expected_terms=1)[:7] == [
        "global scale", "x r", "w", "spread of x r", "spread of w", "local scale of x r",
        "local scale of w",
    ]  # fmt: skip


def test_ranked_draws_are_evenly_spaced_over_all_chains():
    draws = np.arange(24.0).reshape(2, 12, 1)
    assert thinned(draws, 6).ravel().tolist() == [3, 7, 11, 15, 19, 23]
    assert thinned(draws, 24).ravel().tolist() == list(range(24))


def test_settings_name_a_program_whatever_copy_of_them_is_asked():
    assert hash(read_spec("forgetting")) == hash(read_spec("forgetting"))
    wider = parse_spec({"name": "a", "terms": ["w"], "scales": {"w": 0.4}})
    assert wider != parse_spec({"name": "a", "terms": ["w"]})
    assert hash(Settings()) == hash(Settings())


def test_cohorts_have_the_sessions_and_the_rewards_of_their_task():
    task = Task(12, 2, (0.3, 0.6), "independent", sessions=3, outcomes=(-1.0, 2.0))
    spec = parse_spec({"name": "any", "terms": ["x r"], "session_sd_scale": 0.5})
    model = template(spec, 2, task)
    lived = generator(model, task)(jax.random.PRNGKey(0))
    sessions = recorded(lived.session, task, spec)
    assert sessions.session.tolist() == 2 * [4 * [0] + 4 * [1] + 4 * [2]]
    assert set(np.unique(sessions.rewards)) == {-1.0, 2.0}
    assert task.words == (
        "12 trials in 2 blocks and 3 sessions with independent rewards of 0.3/0.6 (-1 or 2)"
    )
