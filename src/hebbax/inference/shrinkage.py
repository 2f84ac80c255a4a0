r"""The exact posterior of one shared rule under priors that shrink: normal, Laplace, horseshoe.

All three are mixtures of normals over a global scale tau and local variances l_j,

    theta_j ~ Normal(0, tau^2 l_j) * Normal(0, slab^2),    tau ~ HalfCauchy(global_scale)
    normal: l = 1    laplace: l ~ Exponential(1/2)    horseshoe: sqrt(l) ~ HalfCauchy(1)

(the slab as a second factor: Nishimura & Suchard 2022). Given theta, the scales have conditionals
in closed form (Park & Casella 2008; Makalic & Schmidt 2016). Given the scales, theta moves by a
Crank-Nicolson step that leaves the posterior of a *quadratic* log likelihood invariant, and a
Metropolis test puts in the exact one, at the price of one evaluation and no gradient. Where the
quadratic is close, nearly every step is taken and consecutive draws are nearly independent; that
scales shrink coefficients by orders of magnitude, a trap for NUTS, costs nothing.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular

from hebbax.inference import pooled as climb
from hebbax.pooled import Pooled, Recorded, log_likelihood
from hebbax.typing import Array, Key

Family = Literal["normal", "laplace", "horseshoe"]


@dataclass(frozen=True)
class Settings:
    """The prior, and how long the sampler runs.

    ``global_scale`` of tau, and ``slab``, in units of a coefficient. The quadratic is placed in
    ``rounds`` of a climb and ``sweeps`` of its own posterior. Steps keep a share ``persistence`` of
    where they come from, drawn anew each time, so that no step size is to be adapted.
    """

    family: Family = "horseshoe"
    global_scale: float = 0.05
    slab: float = 1.0
    rounds: int = 6
    sweeps: int = 300
    chains: int = 4
    warmup: int = 300
    draws: int = 700
    persistence: tuple[float, ...] = (0.0, 0.6, 0.9, 0.98)


class Scales(NamedTuple):
    """Global variance tau^2 with its auxiliary, local variances (parameter,) with theirs."""

    tau2: Array
    tau_aux: Array
    local: Array
    local_aux: Array


class Quadratic(NamedTuple):
    """A quadratic log likelihood: ``linear`` theta - 1/2 theta ``information`` theta."""

    information: Array
    linear: Array


class Posterior(NamedTuple):
    """Draws ``theta`` (chain, draw, parameter), ``tau`` (chain, draw), the exact log likelihood
    ``log_likelihood`` (chain, draw) in nats, whether each step was ``accepted``, and the ``mode``
    (parameter,) around which the quadratic was placed."""

    theta: Array
    tau: Array
    log_likelihood: Array
    accepted: Array
    mode: Array


@partial(jax.jit, static_argnames=("pooled", "settings"))
def fit(key: Key, pooled: Pooled, data: Recorded, start: Array, settings: Settings) -> Posterior:
    """Return the posterior of the shared coefficients, the climb starting at ``start``."""
    place_key, run_key = jax.random.split(key)
    mode, quadratic, scales = _place(place_key, pooled, data, start, settings)

    def exact(theta: Array) -> Array:
        return log_likelihood(pooled, theta, data).sum()

    def chain(key: Key) -> tuple[Array, Array, Array, Array]:
        first, rest = jax.random.split(key)
        theta = _conditional(first, quadratic, scales, settings, mode, 0.0)
        state = (theta, exact(theta), scales)

        def iteration(state: tuple, key: Key) -> tuple[tuple, tuple]:
            theta, value, scales = state
            scale_key, pick_key, move_key, test_key = jax.random.split(key, 4)
            scales = _update(scale_key, theta, scales, settings)
            keep = jax.random.choice(pick_key, jnp.array(settings.persistence))
            moved = _conditional(move_key, quadratic, scales, settings, theta, keep)
            new = exact(moved)
            gain = (new - _value(quadratic, moved)) - (value - _value(quadratic, theta))
            taken = jnp.log(jax.random.uniform(test_key)) < gain  # not where it is not a number
            theta, value = jnp.where(taken, moved, theta), jnp.where(taken, new, value)
            return (theta, value, scales), (theta, jnp.sqrt(scales.tau2), value, taken)

        keys = jax.random.split(rest, settings.warmup + settings.draws)
        kept = jax.lax.scan(iteration, state, keys)[1]
        return jax.tree.map(lambda leaf: leaf[settings.warmup :], kept)

    return Posterior(*jax.vmap(chain)(jax.random.split(run_key, settings.chains)), mode)


def _place(
    key: Key,
    pooled: Pooled,
    data: Recorded,
    start: Array,
    settings: Settings,
) -> tuple[Array, Quadratic, Scales]:
    """Return the mode under the average prior precision of the posterior, the quadratic there and
    scales to begin with: expectation-maximisation over the scales, the expectation sampled."""

    def sweep(quadratic: Quadratic, state: tuple, key: Key) -> tuple[tuple, Array]:
        theta, scales = state
        move_key, scale_key = jax.random.split(key)
        theta = _conditional(move_key, quadratic, scales, settings, theta, 0.0)
        scales = _update(scale_key, theta, scales, settings)
        return (theta, scales), _precision(scales, settings)

    def round_(state: tuple, key: Key) -> tuple[tuple, None]:
        theta, precision, scales, _ = state
        found = climb.fit(pooled, data, precision, theta)
        information = found.precision - jnp.diag(precision)
        # At the mode the slope of the log likelihood is that of the prior, precision * theta.
        linear = found.precision @ found.mean
        quadratic = Quadratic(information, linear)
        keys = jax.random.split(key, settings.sweeps)
        (_, scales), seen = jax.lax.scan(partial(sweep, quadratic), (found.mean, scales), keys)
        return (found.mean, seen[settings.sweeps // 3 :].mean(axis=0), scales, quadratic), None

    n = len(start)
    local = jnp.ones(n)
    scales = Scales(jnp.array(settings.global_scale**2), jnp.ones(()), local, local)
    empty = Quadratic(jnp.zeros((n, n)), jnp.zeros(n))
    state = (start, _precision(scales, settings), scales, empty)
    (mode, _, scales, quadratic), _ = jax.lax.scan(
        round_, state, jax.random.split(key, settings.rounds)
    )
    return mode, quadratic, scales


def _value(quadratic: Quadratic, theta: Array) -> Array:
    return quadratic.linear @ theta - 0.5 * theta @ quadratic.information @ theta


def _precision(scales: Scales, settings: Settings) -> Array:
    """Return the prior precision of each coefficient given the scales."""
    return 1.0 / (scales.tau2 * scales.local) + settings.slab**-2


def _conditional(
    key: Key,
    quadratic: Quadratic,
    scales: Scales,
    settings: Settings,
    theta: Array,
    keep: Array | float,
) -> Array:
    """Return a Crank-Nicolson step from ``theta``, invariant for the quadratic given the scales."""
    precision = quadratic.information + jnp.diag(_precision(scales, settings))
    factor = jnp.linalg.cholesky(precision)
    mean = cho_solve((factor, True), quadratic.linear)
    normal = solve_triangular(factor.T, jax.random.normal(key, theta.shape), lower=False)
    return mean + keep * (theta - mean) + jnp.sqrt(1.0 - keep**2) * normal


def _update(key: Key, theta: Array, scales: Scales, settings: Settings) -> Scales:
    """Return the scales drawn from their conditionals given theta."""
    local_key, aux_key, tau_key, tau_aux_key = jax.random.split(key, 4)
    squares = jnp.maximum(theta**2, 1e-24)
    local, local_aux = scales.local, scales.local_aux
    if settings.family == "laplace":
        inverse = jax.random.wald(local_key, jnp.sqrt(scales.tau2 / squares))
        local = 1.0 / jnp.maximum(inverse, 1e-12)
    if settings.family == "horseshoe":
        rate = 1.0 / local_aux + 0.5 * squares / scales.tau2
        local = _inverse_gamma(local_key, np.ones(theta.shape), rate)
        local_aux = _inverse_gamma(aux_key, np.ones(theta.shape), 1.0 + 1.0 / local)
    rate = 1.0 / scales.tau_aux + 0.5 * (squares / local).sum()
    tau2 = _inverse_gamma(tau_key, 0.5 * (len(theta) + 1), rate)
    tau_aux = _inverse_gamma(tau_aux_key, 1.0, settings.global_scale**-2 + 1.0 / tau2)
    return Scales(tau2, tau_aux, local, local_aux)


def _inverse_gamma(key: Key, shape: np.ndarray | float, rate: Array) -> Array:
    return rate / jax.random.gamma(key, shape)
