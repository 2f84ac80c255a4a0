import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.errors import ModelError
from hebbax.rule.mlp import MLPRule


def by_hand(theta, rule, met):
    """The formula of the module, one unit after the other; ``met`` by factor."""
    size, total = len(rule.factors), theta[-1]
    for k in range(rule.hidden):
        unit = theta[rule.hidden * size + k]
        for j, factor in enumerate(rule.factors):
            unit += theta[k * size + j] * met[factor]
        total += theta[rule.hidden * (size + 1) + k] * (unit if unit > 0 else 0.01 * unit)
    return np.tanh(total)


@pytest.mark.parametrize(("factors", "count"), [("xywr", 61), ("xwr", 51)])
def test_the_published_networks(factors, count):
    rule = MLPRule(tuple(factors))
    assert len(rule.parameters) == len(set(rule.parameters)) == count
    assert rule.uses_post is ("y" in factors)
    theta = np.random.default_rng(0).normal(size=count)
    for seed in range(5):
        met = dict(zip("xywr", np.random.default_rng(seed).normal(size=4), strict=True))
        x, y, w, r = (jnp.asarray(met[f]) for f in "xywr")
        hoisted = rule.hoist(jnp.asarray(theta), rule.drive(x, r))
        found = rule.change(jnp.asarray(theta), hoisted, y, w)
        np.testing.assert_allclose(found, by_hand(theta, rule, met), rtol=1e-12)


def test_it_learns_nothing_where_all_parameters_are_zero():
    rule, one = MLPRule(), jnp.ones(())
    theta = jnp.zeros(len(rule.parameters))
    assert rule.change(theta, rule.hoist(theta, rule.drive(one, one)), one, one) == 0


def test_its_parameters_have_names_that_say_where_they_act():
    rule = MLPRule(("x", "r"), hidden=2)
    names = dict(zip(rule.parameters, range(9), strict=True))
    theta = jnp.zeros(9).at[jnp.array([names["r to 1"], names["1 out"]])].set(1.0)

    def g(x, r):
        return rule.change(theta, rule.hoist(theta, rule.drive(x, r)), 0.0, 0.0)

    slope_x, slope_r = jax.grad(g, argnums=(0, 1))(0.3, 0.4)
    assert slope_x == 0
    np.testing.assert_allclose(slope_r, 1 - np.tanh(0.4) ** 2)


@pytest.mark.parametrize(
    ("factors", "sentence"),
    [
        (("x", "q"), 'unknown factor "q" of an MLP rule: it may be x, y, w, r.'),
        (("x", "x"), r"the factors of an MLP rule are distinct, \('x', 'x'\) given."),
    ],
)
def test_factors_that_are_none(factors, sentence):
    with pytest.raises(ModelError, match=f"^{sentence}$"):
        MLPRule(factors)
