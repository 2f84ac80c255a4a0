"""Whether answers are right as often as they say: of probabilities, of ranks, of intervals.

Everything here is arithmetic on finished answers and their truths; `hebbax.sbc` and
`hebbax.model_recovery` make them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

LEVEL = 0.9
"""Probability of the band of a reliability curve."""

BINS = 10
"""Bins of equal width between 0 and 1."""

SIMULATED = 4000
"""Simulated curves behind a band."""


@dataclass(frozen=True)
class Reliability:
    """How often what was given a probability was true.

    Attributes:
        table: one row a bin that is not empty: ``from`` and ``to``, the number ``n`` of
            probabilities in it, their mean ``predicted``, the fraction ``observed`` of them that
            was true, and the band ``lower`` to ``upper`` of that fraction.
        level: probability that a calibrated answer's whole curve lies in its band.
    """

    table: pd.DataFrame
    level: float

    @property
    def inside(self) -> bool:
        """Whether the whole curve lies in its band."""
        return bool(self._within().all())

    @property
    def sentence(self) -> str:
        """The answer in words."""
        n, out = int(self.table["n"].sum()), self.table[~self._within()]
        head = f"Of {n} probabilities the reliability curve"
        if out.empty:
            return f"{head} lies inside its {self.level:.0%} band."
        row = out.iloc[(out["observed"] - out["predicted"]).abs().argmax()]
        return (
            f"{head} leaves its {self.level:.0%} band: of {row['n']:.0f} that were given "
            f"{row['predicted']:.2f} on average, {row['observed']:.0%} were true."
        )

    def _within(self) -> pd.Series:
        return self.table["observed"].between(self.table["lower"], self.table["upper"])


def reliability(
    probabilities: np.ndarray, truth: np.ndarray, level: float = LEVEL, bins: int = BINS
) -> Reliability:
    """Return the reliability curve of probabilities that something is true.

    The band is simultaneous: were every event true with the probability it was given,
    independently, the curve would lie in it with probability ``level`` in every bin at once
    (Broecker & Smith 2007 for one bin at a time). Terms of one cohort that stand for each other are
    negatively dependent, which makes the band too wide rather than too narrow.

    Args:
        probabilities: of any shape, between 0 and 1.
        truth: whether each was true, the same shape.
        level: probability of the band.
        bins: of equal width between 0 and 1; empty ones are left out.

    Raises:
        ValueError: the shapes differ, nothing was given, or a number is no probability.
    """
    probabilities, truth = np.asarray(probabilities, float), np.asarray(truth, bool)
    if probabilities.shape != truth.shape or not probabilities.size:
        raise ValueError(
            f"as many truths as probabilities are needed, and at least one: {truth.shape} and "
            f"{probabilities.shape} given."
        )
    p, true = probabilities.ravel(), truth.ravel()
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"probabilities lie between 0 and 1: {p.min():g} to {p.max():g} given.")
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.minimum(np.digitize(p, edges) - 1, bins - 1)
    used, place = np.unique(place, return_inverse=True)
    member = (place == np.arange(len(used))[:, None]).astype(float)
    n = member.sum(1)
    rng = np.random.default_rng(0)
    counts = (rng.random((SIMULATED, p.size)) < p).astype(float) @ member.T
    lower, upper = _simultaneous(counts, level)
    table = pd.DataFrame(
        {
            "from": edges[used],
            "to": edges[used + 1],
            "n": n.astype(int),
            "predicted": member @ p / n,
            "observed": member @ true / n,
            "lower": lower / n,
            "upper": upper / n,
        }
    )
    return Reliability(table, level)


def _simultaneous(simulated: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper limits ``(place,)`` that hold a fraction ``level`` of the simulated
    curves (curve, place) whole, with the same tail probability at every place."""
    ordered = np.sort(simulated, axis=0)
    size = len(simulated)
    at_most = np.stack(
        [np.searchsorted(o, s, side="right") for o, s in zip(ordered.T, simulated.T, strict=True)]
    )
    below = np.stack(
        [np.searchsorted(o, s, side="left") for o, s in zip(ordered.T, simulated.T, strict=True)]
    )
    # Of each curve the smaller of P(at most this) and P(at least this), at its worst place.
    worst = np.minimum(at_most, size - below).min(0)
    tail = int(np.quantile(worst, 1.0 - level, method="lower"))
    return ordered[tail - 1], ordered[size - tail]
