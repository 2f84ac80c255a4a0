"""Ragged trials, flat or padded, and the density of many of them in blocks of animals.

The observed site is flat ``(observation,)``, animal by animal and free choices only; simulations
are padded ``(animal, trial)``.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution, constraints

from hebbax.typing import Array, Key

MANY_TRIALS = 200_000
"""Beyond this number of trials a density is computed in blocks: its arrays no longer fit a cache,
and memory asked from the system anew at each call costs as much as the arithmetic."""

BLOCK_TRIALS = 48_000
"""Trials of one block."""

MANY_ANIMALS = 64
"""Up to this number of animals ragged trials are joined by slices, beyond it by one gather."""


def flat(observed: np.ndarray, values: Array) -> Array:
    """Return ``(observation, ...)`` of ``(animal, trial, ...)``, of which ``observed`` (animal,
    trial) says which are observations."""
    if observed.all():
        return values.reshape(-1, *values.shape[2:])
    counts = observed.sum(axis=1)
    first = np.arange(observed.shape[1]) < counts[:, None]
    if len(counts) <= MANY_ANIMALS and (observed == first).all():
        # Slices transpose to padding, gathers to a scatter, which is slow on a CPU.
        return jnp.concatenate([values[a, :n] for a, n in enumerate(counts)])
    return values[np.nonzero(observed)]


def padded(observed: np.ndarray, values: Array) -> Array:
    """Return ``(animal, trial, ...)`` of ``(observation, ...)``; what is none repeats the first."""
    if observed.all():
        return values.reshape(*observed.shape, *values.shape[1:])
    position = np.zeros(observed.shape, dtype=int)
    position[observed] = np.arange(observed.sum())
    return values[position]


class Blocks(Distribution):
    """The observed site of a large cohort, a block of animals at a time.

    ``animal(parameters)`` is the distribution of one animal's trials ``(trial,)``; ``parameters``
    has a leading dimension ``animal``; ``observed`` (animal, trial) says which are observations.
    Each block is computed again in the backward pass, so that nothing but one number a trial is
    kept between blocks.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.dependent
    pytree_data_fields = ("parameters",)
    pytree_aux_fields = ("animal", "observed")

    def __init__(
        self,
        animal: Callable[[Any], Distribution],
        parameters: Any,
        observed: np.ndarray,
        event_shape: tuple[int, ...],
    ) -> None:
        self.animal, self.parameters = animal, parameters
        # Compared where JAX compares distributions.
        self.observed = tuple(map(tuple, observed.tolist()))
        super().__init__(batch_shape=(int(observed.sum()),), event_shape=event_shape)

    def log_prob(self, value: Array) -> Array:
        """Return log P of each observation ``(observation,)`` in nats."""

        def one(animal: tuple[Any, Array]) -> Array:
            parameters, observed = animal
            return self.animal(parameters).log_prob(observed)

        cells = np.array(self.observed)
        trials = padded(cells, value)
        size = max(1, BLOCK_TRIALS // trials.shape[1])
        each = jax.lax.map(jax.checkpoint(one), (self.parameters, trials), batch_size=size)
        return flat(cells, each)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Return drawn observations ``sample_shape + (observation, ...)``."""

        def one(animal: tuple[Key, Any]) -> Array:
            key, parameters = animal
            drawn = self.animal(parameters).sample(key, sample_shape)
            return jnp.moveaxis(drawn, len(sample_shape), 0)

        keys = jax.random.split(key, len(self.observed))
        drawn = flat(np.array(self.observed), jax.lax.map(one, (keys, self.parameters)))
        return jnp.moveaxis(drawn, 0, len(sample_shape))
