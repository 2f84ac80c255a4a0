r"""The pilot: draws of each animal alone, and populations around these.

An animal alone has phi ~ N(0, prior variance of mean and spread). It is drawn by sampling
importance resampling: points of the mixture of `hebbax.inference.pseudo_marginal.points`, whose
references are draws of the prior at first, and in each round that follows draws of the round before
(population Monte Carlo: Cappe, Guillin, Marin & Robert 2004). A particle is one draw of every
animal, and a population given these by Gibbs. Particles start the chains, and give references and a
first mixture; nothing of them is kept.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.pseudo_marginal import points
from hebbax.inference.pseudo_marginal.animal import COMPILER, Frame, Trials
from hebbax.inference.pseudo_marginal.gibbs import centred
from hebbax.inference.pseudo_marginal.population import Population, Prior, without
from hebbax.inference.pseudo_marginal.references import REMEMBERED, References, renewed
from hebbax.typing import Array, Key, Progress, silent


@dataclass(frozen=True)
class Settings:
    """``particles`` after ``rounds``, each animal of a particle being one of ``points`` drawn by
    weight; and the ``sweeps`` of Gibbs from the animals to a population."""

    particles: int = 256
    points: int = 32
    rounds: int = 4
    sweeps: int = 5


class Particles(NamedTuple):
    """Populations, and the animals ``phi`` (particle, animal, member) that they are given."""

    population: Population
    phi: Array


def pilot(
    key: Key,
    frame: Frame,
    prior: Prior,
    trials: Trials,
    settings: Settings,
    progress: Progress = silent,
) -> Particles:
    """Return particles that are far apart, and where the choices are likely."""
    progress("finding the starts", 0, 1)
    animal_key, key = jax.random.split(key)
    spread = jnp.sqrt(prior.mean**2 + prior.spread**2)
    phi = _alone(animal_key, frame, trials, spread, settings)
    if frame.population:
        population = _given(key, prior, phi, settings.sweeps)
    else:
        begin = partial(without, prior, phi.shape[1])
        population = jax.vmap(begin)(jnp.zeros(len(phi)))
    progress("finding the starts", 1, 1)
    return Particles(population, phi)


def _alone(key: Key, frame: Frame, trials: Trials, spread: Array, settings: Settings) -> Array:
    """Return draws ``(particle, animal, member)`` of every animal under N(0, spread^2)."""
    start_key, key = jax.random.split(key)
    shape = (settings.particles, trials.value.shape[0], frame.n_members)
    phi = spread * jax.random.normal(start_key, shape)
    none = jnp.zeros((REMEMBERED, *shape[1:]))
    all_of_them = np.arange(REMEMBERED) % settings.particles
    for own_key in jax.random.split(key, settings.rounds):
        reference_key, draw_key = jax.random.split(own_key)
        own = renewed(reference_key, frame, trials, phi[all_of_them], none)
        phi = _drawn(draw_key, frame, trials, own, spread, settings)
    return phi


@partial(jax.jit, static_argnums=(1, 5), compiler_options=COMPILER)
def _drawn(
    key: Key, frame: Frame, trials: Trials, own: References, spread: Array, settings: Settings
) -> Array:
    """Return draws of every animal ``(particle, animal, member)``, each of its points by weight."""
    zero = jnp.zeros_like(spread)

    def one(key: Key, trials: Trials, own: References) -> Array:
        of = points.components(own, zero, spread)

        def draw(key: Key) -> Array:
            noise_key, key = jax.random.split(key)
            noise = points.draw_noise(noise_key, settings.points, frame.n_members)
            return points.estimate(key, frame, trials, of, noise, zero, spread).phi

        return jax.vmap(draw)(jax.random.split(key, settings.particles))

    keys = jax.random.split(key, trials.value.shape[0])
    return jax.vmap(one, out_axes=1)(keys, trials, own)


@partial(jax.jit, static_argnums=3, compiler_options=COMPILER)
def _given(key: Key, prior: Prior, phi: Array, sweeps: int) -> Population:
    """Return a population for the animals of each particle."""

    def one(key: Key, phi: Array) -> Population:
        def sweep(now: Population, key: Key) -> tuple[Population, None]:
            return centred(key, prior, now, phi), None

        no_effects = jnp.zeros_like(prior.regression.scale)
        spread = phi.std(0) + 1e-3 * prior.spread
        start = Population(phi.mean(0), spread, no_effects, jnp.zeros(()))
        return jax.lax.scan(sweep, start, jax.random.split(key, sweeps))[0]

    return jax.vmap(one)(jax.random.split(key, len(phi)), phi)
