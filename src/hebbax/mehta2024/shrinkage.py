r"""The exact posterior of one shared rule under priors that shrink (`hebbax.mehta2024.scales`).

The scales are drawn given theta, and theta given the scales, in turn. Given the scales, the prior
is normal, and the log likelihood not far from a quadratic q: theta moves by Hamiltonian dynamics
whose normal part is solved exactly. In the coordinates z in which q and the prior together are a
standard normal, every leapfrog turns (z, momentum) by an angle and kicks the momentum by the slope
of what q leaves out (Shahbaba et al. 2014):

    p += angle/2 * slope(log P(encounters | theta) - q(theta))
    z, p = cos(angle) z + sin(angle) p, cos(angle) p - sin(angle) z
    p += angle/2 * slope(...)

followed by a Metropolis test. Were q exact, every angle would be accepted. q is placed at the mode
first and then, the mode being far from where the draws are, twice at draws of the warm-up, with
their mean curvature and mean slope. That scales shrink coefficients by orders of magnitude, a trap
for a sampler in fixed coordinates, costs nothing here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, solve_triangular

from hebbax.mehta2024 import mode as climb
from hebbax.mehta2024 import scales as shrink
from hebbax.mehta2024.pooled import Pooled, Recorded, log_likelihood
from hebbax.mehta2024.scales import Prior, Scales
from hebbax.typing import Array, Key

Known = Callable[[Array], tuple[Array, Array]]
"""The log likelihood of coefficients and its slope."""


@dataclass(frozen=True)
class Settings:
    """The ``prior``, and how long the sampler runs.

    The mode is found in ``rounds`` of a climb and ``sweeps`` of its own quadratic. Then ``chains``
    go through blocks of ``block`` iterations: ``stages`` of them, after each of which the quadratic
    is placed at ``places`` of their draws, one more to find the angle anew, and ``blocks`` that are
    kept. An iteration is
    ``updates`` of the scales and ``leapfrogs`` of theta; in the warm-up the angle of a leapfrog is
    moved until a share ``target`` of the moves is accepted. A move takes between the share
    ``shortest`` and the whole of that angle, at random.
    """

    prior: Prior = field(default_factory=Prior)
    rounds: int = 6
    sweeps: int = 300
    chains: int = 4
    block: int = 80
    stages: int = 2
    places: int = 16
    blocks: int = 6
    updates: int = 3
    leapfrogs: int = 4
    target: float = 0.85
    shortest: float = 0.5


class Posterior(NamedTuple):
    """Draws ``theta`` (chain, draw, parameter), ``tau`` (chain, draw), the exact log likelihood
    ``log_likelihood`` (chain, draw) in nats, the probability of ``acceptance`` of each move, and
    the ``mode`` (parameter,) from which chains started."""

    theta: Array
    tau: Array
    log_likelihood: Array
    acceptance: Array
    mode: Array


class _Quadratic(NamedTuple):
    """A quadratic log likelihood: ``linear`` theta - 1/2 theta ``information`` theta."""

    information: Array
    linear: Array


class _Place(NamedTuple):
    """Where a chain is: theta, its log likelihood and slope."""

    theta: Array
    value: Array
    slope: Array


class _Chains(NamedTuple):
    """All chains: where they are, with leading dimension ``chain``, and the log of the angle, as it
    is moved and averaged over its path."""

    at: _Place
    scales: Scales
    log_angle: Array
    averaged: Array


@partial(jax.jit, static_argnames=("pooled", "settings"))
def fit(key: Key, pooled: Pooled, data: Recorded, start: Array, settings: Settings) -> Posterior:
    """Return the posterior of the shared coefficients, the climb starting at ``start``."""
    place_key, run_key = jax.random.split(key)
    mode, quadratic, scales = _place(place_key, pooled, data, start, settings)
    known = jax.value_and_grad(lambda theta: log_likelihood(pooled, theta, data).sum())

    def block(state: tuple, now: tuple[Array, Key]) -> tuple[tuple, tuple[Array, ...]]:
        quadratic, chains = state
        number, key = now
        step = partial(_iterate, known, quadratic, settings, number <= settings.stages)
        steps = (jnp.arange(settings.block), jax.random.split(key, settings.block))
        chains, kept = jax.lax.scan(step, chains, steps)
        late = kept[0][settings.block // 2 :].reshape(-1, len(start))
        some = late[jnp.linspace(0, len(late) - 1, settings.places).astype(int)]
        quadratic = jax.lax.cond(
            number < settings.stages,
            lambda: _around(pooled, data, some),
            lambda: quadratic,
        )
        return (quadratic, chains), kept

    def spread(leaf: Array) -> Array:
        return jnp.broadcast_to(leaf, (settings.chains, *jnp.shape(leaf)))

    angle = jnp.log(0.3)
    at, scales = jax.tree.map(spread, (_Place(mode, *known(mode)), scales))
    state = (quadratic, _Chains(at, scales, angle, angle))
    total = settings.stages + 1 + settings.blocks
    kept = jax.lax.scan(block, state, (jnp.arange(total), jax.random.split(run_key, total)))[1]
    theta, tau, value, accepted = (
        jnp.moveaxis(leaf[settings.stages + 1 :].reshape(-1, *leaf.shape[2:]), 0, 1)
        for leaf in kept
    )
    return Posterior(theta, tau, value, accepted, mode)


def _around(pooled: Pooled, data: Recorded, some: Array) -> _Quadratic:
    """Return the quadratic with the mean curvature and slope at ``some`` (place, parameter)."""
    flat = jnp.zeros(some.shape[1])
    slopes, curvatures = jax.lax.map(partial(climb.curvature, pooled, data, flat), some)
    information = curvatures.mean(axis=0)
    return _Quadratic(information, slopes.mean(axis=0) + information @ some.mean(axis=0))


def _iterate(
    known: Known,
    quadratic: _Quadratic,
    settings: Settings,
    warming: Array,
    chains: _Chains,
    now: tuple[Array, Key],
) -> tuple[_Chains, tuple[Array, ...]]:
    """Return all chains after one iteration, and what is kept of it; the angle is moved only while
    ``warming``."""
    count, key = now
    angle = jnp.exp(jnp.where(warming, chains.log_angle, chains.averaged))

    def one(key: Key, at: _Place, scales: Scales) -> tuple[_Place, Scales, Array]:
        move_key, *scale_keys = jax.random.split(key, 1 + settings.updates)
        for scale_key in scale_keys:
            scales = shrink.update(scale_key, settings.prior, at.theta, scales)
        precision = shrink.precision(settings.prior, scales)
        at, accepted = _move(move_key, known, quadratic, precision, at, angle, settings)
        return at, scales, accepted

    keys = jax.random.split(key, settings.chains)
    at, scales, accepted = jax.vmap(one)(keys, chains.at, chains.scales)
    # Robbins-Monro, and the average of its path for the draws.
    share = (count + 1.0) ** -0.6
    moved = chains.log_angle + 2.0 * share * (accepted.mean() - settings.target)
    moved = jnp.minimum(moved, jnp.log(jnp.pi / 2))
    averaged = (1.0 - share) * chains.averaged + share * moved
    averaged = jnp.where(warming, averaged, chains.averaged)
    kept = (at.theta, jnp.sqrt(scales.tau2), at.value, accepted)
    return _Chains(at, scales, moved, averaged), kept


def _move(
    key: Key,
    known: Known,
    quadratic: _Quadratic,
    precision: Array,
    at: _Place,
    angle: Array,
    settings: Settings,
) -> tuple[_Place, Array]:
    """Return where a chain is after one trajectory, and the probability that it was accepted."""
    push_key, angle_key, test_key = jax.random.split(key, 3)
    mean, factor = _normal(quadratic, precision)
    turn = angle * jax.random.uniform(angle_key, minval=settings.shortest)
    cos, sin = jnp.cos(turn), jnp.sin(turn)

    def kick(at: _Place) -> Array:
        left = at.slope - quadratic.linear + quadratic.information @ at.theta
        return 0.5 * turn * solve_triangular(factor, left, lower=True)

    def leapfrog(state: tuple, _: None) -> tuple[tuple, None]:
        z, p, at = state
        p = p + kick(at)
        z, p = cos * z + sin * p, cos * p - sin * z
        theta = mean + solve_triangular(factor.T, z, lower=False)
        at = _Place(theta, *known(theta))
        return (z, p + kick(at), at), None

    def density(z: Array, p: Array, at: _Place) -> Array:
        return at.value - _value(quadratic, at.theta) - 0.5 * (z @ z + p @ p)

    p = jax.random.normal(push_key, mean.shape)
    first = (factor.T @ (at.theta - mean), p, at)
    last, _ = jax.lax.scan(leapfrog, first, None, length=settings.leapfrogs)
    # A place where anything is not a number is never taken.
    gain = jnp.nan_to_num(density(*last) - density(*first), nan=-jnp.inf)
    taken = jnp.log(jax.random.uniform(test_key)) < gain
    now = jax.tree.map(lambda new, old: jnp.where(taken, new, old), last[2], at)
    return now, jnp.exp(jnp.minimum(gain, 0.0))


def _place(
    key: Key,
    pooled: Pooled,
    data: Recorded,
    start: Array,
    settings: Settings,
) -> tuple[Array, _Quadratic, Scales]:
    """Return the mode under the average prior precision of the posterior, the quadratic there and
    scales to begin with: expectation-maximisation over the scales, the expectation sampled."""
    prior = settings.prior

    def sweep(quadratic: _Quadratic, state: tuple, key: Key) -> tuple[tuple, Array]:
        theta, scales = state
        move_key, scale_key = jax.random.split(key)
        mean, factor = _normal(quadratic, shrink.precision(prior, scales))
        normal = jax.random.normal(move_key, theta.shape)
        theta = mean + solve_triangular(factor.T, normal, lower=False)
        scales = shrink.update(scale_key, prior, theta, scales)
        return (theta, scales), shrink.precision(prior, scales)

    def round_(state: tuple, key: Key) -> tuple[tuple, None]:
        theta, precision, scales, _ = state
        found = climb.fit(pooled, data, precision, theta)
        information = found.precision - jnp.diag(precision)
        # At the mode the slope of the log likelihood is that of the prior, precision * theta.
        quadratic = _Quadratic(information, found.precision @ found.mean)
        keys = jax.random.split(key, settings.sweeps)
        (_, scales), seen = jax.lax.scan(partial(sweep, quadratic), (found.mean, scales), keys)
        return (found.mean, seen[settings.sweeps // 3 :].mean(axis=0), scales, quadratic), None

    n = len(start)
    scales = shrink.first(prior, n)
    empty = _Quadratic(jnp.zeros((n, n)), jnp.zeros(n))
    state = (start, shrink.precision(prior, scales), scales, empty)
    keys = jax.random.split(key, settings.rounds)
    (mode, _, scales, quadratic), _ = jax.lax.scan(round_, state, keys)
    return mode, quadratic, scales


def _normal(quadratic: _Quadratic, precision: Array) -> tuple[Array, Array]:
    """Return mean and Cholesky factor of the precision of the normal that the quadratic and a prior
    of this ``precision`` (parameter,) make."""
    factor = jnp.linalg.cholesky(quadratic.information + jnp.diag(precision))
    return cho_solve((factor, True), quadratic.linear), factor


def _value(quadratic: _Quadratic, theta: Array) -> Array:
    return quadratic.linear @ theta - 0.5 * theta @ quadratic.information @ theta
