"""What an animal did, in a few numbers: choices, rewards and blocks -> summary statistics.

Every statistic is written for one animal. Leading dimensions of its trials (``replicate``) pass
through, written ``(...)``. "B" is the second stimulus, whatever its name. A value that the trials
do not determine (win-stay without a win, kernels of more than two alternatives) is NaN.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import expit

LAGS = np.arange(1, 11)
"""Trials back over which the history kernels reach."""

RUNS = np.arange(1, 13)
"""Lengths at which runs of equal choices are looked at."""

WINDOW = 21
"""Trials that a choice curve averages, centred."""

BIN_EDGES = np.arange(-20, 41, 5)
"""Edges of the bins around a change, in trials from the first trial of the new block."""

PROBABILITY_EDGES = np.linspace(0.0, 1.0, 11)
"""Edges of the bins of a calibration curve."""

RIDGE = 1.0
"""Weak penalty of the kernels, 1/2 ridge |beta|^2: prior standard deviation 1 of a log odds."""

MOST_STEPS, NEAR = 30, 1e-3
"""Of Newton's method: the most steps, and the last step that ends it, in log odds: what is left is
of the order of its square."""

LEAST_RIDGE, LONGEST = 1e-9, 4.0
"""Of the constant, so that its curvature is never zero; and the longest step, in log odds."""

AT_ONCE = 250_000
"""Numbers of the regressions that are solved at once: they stay in a processor's cache."""

SECOND = 1
"""Index of the stimulus called B."""


class Trials(NamedTuple):
    """The trials of one animal, and the past that each choice is judged against.

    ``choices`` (..., trial) are what is summarised. ``history`` (..., trial) are the choices that
    made the past of each trial and ``rewards`` (..., trial) their rewards: the recorded ones for
    choices drawn one step ahead, the same animal's own in a recording or a free run. ``blocks``
    (trial,) are counted from 0, ``best`` (block,) is the stimulus most often rewarded in each.
    """

    choices: np.ndarray
    history: np.ndarray
    rewards: np.ndarray
    blocks: np.ndarray
    best: np.ndarray
    n_stimuli: int


def statistics(trials: Trials) -> dict[str, np.ndarray]:
    """Return by name what is asked of choices of both kinds: numbers ``(...)`` and curves
    ``(..., place)``."""
    chosen, rewarded = block_fractions(trials)
    return {
        "choices of B": (trials.choices == SECOND).mean(-1),
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
        "rewarded choices": (trials.rewards > 0).mean(-1),
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
        "calibration": calibration(probability, trials.choices),
    }


def places(name: str, size: int) -> np.ndarray:
    """Return where the points of a curve lie ``(place,)``: trial, lag, run length, block (all from
    1), middle of a bin in trials from a change, or middle of a bin of probability."""
    middles = {
        "around a change": BIN_EDGES[:-1] + np.diff(BIN_EDGES) / 2,
        "calibration": PROBABILITY_EDGES[:-1] + np.diff(PROBABILITY_EDGES) / 2,
    }
    return middles.get(name, np.arange(1, size + 1))


def win_stay(trials: Trials) -> np.ndarray:
    """Return P(the last choice is repeated | it was rewarded) ``(...)``."""
    won = trials.rewards[..., :-1] > 0
    return ratio((_stayed(trials) & won).sum(-1), won.sum(-1))


def lose_switch(trials: Trials) -> np.ndarray:
    """Return P(the last choice is not repeated | it was not rewarded) ``(...)``."""
    lost = trials.rewards[..., :-1] <= 0
    return ratio((~_stayed(trials) & lost).sum(-1), lost.sum(-1))


def mean_run(trials: Trials) -> np.ndarray:
    """Return the mean number of equal choices in a row ``(...)``: trials / (1 + switches)."""
    return trials.choices.shape[-1] / (1.0 + (~_stayed(trials)).sum(-1))


def run_lengths(trials: Trials) -> np.ndarray:
    """Return P(a run lasts n choices or more) ``(..., run)`` for n in `RUNS`.

    With the hazard h_n = P(switch | the past ends in a run of n), P = prod_{m<n} (1 - h_m) (Kaplan
    & Meier 1958). The last run of a session, which nobody saw ending, is thereby counted for what
    it is; and choices drawn one step ahead, which have no runs of their own, have the lengths that
    their switches from the recorded runs imply.
    """
    history = trials.history
    index = np.arange(history.shape[-1])
    starts = np.ones(history.shape, dtype=bool)
    starts[..., 1:] = history[..., 1:] != history[..., :-1]
    first = np.maximum.accumulate(np.where(starts, index, 0), axis=-1)
    reached = (index - first + 1)[..., :-1, None] == RUNS[:-1]
    ended = (reached & ~_stayed(trials)[..., None]).sum(-2)
    hazard = ended / np.maximum(reached.sum(-2), 1)
    lasting = np.ones((*hazard.shape[:-1], len(RUNS)))
    lasting[..., 1:] = np.cumprod(1.0 - hazard, axis=-1)
    return lasting


def choice_curve(trials: Trials) -> np.ndarray:
    """Return the moving average of choices of B ``(..., trial)`` over `WINDOW` trials, fewer at the
    ends of the session."""
    chosen = trials.choices == SECOND
    n = chosen.shape[-1]
    total = np.concatenate([np.zeros((*chosen.shape[:-1], 1)), chosen.cumsum(-1)], axis=-1)
    low = np.clip(np.arange(n) - WINDOW // 2, 0, n)
    high = np.clip(np.arange(n) + WINDOW // 2 + 1, 0, n)
    return (total[..., high] - total[..., low]) / (high - low)


def around_change(trials: Trials) -> np.ndarray:
    """Return P(choice of the stimulus that became the best) around block changes ``(..., bin)``.

    Bins lie between `BIN_EDGES`. Changes that leave the best as it is do not count, and neither do
    trials beyond the two blocks of a change.
    """
    blocks = trials.blocks
    starts = np.flatnonzero(np.diff(blocks)) + 1
    bounds = [0, *starts, len(blocks)]
    shape = (*trials.choices.shape[:-1], len(BIN_EDGES) - 1)
    hits, count = np.zeros(shape), np.zeros(shape[-1])
    for before, start, after in zip(bounds[:-2], starts, bounds[2:], strict=True):
        target = trials.best[blocks[start]]
        if target == trials.best[blocks[start - 1]]:
            continue
        for j, (low, high) in enumerate(pairwise(np.clip(BIN_EDGES + start, before, after))):
            hits[..., j] += (trials.choices[..., low:high] == target).sum(-1)
            count[j] += high - low
    return ratio(hits, count)


def block_fractions(trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Return in each block the fraction of choices that are of B, and of rewards that come from B,
    each ``(..., block)``."""
    of_choices, of_rewards = [], []
    for block in range(len(trials.best)):
        here = trials.blocks == block
        rewards, past = trials.rewards[..., here], trials.history[..., here] == SECOND
        chosen = (trials.choices[..., here] == SECOND).sum(-1)
        of_choices.append(ratio(chosen, here.sum()))
        of_rewards.append(ratio((rewards * past).sum(-1), rewards.sum(-1)))
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


def kernels(trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Return the choice-history and the reward-history kernel, each ``(..., lag)``, in log odds.

        log odds of B in trial t = b + sum_l choice_l c_(t-l) + reward_l c_(t-l) R_(t-l),

    c = +1 for B and -1 for A, over the trials that have `LAGS` of past (Lau & Glimcher 2005), by
    logistic regression with a weak penalty (`RIDGE`). The constant b is the animal's own, so that
    a preference does not look like a choice kernel.
    """
    lead, n = trials.choices.shape[:-1], trials.choices.shape[-1]
    unknown = np.full((*lead, len(LAGS)), np.nan)
    if trials.n_stimuli != 2 or n <= LAGS[-1]:
        return unknown, unknown
    sign = np.where(trials.history == SECOND, 1.0, -1.0)
    columns = [s[..., LAGS[-1] - lag : n - lag] for s in (sign, sign * trials.rewards)
               for lag in LAGS]  # fmt: skip
    rows = n - LAGS[-1]
    past = np.broadcast_to(np.stack(columns, -1), (*lead, rows, 2 * len(LAGS)))
    past = past.reshape(-1, rows, 2 * len(LAGS))
    chosen = (trials.choices[..., LAGS[-1] :] == SECOND).reshape(-1, rows)
    at_once = max(1, AT_ONCE // (rows * past.shape[-1]))
    parts = [slice(k, k + at_once) for k in range(0, len(chosen), at_once)]
    fits = np.concatenate([_regress(past[part], chosen[part]) for part in parts])
    both = fits.reshape(*lead, 2, len(LAGS))
    return both[..., 0, :], both[..., 1, :]


def residual_kernels(trials: Trials, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how choices depend on past choices and past rewards beyond their predicted
    ``probability`` of B (trial,): two kernels ``(..., lag)``, as probabilities.

        choice_l = mean_t ([B in t] - p_t) c_(t-l),
        reward_l = mean_t ([B in t] - p_t) c_(t-l) R_(t-l),

    c = +1 for B and -1 for any other: the scores of a regression that has p_t as its offset. One
    step ahead a regression itself is biased, because the recorded choices are correlated with
    the past that they made and replicates are not; these have mean zero under the truth, exactly.
    """
    left = (trials.choices == SECOND) - probability
    sign = np.where(trials.history == SECOND, 1.0, -1.0)
    n = left.shape[-1]

    def kernel(signal: np.ndarray) -> np.ndarray:
        lags = [(left[..., lag:] * signal[..., : max(n - lag, 0)]).sum(-1) / n for lag in LAGS]
        return np.stack(lags, axis=-1)

    return kernel(sign), kernel(sign * trials.rewards)


def calibration(probability: np.ndarray, choices: np.ndarray) -> np.ndarray:
    """Return the frequency of B ``(..., bin)`` among trials whose predicted probability of B lies
    in each bin of `PROBABILITY_EDGES`.

    ``probability`` (trial,) was predicted, ``choices`` (..., trial) were made; trials of several
    animals may be joined.
    """
    bins = np.clip(np.digitize(probability, PROBABILITY_EDGES) - 1, 0, len(PROBABILITY_EDGES) - 2)
    members = bins[:, None] == np.arange(len(PROBABILITY_EDGES) - 1)
    return ratio((choices == SECOND).astype(float) @ members, members.sum(0))


def ratio(part: np.ndarray, whole: np.ndarray | int) -> np.ndarray:
    """Return part / whole, NaN where the whole is zero."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)


def _with_parts(name: str, kernel: np.ndarray) -> dict[str, np.ndarray]:
    """Return a kernel, its first lag, and the sum of the others."""
    return {
        f"{name} lag 1": kernel[..., 0],
        f"{name} lags 2+": kernel[..., 1:].sum(-1),
        name: kernel,
    }


def _regress(past: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the coefficients of logistic regressions ``(fit, column)``; NaN where only one was
    ever chosen, and where no maximum was found.

    Newton's method on all of them at once: the maximum of the log likelihood less
    1/2 ridge |beta|^2 over the columns of ``past`` (fit, trial, column), with a free constant.
    """
    x = np.concatenate([np.ones((*chosen.shape, 1)), past], axis=-1)
    ridge = np.r_[LEAST_RIDGE, np.full(past.shape[-1], RIDGE)]
    known = np.asarray(chosen.any(-1) & ~chosen.all(-1))[:, None]
    y = np.where(known, chosen, 0.5)  # whose maximum is zero
    beta = np.zeros((len(x), x.shape[-1]))
    for _ in range(MOST_STEPS):
        p = expit((x @ beta[..., None])[..., 0])
        slope = ((y - p)[:, None] @ x)[:, 0] - ridge * beta
        curvature = (x * (p * (1 - p))[..., None]).swapaxes(1, 2) @ x + np.diag(ridge)
        step = np.linalg.solve(curvature, slope[..., None])[..., 0].clip(-LONGEST, LONGEST)
        beta += step
        moved = np.abs(step).max(-1, keepdims=True)
        if (moved < NEAR).all():
            break
    return np.where(known & (moved < NEAR), beta[:, 1:], np.nan)


def _stayed(trials: Trials) -> np.ndarray:
    """Return whether each choice but the first repeats the one before ``(..., trial - 1)``."""
    return trials.choices[..., 1:] == trials.history[..., :-1]
