"""Cohorts whose truth is drawn from a model's own prior, and what they do in a task.

The truth is a draw of `hebbax.model.choices.Model.latents`, the very sites that a fit samples; the
animals then live (`hebbax.simulate.environment.generate`) with the rule, network and reward signal
of the model.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from numpyro.handlers import seed, trace

from hebbax.data import Record, Sessions, from_animals
from hebbax.design.rehearsal import Task
from hebbax.model.choices import Model, build_model
from hebbax.model.spec import ModelSpec
from hebbax.simulate.environment import Animal, Environment, generate
from hebbax.simulate.environment import Task as Meeting
from hebbax.typing import Array, ArrayLike, Key, Parameters


class Lived(NamedTuple):
    """One simulated cohort: the ``truth`` by site name, each animal's values by group name among
    them, and its choices and rewards (animal, trial) and rejections (animal, trial, stimulus)."""

    truth: Parameters
    choices: Array
    rewards: Array
    rejections: Array


def template(spec: ModelSpec, animals: int, task: Task) -> Model:
    """Return the model on recordings of the task's size, whatever was chosen in them."""
    n_stimuli = len(task.rewards)
    choices = np.broadcast_to(np.arange(task.trials) % n_stimuli, (animals, task.trials))
    rejections = np.zeros((animals, task.trials, n_stimuli), int)
    return build_model(spec, as_sessions(choices, np.zeros(choices.shape), rejections))


def as_sessions(choices: ArrayLike, rewards: ArrayLike, rejections: ArrayLike) -> Sessions:
    """Return what simulated animals did ``(animal, trial, ...)`` as recordings."""
    choices, rewards, rejections = map(np.asarray, (choices, rewards, rejections))
    records = [
        Record(f"animal {a + 1}", choices[a], rewards[a], rejections=rejections[a].astype(int))
        for a in range(len(choices))
    ]
    names = [chr(ord("A") + k) for k in range(rejections.shape[-1])]
    return from_animals(records, names, "simulated from the prior")


def draw_truth(key: Key, model: Model) -> Parameters:
    """Return a draw of the prior by site name, without the offsets that stand for animals' values,
    which are among them by group name."""
    sites = trace(seed(model.latents, key)).get_trace()
    return {name: site["value"] for name, site in sites.items() if not name.endswith("_offset")}


def lives(model: Model, task: Task) -> Callable[[Key, Parameters], tuple[Array, Array, Array]]:
    """Return a compiled function of a key and of each animal's values by group name, which lets the
    animals live through the task: choices, rewards (animal, trial) and rejections (animal, trial,
    stimulus)."""
    meeting = Meeting(model.spec.reward, model.spec.window, model.spec.likelihood)
    environment = Environment(task.chances, task.baiting)

    def animal(key: Key, values: Parameters) -> tuple[Array, Array, Array]:
        own = Animal(*model.animal_parameters(values))
        made = generate(key, model.rule, model.network, own, environment, meeting)
        return made.choices, made.rewards, made.rejections

    def cohort(key: Key, values: Parameters) -> tuple[Array, Array, Array]:
        return jax.vmap(animal)(jax.random.split(key, model.sessions.n_animals), values)

    return jax.jit(cohort)


def generator(model: Model, task: Task) -> Callable[[Key], Lived]:
    """Return a compiled function that draws a truth and lets its animals live through the task."""
    live = lives(model, task)

    def cohort(key: Key) -> Lived:
        truth_key, run_key = jax.random.split(key)
        truth = draw_truth(truth_key, model)
        values = {group.name: truth[group.name] for group in model.groups}
        return Lived(truth, *live(run_key, values))

    return jax.jit(cohort)
