r"""log p(choices of an animal | population) by importance sampling with fresh random numbers.

    p-hat_a(theta) = mean_k  p(y_a | phi_k) N(e_k) / q(e_k),    phi_k = mean + spread e_k

with points e_k of a mixture q that follows the population
(`hebbax.inference.pseudo_marginal.points`), is unbiased whatever population and references are: an
animal that the population was not fitted to has its p-hat too, with references of its own.
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.pseudo_marginal import points
from hebbax.inference.pseudo_marginal.animal import Frame, frame_of, trials_of
from hebbax.inference.pseudo_marginal.candidates import Known
from hebbax.inference.pseudo_marginal.moves import components_of, estimates
from hebbax.inference.pseudo_marginal.population import Population, prior_of
from hebbax.inference.pseudo_marginal.references import REMEMBERED, renewed
from hebbax.model.choices import Model
from hebbax.typing import Array, Key
from hebbax.validation.keys import words

BATCH = 50
"""Populations under which animals are computed side by side."""

Draws = Mapping[str, np.ndarray]


def log_marginal(
    key: Key, frame: Frame, known: Known, n_points: int, population: Population
) -> Array:
    """Return log p-hat ``(animal,)`` of every animal under a population, in nats."""
    noise_key, key = jax.random.split(key)
    keys = jax.random.split(noise_key, known.trials.accepted.shape[0])
    noise = jax.vmap(lambda key: points.draw_noise(key, n_points, frame.n_members))(keys)
    components = components_of(known, population)
    return estimates(key, frame, known, population, components, noise).log_p


def of_new_animal(
    key: Key, model: Model, animal: int, populations: Draws, values: Draws, n_points: int
) -> np.ndarray:
    """Return log p-hat ``(draw,)`` of one animal of a model under some populations, in nats.

    Args:
        key: random key of the points.
        model: the model, which has the trials of the animal.
        animal: its index.
        populations: ``(draw, ...)`` of the sites of the population, fitted with or without it.
        values: ``(draw, animal, ...)`` of the animals by group, for the references of this one.
        n_points: points of each p-hat.
    """
    reference_key, pick, key = jax.random.split(words(key), 3)
    mean, spread = (_flat(model, populations, end) for end in ("_population", "_spread"))
    phi = jnp.concatenate(
        [jnp.reshape(values[g.name][:, animal], (len(values[g.name]), -1)) for g in model.groups],
        axis=-1,
    )
    frame, trials = frame_of(model), trials_of(model)
    trials = jax.tree.map(lambda leaf: leaf[animal : animal + 1], trials)
    one, two = jax.random.split(pick)
    own = phi[jax.random.randint(one, (REMEMBERED,), 0, len(phi))]
    means = mean[jax.random.randint(two, (REMEMBERED,), 0, len(mean))]
    references = renewed(reference_key, frame, trials, own[:, None], means)
    known = Known(prior_of(model), trials, references, None)
    every = Population(mean, spread, jnp.zeros(len(mean)))
    return np.asarray(_of_each(key, frame, n_points, known, every))[:, 0]


def _flat(model: Model, draws: Draws, end: str) -> Array:
    """Return one site of the population of every group side by side ``(draw, member)``."""
    each = [jnp.asarray(draws[f"{group.name}{end}"]) for group in model.groups]
    return jnp.concatenate([leaf.reshape(len(leaf), -1) for leaf in each], axis=-1)


@partial(jax.jit, static_argnums=(1, 2))
def _of_each(key: Key, frame: Frame, n_points: int, known: Known, populations: Population) -> Array:
    """Return log p-hat ``(draw, animal)`` under each of some populations."""
    keys = jax.random.split(key, len(populations.mean))
    return jax.lax.map(
        lambda at: log_marginal(at[0], frame, known, n_points, at[1]),
        (keys, populations),
        batch_size=BATCH,
    )
