"""The model's likelihood against the slow reference, and replay against generate."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from slow_reference import choice_log_likelihood, encounter_log_likelihood, session

from hebbax.data import Record, from_animals, split
from hebbax.inference.density import log_likelihood, log_likelihood_by_animal
from hebbax.model.choice_model import ChoiceModel, animal_of
from hebbax.model.choices import build_model
from hebbax.model.likelihood import Choice
from hebbax.model.spec import ModelSpec
from hebbax.rule.network import Network, Presented, drives, replay
from hebbax.rule.reward import expected_reward, reward_signal
from hebbax.rule.stimulus import one_hot
from hebbax.rule.taylor import TaylorRule
from hebbax.simulation.environment import (
    Environment,
    blocks,
    generate,
    reject,
)

RULES = {
    "none": (),
    "forgetting": ("x r", "w"),
    "five terms": ("1", "r", "x", "x r", "w"),
    "quadratic in w": ("x r", "w^2", "x^2 r^2 w"),
    "postsynaptic": ("x y", "y^2 w", "y r", "x r"),
}


def compiled(model, values):
    """The log likelihood as one program: compiling one is faster than each of its operations."""
    return jax.jit(partial(log_likelihood, model))(values)


def values_of(model, seed):
    rng = np.random.default_rng(seed)
    return {
        g.name: jnp.asarray(rng.normal(0, 0.6, (model.sessions.n_animals, *g.shape)))
        for g in model.groups
    }


@pytest.mark.parametrize("likelihood", ["choice", "encounter"])
@pytest.mark.parametrize("n_stimuli", [2, 3])
@pytest.mark.parametrize("reward", ["raw", "expected"])
@pytest.mark.parametrize("rule", RULES)
def test_it_agrees_with_the_slow_loop(rule, reward, n_stimuli, likelihood):
    sessions = random_sessions(3, n_stimuli)
    spec = ModelSpec(
        "m", RULES[rule], likelihood=likelihood, reward=reward, habit_scale=1.0,
        initial_weight_scale=0.5,
    )  # fmt: skip
    model = build_model(spec, sessions)
    values = values_of(model, 1)
    slow = []
    for a in range(2):
        trials = list(
            session(
                spec.terms,
                np.asarray(values["theta"][a]) if spec.terms else (),
                sessions.choices[a],
                sessions.rewards[a],
                raw=reward == "raw",
                n_stimuli=n_stimuli,
                start=np.asarray(values["initial_weight"][a])[:, None],
            )
        )
        preference, habit = np.atleast_1d(values["preference"][a]), float(values["habit"][a])
        if likelihood == "choice":
            slow += choice_log_likelihood([0.0, *preference], habit, trials)
        else:
            slow += encounter_log_likelihood(preference, habit, trials, sessions.rejections[a])
    np.testing.assert_allclose(compiled(model, values), slow, rtol=0, atol=1e-10)


def test_padding_and_other_animals_change_nothing():
    sessions = random_sessions(5, lengths=(9, 14, 23))
    spec = ModelSpec("m", ("x r", "w", "1"))
    model = build_model(spec, sessions)
    values = values_of(model, 2)
    together = compiled(model, values)
    apart = []
    for a, animal in enumerate(sessions.animals):
        n = sessions.n_trials[a]
        record = Record(
            animal,
            sessions.choices[a, :n],
            np.where(sessions.choices[a, :n] < 0, np.nan, sessions.rewards[a, :n]),
        )
        alone = build_model(spec, from_animals([record], sessions.stimuli, "alone"))
        apart.append(compiled(alone, {k: v[a : a + 1] for k, v in values.items()}))
    np.testing.assert_allclose(together, jnp.concatenate(apart), atol=1e-12)


@pytest.mark.parametrize("likelihood", ["choice", "encounter"])
def test_trials_that_do_not_count_say_nothing(likelihood):
    # The first 4 trials of one animal count and the first 7 of the other; the padding never does.
    model = build_model(ModelSpec("m", ("x r", "w"), likelihood=likelihood), random_sessions(5))
    values, counted = values_of(model, 2), np.asarray(model.design.valid).copy()
    counted[0, 4:], counted[1, 7:] = False, False
    part = model.recorded(model.design._replace(valid=jnp.asarray(counted)), model.observed)
    in_place = np.zeros(counted.shape)
    in_place[np.asarray(model.design.valid)] = compiled(model, values)

    def total(theta, model):
        return log_likelihood_by_animal(model, {**values, "theta": theta})

    found = jax.jit(lambda theta: total(theta, part))(values["theta"])
    np.testing.assert_allclose(found, np.where(counted, in_place, 0.0).sum(-1), rtol=1e-12)
    slope = jax.jit(jax.grad(lambda theta: total(theta, part).sum()))(values["theta"])
    short = build_model(model.spec, split(model.sessions, np.array([4, 7]))[0])
    expected = jax.jit(jax.grad(lambda theta: total(theta, short).sum()))(values["theta"])
    np.testing.assert_allclose(slope, expected, rtol=1e-12)


@pytest.mark.parametrize("rule", ["forgetting", "five terms", "postsynaptic"])
def test_one_hidden_unit_stands_for_many_with_equal_weights(rule):
    sessions = random_sessions(7)
    network = Network(one_hot(2))
    taylor = TaylorRule(RULES[rule])
    kept = sessions.choices[1] >= 0
    x = jnp.asarray(network.stimuli[sessions.choices[1][kept]])
    r = jnp.asarray(reward_signal(sessions.rewards[1][kept], "expected", 10))
    theta = jnp.linspace(-0.4, 0.7, len(taylor.terms))
    one, ten = (
        replay(taylor, network, theta, jnp.full((2, h), 0.3), Presented(x, drives(taylor, x, r)))
        for h in (1, 10)
    )
    np.testing.assert_allclose(ten, jnp.broadcast_to(one, ten.shape), atol=1e-13)


@pytest.mark.parametrize(  # every two of these together
    ("signal", "likelihood", "most"),
    [
        ("raw", "choice", np.inf), ("expected", "choice", 2), ("raw", "encounter", 2),
        ("expected", "encounter", np.inf),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rule", ["forgetting", "five terms", "postsynaptic"])
def test_replay_gives_back_the_generators_own_log_probability(rule, signal, likelihood, most):
    terms = RULES[rule]
    spec = ModelSpec("m", terms, likelihood=likelihood, reward=signal, habit_scale=1.0)
    theta = jnp.array([0.5, -0.1, 0.2, 0.4, -0.05])[: len(terms)]
    preference = jnp.array(0.4) if likelihood == "choice" else jnp.array([-0.3, 0.4])
    values = {"theta": theta, "preference": preference, "habit": jnp.array(0.3)}
    animal = animal_of(ChoiceModel.of(spec), values, 2)
    environment = Environment(blocks(np.array([[0.2, 0.8], [0.9, 0.1]]), 40), most_encounters=most)
    network = Network(one_hot(2))
    made = generate(jax.random.PRNGKey(4), TaylorRule(terms), network, animal, environment, spec)
    record = Record(
        "one",
        np.asarray(made.choices),
        np.asarray(made.rewards),
        rejections=np.asarray(made.rejections).astype(int),
    )
    sessions = from_animals([record], ("A", "B"), "generated")
    omitted = np.asarray(made.choices) < 0
    assert omitted.any() == (most == 2)
    np.testing.assert_array_equal(made.rejections.sum(-1)[omitted], most)
    model = build_model(spec, sessions)
    own = preference[None]
    values = {"theta": theta[None], "preference": own, "habit": jnp.array([0.3])}
    seen = ~omitted if likelihood == "choice" else np.ones(80, dtype=bool)
    np.testing.assert_allclose(compiled(model, values), made.log_probability[seen], atol=1e-10)


def test_rejections_have_the_mean_of_their_geometric_law():
    # One trial many times: rejections of k before an acceptance have mean q_k (1 - p_k) / sum q p.
    logits, offset = jnp.array([-1.0, 0.5]), jnp.zeros(2)

    offer, accept = Choice.attraction(logits, offset)
    keys = jax.random.split(jax.random.PRNGKey(0), 20_000)
    drawn = jax.vmap(lambda key: reject(key, offer, accept))(keys)
    p = jax.nn.sigmoid(logits)
    mean = (1 - p) / p.sum()
    error = drawn.std(0) / np.sqrt(len(keys))
    assert (abs(drawn.mean(0) - mean) < 4 * error).all()


def test_the_gradient_is_that_of_finite_differences():
    model = build_model(ModelSpec("m", ("x r", "w", "x y")), random_sessions(3))
    values = values_of(model, 4)

    @jax.jit
    def total(theta):
        return log_likelihood(model, {**values, "theta": theta}).sum()

    theta, step = values["theta"], 1e-6
    gradient = jax.jit(jax.grad(total))(theta)
    for index in np.ndindex(theta.shape):
        slope = (total(theta.at[index].add(step)) - total(theta.at[index].add(-step))) / (2 * step)
        assert gradient[index] == pytest.approx(float(slope), abs=1e-6)


def test_expected_reward_is_the_mean_of_the_last_ones_from_zeros():
    rewards = np.array([1.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(expected_reward(rewards, 2), [0, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(expected_reward(rewards, 10), [0, 0.1, 0.1, 0.2])
