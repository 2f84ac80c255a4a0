r"""Priors that shrink, and their scales: normal, Laplace, Student, horseshoe.

All are mixtures of normals over a global scale tau and local variances l_j,

    theta_j ~ Normal(0, tau^2 l_j) * Normal(0, slab^2),    tau ~ HalfCauchy(global_scale)
    normal: l = 1                                laplace: l ~ Exponential(1/2)
    student: l ~ InverseGamma(3/2, 3/2)          horseshoe: sqrt(l) ~ HalfCauchy(1)

(the slab as a second factor: Nishimura & Suchard 2022). Given theta, the scales have conditionals
in closed form (Park & Casella 2008; Makalic & Schmidt 2016).

They differ in how they pull at a coefficient of which the data are sure to a standard deviation sd:
Laplace by sd^2 / tau, however large it is; Student (3 degrees of freedom) by 4 sd^2 / |theta|,
which is little for a large one; the horseshoe by as little, but with a peak at zero that is
infinite, so that of two terms that stand in for each other a chain keeps one.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.typing import Array, Key

Family = Literal["normal", "laplace", "student", "horseshoe"]

DEGREES = 3.0
"""Degrees of freedom of Student: the fewest with a variance."""


@dataclass(frozen=True)
class Prior:
    """Which of them, with ``global_scale`` of tau and ``slab`` in units of a coefficient."""

    family: Family = "student"
    global_scale: float = 0.05
    slab: float = 1.0


class Scales(NamedTuple):
    """Global variance tau^2 with its auxiliary, local variances (parameter,) with theirs."""

    tau2: Array
    tau_aux: Array
    local: Array
    local_aux: Array


def first(prior: Prior, size: int) -> Scales:
    """Return scales to begin with, of ``size`` parameters."""
    local = jnp.ones(size)
    return Scales(jnp.array(prior.global_scale**2), jnp.ones(()), local, local)


def precision(prior: Prior, scales: Scales) -> Array:
    """Return the prior precision of each coefficient given the scales ``(parameter,)``."""
    return 1.0 / (scales.tau2 * scales.local) + prior.slab**-2


def update(key: Key, prior: Prior, theta: Array, scales: Scales) -> Scales:
    """Return the scales drawn from their conditionals given theta ``(parameter,)``."""
    local_key, aux_key, tau_key, tau_aux_key = jax.random.split(key, 4)
    squares = jnp.maximum(theta**2, 1e-24)
    local, local_aux = scales.local, scales.local_aux
    if prior.family == "laplace":
        inverse = jax.random.wald(local_key, jnp.sqrt(scales.tau2 / squares))
        local = 1.0 / jnp.maximum(inverse, 1e-12)
    if prior.family == "student":
        rate = 0.5 * (DEGREES + squares / scales.tau2)
        local = _inverse_gamma(local_key, np.full(theta.shape, 0.5 * (DEGREES + 1.0)), rate)
    if prior.family == "horseshoe":
        rate = 1.0 / local_aux + 0.5 * squares / scales.tau2
        local = _inverse_gamma(local_key, np.ones(theta.shape), rate)
        local_aux = _inverse_gamma(aux_key, np.ones(theta.shape), 1.0 + 1.0 / local)
    rate = 1.0 / scales.tau_aux + 0.5 * (squares / local).sum()
    tau2 = _inverse_gamma(tau_key, 0.5 * (len(theta) + 1), rate)
    tau_aux = _inverse_gamma(tau_aux_key, 1.0, prior.global_scale**-2 + 1.0 / tau2)
    return Scales(tau2, tau_aux, local, local_aux)


def _inverse_gamma(key: Key, shape: np.ndarray | float, rate: Array) -> Array:
    return rate / jax.random.gamma(key, shape)
