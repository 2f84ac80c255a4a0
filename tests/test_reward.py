"""Averages of past rewards, against loops."""

import numpy as np

from hebbax.rule.reward import exponential_reward


def test_an_exponential_average_sees_only_the_past():
    rewards = np.random.default_rng(0).integers(0, 2, (3, 20)).astype(float)
    expected = np.zeros((3, 20))
    for t in range(19):
        expected[:, t + 1] = expected[:, t] + 0.3 * (rewards[:, t] - expected[:, t])
    np.testing.assert_allclose(exponential_reward(rewards, 0.3), expected, rtol=1e-12)


def test_at_rate_one_it_is_the_last_reward():
    rewards = np.array([1.0, 0.0, 1.0, 1.0])
    np.testing.assert_array_equal(exponential_reward(rewards, 1.0), [0.0, 1.0, 0.0, 1.0])
