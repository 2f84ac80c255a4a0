"""Measures of chains and of a guide: what the diagnostics are made of.

R-hat and ESS are the rank-normalised ones of Vehtari et al. (2021), E-BFMI is that of Betancourt
(2016), k-hat that of Yao et al. (2018).
"""

from collections.abc import Callable
from typing import Literal

import arviz_stats
import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

from hebbax.inference.convergence import MIN_CHAINS, MIN_DRAWS

TAILS = (0.05, 0.95)
"""Quantiles whose effective numbers of draws the tail ESS is the smaller of. Said here: what ArviZ
takes otherwise differs by version and by a user's settings."""

EQUAL = 0.999
"""Weights are as good as equal where so large a part of the draws is effective."""


def k_hat(posterior: xr.DataTree) -> float:
    """Return the Pareto shape of the importance weights p / q of a variational fit's draws.

    Up to 0.7 the guide q is near enough to the posterior p for its draws to stand for it; infinite
    where a weight is not finite, and zero where all are as good as equal: the shape of their tail
    is then that of what is left of the guide's error, however small.
    """
    log_weights = np.ravel(posterior.sample_stats["log_weights"])
    if not np.isfinite(log_weights).all():
        return float("inf")
    weights = np.exp(log_weights - log_weights.max())
    if weights.mean() ** 2 > EQUAL * (weights**2).mean():
        return 0.0
    return float(array_stats.psislw(log_weights.max() - log_weights)[1])  # of log likelihoods


def e_bfmi(posterior: xr.DataTree) -> float:
    """Return the least E-BFMI over chains: how far fresh momenta carry the energy, against how far
    it varies (Betancourt 2016),

        E-BFMI = sum_n (E_n - E_(n-1))^2 / sum_n (E_n - mean E)^2,

    E_n the energy at the end of trajectory n.
    """
    energy = np.asarray(posterior.sample_stats["energy"])
    varied = energy - energy.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # of energies that do not vary: missing, which fails
        return float(((np.diff(energy, axis=1) ** 2).sum(axis=1) / (varied**2).sum(axis=1)).min())


def r_hat(draws: xr.Dataset) -> tuple[float, str]:
    """Return the worst R-hat and whose it is; missing where there is nothing to compare."""
    enough = draws.sizes["chain"] >= MIN_CHAINS and draws.sizes["draw"] >= MIN_DRAWS
    return _extreme(arviz_stats.rhat(draws), np.max) if enough else (float("nan"), "")


def ess(draws: xr.Dataset, method: Literal["bulk", "tail"]) -> tuple[float, str]:
    """Return the least effective number of draws and whose it is; missing for too few draws."""
    if draws.sizes["draw"] < MIN_DRAWS:
        return float("nan"), ""
    prob = TAILS if method == "tail" else None
    return _extreme(arviz_stats.ess(draws, method=method, prob=prob), np.min)


def longest_stay(posterior: xr.DataTree) -> tuple[float, str]:
    """Return the largest part of a chain for which an animal kept its values, and its name."""
    name = next(str(n) for n, v in posterior.posterior.data_vars.items() if "animal" in v.dims)
    values = posterior.posterior[name].transpose("chain", "draw", "animal", ...)
    array = np.asarray(values).reshape(*values.shape[:3], -1)
    moved = (np.diff(array, axis=1) != 0.0).any(-1)
    longest = np.zeros(array.shape[2], int)
    for animal in range(array.shape[2]):
        for chain in moved[:, :, animal]:
            ends = np.flatnonzero(np.concatenate([[True], chain, [True]]))
            longest[animal] = max(longest[animal], int(np.diff(ends).max()))
    worst = int(longest.argmax())
    return float(longest[worst] / array.shape[1]), str(values["animal"].values[worst])


def _extreme(dataset: object, reduce: Callable[[np.ndarray], float]) -> tuple[float, str]:
    """Return the worst value and the variable it belongs to; a missing value is the worst."""
    values = {name: np.ravel(v) for name, v in dataset.data_vars.items()}  # type: ignore[attr-defined]
    broken = [name for name, v in values.items() if not np.isfinite(v).all()]
    if broken:
        return float("nan"), broken[0]
    worst = {name: float(reduce(v)) for name, v in values.items() if v.size}
    name = (max if reduce is np.max else min)(worst, key=worst.__getitem__)
    return worst[name], name


def frozen(posterior: xr.DataTree) -> int:
    """Return the number of chains in which nearly every draw repeats another."""
    lp = np.asarray(posterior.sample_stats["lp"])
    return sum(
        len(np.unique(chain)) < 0.1 * len(chain) or not np.isfinite(chain).all() for chain in lp
    )
