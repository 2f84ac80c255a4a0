r"""The posterior under a mixture of quadratic log likelihoods and a prior that shrinks.

In place of the log likelihood stands

    q(theta)   = log sum_k exp(q_k(theta))
    q_k(theta) = level_k + linear_k theta - theta information_k theta / 2

Given the scales the prior is Normal(0, 1 / P) (`hebbax.mehta2024.scales`); with H_k = information_k
+ P the coefficients are a mixture of Normal(H_k^-1 linear_k, H_k^-1) with weights proportional to

    log m_k(scales) = level_k + linear_k H_k^-1 linear_k / 2 - log det H_k / 2

so that the scales alone have the density sum_k m_k prod_j (tau^2 l_j)^(-1/2) p(tau) p(l). tau is
moved with the coefficients summed out, which are then drawn anew (van Dyk & Park 2008): given the
coefficients it could change by a tenth only, as 54 of them at once would have to fit it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp

from hebbax.mehta2024 import scales as shrink
from hebbax.mehta2024.scales import Prior, Scales
from hebbax.typing import Array, Key

WALK = (0.1, 2.0)
"""Least and greatest step of a random walk of log tau with the coefficients summed out."""


class Quadratics(NamedTuple):
    """Quadratic log likelihoods in nats: ``level`` (component,), ``linear`` (component, parameter)
    and ``information`` (component, parameter, parameter)."""

    level: Array
    linear: Array
    information: Array


class Normals(NamedTuple):
    """Coefficients given the scales: the ``log_weight`` (component,) of each normal, but for a
    constant, its ``mean`` (component, parameter), and the lower Cholesky ``root`` of its
    precision."""

    log_weight: Array
    mean: Array
    root: Array


def values(quadratics: Quadratics, theta: Array) -> Array:
    """Return each quadratic log likelihood of ``theta`` (parameter,) in nats ``(component,)``."""
    curved = (quadratics.information @ theta) @ theta
    return quadratics.level + quadratics.linear @ theta - 0.5 * curved


def given(prior: Prior, quadratics: Quadratics, scales: Scales) -> Normals:
    """Return the mixture of normals of the coefficients given the scales."""
    precision = jnp.diag(shrink.precision(prior, scales))

    def one(level: Array, linear: Array, information: Array) -> Normals:
        root = jnp.linalg.cholesky(information + precision)
        half = solve_triangular(root, linear, lower=True)
        log_weight = level + 0.5 * half @ half - jnp.log(jnp.diagonal(root)).sum()
        return Normals(log_weight, solve_triangular(root.T, half, lower=False), root)

    return jax.vmap(one)(*quadratics)


def spread(root: Array, z: Array) -> Array:
    """Return deviations from a mean ``(parameter,)`` of standard normal numbers ``z``."""
    return solve_triangular(root.T, z, lower=False)


def draw(key: Key, normals: Normals) -> Array:
    """Return coefficients ``(parameter,)`` drawn given the scales."""
    pick_key, z_key = jax.random.split(key)
    k = jax.random.categorical(pick_key, normals.log_weight)
    return normals.mean[k] + spread(
        normals.root[k], jax.random.normal(z_key, normals.mean[k].shape)
    )


def refresh(
    key: Key, prior: Prior, quadratics: Quadratics, scales: Scales, *, steps: int = 1
) -> tuple[Array, Scales]:
    """Return coefficients and scales after ``steps`` of random-walk Metropolis of tau with the
    coefficients summed out, and a draw of these."""

    def log_density(log_tau: Array) -> Array:
        normals = given(prior, quadratics, scales._replace(log_tau=log_tau))
        of_scales = -normals.mean.shape[1] * log_tau + shrink.log_prior_of_tau(prior, log_tau)
        return logsumexp(normals.log_weight) + of_scales

    walk_key, draw_key = jax.random.split(key)
    log_tau = shrink.walk(walk_key, log_density, scales.log_tau, steps=steps, sizes=WALK)
    scales = scales._replace(log_tau=log_tau)
    return draw(draw_key, given(prior, quadratics, scales)), scales


def proposal(
    key: Key, prior: Prior, quadratics: Quadratics, scales: Scales, *, sweeps: int
) -> tuple[Array, Scales]:
    """Return coefficients and scales after a chain on this posterior, reversible with respect to
    it: `refresh`, then ``sweeps`` of an update of the scales given the coefficients and `refresh`.
    """

    def sweep(state: tuple[Array, Scales], key: Key) -> tuple[tuple[Array, Scales], None]:
        scale_key, refresh_key = jax.random.split(key)
        theta, scales = state
        scales = shrink.update(scale_key, prior, theta, scales.log_tau)
        return refresh(refresh_key, prior, quadratics, scales), None

    first, *others = jax.random.split(key, 1 + sweeps)
    start = refresh(first, prior, quadratics, scales)
    return jax.lax.scan(sweep, start, jnp.stack(others))[0]
