"""The band in which the whole ECDF of uniform ranks lies (Saeilynoja, Buerkner & Vehtari 2022).

Of N uniform numbers the counts C_k below k / (K + 1), k = 1 to K, are each binomial. The band has
the same tail probability at every k, the largest with

    P(lower_k <= C_k <= upper_k for all k) >= level.

The numbers that fall between two neighbouring points are Poisson ones of mean N / (K + 1), given
that they sum to N: the probability is a convolution a point, exact up to rounding.
"""

import numpy as np
from scipy.stats import binom, poisson

HALVINGS = 30
"""Halvings of the interval in which the tail probability is looked for."""


def ecdf_band(simulations: int, draws: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper limits ``(rank,)``, as fractions, in which the whole
    `hebbax.check.calibration.ecdf` of ranks among ``draws`` lies with probability ``level`` at
    least where all ranks are equally likely."""
    points = np.arange(1, draws + 1) / (draws + 1)
    # All at once leave the band at least as often as one does, and no more often than their sum.
    low, high = np.log((1.0 - level) / (2 * draws)), np.log((1.0 - level) / 2)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if inside(*_counts(simulations, points, middle), simulations) >= level:
            low = middle
        else:
            high = middle
    lower, upper = _counts(simulations, points, low)
    return lower / simulations, upper / simulations


def inside(lower: np.ndarray, upper: np.ndarray, n: int) -> float:
    """Return the probability that of ``n`` uniform numbers the counts below each of evenly spaced
    points lie between ``lower`` and ``upper`` (point,), ends included, at all points."""
    between = poisson.pmf(np.arange(n + 1), n / (len(lower) + 1))
    reached = np.zeros(n + 1)
    reached[0] = 1.0
    for least, most in zip(lower, upper, strict=True):
        reached = np.convolve(reached, between)[: n + 1]
        reached[:least] = 0.0
        reached[most + 1 :] = 0.0
    return float(reached @ between[::-1] / poisson.pmf(n, n))


def _counts(n: int, points: np.ndarray, log_tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest count at each point, outside of which lies at most a tail
    probability on each side."""
    tail = np.exp(log_tail)
    return binom.ppf(tail, n, points).astype(int), binom.isf(tail, n, points).astype(int)
