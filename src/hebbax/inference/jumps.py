r"""Jumps of single animals between modes of their likelihood: Metropolis steps between NUTS steps.

The likelihood of an animal may have several parts: the mode, a second one, a plateau where its
weights run away and nothing is learnt, with cliffs between them that no trajectory crosses. Given
the population and the spreads animals are independent, so each is offered new values at once, from

    q(e) = ( sum over k of t(e; df, mean_k, Q_k^-1) / K
             + sum over c of p_c t(e; df, mean_c, Q_c^-1)  +  N(e; 0, 1) ) / 3

whatever its present ones, e its deviations from the population in spreads. A Gaussian factor of the
likelihood with information I and linear term h gives Q = 1 + S I S and mean = Q^-1 S (h - I mu),
given this population mu and these spreads S. The k are the solutions of the pilot fit
(`hebbax.inference.pilot`), the c the kernels of the animal's cloud (`hebbax.inference.clouds`),
with the probabilities p_c that they have given the population; the last part is the prior. Offers
are taken with probability min(1, p(e') q(e) / (p(e) q(e'))), which leaves the posterior as it is,
whatever q.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from numpyro.distributions import Normal

from hebbax.inference.clouds import Mixture
from hebbax.inference.coordinates import (
    Factors,
    around,
    deviations,
    left_alone,
    unwhiten,
    with_deviations,
)
from hebbax.inference.density import constrain, latent_sites, log_likelihood_by_animal, split_groups
from hebbax.inference.places import Place
from hebbax.inference.roots import inverse, root_of
from hebbax.model import Model
from hebbax.priors import value_prior
from hebbax.typing import Array, Key, Parameters

TAIL_DEGREES = 3.0
"""Degrees of freedom of the t distributions."""

PARTS = 3.0
"""Parts of q: the solutions of the pilot fit, the cloud, the prior."""


class Known(NamedTuple):
    """What is known of the likelihoods beforehand: the ``solutions`` of the pilot fit, factors with
    a leading dimension ``start``, and the ``cloud`` of each animal."""

    solutions: Factors
    cloud: Mixture


class Offers(NamedTuple):
    """q but for the prior, given a population: ``means`` (component, animal, member),
    ``precisions`` Q (component, animal, member, member) with log determinants ``log_volumes``, and
    ``log_weights``, both (component, animal)."""

    means: Array
    precisions: Array
    log_volumes: Array
    log_weights: Array


def jump(key: Key, model: Model, known: Known, place: Place) -> Place:
    """Return the place after every animal was offered a jump."""
    (spread, _), location = around(model, place.sites)
    offers = offers_of(known, spread, location)
    offer_key, accept_key = jax.random.split(key)
    present = deviations(model, place.sites)
    offered = offer(offer_key, offers)
    values = split_groups(model, location + spread * offered)
    log_likelihood = log_likelihood_by_animal(model, values)

    def log_rest(e: Array) -> Array:
        return _log_prior(model, place.sites, location + spread * e, e) - log_offered(offers, e)

    log_ratio = log_likelihood + log_rest(offered) - place.log_likelihood - log_rest(present)
    taken = jnp.log(jax.random.uniform(accept_key, log_ratio.shape)) < log_ratio
    return Place(
        with_deviations(model, place.sites, jnp.where(taken[:, None], offered, present)),
        jnp.where(taken, log_likelihood, place.log_likelihood),
    )


def offers_of(known: Known, spread: Array, location: Array) -> Offers:
    """Return q but for the prior, at spreads and population values ``(member,)``."""
    n = known.solutions.linear.shape[0]
    even = jnp.zeros(known.solutions.linear.shape[:2])
    joined = jax.tree.map(
        lambda *both: jnp.concatenate(both), Mixture(known.solutions, even), known.cloud
    )
    offers, _ = kernels_given(joined, spread, location)
    cloud = jax.nn.log_softmax(offers.log_weights[n:], axis=0)
    return offers._replace(log_weights=jnp.concatenate([even - np.log(n), cloud]))


def kernels_given(mixture: Mixture, spread: Array, location: Array) -> tuple[Offers, Array]:
    """Return the parts of a mixture given the population, weighted with their probabilities, and
    their covariances (component, animal, member, member)."""
    information, linear = mixture.factors
    precision = spread[:, None] * information * spread + jnp.eye(spread.size)
    covariance, log_volume = inverse(precision)
    pull = spread * (linear - information @ location)
    mean = jnp.einsum("caij,caj->cai", covariance, pull)
    # The integral of a part over the animals' deviations, given the population.
    level = linear @ location - 0.5 * (information @ location) @ location
    log_integral = level + 0.5 * (pull * mean).sum(-1) - 0.5 * log_volume
    log_weight = jax.nn.log_softmax(mixture.log_weight + log_integral, axis=0)
    return Offers(mean, precision, log_volume, log_weight), covariance


def log_offered(offers: Offers, e: Array) -> Array:
    """Return log q of deviations ``(animal,)`` that `offer` draws, up to one constant."""
    each = jnp.concatenate([offers.log_weights + _log_t(offers, e), _log_normal(e)[None]])
    return jax.nn.logsumexp(each, axis=0)


def offer(key: Key, offers: Offers) -> Array:
    """Return deviations ``(animal, member)`` drawn from q."""
    _, animals, members = offers.means.shape
    component_key, normal_key, tail_key, side_key = jax.random.split(key, 4)
    # Weights of the two mixtures sum to one each, so that each is half of what is no prior.
    component = jax.random.categorical(component_key, offers.log_weights, axis=0)
    own = jnp.arange(animals)
    mean, precision = offers.means[component, own], offers.precisions[component, own]
    normal = jax.random.normal(normal_key, (animals, members))
    degrees = jax.random.chisquare(tail_key, TAIL_DEGREES, (animals, 1)) / TAIL_DEGREES
    tailed = mean + unwhiten(jax.vmap(root_of)(precision), normal / jnp.sqrt(degrees))
    of_prior = jax.random.uniform(side_key, (animals, 1)) < 1.0 / PARTS
    return jnp.where(of_prior, normal, tailed)


def _log_normal(e: Array) -> Array:
    return Normal(0.0, 1.0).log_prob(e).sum(-1)


def _log_prior(model: Model, sites: Parameters, phi: Array, e: Array) -> Array:
    """Return the log prior density ``(animal,)`` of the deviations, or of the values ``phi`` where
    every animal stands on its own, up to a constant."""
    if model.spec.hierarchy == "animals":
        return _log_normal(e)
    stated = constrain(latent_sites(model), {name: sites[name] for name in left_alone(model)})
    values = split_groups(model, phi)
    densities = [value_prior(g, stated).log_prob(values[g.name]) for g in model.groups]
    return sum(d.reshape(d.shape[0], -1).sum(-1) for d in densities)


def _log_t(offers: Offers, e: Array) -> Array:
    """Return the log density of each multivariate t distribution ``(component, animal)``."""
    away, size = e - offers.means, e.shape[-1]
    distance = jnp.einsum("cai,caij,caj->ca", away, offers.precisions, away)
    half = 0.5 * (TAIL_DEGREES + size)
    constant = gammaln(half) - gammaln(0.5 * TAIL_DEGREES)
    constant -= 0.5 * size * jnp.log(TAIL_DEGREES * jnp.pi)
    return constant + 0.5 * offers.log_volumes - half * jnp.log1p(distance / TAIL_DEGREES)
