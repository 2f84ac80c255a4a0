"""The paper's simulated behaviour: many hidden units, noisy inputs, every encounter on its own.

Stimuli are offered evenly, one at a time, until one is accepted. At *every* encounter the inputs
are drawn anew, x = x_k + noise * N(0, 1); the animal accepts with logit gain * mean_h tanh(x W)_h;
the reward follows and the weights change once, at the accepted encounter, with that encounter's x
and y at every synapse. Source: Mehta et al. (2024), section 4.2 and supplement.

`hebbax.simulation.environment.generate` is the same animal without noise, where the number of
rejections has a closed form; both learn by `hebbax.rule.network.free_step`.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.rule.network import Network, free_step
from hebbax.rule.reward import RewardSignal, remember, signal_now
from hebbax.rule.stimulus import DEFAULT_RATE, one_hot
from hebbax.rule.taylor import Rule
from hebbax.simulation.environment import Baiting, arm, blocks, collect
from hebbax.typing import Array, Key

MEETINGS = 8
"""Encounters drawn at once; those after the first acceptance never happened."""


@dataclass(frozen=True)
class Experiment:
    """What a simulated animal lives through, and how it starts.

    Attributes:
        reward_probability: ``(block, stimulus)`` probability of arming a reward in a trial.
        trials_per_block: trials in each block.
        baiting: whether an armed reward waits until it is collected.
        hidden_units: postsynaptic units.
        initial_scale: starting weights are ``initial_scale`` N(0, 1).
        rate: activity of a stimulus's own input.
        noise: standard deviation of every input at every encounter.
        signal: ``expected`` for r = R - E[R], ``raw`` for r = R.
        window: number of past rewards E[R] averages.
    """

    reward_probability: tuple[tuple[float, ...], ...] = ((0.2, 0.8), (0.9, 0.1), (0.2, 0.8))
    trials_per_block: int = 80
    baiting: Baiting = "baited"
    hidden_units: int = 10
    initial_scale: float = 0.01
    rate: float = DEFAULT_RATE
    noise: float = 0.05
    signal: RewardSignal = "expected"
    window: int = 10

    @property
    def network(self) -> Network:
        """Fixed parts of the network: one active input a stimulus."""
        return Network(one_hot(len(self.reward_probability[0]), self.rate))

    @property
    def chances(self) -> np.ndarray:
        """Probability of arming a reward ``(trial, stimulus)``."""
        return blocks(np.array(self.reward_probability), self.trials_per_block)

    def start(self, key: Key) -> Array:
        """Return fresh starting weights ``(input, hidden)``."""
        shape = (self.network.n_inputs, self.hidden_units)
        return self.initial_scale * jax.random.normal(key, shape)


class Meeting(NamedTuple):
    """One trial: the accepted stimulus ``choice``, its noisy inputs ``x`` (input,), the
    ``rejections`` of each stimulus before (stimulus,), and the log probability in nats of all
    accepts and rejects given their inputs."""

    choice: Array
    x: Array
    rejections: Array
    log_probability: Array


class Trajectory(NamedTuple):
    """A simulated animal: fields of `Meeting` with a leading dimension ``trial``, and ``rewards``
    (trial,), the signal ``r`` (trial,), and ``weights`` before each trial (trial, input, hidden).
    """

    choices: Array
    x: Array
    rejections: Array
    log_probability: Array
    rewards: Array
    r: Array
    weights: Array


def meet(key: Key, network: Network, weights: Array, noise: float) -> Meeting:
    """Return one trial of an animal with ``weights`` (input, hidden): offers until one is accepted.

    It ends, because no acceptance is rarer than sigmoid(-gain).
    """
    rates = jnp.asarray(network.stimuli)
    n_stimuli, n_inputs = rates.shape

    def offer(state: tuple[Key, Array, Meeting]) -> tuple[Key, Array, Meeting]:
        key, _, so_far = state
        key, *own = jax.random.split(key, 4)
        met = jax.random.randint(own[0], (MEETINGS,), 0, n_stimuli)
        x = rates[met] + noise * jax.random.normal(own[1], (MEETINGS, n_inputs))
        logit = network.readout.logit(x @ weights).mean(axis=-1)
        accepts = jax.random.bernoulli(own[2], jax.nn.sigmoid(logit))
        ended, first = accepts.any(), jnp.argmax(accepts)
        rejected = jnp.arange(MEETINGS) < jnp.where(ended, first, MEETINGS)
        counted = (rejected[:, None] & (met[:, None] == jnp.arange(n_stimuli))).sum(axis=0)
        log_p = jnp.where(rejected, jax.nn.log_sigmoid(-logit), 0.0).sum()
        log_p += jnp.where(ended, jax.nn.log_sigmoid(logit[first]), 0.0)
        new = Meeting(
            met[first], x[first], so_far.rejections + counted, so_far.log_probability + log_p
        )
        return key, ended, new

    nothing = Meeting(jnp.array(0), rates[0], jnp.zeros(n_stimuli, dtype=int), jnp.array(0.0))
    start = (key, jnp.array(False), nothing)
    return jax.lax.while_loop(lambda state: ~state[1], offer, start)[2]


def live(key: Key, rule: Rule, theta: Array, experiment: Experiment) -> Trajectory:
    """Return one simulated animal that learns by ``rule`` with coefficients ``theta`` (term,)."""
    network, chances = experiment.network, jnp.asarray(experiment.chances)
    advance = free_step(rule, network, theta)
    start_key, run_key = jax.random.split(key)

    def trial(state: tuple, now: tuple) -> tuple[tuple, Trajectory]:
        weights, armed, history = state
        key, chance = now
        meet_key, reward_key = jax.random.split(key)
        met = meet(meet_key, network, weights, experiment.noise)
        armed = arm(reward_key, armed, chance, experiment.baiting)
        reward, armed = collect(armed, met.choice)
        r = signal_now(reward, history, experiment.signal)
        after = advance(weights, met.x, r)
        return (after, armed, remember(history, reward)), Trajectory(*met, reward, r, weights)

    armed, history = jnp.zeros(chances.shape[1], dtype=bool), jnp.zeros(experiment.window)
    keys = jax.random.split(run_key, len(chances))
    start = (experiment.start(start_key), armed, history)
    return jax.lax.scan(trial, start, (keys, chances))[1]


@partial(jax.jit, static_argnames=("rule", "experiment", "size"))
def cohort(key: Key, rule: Rule, theta: Array, experiment: Experiment, *, size: int) -> Trajectory:
    """Return ``size`` simulated animals of one rule, a leading dimension ``trajectory``."""
    keys = jax.random.split(key, size)
    return jax.vmap(lambda key: live(key, rule, theta, experiment))(keys)
