"""The softmax readout: weights as log odds, against learning models written by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions

from hebbax.data import NO_CHOICE
from hebbax.errors import ModelError
from hebbax.inference.density import split_groups
from hebbax.inference.pseudo_marginal import animal
from hebbax.model.choice_model import ChoiceModel, animal_of
from hebbax.model.choices import build_model
from hebbax.model.likelihood import Softmax
from hebbax.model.spec import ModelSpec
from hebbax.rule.network import Network
from hebbax.rule.readout import READOUTS
from hebbax.rule.stimulus import one_hot
from hebbax.rule.taylor import TaylorRule
from hebbax.simulation.environment import Environment, generate

RATE = 0.75
ALPHA, BETA, PREFERENCE = 0.35, 3.0, 0.4


def _spec(**changes):
    given = {"terms": ("x r", "x w"), "readout": "softmax", "reward": "raw", **changes}
    return ModelSpec("q-learning", **given)


def _q_learning(choices, rewards, n):
    """Return log P of each choice of one animal by Q-learning, preference for the second."""
    q, out = np.zeros(n), []
    offset = np.zeros(n)
    offset[1] = PREFERENCE
    for k, r in zip(choices, rewards, strict=True):
        odds = BETA * q + offset
        out.append(odds[k] - np.log(np.exp(odds).sum()))
        q[k] += ALPHA * (r - q[k])
    return np.array(out)


@pytest.mark.parametrize("n", [2, 3])
def test_the_density_is_that_of_q_learning(n):
    sessions = random_sessions(3, lengths=(40, 25), n_stimuli=n)
    model = build_model(_spec(), sessions)
    theta = n * ALPHA * BETA / RATE, -n * ALPHA / RATE
    preference = [PREFERENCE] if n == 2 else [PREFERENCE, *[0.0] * (n - 2)]
    phi = jnp.tile(jnp.array([*theta, *preference]), (2, 1))
    each = [
        _q_learning(choices[choices != NO_CHOICE], rewards[choices != NO_CHOICE], n)
        for choices, rewards in zip(sessions.choices, sessions.rewards, strict=True)
    ]
    found = model.whole_distribution(split_groups(model, phi)).log_prob(model.observed)
    np.testing.assert_allclose(found, np.concatenate(each), rtol=0.0, atol=1e-12)
    frame, trials = animal.frame_of(model), animal.trials_of(model)
    single = jax.vmap(partial(animal.log_likelihood, frame))(trials, phi)
    np.testing.assert_allclose(single, [one.sum() for one in each], atol=2e-3)


def test_parts_are_slope_and_information_of_the_density():
    logits, offset = jnp.array([0.3, -1.2, 2.0]), jnp.array([0.0, 0.7, -0.4])
    for choice in (0, 2, NO_CHOICE):

        def log_p(move, choice=choice):
            return Softmax(logits + move, offset).log_prob(choice)

        zero, one = jnp.zeros(3), Softmax(logits, offset)
        slopes, information = jax.grad(log_p)(zero), -jax.hessian(log_p)(zero)
        directions = jnp.eye(3)
        parts = [one.parts(one.counts(jnp.array(choice)), d, jnp.zeros(3)) for d in directions]
        slope = [sum(part.change * part.slope for part in own) for own in parts]
        np.testing.assert_allclose(slope, slopes, atol=1e-12)
        change = np.array([[part.change for part in own] for own in parts])
        np.testing.assert_allclose(change @ change.T, information, atol=1e-12)


def test_log_odds_of_any_size_have_a_density():
    one = Softmax(jnp.array([900.0, -900.0]), jnp.zeros(2))
    assert one.log_prob(1) == pytest.approx(-1800.0)
    assert one.log_prob(0) == 0.0
    assert np.isfinite(jax.grad(lambda x: Softmax(x, jnp.zeros(2)).log_prob(1))(one.logits)).all()


def test_animals_that_live_choose_by_what_they_learnt():
    """Of 4000 sessions, the frequency of every choice of the last trial is that of its log
    probability under the recorded past (a sum of independent errors: 4 standard errors)."""
    network = Network(one_hot(2, RATE), READOUTS["softmax"])
    rule = TaylorRule(("x r", "x w"))
    theta = jnp.array([2 * ALPHA * BETA / RATE, -2 * ALPHA / RATE])
    values = {"theta": theta, "preference": jnp.array(PREFERENCE)}
    own = animal_of(ChoiceModel.of(_spec()), values, 2)
    chances = np.tile([0.2, 0.8], (12, 1))
    lives = partial(
        generate,
        rule=rule,
        network=network,
        animal=own,
        environment=Environment(chances, "independent"),
        spec=_spec(),
    )
    keys = jax.random.split(jax.random.PRNGKey(0), 4000)
    found = jax.jit(jax.vmap(lives))(keys)
    choices, rewards = np.asarray(found.choices), np.asarray(found.rewards)
    expected = np.array([_q_learning(c, r, 2) for c, r in zip(choices, rewards, strict=True)])
    np.testing.assert_allclose(found.log_probability, expected, atol=1e-9)
    assert (np.asarray(found.rejections) == 0).all()
    p = np.exp(expected[:, -1])
    second = np.where(choices[:, -1] == 1, p, 1.0 - p)
    error = np.sqrt((second * (1.0 - second)).sum())
    assert abs((choices[:, -1] == 1).sum() - second.sum()) < 4.0 * error


def test_a_softmax_of_encounters_is_refused():
    with pytest.raises(ModelError) as problem:
        _spec(likelihood="encounter")
    assert str(problem.value) == (
        'q-learning: the readout "softmax" is of choices, and the likelihood is "encounter"; use '
        'likelihood = "choice".'
    )
