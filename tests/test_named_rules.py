"""Learning models of the field as Taylor rules, against each model's own textbook recursion."""

import numpy as np
import pytest

from hebbax.errors import ModelError
from hebbax.rule.expression import Expression
from hebbax.rule.named import NamedRule, Parameter

N, RATE, TRIALS = 3, 0.75, 60


def rule_of(coefficients: dict[str, str], names: str) -> NamedRule:
    """Return the rule of some coefficients in words, every parameter on its own scale."""
    return NamedRule(
        tuple(Parameter(name, "any", 0.0) for name in names.split()),
        tuple((term, Expression(text)) for term, text in coefficients.items()),
        (("n", float(N)), ("rate", RATE)),
    )


def weights_of(rule: NamedRule, values: np.ndarray, choices: np.ndarray, rewards: np.ndarray):
    """Return the weights before each trial ``(trial, stimulus)`` by the rule, without a bound."""
    theta = np.asarray(rule.coefficients(values))
    w, out = np.zeros(N), []
    for k, r in zip(choices, rewards, strict=True):
        out.append(w)
        x = RATE * (np.arange(N) == k)
        w = w + np.array([rule.taylor(theta, x[i], 0.0, w[i], r) for i in range(N)]) / N
    return np.array(out)


def q_learning(p, q, k, r):
    q[k] += p["a"] * (r - q[k])


def forgetting_q(p, q, k, r):
    q *= 1.0 - p["a"]
    q[k] += p["a"] * p["k1"] * r


def aversive(p, q, k, r):
    q *= 1.0 - p["a"]
    q[k] += p["a"] * (p["k1"] * r - p["k2"] * (1.0 - r))


def differential(p, q, k, r):
    chosen = q[k] + p["a1"] * (p["k1"] * r - p["k2"] * (1.0 - r) - q[k])
    q *= 1.0 - p["a2"]
    q[k] = chosen


def two_rates(p, q, k, r):
    q[k] += p["up"] * (1.0 - q[k]) if r == 1.0 else p["down"] * (0.0 - q[k])


def hattori(p, q, k, r):
    chosen = q[k] + (p["up"] * (1.0 - q[k]) if r == 1.0 else p["down"] * (0.0 - q[k]))
    q *= 1.0 - p["d"]
    q[k] = chosen


def gain_and_loss(p, q, k, r):
    q[k] += p["a"] * ((p["g"] * r if r > 0 else p["l"] * r) - q[k])


def win_stay(p, q, k, r):
    q[:] = 0.0
    q[k] = p["u"] if r == 1.0 else p["v"]


def choice_kernel(p, q, k, r):
    q += p["a"] * ((np.arange(N) == k) - q)


MODELS = {
    "Q-learning": (
        {"x r": "n * a * b / rate", "x w": "-n * a / rate"},
        {"a": 0.3, "b": 2.5},
        q_learning,
        (0.0, 1.0),
    ),
    "forgetting Q-learning": (
        {"x r": "n * a * k1 / rate", "w": "-n * a"},
        {"a": 0.3, "k1": 2.0},
        forgetting_q,
        (0.0, 1.0),
    ),
    "forgetting Q-learning with aversion": (
        {"x r": "n * a * (k1 + k2) / rate", "x": "-n * a * k2 / rate", "w": "-n * a"},
        {"a": 0.3, "k1": 2.0, "k2": 0.7},
        aversive,
        (0.0, 1.0),
    ),
    "differential forgetting": (
        {
            "x r": "n * a1 * (k1 + k2) / rate",
            "x": "-n * a1 * k2 / rate",
            "w": "-n * a2",
            "x w": "n * (a2 - a1) / rate",
        },
        {"a1": 0.4, "a2": 0.1, "k1": 2.0, "k2": 0.7},
        differential,
        (0.0, 1.0),
    ),
    "two learning rates": (
        {
            "x r": "n * up * b / rate",
            "x w": "-n * down / rate",
            "x r w": "-n * (up - down) / rate",
        },
        {"up": 0.5, "down": 0.2, "b": 1.7},
        two_rates,
        (0.0, 1.0),
    ),
    "Hattori 2019": (
        {
            "x r": "n * up * b / rate",
            "w": "-n * d",
            "x w": "n * (d - down) / rate",
            "x r w": "-n * (up - down) / rate",
        },
        {"up": 0.5, "down": 0.2, "d": 0.05, "b": 1.7},
        hattori,
        (0.0, 1.0),
    ),
    "gain and loss": (
        {
            "x r": "n * a * (g + l) / 2 / rate",
            "x r^2": "n * a * (g - l) / 2 / rate",
            "x w": "-n * a / rate",
        },
        {"a": 0.3, "g": 2.0, "l": 3.5},
        gain_and_loss,
        (-1.0, 0.0, 1.0),
    ),
    "win-stay, lose-shift": (
        {"w": "-n", "x r": "n * (u - v) / rate", "x": "n * v / rate"},
        {"u": 1.2, "v": -0.8},
        win_stay,
        (0.0, 1.0),
    ),
    "choice kernel": (
        {"x": "n * a * b / rate", "w": "-n * a"},
        {"a": 0.2, "b": 1.4},
        choice_kernel,
        (0.0, 1.0),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_those_of_the_textbook_recursion(name):
    coefficients, values, step, outcomes = MODELS[name]
    rng = np.random.default_rng(1)
    choices = rng.integers(N, size=TRIALS)
    rewards = rng.choice(outcomes, size=TRIALS)
    q, want = np.zeros(N), []
    for k, r in zip(choices, rewards, strict=True):
        want.append(values.get("b", 1.0) * q)
        step(values, q, k, r)
    rule = rule_of(coefficients, " ".join(values))
    found = weights_of(rule, np.array(list(values.values())), choices, rewards)
    # Of rounding alone: some 60 steps of sums of four products.
    assert np.abs(found - np.array(want)).max() < 2e-14


def test_a_parameter_keeps_its_range_and_has_its_median():
    z = np.linspace(-5.0, 5.0, 11)
    unit = Parameter("alpha", "unit", 0.3).value(z)
    positive = Parameter("beta", "positive", 3.0).value(z)
    assert ((unit > 0) & (unit < 1)).all()
    assert (positive > 0).all()
    assert (unit[5], positive[5]) == pytest.approx((0.3, 3.0))
    assert np.log(positive / 3.0) == pytest.approx(z)
    assert np.log(unit / (1 - unit)) == pytest.approx(z + np.log(0.3 / 0.7))


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
