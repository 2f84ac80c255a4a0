r"""A preference that varies by session, summed over: the filter of ONE animal of two alternatives.

In every session the log odds of the second alternative lie beside the animal's own by sd z, with z
one of `LEVELS`, evenly spaced, of probability proportional to exp(-z^2 / 2). What an animal learns
hangs on the choices that were recorded and not on z, so that the sum over z needs no value of each
session: with b the probability of every level given the choices of the session before a trial,

    P(second | choices before) = sum_q b_q P_q,    P_q = sigmoid(log odds + sd z_q),
    b_q after ~ b_q ((1 - lapse) P_q(choice) + lapse / 2),

and b of the levels themselves where a session begins. The levels are the prior, so that the sum is
exact; they are finer than what 400 choices of a session tell up to sd = 1, where log p is within
0.1 nats of that of a normal prior. A trial without a free choice between both leaves b.
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


class SessionFilter(NamedTuple):
    """What the choices of a session say of its level: the ``probability`` (..., level) of each, and
    by what each multiplies the odds ``against`` (..., level) the second alternative, exp(-sd z),
    which are computed once for all trials."""

    probability: Array
    against: Array

    def anew(self) -> "SessionFilter":
        """Return the filter where a session begins."""
        return self._replace(probability=jnp.asarray(prior(), self.probability.dtype))


def prior() -> np.ndarray:
    """Return the probability of each level ``(level,)`` where a session begins."""
    density = np.exp(-0.5 * LEVELS**2)
    return density / density.sum()


def filter_of(sd: ArrayLike) -> SessionFilter:
    """Return the filter before the first trial, for a standard deviation over sessions.

    It is in double precision, whatever the rest is in, where a level is lost at 700 nats behind the
    best; in single precision 200 choices of one side would do, and those of the other not bring it
    back.
    """
    against = jnp.exp(_clipped(-sd * jnp.asarray(LEVELS)))
    return SessionFilter(jnp.asarray(prior(), against.dtype), against)


def shifted(filtered: SessionFilter, odds: Array) -> Array:
    """Return what the levels add to the log ``odds`` (...) of the second alternative: their sum
    over levels is a choice of two as any other."""
    first, second = map(_total, _parts(filtered, odds))
    return jnp.log(second) - jnp.log(first) - _clipped(odds)


def updated(filtered: SessionFilter, odds: Array, lapse: ArrayLike, choice: Array) -> SessionFilter:
    """Return the filter after a ``choice`` (...) of 0 or 1 at the log ``odds`` of level zero, as it
    was where there was none."""
    choice = choice[..., None]
    first, second = _parts(filtered, odds)
    own = jnp.where(choice == 1, second, first)
    new = jnp.asarray((1.0 - lapse) * own + 0.5 * lapse * filtered.probability)
    new = new / _total(new)[..., None]
    return filtered._replace(probability=jnp.where(choice == NO_CHOICE, filtered.probability, new))


def followed(
    filtered: SessionFilter, odds: Array, lapse: ArrayLike, choice: Array, begins: Array | None
) -> SessionFilter:
    """Return the filter *before* each trial (leading dimension ``trial``), from that before the
    first, the log odds of the trials, their choices, and which begin a later session, (trial,)."""

    def step(filtered: SessionFilter, trial: tuple) -> tuple[SessionFilter, SessionFilter]:
        odds, choice, begins = trial
        if begins is not None:
            filtered = jax.tree.map(partial(jnp.where, begins), filtered.anew(), filtered)
        return updated(filtered, odds, lapse, choice), filtered

    return jax.lax.scan(step, filtered, (odds, choice, begins))[1]


def _parts(filtered: SessionFilter, odds: Array) -> tuple[Array, Array]:
    """Return the probability of each level and of a choice of the first, and of the second,
    alternative, each ``(..., level)``."""
    against = jnp.exp(-_clipped(odds))[..., None] * filtered.against
    second = filtered.probability / (1.0 + against)
    return against * second, second


def _total(each: Array) -> Array:
    # As a product: XLA sums a short last dimension number by number.
    return jnp.dot(each, jnp.ones(len(LEVELS), each.dtype), precision="highest")


def _clipped(odds: ArrayLike) -> Array:
    return jnp.clip(jnp.asarray(odds), -MOST, MOST)
