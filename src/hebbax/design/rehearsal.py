"""Simulated animals of a known rule rehearse a task: what would their choices say of the rule?"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.data import Sessions
from hebbax.design.information import shares
from hebbax.inference.density import fisher_information, flatten_groups
from hebbax.model.choices import Model, build_model
from hebbax.model.priors import SPREAD_FRACTION
from hebbax.model.spec import ModelSpec
from hebbax.model.trials import Design
from hebbax.simulation.cohort import Generator, as_sessions, generator
from hebbax.simulation.environment import Baiting, Task
from hebbax.typing import Array, Key


@dataclass(frozen=True)
class Population:
    """The animals' truth: coefficients ``theta`` (term,) in the order of the model's terms, their
    spread between animals as a part ``differing`` of their size, and the spread of the innate
    preference, around zero, in log odds."""

    theta: np.ndarray
    differing: float
    preference: float


class Animals(NamedTuple):
    """Simulated animals: ``keys`` (animal,), ``theta`` (animal, term), ``preference`` (animal,
    stimulus - 1)."""

    keys: Key
    theta: Array
    preference: Array


class Rehearsal(NamedTuple):
    """What came of one task.

    ``shares`` (animal, member, member) is the precision that each animal's choices, looked at by
    one who knows the spreads, add to that of the population values; ``prior`` (member,) are the
    prior scales of these; ``rewarded`` is the fraction of choices.
    """

    shares: np.ndarray
    prior: np.ndarray
    rewarded: float


class Rehearsals:
    """Lets the same animals live through one task after another.

    Animals have the same values and luck in every task, so that tasks differ by what they are. A
    program is compiled for each number of trials and kind of baiting, and kept.
    """

    def __init__(
        self, key: Key, spec: ModelSpec, population: Population, n_animals: int, n_stimuli: int
    ) -> None:
        self._spec, self._population = spec, population
        self._animals = _draw(key, population, n_animals, n_stimuli)
        self._generators: dict[Baiting, Generator] = {}
        self._templates: dict[int, Model] = {}

    def of(self, task: Task) -> Rehearsal:
        """Return what the animals' choices in a task would say, at their own true values."""
        if task.baiting not in self._generators:
            self._generators[task.baiting] = generator(self._spec, task.baiting)
        sessions = self._lived(task)
        model = build_model(self._spec, sessions)
        template = self._templates.setdefault(task.trials, model)
        values = self._values(model)
        information = _information(template, model.design, flatten_groups(model, values))
        spread = self._spread(model)
        return Rehearsal(shares(information, spread), model.scales, float(sessions.rewards.mean()))

    def _lived(self, task: Task) -> Sessions:
        """Return what the animals did in a task."""
        animals, chances = self._animals, task.chances
        start = jnp.zeros((len(animals.theta), chances.shape[1], 1))
        live = self._generators[task.baiting]
        made = live(animals.keys, animals.theta, start, animals.preference, chances)
        return as_sessions(self._spec, made, "simulated")

    def _values(self, model: Model) -> dict[str, Array]:
        n = model.sessions.n_animals
        given = {"theta": self._animals.theta, "preference": self._animals.preference}
        return {g.name: given.get(g.name, jnp.zeros((n, *g.shape))) for g in model.groups}

    def _spread(self, model: Model) -> np.ndarray:
        truth = self._population
        given: dict[str, np.ndarray] = {
            "theta": truth.differing * np.abs(truth.theta),
            "preference": np.asarray(truth.preference),
        }
        # What the truth does not have (a habit, starting weights) may differ as the prior says.
        each = [given.get(g.name, SPREAD_FRACTION * g.scales) for g in model.groups]
        return np.concatenate(
            [np.broadcast_to(s, g.scales.size) for s, g in zip(each, model.groups, strict=True)]
        )


def _draw(key: Key, population: Population, n_animals: int, n_stimuli: int) -> Animals:
    theta_key, preference_key, run_key = jax.random.split(key, 3)
    truth, n = jnp.asarray(population.theta), n_animals
    theta = truth * (1.0 + population.differing * jax.random.normal(theta_key, (n, truth.size)))
    normal = jax.random.normal(preference_key, (n, n_stimuli - 1))
    return Animals(jax.random.split(run_key, n), theta, population.preference * normal)


@partial(jax.jit, static_argnames="template")
def _information(template: Model, design: Design, phi: Array) -> Array:
    # The expected information of a choice is the same whichever was made; the template has the
    # same numbers of trials, and a program of its own.
    return fisher_information(replace(template, design=design), phi)
