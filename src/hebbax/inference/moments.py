r"""Animals' Gaussian factors made as wide as their likelihoods are, by the kernels of their clouds.

The pilot fit averages the information of the choices. Where an animal's weights can run away its
likelihood is an edge with a plateau behind it, and the average is that of the edge: the factor may
be twenty times too narrow for the plateau, and trajectories twenty times too long. Given population
and spreads, the kernels of a cloud (`hebbax.inference.clouds`) have the probabilities p_c, means
m_c and precisions Q_c of `hebbax.inference.jumps`; so that the animal's deviations e have about

    mean m = sum_c p_c m_c,    covariance C = sum_c p_c (Q_c^-1 + (m_c - m) (m_c - m)^T).

Where a standard deviation is too narrow by a factor 1 / d_j, the information I becomes D I D and
the linear term one that has the mean m; factors that fit are left.
"""

from functools import partial

import jax
import jax.numpy as jnp

from hebbax.inference.clouds import Mixture
from hebbax.inference.coordinates import Factors, conditional
from hebbax.inference.jumps import kernels_given
from hebbax.inference.pilot import Pilot, Settings, settle
from hebbax.model import Model
from hebbax.typing import Array, Parameters

ROUNDS = 5
"""Rounds: each widens a factor by no more than `WIDEST`, and settles the scales again."""

WIDEST = 5.0
"""Factor by which a standard deviation may grow in a round."""

FITS = 0.8
"""A factor that is no narrower than this part of the cloud is left as it is."""


def widened(model: Model, cloud: Mixture, solution: Pilot, settings: Settings) -> Pilot:
    """Return a solution of the pilot fit with factors that are wider where an animal's cloud is,
    and scales that fit them."""

    def one_round(state: tuple[Factors, Parameters], _: None) -> tuple[tuple, None]:
        factors, hyper = state
        given = conditional(model, factors, hyper, None)
        means, covariances = moments_of(cloud, given.spread, given.location)
        fixed = jax.vmap(partial(_widened, given.spread, given.location))
        factors = fixed(factors, given.roots.inverse, means, covariances)
        return (factors, settle(model, factors, hyper, settings)), None

    start = (solution.factors, solution.hyper)
    factors, hyper = jax.lax.scan(one_round, start, None, ROUNDS)[0]
    return solution._replace(factors=factors, hyper=hyper)


def moments_of(cloud: Mixture, spread: Array, location: Array) -> tuple[Array, Array]:
    """Return the mean (animal, member) and covariance (animal, member, member) of each animal's
    deviations."""
    offers, covariances = kernels_given(cloud, spread, location)
    weight = jnp.exp(offers.log_weights)
    mean = jnp.einsum("ca,cai->ai", weight, offers.means)
    away = offers.means - mean
    between = jnp.einsum("ca,cai,caj->aij", weight, away, away)
    return mean, between + jnp.einsum("ca,caij->aij", weight, covariances)


def _widened(
    spread: Array,
    location: Array,
    factor: Factors,
    inverse_root: Array,
    mean: Array,
    covariance: Array,
) -> Factors:
    """Return one animal's factor, with a mean ``mean`` and about the covariance of its
    deviations where the present one is too narrow."""
    present = (inverse_root**2).sum(0)
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
