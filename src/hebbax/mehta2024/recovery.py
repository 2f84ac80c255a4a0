"""How well a fitted rule gives back the one that made the data: the paper's scores.

The true and the fitted rule are run from the same fresh starting weights on the same inputs and
rewards; the scores compare the two runs. Source: Mehta et al. (2024), section 3 and supplement.
"""

import numpy as np
from sklearn.metrics import r2_score


def r2(true: np.ndarray, fitted: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return R2 of the fitted trajectory, uniformly averaged over synapses or units.

    R2 = 1 - sum_t (true - fitted)^2 / sum_t (true - mean_t true)^2 for each unit of the trailing
    dimensions of ``(step, ...)``; at most 1, and negative where the mean of the truth is better.
    ``weight`` (step,) says how often each step counts; without it, once.
    """
    steps = len(true)
    flat = np.reshape(true, (steps, -1)), np.reshape(fitted, (steps, -1))
    return float(r2_score(*flat, sample_weight=weight, multioutput="uniform_average"))


def percent_deviance(log_likelihood: np.ndarray, null: np.ndarray) -> float:
    """Return the deviance explained in percent, 100 (1 - D / D_null), D = -2 sum log P.

    ``log_likelihood`` and ``null`` hold log P of the same events in nats; in the paper the null is
    the same network without plasticity.
    """
    return float(100.0 * (1.0 - np.sum(log_likelihood) / np.sum(null)))
