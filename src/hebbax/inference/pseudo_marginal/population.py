r"""The population of a hierarchy: its prior, with signed spreads, and its coordinates.

    mean_j ~ N(0, (b_j u_j)^2),    spread_j ~ N(0, (b_j v_j / 2)^2),    effect_e ~ N(0, s_e^2),
    phi_aj ~ N(mean_j + sum_e covariate_ae onto_ej effect_e, (spread_j factor_aj)^2)

with the prior scales b and s, and onto_ej = 1 for the member j whose mean the effect e of a
covariate is on (`hebbax.model.effects`), else 0; factor_aj is the exponential of the same sum over
effects on log spreads, 1 where there are none. A signed spread is the half-normal one of
`hebbax.model.groups` with a sign that nothing sees: its density is smooth through zero, where the
logarithm of the spread has a tail that no proposal fits. v_j is 1 under an independent prior, whose
class says what u_j is; under a prior that shrinks u_j = v_j is the term's relative standard
deviation, of a global and a local scale (`hebbax.inference.pseudo_marginal.shrinkage`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from hebbax.inference.pseudo_marginal import shrinkage
from hebbax.inference.pseudo_marginal.normals import normals
from hebbax.inference.pseudo_marginal.shrinkage import Shrinkage, shrinkage_of
from hebbax.model.choices import Model
from hebbax.model.effects import Part, shifts
from hebbax.model.priors import SPREAD_FRACTION, Independent, Normal
from hebbax.typing import Array, ArrayLike, Key

LEAST_RADIUS = 1e-30
"""Squared radius below which a population value and its spread are both zero."""


class Population(NamedTuple):
    """Mean and signed spread of every member ``(member,)``, the ``effect`` of every covariate
    ``(effect,)``, and the log global scale of a prior that shrinks (0 without one)."""

    mean: Array
    spread: Array
    effect: Array
    log_global: Array


class Regression(NamedTuple):
    """Effects on animals: their prior ``scale`` (effect,), the ``covariates`` (animal, effect), and
    the member that each is ``onto`` (effect, member), 1 or 0: its mean, or its ``spread`` (effect,
    member), None where all are on means."""

    scale: Array
    covariates: Array
    onto: Array
    spread: Array | None

    def shift(self, effect: Array) -> Array:
        """Return what effects (effect,) add to the means of every animal ``(animal, member)``."""
        return shifts(self.covariates, effect, self.onto)

    def factor(self, effect: Array) -> ArrayLike:
        """Return by what effects (effect,) multiply the spreads of every animal ``(animal,
        member)``; one where they are on none."""
        if self.spread is None:
            return 1.0
        return jnp.exp(shifts(self.covariates, effect, self.spread))

    @property
    def members(self) -> Array:
        """The member that each effect is on, its mean or its spread (effect, member)."""
        return self.onto if self.spread is None else self.onto + self.spread

    @property
    def on_means(self) -> Array:
        """Which effects are on means ``(effect,)``."""
        return self.onto.any(axis=-1)


class Prior(NamedTuple):
    """Prior scales of mean and spread ``(member,)``, by number the law of each mean, one of the
    ``laws``, which members are shrunk instead, and the regression on covariates."""

    mean: Array
    spread: Array
    law: Array
    laws: tuple[Independent, ...]
    shrinkage: Shrinkage | None
    regression: Regression

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
    spread, shrinks = SPREAD_FRACTION * scales, shrinkage_of(model)
    return Prior(scales, spread, jnp.asarray(law), laws, shrinks, _regression(model))


def _regression(model: Model) -> Regression:
    effects = model.effects
    parts: list[Part] = ["mean", "spread"] if effects.own_spreads else ["mean"]
    onto = [
        np.concatenate([effects.onto(g.name, g.scales.size, part) for g in model.groups], axis=-1)
        for part in parts
    ]
    each = map(jnp.asarray, (effects.scales, effects.covariates, *onto))
    return Regression(*each, *([] if effects.own_spreads else [None]))


def of_animals(prior: Prior, population: Population) -> tuple[Array, Array]:
    """Return mean and spread of every animal ``(animal, member)``: around the population's, with
    the effects of its covariates, or its own where there is no population."""
    mean = population.mean + prior.regression.shift(population.effect)
    spread = population.spread * prior.regression.factor(population.effect)
    return mean, jnp.broadcast_to(spread, mean.shape)


def part_of(prior: Prior, members: Array) -> Prior:
    """Return the prior of some members."""
    shrinks = prior.shrinkage
    if shrinks is not None:
        shrinks = shrinks._replace(shrinks=shrinks.shrinks[members])
    mean, spread, law = (leaf[members] for leaf in prior[:3])
    return Prior(mean, spread, law, prior.laws, shrinks, prior.regression)


def log_prior(prior: Prior, population: Population) -> Array:
    """Return the log density of a population, in nats, with local scales integrated out."""
    z, q = population.mean / prior.mean, population.spread / prior.spread
    scales = jnp.log(prior.mean) + jnp.log(prior.spread)
    mean = prior.by_law(lambda law: law.log_density(z))
    total = mean - 0.5 * q**2 - 0.5 * np.log(2.0 * np.pi)
    effect = norm.logpdf(population.effect, scale=prior.regression.scale).sum()
    if prior.shrinkage is None:
        return (total - scales).sum() + effect
    own, whole = prior.shrinkage, population.log_global
    shrunk = shrinkage.log_density(own, whole, z**2 + q**2)
    total = jnp.where(own.shrinks, shrunk, total)
    return (total - scales).sum() + effect + shrinkage.log_prior_of_global(own, whole)


def draw_prior(key: Key, prior: Prior) -> Population:
    """Return a population drawn from its prior."""
    global_key, key = jax.random.split(key)
    own, zero = prior.shrinkage, jnp.zeros(())
    whole = zero if own is None else shrinkage.draw_global(global_key, own)
    n = prior.mean.size
    white = normals(key, (2 * n + prior.regression.scale.size,))
    return coloured(prior, Population(white[:n], white[n : 2 * n], white[2 * n :], whole))


def whitened(prior: Prior, population: Population) -> Population:
    """Return the coordinates of mean, spread and effects that are standard normal under the prior
    given the global scale."""
    z, q = population.mean / prior.mean, population.spread / prior.spread
    population = population._replace(effect=population.effect / prior.regression.scale)
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
    effect = prior.regression.scale * white.effect
    return white._replace(mean=prior.mean * mean, spread=prior.spread * q, effect=effect)


def without(prior: Prior, n_animals: int, log_global: Array) -> Population:
    """Return what stands for a population where there is none: mean zero and prior standard
    deviation of every animal's values ``(animal, member)``, to begin with."""
    scale = prior.mean * prior.by_law(lambda law: law.deviation())
    spread = jnp.broadcast_to(scale, (n_animals, *scale.shape))
    return Population(jnp.zeros_like(spread), spread, jnp.zeros(0), log_global)
