"""Point estimates from recorded activity as published: Adam, one trajectory a step.

The loss of a trajectory is the mean squared error of its recorded activity; coefficients start near
zero and gradients are clipped. Source: Mehta et al. (2024), supplement.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hebbax.errors import ModelError
from hebbax.inference.optimise import State, begun, descend
from hebbax.model.activity import ActivityModel, Given
from hebbax.rule.layer import recorded
from hebbax.typing import Array, Key, Progress, silent
from hebbax.validation.keys import words


@dataclass(frozen=True)
class Settings:
    """Settings of the descent, as published: ``epochs`` passes over the trajectories, Adam with
    ``learning_rate``, gradients clipped at ``clip``, coefficients starting at ``start`` N(0, 1)."""

    epochs: int = 100
    learning_rate: float = 1e-3
    clip: float = 0.2
    start: float = 1e-5


class Info(NamedTuple):
    """How the descent went: ``theta`` (epoch + 1, term), first the start, and the mean ``loss``
    (epoch,) in squared units of activity."""

    theta: np.ndarray
    loss: np.ndarray


def fit(
    key: Key, model: ActivityModel, settings: Settings | None = None, *, progress: Progress = silent
) -> tuple[np.ndarray, Info]:
    """Return the coefficients ``(term,)`` after the last epoch, and how they were reached.

    Priors have no part in it. Raises `ModelError` where the initial weights are unknown.
    """
    key = words(key)
    settings = settings or Settings()
    if model.recordings.initial is None:
        raise ModelError(f"{model.recordings.source}: the descent needs known initial weights.")
    initial, given = jnp.asarray(model.recordings.initial), model.given
    optimiser = optax.chain(optax.clip(settings.clip), optax.adam(settings.learning_rate))

    def loss(theta: Array, trajectory: Given) -> Array:
        shown = recorded(model.layer, theta, initial, trajectory.inputs, trajectory.reward)
        return ((shown - trajectory.activity) ** 2).mean()

    @jax.jit
    def epoch(state: State) -> tuple[State, Array]:
        state, losses = descend(loss, optimiser, state, given)
        return state, losses.mean()

    theta = settings.start * jax.random.normal(key, (len(model.terms),))
    state = begun(optimiser, theta)
    path, losses = [np.asarray(theta)], []
    for done in range(settings.epochs):
        progress("descending", done, settings.epochs)
        state, value = epoch(state)
        path.append(np.asarray(state[0]))
        losses.append(float(value))
    progress("descending", settings.epochs, settings.epochs)
    return path[-1], Info(np.stack(path), np.array(losses))
