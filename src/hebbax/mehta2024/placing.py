r"""Where the quadratics lie that stand in place of a log likelihood (`hebbax.mehta2024.quadratic`).

One at places theta_p, with curvatures F_p (Gauss-Newton), slopes g_p and log likelihoods L_p there,
has the mean curvature F and slope g,

    information = F,    linear = mean g_p + F mean theta_p
    level = mean (L_p - linear theta_p + theta_p F theta_p / 2)

At first all are at the mode under the mean prior precision of the posterior, which expectation and
maximisation in turn find, the expectation by draws under the quadratic itself.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from hebbax.mehta2024 import mode as climb
from hebbax.mehta2024 import quadratic as surrogate
from hebbax.mehta2024 import scales as shrink
from hebbax.mehta2024.pooled import Pooled, Recorded
from hebbax.mehta2024.quadratic import Quadratics
from hebbax.mehta2024.scales import Prior, Scales
from hebbax.typing import Array, Key

FLATTER, FLAT_PART = 0.5, 0.1
"""Curvature of the flat quadratic, of the mean of the others, and its part of the coefficients."""


class Draws(NamedTuple):
    """Coefficients ``theta`` (draw, chain, parameter), their ``log_likelihood`` (draw, chain)."""

    theta: Array
    log_likelihood: Array


def at_mode(
    key: Key, pooled: Pooled, data: Recorded, prior: Prior, *, rounds: int, sweeps: int
) -> tuple[Quadratics, Scales]:
    """Return the quadratic at the mode, one component, and scales to begin with: ``rounds`` of a
    climb, from zero, and of ``sweeps`` of the scales."""
    theta = jnp.zeros(len(pooled.rule.parameters))
    scales = Scales(jnp.log(prior.global_scale), theta)
    precision = shrink.precision(prior, scales)
    for round_key in jax.random.split(key, rounds):
        found = climb.fit(pooled, data, precision, theta)
        theta = found.mean
        information = found.precision - jnp.diag(precision)
        # At the mode the slope of the log likelihood is that of the prior, precision * theta.
        linear = found.precision @ theta
        one = Quadratics(jnp.zeros(1), linear[None], information[None])
        scales, precision = _expected(round_key, prior, one, scales, sweeps)
    return one, scales


@partial(jax.jit, static_argnames=("prior", "sweeps"))
def _expected(
    key: Key, prior: Prior, quadratics: Quadratics, scales: Scales, sweeps: int
) -> tuple[Scales, Array]:
    """Return scales and their mean prior precision after ``sweeps`` under quadratics."""

    def sweep(scales: Scales, key: Key) -> tuple[Scales, Array]:
        refresh_key, scale_key = jax.random.split(key)
        theta, scales = surrogate.refresh(refresh_key, prior, quadratics, scales)
        scales = shrink.update(scale_key, prior, theta, scales.log_tau)
        return scales, shrink.precision(prior, scales)

    scales, seen = jax.lax.scan(sweep, scales, jax.random.split(key, sweeps))
    return scales, seen[sweeps // 3 :].mean(axis=0)


@partial(jax.jit, static_argnames="pooled")
def around(pooled: Pooled, data: Recorded, theta: Array, log_likelihood: Array) -> Quadratics:
    """Return one quadratic a component, at ``theta`` (component, place, parameter) with a
    ``log_likelihood`` (component, place)."""
    n = theta.shape[-1]
    slopes, curvatures = jax.lax.map(
        partial(climb.curvature, pooled, data, jnp.zeros(n)), theta.reshape(-1, n)
    )
    information = curvatures.reshape(*theta.shape, n).mean(axis=1)
    slope, centre = slopes.reshape(theta.shape).mean(axis=1), theta.mean(axis=1)
    linear = slope + (information @ centre[..., None])[..., 0]
    still = Quadratics(jnp.zeros(len(theta)), linear, information)
    expected = jax.vmap(jax.vmap(partial(surrogate.values, still)))(theta)
    own = jnp.diagonal(expected, axis1=0, axis2=2).T
    return still._replace(level=(log_likelihood - own).mean(axis=1))


@jax.jit
def nearest(quadratics: Quadratics, theta: Array) -> Array:
    """Return the component, but the last, by which draws (draw, chain, parameter) are likeliest."""
    each = jax.vmap(jax.vmap(partial(surrogate.values, quadratics)))(theta)
    return each[..., :-1].argmax(axis=-1)


def placed(
    pooled: Pooled,
    data: Recorded,
    quadratics: Quadratics,
    late: Draws,
    belongs: np.ndarray,
    places: int,
) -> Quadratics:
    """Return each component but the last at some of the draws that belong to it; one without any
    stays where it is: a solution that no chain is at."""
    n = len(quadratics.level) - 1
    rows = [np.argwhere(belongs == k) for k in range(n)]
    lost = jnp.array([not len(own) for own in rows])
    rows = [own if len(own) else np.argwhere(belongs >= 0) for own in rows]
    picked = np.stack([own[np.linspace(0, len(own) - 1, places).astype(int)] for own in rows])
    at = picked[..., 0], picked[..., 1]
    new = around(pooled, data, late.theta[at], late.log_likelihood[at])

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(lost.reshape(-1, *(1,) * (new.ndim - 1)), old[:-1], new)

    return jax.tree.map(choose, new, quadratics)


@partial(jax.jit, static_argnames="prior")
def with_flat(prior: Prior, quadratics: Quadratics, theta: Array, scales: Scales) -> Quadratics:
    """Return the quadratics and a last one of `FLATTER` mean curvature around the mean of draws
    (..., parameter), with a part `FLAT_PART` of the coefficients given the scales of a chain."""
    flat = FLATTER * quadratics.information.mean(axis=0)
    centre = theta.reshape(-1, theta.shape[-1]).mean(axis=0)
    own = Quadratics(jnp.zeros(1), (flat @ centre)[None], flat[None])
    one = jax.tree.map(lambda leaf: leaf[0], scales)
    others = surrogate.given(prior, quadratics, one).log_weight
    alone = surrogate.given(prior, own, one).log_weight
    own = own._replace(level=np.log(FLAT_PART) + logsumexp(others) - alone)
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), quadratics, own)
