"""One plasticity rule shared by all trajectories: its likelihood and the paper's scores.

The fitted model sees what an experimenter writes down, which stimulus was met and whether it was
accepted, and neither the noise of the inputs nor the starting weights. Weights start at zero, the
mean of the generating ones, so that all hidden units are equal and one stands for them. The noise
is integrated out to first order: that of each encounter, and that of the weights, which wander by
a variance v because they learn from noisy inputs (left out, slopes come out 3 % too small: choices
are less extreme than weights without noise would have them):

    w_(t+1) = saturate(w_t + g(x, y, w_t, r_t) / n_inputs)
    v_(t+1) = (dw_(t+1)/dw_t)^2 v_t + (dw_(t+1)/dx)^2 noise^2        at every synapse, v_0 = 0
    p_tk = E_z sigmoid(gain tanh(x_k w_t + s_tk z)),    s_tk^2 = noise^2 |w_t|^2 + x_k^2 v_t
    encounters_t ~ Encounters(logit p_t),    z ~ Normal(0, 1)

(the published fit draws its own noise and starting weights instead). Data are arguments, not
constants, so that one compiled program serves every rule and seed.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.mehta2024.experiment import Experiment, Trajectory
from hebbax.model.likelihood import Encounters
from hebbax.rule.network import Network, Presented, activity, drives, logits_of, replay
from hebbax.rule.taylor import Rule
from hebbax.typing import Array, Key

NODES = 7
"""Nodes of the Gauss-Hermite rule over the noise of an encounter."""


@dataclass(frozen=True)
class Pooled:
    """What a fit takes as known: the form of the ``rule``, the ``network``, and the standard
    deviation of the ``noise`` of its inputs."""

    rule: Rule
    network: Network
    noise: float = 0.0


class Recorded(NamedTuple):
    """What was written down, leading dimension ``trajectory``.

    ``x`` (trial, input) mean inputs of the accepted stimulus, ``r`` (trial,) reward signal,
    ``events`` (trial, stimulus + 1) rejections of each stimulus and the accepted one.
    """

    x: Array
    r: Array
    events: Array


def recorded(made: Trajectory, network: Network) -> Recorded:
    """Return what an experimenter writes down of simulated trajectories."""
    events = np.concatenate([made.rejections, made.choices[..., None]], axis=-1)
    x = np.asarray(network.stimuli)[np.asarray(made.choices)]
    return Recorded(jnp.asarray(x), jnp.asarray(made.r), jnp.asarray(events, dtype=float))


def weights(pooled: Pooled, theta: Array, data: Recorded) -> Array:
    """Return the weights before each trial ``(trajectory, trial, input)``."""
    rule, network = pooled.rule, pooled.network

    def one(x: Array, r: Array) -> Array:
        start = jnp.zeros((network.n_inputs, 1))
        return replay(rule, network, theta, start, Presented(x, drives(rule, x, r)))[..., 0]

    return jax.vmap(one)(data.x, data.r)


def logits(pooled: Pooled, theta: Array, data: Recorded) -> Array:
    """Return the log odds of accepting each stimulus ``(trajectory, trial, stimulus)``."""
    run = weights(pooled, theta, data)
    if not pooled.noise:
        return jax.vmap(jax.vmap(partial(logits_of, pooled.network)))(run[..., None])
    nodes, shares = np.polynomial.hermite_e.hermegauss(NODES)
    rates = pooled.network.stimuli
    variance = pooled.noise**2 * (run**2).sum(axis=-1, keepdims=True)
    variance += wander(pooled, theta, data, run) @ (rates.T**2)
    # A root that has a slope where all weights are zero, as they are in the first trial.
    spread = jnp.sqrt(variance + 1e-12)
    drive = (run @ rates.T)[..., None] + spread[..., None] * nodes
    logit = pooled.network.readout.logit(drive)
    share = jnp.asarray(shares / shares.sum())
    return jnp.log(jax.nn.sigmoid(logit) @ share) - jnp.log(jax.nn.sigmoid(-logit) @ share)


def wander(pooled: Pooled, theta: Array, data: Recorded, run: Array) -> Array:
    """Return the variance of the weights before each trial ``(trajectory, trial, input)`` that the
    noise of the accepted inputs has left, around weights ``run`` of the same shape."""
    rule, n_inputs = pooled.rule, pooled.network.n_inputs
    change = jax.vmap(jax.vmap(partial(rule.change, theta)))

    def after(hoisted: Any, y: Array, w: Array) -> Array:
        return pooled.network.readout.bounded(w + change(hoisted, y, w) / n_inputs)

    def one(x: Array, r: Array, w: Array) -> Array:
        y = jnp.broadcast_to(jnp.tanh((x * w).sum(axis=-1, keepdims=True)), w.shape)
        # Two slopes along each synapse by forward passes: the rule's own data are differentiated
        # once, before any coefficient is known.
        drive, drive_by_x = jax.jvp(lambda x: drives(rule, x, r), (x,), (jnp.ones_like(x),))
        hoist = jax.vmap(jax.vmap(partial(rule.hoist, theta)))
        hoisted, hoisted_by_x = jax.jvp(hoist, (drive,), (drive_by_x,))
        still = jax.tree.map(jnp.zeros_like, hoisted)
        at, rise = (hoisted, y, w), 1.0 - y**2
        by_x = jax.jvp(after, at, (hoisted_by_x, rise * w, jnp.zeros_like(w)))[1]
        by_w = jax.jvp(after, at, (still, rise * x, jnp.ones_like(w)))[1]

        def step(v: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
            fresh, kept = now
            return kept**2 * v + (fresh * pooled.noise) ** 2, v

        return jax.lax.scan(step, jnp.zeros_like(w[0]), (by_x, by_w))[1]

    return jax.vmap(one)(data.x, data.r, run)


def encounters(logit: Array) -> Encounters:
    """Return the distribution of each trial's events given its logits."""
    return Encounters(logit, jnp.zeros_like(logit))


def log_likelihood(pooled: Pooled, theta: Array, data: Recorded) -> Array:
    """Return log P of the encounters of each trial ``(trajectory, trial)`` in nats."""
    return encounters(logits(pooled, theta, data)).log_prob(data.events)


def counts(data: Recorded) -> Array:
    """Return the number of encounters with each stimulus, the acceptance included,
    ``(trajectory, trial, stimulus)``."""
    accepted = data.events[..., -1:] == jnp.arange(data.events.shape[-1] - 1)
    return data.events[..., :-1] + accepted


def null_log_likelihood(data: Recorded) -> Array:
    """Return log P of each trial without plasticity, ``(trajectory, trial)``: weights stay at zero
    and every encounter is a coin flip, as the paper's deviance has it."""
    return -np.log(2.0) * counts(data).sum(axis=-1)


def preference_log_likelihood(train: Recorded, test: Recorded) -> Array:
    """Return log P of each trial ``(trajectory, trial)`` under a constant preference: the share of
    acceptances of each stimulus over the training trajectories."""
    met = counts(train).sum(axis=(0, 1))
    accepted = met - train.events[..., :-1].sum(axis=(0, 1))
    share = (accepted + 0.5) / (met + 1.0)
    return encounters(jnp.broadcast_to(jnp.log(share) - jnp.log1p(-share), counts(test).shape)
                      ).log_prob(test.events)  # fmt: skip


def fresh_run(
    key: Key, rule: Rule, theta: Array, made: Trajectory, experiment: Experiment
) -> tuple[Array, Array]:
    """Return the weights before each trial ``(trial, input, hidden)`` of one trajectory run again,
    and the activity with each stimulus's mean input ``(trial, stimulus, hidden)``.

    Fresh starting weights from ``key``, and the recorded inputs (noise included) and rewards: what
    the paper compares between the true and the fitted rule.
    """
    network = experiment.network
    start = experiment.start(key)
    run = replay(rule, network, theta, start, Presented(made.x, drives(rule, made.x, made.r)))
    return run, jax.vmap(partial(activity, jnp.asarray(network.stimuli)))(run)
