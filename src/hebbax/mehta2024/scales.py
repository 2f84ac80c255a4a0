r"""Priors that shrink, as mixtures of normals over a grid: normal, Laplace, Student, horseshoe.

With a global scale tau and local variances l_j of the coefficients,

    theta_j ~ Normal(0, tau^2 l_j) * Normal(0, slab^2),    tau ~ HalfCauchy(global_scale)
    normal: l = 1                                laplace: l ~ Exponential(1/2)
    student: l ~ InverseGamma(3/2, 3/2)          horseshoe: sqrt(l) ~ HalfCauchy(1)

(the slab as a second factor: Nishimura & Suchard 2022). The local variance is one of `CELLS` on a
logarithmic grid, where the trapezoid rule is exact to rounding for such densities, so that it is
summed out of the conditional of tau and drawn exactly from its own.

They differ in how they pull at a coefficient of which the data are sure to a standard deviation sd:
Laplace by sd^2 / tau, however large it is; Student (3 degrees of freedom) by 4 sd^2 / |theta|,
which is little for a large one; the horseshoe by as little, but with a peak at zero that is
infinite, so that of two terms that stand in for each other a draw keeps one.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from hebbax.typing import Array, Key

Family = Literal["normal", "laplace", "student", "horseshoe"]

DEGREES = 3.0
"""Degrees of freedom of Student: the fewest with a variance."""

CELLS = 64
"""Local variances of the grid."""

RANGES: dict[Family, tuple[float, float]] = {
    "laplace": (-14.0, 5.0),
    "student": (-3.0, 14.0),
    "horseshoe": (-18.0, 18.0),
}
"""Range of the log local variance; less than 1e-3 of the prior, in its tails, lies beyond it."""

WALK = (0.05, 1.0)
"""Least and greatest step of a random walk of log tau given the coefficients."""

STEPS = 2
"""Steps of that walk in one update."""


@dataclass(frozen=True)
class Prior:
    """Which of them, with ``global_scale`` of tau and ``slab`` in units of a coefficient."""

    family: Family = "student"
    global_scale: float = 0.05
    slab: float = 1.0


class Scales(NamedTuple):
    """The log of the global scale tau, and log local variances (parameter,)."""

    log_tau: Array
    log_local: Array


def grid(prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Return log local variances and the log of their prior probabilities, each ``(cell,)``."""
    if prior.family == "normal":
        return np.zeros(1), np.zeros(1)
    low, high = RANGES[prior.family]
    log_local = low + (high - low) * (np.arange(CELLS) + 0.5) / CELLS
    local = np.exp(log_local)
    log_density = {
        "laplace": -0.5 * local,
        "student": -(0.5 * DEGREES + 1.0) * log_local - 0.5 * DEGREES / local,
        "horseshoe": -0.5 * log_local - np.log1p(local),
    }[prior.family]
    log_weight = log_density + log_local
    return log_local, log_weight - np.logaddexp.reduce(log_weight)


def precision(prior: Prior, scales: Scales) -> Array:
    """Return the prior precision of each coefficient given the scales ``(parameter,)``."""
    return jnp.exp(-2.0 * scales.log_tau - scales.log_local) + prior.slab**-2


def log_prior_of_tau(prior: Prior, log_tau: Array) -> Array:
    """Return the log prior density of log tau, but for a constant."""
    return log_tau - jnp.log1p(jnp.exp(2.0 * log_tau) / prior.global_scale**2)


def update(key: Key, prior: Prior, theta: Array, log_tau: Array) -> Scales:
    """Return scales drawn given theta ``(parameter,)``: tau by `STEPS` of random-walk Metropolis
    with the local variances summed out, and these from their conditional given tau."""
    log_local, log_weight = (jnp.asarray(leaf) for leaf in grid(prior))

    def log_cells(log_tau: Array) -> Array:
        """Return the log probability of each cell and coefficient ``(parameter, cell)``."""
        square = theta[:, None] ** 2 * jnp.exp(-2.0 * log_tau - log_local)
        return log_weight - 0.5 * (log_local + square)

    def log_density(log_tau: Array) -> Array:
        summed = logsumexp(log_cells(log_tau), axis=-1).sum() - len(theta) * log_tau
        return summed + log_prior_of_tau(prior, log_tau)

    def step(at: Array, key: Key) -> tuple[Array, None]:
        walk_key, test_key = jax.random.split(key)
        new = walked(walk_key, at, WALK)
        taken = jnp.log(jax.random.uniform(test_key)) < log_density(new) - log_density(at)
        return jnp.where(taken, new, at), None

    walk_key, cell_key = jax.random.split(key)
    log_tau, _ = jax.lax.scan(step, log_tau, jax.random.split(walk_key, STEPS))
    cell = jax.random.categorical(cell_key, log_cells(log_tau), axis=-1)
    return Scales(log_tau, log_local[cell])


def walked(key: Key, at: Array, sizes: tuple[float, float]) -> Array:
    """Return where a random walk proposes to go, by a normal step of a random size between two."""
    size_key, move_key = jax.random.split(key)
    log_size = jax.random.uniform(size_key, minval=np.log(sizes[0]), maxval=np.log(sizes[1]))
    return at + jnp.exp(log_size) * jax.random.normal(move_key)
