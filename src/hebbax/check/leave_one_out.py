"""Leave-one-out by Pareto-smoothed importance sampling, and WAIC, of any log likelihood of a
posterior.

With log likelihoods l_is of part i under draw s,

    elpd_loo = sum_i log sum_s w_is exp(l_is),    w_is the smoothed exp(-l_is), of sum one,
    elpd_waic = sum_i [log mean_s exp(l_is) - var_s(l_is)]

(Vehtari, Gelman & Gabry 2017).
"""

from collections.abc import Iterable
from typing import NamedTuple

import arviz_stats
import numpy as np
import xarray as xr
from scipy.special import logsumexp

from hebbax.check.pareto_smoothing import smoothed

GOOD_K = 0.7
"""Largest k-hat of any number of draws up to which a score is trusted; of few it is less."""


class Loo(NamedTuple):
    """LOO of each part that is left out.

    ``each`` (part,) in nats, with the Pareto k-hat ``k`` (part,) of its weights and the number
    ``good_k`` up to which that is good; ``parameters``, the effective number of parameters.
    """

    each: np.ndarray
    k: np.ndarray
    good_k: float
    parameters: float

    @property
    def elpd(self) -> float:
        """The sum over all parts, in nats."""
        return float(self.each.sum())


def leave_one_out(data: xr.DataTree) -> Loo:
    """Return the LOO of each part of what is `scored`.

    Raises `FitError` where there are too few draws.
    """
    log_p = drawn(data.log_likelihood["scored"])
    draws, parts = log_p.shape
    each, k = np.empty((2, parts))
    for own, weights, shape in smoothed(-log_p, _effective(data.posterior.to_dataset())):
        each[own], k[own] = logsumexp(weights + log_p[:, own].T, axis=-1), shape
    parameters = float((log_mean(log_p) - each).sum())
    return Loo(each, k, min(1.0 - 1.0 / np.log10(draws), GOOD_K), parameters)


def either(limits: Iterable[float]) -> str:
    """Return limits of k-hat in words: there are several where models have other numbers of
    draws."""
    return " or ".join(sorted({f"{limit:.2f}" for limit in limits}))


def _effective(posterior: xr.Dataset) -> float:
    """Return the effective part of the draws, of the mean over all values; one of a single
    chain."""
    if posterior.sizes["chain"] == 1:
        return 1.0
    found = arviz_stats.ess(posterior, method="mean")
    each = np.concatenate([np.ravel(values) for values in found.data_vars.values()])
    return float(each.mean() / (posterior.sizes["chain"] * posterior.sizes["draw"]))


def waic(data: xr.DataTree) -> float:
    """Return the WAIC of what is `scored`, in nats, on the scale of the LOO."""
    log_p = drawn(data.log_likelihood["scored"])
    return float((log_mean(log_p) - log_p.var(axis=0)).sum())


def drawn(log_likelihood: xr.DataArray) -> np.ndarray:
    """Return a log likelihood as ``(draw, part)``, in double precision."""
    values = log_likelihood.transpose("chain", "draw", ...).to_numpy().astype(float)
    return values.reshape(values.shape[0] * values.shape[1], -1)


def log_mean(log_p: np.ndarray) -> np.ndarray:
    """Return log mean_s exp(l_is) of each part ``(part,)``, of ``log_p`` (draw, part)."""
    # SciPy's logsumexp takes 20 times as long of an array of this size.
    most = log_p.max(0)
    shift = np.where(np.isfinite(most), most, 0.0)
    with np.errstate(divide="ignore"):  # of a part that no draw allows
        return np.log(np.exp(log_p - shift).mean(0)) + shift


def scored(posterior: xr.DataTree, log_likelihood: xr.DataArray) -> xr.DataTree:
    """Return a log likelihood in double precision, with the draws of the ``posterior`` that it is
    of: their autocorrelation is part of the smoothing of weights."""
    own = log_likelihood.astype(float).to_dataset(name="scored")
    draws = posterior.posterior.to_dataset().sel(draw=own["draw"])
    return xr.DataTree.from_dict({"posterior": draws, "log_likelihood": own})
