"""The task a generated animal lives in: blocks, contingencies, baiting; and the animal in it.

In each trial every stimulus may be armed with a reward, with the probability of its block. With
``baited`` rewards an armed reward waits until its stimulus is chosen; ``independent`` rewards are
drawn anew. `generate` closes the loop: environment -> choice -> reward -> weights.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.data import NO_CHOICE
from hebbax.model.choice_model import Animal
from hebbax.model.likelihood import Kind
from hebbax.model.session_preference import SessionFilter
from hebbax.model.spec import ModelSpec
from hebbax.rule.memory import resumed, towards
from hebbax.rule.network import Network, free_step, logits_of
from hebbax.rule.reward import remember, signal_now
from hebbax.rule.taylor import Rule
from hebbax.typing import Array, Key

Baiting = Literal["baited", "independent"]
AskedBaiting = Literal["auto", Baiting]

OUTCOMES = (0.0, 1.0)
"""Rewards unless others are asked for."""


@dataclass(frozen=True)
class Environment:
    """Reward probabilities ``(trial, stimulus)`` of one animal, whether rewards wait, and the most
    encounters of a trial, after which it ends without an acceptance; without it none does.
    ``begins`` (trial,) marks the first trial of every later session, ``offered`` (trial, stimulus)
    what is at hand; without them there is one session, and all is. A trial that offers nothing goes
    by without a choice. ``outcomes`` are the reward of a choice that collects nothing, and of one
    that collects a reward."""

    reward_probability: Array | np.ndarray
    baiting: Baiting = "baited"
    most_encounters: float = np.inf
    begins: Array | None = None
    offered: Array | None = None
    outcomes: tuple[float, float] = OUTCOMES


def blocks(probabilities: np.ndarray, trials_per_block: int) -> np.ndarray:
    """Return ``(trial, stimulus)`` probabilities from ``(block, stimulus)`` ones."""
    return np.repeat(np.asarray(probabilities, dtype=float), trials_per_block, axis=0)


def shown(chances: tuple[float, ...]) -> str:
    """Return reward probabilities as they are written: 0.2/0.8."""
    return "/".join(f"{chance:g}" for chance in chances)


class Task(NamedTuple):
    """One task: trials, blocks, reward probabilities of the first block, baiting, the number of
    sessions, as equal as can be, and the ``outcomes`` of `Environment`."""

    trials: int
    blocks: int
    rewards: tuple[float, ...]
    baiting: Baiting
    sessions: int = 1
    outcomes: tuple[float, float] = OUTCOMES

    @property
    def block(self) -> np.ndarray:
        """Block of each trial ``(trial,)``, from 0: blocks as equal as can be."""
        return np.arange(self.trials) * self.blocks // self.trials

    @property
    def chances(self) -> np.ndarray:
        """Probability of arming a reward ``(trial, stimulus)``."""
        rolled = [np.roll(self.rewards, k) for k in range(self.blocks)]
        return np.array(rolled, dtype=float)[self.block]

    @property
    def session(self) -> np.ndarray:
        """Session of each trial ``(trial,)``, from 0."""
        return np.arange(self.trials) * self.sessions // self.trials

    @property
    def environment(self) -> Environment:
        """What an animal lives in."""
        begins = jnp.asarray(np.diff(self.session, prepend=0) > 0) if self.sessions > 1 else None
        return Environment(self.chances, self.baiting, begins=begins, outcomes=self.outcomes)

    @property
    def words(self) -> str:
        """The task in words, to follow "a task of"."""
        in_blocks = f" in {self.blocks} blocks" if self.blocks > 1 else ""
        rewards = f"{self.baiting} rewards of {shown(self.rewards)}"
        in_sessions = f" and {self.sessions} sessions" if self.sessions > 1 else ""
        worth = (
            "" if self.outcomes == OUTCOMES else f" ({self.outcomes[0]:g} or {self.outcomes[1]:g})"
        )
        return f"{self.trials} trials{in_blocks}{in_sessions} with {rewards}{worth}"


TASK = Task(240, 3, (0.2, 0.8), "baited")
"""The task unless another is asked for."""


class Session(NamedTuple):
    """One generated session.

    ``choices`` (trial,), `NO_CHOICE` without one, ``rewards`` (trial,), ``rejections`` (trial,
    stimulus), and the generator's own ``log_probability`` (trial,), in nats, of what the likelihood
    of its task sees: each choice, or all encounters of each trial.
    """

    choices: Array
    rewards: Array
    rejections: Array
    log_probability: Array


LEAST = 1e-30
"""Less than any probability of a rejection, where there is one."""


def reject(key: Key, log_offer: Array, log_accept: Array, most: float = np.inf) -> Array:
    """Return the number of rejections of each stimulus ``(stimulus,)`` before an acceptance, in all
    ``most`` where the trial ends before one.

    Their total is geometric with success sum_k q_k p_k, and each falls on k with probability
    proportional to q_k (1 - p_k), independently of which stimulus is accepted in the end.
    """
    offer = jax.nn.softmax(log_offer)
    refuse = offer * -jnp.expm1(log_accept)
    total_key, split_key = jax.random.split(key)
    total = jax.random.geometric(total_key, 1.0 - refuse.sum()).astype(float) - 1.0
    return jax.random.multinomial(
        split_key, jnp.minimum(total, most), refuse / jnp.maximum(refuse.sum(), LEAST)
    )


def arm(key: Key, waiting: Array, probability: Array, baiting: Baiting) -> Array:
    """Return what is armed in a trial ``(stimulus,)``, whatever the animal does in it; ``waiting``
    (stimulus,) is what was left armed by the trial before."""
    waiting = waiting if baiting == "baited" else jnp.zeros_like(waiting)
    return jnp.logical_or(waiting, jax.random.bernoulli(key, probability))


def collect(armed: Array, choice: Array) -> tuple[Array, Array]:
    """Return the reward of a choice (0 or 1) and what is left armed ``(stimulus,)``."""
    return armed[choice].astype(float), armed.at[choice].set(False)


def generate(
    key: Key,
    rule: Rule,
    network: Network,
    animal: Animal,
    environment: Environment,
    spec: ModelSpec,
) -> Session:
    """Return one simulated `Session` of one animal, with the trial step that `replay` uses and the
    reward signal and likelihood of a declared model.

    The first accepted stimulus is k with probability P(k) = q_k p_k / sum_j q_j p_j, whatever the
    number of rejections; the reward signal comes from the simulated past. A trial that ends without
    an acceptance arms rewards as any other and collects none. In the animal it changes nothing: not
    the expected reward, not the last choice, and no weight unless it decays there.
    """
    advance = free_step(rule, network, animal.theta)
    rates, memory = jnp.asarray(network.stimuli), animal.rates
    probability = jnp.asarray(environment.reward_probability)
    n_trials, n_stimuli = probability.shape
    ends = environment.most_encounters < np.inf
    start = _Past(
        weights=animal.initial,
        armed=jnp.zeros(n_stimuli, dtype=bool),
        history=jnp.zeros(spec.window),
        expected=jnp.asarray(animal.model.start, float),
        trace=jnp.zeros(n_stimuli),
        filtered=animal.model.session_filter(animal.values),
    )

    def step(past: _Past, trial: tuple) -> tuple[_Past, Session]:
        key, chances, begins, offered = trial
        if begins is not None:
            past = jax.tree.map(partial(jnp.where, begins), _resumed(start, past, animal), past)
        choice_key, reward_key, reject_key = jax.random.split(key, 3)
        logits = logits_of(network, past.weights)
        said = animal.readout(logits, past.trace, offered, past.filtered)
        offer, accept = spec.kind.attraction(*said)
        choice = jax.random.categorical(choice_key, jax.nn.log_softmax(offer + accept))
        rejections = reject(reject_key, offer, accept, environment.most_encounters)
        accepted = jnp.ones((), dtype=bool)
        if ends:  # else nobody may ask for rejections, and they are not drawn
            accepted = rejections.sum() < environment.most_encounters
        if offered is not None:
            accepted &= offered.any()
        armed = arm(reward_key, past.armed, chances, environment.baiting)
        collected, waiting = collect(armed, choice)
        none, one = environment.outcomes
        reward = none + (one - none) * collected
        expected = None if memory.expected is None else past.expected
        r = signal_now(reward, past.history, spec.reward, expected)
        chosen = (jnp.arange(n_stimuli) == choice).astype(float)
        after = _Past(
            weights=advance(past.weights, rates[choice], r),
            armed=waiting,
            history=remember(past.history, reward),
            expected=past.expected
            if memory.expected is None
            else towards(reward, memory.expected, past.expected),
            trace=towards(chosen, 1.0 if memory.trace is None else memory.trace, past.trace),
            filtered=_filtered(past, animal, logits, choice, offered),
        )
        passed = past._replace(armed=armed)
        if spec.omitted == "decay":
            nothing = jnp.zeros(network.n_inputs)
            passed = passed._replace(weights=advance(past.weights, nothing, jnp.zeros(())))
        choice, reward = jnp.where(accepted, choice, NO_CHOICE), jnp.where(accepted, reward, 0.0)
        log_p = _log_probability(offer, accept, choice, rejections, spec.kind)
        session = Session(choice, reward, rejections, log_p)
        return jax.tree.map(partial(jnp.where, accepted), after, passed), session

    keys = jax.random.split(key, n_trials)
    trials = (keys, probability, environment.begins, environment.offered)
    return jax.lax.scan(step, start, trials)[1]


class _Past(NamedTuple):
    """What an animal and its task go into a trial with: ``weights``, rewards that are ``armed``,
    the last rewards (``history``), what it ``expected`` by an average of its own, and the ``trace``
    of choices, which without a rate of its own is the last one; and the ``filtered``
    preference of the session."""

    weights: Array
    armed: Array
    history: Array
    expected: Array
    trace: Array
    filtered: SessionFilter | None


def _resumed(start: _Past, past: _Past, animal: Animal) -> _Past:
    """Return what is left when a session begins. The task begins anew."""
    kept = animal.rates.kept
    if animal.model.kept == 0.0:
        return start
    # What has no rate of its own is data, and kept whole.
    own = ("weights", "expected", *(() if animal.rates.trace is None else ("trace",)))
    left = {name: resumed(getattr(start, name), kept, getattr(past, name)) for name in own}
    return past._replace(armed=start.armed, filtered=start.filtered, **left)


def _filtered(
    past: _Past, animal: Animal, logits: Array, choice: Array, offered: Array | None
) -> SessionFilter | None:
    """Return the filter of the session after a choice."""
    if past.filtered is None:
        return None
    free = choice if offered is None else jnp.where(offered.all(), choice, NO_CHOICE)
    return animal.updated(logits, past.trace, past.filtered, free)


def _log_probability(
    log_offer: Array, log_accept: Array, choice: Array, rejections: Array, kind: Kind
) -> Array:
    """Return log P of what a likelihood of some kind sees of one trial, in nats."""
    if kind.relative:
        return jnp.where(
            choice == NO_CHOICE, 0.0, jax.nn.log_softmax(log_offer + log_accept)[choice]
        )
    refused = (rejections * jnp.log(-jnp.expm1(log_accept))).sum()
    return refused + jnp.where(choice == NO_CHOICE, 0.0, log_accept[choice])
