r"""Where each animal's values may lie, however many parts its likelihood has: a cloud of points.

An animal that learnt and then saturated, or that never learnt, may have chosen alike: its
likelihood has two parts, or a ridge no wider than a hundredth of the prior. A cloud finds them all,
animal by animal, with the population left out of it: points of

    L_a(phi)^beta Normal(phi; 0, wide^2),    wide^2 = scale^2 (1 + SPREAD_FRACTION^2)

are carried from beta = 0 to 1 (annealed importance sampling with resampling: Del Moral, Doucet &
Jasra 2006); each rise of beta halves the effective number of points, resampled points move by
differences of two others (ter Braak 2006). Around some of the points kernels as wide as the nearest
others make L_a a mixture of Gaussian factors, whose conditionals given a population are known in
closed form (`hebbax.inference.jumps`). A cloud is never an answer: it only says where to jump.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.coordinates import Factors
from hebbax.inference.density import log_likelihood_by_animal, split_groups
from hebbax.inference.roots import inverse
from hebbax.model import Model
from hebbax.priors import SPREAD_FRACTION
from hebbax.typing import Array, Key

POINTS = 192
"""Points of each animal."""

LEVELS = 10
"""Rises of beta; 240 choices need 4 to 7, and what is left is made in the last."""

MOVES = 3
"""Moves of each point after a rise."""

KERNELS = 32
"""Points of an animal that get a kernel."""

NEIGHBOURS = 24
"""Nearest points, by the covariance of the cloud, that make a kernel."""

BATCH = 16
"""Points whose likelihoods are computed side by side."""

IMPOSSIBLE = -1e9
"""Log likelihood of values for which there is none, nats."""


class Mixture(NamedTuple):
    """Each animal's likelihood as a sum of Gaussian ``factors``, leading dimensions (kernel,
    animal), times exp(``log_weight``) (kernel, animal), up to a constant of the animal."""

    factors: Factors
    log_weight: Array


class _State(NamedTuple):
    points: Array
    log_likelihood: Array
    beta: Array


def wide(model: Model) -> Array:
    """Return the standard deviation ``(member,)`` of the normal that clouds start from."""
    return jnp.asarray(model.scales) * np.sqrt(1.0 + SPREAD_FRACTION**2)


def gather(key: Key, model: Model) -> Array:
    """Return a cloud of each animal's values ``(point, animal, member)``."""
    start_key, key = jax.random.split(key)
    shape = (POINTS, model.sessions.n_animals, model.scales.size)
    points = wide(model) * jax.random.normal(start_key, shape)
    state = _State(points, _log_likelihood(model, points), jnp.zeros(shape[1]))

    def level(state: _State, step: tuple[Array, Key]) -> tuple[_State, None]:
        number, key = step
        resample_key, move_key = jax.random.split(key)
        rise = jax.vmap(partial(_rise, number == LEVELS - 1), in_axes=(1, 0))
        state = _resampled(resample_key, state, rise(state.log_likelihood, state.beta))
        move = partial(_moved, model)
        keys = jax.random.split(move_key, MOVES)
        return jax.lax.scan(lambda s, key: (move(key, s), None), state, keys)

    steps = jnp.arange(LEVELS), jax.random.split(key, LEVELS)
    return jax.lax.scan(level, state, steps)[0].points


def mixture(model: Model, points: Array) -> Mixture:
    """Return the likelihoods that a cloud ``(point, animal, member)`` stands for."""
    return Mixture(*jax.vmap(partial(_kernels, wide(model)), in_axes=1, out_axes=1)(points))


def _log_likelihood(model: Model, points: Array) -> Array:
    """Return the log likelihood of each point ``(point, animal)``; next to impossible where the
    weights left the range of numbers."""

    def one(phi: Array) -> Array:
        return log_likelihood_by_animal(model, split_groups(model, phi))

    value = jax.lax.map(one, points, batch_size=BATCH)
    return jnp.where(jnp.isfinite(value), value, IMPOSSIBLE)


def _rise(last: Array, log_likelihood: Array, beta: Array) -> Array:
    """Return by how much one animal's beta rises: all the way in the last level, and where half of
    the points stay effective."""

    def enough(rise: Array) -> Array:
        weight = jax.nn.softmax(rise * log_likelihood)
        return 1.0 / (weight**2).sum() >= 0.5 * POINTS

    def halve(between: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        low, high = between
        middle = 0.5 * (low + high)
        fits = enough(middle)
        return (jnp.where(fits, middle, low), jnp.where(fits, high, middle)), None

    left = 1.0 - beta
    (found, _), _ = jax.lax.scan(halve, (jnp.zeros(()), left), None, length=25)
    return jnp.where(last | enough(left), left, found)


def _resampled(key: Key, state: _State, rise: Array) -> _State:
    """Return points drawn evenly by their weights (systematic resampling) for a higher beta."""

    def one(offset: Array, log_weight: Array) -> Array:
        places = (jnp.arange(POINTS) + offset) / POINTS
        total = jnp.cumsum(jax.nn.softmax(log_weight))
        return jnp.searchsorted(total, places).clip(0, POINTS - 1)

    offsets = jax.random.uniform(key, rise.shape)
    chosen = jax.vmap(one, in_axes=(0, 1), out_axes=1)(offsets, rise * state.log_likelihood)
    return _State(
        jnp.take_along_axis(state.points, chosen[..., None], axis=0),
        jnp.take_along_axis(state.log_likelihood, chosen, axis=0),
        state.beta + rise,
    )


def _moved(model: Model, key: Key, state: _State) -> _State:
    """Return the points after a Metropolis step of each along the difference of two others."""
    points, scale = state.points, wide(model)
    shape = points.shape[:2]
    one_key, other_key, size_key, jitter_key, accept_key = jax.random.split(key, 5)

    def pick(key: Key) -> Array:
        return jnp.take_along_axis(points, jax.random.randint(key, shape, 0, POINTS)[..., None], 0)

    # Of all lengths up to that which suits a normal: along a ridge there is room for short ones.
    size = 2.38 / np.sqrt(2.0 * points.shape[-1]) * jax.random.uniform(size_key, shape)
    step = size[..., None] * (pick(one_key) - pick(other_key))
    offered = points + step + 1e-3 * scale * jax.random.normal(jitter_key, points.shape)
    log_likelihood = _log_likelihood(model, offered)
    prior = -0.5 * ((offered / scale) ** 2 - (points / scale) ** 2).sum(-1)
    log_ratio = state.beta * (log_likelihood - state.log_likelihood) + prior
    taken = jnp.log(jax.random.uniform(accept_key, shape)) < log_ratio
    return state._replace(
        points=jnp.where(taken[..., None], offered, points),
        log_likelihood=jnp.where(taken, log_likelihood, state.log_likelihood),
    )


def _kernels(scale: Array, points: Array) -> tuple[Factors, Array]:
    """Return one animal's kernels and their log weights ``(kernel,)``, from its ``points`` (point,
    member); the prior that the points were drawn with is taken out by the weights."""
    members = points.shape[-1]
    whole = jnp.cov(points.T).reshape(members, members) + 1e-12 * jnp.diag(scale**2)
    centres = points[:: POINTS // KERNELS]
    away = points[None] - centres[:, None]
    distance = jnp.einsum("kni,ij,knj->kn", away, inverse(whole)[0], away)
    near = points[jnp.argsort(distance, axis=1)[:, :NEIGHBOURS]]
    near -= near.mean(1, keepdims=True)
    # A little of the whole cloud, for directions in which neighbours happen to lie together.
    covariance = jnp.einsum("kni,knj->kij", near, near) / NEIGHBOURS + 1e-3 * whole
    information, log_volume = inverse(covariance)
    linear = jnp.einsum("kij,kj->ki", information, centres)
    log_weight = -0.5 * log_volume - 0.5 * (linear * centres).sum(-1)
    return Factors(information, linear), log_weight + 0.5 * ((centres / scale) ** 2).sum(-1)
