"""Jumps of single animals between modes of their likelihood: Metropolis steps between NUTS steps.

The likelihood of an animal may have several parts: the mode, a second one, a plateau where its
weights run away and nothing is learnt, with cliffs between them that no trajectory crosses. Given
the population and the spreads animals are independent, so each is offered new values at once, from

    q(e) = 1 / (K + 1) (sum over k of t(e; df, mean_k, Q_k^-1) + N(e; 0, 1))

whatever its present ones, e its deviations from the population in spreads: a t distribution around
where each of the K solutions of the pilot fit (`hebbax.inference.pilot`) sees the animal, given
this population, and the prior. It takes them with probability min(1, p(e') q(e) / (p(e) q(e'))),
which leaves the posterior as it is, whatever q.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from numpyro.distributions import Normal

from hebbax.inference.coordinates import (
    ANIMAL,
    POPULATION,
    Factors,
    conditional,
    deviation,
    left_alone,
    unwhiten,
)
from hebbax.inference.density import (
    constrain,
    latent_sites,
    log_likelihood_by_animal,
    split_groups,
)
from hebbax.model import Model
from hebbax.priors import value_prior
from hebbax.typing import Array, Key, Parameters

TAIL_DEGREES = 3.0
"""Degrees of freedom of the t distributions."""


def jump(key: Key, model: Model, solutions: Factors, coordinates: Parameters) -> Parameters:
    """Return the coordinates after every animal was offered a jump.

    ``solutions`` are factors with a leading dimension ``start``; the coordinates are those of the
    first.
    """
    hyper = {name: coordinates[name] for name in left_alone(model)}
    own = jax.tree.map(lambda leaf: leaf[0], solutions)
    spread, location, means, roots, _ = conditional(model, own, hyper, coordinates.get(POPULATION))
    places = jax.vmap(jax.vmap(partial(deviation, spread, location)))(solutions)

    def log_density(e: Array) -> Array:
        """Return log p - log q of each animal's deviations ``(animal,)``, up to one constant."""
        values = split_groups(model, location + spread * e)
        log_target = log_likelihood_by_animal(model, values) + _log_prior(model, hyper, values, e)
        return log_target - log_offered(places, e)

    offer_key, accept_key = jax.random.split(key)
    present = means + unwhiten(roots, coordinates[ANIMAL])
    offered = offer(offer_key, *places)
    log_ratio = log_density(offered) - log_density(present)
    taken = jnp.log(jax.random.uniform(accept_key, log_ratio.shape)) < log_ratio
    moved = jnp.where(taken[:, None], offered, present)
    z = jax.vmap(lambda root, e: root.T @ e)(roots, moved - means)
    return {**coordinates, ANIMAL: z}


def log_offered(places: tuple[Array, Array], e: Array) -> Array:
    """Return log q of deviations ``(animal,)`` that `offer` draws, up to one constant."""
    offers = [*jax.vmap(_log_t, in_axes=(0, 0, None))(*places, e), _log_normal(e)]
    return jax.nn.logsumexp(jnp.stack(offers), axis=0)


def offer(key: Key, means: Array, roots: Array) -> Array:
    """Return deviations ``(animal, member)`` drawn from q, its places ``(start, animal, ...)``."""
    n_solutions, *shape = means.shape
    normal_key, tail_key, side_key = jax.random.split(key, 3)
    normal = jax.random.normal(normal_key, shape)
    degrees = jax.random.chisquare(tail_key, TAIL_DEGREES, (shape[0], 1)) / TAIL_DEGREES
    tailed = means + jax.vmap(unwhiten, in_axes=(0, None))(roots, normal / jnp.sqrt(degrees))
    side = jax.random.randint(side_key, (1, shape[0], 1), 0, n_solutions + 1)
    return jnp.take_along_axis(jnp.concatenate([tailed, normal[None]]), side, axis=0)[0]


def _log_normal(e: Array) -> Array:
    return Normal(0.0, 1.0).log_prob(e).sum(-1)


def _log_prior(model: Model, hyper: Parameters, values: Parameters, e: Array) -> Array:
    """Return the log prior density ``(animal,)`` of the deviations, or of the values where every
    animal stands on its own, up to a constant."""
    if model.spec.hierarchy == "animals":
        return _log_normal(e)
    stated = constrain(latent_sites(model), hyper)
    densities = [value_prior(g, stated).log_prob(values[g.name]) for g in model.groups]
    return sum(d.reshape(d.shape[0], -1).sum(-1) for d in densities)


def _log_t(means: Array, roots: Array, e: Array) -> Array:
    """Return the log density of multivariate t distributions, ``(animal,)``."""
    z = jax.vmap(lambda root, difference: root.T @ difference)(roots, e - means)
    size = z.shape[-1]
    half = 0.5 * (TAIL_DEGREES + size)
    constant = gammaln(half) - gammaln(0.5 * TAIL_DEGREES)
    constant -= 0.5 * size * jnp.log(TAIL_DEGREES * jnp.pi)
    volume = jnp.log(jnp.diagonal(roots, axis1=-2, axis2=-1)).sum(-1)
    return constant + volume - half * jnp.log1p((z**2).sum(-1) / TAIL_DEGREES)
