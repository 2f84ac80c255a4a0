"""Where a chain is between two trajectories: its unconstrained sites, and each animal's likelihood.

Moves that are no trajectories (`hebbax.inference.jumps`, `interweave`, `hops`) go from place to
place; each pays for the likelihoods of where it would go, and for no others.
"""

from typing import NamedTuple

import jax.numpy as jnp

from hebbax.inference.coordinates import Factors, scales, to_sites
from hebbax.inference.density import (
    animal_values,
    constrain,
    flatten_groups,
    latent_sites,
    log_likelihood_by_animal,
    split_groups,
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
    """Return each animal's log likelihood ``(animal,)`` at unconstrained sites."""
    values = animal_values(model, constrain(latent_sites(model), sites))
    return log_likelihood_by_animal(model, values)


def around(model: Model, sites: Parameters) -> tuple[Array, Array]:
    """Return spreads and population values ``(member,)``: prior scales, and zeros, where every
    animal stands on its own."""
    spread, prior = scales(model, sites)
    if prior is None:
        return spread, jnp.zeros_like(spread)
    return spread, population_of(model, sites)


def population_of(model: Model, sites: Parameters) -> Array:
    """Return the population values side by side ``(member,)``."""
    return jnp.concatenate([jnp.ravel(sites[f"{g.name}_population"]) for g in model.groups])


def spreads_of(model: Model, sites: Parameters) -> Array:
    """Return the log spreads side by side ``(member,)``."""
    return jnp.concatenate([jnp.ravel(sites[f"{g.name}_spread"]) for g in model.groups])


def deviations(model: Model, sites: Parameters) -> Array:
    """Return each animal's deviations from the population in spreads ``(animal, member)``."""
    if model.spec.hierarchy == "none":
        return flatten_groups(model, sites) / jnp.asarray(model.scales)
    return flatten_groups(model, {g.name: sites[f"{g.name}_offset"] for g in model.groups})


def with_deviations(model: Model, sites: Parameters, e: Array) -> Parameters:
    """Return the sites with other deviations of the animals."""
    if model.spec.hierarchy == "none":
        return sites | split_groups(model, e * jnp.asarray(model.scales))
    return sites | {f"{name}_offset": value for name, value in split_groups(model, e).items()}
