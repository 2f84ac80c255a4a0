r"""The population of a hierarchy: its prior, with signed spreads, and Gibbs given the animals.

    mean_j ~ N(0, (b_j u_j)^2),    spread_j ~ N(0, (b_j v_j / 2)^2),    phi_aj ~ N(mean_j,
    spread_j^2)

with the prior scales b. A signed spread is the half-normal one of `hebbax.model.groups` with a sign
that nothing sees: its density is smooth through zero, where the logarithm of the spread has a tail
that no proposal fits. v_j is 1 under an independent prior, whose class says what u_j is; under a
prior that shrinks u_j = v_j is the term's relative standard deviation, of a global and a local
scale (`hebbax.inference.pseudo_marginal.shrinkage`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp, ndtr

from hebbax.inference.pseudo_marginal import shrinkage
from hebbax.inference.pseudo_marginal.normals import normals
from hebbax.inference.pseudo_marginal.shrinkage import Shrinkage, shrinkage_of
from hebbax.model.choices import Model
from hebbax.model.priors import SPREAD_FRACTION, Independent, Normal
from hebbax.typing import Array, ArrayLike, Key

SWEEPS = 3
STEPS = (0.15, 1.5)
"""Least and largest step of a random walk of log |spread|, for a dozen animals, and of the log
global scale."""

LEAST_RADIUS = 1e-30
"""Squared radius below which a population value and its spread are both zero."""


class Population(NamedTuple):
    """Mean and signed spread of every member ``(member,)``, and the log global scale of a prior
    that shrinks (0 without one)."""

    mean: Array
    spread: Array
    log_global: Array


class Prior(NamedTuple):
    """Prior scales of mean and spread ``(member,)``, by number the law of each mean, one of the
    ``laws``, and which members are shrunk instead."""

    mean: Array
    spread: Array
    law: Array
    laws: tuple[Independent, ...]
    shrinkage: Shrinkage | None

    @property
    def normal(self) -> bool:
        """Whether mean and spread of every member are normal."""
        return self.shrinkage is None and all(isinstance(law, Normal) for law in self.laws)

    def by_law(self, of: Callable[[Independent], ArrayLike]) -> Array:
        """Return what ``of`` gives for the law of each member."""
        first, *others = map(of, self.laws)
        out = jnp.asarray(first)
        for k, other in enumerate(others, 1):
            out = jnp.where(self.law == k, other, out)
        return out


def prior_of(model: Model) -> Prior:
    """Return the prior of a model's population."""
    scales = jnp.asarray(model.scales)
    each = [group.prior.alone for group in model.groups]
    laws = tuple(dict.fromkeys(each))
    law = np.repeat([laws.index(own) for own in each], [g.scales.size for g in model.groups])
    return Prior(scales, SPREAD_FRACTION * scales, jnp.asarray(law), laws, shrinkage_of(model))


def part_of(prior: Prior, members: Array) -> Prior:
    """Return the prior of some members."""
    shrinks = prior.shrinkage
    if shrinks is not None:
        shrinks = shrinks._replace(shrinks=shrinks.shrinks[members])
    mean, spread, law = (leaf[members] for leaf in prior[:3])
    return Prior(mean, spread, law, prior.laws, shrinks)


def log_prior(prior: Prior, population: Population) -> Array:
    """Return the log density of a population, in nats, with local scales integrated out."""
    z, q = population.mean / prior.mean, population.spread / prior.spread
    scales = jnp.log(prior.mean) + jnp.log(prior.spread)
    mean = prior.by_law(lambda law: law.log_density(z))
    total = mean - 0.5 * q**2 - 0.5 * np.log(2.0 * np.pi)
    if prior.shrinkage is None:
        return (total - scales).sum()
    own, whole = prior.shrinkage, population.log_global
    shrunk = shrinkage.log_density(own, whole, z**2 + q**2)
    total = jnp.where(own.shrinks, shrunk, total)
    return (total - scales).sum() + shrinkage.log_prior_of_global(own, whole)


def draw_prior(key: Key, prior: Prior) -> Population:
    """Return a population drawn from its prior."""
    global_key, key = jax.random.split(key)
    own, zero = prior.shrinkage, jnp.zeros(())
    whole = zero if own is None else shrinkage.draw_global(global_key, own)
    white = normals(key, (2, *prior.mean.shape))
    return coloured(prior, Population(white[0], white[1], whole))


def whitened(prior: Prior, population: Population) -> Population:
    """Return the coordinates of mean and spread that are standard normal under the prior given the
    global scale."""
    z, q = population.mean / prior.mean, population.spread / prior.spread
    white = prior.by_law(lambda law: law.whitened(z))
    if prior.shrinkage is None:
        return population._replace(mean=white, spread=q)
    own = prior.shrinkage
    square = z**2 + q**2 + LEAST_RADIUS
    normal = shrinkage.normal_square(own, population.log_global, square)
    ratio = jnp.where(own.shrinks, jnp.sqrt(normal / square), 1.0)
    return population._replace(mean=ratio * white, spread=ratio * q)


def coloured(prior: Prior, white: Population) -> Population:
    """Return the population at such coordinates: the inverse of `whitened`."""
    z, q = white.mean, white.spread
    mean = prior.by_law(lambda law: law.coloured(z))
    if prior.shrinkage is not None:
        own = prior.shrinkage
        normal = z**2 + q**2 + LEAST_RADIUS
        square = shrinkage.square_of(own, white.log_global, normal)
        ratio = jnp.where(own.shrinks, jnp.sqrt(square / normal), 1.0)
        mean, q = ratio * mean, ratio * q
    return white._replace(mean=prior.mean * mean, spread=prior.spread * q)


def precisions(normal: Array, prior: Prior, population: Population) -> tuple[Array, Array]:
    """Return the prior precisions of mean and spread ``(member,)`` given the local scales that are
    drawn given these, by two normal numbers a member."""
    of_mean = _precision(normal, prior, population.mean)
    of_spread = jnp.ones_like(prior.mean)
    if prior.shrinkage is not None:
        own = prior.shrinkage
        cell = local_cells(ndtr(normal[0]), prior, population)
        shrunk = jnp.exp(-shrinkage.log_variances(own, population.log_global)[cell])
        of_mean = jnp.where(own.shrinks, shrunk, of_mean)
        of_spread = jnp.where(own.shrinks, shrunk, of_spread)
    return of_mean / prior.mean**2, of_spread / prior.spread**2


def local_cells(uniform: Array, prior: Prior, population: Population) -> Array:
    """Return the cell of each member's local scale given mean, spread and global scale, by a
    uniform number each."""
    assert prior.shrinkage is not None
    square = (population.mean / prior.mean) ** 2 + (population.spread / prior.spread) ** 2
    log_cell = shrinkage.log_cells(prior.shrinkage, population.log_global, square, 2.0)
    return shrinkage.draw_cell(uniform, log_cell)


def _precision(normal: Array, prior: Prior, values: Array) -> Array:
    """Return draws of the precision of values in squared prior scales, under independent priors."""
    inverse = prior.mean / jnp.maximum(jnp.abs(values), 1e-12 * prior.mean)
    return prior.by_law(lambda law: law.precision(normal, inverse))


def centred(key: Key, prior: Prior, population: Population, phi: Array) -> Population:
    """Return a population after sweeps of Gibbs given the animals ``phi`` (animal, member): the
    mean from its conditional, log |spread| and the log global scale by random-walk Metropolis. No
    likelihood is computed."""
    n_animals, d = phi.shape
    reach = min(1.0, np.sqrt(12.0 / n_animals))

    def log_density(log_spread: Array, squares: Array, precision: Array) -> Array:
        spread = jnp.exp(log_spread)
        near = -n_animals * log_spread - 0.5 * squares / spread**2
        return near - 0.5 * precision * spread**2 + log_spread

    def sweep(population: Population, normal: Array) -> tuple[Population, None]:
        mean, spread, _ = population
        normal, of_global = normal[: 6 * d].reshape(6, d), normal[6 * d :]
        of_mean, of_spread = precisions(normal[:2], prior, population)
        precision = of_mean + n_animals / spread**2
        centre = phi.sum(0) / spread**2 / precision
        mean = centre + normal[2] / jnp.sqrt(precision)
        squares = ((phi - mean) ** 2).sum(0)
        now = jnp.log(jnp.abs(spread))
        new = now + reach * _walk(normal[3:5])
        gain = log_density(new, squares, of_spread) - log_density(now, squares, of_spread)
        accepted = log_ndtr(normal[5]) < gain
        size = jnp.exp(jnp.where(accepted, new, now))
        spread = jnp.where(spread < 0, -size, size)
        population = population._replace(mean=mean, spread=spread)
        return global_given(of_global, prior, population), None

    normal = normals(key, (SWEEPS, 6 * d + 3))
    return jax.lax.scan(sweep, population, normal)[0]


def without(prior: Prior, n_animals: int, log_global: Array) -> Population:
    """Return what stands for a population where there is none: mean zero and prior standard
    deviation of every animal's values ``(animal, member)``, to begin with."""
    scale = prior.mean * prior.by_law(lambda law: law.deviation())
    spread = jnp.broadcast_to(scale, (n_animals, *scale.shape))
    return Population(jnp.zeros_like(spread), spread, log_global)


def alone(key: Key, prior: Prior, population: Population, phi: Array) -> Population:
    """Return mean zero and prior standard deviation of animals without a population, ``(animal,
    member)``, after Gibbs of the prior's scales given the animals ``phi``: one of each value under
    an independent prior, those of the terms for all animals under a prior that shrinks."""
    n_animals, d = phi.shape
    normal = normals(key, (2 * n_animals * d + d + 3,))
    own, shared = normal[: 2 * n_animals * d], normal[2 * n_animals * d :]
    precision = _precision(own.reshape(2, n_animals, d), prior, phi)
    spread = jnp.broadcast_to(prior.mean / jnp.sqrt(precision), phi.shape)
    if prior.shrinkage is None:
        return population._replace(spread=spread)
    shrinks, log_global = prior.shrinkage, population.log_global
    square = ((phi / prior.mean) ** 2).sum(0)

    def log_cell(log_global: Array) -> Array:
        return shrinkage.log_cells(shrinks, log_global, square, n_animals)

    def log_target(log_global: Array) -> Array:
        found = logsumexp(log_cell(log_global), axis=-1)
        return jnp.where(shrinks.shrinks, found, 0.0).sum() + shrinkage.log_prior_of_global(
            shrinks, log_global
        )

    new = log_global + _walk(shared[d:])
    accepted = log_ndtr(shared[d + 2]) < log_target(new) - log_target(log_global)
    log_global = jnp.where(accepted, new, log_global)
    cell = shrinkage.draw_cell(ndtr(shared[:d]), log_cell(log_global))
    shrunk = prior.mean * jnp.exp(0.5 * shrinkage.log_variances(shrinks, log_global)[cell])
    return Population(population.mean, jnp.where(shrinks.shrinks, shrunk, spread), log_global)


def cells_alone(prior: Prior, population: Population) -> Array:
    """Return the cell of each member's local scale, as `alone` left it."""
    shrinks, variance = prior.shrinkage, (population.spread[0] / prior.mean) ** 2
    assert shrinks is not None
    log_v = shrinkage.log_variances(shrinks, population.log_global)
    return jnp.abs(log_v - jnp.log(variance)[:, None]).argmin(-1)


def _walk(normal: Array) -> Array:
    """Return steps of a random walk, of sizes between `STEPS`, by two normal numbers each."""
    low, high = np.log(STEPS)
    return jnp.exp(low + (high - low) * ndtr(normal[0])) * normal[1]


def global_given(normal: Array, prior: Prior, population: Population) -> Population:
    """Return the population with its log global scale after a step of random-walk Metropolis given
    means and spreads, by three normal numbers."""
    if prior.shrinkage is None:
        return population
    new = population._replace(log_global=population.log_global + _walk(normal))
    accepted = log_ndtr(normal[2]) < log_prior(prior, new) - log_prior(prior, population)
    return jax.tree.map(lambda a, b: jnp.where(accepted, a, b), new, population)
