r"""Gibbs of a population given its animals, and of the scales of a prior, without a likelihood.

    mean, effects | phi, spread       normal: a regression of the animals' values on covariates
    log |spread|, effects on it       random-walk Metropolis
    log global scale                  random-walk Metropolis
    local scales | all else           by their probabilities on a grid, or by the law of the prior

Animals without a population have Gibbs of the scales of their prior alone.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp, ndtr

from hebbax.inference.pseudo_marginal import shrinkage
from hebbax.inference.pseudo_marginal.normals import normals
from hebbax.inference.pseudo_marginal.population import Population, Prior, Regression, log_prior
from hebbax.inference.roots import root_of
from hebbax.typing import Array, Key

SWEEPS = 3
STEPS = (0.15, 1.5)
"""Least and largest step of a random walk of log |spread|, for a dozen animals, and of the log
global scale."""


def centred(key: Key, prior: Prior, population: Population, phi: Array) -> Population:
    """Return a population after sweeps of Gibbs given the animals ``phi`` (animal, member): mean
    and effects from their conditional, log |spread| and the log global scale by random-walk
    Metropolis. No likelihood is computed."""
    n_animals, d = phi.shape
    n_effects = population.effect.size
    n_ratios = 0 if prior.regression.spread is None else 2 * n_effects + d
    reach = min(1.0, np.sqrt(12.0 / n_animals))

    def log_density(log_spread: Array, squares: Array, precision: Array) -> Array:
        spread = jnp.exp(log_spread)
        near = -n_animals * log_spread - 0.5 * squares / spread**2
        return near - 0.5 * precision * spread**2 + log_spread

    def sweep(population: Population, normal: Array) -> tuple[Population, None]:
        ends = np.cumsum([6 * d, n_effects, n_ratios])
        normal, of_effect, of_ratio, of_global = jnp.split(normal, ends)
        normal, spread = normal.reshape(6, d), population.spread
        of_mean, of_spread = precisions(normal[:2], prior, population)
        factor = prior.regression.factor(population.effect)
        effect = effects_given(of_effect, prior.regression, of_mean, spread * factor, phi)
        effect = jnp.where(prior.regression.on_means, effect, population.effect)
        own = phi - prior.regression.shift(effect)
        informed, pull = _of_animals(own, spread * factor)
        precision = of_mean + informed
        mean = pull / precision + normal[2] / jnp.sqrt(precision)
        squares = (((own - mean) / factor) ** 2).sum(0)
        now = jnp.log(jnp.abs(spread))
        new = now + reach * _walk(normal[3:5])
        gain = log_density(new, squares, of_spread) - log_density(now, squares, of_spread)
        accepted = log_ndtr(normal[5]) < gain
        size = jnp.exp(jnp.where(accepted, new, now))
        spread = jnp.where(spread < 0, -size, size)
        population = population._replace(mean=mean, spread=spread, effect=effect)
        population = ratios_given(of_ratio, prior.regression, population, (own - mean) / spread)
        return global_given(of_global, prior, population), None

    normal = normals(key, (SWEEPS, 6 * d + n_effects + n_ratios + 3))
    return jax.lax.scan(sweep, population, normal)[0]


def _of_animals(own: Array, spread: Array) -> tuple[Array, Array]:
    """Return the precision ``(member,)`` that animals ``own`` (animal, member) give their mean, and
    its product with what they say of it, for spreads (member,) of all or (animal, member)."""
    if spread.ndim == 1:
        return len(own) / spread**2, own.sum(0) / spread**2
    return (1.0 / spread**2).sum(0), (own / spread**2).sum(0)


def effects_given(
    normal: Array, regression: Regression, of_mean: Array, spread: Array, phi: Array
) -> Array:
    """Return effects on means ``(effect,)`` drawn given spreads, (member,) or of each animal
    (animal, member), prior precisions of the means, and animals ``phi`` (animal, member), by a
    normal number each. The means are integrated out, so that they may be drawn given these: of
    groups of animals both change together."""
    scale, covariates, onto, _ = regression
    if not scale.size:
        return scale
    weight = jnp.broadcast_to(1.0 / spread**2, phi.shape) @ onto.T  # of an animal, by effect
    values = phi @ onto.T
    weighed = weight * covariates
    # What all animals share says nothing of an effect but by the prior of the mean.
    shared = weighed.sum(0) / jnp.where(onto.any(-1), onto @ of_mean + weight.sum(0), 1.0)
    inner = weighed.T @ covariates - weighed.sum(0)[:, None] * shared
    alike = onto @ onto.T  # effects on one member
    root = root_of(alike * inner + jnp.diag(scale**-2.0))
    linear = (weighed * values).sum(0) - shared * (weight * values).sum(0)
    return root.solve(linear) + root.inverse.T @ normal


def ratios_given(
    normal: Array, regression: Regression, population: Population, away: Array
) -> Population:
    """Return the population with its effects on log spreads after a step of random-walk Metropolis,
    those of each member together, given how far animals are ``away`` (animal, member) from their
    means, in spreads of factor 1."""
    if regression.spread is None:
        return population
    onto, n = regression.spread, population.effect.size
    steps, uniform = jnp.split(normal, [2 * n])
    # What animals say of the logarithm of a spread: twice the squares of their covariates.
    away_from_mean = regression.covariates - regression.covariates.mean(0)
    width = jax.lax.rsqrt(2.0 * (away_from_mean**2).sum(0) + regression.scale**-2.0)
    now = population.effect
    new = now + onto.any(-1) * width * _walk(steps.reshape(2, n))

    def log_density(effect: Array) -> Array:
        factor = regression.factor(effect)
        near = (-jnp.log(factor) - 0.5 * (away / factor) ** 2).sum(0)
        return near - 0.5 * (effect / regression.scale) ** 2 @ onto

    accepted = log_ndtr(uniform) < log_density(new) - log_density(now)
    return population._replace(effect=jnp.where(onto @ accepted > 0, new, now))


def global_given(normal: Array, prior: Prior, population: Population) -> Population:
    """Return the population with its log global scale after a step of random-walk Metropolis given
    means and spreads, by three normal numbers."""
    if prior.shrinkage is None:
        return population
    new = population._replace(log_global=population.log_global + _walk(normal))
    accepted = log_ndtr(normal[2]) < log_prior(prior, new) - log_prior(prior, population)
    return jax.tree.map(lambda a, b: jnp.where(accepted, a, b), new, population)


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
    spread = jnp.where(shrinks.shrinks, shrunk, spread)
    return population._replace(spread=spread, log_global=log_global)


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
