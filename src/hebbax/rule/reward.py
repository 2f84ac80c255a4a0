"""Rewards -> the reward signal r that gates plasticity.

Raw: r_t = R_t. Relative to expectation: r_t = R_t - E_t, where E_t is the mean of the last
``window`` rewards *before* trial t, counted from a record that starts with zeros (Mehta et al.
2024), or an exponential average whose rate is a parameter (`hebbax.rule.memory`). Only trials with
a choice count: an omitted trial has no reward to remember.
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from scipy.signal import lfilter

from hebbax.typing import Array

RewardSignal = Literal["raw", "expected", "exponential"]


def expected_reward(rewards: np.ndarray, window: int) -> np.ndarray:
    """Return E_t for one animal's rewards ``(trial,)``: the mean of the last ``window`` rewards."""
    history = np.concatenate([np.zeros(window), rewards])
    return np.lib.stride_tricks.sliding_window_view(history, window)[: len(rewards)].mean(axis=1)


def exponential_reward(rewards: np.ndarray, rate: float) -> np.ndarray:
    """Return E_t of rewards ``(..., trial)`` before each trial: E_0 = 0, E_(t+1) = E_t + rate
    (R_t - E_t), the average that forgets the past gradually; ``rate`` is between 0 and 1."""
    before = np.concatenate([np.zeros_like(rewards[..., :1]), rewards[..., :-1]], axis=-1)
    return lfilter([rate], [1.0, rate - 1.0], before, axis=-1)


def reward_signal(rewards: np.ndarray, signal: RewardSignal, window: int) -> np.ndarray:
    """Return r_t for one animal's rewards ``(trial,)``: R_t, or R_t - E_t; R_t too where E_t has a
    rate that is a parameter."""
    if signal != "expected":
        return np.asarray(rewards, dtype=float)
    return rewards - expected_reward(rewards, window)


def signal_now(
    reward: Array, history: Array, signal: RewardSignal, average: Array | None = None
) -> Array:
    """Return r of this trial in a free run, given the last rewards before it ``(window,)``, and
    their exponential average where that is what is expected."""
    if signal == "raw":
        return reward
    return reward - (history.mean() if average is None else average)


def remember(history: Array, reward: Array) -> Array:
    """Return the last rewards ``(window,)`` with the oldest replaced by this trial's reward."""
    return jnp.append(history[1:], reward)
