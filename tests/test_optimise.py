"""Damped Newton steps: where they end, on functions whose minimum is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.inference.optimise import Local, newton, scaled_solve


def of_squares(residuals):
    """Return half the sum of squares as it is near a point, by the metric of Gauss and Newton."""

    def local(x):
        missed, slopes = residuals(x), jax.jacobian(residuals)(x)
        return Local(0.5 * missed @ missed, slopes.T @ missed, slopes.T @ slopes)

    return local


def banana(x):
    return jnp.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])


def easy_then_bent(x):
    return jnp.array([jnp.exp(x[0]), 10.0 * jnp.arctan(3.0 * (x[0] + 3.0))])


def far_apart(x):
    return jnp.array([1e4 * (x[0] - 2.0), 1e-4 * (x[1] + 3.0)])


@pytest.mark.parametrize(
    ("residuals", "start", "end"),
    [(banana, [-1.2, 1.0], [1.0, 1.0]), (far_apart, [0.0, 0.0], [2.0, -3.0])],
)
def test_it_ends_at_the_minimum(residuals, start, end):
    found = newton(of_squares(residuals), jnp.array(start), steps=60, tolerance=1e-20)
    np.testing.assert_allclose(found.point, end, rtol=1e-7)
    assert found.promised <= 1e-20
    assert found.steps < 60


def test_many_good_steps_do_not_make_the_next_bad_ones_many():
    """A long easy way down, then a bend: damping must come back within some steps."""
    found = newton(of_squares(easy_then_bent), jnp.array([25.0]), steps=45, tolerance=1e-8)
    assert found.promised <= 1e-8
    grid = jnp.linspace(-4.0, 0.0, 40_001)
    values = jax.vmap(lambda x: of_squares(easy_then_bent)(x[None]).value)(grid)
    np.testing.assert_allclose(found.point[0], grid[values.argmin()], atol=2e-4)


def test_it_takes_no_more_steps_than_it_may_and_never_goes_up():
    local = of_squares(banana)
    values = [
        float(newton(local, jnp.array([-1.2, 1.0]), steps=n, tolerance=1e-20).near.value)
        for n in range(12)
    ]
    assert values[0] == float(local(jnp.array([-1.2, 1.0])).value)
    assert (np.diff(values) <= 0.0).all()
    stuck = newton(local, jnp.array([-1.2, 1.0]), steps=0, tolerance=1e-20)
    np.testing.assert_array_equal(stuck.point, [-1.2, 1.0])


def test_a_point_without_a_value_is_not_gone_to():
    # x - log x from 2, with a metric so small that the undamped step leads below zero.
    def local(x):
        return Local((x - jnp.log(x)).sum(), 1.0 - 1.0 / x, jnp.full((1, 1), 1e-3))

    start = jnp.array([2.0])
    assert not np.isfinite(local(start - scaled_solve(local(start).metric, local(start).slope))[0])
    found = newton(local, start, steps=80, tolerance=1e-12)
    assert found.near.value < local(start).value
