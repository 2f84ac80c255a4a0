r"""The pilot: draws of each animal alone.

An animal alone has phi ~ N(0, prior variance of mean and spread). It is drawn by sampling
importance resampling: points of the mixture of `hebbax.inference.pseudo_marginal.points`, whose
references are draws of the prior at first, and in each round that follows draws of the round before
(population Monte Carlo: Cappe, Guillin, Marin & Robert 2004). They give chains a start and first
references; nothing of them is kept.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.pseudo_marginal import points
from hebbax.inference.pseudo_marginal.animal import COMPILER, Frame, Trials
from hebbax.inference.pseudo_marginal.population import Prior
from hebbax.inference.pseudo_marginal.references import REMEMBERED, References, renewed
from hebbax.typing import Array, Key


@dataclass(frozen=True)
class Settings:
    """``draws`` of every animal after ``rounds``, each one of ``points`` drawn by weight."""

    draws: int = 256
    points: int = 32
    rounds: int = 4


def pilot(key: Key, frame: Frame, prior: Prior, trials: Trials, settings: Settings) -> Array:
    """Return draws ``(draw, animal, member)`` of every animal under N(0, variance of mean and
    spread)."""
    spread = jnp.sqrt(prior.mean**2 + prior.spread**2)
    start_key, key = jax.random.split(key)
    shape = (settings.draws, trials.value.shape[0], frame.n_members)
    phi = spread * jax.random.normal(start_key, shape)
    none = jnp.zeros((REMEMBERED, *shape[1:]))
    all_of_them = np.arange(REMEMBERED) % settings.draws
    for own_key in jax.random.split(key, settings.rounds):
        reference_key, draw_key = jax.random.split(own_key)
        own = renewed(reference_key, frame, trials, phi[all_of_them], none)
        phi = _drawn(draw_key, frame, trials, own, spread, settings)
    return phi


@partial(jax.jit, static_argnums=(1, 5), compiler_options=COMPILER)
def _drawn(
    key: Key, frame: Frame, trials: Trials, own: References, spread: Array, settings: Settings
) -> Array:
    """Return draws of every animal ``(draw, animal, member)``, each of its points by weight."""
    zero = jnp.zeros_like(spread)

    def one(key: Key, trials: Trials, own: References) -> Array:
        of = points.components(own, zero, spread)

        def draw(key: Key) -> Array:
            noise_key, key = jax.random.split(key)
            noise = points.draw_noise(noise_key, settings.points, frame.n_members)
            return points.estimate(key, frame, trials, of, noise, zero, spread).phi

        return jax.vmap(draw)(jax.random.split(key, settings.draws))

    keys = jax.random.split(key, trials.value.shape[0])
    return jax.vmap(one, out_axes=1)(keys, trials, own)
