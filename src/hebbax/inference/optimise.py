"""Descent by optax, a compiled loop: all data in every step, or one part of them in each."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from hebbax.typing import Array

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
