r"""A preference that varies by session, summed over: the filter of ONE animal of two alternatives.

In every session the log odds of the second alternative lie beside the animal's own by sd z, with z
one of `LEVELS`, evenly spaced, of probability proportional to exp(-z^2 / 2). What an animal learns
hangs on the choices that were recorded and not on z, so that the sum over z needs no value of each
session: with b the probability of every level given the choices of the session before a trial,

    P(second | choices before) = sum_q b_q P_q,    P_q = sigmoid(log odds + sd z_q),
    b_q after ~ b_q ((1 - lapse) P_q(choice) + lapse / 2),

and b of the levels themselves where a session begins. It is exact: the levels are the prior, and
finer than what the choices of a session tell. A trial without a free choice between both leaves b.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.data import NO_CHOICE
from hebbax.typing import Array, ArrayLike

LEVELS = np.linspace(-3.5, 3.5, 32)
"""Where a session may lie, in standard deviations."""

MOST = 30.0
"""Largest log odds that are told apart: exponentials stay finite in single precision."""


class Belief(NamedTuple):
    """What the choices of a session say of its level: the ``probability`` (..., level) of each, and
    by what each multiplies the odds ``against`` (..., level) the second alternative, exp(-sd z),
    which are computed once for all trials."""

    probability: Array
    against: Array

    def anew(self) -> "Belief":
        """Return the belief where a session begins."""
        return self._replace(probability=jnp.asarray(prior(), self.probability.dtype))


def prior() -> np.ndarray:
    """Return the probability of each level ``(level,)`` where a session begins."""
    density = np.exp(-0.5 * LEVELS**2)
    return density / density.sum()


def believing(sd: ArrayLike) -> Belief:
    """Return the belief before the first trial, for a standard deviation over sessions."""
    against = jnp.exp(-sd * jnp.asarray(LEVELS, jnp.result_type(sd)))
    return Belief(jnp.asarray(prior(), against.dtype), against)


def shifted(belief: Belief, odds: Array) -> Array:
    """Return what the levels add to the log ``odds`` (...) of the second alternative: their sum
    over levels is a choice of two as any other."""
    first, second = map(_total, _parts(belief, odds))
    return jnp.log(second) - jnp.log(first) - _clipped(odds)


def believed(belief: Belief, odds: Array, lapse: ArrayLike, choice: Array) -> Belief:
    """Return the belief after a ``choice`` (...) of 0 or 1 at the log ``odds`` of level zero, as it
    was where there was none."""
    choice = choice[..., None]
    first, second = _parts(belief, odds)
    own = jnp.where(choice == 1, second, first)
    new = jnp.asarray((1.0 - lapse) * own + 0.5 * lapse * belief.probability)
    new = new / _total(new)[..., None]
    return belief._replace(probability=jnp.where(choice == NO_CHOICE, belief.probability, new))


def followed(
    belief: Belief, odds: Array, lapse: ArrayLike, choice: Array, begins: Array | None
) -> Belief:
    """Return the belief *before* each trial (leading dimension ``trial``), from that before the
    first, the log odds of the trials, their choices, and which begin a later session, (trial,)."""

    def step(belief: Belief, trial: tuple) -> tuple[Belief, Belief]:
        odds, choice, begins = trial
        if begins is not None:
            belief = jax.tree.map(partial(jnp.where, begins), belief.anew(), belief)
        return believed(belief, odds, lapse, choice), belief

    return jax.lax.scan(step, belief, (odds, choice, begins))[1]


def _parts(belief: Belief, odds: Array) -> tuple[Array, Array]:
    """Return the probability of each level and of a choice of the first, and of the second,
    alternative, each ``(..., level)``."""
    against = jnp.exp(-_clipped(odds))[..., None] * belief.against
    second = belief.probability / (1.0 + against)
    return against * second, second


def _total(each: Array) -> Array:
    # As a product: XLA sums a short last dimension number by number.
    return each @ jnp.ones(len(LEVELS), each.dtype)


def _clipped(odds: Array) -> Array:
    return jnp.clip(odds, -MOST, MOST)
