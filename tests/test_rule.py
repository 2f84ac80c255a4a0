"""Term names and rules at one synapse."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.errors import ModelError
from hebbax.rule.readout import MAX_WEIGHT, saturate
from hebbax.rule.taylor import Exponents, TaylorRule, parse_term, term_name

EVERY = [Exponents(*e) for e in itertools.product(range(3), repeat=4)]


def test_a_one_hot_coefficient_gives_the_written_formula():
    names = tuple(term_name(e) for e in EVERY)
    rule = TaylorRule(names)
    x, y, w, r = 0.7, -0.4, 0.9, 0.55

    @jax.jit
    @jax.vmap
    def both(theta):
        hoisted = rule.hoist(theta, rule.drive(jnp.array(x), jnp.array(r)))
        return rule(theta, x, y, w, r), rule.change(theta, hoisted, jnp.array(y), jnp.array(w))

    plain, hoisted = both(1.3 * jnp.eye(81))
    for j, name in enumerate(names):
        written = 1.3
        for factor in name.replace("1", "").split():
            symbol, _, power = factor.partition("^")
            written *= {"x": x, "y": y, "w": w, "r": r}[symbol] ** int(power or 1)
        assert plain[j] == pytest.approx(written, rel=1e-12)
        assert hoisted[j] == pytest.approx(written, rel=1e-12)


def test_names_and_exponents_are_inverse():
    assert [parse_term(term_name(e)) for e in EVERY] == EVERY


@pytest.mark.parametrize(
    ("written", "canonical"), [("r x", "x r"), ("w r x^2", "x^2 r w"), ("1", "1"), ("w^1", "w")]
)
def test_factors_may_stand_in_any_order(written, canonical):
    assert term_name(parse_term(written)) == canonical


MEANT = {
    "xr": "x r", "r*X": "x r", "x x": "x^2", "x2r": "x^2 r", "w_r": "r w",
    **dict.fromkeys(("", "x^3", "z", "2", "-x r", "x r - w", "x x^2"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANT)
def test_an_unknown_term_says_what_a_term_is(name):
    with pytest.raises(ModelError) as error:
        parse_term(name)
    meant = f' (did you mean "{MEANT[name]}"?)' if MEANT[name] else ""
    assert str(error.value) == (
        f'unknown term "{name}"{meant}: a term is "1" or factors x, y, r, w with exponents up to 2, such '
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
    assert float(saturate(jnp.float32(1e9))) == pytest.approx(MAX_WEIGHT)


@pytest.mark.parametrize("w", [-30.0, -4.3, -1.0, 0.0, 3.9, 4.01, 7.0])
def test_the_stated_slope_of_the_saturation_is_its_derivative(w):
    step = 1e-6
    slope = (saturate(jnp.array(w + step)) - saturate(jnp.array(w - step))) / (2 * step)
    assert jax.grad(saturate)(w) == pytest.approx(float(slope), abs=1e-8)
