r"""What an iteration tries: populations, and the random numbers of the points.

    same            the population as it is: with `fresh` random numbers, which give one point of
                    every animal its present values, this is conditional importance sampling
    proposed        a block of the population from the mixture, at the same random numbers
    another_global  another global scale of a prior that shrinks, at the same coordinates and the
                    same random numbers

`hebbax.inference.pseudo_marginal.moves` computes p-hat of a candidate and accepts or rejects it.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hebbax.inference.pseudo_marginal import mixture, points, shrinkage
from hebbax.inference.pseudo_marginal.animal import SINGLE, Trials
from hebbax.inference.pseudo_marginal.mixture import Mixture
from hebbax.inference.pseudo_marginal.points import Components, Noise
from hebbax.inference.pseudo_marginal.population import (
    Population,
    Prior,
    coloured,
    of_animals,
    part_of,
    whitened,
)
from hebbax.inference.pseudo_marginal.references import References
from hebbax.typing import Array, Key

WALK = 0.4
"""Step of the log global scale in the middle, at the same coordinates."""


class Known(NamedTuple):
    """What the moves need beside the state: prior, trials and references by animal, and the mixture
    of populations where there is one."""

    prior: Prior
    trials: Trials
    references: References
    mixture: Mixture | None


class State(NamedTuple):
    """One chain: a population, animals ``phi`` (animal, member), log p-hat_a (animal,), and the
    random numbers of their points."""

    population: Population
    phi: Array
    log_p: Array
    noise: Noise


class Candidate(NamedTuple):
    """A population to try, and the log ratio of prior and proposal."""

    population: Population
    gain: Array


def init(population: Population, phi: Array, n_points: int) -> State:
    """Return a chain's state at a population and animals, before a first iteration, which draws the
    random numbers of the ``n_points`` points of every animal."""
    n_animals, d = phi.shape
    noise = Noise(
        jnp.zeros((n_animals, n_points, d), SINGLE),
        jnp.ones((n_animals, n_points), SINGLE),
        jnp.zeros(n_animals, SINGLE),
    )
    return State(population, phi, jnp.full(n_animals, jnp.nan, phi.dtype), noise)


def fresh(key: Key, prior: Prior, state: State, components: Components) -> tuple[Noise, Array]:
    """Return fresh random numbers of every animal that give one of its points the values it has,
    and which point ``(animal,)``."""
    n_animals, n_points = state.noise.scale.shape

    def one(
        key: Key, of: Components, phi: Array, mean: Array, spread: Array
    ) -> tuple[Noise, Array]:
        fresh_key, own_key = jax.random.split(key)
        noise = points.draw_noise(fresh_key, n_points, phi.shape[-1])
        return points.retained(own_key, of, noise, (phi - mean) / spread)

    keys = jax.random.split(key, n_animals)
    return jax.vmap(one)(keys, components, state.phi, *of_animals(prior, state.population))


def kept(key: Key, prior: Prior, state: State, components: Components) -> tuple[Noise, Array]:
    """Return the random numbers of the state; no point is known to have an animal's values (-1)."""
    del key, prior, components
    return state.noise, jnp.full(len(state.phi), -1)


def same(key: Key, known: Known, state: State) -> Candidate:
    """Return the population as it is."""
    del key, known
    return Candidate(state.population, jnp.zeros(()))


def proposed(key: Key, known: Known, state: State) -> Candidate:
    """Return the population with a block from the mixture given the rest."""
    block_key, draw_key = jax.random.split(key)
    prior, population = known.prior, state.population
    assert known.mixture is not None
    now = mixture.canonical(whitened(prior, population))
    block = mixture.draw_block(block_key, prior.regression.members, known.mixture.together)
    own = now[mixture.places(block, len(population.mean))]
    given = mixture.given(known.mixture, block, now)
    drawn = mixture.draw(draw_key, given, len(now))
    gain = mixture.log_density(given, own) - mixture.log_density(given, drawn)
    gain -= 0.5 * jnp.where(block.drawn, drawn**2 - own**2, 0.0).sum()
    return Candidate(moved(prior, population, block, drawn), gain)


def moved(prior: Prior, population: Population, block: mixture.Block, drawn: Array) -> Population:
    """Return the population with means, spreads and effects of a block at other coordinates
    ``drawn`` (2 width + effect,). The sign of a spread says nothing: with the present one the kept
    random numbers give nearby points."""
    members, taken, of_taken = block
    mean, size, effect = jnp.split(drawn, [len(members), 2 * len(members)])
    spread = jnp.where(population.spread[members] < 0, -1.0, 1.0) * jnp.abs(size)
    white = Population(mean, spread, effect, population.log_global)
    new = coloured(part_of(prior, members), white)

    def put(now: Array, new: Array) -> Array:
        return now.at[members].set(jnp.where(taken, new, now[members]))

    return population._replace(
        mean=put(population.mean, new.mean),
        spread=put(population.spread, new.spread),
        effect=jnp.where(of_taken, new.effect, population.effect),
    )


def another_global(key: Key, known: Known, state: State) -> Candidate:
    """Return the population with another global scale, by a random walk of its logarithm, for the
    same coordinates: all means and spreads shrink or grow with it."""
    step_key, size_key = jax.random.split(key)
    white = whitened(known.prior, state.population)
    step = WALK * jnp.exp(jax.random.normal(size_key)) * jax.random.normal(step_key)
    new = coloured(known.prior, white._replace(log_global=white.log_global + step))
    assert known.prior.shrinkage is not None
    log_prior = partial(shrinkage.log_prior_of_global, known.prior.shrinkage)
    return Candidate(new, log_prior(new.log_global) - log_prior(state.population.log_global))
