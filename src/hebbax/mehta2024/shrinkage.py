r"""The exact posterior of one shared rule under priors that shrink, by surrogate transitions.

Coefficients theta and scales are moved at once: a chain on the posterior with a mixture of
quadratics q in place of the log likelihood (`hebbax.mehta2024.quadratic`), which costs no pass over
the recordings, ends in a proposal, and a Metropolis test makes good what q leaves out (Liu 2001,
section 9.4.3),

    d(theta) = log P(encounters | theta) - q(theta)
    accepted with probability min(1, exp(d(theta') - d(theta)))

Two thirds of these proposals are accepted where recordings tell the coefficients well, and each
forgets where the chain was. Beside them the coefficients turn by a random angle a around the mean m
of one of the quadratics given the scales (preconditioned Crank-Nicolson), tested alike, for places
where d is large:

    theta' = m + cos(a) (theta - m) + sin(a) H^(-1/2) z,    z ~ Normal(0, I)

The mode being far from where the draws are, the quadratics are placed at draws of the warm-up,
first one at those of each chain, then each at the draws that are its own: where chains have found
several solutions, each has one. A last one is flatter, because far from the mode log likelihoods
are. No gradient is taken while sampling: it costs ten times the value.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from hebbax.inference.convergence import converged
from hebbax.mehta2024 import placing
from hebbax.mehta2024 import quadratic as surrogate
from hebbax.mehta2024 import scales as shrink
from hebbax.mehta2024.pooled import Pooled, Recorded, log_likelihood
from hebbax.mehta2024.quadratic import Quadratics
from hebbax.mehta2024.scales import Prior, Scales
from hebbax.typing import Array, Key

APART = 2.0
"""Logs by which the global scales that chains start at lie to either side of the mode's."""


@dataclass(frozen=True)
class Settings:
    """The ``prior``, and how long the sampler runs.

    The mode is found in ``rounds`` of a climb and ``sweeps`` of its own quadratic. Then ``chains``
    go through blocks of ``block`` iterations: ``stages`` of them, after each of which the
    quadratics, one a chain, are placed at ``places`` of their draws each, and then blocks that are
    kept, ``least`` of them and more until R-hat of every coefficient is at most ``most_r_hat`` and
    its bulk and tail effective size at least ``least_size``, but at most ``most``. A proposal is
    made by ``inner`` sweeps.
    """

    prior: Prior = field(default_factory=Prior)
    rounds: int = 4
    sweeps: int = 200
    chains: int = 4
    block: int = 250
    stages: int = 2
    places: int = 4
    least: int = 4
    most: int = 16
    inner: int = 1
    most_r_hat: float = 1.008
    least_size: float = 500.0


class Posterior(NamedTuple):
    """Draws ``theta`` (chain, draw, parameter), ``tau`` (chain, draw), the exact log likelihood
    ``log_likelihood`` (chain, draw) in nats, whether each proposal was ``accepted`` (chain, draw),
    and the ``information`` (parameter, parameter) of the recordings, its mean over the places of
    the quadratics."""

    theta: Array
    tau: Array
    log_likelihood: Array
    accepted: Array
    information: Array


class State(NamedTuple):
    """Where a chain is: coefficients (parameter,), their log likelihood in nats, the scales."""

    theta: Array
    log_likelihood: Array
    scales: Scales


class Drawn(NamedTuple):
    """What is kept of an iteration: see `Posterior`."""

    theta: Array
    tau: Array
    log_likelihood: Array
    accepted: Array


def fit(key: Key, pooled: Pooled, data: Recorded, settings: Settings) -> Posterior:
    """Return the posterior of the shared coefficients, the climb starting at zero."""
    place_key, start_key, run_key = jax.random.split(key, 3)
    prior, n = settings.prior, settings.chains
    one, scales = placing.at_mode(
        place_key, pooled, data, prior, rounds=settings.rounds, sweeps=settings.sweeps
    )
    # As many from the start as there will be, so that one program serves.
    quadratics = jax.tree.map(lambda leaf: jnp.repeat(leaf, n + 1, axis=0), one)
    state = _dispersed(start_key, pooled, data, quadratics, scales, settings)
    run = partial(_run, pooled=pooled, settings=settings)
    for stage in range(settings.stages):
        block_key = jax.random.fold_in(run_key, stage)
        state, drawn = run(block_key, data, quadratics, state)
        half = settings.block // 2
        late = placing.Draws(drawn.theta[half:], drawn.log_likelihood[half:])
        by_chain = jnp.broadcast_to(jnp.arange(n), late.log_likelihood.shape)
        belongs = placing.nearest(quadratics, late.theta) if stage else by_chain
        new = placing.placed(pooled, data, quadratics, late, np.asarray(belongs), settings.places)
        quadratics = placing.with_flat(prior, new, late.theta, state.scales)
    kept: list[Drawn] = []
    for block in range(settings.most):
        block_key = jax.random.fold_in(run_key, settings.stages + block)
        state, drawn = run(block_key, data, quadratics, state)
        kept.append(drawn)
        found = jax.tree.map(lambda *leaves: np.swapaxes(np.concatenate(leaves), 0, 1), *kept)
        enough = len(kept) >= settings.least
        if enough and converged(found.theta, settings.most_r_hat, settings.least_size):
            break
    theta, tau, log_p, accepted = (jnp.asarray(leaf) for leaf in found)
    return Posterior(theta, tau, log_p, accepted, quadratics.information[:-1].mean(axis=0))


@partial(jax.jit, static_argnames=("pooled", "settings"))
def _run(
    key: Key,
    data: Recorded,
    quadratics: Quadratics,
    state: State,
    *,
    pooled: Pooled,
    settings: Settings,
) -> tuple[State, Drawn]:
    """Return all chains after a block of iterations, and what they drew ``(iteration, chain)``."""
    step = partial(_iterate, pooled, data, quadratics, settings)

    def iteration(state: State, key: Key) -> tuple[State, Drawn]:
        state, accepted = jax.vmap(step)(jax.random.split(key, settings.chains), state)
        tau = jnp.exp(state.scales.log_tau)
        return state, Drawn(state.theta, tau, state.log_likelihood, accepted)

    return jax.lax.scan(iteration, state, jax.random.split(key, settings.block))


def _iterate(
    pooled: Pooled,
    data: Recorded,
    quadratics: Quadratics,
    settings: Settings,
    key: Key,
    state: State,
) -> tuple[State, Array]:
    """Return one chain after an iteration, and whether its proposal was accepted."""
    prior = settings.prior
    keys = jax.random.split(key, 7)

    def decide(key: Key, new: State, q: Callable[[Array], Array]) -> tuple[State, Array]:
        gain = new.log_likelihood - q(new.theta) - state.log_likelihood + q(state.theta)
        # A place where anything is not a number is never taken.
        taken = jnp.log(jax.random.uniform(key)) < jnp.nan_to_num(gain, nan=-jnp.inf)
        return jax.tree.map(lambda new, old: jnp.where(taken, new, old), new, state), taken

    def at(theta: Array, scales: Scales) -> State:
        return State(theta, log_likelihood(pooled, theta, data).sum(), scales)

    scales = shrink.update(keys[0], prior, state.theta, state.scales.log_tau)
    state = state._replace(scales=scales)
    proposed = surrogate.proposal(keys[1], prior, quadratics, scales, sweeps=settings.inner)
    state, accepted = decide(
        keys[2], at(*proposed), lambda theta: logsumexp(surrogate.values(quadratics, theta))
    )
    scales = shrink.update(keys[3], prior, state.theta, state.scales.log_tau)
    state = state._replace(scales=scales)
    k = jax.random.randint(keys[4], (), 0, len(quadratics.level))
    one = jax.tree.map(lambda leaf: leaf[k][None], quadratics)
    turned = _turned(keys[5], surrogate.given(prior, one, scales), state.theta)
    state, _ = decide(keys[6], at(turned, scales), lambda theta: surrogate.values(one, theta)[0])
    return state, accepted


def _turned(key: Key, normal: surrogate.Normals, theta: Array) -> Array:
    """Return coefficients turned around the mean of the one normal by a random angle, more often a
    small one."""
    angle_key, z_key = jax.random.split(key)
    angle = 0.5 * jnp.pi * jax.random.uniform(angle_key) ** 2
    away = surrogate.unwhitened(normal.root[0], jax.random.normal(z_key, theta.shape))
    mean = surrogate.unwhitened(normal.root[0], normal.half[0])
    return mean + jnp.cos(angle) * (theta - mean) + jnp.sin(angle) * away


@partial(jax.jit, static_argnames=("pooled", "settings"))
def _dispersed(
    key: Key,
    pooled: Pooled,
    data: Recorded,
    quadratics: Quadratics,
    scales: Scales,
    settings: Settings,
) -> State:
    """Return chains at draws under global scales that lie far apart."""

    def one(key: Key, log_tau: Array) -> State:
        own = Scales(log_tau, jnp.zeros_like(scales.log_local))
        theta = surrogate.draw(key, surrogate.given(settings.prior, quadratics, own))
        return State(theta, log_likelihood(pooled, theta, data).sum(), own)

    log_taus = scales.log_tau + jnp.linspace(-APART, APART, settings.chains)
    return jax.vmap(one)(jax.random.split(key, settings.chains), log_taus)
