"""A wide layer against the rule at every synapse, plain loops, and other derivatives."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import slow_reference

from hebbax.errors import ModelError
from hebbax.rule.layer import Layer, change, coefficients, powers, recorded, replay, sensitivities
from hebbax.rule.taylor import Exponents, TaylorRule, term_name

ALL_27 = tuple(
    term_name(Exponents(a, b, 0, c)) for a, b, c in itertools.product(range(3), repeat=3)
)
WITH_REWARD = ("x r", "y^2 w", "x^2 y r^2", "w^2 r", "1", "y")


def random_run(seed, *, terms, n_inputs=4, n_neurons=3, steps=6):
    rng = np.random.default_rng(seed)
    theta = 0.4 * rng.normal(size=len(terms))
    initial = rng.normal(size=(n_inputs, n_neurons))
    return theta, initial, rng.normal(size=(steps, n_inputs)), rng.normal(size=steps)


def slow_run(terms, theta, initial, x, r, *, unit, learning_rate):
    """Activity and weights before each step, one synapse after the other."""
    squash = {"sigmoid": slow_reference.sigmoid, "tanh": np.tanh}[unit]
    w = np.array(initial)
    activity, weights = [], []
    for presented, signal in zip(x, r, strict=True):
        y = [squash(sum(presented[i] * w[i, n] for i in range(len(w)))) for n in range(w.shape[1])]
        activity.append(y)
        weights.append(w.copy())
        new = w.copy()
        for i, n in itertools.product(*map(range, w.shape)):
            g = 0.0
            for term, coefficient in zip(terms, theta, strict=True):
                p = slow_reference.factors(term)
                g += (
                    coefficient
                    * presented[i] ** p["x"]
                    * y[n] ** p["y"]
                    * w[i, n] ** p["w"]
                    * signal ** p["r"]
                )
            new[i, n] = slow_reference.bound(w[i, n] + learning_rate * g)
        w = new
    return np.array(activity), np.array(weights)


def test_one_term_at_a_time_is_the_rule_at_every_synapse():
    rule = TaylorRule(ALL_27)
    _, w, x, r = random_run(0, terms=ALL_27)
    y = np.random.default_rng(1).normal(size=w.shape[1])

    @jax.jit
    def both(theta):
        tensor = coefficients(rule, theta, r[0])
        by_products = jax.vmap(lambda y, w: change(tensor, powers(jnp.asarray(x[0])), y, w))(y, w.T)
        return by_products.T, rule(theta, x[0][:, None], y[None], w, r[0])

    for theta in np.eye(len(ALL_27)):
        found, expected = both(theta)
        np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("unit", ["sigmoid", "tanh"])
@pytest.mark.parametrize("terms", [ALL_27, WITH_REWARD], ids=["27 terms", "with reward"])
def test_replay_is_a_loop_over_synapses(unit, terms):
    theta, initial, x, r = random_run(2, terms=terms)
    layer = Layer(TaylorRule(terms), unit, learning_rate=0.3)
    run = jax.jit(replay, static_argnums=0)(layer, theta, initial, x, r)
    activity, weights = slow_run(terms, theta, initial, x, r, unit=unit, learning_rate=0.3)
    np.testing.assert_allclose(run.activity, activity, atol=1e-10)
    np.testing.assert_allclose(run.weights, weights, atol=1e-10)


def test_a_saturating_readout_shows_the_sigmoid_of_the_activity():
    theta, initial, x, r = random_run(3, terms=WITH_REWARD)
    linear, saturating = (
        recorded(Layer(TaylorRule(WITH_REWARD), readout=readout), theta, initial, x, r)
        for readout in ("linear", "sigmoid")
    )
    np.testing.assert_allclose(saturating, 1 / (1 + np.exp(-linear)), rtol=1e-13)


@pytest.mark.parametrize("terms", [ALL_27, WITH_REWARD], ids=["27 terms", "with reward"])
def test_sensitivities_are_the_forward_derivative(terms):
    # Weights start beyond the free range too, so that the bound has its part.
    theta, initial, x, r = random_run(4, terms=terms)
    initial = 4.2 * np.sign(initial) * (np.abs(initial) > 1) + initial * (np.abs(initial) <= 1)
    layer = Layer(TaylorRule(terms), "tanh", "sigmoid", learning_rate=0.2)
    shown, slopes = jax.jit(sensitivities, static_argnums=0)(layer, theta, initial, x, r)

    def run(theta):
        return recorded(layer, theta, initial, x, r)

    np.testing.assert_allclose(shown, run(theta), atol=1e-13)
    np.testing.assert_allclose(slopes, jax.jit(jax.jacfwd(run))(theta), atol=1e-10)


def test_gradient_is_the_finite_difference():
    theta, initial, x, r = random_run(5, terms=WITH_REWARD)
    layer = Layer(TaylorRule(WITH_REWARD))
    loss = jax.jit(lambda theta, initial: (recorded(layer, theta, initial, x, r) ** 2).sum())
    by_theta, by_initial = jax.grad(loss, argnums=(0, 1))(theta, initial)
    h = 1e-6
    for k, direction in enumerate(np.eye(len(theta))):
        ends = [float(loss(theta + side * direction, initial)) for side in (-h, h)]
        np.testing.assert_allclose(by_theta[k], (ends[1] - ends[0]) / (2 * h), rtol=1e-6, atol=1e-8)
    nudge = np.zeros_like(initial)
    nudge[1, 2] = h
    ends = [float(loss(theta, initial + side * nudge)) for side in (-1, 1)]
    np.testing.assert_allclose(by_initial[1, 2], (ends[1] - ends[0]) / (2 * h), rtol=1e-6)


def test_neurons_learn_alone():
    theta, initial, x, r = random_run(6, terms=ALL_27, n_neurons=5)
    layer = Layer(TaylorRule(ALL_27))
    together = recorded(layer, theta, initial, x, r)
    alone = recorded(layer, theta, initial[:, [3, 1]], x, r)
    np.testing.assert_allclose(alone, together[:, [3, 1]], atol=1e-14)


def test_unknown_unit():
    with pytest.raises(ModelError, match=r'^unit is "relu"; it may be sigmoid or tanh\.$'):
        Layer(TaylorRule(("x y",)), "relu")


def test_unknown_readout():
    with pytest.raises(ModelError, match=r'^readout is "tanh"; it may be linear or sigmoid\.$'):
        Layer(TaylorRule(("x y",)), readout="tanh")
