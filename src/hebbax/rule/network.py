"""The plastic network of one animal: one trial step, shared by `replay` and `generate`.

Stimulus k drives inputs x_k; hidden activity is y = tanh(x W); a readout makes a logit of the
weights of its inputs (`hebbax.rule.readout`). Only W ``(input, hidden)`` is plastic. After a choice

    w <- bounded(w + g(x, y, w, r) / n_inputs)    at every synapse,

and a trial without a choice changes nothing. With equal starting weights all hidden units stay
equal, so one hidden unit is exact and is what inference uses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.rule.memory import resumed
from hebbax.rule.readout import ACCEPT, Readout
from hebbax.rule.taylor import Rule
from hebbax.typing import Array, ArrayLike


@dataclass(frozen=True, eq=False)
class Network:
    """Fixed parts of the network: input rates ``stimuli`` (stimulus, input) and the ``readout``.

    Two with the same contents are equal, so that a program compiled for one serves the other.
    """

    stimuli: np.ndarray
    readout: Readout = ACCEPT

    @property
    def n_inputs(self) -> int:
        """Number of presynaptic units."""
        return self.stimuli.shape[1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        same = np.array_equal(self.stimuli, other.stimuli)
        return self.readout == other.readout and same

    def __hash__(self) -> int:
        return hash((np.asarray(self.stimuli).tobytes(), self.readout))


def activity(x: Array, weights: Array) -> Array:
    """Return hidden activity ``(hidden,)``: tanh(x W)."""
    return jnp.tanh(x @ weights)


def logits_of(network: Network, weights: Array) -> Array:
    """Return the logit of each stimulus ``(stimulus,)``, the mean over hidden units."""
    rates = network.readout.rates(np.asarray(network.stimuli))
    if np.count_nonzero(rates - np.diag(np.diagonal(rates))) == 0:
        # One active input a stimulus: a product instead of a matrix product, and much faster.
        drive = np.diagonal(rates)[:, None] * weights
    else:
        drive = rates @ weights
    return network.readout.logit(drive).mean(axis=-1)


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
    return network.readout.bounded(weights + change / network.n_inputs)


def drives(rule: Rule, x: Array, r: Array) -> Any:
    """Return the rule's data for accepted stimuli ``(trial, input)`` and signals ``(trial,)``."""
    return jax.vmap(jax.vmap(rule.drive, in_axes=(0, None)))(x, r)


class Presented(NamedTuple):
    """What the trials of one animal show its synapses: accepted stimuli ``x`` (trial, input), the
    rule's data ``drive`` of them (`drives`); whether weights change in each (``learns``, (trial,)),
    None where they do in all; and which ``begins`` (trial,) a later session, None where none
    does."""

    x: Array
    drive: Any
    learns: Array | None = None
    begins: Array | None = None


def replay(
    rule: Rule,
    network: Network,
    theta: Array,
    initial: Array,
    trials: Presented,
    kept: ArrayLike = 1.0,
) -> Array:
    """Return the weights *before* each trial ``(trial, input, hidden)`` of one recorded animal.

    Args:
        rule: plasticity rule.
        network: fixed parts of the network.
        theta: the animal's own values of the rule ``(parameter,)``.
        initial: starting weights ``(input, hidden)``.
        trials: what they show.
        kept: part of the weights that a new session begins with (`hebbax.rule.memory`).
    """
    theta = rule.coefficients(theta)
    hoisted = jax.vmap(jax.vmap(partial(rule.hoist, theta)))(trials.drive)

    def step(weights: Array, trial: Any) -> tuple[Array, Array]:
        presented, prepared, learns, begins = trial
        if begins is not None:
            weights = jnp.where(begins, resumed(initial, kept, weights), weights)
        after = trial_step(rule, network, theta, weights, presented, prepared)
        return (after if learns is None else jnp.where(learns, after, weights)), weights

    # What the rule does not read is not carried through the loop.
    x = trials.x if rule.uses_post else jnp.zeros((trials.x.shape[0], 0))
    rows = (x, hoisted, trials.learns, trials.begins)
    return jax.lax.scan(jax.checkpoint(step), initial, rows)[1]


def free_step(rule: Rule, network: Network, theta: Array) -> Callable[[Array, Array, Array], Array]:
    """Return the same trial step for a generated animal: ``(weights, x, r) -> weights``."""
    theta = rule.coefficients(theta)

    def step(weights: Array, x: Array, r: Array) -> Array:
        hoisted = jax.vmap(lambda xi: rule.hoist(theta, rule.drive(xi, r)))(x)
        return trial_step(rule, network, theta, weights, x, hoisted)

    return step
