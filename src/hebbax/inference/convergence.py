"""Whether chains have run for long enough: rank-normalised R-hat and effective sample sizes.

Draws are replaced by the normal quantiles of their ranks over all chains (Vehtari et al. 2021);
R-hat is of split chains, the bulk size of the ranks, the tail size the least of those of the
indicators below the quantiles of 5 and 95 %. NumPyro has what is left of it when draws are ranked;
of stored posteriors ArviZ says the same (tests/test_convergence.py).
"""

import numpy as np
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
from scipy.special import ndtri
from scipy.stats import rankdata

MIN_CHAINS, MIN_DRAWS = 2, 4
"""What R-hat and effective sizes need: chains are compared, and halves of each."""


def converged(draws: np.ndarray, most_r_hat: float, least_size: float) -> bool:
    """Return whether every value of ``draws`` (chain, draw, value) has an R-hat of at most that and
    effective sizes of at least that."""
    return all(
        r_hat(values) <= most_r_hat and min(bulk_size(values), tail_size(values)) >= least_size
        for values in np.moveaxis(draws, -1, 0)
    )


def convergence(draws: np.ndarray) -> dict[str, float]:
    """Return the worst ``r_hat`` and least bulk ``ess`` over the values of ``draws``
    (chain, draw, ...)."""
    each = np.moveaxis(draws.reshape(*draws.shape[:2], -1), -1, 0)
    return {
        "r_hat": float(np.max([r_hat(values) for values in each])),
        "ess": float(np.min([bulk_size(values) for values in each])),
    }


def r_hat(values: np.ndarray) -> float:
    """Return R-hat of one value's draws ``(chain, draw)``, the larger one of place and of spread;
    missing for too few of them, and where they are no numbers or all the same."""
    if len(values) < MIN_CHAINS or not _vary(values):
        return float("nan")
    folded = np.abs(values - np.median(values))
    return float(np.max([split_gelman_rubin(_normal(each)) for each in (values, folded)]))


def bulk_size(values: np.ndarray) -> float:
    """Return the effective number of one value's draws ``(chain, draw)`` for its middle; missing
    for too few of them, and where they are no numbers or all the same."""
    return effective_size(_normal(values)) if _vary(values) else float("nan")


def tail_size(values: np.ndarray) -> float:
    """Return the effective number of one value's draws ``(chain, draw)`` for its 5 and 95 %
    quantiles; missing as `bulk_size` is."""
    if not _vary(values):
        return float("nan")
    return min(effective_size(1.0 * (values <= q)) for q in np.quantile(values, (0.05, 0.95)))


def _vary(values: np.ndarray) -> bool:
    return values.shape[1] >= MIN_DRAWS and bool(np.isfinite(values).all() and np.ptp(values) > 0)


def effective_size(values: np.ndarray) -> float:
    """Return the effective size of ``values`` (chain, draw), of halves of chains; their number
    where they are all the same."""
    if np.ptp(values) == 0.0:
        return float(values.size)
    half = values.shape[1] // 2
    return float(effective_sample_size(np.concatenate([values[:, :half], values[:, -half:]])))


def _normal(values: np.ndarray) -> np.ndarray:
    """Return the normal quantiles of the ranks of ``values`` (chain, draw)."""
    rank = rankdata(values).reshape(values.shape)
    return ndtri((rank - 0.375) / (values.size + 0.25))
