"""A simulated recording of a plastic layer with a known rule.

Inputs are Normal(0, input_variance), initial weights initial_scale Normal(0, 1); the recordings
show the neurons that were picked, with Normal(0, noise) on each value. Defaults are those of Fig. 2
of Mehta et al. (2024).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.data.recordings import Recordings, recordings
from hebbax.errors import ModelError
from hebbax.rule.layer import Layer, Trajectory, recorded, replay
from hebbax.rule.taylor import coefficients
from hebbax.typing import Array, Key

OJA = {"x y": 1.0, "y^2 w": -1.0}
"""Oja's rule, g = x y - y^2 w."""


@dataclass(frozen=True)
class LayerTask:
    """Design and truth of a simulated recording.

    Attributes:
        truth: coefficient of each term that matters.
        n_inputs, n_neurons: size of the layer.
        trajectories, steps: how often and how long it runs.
        input_variance: variance of the inputs.
        initial_scale: standard deviation of the initial weights.
        noise: standard deviation of the recording noise, in units of activity.
        fraction: part of the neurons that is recorded.
    """

    truth: Mapping[str, float] = field(default_factory=lambda: dict(OJA))
    n_inputs: int = 100
    n_neurons: int = 1000
    trajectories: int = 50
    steps: int = 50
    input_variance: float = 0.1
    initial_scale: float = 0.01
    noise: float = 0.0
    fraction: float = 1.0

    @property
    def n_recorded(self) -> int:
        """Number of recorded neurons."""
        return round(self.fraction * self.n_neurons)


def coefficients_of(layer: Layer, truth: Mapping[str, float]) -> np.ndarray:
    """Return the true coefficient of each term of a layer's rule ``(term,)``, zero where it is not
    named; raise `ModelError` for a named term that the rule lacks."""
    terms = layer.rule.terms
    for name in truth:
        if name not in terms:
            raise ModelError(f'the true term "{name}" is not in the rule ({", ".join(terms)}).')
    return coefficients(terms, truth)


def draw_inputs(key: Key, experiment: LayerTask, trajectories: int) -> Array:
    """Return fresh inputs ``(trajectory, step, input)``."""
    shape = (trajectories, experiment.steps, experiment.n_inputs)
    return jnp.sqrt(experiment.input_variance) * jax.random.normal(key, shape)


def draw_initial(key: Key, experiment: LayerTask) -> Array:
    """Return fresh initial weights ``(input, neuron)`` of all neurons."""
    shape = (experiment.n_inputs, experiment.n_neurons)
    return experiment.initial_scale * jax.random.normal(key, shape)


def record(key: Key, layer: Layer, experiment: LayerTask) -> Recordings:
    """Return simulated recordings, initial weights included.

    Raises `ModelError` for a true term that the layer's rule lacks.
    """
    input_key, start_key, pick_key, noise_key = jax.random.split(key, 4)
    theta = jnp.asarray(coefficients_of(layer, experiment.truth))
    x = draw_inputs(input_key, experiment, experiment.trajectories)
    everyone = jax.random.permutation(pick_key, experiment.n_neurons)
    picked = jnp.sort(everyone[: experiment.n_recorded])
    # Neurons learn alone: only those that are recorded need to be run.
    initial = draw_initial(start_key, experiment)[:, picked]
    clean = _record(layer, theta, initial, x)
    noisy = clean + experiment.noise * jax.random.normal(noise_key, clean.shape)
    return recordings(x, noisy, neurons=picked, initial=initial, source="simulated recordings")


@partial(jax.jit, static_argnums=0)
def _record(layer: Layer, theta: Array, initial: Array, x: Array) -> Array:
    silent = jnp.zeros(x.shape[1])
    return jax.lax.map(lambda own: recorded(layer, theta, initial, own, silent), x)


@partial(jax.jit, static_argnums=0)
def fresh_run(layer: Layer, theta: Array, initial: Array, x: Array) -> Trajectory:
    """Return one run without reward: activity and weights before each step."""
    return replay(layer, theta, initial, x, jnp.zeros(x.shape[0]))
