"""Recorded activity of a plastic layer: what went in, what came out, and of which neurons.

A trajectory is one run of the layer from its initial weights; all trajectories have the same steps
and start from the same weights. Neurons learn independently of each other, so those that were not
recorded are simply not here.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hebbax.errors import DataError


@dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings of one layer; `recordings` makes and checks them.

    Attributes:
        inputs: ``(trajectory, step, input)`` presynaptic activity.
        activity: ``(trajectory, step, neuron)`` what was recorded of each recorded neuron.
        neurons: ``(neuron,)`` number of each recorded neuron in the layer, from 0.
        reward: ``(trajectory, step)`` reward signal of each step, zero where there is none.
        initial: ``(input, neuron)`` weights before the first step, or None where unknown.
        source: where they come from, for tables and errors.
    """

    inputs: np.ndarray
    activity: np.ndarray
    neurons: np.ndarray
    reward: np.ndarray
    initial: np.ndarray | None
    source: str

    @property
    def n_inputs(self) -> int:
        """Number of presynaptic units."""
        return self.inputs.shape[2]

    @property
    def n_neurons(self) -> int:
        """Number of recorded neurons."""
        return self.activity.shape[2]

    @property
    def n_steps(self) -> int:
        """Number of steps of a trajectory."""
        return self.inputs.shape[1]

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories."""
        return self.inputs.shape[0]


def recordings(
    inputs: Any,
    activity: Any,
    *,
    neurons: Any = None,
    reward: Any = None,
    initial: Any = None,
    source: str = "recordings",
) -> Recordings:
    """Return checked `Recordings` from arrays of the shapes given there.

    Args:
        inputs: presynaptic activity.
        activity: recorded neurons only, in the order of ``neurons``.
        neurons: number of each recorded neuron, from 0; without it 0, 1, 2, ...
        reward: reward signal of each step; without it zero.
        initial: initial weights of the recorded neurons; without it they are unknown.
        source: where they come from.

    Raises:
        DataError: one sentence that names the field, what was given and what is allowed.
    """
    x = _numbers(source, "inputs", inputs, "(trajectory, step, input)")
    y = _numbers(source, "activity", activity, "(trajectory, step, neuron)")
    if x.shape[:2] != y.shape[:2]:
        raise DataError(
            f"{source}: inputs have {x.shape[0]} trajectories of {x.shape[1]} steps, activity has "
            f"{y.shape[0]} of {y.shape[1]}; they must be the same."
        )
    n_neurons = y.shape[2]
    index = np.arange(n_neurons) if neurons is None else np.asarray(neurons)
    if index.shape != (n_neurons,) or len(np.unique(index)) != n_neurons:
        raise DataError(
            f"{source}: neurons must be {n_neurons} different numbers, one for each recorded "
            f"neuron, and {index.size} ({len(np.unique(index))} different) are given."
        )
    r = np.zeros(x.shape[:2])
    if reward is not None:
        r = _numbers(source, "reward", reward, "(trajectory, step)")
        _check_shape(source, "reward", r, x.shape[:2])
    w = None
    if initial is not None:
        w = _numbers(source, "initial", initial, "(input, neuron)")
        _check_shape(source, "initial", w, (x.shape[2], n_neurons))
    return Recordings(x, y, index, r, w, source)


def excerpt(whole: Recordings, trajectories: int, steps: int, neurons: int) -> Recordings:
    """Return the first trajectories, steps and neurons, or all where there are fewer."""
    return replace(
        whole,
        inputs=whole.inputs[:trajectories, :steps],
        activity=whole.activity[:trajectories, :steps, :neurons],
        neurons=whole.neurons[:neurons],
        reward=whole.reward[:trajectories, :steps],
        initial=None if whole.initial is None else whole.initial[:, :neurons],
    )


def _numbers(source: str, field: str, values: Any, dims: str) -> np.ndarray:
    """Return an array of finite numbers with the named dimensions, none of them empty."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as problem:
        raise DataError(f"{source}: {field} must be numbers of shape {dims}.") from problem
    if array.ndim != dims.count(",") + 1 or array.size == 0:
        raise DataError(f"{source}: {field} must have shape {dims}, {array.shape} given.")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(
            f"{source}: {field} is {array[where]} at {dims} = {where}; every value must be a "
            "finite number."
        )
    return array


def _check_shape(source: str, field: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise DataError(
            f"{source}: {field} must have shape {tuple(map(int, shape))} like the inputs and the "
            f"activity, {array.shape} given."
        )
