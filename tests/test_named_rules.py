"""Learning models of the field as Taylor rules: the shipped files against each model's own textbook
recursion, and what parameters and expressions refuse."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from scipy.special import logit

from hebbax.data import NO_CHOICE
from hebbax.errors import ModelError
from hebbax.model.choices import build_model
from hebbax.model.declared import declared_models, read_spec
from hebbax.rule.expression import Expression
from hebbax.rule.named import NamedRule, Parameter

N = 3
PREFERENCE = np.array([0.0, 0.4, -0.7])


def q_learning(p, q, k, r):
    q[k] += p["alpha"] * (r - q[k])


def forgetting_q(p, q, k, r):
    q *= 1.0 - p["alpha"]
    q[k] += p["alpha"] * r


def aversive(p, q, k, r):
    q *= 1.0 - p["alpha"]
    q[k] += p["alpha"] * (p["k1"] * r - p["k2"] * (1.0 - r))


def differential(p, q, k, r):
    chosen = q[k] + p["alpha"] * (p["k1"] * r - p["k2"] * (1.0 - r) - q[k])
    q *= 1.0 - p["forget"]
    q[k] = chosen


def two_rates(p, q, k, r):
    q[k] += p["alpha_win"] * (1.0 - q[k]) if r == 1.0 else p["alpha_loss"] * (0.0 - q[k])


def hattori(p, q, k, r):
    chosen = q[k] + (p["alpha_win"] if r == 1.0 else p["alpha_loss"]) * (r - q[k])
    q *= 1.0 - p["forget"]
    q[k] = chosen


def gain_and_loss(p, q, k, r):
    q[k] += p["alpha"] * ((p["gain"] * r if r > 0 else p["loss"] * r) - q[k])


def win_stay(p, q, k, r):
    q[:] = 0.0
    q[k] = p["win"] if r == 1.0 else p["lose"]


def choice_kernel(p, q, k, r):
    q += p["alpha"] * ((np.arange(N) == k) - q)


def fictive(p, q, k, r):
    other = np.arange(N) != k
    q[other] += p["alpha_fictive"] * (1.0 - r - q[other])
    q[k] += p["alpha"] * (r - q[k])


BINARY, SIGNED = (0.0, 1.0), (-1.0, 0.0, 1.0)


def recursive(p, q, k, r):
    q *= 1.0 - p["fade"]
    q[k] += r


MODELS = {
    "q-learning": (q_learning, {"alpha": 0.3, "beta": 2.5}, BINARY),
    "forgetting-q": (forgetting_q, {"alpha": 0.3, "beta": 2.0}, BINARY),
    "forgetting-q-aversion": (aversive, {"alpha": 0.3, "k1": 2.0, "k2": 0.7}, BINARY),
    "differential-forgetting-q": (
        differential,
        {"alpha": 0.4, "forget": 0.1, "k1": 2.0, "k2": -0.7},
        BINARY,
    ),
    "two-rates-q": (two_rates, {"alpha_win": 0.5, "alpha_loss": 0.2, "beta": 1.7}, BINARY),
    "hattori": (
        hattori,
        {"alpha_win": 0.5, "alpha_loss": 0.2, "forget": 0.05, "beta": 1.7},
        BINARY,
    ),
    "fictive-q": (fictive, {"alpha": 0.5, "alpha_fictive": 0.2, "beta": 1.7}, BINARY),
    "gain-loss-q": (gain_and_loss, {"alpha": 0.3, "gain": 2.0, "loss": 3.5}, SIGNED),
    "win-stay-lose-shift": (win_stay, {"win": 1.2, "lose": -0.8}, BINARY),
    "choice-kernel": (choice_kernel, {"alpha": 0.2, "beta": 1.4}, BINARY),
    "q-learning-kernel": (
        q_learning,
        {"alpha": 0.3, "beta": 2.5, "habit": 0.8, "habit_rate": 0.35},
        BINARY,
    ),
    "forgetting-q-kernel": (
        forgetting_q,
        {"alpha": 0.3, "beta": 2.5, "habit": 0.8, "habit_rate": 0.35},
        (0.0, 1.0),
    ),
    "recursive-logistic": (recursive, {"beta": 1.2, "fade": 0.4, "habit": 0.7}, (0.0, 1.0)),
}
"""Step of the values q of the textbook, parameters, and the rewards that there are; where there is
a beta the log odds are beta q, else q."""


def recorded(outcomes):
    """Return random choices of two animals among `N`, some trials without one, and rewards."""
    sessions = random_sessions(3, lengths=(60, 25), n_stimuli=N)
    drawn = np.random.default_rng(1).choice(outcomes, size=sessions.choices.shape)
    rewards = np.where(sessions.choices == NO_CHOICE, sessions.rewards, drawn)
    return replace(sessions, rewards=rewards)


def textbook(step, values, choices, rewards):
    """Return log P of each choice of one animal."""
    q, kernel, out = np.zeros(N), np.zeros(N), []
    for k, r in zip(choices, rewards, strict=True):
        odds = values.get("beta", 1.0) * q + PREFERENCE + values.get("habit", 0.0) * kernel
        out.append(odds[k] - np.log(np.exp(odds).sum()))
        step(values, q, k, r)
        kernel += values.get("habit_rate", 1.0) * ((np.arange(N) == k) - kernel)
    return out


def test_every_learning_model_that_is_shipped_is_checked():
    assert {name for name in declared_models() if read_spec(name).parameters} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_the_density_is_that_of_the_textbook_recursion(name):
    step, values, outcomes = MODELS[name]
    sessions = recorded(outcomes)
    model = build_model(read_spec(name), sessions)
    latent = jnp.array([one.latent(values[one.name]) for one in model.rule.named])
    own = {
        "theta": jnp.tile(latent, (2, 1)),
        "preference": jnp.tile(PREFERENCE[1:] - PREFERENCE[0], (2, 1)),
    }
    if "habit" in values:
        own["habit"] = jnp.full(2, values["habit"])
    if "habit_rate" in values:
        odds = logit(values["habit_rate"]) - logit(model.spec.habit_rate_median)
        own["habit_rate"] = jnp.full(2, odds)
    found = model.whole_distribution(own).log_prob(model.observed)
    want = [
        textbook(step, values, k[k != NO_CHOICE], r[k != NO_CHOICE])
        for k, r in zip(sessions.choices, sessions.rewards, strict=True)
    ]
    np.testing.assert_allclose(found, np.concatenate(want), rtol=0.0, atol=1e-12)


def test_a_parameter_keeps_its_range_and_has_its_median():
    z = np.linspace(-5.0, 5.0, 11)
    unit = Parameter("alpha", "unit", 0.3).value(z)
    positive = Parameter("beta", "positive", 3.0).value(z)
    assert ((unit > 0) & (unit < 1)).all()
    assert (positive > 0).all()
    assert (unit[5], positive[5]) == pytest.approx((0.3, 3.0))
    assert np.log(positive / 3.0) == pytest.approx(z)
    assert np.log(unit / (1 - unit)) == pytest.approx(z + np.log(0.3 / 0.7))
    for one in (
        Parameter("a", "unit", 0.3),
        Parameter("b", "positive", 3.0),
        Parameter("c", "any", -1),
    ):
        assert one.latent(float(one.value(0.7))) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("__import__('os')", "is no arithmetic of names and numbers"),
        ("alpha.real", "is no arithmetic of names and numbers"),
        ("alpha if beta else 1", "is no arithmetic of names and numbers"),
        ("alpha = 1", "cannot be read as an expression"),
        ("", "cannot be read as an expression"),
        ("1" * 2000, "an expression has at most 1000 characters, 2000 given"),
        ("True", "is no arithmetic of names and numbers"),
        ("'a' * 9", "is no arithmetic of names and numbers"),
    ],
)
def test_what_is_no_arithmetic_is_refused(text, sentence):
    with pytest.raises(ModelError, match=sentence):
        Expression(text)


def rule_of(coefficients: dict[str, str], names: str) -> NamedRule:
    """Return the rule of some coefficients in words, every parameter on its own scale."""
    return NamedRule(
        tuple(Parameter(name, "any", 0.0) for name in names.split()),
        tuple((term, Expression(text)) for term, text in coefficients.items()),
        (("n", 2.0), ("rate", 0.75)),
    )


@pytest.mark.parametrize(
    ("coefficients", "names", "sentence"),
    [
        ({"x r": "n * gamma"}, "gamma delta", 'no coefficient reads the parameter "delta"'),
        (
            {"x r": "n * gama"},
            "gamma",
            'the coefficient of "x r" reads "gama", which is no parameter (gamma, n, rate)',
        ),
    ],
)
def test_names_that_do_not_meet_are_said(coefficients, names, sentence):
    with pytest.raises(ModelError) as problem:
        rule_of(coefficients, names)
    assert sentence in str(problem.value)


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        (
            Parameter("alpha", "unit", 1.0),
            'the parameter "alpha" lies between 0 and 1, and its median is 1.',
        ),
        (
            Parameter("beta", "positive", -2.0),
            'the parameter "beta" lies above 0, and its median is -2.',
        ),
    ],
)
def test_a_median_outside_its_range_is_refused(parameter, sentence):
    coefficients = (("x r", Expression(parameter.name)),)
    with pytest.raises(ModelError) as problem:
        NamedRule((parameter,), coefficients, (("n", 2.0), ("rate", 0.75)))
    assert str(problem.value) == sentence
