r"""Animals' Gaussian factors made as wide as their likelihoods are, by importance sampling.

The pilot fit averages the information of the choices. Where an animal's weights can run away its
likelihood is an edge with a plateau behind it, and the average is that of the edge: the factor may
be twenty times too narrow for the plateau, trajectories twenty times too long, and a jump never
leaves the edge. Here draws e of every animal, given population and spreads, from

    q(e) = (t(e; df, mean, Q^-1) + N(e; 0, 1)) / 2,    weights p(e | choices) / q(e)

give its mean m and covariance C. Where a standard deviation is too narrow by a factor 1 / d_j, the
information I becomes D I D and the linear term one that has the mean m; factors that fit are left.
"""

from functools import partial

import jax
import jax.numpy as jnp

from hebbax.inference.coordinates import Conditional, Factors, conditional
from hebbax.inference.density import log_likelihood_by_animal, split_groups
from hebbax.inference.jumps import log_offered, offer
from hebbax.inference.mixed import inverse
from hebbax.inference.pilot import Pilot, Settings, settle
from hebbax.model import Model
from hebbax.typing import Array, Key, Parameters

ROUNDS = 5
"""Rounds: each widens a factor by no more than `WIDEST`."""

DRAWS = 128
"""Draws of each animal in a round."""

WIDEST = 5.0
"""Factor by which a standard deviation may grow in a round."""

FITS = 0.8
"""A factor that is no narrower than this part of the weighted draws is left as it is."""

PRIOR_DRAWS = 10.0
"""Effective draws that the present mean and covariance count for beside the weighted ones."""


def widened(key: Key, model: Model, solution: Pilot, settings: Settings) -> Pilot:
    """Return a solution of the pilot fit with factors that are wider where an animal's weighted
    draws are, and scales that fit them."""

    def one_round(state: tuple[Factors, Parameters], key: Key) -> tuple[tuple, None]:
        factors, hyper = state
        given = conditional(model, factors, hyper, None)
        means, covariances = _moments(key, model, given)
        fixed = jax.vmap(partial(_widened, given.spread, given.location))
        factors = fixed(factors, given.roots, means, covariances)
        return (factors, settle(model, factors, hyper, settings)), None

    start, keys = (solution.factors, solution.hyper), jax.random.split(key, ROUNDS)
    factors, hyper = jax.lax.scan(one_round, start, keys)[0]
    return solution._replace(factors=factors, hyper=hyper)


def _moments(key: Key, model: Model, given: Conditional) -> tuple[Array, Array]:
    """Return the mean (animal, member) and covariance (animal, member, member) of each animal's
    deviations, by weighted draws, drawn to the present ones where few draws count."""
    places = given.means[None], given.roots[None]

    def draw(key: Key) -> tuple[Array, Array]:
        e = offer(key, *places)
        values = split_groups(model, given.location + given.spread * e)
        prior = -0.5 * (e**2).sum(-1)
        return e, log_likelihood_by_animal(model, values) + prior - log_offered(places, e)

    e, log_weight = jax.lax.map(draw, jax.random.split(key, DRAWS))
    weight = jax.nn.softmax(log_weight, axis=0)
    effective = 1.0 / (weight**2).sum(0)
    share = (effective / (effective + PRIOR_DRAWS))[:, None]
    found = jnp.einsum("sa,sai->ai", weight, e)
    away = e - found
    covariance = jnp.einsum("sa,sai,saj->aij", weight, away, away)
    present = inverse(jnp.einsum("aij,akj->aik", given.roots, given.roots))[0]
    mean = given.means + share * (found - given.means)
    shift = found - given.means
    between = (share * (1.0 - share))[..., None] * shift[:, :, None] * shift[:, None, :]
    share = share[..., None]
    return mean, (1.0 - share) * present + share * covariance + between


def _widened(
    spread: Array,
    location: Array,
    factor: Factors,
    root: Array,
    mean: Array,
    covariance: Array,
) -> Factors:
    """Return one animal's factor, with a mean ``mean`` and about the covariance of its
    deviations where the present one is too narrow."""
    present = jnp.diagonal(inverse(root @ root.T)[0])
    narrow = jnp.sqrt(present / jnp.diagonal(covariance))
    scale = jnp.clip(narrow, 1.0 / WIDEST, 1.0)
    information = scale[:, None] * factor.information * scale
    pull = mean + spread * (information @ (spread * mean))
    linear = pull / spread + information @ location
    changed = (narrow < FITS).any()
    return Factors(
        jnp.where(changed, information, factor.information),
        jnp.where(changed, linear, factor.linear),
    )
