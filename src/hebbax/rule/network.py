"""The plastic network of one animal: one trial step, shared by `replay` and `generate`.

Stimulus k drives inputs x_k; hidden activity is y = tanh(x W); the animal accepts the stimulus with
logit ``gain * mean_h(y_h)``. Only W ``(input, hidden)`` is plastic. After an accepted trial

    w <- saturate(w + g(x, y, w, r) / n_inputs)    at every synapse,

and a trial without a choice changes nothing. With equal starting weights all hidden units stay
equal, so one hidden unit is exact and is what inference uses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.rule.taylor import Rule
from hebbax.typing import Array

FREE_WEIGHT = 4.0
"""Weights up to this size move freely: at rate 0.75 the unit is 99.5 % saturated there."""

MAX_WEIGHT = 5.0
"""No weight exceeds this size."""


@dataclass(frozen=True, eq=False)
class Network:
    """Fixed parts of the network: input rates ``stimuli`` (stimulus, input) and output ``gain``.

    Two with the same contents are equal, so that a program compiled for one serves the other.
    """

    stimuli: np.ndarray
    gain: float = 5.0

    @property
    def n_inputs(self) -> int:
        """Number of presynaptic units."""
        return self.stimuli.shape[1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return self.gain == other.gain and np.array_equal(self.stimuli, other.stimuli)

    def __hash__(self) -> int:
        return hash((np.asarray(self.stimuli).tobytes(), self.gain))


@jax.custom_jvp
def saturate(w: Array) -> Array:
    """Return w, untouched up to `FREE_WEIGHT`, its size smoothly bounded below `MAX_WEIGHT`.

    Formula: with the excess e of |w| over free and the room b = max - free,
    sign(w) (free + e / sqrt(1 + (e/b)^2)); its slope is (1 + (e/b)^2)^(-3/2). A modelling choice:
    Taylor rules explode without a bound, and over 240 trials (1 + a)^240 overflows.
    """
    excess, shrink = _excess(w)
    return w - excess + excess * shrink


def _excess(w: Array) -> tuple[Array, Array]:
    excess = w - jnp.clip(w, -FREE_WEIGHT, FREE_WEIGHT)
    room = MAX_WEIGHT - FREE_WEIGHT
    return excess, jax.lax.rsqrt(1.0 + (excess / room) ** 2)


@saturate.defjvp
def _saturate_slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # Stated by hand so that the backward pass through the trials stores one number a weight.
    (w,), (dw,) = primals, tangents
    excess, shrink = _excess(w)
    return w - excess + excess * shrink, shrink**3 * dw


def activity(x: Array, weights: Array) -> Array:
    """Return hidden activity ``(hidden,)``: tanh(x W)."""
    return jnp.tanh(x @ weights)


def accept_logits(network: Network, weights: Array) -> Array:
    """Return the logit of accepting each stimulus ``(stimulus,)``: gain * mean_h tanh(x_k W)_h."""
    rates = np.asarray(network.stimuli)
    if np.count_nonzero(rates - np.diag(np.diagonal(rates))) == 0:
        # One active input a stimulus: a product instead of a matrix product, and much faster.
        drive = np.diagonal(rates)[:, None] * weights
    else:
        drive = rates @ weights
    return network.gain * jnp.tanh(drive).mean(axis=-1)


def trial_step(
    rule: Rule, network: Network, theta: Array, weights: Array, x: Array, hoisted: Any
) -> Array:
    """Return the weights ``(input, hidden)`` after one accepted trial.

    ``x`` is the accepted stimulus ``(input,)`` and ``hoisted`` the rule's data at each input.
    """
    y = activity(x, weights) if rule.uses_post else jnp.zeros(weights.shape[1:])
    change = jax.vmap(  # over inputs, then over hidden units
        jax.vmap(partial(rule.change, theta), in_axes=(None, 0, 0)), in_axes=(0, None, 0)
    )(hoisted, y, weights)
    return saturate(weights + change / network.n_inputs)


def drives(rule: Rule, x: Array, r: Array) -> Any:
    """Return the rule's data for accepted stimuli ``(trial, input)`` and signals ``(trial,)``."""
    return jax.vmap(jax.vmap(rule.drive, in_axes=(0, None)))(x, r)


def replay(
    rule: Rule,
    network: Network,
    theta: Array,
    initial: Array,
    x: Array,
    drive: Any,
    accepted: Array | None = None,
) -> Array:
    """Return the weights *before* each trial ``(trial, input, hidden)`` of one recorded animal.

    Args:
        rule: plasticity rule.
        network: fixed parts of the network.
        theta: coefficients ``(term,)``.
        initial: starting weights ``(input, hidden)``.
        x: accepted stimuli ``(trial, input)``.
        drive: `drives` of the same trials, computed once.
        accepted: whether each trial ended with an acceptance ``(trial,)``; without it all did. The
            others change no weight, whatever the rule.
    """
    hoisted = jax.vmap(jax.vmap(partial(rule.hoist, theta)))(drive)

    def step(weights: Array, trial: Any) -> tuple[Array, Array]:
        presented, prepared, learns = trial
        after = trial_step(rule, network, theta, weights, presented, prepared)
        return (after if learns is None else jnp.where(learns, after, weights)), weights

    # What the rule does not read is not carried through the loop.
    presented = x if rule.uses_post else jnp.zeros((x.shape[0], 0))
    return jax.lax.scan(jax.checkpoint(step), initial, (presented, hoisted, accepted))[1]


def free_step(rule: Rule, network: Network, theta: Array) -> Callable[[Array, Array, Array], Array]:
    """Return the same trial step for a generated animal: ``(weights, x, r) -> weights``."""

    def step(weights: Array, x: Array, r: Array) -> Array:
        hoisted = jax.vmap(lambda xi: rule.hoist(theta, rule.drive(xi, r)))(x)
        return trial_step(rule, network, theta, weights, x, hoisted)

    return step
