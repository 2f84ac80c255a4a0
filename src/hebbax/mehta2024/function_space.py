"""What a rule *does*, whatever its parameters are: the change of a weight where synapses have been.

The weights of an MLP rule mean nothing one by one, and collinear Taylor terms little more. What two
rules can be compared by is the change g(x, y, w, r) over the region that the trajectories visit,
and its projection on a few named terms.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.mehta2024.pooled import Pooled, Recorded, weights
from hebbax.rule.taylor import Rule, TaylorRule
from hebbax.typing import Array


class Points(NamedTuple):
    """What synapses met, each ``(point,)``: activities x and y, the weight w, the signal r."""

    x: Array
    y: Array
    w: Array
    r: Array


def visited(pooled: Pooled, theta: Array, data: Recorded) -> Points:
    """Return what every synapse met in every trial of the recorded trajectories."""
    w = weights(pooled, theta, data)
    y = jnp.tanh((data.x * w).sum(axis=-1, keepdims=True))
    whole = [jnp.broadcast_to(one, w.shape).ravel() for one in (data.x, y, w, data.r[..., None])]
    return Points(*whole)


@partial(jax.jit, static_argnames="rule")
def change(rule: Rule, theta: Array, points: Points) -> Array:
    """Return g of each draw at each point ``(draw, point)`` for coefficients ``(draw, term)``."""

    def one(theta: Array, at: Points) -> Array:
        return rule.change(theta, rule.hoist(theta, rule.drive(at.x, at.r)), at.y, at.w)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))(theta, points)


def features(terms: tuple[str, ...], points: Points) -> np.ndarray:
    """Return the value of each named term at each point ``(point, term)``."""
    exponents = TaylorRule(terms).exponents
    x, y, w, r = (np.asarray(one) for one in points)
    return np.stack([x**e.pre * y**e.post * w**e.weight * r**e.reward for e in exponents], axis=-1)


def project(terms: tuple[str, ...], points: Points, changes: np.ndarray) -> np.ndarray:
    """Return the coefficients of named terms ``(draw, term)`` that come nearest to ``changes``
    (draw, point), by least squares over the points.

    Terms that are one over these points share what they explain (the solution of least norm).
    """
    return np.linalg.lstsq(features(terms, points), np.asarray(changes).T, rcond=1e-8)[0].T
