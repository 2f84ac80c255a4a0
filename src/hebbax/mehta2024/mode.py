r"""The posterior of one rule shared by all trajectories: its mode, and a Gaussian around it.

With ``H`` the curvature ``sum J^T W J + precision`` (J the slope of the log odds of acceptance, W
their information, the prior Normal(0, 1 / precision)), the mode is reached by damped steps
(`hebbax.inference.optimise.newton`). A rule of 81 collinear Taylor terms, or of 61 weights of an
MLP, needs some dozens of them where gradient descent needs thousands. Everything is one compiled
program whose data are arguments.

The Gaussian N(mode, H^-1) is the Laplace approximation in its Gauss-Newton form; its log evidence
is log posterior(mode) + D/2 log 2 pi - 1/2 log det H.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from hebbax.inference.optimise import Local, newton
from hebbax.mehta2024.pooled import Pooled, Recorded, counts, log_likelihood, logits
from hebbax.typing import Array, Key


@dataclass(frozen=True)
class Settings:
    """Settings of the climb: at most ``steps``, until one promises less than ``tolerance`` nats."""

    steps: int = 80
    tolerance: float = 1e-2


class Gaussian(NamedTuple):
    """A Gaussian posterior: ``mean`` and ``precision`` (parameter, parameter), the log posterior
    ``density`` at the mean and the log ``evidence``, both in nats, and ``steps`` taken."""

    mean: Array
    precision: Array
    density: Array
    evidence: Array
    steps: Array


@partial(jax.jit, static_argnames=("pooled", "settings"))
def fit(
    pooled: Pooled,
    data: Recorded,
    precision: Array,
    start: Array,
    settings: Settings = Settings(),
) -> Gaussian:
    """Return the Gaussian around the mode that is reached from ``start`` (parameter,).

    ``precision`` (parameter,) is that of independent Normal priors with mean zero.
    """

    def local(theta: Array) -> Local:
        slope, curved = curvature(pooled, data, precision, theta)
        return Local(-log_posterior(pooled, data, precision, theta), -slope, curved)

    end = newton(local, start, steps=settings.steps, tolerance=settings.tolerance)
    there = local(end.point)
    density, curved = -there.value, there.metric
    half_log_det = jnp.log(jnp.diagonal(jnp.linalg.cholesky(curved))).sum()
    evidence = density + 0.5 * len(start) * jnp.log(2 * jnp.pi) - half_log_det
    return Gaussian(end.point, curved, density, evidence, end.steps)


@partial(jax.jit, static_argnames=("pooled", "settings"))
def modes(
    pooled: Pooled, data: Recorded, precision: Array, starts: Array, settings: Settings
) -> Gaussian:
    """Return the Gaussians at the modes reached from ``starts`` (start, parameter), a leading
    dimension ``start``, the highest posterior first: an MLP rule has many, and poor ones."""
    climbed = jax.lax.map(lambda start: fit(pooled, data, precision, start, settings), starts)
    order = jnp.argsort(-jnp.nan_to_num(climbed.density, nan=-jnp.inf))
    return jax.tree.map(lambda leaf: leaf[order], climbed)


def draws(key: Key, posterior: Gaussian, size: int) -> Array:
    """Return ``(size, parameter)`` draws of the Gaussian."""
    factor = jnp.linalg.cholesky(posterior.precision)
    normal = jax.random.normal(key, (size, len(posterior.mean)))
    return posterior.mean + solve_triangular(factor.T, normal.T, lower=False).T


def log_posterior(pooled: Pooled, data: Recorded, precision: Array, theta: Array) -> Array:
    """Return log P(encounters, theta) in nats."""
    prior = 0.5 * (jnp.log(precision / (2 * jnp.pi)) - precision * theta**2).sum()
    return log_likelihood(pooled, theta, data).sum() + prior


def curvature(
    pooled: Pooled, data: Recorded, precision: Array, theta: Array
) -> tuple[Array, Array]:
    """Return gradient (parameter,) and curvature (parameter, parameter) of the log posterior."""
    logit, push = jax.linearize(lambda theta: logits(pooled, theta, data), theta)
    # One coefficient after the other: side by side their slopes do not fit the cache.
    slopes = jax.lax.map(push, jnp.eye(len(theta))).reshape(len(theta), -1)
    accept = jax.nn.sigmoid(logit)
    met = counts(data)
    surprise = met - data.events[..., :-1] - met * accept
    gradient = slopes @ surprise.ravel()
    information = (slopes * (met * accept * (1.0 - accept)).ravel()) @ slopes.T
    return gradient - precision * theta, information + jnp.diag(precision)
