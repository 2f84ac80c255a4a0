"""What an animal did, in a few numbers: choices, rewards and blocks -> summary statistics.

Every statistic is written for one animal. Leading dimensions of its trials (``replicate``) pass
through, written ``(...)``. "B" is the second stimulus, whatever its name. What is counted are free
trials, and the past of each is that of its session (`hebbax.check.trials`). A value that the trials
do not determine (win-stay without a win, kernels of more than two alternatives) is NaN. Where only
a part of the alternatives was offered, whether the last choice was repeated is asked of trials in
which it was at hand; a mean run is of the choices as they stand.
"""

from itertools import pairwise

import numpy as np

from hebbax.check.history_kernels import kernels, residual_kernels
from hebbax.check.trials import SECOND, Trials, ratio

RUNS = np.arange(1, 13)
"""Lengths at which runs of equal choices are looked at."""

WINDOW = 21
"""Trials with a choice over which a choice curve averages, centred."""

BIN_EDGES = np.arange(-20, 41, 5)
"""Edges of the bins around a change, in trials of the recording from the first choice of the new
block."""

PROBABILITY_EDGES = np.linspace(0.0, 1.0, 11)
"""Edges of the bins of a calibration curve."""


def statistics(trials: Trials) -> dict[str, np.ndarray]:
    """Return by name what is asked of choices of both kinds: numbers ``(...)`` and curves
    ``(..., place)``."""
    chosen, rewarded = block_fractions(trials)
    return {
        "choices of B": part_of_free(trials, trials.choices == SECOND),
        "win-stay": win_stay(trials),
        "lose-switch": lose_switch(trials),
        "mean run": mean_run(trials),
        "matching slope": matching_slope(chosen, rewarded),
        "choice curve": choice_curve(trials),
        "around a change": around_change(trials),
        "run lengths": run_lengths(trials),
        "choices of B by block": chosen,
    }


def own_past_statistics(trials: Trials) -> dict[str, np.ndarray]:
    """Return by name what is asked only of choices with a past of their own: a recording and free
    runs. Of a kernel lag 1 is a habit, and the sum over the others what remains of older choices.
    """
    choice_kernel, reward_kernel = kernels(trials)
    return {
        "rewarded choices": part_of_free(trials, trials.rewards > 0),
        **_with_parts("choice kernel", choice_kernel),
        **_with_parts("reward kernel", reward_kernel),
        "rewards of B by block": block_fractions(trials)[1],
    }


def given_past_statistics(trials: Trials, probability: np.ndarray) -> dict[str, np.ndarray]:
    """Return by name what is asked of choices against their predicted probability of B
    ``(trial,)``, given the recorded past."""
    choice_kernel, reward_kernel = residual_kernels(trials, probability)
    return {
        **_with_parts("residual choice kernel", choice_kernel),
        **_with_parts("residual reward kernel", reward_kernel),
        "calibration": calibration(probability[trials.free], trials.choices[..., trials.free]),
    }


def places(name: str, size: int, numbers: np.ndarray) -> np.ndarray:
    """Return where the points of a curve lie ``(place,)``: the ``numbers`` of trials (trial,), lag,
    run length, block (all from 1), middle of a bin in trials from a change, or middle of a bin of
    probability."""
    middles = {
        "choice curve": numbers,
        "around a change": BIN_EDGES[:-1] + np.diff(BIN_EDGES) / 2,
        "calibration": PROBABILITY_EDGES[:-1] + np.diff(PROBABILITY_EDGES) / 2,
    }
    return middles.get(name, np.arange(1, size + 1))


def part_of_free(trials: Trials, which: np.ndarray) -> np.ndarray:
    """Return the fraction ``(...)`` of free trials that are so ``which`` (..., trial)."""
    return ratio((which & trials.free).sum(-1), trials.free.sum())


def win_stay(trials: Trials) -> np.ndarray:
    """Return P(the last choice is repeated | it was rewarded) ``(...)``."""
    won = (trials.rewards[..., :-1] > 0) & trials.follows
    return ratio((_stayed(trials) & won).sum(-1), won.sum(-1))


def lose_switch(trials: Trials) -> np.ndarray:
    """Return P(the last choice is not repeated | it was not rewarded) ``(...)``."""
    lost = (trials.rewards[..., :-1] <= 0) & trials.follows
    return ratio((~_stayed(trials) & lost).sum(-1), lost.sum(-1))


def mean_run(trials: Trials) -> np.ndarray:
    """Return the mean number of equal choices in a row ``(...)``: free choices / runs.

    A run begins at the first free choice of a session and at every later one that switches.
    """
    free = np.flatnonzero(trials.free)
    later = free[np.diff(trials.session[free], prepend=-1) == 0]
    switches = (trials.choices[..., later] != trials.history[..., later - 1]).sum(-1)
    return ratio(len(free), len(free) - len(later) + switches)


def run_lengths(trials: Trials) -> np.ndarray:
    """Return P(a run lasts n choices or more) ``(..., run)`` for n in `RUNS`.

    With the hazard h_n = P(switch | the past ends in a run of n), P = prod_{m<n} (1 - h_m) (Kaplan
    & Meier 1958). The last run of a session, which nobody saw ending, is thereby counted for what
    it is, and so is a run whose choice was not at hand again; and choices drawn one step ahead,
    which have no runs of their own, have the lengths that their switches from the recorded runs
    imply.
    """
    history = trials.history
    index = np.arange(history.shape[-1])
    starts = np.ones(history.shape, dtype=bool)
    starts[..., 1:] = (history[..., 1:] != history[..., :-1]) | (trials.past[1:] == 0)
    first = np.maximum.accumulate(np.where(starts, index, 0), axis=-1)
    length = np.where(trials.follows, (index - first + 1)[..., :-1], 0)
    reached = length[..., None] == RUNS[:-1]  # and could have gone on
    ended = (reached & ~_stayed(trials)[..., None]).sum(-2)
    hazard = ended / np.maximum(reached.sum(-2), 1)
    lasting = np.ones((*hazard.shape[:-1], len(RUNS)))
    lasting[..., 1:] = np.cumprod(1.0 - hazard, axis=-1)
    return lasting


def choice_curve(trials: Trials) -> np.ndarray:
    """Return the moving average of free choices of B ``(..., trial)`` over `WINDOW` trials, fewer
    at the ends of a session."""
    n = len(trials.free)
    after = np.searchsorted(trials.session, trials.session, side="right")
    low = np.maximum(np.arange(n) - WINDOW // 2, trials.first)
    high = np.minimum(np.arange(n) + WINDOW // 2 + 1, after)

    def within(counted: np.ndarray) -> np.ndarray:
        none = np.zeros((*counted.shape[:-1], 1))
        total = np.concatenate([none, counted.cumsum(-1)], axis=-1)
        return total[..., high] - total[..., low]

    return ratio(within((trials.choices == SECOND) & trials.free), within(trials.free))


def around_change(trials: Trials) -> np.ndarray:
    """Return P(choice of the stimulus that became the best) around block changes ``(..., bin)``.

    Bins lie between `BIN_EDGES`. Changes that leave the best as it is do not count, nor those to a
    block without one that is the best, nor those between sessions; and neither do trials beyond the
    two blocks of a change, or in which that stimulus was not at hand.
    """
    blocks, numbers = trials.blocks, trials.numbers
    starts = np.flatnonzero(np.diff(blocks)) + 1
    bounds = [0, *starts, len(blocks)]
    shape = (*trials.choices.shape[:-1], len(BIN_EDGES) - 1)
    hits, count = np.zeros(shape), np.zeros(shape[-1])
    for before, start, after in zip(bounds[:-2], starts, bounds[2:], strict=True):
        target = trials.best[blocks[start]]
        if trials.past[start] == 0 or target in (-1, trials.best[blocks[start - 1]]):
            continue
        edges = np.searchsorted(numbers, numbers[start] + BIN_EDGES)
        for j, (low, high) in enumerate(pairwise(np.clip(edges, before, after))):
            able = trials.free[low:high] & trials.offered[low:high, target]
            hits[..., j] += ((trials.choices[..., low:high] == target) & able).sum(-1)
            count[j] += able.sum()
    return ratio(hits, count)


def block_fractions(trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Return in each block the fraction of choices that are of B, and of rewarded choices that were
    of B, each ``(..., block)``. A reward above 0 is one, whatever its size."""
    of_choices, of_rewards = [], []
    for block in range(len(trials.best)):
        here = (trials.blocks == block) & trials.free
        rewarded, past = trials.rewards[..., here] > 0, trials.history[..., here] == SECOND
        chosen = (trials.choices[..., here] == SECOND).sum(-1)
        of_choices.append(ratio(chosen, here.sum()))
        of_rewards.append(ratio((rewarded & past).sum(-1), rewarded.sum(-1)))
    return np.stack(of_choices, -1), np.stack(of_rewards, -1)


def matching_slope(of_choices: np.ndarray, of_rewards: np.ndarray) -> np.ndarray:
    """Return the least-squares slope ``(...)`` of choice fraction on reward fraction ``(..., n)``.

    1 is matching (Herrnstein 1961), less is undermatching (Baum 1974). NaN where the reward
    fraction does not vary.
    """
    of_choices, of_rewards = np.broadcast_arrays(of_choices, of_rewards)
    known = np.isfinite(of_choices) & np.isfinite(of_rewards)
    x, y = np.where(known, of_rewards, 0.0), np.where(known, of_choices, 0.0)
    n = np.maximum(known.sum(-1), 1)
    covariance = (x * y).sum(-1) - x.sum(-1) * y.sum(-1) / n
    variance = (x * x).sum(-1) - x.sum(-1) ** 2 / n
    return ratio(covariance, np.where(variance > 1e-9, variance, 0.0))


def calibration(probability: np.ndarray, choices: np.ndarray) -> np.ndarray:
    """Return the frequency of B ``(..., bin)`` among trials whose predicted probability of B lies
    in each bin of `PROBABILITY_EDGES`.

    ``probability`` (trial,) was predicted, ``choices`` (..., trial) were made; trials of several
    animals may be joined.
    """
    bins = np.clip(np.digitize(probability, PROBABILITY_EDGES) - 1, 0, len(PROBABILITY_EDGES) - 2)
    members = bins[:, None] == np.arange(len(PROBABILITY_EDGES) - 1)
    return ratio((choices == SECOND).astype(float) @ members, members.sum(0))


def _with_parts(name: str, kernel: np.ndarray) -> dict[str, np.ndarray]:
    """Return a kernel, its first lag, and the sum of the others."""
    return {
        f"{name} lag 1": kernel[..., 0],
        f"{name} lags 2+": kernel[..., 1:].sum(-1),
        name: kernel,
    }


def _stayed(trials: Trials) -> np.ndarray:
    """Return whether each choice but the first repeats the one before ``(..., trial - 1)``."""
    return trials.choices[..., 1:] == trials.history[..., :-1]
