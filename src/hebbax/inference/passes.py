"""A stochastic descent that takes one trajectory a step, in turn, as the published fits do."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from hebbax.typing import Array

State = tuple[Array, optax.OptState]
"""Coefficients ``(parameter,)`` and the memory of the optimiser."""


def one_pass(
    loss: Callable[[Array, Any], Array],
    optimiser: optax.GradientTransformation,
    data: Any,
    state: State,
) -> tuple[State, Array]:
    """Return the state after one pass over ``data``, whose leaves have a leading dimension
    ``trajectory``, and the ``loss`` of each trajectory before its step ``(trajectory,)``."""

    def step(state: State, one: Any) -> tuple[State, Array]:
        theta, memory = state
        value, slope = jax.value_and_grad(loss)(theta, one)
        update, memory = optimiser.update(slope, memory, theta)
        return (optax.apply_updates(theta, update), memory), value

    return jax.lax.scan(step, state, data)
