r"""log p(choices of an animal | population) by importance sampling.

    p-hat_a(theta) = mean_k  p(y_a | phi_k) N(e_k) / q(e_k),    phi_k = mean + spread e_k

with points e_k of a mixture q that follows the population
(`hebbax.inference.pseudo_marginal.points`), is unbiased whatever population and references are: an
animal that the population was not fitted to has its p-hat too, with references of its own. Random
numbers of a draw that has the animal's values are drawn given these, as in conditional importance
sampling: population and random numbers are then as a chain has them.
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.pseudo_marginal import points
from hebbax.inference.pseudo_marginal.animal import COMPILER, Frame, frame_of, trials_of
from hebbax.inference.pseudo_marginal.candidates import Known, fresh, init
from hebbax.inference.pseudo_marginal.moves import components_of, estimates
from hebbax.inference.pseudo_marginal.population import Population, of_animals, prior_of
from hebbax.inference.pseudo_marginal.references import REMEMBERED, renewed
from hebbax.model.choices import Model
from hebbax.model.effects import NAME as EFFECT
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


def given_its_values(
    key: Key, frame: Frame, known: Known, n_points: int, population: Population, phi: Array
) -> Array:
    """Return log p-hat ``(animal,)`` as a chain has it, which holds animals ``phi`` (animal,
    member) under a population: with random numbers that give one point of each its values."""
    noise_key, key = jax.random.split(key)
    components = components_of(known, population)
    state = init(population, phi, n_points)
    noise, _ = fresh(noise_key, known.prior, state, components)
    return estimates(key, frame, known, population, components, noise).log_p


def of_new_animal(
    key: Key, model: Model, animal: int, within: Draws, without: Draws, n_points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return log p-hat of one animal under draws of two posteriors, each ``(draw,)`` in nats: with
    and without its choices, whose densities of population and random numbers have p-hat as ratio.

    Args:
        key: random key of the points.
        model: the model, which has the trials of the animal.
        animal: its index.
        within: ``(draw, ...)`` of the sites of the population and of the animals by group.
        without: ``(draw, ...)`` of the sites of the population, fitted without the animal.
        n_points: points of each p-hat.
    """
    frame, trials = frame_of(model), trials_of(model)
    trials = jax.tree.map(lambda leaf: leaf[animal : animal + 1], trials)
    each = {group.name: within[group.name][:, animal] for group in model.groups}
    phi = _flat(model, each, "")
    populations = [_populations(model, own) for own in (within, without)]
    reference_key, pick, within_key, without_key = jax.random.split(words(key), 4)
    own = jax.random.randint(pick, (REMEMBERED,), 0, len(phi))
    prior = prior_of(model)
    covariates = prior.regression.covariates[animal : animal + 1]
    prior = prior._replace(regression=prior.regression._replace(covariates=covariates))
    means, _ = jax.vmap(partial(of_animals, prior))(populations[0])
    references = renewed(reference_key, frame, trials, phi[own][:, None], means[own])
    known = Known(prior, trials, references, None)
    held = _of_each(within_key, frame, n_points, known, populations[0], phi[:, None])
    new = _of_each(without_key, frame, n_points, known, populations[1], None)
    return np.asarray(held)[:, 0], np.asarray(new)[:, 0]


def _populations(model: Model, draws: Draws) -> Population:
    """Return the populations of some draws by site; p-hat does not depend on the global scale,
    which is zero."""
    mean, spread = _flat(model, draws, "_population"), _flat(model, draws, "_spread")
    effect = jnp.asarray(draws[EFFECT]) if model.effects.each else jnp.zeros((len(mean), 0))
    return Population(mean, spread, effect, jnp.zeros(len(mean)))


def _flat(model: Model, draws: Draws, end: str) -> Array:
    """Return one site of the population of every group side by side ``(draw, member)``."""
    each = [jnp.asarray(draws[f"{group.name}{end}"]) for group in model.groups]
    return jnp.concatenate([leaf.reshape(len(leaf), -1) for leaf in each], axis=-1)


@partial(jax.jit, static_argnums=(1, 2), compiler_options=COMPILER)
def _of_each(
    key: Key,
    frame: Frame,
    n_points: int,
    known: Known,
    populations: Population,
    phi: Array | None,
) -> Array:
    """Return log p-hat ``(draw, animal)`` under each of some populations, at fresh random numbers
    or at those of animals ``phi`` (draw, animal, member)."""
    keys = jax.random.split(key, len(populations.mean))

    def one(at: tuple[Key, Population, Array | None]) -> Array:
        key, population, phi = at
        if phi is None:
            return log_marginal(key, frame, known, n_points, population)
        return given_its_values(key, frame, known, n_points, population, phi)

    return jax.lax.map(one, (keys, populations, phi), batch_size=BATCH)
