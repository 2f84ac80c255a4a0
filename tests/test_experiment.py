from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slow_reference import bound, factors, sigmoid

from hebbax.mehta2024.experiment import Experiment, cohort, meet
from hebbax.rule.network import Network
from hebbax.rule.reward import expected_reward
from hebbax.rule.stimulus import one_hot
from hebbax.rule.taylor import TaylorRule

TERMS = ("x r", "w", "x y r w", "x^2 y^2 w^2")
THETA = (0.8, -0.05, 0.3, -0.1)
EXPERIMENT = Experiment(trials_per_block=15, hidden_units=3, initial_scale=0.5)


NOISY = replace(EXPERIMENT, noise=0.2)
QUIET = replace(EXPERIMENT, noise=0.0)
EACH = pytest.mark.parametrize("experiment", [NOISY, QUIET], ids=["noisy", "quiet"])


@cache
def lived(experiment):
    made = cohort(jax.random.key(3), TaylorRule(TERMS), jnp.array(THETA), experiment, size=4)
    return jax.device_get(made)


@EACH
def test_weights_follow_the_written_rule_at_the_accepted_encounter(experiment):
    made = lived(experiment)
    for animal in range(4):
        w = np.array(made.weights[animal, 0])
        for t in range(made.r.shape[1]):
            np.testing.assert_allclose(made.weights[animal, t], w, rtol=1e-9, atol=1e-12)
            x, r = made.x[animal, t], made.r[animal, t]
            y, new = np.tanh(x @ w), w.copy()
            for i, h in np.ndindex(w.shape):
                change = 0.0
                for term, coefficient in zip(TERMS, THETA, strict=True):
                    p = factors(term)
                    change += coefficient * (
                        x[i] ** p["x"] * y[h] ** p["y"] * w[i, h] ** p["w"] * r ** p["r"]
                    )
                new[i, h] = bound(w[i, h] + change / 2)
            w = new


@EACH
def test_the_signal_is_reward_minus_what_was_expected(experiment):
    made = lived(experiment)
    for rewards, r in zip(made.rewards, made.r, strict=True):
        np.testing.assert_allclose(r, rewards - expected_reward(rewards, experiment.window))


@EACH
def test_inputs_are_noisy_around_those_of_the_accepted_stimulus(experiment):
    made = lived(experiment)
    away = made.x - 0.75 * np.eye(2)[made.choices]
    # Acceptance favours some noise over other, by less than this.
    assert abs(away.std() - experiment.noise) <= 0.15 * experiment.noise


def test_log_probability_without_noise_is_that_of_every_encounter():
    made = lived(QUIET)
    for animal, t in np.ndindex(made.r.shape):
        w = made.weights[animal, t]
        p = [sigmoid(5 * np.tanh(0.75 * w[k]).mean()) for k in range(2)]
        log_p = np.log(p[made.choices[animal, t]])
        log_p += sum(n * np.log(1 - p[k]) for k, n in enumerate(made.rejections[animal, t]))
        np.testing.assert_allclose(made.log_probability[animal, t], log_p)


def test_meetings_end_as_often_as_the_closed_form_says():
    weights = jnp.array([[-1.0, -0.4], [0.1, -0.9]])
    network, n = Network(one_hot(2)), 20000
    keys = jax.random.split(jax.random.key(0), n)
    met = jax.jit(jax.vmap(lambda key: meet(key, network, weights, 0.0)))(keys)
    p = np.array([sigmoid(5 * np.tanh(0.75 * np.array(w)).mean()) for w in weights])
    share = p[1] / p.sum()
    assert abs(met.choice.mean() - share) < 4 * np.sqrt(share * (1 - share) / n)
    refused = met.rejections.sum(axis=1)
    success = p.mean()
    sd = np.sqrt(1 - success) / success
    assert abs(refused.mean() - (1 - success) / success) < 4 * sd / np.sqrt(n)
    of_first = (1 - p[0]) / (2 - p.sum())
    assert abs(met.rejections[:, 0].sum() / refused.sum() - of_first) < 0.01
    # Geometric: the chance to wait longer than 8, the number of meetings drawn at once.
    assert abs((refused > 8).mean() - (1 - success) ** 9) < 4 * 0.5 / np.sqrt(n)


def test_a_trajectory_depends_on_its_own_key_alone():
    rule, theta = TaylorRule(TERMS), jnp.array(THETA)
    two = cohort(jax.random.key(5), rule, theta, EXPERIMENT, size=2)
    again = cohort(jax.random.key(5), rule, theta, EXPERIMENT, size=2)
    np.testing.assert_array_equal(two.weights, again.weights)
    assert (np.asarray(two.choices[0]) != np.asarray(two.choices[1])).any()
