r"""The posterior under a mixture of quadratic log likelihoods and a prior that shrinks.

In place of the log likelihood stands

    q(theta)   = log sum_k exp(q_k(theta))
    q_k(theta) = level_k + linear_k theta - theta information_k theta / 2

Given the scales the prior is Normal(0, 1 / P) (`hebbax.mehta2024.scales`); with H_k = information_k
+ P the coefficients are a mixture of Normal(H_k^-1 linear_k, H_k^-1) with weights proportional to

    log m_k(scales) = level_k + linear_k H_k^-1 linear_k / 2 - log det H_k / 2

so that the scales alone have the density sum_k m_k prod_j (tau^2 l_j)^(-1/2) p(tau) p(l). tau is
moved with the coefficients summed out, which are then drawn anew (van Dyk & Park 2008): given the
coefficients it could change by a tenth only, as 54 of them at once would have to fit it. Of terms
that stand in for each other one is large; which of them changes as two exchange their l.
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


SWAPS = 2
"""Exchanges of two local variances before and after that walk."""

ALIKE = 16.0
"""Power of the correlation of two terms in the information by which they are picked for it."""


class Quadratics(NamedTuple):
    """Quadratic log likelihoods in nats: ``level`` (component,), ``linear`` (component, parameter)
    and ``information`` (component, parameter, parameter)."""

    level: Array
    linear: Array
    information: Array


class Normals(NamedTuple):
    """Coefficients given the scales: the ``log_weight`` (component,) of each normal, but for a
    constant, the lower Cholesky ``root`` of its precision (component, parameter, parameter), and
    root^T times its mean, ``half`` (component, parameter)."""

    log_weight: Array
    half: Array
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
        return Normals(log_weight, half, root)

    return jax.vmap(one)(*quadratics)


def unwhitened(root: Array, z: Array) -> Array:
    """Return root^-T z: of ``half`` the mean, of standard normal numbers a deviation from it."""
    return solve_triangular(root.T, z, lower=False)


def draw(key: Key, normals: Normals) -> Array:
    """Return coefficients ``(parameter,)`` drawn given the scales."""
    pick_key, z_key = jax.random.split(key)
    k = jax.random.categorical(pick_key, normals.log_weight)
    z = jax.random.normal(z_key, normals.half.shape[1:])
    return unwhitened(normals.root[k], normals.half[k] + z)


def refresh(key: Key, prior: Prior, quadratics: Quadratics, scales: Scales) -> tuple[Array, Scales]:
    """Return coefficients and scales after Metropolis steps of the scales with the coefficients
    summed out, and a draw of these: `SWAPS` of two local variances, a random walk of tau between,
    and as many again."""
    pairs = log_alike(quadratics)
    swap_key, walk_key, again_key, draw_key = jax.random.split(key, 4)

    def swap(state: tuple[Scales, Normals], key: Key) -> tuple[tuple[Scales, Normals], None]:
        pick_key, test_key = jax.random.split(key)
        i, j = jnp.divmod(jax.random.categorical(pick_key, pairs.ravel()), len(pairs))
        local = state[0].log_local
        swapped = local.at[i].set(local[j]).at[j].set(local[i])
        return _tested(
            test_key, prior, quadratics, state, state[0]._replace(log_local=swapped)
        ), None

    def walk(state: tuple[Scales, Normals]) -> tuple[Scales, Normals]:
        move_key, test_key = jax.random.split(walk_key)
        log_tau = shrink.walked(move_key, state[0].log_tau, WALK)
        return _tested(test_key, prior, quadratics, state, state[0]._replace(log_tau=log_tau))

    state = scales, given(prior, quadratics, scales)
    state, _ = jax.lax.scan(swap, state, jax.random.split(swap_key, SWAPS))
    state, _ = jax.lax.scan(swap, walk(state), jax.random.split(again_key, SWAPS))
    return draw(draw_key, state[1]), state[0]


def log_alike(quadratics: Quadratics) -> Array:
    """Return the log weight by which two coefficients are picked ``(parameter, parameter)``: the
    more, the more alike what they do to the recordings is."""
    mean = quadratics.information.mean(axis=0)
    size = jnp.sqrt(jnp.diagonal(mean)) + 1e-12
    alike = jnp.abs(mean / size[:, None] / size)
    return ALIKE * jnp.log(alike + 1e-6) - 1e9 * jnp.eye(len(size))


def _tested(
    key: Key,
    prior: Prior,
    quadratics: Quadratics,
    state: tuple[Scales, Normals],
    new: Scales,
) -> tuple[Scales, Normals]:
    """Return where the scales are after a Metropolis test of new ones, coefficients summed out."""

    def log_density(scales: Scales, normals: Normals) -> Array:
        of_tau = shrink.log_prior_of_tau(prior, scales.log_tau)
        return logsumexp(normals.log_weight) - normals.half.shape[1] * scales.log_tau + of_tau

    there = new, given(prior, quadratics, new)
    taken = jnp.log(jax.random.uniform(key)) < log_density(*there) - log_density(*state)
    return jax.tree.map(lambda new, old: jnp.where(taken, new, old), there, state)


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
