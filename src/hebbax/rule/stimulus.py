"""Stimulus -> presynaptic activity."""

import numpy as np

from hebbax.errors import ModelError

DEFAULT_RATE = 0.75
"""Activity of a stimulus's own unit; not 1, so that x and x^2 differ (Mehta et al. 2024)."""


def one_hot(n_stimuli: int, rate: float = DEFAULT_RATE) -> np.ndarray:
    """Return ``(stimulus, input)`` presynaptic rates with one active unit a stimulus.

    Formula: x_ki = rate * [k = i].
    """
    if n_stimuli < 2:
        raise ModelError(f"a choice needs at least 2 stimuli, {n_stimuli} given.")
    if not np.isfinite(rate) or rate <= 0:
        raise ModelError(f"the presynaptic rate must be a positive number, {rate} given.")
    return rate * np.eye(n_stimuli)
