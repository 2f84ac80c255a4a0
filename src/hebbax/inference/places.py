"""Where a chain is between two trajectories: its unconstrained sites, and each animal's likelihood.

Moves that are no trajectories (`hebbax.inference.jumps`, `interweave`, `hops`) go from place to
place; each pays for the likelihoods of where it would go, and for no others.
"""

from typing import NamedTuple

import jax

from hebbax.inference.coordinates import Factors, to_sites
from hebbax.inference.density import (
    animal_values,
    constrain,
    latent_sites,
    log_likelihood_by_animal,
)
from hebbax.model import Model
from hebbax.typing import Array, Parameters


class Place(NamedTuple):
    """The unconstrained ``sites``, and the ``log_likelihood`` (animal,) at them."""

    sites: Parameters
    log_likelihood: Array


def place_at(model: Model, factors: Factors, coordinates: Parameters) -> Place:
    """Return the place of some coordinates (`hebbax.inference.coordinates`)."""
    sites = to_sites(model, factors, coordinates)[0]
    return Place(sites, log_likelihood_at(model, sites))


def log_likelihood_at(model: Model, sites: Parameters) -> Array:
    """Return each animal's log likelihood ``(animal,)`` at unconstrained sites; not to be
    differentiated."""
    values = animal_values(model, constrain(latent_sites(model), sites))
    # Kept apart from what a move makes of it: fused with that, the logarithms are no longer taken
    # by the sum over the trials (see `hebbax.likelihood`), and all takes twice as long.
    return jax.lax.optimization_barrier(log_likelihood_by_animal(model, values))
