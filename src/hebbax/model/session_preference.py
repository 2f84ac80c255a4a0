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

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.data import NO_CHOICE
from hebbax.typing import Array, ArrayLike, Numbers

LEVELS = np.linspace(-3.5, 3.5, 31)
"""Where a session may lie, in standard deviations."""

MOST = 30.0
"""Largest log odds that are told apart: exponentials stay finite in single precision."""


class Varying(NamedTuple):
    """What a choice between two says of the levels: its log ``odds`` at level zero, the standard
    deviation ``sd`` over sessions, and the probability of a ``lapse``."""

    odds: ArrayLike
    sd: ArrayLike
    lapse: ArrayLike


def prior() -> list[float]:
    """Return the probability of each level where a session begins."""
    density = np.exp(-0.5 * LEVELS**2)
    return list(map(float, density / density.sum()))


def shifted(belief: Numbers, varying: Varying) -> Array:
    """Return what the levels add to the log odds of a choice (...), by the probability ``belief``
    of each: their sum over levels is a choice of two as any other."""
    first, second = _probabilities(varying)
    chances = (sum(b * p for b, p in zip(belief, each, strict=True)) for each in (second, first))
    chosen, other = map(jnp.asarray, chances)
    return jnp.log(chosen) - jnp.log(other) - _clipped(varying.odds)


def believed(belief: Numbers, varying: Varying, choice: Array) -> list[Array]:
    """Return the probability of each level after a ``choice`` (...) of 0 or 1, as it was where
    there was none."""
    lapse = varying.lapse
    seen = [
        (1.0 - lapse) * jnp.where(choice == 1, second, first) + 0.5 * lapse
        for first, second in zip(*_probabilities(varying), strict=True)
    ]
    new = [b * p for b, p in zip(belief, seen, strict=True)]
    total = jnp.asarray(sum(new))
    return [jnp.where(choice == NO_CHOICE, b, n / total) for b, n in zip(belief, new, strict=True)]


def followed(varying: Varying, choice: Array, begins: Array | None) -> Array:
    """Return the probability of each level *before* each trial ``(trial, level)``, from the log
    odds of the trials, their choices, and which trials begin a later session, all (trial,)."""
    start = jnp.asarray(prior())

    def step(belief: Array, trial: tuple) -> tuple[Array, Array]:
        odds, choice, begins = trial
        if begins is not None:
            belief = jnp.where(begins, start, belief)
        after = believed(list(belief), varying._replace(odds=odds), choice)
        return jnp.stack(after), belief

    return jax.lax.scan(step, start, (varying.odds, choice, begins))[1]


def _probabilities(varying: Varying) -> tuple[list[Array], list[Array]]:
    """Return P(first) and P(second) at each level."""
    # One exponential a trial: those of the levels are the same in every trial.
    ratio = jnp.exp(-_clipped(varying.odds))
    against = [ratio * jnp.exp(-varying.sd * float(z)) for z in LEVELS]
    second = [1.0 / (1.0 + one) for one in against]
    return [one * p for one, p in zip(against, second, strict=True)], second


def _clipped(odds: ArrayLike) -> Array:
    return jnp.clip(jnp.asarray(odds), -MOST, MOST)
