"""Choices that a posterior predicts of its own animals, one step ahead and running free.

*One step ahead*: each choice is drawn given the recorded past, as in the group
``posterior_predictive`` of a stored posterior, with its probability. *Free*: the animal lives in
its task again (`hebbax.simulation.environment.generate`), and choices, rewards and weights follow
from its own simulated past. Sessions, offers and trials without a choice are the recorded ones.
Every replicate has one draw of the posterior, and one of the
contingencies where these were estimated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.check.trials import Trials, only_best, ratio
from hebbax.data import Sessions
from hebbax.model.choices import Model
from hebbax.simulation.contingency import CERTAIN, Contingencies
from hebbax.simulation.environment import Baiting, Environment, generate
from hebbax.typing import Array, Key, Parameters

DIGITS = 3
"""Decimals to which the optimiser is sure to find log odds."""


@dataclass(frozen=True)
class RecordedTask:
    """The task of the recorded animals.

    ``recording``: all trials, those without a choice among them; ``blocks`` (animal, trial) of
    these from 0, in any order, -1 in padding; ``contingencies`` of each; ``baiting``: whether an
    armed reward waits.
    """

    recording: Sessions
    blocks: np.ndarray
    contingencies: Contingencies
    baiting: Baiting

    @property
    def payoffs(self) -> np.ndarray:
        """What a choice of each stimulus pays in each block ``(animal, block, stimulus)``: the log
        odds of a reward, or, where rewards are of several sizes, the mean of those recorded; NaN of
        what was never chosen there, unless the probabilities are known, and less than anything of
        what was not at hand."""
        recording = self.recording
        sizes = np.unique(recording.rewards[recording.valid])
        known = self.contingencies
        estimated = known.factor.any()
        if len(sizes) == 1 and estimated:  # by how often each was chosen
            return np.zeros_like(known.log_odds)
        chosen, count = self._chosen, self.counts
        if (sizes > 0).sum() <= 1 and (sizes <= 0).sum() <= 1:
            odds = known.log_odds.clip(-CERTAIN, CERTAIN).round(DIGITS)
            odds = np.where(count > 0, odds, np.nan) if estimated else odds
        else:
            odds = ratio(self._by_block(np.where(chosen, recording.rewards[..., None], 0.0)), count)
        return np.where(self._by_block(recording.at_hand) > 0, odds, -np.inf)

    @property
    def counts(self) -> np.ndarray:
        """How often each stimulus was chosen in each block ``(animal, block, stimulus)``."""
        return self._by_block(self._chosen)

    @property
    def _chosen(self) -> np.ndarray:
        """Whether each stimulus was chosen ``(animal, trial, stimulus)``."""
        return self.recording.choices[..., None] == np.arange(self.recording.n_stimuli)

    def _by_block(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over the trials of each block of values ``(animal, trial, stimulus)``."""
        out = np.zeros_like(self.contingencies.log_odds)
        animal, trial = np.nonzero(self.blocks >= 0)
        np.add.at(out, (animal, self.blocks[animal, trial]), values[animal, trial])
        return out


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
    """Return choices and rewards, each ``(replicate, animal, trial)`` of the recording, of animals
    set free."""

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

    n, animals = len(next(iter(values.values()))), experiment.recording.n_animals
    contingency_key, run_key = jax.random.split(key)
    by_block = experiment.contingencies.draw(contingency_key, n)
    blocks = np.maximum(experiment.blocks, 0)  # in any block: what padding yields is cut off
    chances = by_block[:, np.arange(animals)[:, None], blocks]
    keys = jax.random.split(run_key, (n, animals))
    runs = jax.vmap(jax.vmap(one), in_axes=(0, 0, 0, None))
    choices, rewards = jax.jit(runs)(keys, dict(values), chances, _lived(experiment.recording))
    return np.asarray(choices), np.asarray(rewards)


def _lived(recording: Sessions) -> Lived:
    """Return the sessions and offers of the recorded animals; a trial without a choice offers
    nothing."""
    begins, offered = None, recording.offered
    if recording.n_sessions > 1:
        begins = jnp.asarray(recording.begins)
    if (recording.n_trials > recording.valid.sum(axis=1)).any():
        offered = recording.at_hand & recording.valid[..., None]
    shown = None if offered is None else jnp.asarray(offered)
    return Lived(begins, shown)


def recorded_trials(experiment: RecordedTask) -> list[Trials]:
    """Return the recorded trials of each animal."""
    recording = experiment.recording
    return own_past_trials(experiment, recording.choices, recording.rewards)


def predicted_trials(model: Model, recorded: Sequence[Trials], choices: np.ndarray) -> list[Trials]:
    """Return choices drawn one step ahead ``(replicate, animal, trial)`` of the model with the
    ``recorded`` past."""
    made = model.sessions.valid
    return [own._replace(choices=choices[..., a, made[a]]) for a, own in enumerate(recorded)]


def own_past_trials(
    experiment: RecordedTask, choices: np.ndarray, rewards: np.ndarray
) -> list[Trials]:
    """Return choices ``(..., animal, trial)`` that are their own past, recorded or of free runs, as
    trials of each animal."""
    recording, best = experiment.recording, only_best(experiment.payoffs)
    offered = recording.at_hand
    return [
        Trials(
            choices[..., a, made],
            choices[..., a, made],
            rewards[..., a, made],
            experiment.blocks[a, made],
            recording.session[a, made],
            offered[a, made],
            np.flatnonzero(made) + 1,
            best[a],
        )
        for a, made in enumerate(recording.valid)
    ]
