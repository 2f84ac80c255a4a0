r"""The linear mixed model: animals around a population, where each likelihood is a quadratic.

With prior scales d and spreads s that are zero where a member is out of a sub-model,

    mu = d m,  m ~ Normal(0, 1);  s ~ HalfNormal(d / 2);  phi_a = mu + s e_a,  e_a ~ Normal(0, 1).

Each animal's log likelihood is expanded to second order, h_a phi - phi I_a phi / 2 up to a
constant, with its Fisher information I_a as the curvature. Given s all else is then Gaussian,
written so that neither d nor s is divided by:

    e_a | mu, s ~ Normal(Q_a^-1 S (h_a - I_a mu), Q_a^-1),      Q_a = 1 + S I_a S,
    m | s ~ Normal(L^-1 b, L^-1),
    L = 1 + D sum_a (I_a - I_a S Q_a^-1 S I_a) D,    b = D sum_a (h_a - I_a S Q_a^-1 S h_a),
    log p(y | s) = sum_a (c_a + h_a S Q_a^-1 S h_a / 2 - log |Q_a| / 2)
                   + b L^-1 b / 2 - log |L| / 2.

The log spreads are integrated by Laplace too, at their mode, with slope and Hessian from the
moments of the e_a (Louis 1982): both are exact for the Gaussian model.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.density import Expansion
from hebbax.inference.roots import Root, inverse, root_of
from hebbax.model.priors import SPREAD_FRACTION
from hebbax.typing import Array

FLAT = 0.3
"""Curvature a log spread is given where the density is not peaked; its prior alone has 2."""


class Problem(NamedTuple):
    """One sub-model: which members are ``included`` (member,), all prior ``scales`` (member,), and
    the prior standard deviations of the ``population`` values (member,) where these are others."""

    included: Array
    scales: Array
    population: Array | None = None

    @property
    def width(self) -> Array:
        """Prior standard deviation of the population values: zero where a member is out."""
        scales = self.scales if self.population is None else self.population
        return jnp.where(self.included, scales, 0.0)


class Conditional(NamedTuple):
    """The model given the spreads: what each animal says of the population values, a ``precision``
    (animal, member, member) and a ``pull`` (animal, member), its own deviation integrated out; the
    roots of ``own`` Q_a and of the ``whole`` L; the mean ``population`` (member,); and the log
    ``density`` () of all choices, up to the sum of the c_a."""

    precision: Array
    pull: Array
    own: Root
    whole: Root
    population: Array
    density: Array


def conditional(spread: Array, width: Array, information: Array, linear: Array) -> Conditional:
    """Return the model given spreads, ``(member,)`` or of each animal ``(animal, member)``, and
    prior standard deviations of the population ``(member,)``, for likelihoods of ``information``
    I_a (animal, member, member) and ``linear`` h_a (animal, member). A width of zero holds a
    population value at zero."""
    eye, down = jnp.eye(spread.shape[-1]), spread[..., :, None]
    own = jax.vmap(root_of)(eye + down * information * spread[..., None, :])
    across = own.inverse @ (down * information)
    pulled = jnp.einsum("aij,aj->ai", own.inverse, spread * linear)
    precision = information - jnp.einsum("aji,ajk->aik", across, across)
    pull = linear - jnp.einsum("aji,aj->ai", across, pulled)
    whole = root_of(eye + width[:, None] * precision.sum(0) * width)
    shared = whole.inverse @ (width * pull.sum(0))
    density = 0.5 * (pulled**2).sum() - own.half_log_determinant.sum()
    density += 0.5 * shared @ shared - whole.half_log_determinant
    return Conditional(precision, pull, own, whole, width * (whole.inverse.T @ shared), density)


def deviations(
    own: Root, spread: Array, information: Array, linear: Array, location: Array
) -> Array:
    """Return the means of the animals' e ``(animal, member)`` given population values ``location``
    (member,) and the roots of their Q_a."""
    pulled = jnp.einsum("aij,aj->ai", own.inverse, spread * (linear - information @ location))
    return uncorrelated(own, pulled)


def uncorrelated(own: Root, normal: Array) -> Array:
    """Return W_a^T times ``normal`` (animal, member), W_a = ``own.inverse``: standard normal values
    become deviations of covariance Q_a^-1."""
    return jnp.einsum("aji,aj->ai", own.inverse, normal)


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


def linear_term(there: Expansion, phi: Array) -> Array:
    """Return h_a ``(animal, member)`` of likelihoods expanded at ``phi`` (animal, member)."""
    return there.slope + jnp.einsum("aij,aj->ai", there.information, phi)


def gaussian(problem: Problem, phi: Array, there: Expansion, log_spread: Array) -> Gaussian:
    """Return the Gaussian model whose likelihoods are expanded at ``phi`` (animal, member)."""
    spread, width = jnp.where(problem.included, jnp.exp(log_spread), 0.0), problem.width
    information, linear = there.information, linear_term(there, phi)
    given = conditional(spread, width, information, linear)
    e = deviations(given.own, spread, information, linear, given.population)
    own = jnp.swapaxes(given.own.inverse, -1, -2) @ given.own.inverse
    whole = given.whole.inverse.T @ given.whole.inverse
    by_population = own @ (spread[:, None] * information * width)

    at_zero = there.value - (linear * phi).sum(-1)
    at_zero += 0.5 * jnp.einsum("ai,aij,aj->a", phi, information, phi)
    prior, slope, hessian = _spread_terms(problem, log_spread, e, own, by_population, whole)
    step, covariance, spread_volume = _peak(problem.included, slope, hessian)
    return Gaussian(
        at_zero.sum() + given.density + prior,
        given.population,
        width[:, None] * whole * width,
        given.population + spread * e,
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
