"""Recorded statistics against those of replicates: tidy tables with predictive p-values.

A number T can be missed at both ends: p = 2 min(q, 1 - q), with q its rank among R replicates, at
middle rank: q = (#below + #equal / 2 + 1/2) / (R + 1). A curve has one number, its distance from
the mean m over recording and replicates, mean_x ((T(x) - m(x)) / sd(x))^2, and p is the part of
these 1 + R that lie as far away or farther.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hebbax.check.behaviour import (
    block_fractions,
    calibration,
    given_past_statistics,
    matching_slope,
    own_past_statistics,
    places,
    statistics,
)
from hebbax.check.trials import Trials, ratio

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
        choices = [trials.choices[..., trials.free] for trials in animals]
        free = [own[trials.free] for own, trials in zip(probability, animals, strict=True)]
        cohort["calibration"] = calibration(np.concatenate(free), np.concatenate(choices, -1))
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
    animals: Mapping[str, np.ndarray],
    kind: str,
    observed: Sequence[Values],
    predicted: Sequence[Values],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of numbers and of curves of one kind of check, of ``animals`` by name with
    the numbers of their trials (trial,).

    Both say in ``of`` whether a row is of an `ANIMAL` or of the `COHORT`. Numbers have one row an
    animal and statistic, `COLUMNS` and p, the distance of every curve among them; curves one row a
    point, its place ``at`` and `COLUMNS`.
    """
    numbers, points = [], []
    owners = [*((ANIMAL, *own) for own in animals.items()), (COHORT, COHORT, np.array([]))]
    for (of, animal, trials), ours, theirs in zip(owners, observed, predicted, strict=True):
        label = {"of": of, "animal": animal, "kind": kind}
        numbers.append(pd.DataFrame({**label, **_numbers(ours, theirs)}))
        points += [
            pd.DataFrame(
                {
                    **label,
                    "statistic": name,
                    "at": places(name, len(value), trials),
                    **_summary(value, theirs[name]),
                }
            )
            for name, value in ours.items()
            if np.ndim(value)
        ]
    curves = pd.concat(points, ignore_index=True) if points else pd.DataFrame()
    return pd.concat(numbers, ignore_index=True), curves


def _numbers(observed: Values, predicted: Values) -> dict[str, Any]:
    """Return the names, `COLUMNS` and p of all numbers of one owner, distances of curves among
    them."""
    names, own, replicated, p = [], [], [], []
    for name, value in observed.items():
        if np.ndim(value):
            far = distances(value, predicted[name])
            names.append(DISTANCE.format(name))
            own.append(far[0])
            replicated.append(far[1:])
            p.append(_farther(far))
        else:
            names.append(name)
            own.append(value)
            replicated.append(predicted[name])
            p.append(p_value(value, predicted[name]))
    return {"statistic": names, **_summary(np.array(own), np.stack(replicated, -1)), "p": p}


def _farther(far: np.ndarray) -> float:
    """Return the part of the `distances` that are as large as the recorded one, or larger."""
    known = np.isfinite(far)
    return float((far[known] >= far[0]).mean()) if known[0] else np.nan


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


def _summary(observed: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Return `COLUMNS` of numbers ``(number,)`` against replicates ``(replicate, number)``."""
    known = np.isfinite(predicted)
    last = np.maximum(known.sum(0) - 1, 0)
    ranked = np.sort(np.where(known, predicted, np.nan), axis=0)  # NaN last

    def quantile(level: float) -> np.ndarray:
        below, part = np.divmod(level * last, 1.0)
        lower = below.astype(int)
        low, high = (np.take_along_axis(ranked, at[None], 0)[0]
                     for at in (lower, np.minimum(lower + 1, last)))  # fmt: skip
        return low + part * (high - low)

    ends = map(quantile, INTERVAL)
    return dict(zip(COLUMNS, (observed, mean_known(predicted), *ends), strict=True))
