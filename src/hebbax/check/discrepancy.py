"""Recorded statistics against those of replicates: tidy tables with predictive p-values.

A number T can be missed at both ends: p = 2 min(q, 1 - q), with q its rank among R replicates, at
middle rank: q = (#below + #equal / 2 + 1/2) / (R + 1). A curve has one number, its distance from
the mean m over recording and replicates, mean_x ((T(x) - m(x)) / sd(x))^2, and p is the part of
these 1 + R that lie as far away or farther.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from hebbax.check.behaviour import (
    Trials,
    block_fractions,
    calibration,
    given_past_statistics,
    matching_slope,
    own_past_statistics,
    places,
    ratio,
    statistics,
)

COHORT, ANIMAL = "cohort", "animal"
"""What a row of a table is of: all animals together, or one, which may be called cohort."""

INTERVAL = (0.05, 0.95)
"""Ends of the 90 % interval of the replicates."""

COLUMNS = ["observed", "mean", "5 %", "95 %"]
"""What is said of a statistic: the recorded value, mean and 90 % interval of its replicates."""

OF_ONE_ANIMAL = ("choice curve", "choices of B by block", "rewards of B by block")
"""Curves without an average over animals: each animal had contingencies of its own."""

DISTANCE = "{} (distance)"
"""Name of the distance of a curve among the numbers."""

Values = Mapping[str, np.ndarray]


def all_statistics(
    animals: Sequence[Trials],
    probability: Sequence[np.ndarray] | None,
    progress: Callable[[int, int], None],
) -> list[dict[str, np.ndarray]]:
    """Return the statistics of each animal, and last of the cohort.

    ``probability`` holds for each animal the predicted probability of B ``(trial,)``, for the check
    one step ahead; without it the statistics are those of animals with a past of their own.
    """
    each = []
    for a, trials in enumerate(animals):
        progress(a, len(animals))
        extra = (
            own_past_statistics(trials)
            if probability is None
            else given_past_statistics(trials, probability[a])
        )
        each.append(statistics(trials) | extra)
    progress(len(animals), len(animals))
    cohort = cohort_statistics(animals, each)
    if probability is not None:
        choices = np.concatenate([trials.choices for trials in animals], axis=-1)
        cohort["calibration"] = calibration(np.concatenate(probability), choices)
    return [*each, cohort]


def cohort_statistics(animals: Sequence[Trials], each: Sequence[Values]) -> dict[str, np.ndarray]:
    """Return the statistics of the cohort from its trials and those of each animal.

    They are means over the animals that have one; the matching slope is fitted to the blocks of all
    of them, because three blocks of one animal say little.
    """
    names = [name for name in each[0] if name not in OF_ONE_ANIMAL]
    means = {name: mean_known(np.stack([values[name] for values in each])) for name in names}
    fractions = [block_fractions(trials) for trials in animals]
    chosen, rewarded = (np.concatenate(parts, axis=-1) for parts in zip(*fractions, strict=True))
    return {**means, "matching slope": matching_slope(chosen, rewarded)}


def tables(
    names: Sequence[str], kind: str, observed: Sequence[Values], predicted: Sequence[Values]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of numbers and of curves of one kind of check.

    Both say in ``of`` whether a row is of an `ANIMAL` or of the `COHORT`. Numbers have one row an
    animal and statistic, `COLUMNS` and p, the distance of every curve among them; curves one row a
    point, its place ``at`` and `COLUMNS`.
    """
    numbers, points = [], []
    owners = [*((ANIMAL, name) for name in names), (COHORT, COHORT)]
    for (of, animal), ours, theirs in zip(owners, observed, predicted, strict=True):
        for name, value in ours.items():
            label = {"of": of, "animal": animal, "kind": kind, "statistic": name}
            if np.ndim(value) == 0:
                numbers.append(label | number_row(value, theirs[name]))
                continue
            far = distance_row(value, theirs[name])
            numbers.append(label | {"statistic": DISTANCE.format(name)} | far)
            points += [label | row for row in curve_rows(name, value, theirs[name])]
    return pd.DataFrame(numbers), pd.DataFrame(points)


def number_row(observed: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return `COLUMNS` and p of a number ``()`` against replicates ``(replicate,)``."""
    return {**_summary(observed, predicted), "p": p_value(observed, predicted)}


def distance_row(observed: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return `COLUMNS` and p of the distance of a curve ``(place,)`` from the mean of all."""
    far = distances(observed, predicted)
    known = np.isfinite(far)
    p = (far[known] >= far[0]).mean() if known[0] else np.nan
    return {**_summary(far[0], far[1:]), "p": float(p)}


def curve_rows(name: str, observed: np.ndarray, predicted: np.ndarray) -> list[dict[str, float]]:
    """Return the place and `COLUMNS` of every point of a curve."""
    at = places(name, len(observed))
    return [{"at": x, **_summary(observed[i], predicted[:, i])} for i, x in enumerate(at)]


def p_value(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the two-sided predictive p-value of a number; NaN where one side is unknown."""
    known = predicted[np.isfinite(predicted)]
    if not np.isfinite(observed) or not len(known):
        return np.nan
    below, equal = (known < observed).sum(), (known == observed).sum()
    q = (below + 0.5 * equal + 0.5) / (len(known) + 1)
    return float(2 * min(q, 1 - q))


def distances(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the distances ``(1 + replicate,)`` of the recorded curve and of each replicate.

    The recording is one of those averaged: its rank is uniform where it is one more replicate.
    """
    every = np.concatenate([observed[None], predicted])
    mean = mean_known(every)
    sd = np.sqrt(mean_known((every - mean) ** 2))
    z = ratio(every - mean, sd)
    return mean_known((z**2).T)


def mean_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the first dimension of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(0), known.sum(0))


def _summary(observed: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    known = predicted[np.isfinite(predicted)]
    ends = np.quantile(known, INTERVAL) if len(known) else (np.nan, np.nan)
    numbers = (observed, mean_known(predicted), *ends)
    return dict(zip(COLUMNS, map(float, numbers), strict=True))
