r"""Animals around a population as one Gaussian model, where each likelihood is a quadratic.

With prior scales d and spreads s that are zero where a member is out of a sub-model,

    mu = d m,  m ~ Normal(0, 1);  s ~ HalfNormal(d / 2);  phi_a = mu + s e_a,  e_a ~ Normal(0, 1).

Each animal's log likelihood is expanded to second order at its values, with its Fisher information
as the curvature. Given s all else is then Gaussian and integrated in closed form (the linear mixed
model of `hebbax.inference.coordinates`, here without dividing by d or s):

    log p(y | s) = sum_a (c_a + h_a S Q_a^-1 S h_a / 2 - log |Q_a| / 2)
                   + b L^-1 b / 2 - log |L| / 2,      Q_a = 1 + S I_a S,
    L = 1 + D sum_a (I_a - I_a S Q_a^-1 S I_a) D,    b = D sum_a (h_a - I_a S Q_a^-1 S h_a).

The log spreads are integrated by Laplace too, at their mode, with slope and Hessian from the
moments of the e_a (Louis 1982): both are exact for the Gaussian model.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from hebbax.inference.density import Expansion
from hebbax.inference.roots import inverse
from hebbax.model.priors import SPREAD_FRACTION
from hebbax.typing import Array

FLAT = 0.3
"""Curvature a log spread is given where the density is not peaked; its prior alone has 2."""


class Problem(NamedTuple):
    """One sub-model: which members are ``included`` (member,), and all prior ``scales``
    (member,)."""

    included: Array
    scales: Array

    @property
    def width(self) -> Array:
        """Prior standard deviation of the population values: zero where a member is out."""
        return jnp.where(self.included, self.scales, 0.0)


class Gaussian(NamedTuple):
    """The Gaussian model at given log spreads.

    ``log_density`` of data and log spreads in nats; mean ``population`` (member,) with its
    ``covariance`` (member, member); the ``animals``' values (animal, member) at it; the ``newton``
    step of the log spreads (member,), their ``spread_covariance`` (member, member) and the log
    ``spread_volume`` of the Gaussian they make.
    """

    log_density: Array
    population: Array
    covariance: Array
    animals: Array
    newton: Array
    spread_covariance: Array
    spread_volume: Array


def gaussian(problem: Problem, phi: Array, there: Expansion, log_spread: Array) -> Gaussian:
    """Return the Gaussian model whose likelihoods are expanded at ``phi`` (animal, member)."""
    spread = jnp.where(problem.included, jnp.exp(log_spread), 0.0)
    width = problem.width
    information = there.information
    linear = there.slope + jnp.einsum("aij,aj->ai", information, phi)
    eye = jnp.eye(spread.shape[0])
    own, own_volume = inverse(eye + spread[:, None] * information * spread)
    across = spread[:, None] * information  # S I
    shared = information - jnp.einsum("aji,ajk,akl->ail", across, own, across)
    pulled = linear - jnp.einsum("aji,ajk,ak->ai", across, own, spread * linear)
    whole, volume = inverse(eye + width[:, None] * shared.sum(0) * width)
    pull = width * pulled.sum(0)
    population = width * (whole @ pull)
    rest = spread * (linear - information @ population)
    e = jnp.einsum("aij,aj->ai", own, rest)

    at_zero = there.value - (linear * phi).sum(-1)
    at_zero += 0.5 * jnp.einsum("ai,aij,aj->a", phi, information, phi)
    animals = 0.5 * jnp.einsum("ai,aij,aj->a", spread * linear, own, spread * linear)
    log_density = (at_zero + animals - 0.5 * own_volume).sum()
    log_density += 0.5 * pull @ whole @ pull - 0.5 * volume
    by_population = jnp.einsum("aij,ajk,k->aik", own, across, width)
    prior, slope, hessian = _spread_terms(problem, log_spread, e, own, by_population, whole)
    step, covariance, spread_volume = _peak(problem.included, slope, hessian)
    return Gaussian(
        log_density + prior,
        population,
        width[:, None] * whole * width,
        population + spread * e,
        step,
        covariance,
        spread_volume,
    )


def _spread_terms(
    problem: Problem, log_spread: Array, e: Array, own: Array, by_population: Array, whole: Array
) -> tuple[Array, Array, Array]:
    """Return the log prior of the log spreads, and slope and minus the Hessian of the density of
    data and log spreads.

    With E and Cov over the Gaussian posterior of the e, the slope of the log likelihood is
    sum_a E[e_aj^2] - 1, and its Hessian
    Cov(sum_a e_aj^2, sum_b e_bk^2) - 2 [j = k] sum_a E[e_aj^2].

    Args:
        problem: masks and scales.
        log_spread: (member,).
        e: means of the animals' e (animal, member).
        own: their covariances given the population (animal, member, member).
        by_population: minus their slopes in m (animal, member, member).
        whole: covariance of m (member, member).
    """
    between = jnp.einsum("aij,jk,blk->abil", by_population, whole, by_population)
    diagonal = jnp.arange(e.shape[0])
    covariance = between.at[diagonal, diagonal].add(own)
    second = (e**2 + jnp.diagonal(covariance[diagonal, diagonal], axis1=-2, axis2=-1)).sum(0)
    quadratics = jnp.einsum("abij->ij", 2.0 * covariance**2) + 4.0 * jnp.einsum(
        "ai,abij,bj->ij", e, covariance, e
    )
    # HalfNormal of the spread, and the Jacobian of its logarithm.
    relative = jnp.exp(log_spread) / (SPREAD_FRACTION * problem.scales)
    prior = 0.5 * np.log(2.0 / np.pi) - 0.5 * relative**2 + jnp.log(relative)
    slope = second - e.shape[0] + 1.0 - relative**2
    hessian = jnp.diag(2.0 * second + 2.0 * relative**2) - quadratics
    return jnp.where(problem.included, prior, 0.0).sum(), slope, hessian


def _peak(included: Array, slope: Array, hessian: Array) -> tuple[Array, Array, Array]:
    """Return the Newton step to a peak, its covariance, and the log volume under it.

    Where minus the Hessian is not positive definite, as much is added to its diagonal as makes
    every row dominant, so that the step leads up.
    """
    both = included[:, None] & included
    hessian = jnp.where(both, hessian, jnp.eye(slope.shape[0]))
    diagonal = jnp.diagonal(hessian)
    others = jnp.abs(hessian).sum(-1) - jnp.abs(diagonal)
    lifted = hessian + jnp.diag(jnp.maximum(0.0, others - diagonal + FLAT))
    (plain, plain_volume), (safe, safe_volume) = inverse(hessian), inverse(lifted)
    peaked = jnp.isfinite(plain_volume)
    covariance = jnp.where(peaked, plain, safe)
    volume = jnp.where(peaked, plain_volume, safe_volume)
    step = covariance @ jnp.where(included, slope, 0.0)
    return step, covariance, 0.5 * included.sum() * np.log(2.0 * np.pi) - 0.5 * volume
