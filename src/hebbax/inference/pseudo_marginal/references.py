"""References of ONE animal: values where its log likelihood is known to second order.

They are draws of the animal, a part of them moved by half a standard deviation and a part at draws
of the population's mean, in clusters by k-means (in units of their interquartile ranges), so that
`hebbax.inference.pseudo_marginal.points` finds one in every region for any population.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hebbax.inference.density import Expansion
from hebbax.inference.pseudo_marginal.animal import COMPILER, Frame, Trials, expansion
from hebbax.typing import Array, Key

REMEMBERED = 512
"""Draws that references are taken from: always as many, so that one program serves all."""

CHOSEN = 256
"""Of these, values that are clustered."""

CLUSTERS = 12
MEMBERS = 20
"""References of a cluster: all alike, so that the best of each is found along rows."""

ROUNDS = 8
"""Rounds of k-means."""

AT_MEAN = 8
MOVED = 4
"""One in so many references is at a draw of the mean; of the others one in so many is moved."""

FARTHEST = 8.0
"""Interquartile ranges from the median beyond which k-means sees no distance."""


class References(NamedTuple):
    """Values ``phi`` (cluster, reference, member) of one animal, its log likelihood ``at`` each,
    with a value of -inf in a cluster that is empty, and the ``variance`` of all (member,)."""

    phi: Array
    at: Expansion
    variance: Array


@partial(jax.jit, static_argnums=1, compiler_options=COMPILER)
def renewed(key: Key, frame: Frame, trials: Trials, phi: Array, means: Array) -> References:
    """Return the references of every animal from draws of animals ``phi`` (draw, animal, member)
    and of their ``means`` (draw, animal, member) under populations."""
    keys, of_animals = jax.random.split(key, phi.shape[1]), partial(jnp.swapaxes, axis1=0, axis2=1)
    return jax.vmap(references, in_axes=(0, None, 0, 0, 0))(
        keys, frame, trials, of_animals(phi), of_animals(means)
    )


def references(key: Key, frame: Frame, trials: Trials, phi: Array, means: Array) -> References:
    """Return the references of one animal from draws of its values ``phi`` (draw, member) and of
    its mean under populations ``means`` (draw, member)."""
    own_key, moved_key, mean_key, order_key, cluster_key = jax.random.split(key, 5)
    n_mean = CHOSEN // AT_MEAN
    n_own = CHOSEN - n_mean
    own = phi[jax.random.randint(own_key, (n_own,), 0, len(phi))]
    moved = jnp.arange(n_own) < n_own // MOVED
    step = 0.5 * phi.std(0) * jax.random.normal(moved_key, own.shape)
    own = jnp.where(moved[:, None], own + step, own)
    at_mean = means[jax.random.randint(mean_key, (n_mean,), 0, len(means))]
    values = jax.random.permutation(order_key, jnp.concatenate([own, at_mean]))
    chosen, known = rows(clusters(cluster_key, values))
    phi = values[chosen]
    at = jax.vmap(jax.vmap(lambda phi: expansion(frame, trials, phi)))(phi)
    at = jax.tree.map(lambda leaf: leaf.astype(phi.dtype), at)
    at = at._replace(value=jnp.where(known[:, None], at.value, -jnp.inf))
    return References(phi, at, values.var(0))


def rows(cluster: Array) -> tuple[Array, Array]:
    """Return which values are the references of each cluster ``(cluster, reference)``, in a small
    one some of them twice, and which clusters have any."""
    own = cluster == jnp.arange(CLUSTERS)[:, None]
    count = own.sum(-1, keepdims=True)
    place = jnp.arange(MEMBERS) % jnp.clip(count, 1, MEMBERS)
    return jnp.take_along_axis(jnp.argsort(~own, axis=-1), place, axis=-1), count[:, 0] > 0


def clusters(key: Key, values: Array) -> Array:
    """Return the cluster ``(value,)`` of each of ``values`` (value, member), by k-means."""
    low, middle, high = jnp.quantile(values, jnp.array([0.25, 0.5, 0.75]), axis=0)
    scaled = (values - middle) / (high - low + 1e-9)
    scaled = jnp.clip(scaled, -FARTHEST, FARTHEST)

    def squares(centres: Array) -> Array:
        return ((scaled[:, None] - centres) ** 2).sum(-1)

    def farther(k: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        centres, key = carry
        key, own = jax.random.split(key)
        seen = jnp.arange(CLUSTERS) < k
        nearest = jnp.where(seen, squares(centres), jnp.inf).min(-1)
        chosen = jax.random.categorical(own, jnp.log(nearest + 1e-30))
        return centres.at[k].set(scaled[chosen]), key

    def centred(_: int, centres: Array) -> Array:
        member = jnp.argmin(squares(centres), -1)[:, None] == jnp.arange(CLUSTERS)
        count = member.sum(0)
        mean = (member.T.astype(scaled.dtype) @ scaled) / jnp.maximum(count, 1)[:, None]
        return jnp.where(count[:, None] > 0, mean, centres)

    first = jnp.zeros((CLUSTERS, values.shape[-1])).at[0].set(scaled[0])
    centres, _ = jax.lax.fori_loop(1, CLUSTERS, farther, (first, key))
    centres = jax.lax.fori_loop(0, ROUNDS, centred, centres)
    return jnp.argmin(squares(centres), -1)
