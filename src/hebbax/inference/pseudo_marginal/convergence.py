"""Whether chains have run for long enough: rank-normalised R-hat and effective sample sizes.

Draws are replaced by the normal quantiles of their ranks over all chains (Vehtari et al. 2021);
R-hat is of split chains, the bulk size of the ranks, the tail size the least of those of the
indicators below the quantiles of 5 and 95 %.
"""

import numpy as np
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
from scipy.special import ndtri
from scipy.stats import rankdata


def converged(draws: np.ndarray, most_r_hat: float, least_size: float) -> bool:
    """Return whether every value of ``draws`` (chain, draw, value) has an R-hat of at most that and
    effective sizes of at least that."""
    for values in np.moveaxis(draws, -1, 0):
        if np.ptp(values) == 0.0:
            return False
        folded = np.abs(values - np.median(values))
        if not max(_r_hat(values), _r_hat(folded)) <= most_r_hat:
            return False
        sizes = [effective_size(_normal(values))]
        sizes += [effective_size(1.0 * (values <= q)) for q in np.quantile(values, (0.05, 0.95))]
        if not min(sizes) >= least_size:
            return False
    return True


def _r_hat(values: np.ndarray) -> float:
    return float(split_gelman_rubin(_normal(values)))


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
