"""History kernels: how choices depend on past choices and past rewards.

    log odds of B in trial t = b + sum_l choice_l c_(t-l) + reward_l c_(t-l) R_(t-l),

c = +1 for B and -1 for A (Lau & Glimcher 2005), as a regression; and what of them is left beyond
predicted probabilities, as residuals.
"""

import numpy as np
from scipy.special import expit

from hebbax.check.trials import SECOND, Trials, ratio

LAGS = np.arange(1, 11)
"""Trials back over which the kernels reach."""

RIDGE = 1.0
"""Weak penalty of the kernels, 1/2 ridge |beta|^2: prior standard deviation 1 of a log odds."""

MOST_STEPS, NEAR = 30, 1e-3
"""Of Newton's method: the most steps, and the last step that ends it, in log odds: what is left is
of the order of its square."""

LEAST_RIDGE, LONGEST = 1e-9, 4.0
"""Of the constant, so that its curvature is never zero; and the longest step, in log odds."""

AT_ONCE = 250_000
"""Numbers of the regressions that are solved at once: they stay in a processor's cache."""


def kernels(trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Return the choice-history and the reward-history kernel, each ``(..., lag)``, in log odds.

    Over the free trials that have `LAGS` of past in their session, by logistic regression with a
    weak penalty (`RIDGE`). The constant b is the animal's own, so that a preference does not look
    like a choice kernel.
    """
    lead = trials.choices.shape[:-1]
    rows = np.flatnonzero(trials.free & (trials.past >= LAGS[-1]))
    if trials.n_stimuli != 2 or not len(rows):
        unknown = np.full((*lead, len(LAGS)), np.nan)
        return unknown, unknown
    sign = np.where(trials.history == SECOND, 1.0, -1.0)
    columns = [s[..., rows - lag] for s in (sign, sign * trials.rewards) for lag in LAGS]
    past = np.broadcast_to(np.stack(columns, -1), (*lead, len(rows), 2 * len(LAGS)))
    past = past.reshape(-1, *past.shape[-2:])
    chosen = (trials.choices[..., rows] == SECOND).reshape(-1, len(rows))
    at_once = max(1, AT_ONCE // past[0].size)
    parts = [slice(k, k + at_once) for k in range(0, len(chosen), at_once)]
    fits = np.concatenate([_regress(past[part], chosen[part]) for part in parts])
    both = fits.reshape(*lead, 2, len(LAGS))
    return both[..., 0, :], both[..., 1, :]


def residual_kernels(trials: Trials, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how choices depend on past choices and past rewards beyond their predicted
    ``probability`` of B (trial,): two kernels ``(..., lag)``, as probabilities.

        choice_l = mean_t ([B in t] - p_t) c_(t-l),
        reward_l = mean_t ([B in t] - p_t) c_(t-l) R_(t-l),

    over the free trials t, with nothing in place of a past that their session does not have;
    c = +1 for B and -1 for any other: the scores of a regression that has p_t as its offset. One
    step ahead a regression itself is biased, because the recorded choices are correlated with
    the past that they made and replicates are not; these have mean zero under the truth, exactly.
    """
    left = np.where(trials.free, (trials.choices == SECOND) - probability, 0.0)
    sign = np.where(trials.history == SECOND, 1.0, -1.0)

    def kernel(signal: np.ndarray) -> np.ndarray:
        rows = [np.flatnonzero(trials.past >= lag) for lag in LAGS]
        sums = [
            (left[..., t] * signal[..., t - lag]).sum(-1) for lag, t in zip(LAGS, rows, strict=True)
        ]
        return ratio(np.stack(sums, axis=-1), trials.free.sum())

    return kernel(sign), kernel(sign * trials.rewards)


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
