r"""The two ways down, each a compiled loop: gradient descent by optax, and damped Newton steps.

`newton` minimises by the steps of Levenberg and Marquardt, with a positive definite metric H in
place of the Hessian (that of Gauss and Newton, say),

    x <- x - (H + damping diag H)^-1 slope,

which are damped less after one that led down, and more after one that did not. It ends where the
undamped step promises less than a tolerance, slope H^-1 slope / 2; that step is taken.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from hebbax.typing import Array

FIRST, LESS, MORE, MOST = 1e-4, 0.1, 10.0, 1e9
"""Damping of the first step, factors after a step that led down and one that did not, and the
damping at which no step leads down."""

State = tuple[Any, optax.OptState]
"""A point, a tree of arrays, and the memory of the optimiser."""


def begun(optimiser: optax.GradientTransformation, point: Any) -> State:
    """Return the state before the first step."""
    return point, optimiser.init(point)


def descend(
    loss: Callable[[Any, Any], Array],
    optimiser: optax.GradientTransformation,
    state: State,
    given: Any = None,
    steps: int | None = None,
) -> tuple[State, Array]:
    """Return the state after the descent, and the loss before each step ``(step, ...)``.

    Args:
        loss: of a point and of one part of what is given: a number, or an array of losses whose
            sum is descended.
        optimiser: of optax.
        state: a point and the optimiser's memory, see `begun`.
        given: arrays with a leading dimension ``step``; without them every step is given nothing.
        steps: number of steps where nothing is given.
    """

    def step(state: State, one: Any) -> tuple[State, Array]:
        point, memory = state
        value, pull = jax.vjp(lambda point: loss(point, one), point)
        (slope,) = pull(jnp.ones_like(value))
        update, memory = optimiser.update(slope, memory, point)
        return (optax.apply_updates(point, update), memory), value

    return jax.lax.scan(step, state, given, steps)


class Local(NamedTuple):
    """A function near a point: its ``value`` (), ``slope`` (n,) and ``metric`` (n, n)."""

    value: Array
    slope: Array
    metric: Array


class Minimum(NamedTuple):
    """Where `newton` is, or ended: the ``point`` (n,), the function ``near`` the last point it was
    looked at, the ``damping`` () of the next step, what the undamped one ``promised`` (), and the
    number of ``steps`` ()."""

    point: Array
    near: Local
    damping: Array
    promised: Array
    steps: Array


def newton(
    local: Callable[[Array], Local], start: Array, *, steps: int, tolerance: float
) -> Minimum:
    """Return the minimum that is reached from ``start`` (n,) in at most ``steps``.

    ``local`` describes the function near a point; ``tolerance`` is in units of its values. A point
    of which it returns no number is not gone to.
    """

    def going_on(state: Minimum) -> Array:
        unfinished = (state.promised > tolerance) & (state.damping < MOST)
        return unfinished & (state.steps < steps)

    def step(state: Minimum) -> Minimum:
        metric = state.near.metric
        damped = metric + state.damping * jnp.diag(jnp.diagonal(metric))
        tried = state.point - scaled_solve(damped, state.near.slope)
        there = local(tried)
        better = there.value <= state.near.value
        point, near = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), (tried, there), (state.point, state.near)
        )
        # No less than the first: after many good steps a bad one would be tried again and again.
        more = jnp.maximum(MORE * state.damping, FIRST)
        damping = jnp.where(better, LESS * state.damping, more)
        return Minimum(point, near, damping, _promised(near), state.steps + 1)

    near = local(start)
    first = Minimum(start, near, jnp.full((), FIRST), _promised(near), jnp.zeros((), int))
    last = jax.lax.while_loop(going_on, step, first)
    end = last.point - scaled_solve(last.near.metric, last.near.slope)
    return last._replace(point=jnp.where(last.promised <= tolerance, end, last.point))


def _promised(near: Local) -> Array:
    return 0.5 * near.slope @ scaled_solve(near.metric, near.slope)


def scaled_solve(metric: Array, vector: Array) -> Array:
    """Return metric^-1 times a vector (n,) or matrix (n, k), by the metric of unit diagonal: values
    differ by orders of magnitude."""
    scale = jnp.sqrt(jnp.diagonal(metric))
    rows = scale if vector.ndim == 1 else scale[:, None]
    return jnp.linalg.solve(metric / jnp.outer(scale, scale), vector / rows) / rows
