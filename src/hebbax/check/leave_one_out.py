"""Leave-one-out by Pareto-smoothed importance sampling, of any log likelihood of a posterior."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import arviz as az
import numpy as np


def leave_one_out(posterior: az.InferenceData, name: str) -> az.ELPDData:
    """Return the pointwise LOO of the log likelihood with a name, by ArviZ."""
    with heeded():
        return az.loo(posterior, pointwise=True, var_name=name)


@contextmanager
def heeded() -> Iterator[None]:
    """Silence what the tables say: k-hat and p_waic warnings. The weights of draws that are worlds
    apart (chains in different solutions) overflow to zero, as they should."""
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        yield
