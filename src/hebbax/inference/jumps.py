"""Jumps of single animals between modes of their likelihood: Metropolis steps between NUTS steps.

The likelihood of an animal that learns little has two parts: the mode, and a plateau where its
weights run away and nothing is learnt, behind a cliff that no trajectory crosses. Given the
population and the spreads animals are independent, so each is offered a new value at once, from

    q(z) = 1/2 t(z; df, 0, 1) + 1/2 (its prior given population and spreads)

in its coordinates z (`hebbax.inference.coordinates`), whatever its present value, and takes it with
probability min(1, p(z') q(z) / (p(z) q(z'))). The t distribution finds the mode from anywhere, the
prior the rest of what is possible. The step leaves the posterior as it is, whatever q.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from numpyro.distributions import Normal

from hebbax.inference.coordinates import (
    ANIMAL,
    POPULATION,
    Factors,
    conditional,
    left_alone,
    scales,
    unwhiten,
)
from hebbax.inference.density import log_likelihood_by_animal, split_groups
from hebbax.model import Model
from hebbax.typing import Array, Key, Parameters

TAIL_DEGREES = 3.0
"""Degrees of freedom of the t distribution."""


def jump(key: Key, model: Model, factors: Factors, coordinates: Parameters) -> Parameters:
    """Return the coordinates after every animal was offered a jump."""
    hyper = {name: coordinates[name] for name in left_alone(model)}
    spread, _ = scales(model, hyper)
    location, means, roots = conditional(model, factors, hyper, coordinates.get(POPULATION))
    shape = coordinates[ANIMAL].shape

    def log_density(z: Array) -> tuple[Array, Array]:
        """Return log p and log q (animal,), up to one constant."""
        e = means + unwhiten(roots, z)
        log_prior = Normal(0.0, 1.0).log_prob(e).sum(-1)
        log_likelihood = log_likelihood_by_animal(model, split_groups(model, location + spread * e))
        # q in z: the prior's density of e carries the Jacobian de/dz.
        log_size = -jnp.log(jnp.diagonal(roots, axis1=-2, axis2=-1)).sum(-1)
        log_q = jnp.logaddexp(_log_t(z), log_prior + log_size)
        return log_likelihood + log_prior, log_q

    offer_key, side_key, tail_key, accept_key = jax.random.split(key, 4)
    normal = jax.random.normal(offer_key, shape)
    degrees = jax.random.chisquare(tail_key, TAIL_DEGREES, (shape[0], 1)) / TAIL_DEGREES
    prior = jax.vmap(lambda root, e: root.T @ e)(roots, normal - means)
    tailed = jax.random.bernoulli(side_key, 0.5, (shape[0], 1))
    offered = jnp.where(tailed, normal / jnp.sqrt(degrees), prior)
    here, there = log_density(coordinates[ANIMAL]), log_density(offered)
    log_ratio = there[0] - here[0] + here[1] - there[1]
    taken = jnp.log(jax.random.uniform(accept_key, log_ratio.shape)) < log_ratio
    return {**coordinates, ANIMAL: jnp.where(taken[:, None], offered, coordinates[ANIMAL])}


def _log_t(z: Array) -> Array:
    """Return the log density of a standard multivariate t distribution ``(animal,)``."""
    size = z.shape[-1]
    half = 0.5 * (TAIL_DEGREES + size)
    constant = gammaln(half) - gammaln(0.5 * TAIL_DEGREES)
    constant -= 0.5 * size * jnp.log(TAIL_DEGREES * jnp.pi)
    return constant - half * jnp.log1p((z**2).sum(-1) / TAIL_DEGREES)
