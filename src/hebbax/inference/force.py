r"""The force that trajectories follow: the slope of the potential, bounded for each animal.

Where an animal's weights begin to run away its likelihood falls off a cliff: its slope there is
hundreds of nats per posterior standard deviation, and a step that fits the rest of the posterior is
thrown out of it. The leapfrog

    p <- p - step/2 f(q),    q <- q + step p,    p <- p - step/2 f(q)

is reversible and keeps volume for *any* force f, so that with the true energies in the acceptance
the posterior is sampled exactly whatever f is; f = grad U is only the choice that accepts most.
Here each animal's own part of it, the slope g of its log likelihood in its coordinates z
(`hebbax.inference.coordinates`), is shortened to at most `LARGEST`:

    g <- g min(1, LARGEST / |g|)

A Gaussian has |g| <= |z|, so that nothing changes but at cliffs, where a trajectory now turns back
or ends in the wall with the energy that the wall truly has. Beyond the wall animals are
carried by `hebbax.inference.jumps`.
"""

from functools import partial

import jax
import jax.numpy as jnp

from hebbax.inference.coordinates import (
    POPULATION,
    Factors,
    conditional,
    left_alone,
    sites_given,
)
from hebbax.inference.density import (
    animal_values,
    constrain,
    flatten_groups,
    latent_sites,
    log_likelihood_by_animal,
    prior_potential,
    split_groups,
)
from hebbax.model import Model
from hebbax.typing import Array, Parameters

LARGEST = 10.0
"""Largest slope of an animal's log likelihood that is followed, in nats per posterior standard
deviation. Above what an animal has in ordinary draws (1 to 5), which would else be refused however
short the step; below a cliff, where it is several hundred; and so low that a trajectory, about pi
long, that rattles through one gains less than (10 pi)^2 / 2 = 500 nats."""


def steered_potential(
    model: Model, factors: Factors, coordinates: Parameters, largest: float = LARGEST
) -> Array:
    """Return `transported_potential`, in nats; its gradient is the bounded force."""
    hyper = {name: coordinates[name] for name in left_alone(model)}
    given = conditional(model, factors, hyper, coordinates.get(POPULATION))
    unconstrained, log_jacobian = sites_given(model, given, coordinates)
    values = animal_values(model, constrain(latent_sites(model), unconstrained))
    bound = partial(bounded, largest, given.spread)
    phi = jax.vmap(bound)(given.roots.inverse, flatten_groups(model, values))
    total = log_likelihood_by_animal(model, split_groups(model, phi)).sum()
    return prior_potential(model, unconstrained) - total - log_jacobian


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def bounded(largest: float, spread: Array, inverse_root: Array, phi: Array) -> Array:
    """Return one animal's values ``phi`` (member,) as they are; slopes with respect to them are
    shortened on the way back, measured as slopes of z, phi = location + spread (mean + W^T z) with
    the inverse root W.
    """
    return phi


def _forward(
    largest: float, spread: Array, inverse_root: Array, phi: Array
) -> tuple[Array, tuple[Array, Array]]:
    return phi, (spread, inverse_root)


def _backward(
    largest: float, kept: tuple[Array, Array], slope: Array
) -> tuple[Array, Array, Array]:
    spread, inverse_root = kept
    size = jnp.linalg.norm(inverse_root @ (spread * slope))
    shorter = slope * (largest / jnp.maximum(size, largest))
    return jnp.zeros_like(spread), jnp.zeros_like(inverse_root), shorter


bounded.defvjp(_forward, _backward)
