"""A wide plastic layer under a Taylor rule: ONE neuron and its synapses; `vmap` does the rest.

    y_t = unit(x_t . w_t),    w_(t+1) = saturate(w_t + learning_rate g(x_t, y_t, w_t, r_t))

Neurons share their inputs and nothing else, so each learns alone. Written with the powers of x, y
and w the rule is, at all synapses of a layer,

    g = sum_c w^c * (powers of x) T_c (powers of y)^T,    T_c[a, b] = sum_d theta_abcd r^d,

a few products of rank three instead of 27 terms at every synapse. Neurons are run in blocks whose
weights stay in the cache from step to step, and the backward pass runs each block again: what is
kept between the passes is the activity.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.errors import ModelError
from hebbax.rule.readout import saturate
from hebbax.rule.taylor import TaylorRule
from hebbax.typing import Array

Unit = Literal["sigmoid", "tanh"]
Readout = Literal["linear", "sigmoid"]

FUNCTIONS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "linear": lambda value: value}

BLOCK = 100
"""Neurons that are run together: the weights of 100 inputs then take 80 kB, less than a cache."""

SLOPES_BLOCK = 10
"""The same where their slopes go along, 27 times as much."""


@dataclass(frozen=True)
class Layer:
    """Fixed parts of a layer.

    Attributes:
        rule: the plasticity rule.
        unit: activity of a neuron, ``sigmoid`` or ``tanh`` of its summed input.
        readout: what a recording shows of the activity y: ``linear``, y itself, or ``sigmoid``,
            1 / (1 + exp(-y)).
        learning_rate: size of a step: 1 as published for recorded activity, 1 / n_inputs in the
            networks of `hebbax.rule.network`.
    """

    rule: TaylorRule
    unit: Unit = "sigmoid"
    readout: Readout = "linear"
    learning_rate: float = 1.0

    def __post_init__(self) -> None:
        for field, allowed in (("unit", get_args(Unit)), ("readout", get_args(Readout))):
            if getattr(self, field) not in allowed:
                raise ModelError(
                    f'{field} is "{getattr(self, field)}"; it may be {" or ".join(allowed)}.'
                )


class Trajectory(NamedTuple):
    """One run of a layer: ``activity`` (step, neuron) and ``weights`` (step, input, neuron), both
    before the weights change in that step."""

    activity: Array
    weights: Array


def powers(value: Array) -> Array:
    """Return 1, v, v^2 ``(..., 3)``."""
    return jnp.stack([jnp.ones_like(value), value, value * value], axis=-1)


def coefficients(rule: TaylorRule, theta: Array, r: Array) -> Array:
    """Return T_c[a, b] = sum_d theta_abcd r^d ``(c, a, b)`` of one step, c up to the rule's highest
    power of w and a and b up to 2; ``theta`` (term,), ``r`` scalar."""
    exponents = rule.exponents
    shape = (1 + max((e.weight for e in exponents), default=0), 3, 3)
    position = [np.ravel_multi_index((e.weight, e.pre, e.post), shape) for e in exponents]
    place = np.zeros((len(exponents), np.prod(shape)))
    place[np.arange(len(exponents)), position] = 1.0
    signal = powers(r)[np.array([e.reward for e in exponents], dtype=int)]
    return ((theta * signal) @ place).reshape(shape)


def change(tensor: Array, x_powers: Array, y: Array, w: Array) -> Array:
    """Return g at all synapses of one neuron ``(input,)``.

    Args:
        tensor: `coefficients` of the step ``(c, a, b)``.
        x_powers: powers of the inputs ``(input, 3)``.
        y: activity of the neuron, a scalar.
        w: its weights ``(input,)``.
    """
    drives = [x_powers @ (by_post @ powers(y)) for by_post in tensor]
    total = drives[-1]
    for drive in drives[-2::-1]:
        total = drive + w * total
    return total


def steps(layer: Layer, theta: Array, x: Array, r: Array) -> tuple[Array, Array, Array]:
    """Return what each step of a trajectory needs that no weight touches: ``x`` itself (step,
    input), its powers (step, input, 3), and the `coefficients` (step, c, a, b)."""
    tensors = jax.vmap(partial(coefficients, layer.rule, theta))(r)
    return x, powers(x), tensors


def neuron(layer: Layer, theta: Array, initial: Array, x: Array, r: Array) -> tuple[Array, Array]:
    """Return activity ``(step,)`` and weights ``(step, input)`` of one neuron.

    ``initial`` (input,) are its weights before the first step; ``x`` (step, input); ``r`` (step,).
    """

    def step(w: Array, given: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        presented, x_powers, tensor = given
        y = FUNCTIONS[layer.unit](presented @ w)
        moved = w + layer.learning_rate * change(tensor, x_powers, y, w)
        return saturate(moved), (y, w)

    return jax.lax.scan(jax.checkpoint(step), initial, steps(layer, theta, x, r))[1]


def replay(layer: Layer, theta: Array, initial: Array, x: Array, r: Array) -> Trajectory:
    """Return the `Trajectory` of all neurons.

    Args:
        layer: fixed parts of the layer.
        theta: coefficients ``(term,)``.
        initial: weights ``(input, neuron)`` before the first step.
        x: presynaptic activity ``(step, input)``.
        r: reward signal ``(step,)``.
    """

    def one(own: Array) -> tuple[Array, Array]:
        return neuron(layer, theta, own, x, r)

    y, w = jax.lax.map(jax.checkpoint(one), initial.T, batch_size=BLOCK)
    return Trajectory(y.T, jnp.moveaxis(w, 0, -1))


def recorded(layer: Layer, theta: Array, initial: Array, x: Array, r: Array) -> Array:
    """Return what a noiseless recording shows ``(step, neuron)``; arguments as of `replay`."""

    return FUNCTIONS[layer.readout](replay(layer, theta, initial, x, r).activity)


def sensitivity(
    layer: Layer, theta: Array, initial: Array, x: Array, r: Array
) -> tuple[Array, Array]:
    """Return the noiseless recording m ``(step,)`` of one neuron and dm/dtheta ``(step, term)``.

    The slopes S_j = dw/dtheta_j of the weights go forward with them,

        S_j <- saturate' (S_j dg'/dw + dy/dtheta_j dg'/dy + eta x^a y^b w^c r^d),

    with g' = w + eta g, eta the learning rate, and dy/dtheta_j = unit' x . S_j. All terms share the
    first two slopes: four times faster than one forward derivative a term. Arguments as of
    `neuron`.
    """
    exponents = layer.rule.exponents
    a, b, d, c = (np.array(power, dtype=int) for power in zip(*exponents, strict=True))
    data = jnp.swapaxes(powers(x)[..., a], 1, 2) * powers(r)[:, d, None]

    def step(state: tuple[Array, Array], given: tuple) -> tuple[tuple[Array, Array], tuple]:
        w, slopes = state
        (presented, x_powers, tensor), drive = given
        y, unit_slope = jax.value_and_grad(FUNCTIONS[layer.unit])(presented @ w)
        m, readout_slope = jax.value_and_grad(FUNCTIONS[layer.readout])(y)
        y_slopes = unit_slope * (slopes @ presented)

        def moved(y: Array, w: Array) -> Array:
            return w + layer.learning_rate * change(tensor, x_powers, y, w)

        after, by_weight = jax.jvp(partial(moved, y), (w,), (jnp.ones_like(w),))
        by_post = jax.jvp(lambda y: moved(y, w), (y,), (jnp.ones_like(y),))[1]
        after, bend = jax.jvp(saturate, (after,), (jnp.ones_like(w),))
        # w^c as a sum, so that it is not written to memory before it is used.
        w_powers = (c == 0)[:, None] + (c == 1)[:, None] * w + (c == 2)[:, None] * (w * w)
        by_term = layer.learning_rate * powers(y)[b][:, None] * drive * w_powers
        slopes = bend * (by_weight * slopes + by_post * y_slopes[:, None] + by_term)
        return (after, slopes), (m, readout_slope * y_slopes)

    first = (initial, jnp.zeros((len(exponents), x.shape[1])))
    return jax.lax.scan(step, first, (steps(layer, theta, x, r), data))[1]


def sensitivities(
    layer: Layer, theta: Array, initial: Array, x: Array, r: Array
) -> tuple[Array, Array]:
    """Return what a noiseless recording shows ``(step, neuron)`` and its slopes
    ``(step, neuron, term)``; arguments as of `replay`."""

    def one(own: Array) -> tuple[Array, Array]:
        return sensitivity(layer, theta, own, x, r)

    shown, slopes = jax.lax.map(one, initial.T, batch_size=SLOPES_BLOCK)
    return shown.T, jnp.swapaxes(slopes, 0, 1)
