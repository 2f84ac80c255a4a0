"""Leave-one-out by Pareto-smoothed importance sampling, of any log likelihood of a posterior."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import arviz as az
import numpy as np
import xarray as xr


def leave_one_out(data: az.InferenceData) -> az.ELPDData:
    """Return the pointwise LOO of what is `scored`, by ArviZ."""
    with heeded():
        return az.loo(data, pointwise=True)


def waic(data: az.InferenceData) -> float:
    """Return the WAIC of what is `scored`, by ArviZ, on the scale of the LOO."""
    with heeded():
        return float(az.waic(data).elpd_waic)


def scored(posterior: xr.Dataset, log_likelihood: xr.DataArray) -> az.InferenceData:
    """Return a log likelihood in double precision, with the draws of the posterior that it is of:
    their autocorrelation is part of the smoothing of weights."""
    own = log_likelihood.astype(float).to_dataset(name="scored")
    return az.InferenceData(posterior=posterior.sel(draw=own["draw"]), log_likelihood=own)


@contextmanager
def heeded() -> Iterator[None]:
    """Silence what the tables say: k-hat and p_waic warnings. The weights of draws that are worlds
    apart (chains in different solutions) overflow to zero, as they should."""
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        yield
