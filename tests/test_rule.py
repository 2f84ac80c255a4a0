"""Term names and rules at one synapse."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.errors import ModelError
from hebbax.network import MAX_WEIGHT, saturate
from hebbax.plasticity import Exponents, TaylorRule, parse_term, term_name

EVERY = [Exponents(*e) for e in itertools.product(range(3), repeat=4)]


@pytest.mark.parametrize("exponents", EVERY)
def test_a_one_hot_coefficient_gives_the_written_formula(exponents):
    names = tuple(term_name(e) for e in EVERY)
    rule = TaylorRule(names)
    theta = jnp.zeros(81).at[names.index(term_name(exponents))].set(1.3)
    x, y, w, r = 0.7, -0.4, 0.9, 0.55
    a, b, d, c = exponents
    written = 1.3 * x**a * y**b * w**c * r**d
    hoisted = rule.hoist(theta, rule.drive(jnp.array(x), jnp.array(r)))
    assert rule(theta, x, y, w, r) == pytest.approx(written, rel=1e-12)
    assert rule.change(theta, hoisted, jnp.array(y), jnp.array(w)) == pytest.approx(
        written, rel=1e-12
    )


def test_names_and_exponents_are_inverse():
    assert [parse_term(term_name(e)) for e in EVERY] == EVERY


@pytest.mark.parametrize(
    ("written", "canonical"), [("r x", "x r"), ("w r x^2", "x^2 r w"), ("1", "1"), ("w^1", "w")]
)
def test_factors_may_stand_in_any_order(written, canonical):
    assert term_name(parse_term(written)) == canonical


@pytest.mark.parametrize("name", ["", "xr", "x^3", "z", "x x", "2", "-x r", "x r - w"])
def test_an_unknown_term_says_what_a_term_is(name):
    with pytest.raises(ModelError) as error:
        parse_term(name)
    assert str(error.value) == (
        f'unknown term "{name}": a term is "1" or factors x, y, r, w with exponents up to 2, such '
        'as "x r" or "x^2 r w".'
    )


def test_a_term_given_twice_is_refused():
    with pytest.raises(ModelError, match='the term "x r" is given twice; each term may stand once'):
        TaylorRule(("x r", "w", "r x"))


def test_saturation_leaves_small_weights_alone_and_bounds_large_ones():
    small = jnp.linspace(-4, 4, 33)
    np.testing.assert_array_equal(saturate(small), small)
    large = jnp.linspace(4, 1e6, 1000)
    bounded = saturate(large)
    assert (bounded <= MAX_WEIGHT).all()
    assert (jnp.diff(bounded) >= 0).all()
    np.testing.assert_allclose(saturate(-large), -bounded)


@pytest.mark.parametrize("w", [-30.0, -4.3, -1.0, 0.0, 3.9, 4.01, 7.0])
def test_the_stated_slope_of_the_saturation_is_its_derivative(w):
    step = 1e-6
    slope = (saturate(jnp.array(w + step)) - saturate(jnp.array(w - step))) / (2 * step)
    assert jax.grad(saturate)(w) == pytest.approx(float(slope), abs=1e-8)
