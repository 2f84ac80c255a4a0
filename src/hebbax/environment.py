"""The task a generated animal lives in: blocks, contingencies, baiting; and the animal in it.

In each trial every stimulus may be armed with a reward, with the probability of its block. With
``baited`` rewards an armed reward waits until its stimulus is chosen; ``independent`` rewards are
drawn anew. `generate` closes the loop: environment -> choice -> reward -> weights.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.network import Network, accept_logits, free_step
from hebbax.plasticity import Rule
from hebbax.reward import RewardSignal, remember, signal_now
from hebbax.typing import Array, Key

Baiting = Literal["baited", "independent"]
Likelihood = Literal["choice", "encounter"]


@dataclass(frozen=True)
class Environment:
    """Reward probabilities ``(trial, stimulus)`` of one session, and whether rewards wait."""

    reward_probability: Array | np.ndarray
    baiting: Baiting = "baited"


def blocks(probabilities: np.ndarray, trials_per_block: int) -> np.ndarray:
    """Return ``(trial, stimulus)`` probabilities from ``(block, stimulus)`` ones."""
    return np.repeat(np.asarray(probabilities, dtype=float), trials_per_block, axis=0)


class Animal(NamedTuple):
    """Parameters of one generated animal.

    ``theta`` (term,), ``initial`` weights (input, hidden), ``offset`` (stimulus,): log odds of the
    offers, the innate preference, and ``habit``: added log odds of the stimulus chosen last.
    """

    theta: Array
    initial: Array
    offset: Array
    habit: Array


class Session(NamedTuple):
    """One generated session.

    ``choices`` (trial,), ``rewards`` (trial,), ``rejections`` (trial, stimulus) before each choice,
    and the generator's own ``log_probability`` of each choice (trial,), in nats.
    """

    choices: Array
    rewards: Array
    rejections: Array
    log_probability: Array


class Task(NamedTuple):
    """How an animal meets the environment: what is inferred from recorded ones too."""

    signal: RewardSignal
    window: int
    likelihood: Likelihood


def attraction(logits: Array, offset: Array, likelihood: Likelihood) -> tuple[Array, Array]:
    """Return log odds of the offers and log probability of acceptance, each ``(stimulus,)``.

    Under ``choice`` the offset is the log odds q of meeting each stimulus; under ``encounter``,
    where the offers are data and even in a generated session, it shifts the acceptance logit.
    """
    if likelihood == "choice":
        return offset, jax.nn.log_sigmoid(logits)
    return jnp.zeros_like(offset), jax.nn.log_sigmoid(logits + offset)


def reject(key: Key, log_offer: Array, log_accept: Array) -> Array:
    """Return the number of rejections of each stimulus ``(stimulus,)`` before an acceptance.

    Their total is geometric with success sum_k q_k p_k, and each falls on k with probability
    proportional to q_k (1 - p_k), independently of which stimulus is accepted in the end.
    """
    offer = jax.nn.softmax(log_offer)
    refuse = offer * -jnp.expm1(log_accept)
    total_key, split_key = jax.random.split(key)
    total = jax.random.geometric(total_key, 1.0 - refuse.sum()) - 1
    return jax.random.multinomial(split_key, total.astype(float), refuse / refuse.sum())


def deliver(
    key: Key, armed: Array, probability: Array, choice: Array, baiting: Baiting
) -> tuple[Array, Array]:
    """Return this trial's reward (0 or 1) and what stays armed ``(stimulus,)``."""
    waiting = armed if baiting == "baited" else jnp.zeros_like(armed)
    armed = jnp.logical_or(waiting, jax.random.bernoulli(key, probability))
    reward = armed[choice].astype(float)
    return reward, armed.at[choice].set(False)


def generate(
    key: Key,
    rule: Rule,
    network: Network,
    animal: Animal,
    environment: Environment,
    task: Task,
) -> Session:
    """Return one simulated `Session` of one animal, with the trial step that `replay` uses.

    The first accepted stimulus is k with probability P(k) = q_k p_k / sum_j q_j p_j, whatever the
    number of rejections; the reward signal comes from the simulated past.
    """
    advance = free_step(rule, network, animal.theta)
    rates = jnp.asarray(network.stimuli)
    probability = jnp.asarray(environment.reward_probability)
    n_trials, n_stimuli = probability.shape

    def step(state: tuple, trial: tuple) -> tuple[tuple, Session]:
        weights, armed, history, last = state
        key, chances = trial
        choice_key, reward_key, reject_key = jax.random.split(key, 3)
        offset = animal.offset + animal.habit * (jnp.arange(n_stimuli) == last)
        offer, accept = attraction(accept_logits(network, weights), offset, task.likelihood)
        log_p = jax.nn.log_softmax(offer + accept)
        choice = jax.random.categorical(choice_key, log_p)
        reward, armed = deliver(reward_key, armed, chances, choice, environment.baiting)
        r = signal_now(reward, history, task.signal)
        weights = advance(weights, rates[choice], r)
        session = Session(choice, reward, reject(reject_key, offer, accept), log_p[choice])
        return (weights, armed, remember(history, reward), choice), session

    start = (animal.initial, jnp.zeros(n_stimuli, dtype=bool), jnp.zeros(task.window), -1)
    return jax.lax.scan(step, start, (jax.random.split(key, n_trials), probability))[1]
