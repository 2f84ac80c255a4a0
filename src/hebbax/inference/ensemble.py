"""Several modes of one shared rule, found from several starts: an MLP rule has many.

An MLP's loss has valleys that lead nowhere, so some starts end in a poor mode. Their log evidence
tells: the best is the point estimate, those near it make an ensemble.
"""

from functools import partial

import jax
import jax.numpy as jnp

from hebbax.inference import pooled as climb
from hebbax.pooled import Pooled, Recorded
from hebbax.typing import Array, Key


@partial(jax.jit, static_argnames=("pooled", "settings"))
def fit(
    pooled: Pooled, data: Recorded, precision: Array, starts: Array, settings: climb.Settings
) -> climb.Gaussian:
    """Return the Gaussians at the modes reached from ``starts`` (start, parameter), a leading
    dimension ``start``, the highest posterior first."""
    climbed = jax.lax.map(lambda start: climb.fit(pooled, data, precision, start, settings), starts)
    order = jnp.argsort(-jnp.nan_to_num(climbed.density, nan=-jnp.inf))
    return jax.tree.map(lambda leaf: leaf[order], climbed)


def mixture(key: Key, modes: climb.Gaussian, size: int) -> Array:
    """Return ``(size, parameter)`` draws of the mixture of the modes' Gaussians, weighed by their
    evidence."""
    pick_key, draw_key = jax.random.split(key)
    evidence = jnp.nan_to_num(modes.evidence, nan=-jnp.inf)
    member = jax.random.categorical(pick_key, evidence, shape=(size,))
    each = jax.vmap(partial(climb.draws, size=1), in_axes=(0, 0))
    chosen = jax.tree.map(lambda leaf: leaf[member], modes)
    return each(jax.random.split(draw_key, size), chosen)[:, 0]
