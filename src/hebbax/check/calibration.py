"""Whether answers are right as often as they say: of ranks, of intervals, of probabilities.

Everything here is arithmetic on finished answers and their truths; `hebbax.check.sbc` and
`hebbax.check.model_recovery` make them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hebbax.check.ecdf_band import ecdf_band

BAND = 0.95
"""Probability of the band of an ECDF of ranks."""

COVERAGES = (0.5, 0.8, 0.9, 0.95)
"""Central intervals whose coverage is counted."""

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


FARTHEST = "largest |z|"
"""Column of the truth that is farthest from its posterior."""


@dataclass(frozen=True)
class Ranked:
    """What the ranks of truths among posterior draws show.

    Attributes:
        table: one row a quantity: its ``kind``; ``inside`` its own band and ``inside all``, the
            band of all quantities at once; for each of `COVERAGES` the fraction of central
            intervals that hold the truth, as ``50 %``, with its binomial error ``SE 50 %``;
            ``contraction``, 1 - posterior variance / variance of the truths; of ``z`` = (posterior
            mean - truth) / posterior sd the mean, the standard deviation, and the largest size: a
            solution that was missed once in a hundred simulations shows there, and not in ranks.
        simulations: how many there are.
    """

    table: pd.DataFrame
    simulations: int

    @property
    def sentence(self) -> str:
        """The answer in words."""
        n, own, held = len(self.table), int(self.table["inside"].sum()), self.table["90 %"]
        outside = self.table.index[~self.table["inside all"]]
        at_once = (
            "none leaves the band for all of them at once"
            if outside.empty
            else f"{', '.join(outside)} leave{'s' if len(outside) == 1 else ''} even the band for "
            "all of them at once: the posterior is not calibrated"
        )
        error, away = np.sqrt(0.9 * 0.1 / self.simulations), self.table[FARTHEST]
        return (
            f"Ranks of {own} of {n} quantities lie inside their own {BAND:.0%} band "
            f"({(1 - BAND) * n:.1f} outside are expected by chance), and {at_once}; 90% intervals "
            f"hold {held.min():.0%} to {held.max():.0%} of the truths (standard error {error:.1%})."
            f" The truth farthest from its posterior is one of {away.idxmax()}, {away.max():.1f} "
            "posterior standard deviations from the mean."
        )


def ranked(ranks: pd.DataFrame, draws: int) -> Ranked:
    """Return what the ranks of many simulations show.

    Args:
        ranks: one row a simulation and quantity, as `hebbax.check.sbc` makes them: ``quantity``,
            ``kind``, ``truth``, posterior ``mean`` and ``sd``, ``rank`` among ``draws`` thinned
            ones, and ``below``, the fraction of all draws below the truth.
        draws: draws that a truth was ranked among.
    """
    groups = ranks.groupby("quantity", sort=False)
    simulations = int(groups.size().min())
    own = ecdf_band(simulations, draws, BAND)
    at_once = ecdf_band(simulations, draws, 1.0 - (1.0 - BAND) / len(groups))
    rows = {}
    for name, group in groups:
        known = group["kind"].iloc[0] != "likelihood"
        z = (group["mean"] - group["truth"]) / group["sd"]
        row = {
            "kind": group["kind"].iloc[0],
            "inside": _inside(group["rank"], draws, own),
            "inside all": _inside(group["rank"], draws, at_once),
        }
        for level in COVERAGES:
            held = ((group["below"] - 0.5).abs() <= level / 2.0).mean()
            row |= {
                f"{100 * level:g} %": held,
                f"SE {100 * level:g} %": np.sqrt(level * (1.0 - level) / len(group)),
            }
        shrunk = 1.0 - (group["sd"] ** 2).mean() / group["truth"].var()
        row |= {"contraction": shrunk if known else np.nan, "z mean": z.mean(), "z sd": z.std()}
        row |= {FARTHEST: z.abs().max() if known else np.nan}
        rows[name] = row
    return Ranked(pd.DataFrame.from_dict(rows, orient="index"), simulations)


def ecdf(ranks: np.ndarray, draws: int) -> np.ndarray:
    """Return the fraction of ranks (0 to ``draws``) at most 0, 1, ..., ``draws`` - 1; where all
    ranks are equally likely these are expected to be 1, 2, ... in ``draws`` + 1."""
    return np.searchsorted(np.sort(ranks), np.arange(draws), side="right") / len(ranks)


def _inside(ranks: pd.Series, draws: int, band: tuple[np.ndarray, np.ndarray]) -> bool:
    found, rounding = ecdf(ranks.to_numpy(), draws), 1e-9
    return bool(((found >= band[0] - rounding) & (found <= band[1] + rounding)).all())
