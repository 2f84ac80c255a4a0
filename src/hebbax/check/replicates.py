"""Choices that a posterior predicts of its own animals, one step ahead and running free.

*One step ahead*: each choice is drawn given the recorded past, as in the group
``posterior_predictive`` of a stored posterior, with its probability. *Free*: the animal lives in
its task again (`hebbax.simulation.environment.generate`), and choices, rewards and weights follow
from its own simulated past. Every replicate has one draw of the posterior, and one of the
contingencies where these were estimated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.check.behaviour import Trials
from hebbax.model.choices import Model
from hebbax.simulation.contingency import Contingencies
from hebbax.simulation.environment import Baiting, Environment, generate
from hebbax.typing import Array, Key, Parameters


@dataclass(frozen=True)
class RecordedTask:
    """The task of the recorded animals.

    ``blocks`` (animal, trial) from 0, -1 in padding; ``contingencies`` of each; ``baiting``:
    whether an armed reward waits.
    """

    blocks: np.ndarray
    contingencies: Contingencies
    baiting: Baiting


class Lived(NamedTuple):
    """Of recorded animals, as in `Environment`: which trial ``begins`` a session (animal, trial),
    and what was ``offered`` (animal, trial, stimulus)."""

    begins: Array | None
    offered: Array | None


def one_step(
    key: Key, model: Model, values: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return choices ``(replicate, animal, trial)`` and their mean probabilities
    ``(animal, trial, stimulus)``, given the recorded history.

    Under ``encounter`` stimuli are taken to be offered evenly, as in `generate`.
    """

    def one(key: Key, draw: Parameters) -> tuple[Array, Array]:
        offer, accept = model.kind.attraction(*model.readout(draw))
        log_p = jax.nn.log_softmax(offer + accept)
        return jax.random.categorical(key, log_p), jnp.exp(log_p)

    def every(keys: Key, draws: Parameters) -> tuple[Array, Array]:
        choices, probability = jax.vmap(one)(keys, draws)
        return choices, probability.mean(0)

    n = len(next(iter(values.values())))
    choices, probability = jax.jit(every)(jax.random.split(key, n), dict(values))
    return np.asarray(choices), np.asarray(probability)


def free_runs(
    key: Key, model: Model, values: Mapping[str, np.ndarray], experiment: RecordedTask
) -> tuple[np.ndarray, np.ndarray]:
    """Return choices and rewards, each ``(replicate, animal, trial)``, of animals set free."""

    def one(key: Key, animal: Parameters, chances: Array, trials: Lived) -> tuple[Array, Array]:
        begins, offered = trials
        environment = Environment(chances, experiment.baiting, np.inf, begins, offered)
        made = generate(
            key,
            model.rule,
            model.network,
            model.animal(animal),
            environment,
            model.spec,
        )
        return made.choices, made.rewards

    n, animals = len(next(iter(values.values()))), model.sessions.n_animals
    contingency_key, run_key = jax.random.split(key)
    by_block = experiment.contingencies.draw(contingency_key, n)
    # Padding runs on in the last block; what it yields is cut off.
    blocks = np.maximum.accumulate(experiment.blocks, axis=1)
    chances = by_block[:, np.arange(animals)[:, None], blocks]
    keys = jax.random.split(run_key, (n, animals))
    runs = jax.vmap(jax.vmap(one), in_axes=(0, 0, 0, None))
    choices, rewards = jax.jit(runs)(keys, dict(values), chances, _lived(model))
    return np.asarray(choices), np.asarray(rewards)


def _lived(model: Model) -> Lived:
    """Return the sessions and offers of the recorded animals."""
    sessions = model.sessions
    begins, offered = None, sessions.offered
    if sessions.n_sessions > 1:
        begins = jnp.asarray(sessions.begins)
    if model.spec.omitted == "decay":  # a trial without a choice stays one
        whole = np.ones((*sessions.choices.shape, sessions.n_stimuli), dtype=bool)
        offered = (whole if offered is None else offered) & sessions.valid[..., None]
    shown = None if offered is None else jnp.asarray(offered)
    return Lived(begins, shown)


def recorded_trials(model: Model, experiment: RecordedTask) -> list[Trials]:
    """Return the recorded trials of each animal."""
    sessions = model.sessions
    return _trials(model, experiment, sessions.choices, sessions.choices, sessions.rewards)


def predicted_trials(model: Model, experiment: RecordedTask, choices: np.ndarray) -> list[Trials]:
    """Return choices drawn one step ahead ``(replicate, animal, trial)`` with the recorded past."""
    return _trials(model, experiment, choices, model.sessions.choices, model.sessions.rewards)


def free_trials(
    model: Model, experiment: RecordedTask, choices: np.ndarray, rewards: np.ndarray
) -> list[Trials]:
    """Return free runs ``(replicate, animal, trial)`` as trials of each animal."""
    return _trials(model, experiment, choices, choices, rewards)


def _trials(
    model: Model,
    experiment: RecordedTask,
    choices: np.ndarray,
    history: np.ndarray,
    rewards: np.ndarray,
) -> list[Trials]:
    best = experiment.contingencies.log_odds.argmax(-1)
    return [
        Trials(
            choices[..., a, made],
            history[..., a, made],
            rewards[..., a, made],
            experiment.blocks[a, made],
            best[a],
            model.sessions.n_stimuli,
        )
        for a, made in enumerate(model.sessions.valid)
    ]
