"""Cohorts whose truth is drawn from a model's own prior, and what they do in a task.

The truth is a draw of `hebbax.model.choices.Model.latents`, the very sites that a fit samples; the
animals then live (`hebbax.simulation.environment.generate`) with the rule, network and reward
signal of the model.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from numpyro.handlers import seed, trace

from hebbax.data import Sessions
from hebbax.model.choices import Model, build_model
from hebbax.model.effects import covariates_named
from hebbax.model.spec import ModelSpec
from hebbax.simulation.cohort import as_sessions
from hebbax.simulation.environment import Session, Task, generate
from hebbax.typing import Key, Parameters


class Lived(NamedTuple):
    """One simulated cohort: the ``truth`` by site name, each animal's values by group name among
    them, and its ``session``, a leading dimension ``animal``."""

    truth: Parameters
    session: Session


def template(spec: ModelSpec, animals: int, task: Task) -> Model:
    """Return the model on recordings of the task's size, whatever was chosen in them."""
    n_stimuli = len(task.rewards)
    choices = np.broadcast_to(np.arange(task.trials) % n_stimuli, (animals, task.trials))
    rewards = np.resize(task.outcomes, choices.shape)
    rejections = np.zeros((*choices.shape, n_stimuli))
    made = Session(choices, rewards, rejections, rewards)  # type: ignore[arg-type]
    return build_model(spec, recorded(made, task, spec))


def recorded(made: Session, task: Task, spec: ModelSpec) -> Sessions:
    """Return what simulated animals did in a task as recordings with what a model needs: each of
    the covariates that it names divides the animals in two groups."""
    session, factors = task.session if task.sessions > 1 else None, covariates_named(spec.by)
    return as_sessions(spec, made, "simulated from the prior", session=session, factors=factors)


def draw_truth(key: Key, model: Model) -> Parameters:
    """Return a draw of the prior by site name, without the offsets that stand for animals' values,
    which are among them by group name."""
    sites = trace(seed(model.latents, key)).get_trace()
    return {
        name: site["value"]
        for name, site in sites.items()
        if site["type"] != "plate" and not name.endswith("_offset")
    }


def lives(model: Model, task: Task) -> Callable[[Key, Parameters], Session]:
    """Return a compiled function of a key and of each animal's values by group name, which lets the
    animals live through the task and returns a `Session` with a leading dimension ``animal``."""
    environment = task.environment

    def animal(key: Key, values: Parameters) -> Session:
        own = model.animal(values)
        return generate(key, model.rule, model.network, own, environment, model.spec)

    def cohort(key: Key, values: Parameters) -> Session:
        keys = jax.random.split(key, model.sessions.n_animals)
        return jax.vmap(animal)(keys, values)

    return jax.jit(cohort)


def generator(model: Model, task: Task) -> Callable[[Key], Lived]:
    """Return a compiled function that draws a truth and lets its animals live through the task."""
    live = lives(model, task)

    def cohort(key: Key) -> Lived:
        truth_key, run_key = jax.random.split(key)
        truth = draw_truth(truth_key, model)
        values = {group.name: truth[group.name] for group in model.groups}
        return Lived(truth, live(run_key, values))

    return jax.jit(cohort)
