"""Which model predicts better: LOO and WAIC over trials, and the same difference by animal.

Trial-wise LOO answers one question: how well is a choice predicted, given the true past, with
parameters that also saw the rest of the session. The animal is the unit that was sampled, so the
sums of the pointwise difference over each animal's trials stand beside it, with their standard
error over animals.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
from scipy.special import logsumexp

from hebbax import files
from hebbax.diagnostics import diagnose, is_variational
from hebbax.errors import FitError

SMALL_DIFFERENCE = 4.0
"""Below this many nats the normal approximation of a LOO difference is not to be trusted."""


@dataclass(frozen=True)
class Comparison:
    """Models against each other.

    Attributes:
        table: one row a model, best first: elpd and its difference from the best by LOO with the
            standard error over trials, WAIC, effective parameters, worst k-hat and its threshold,
            and the difference with its standard error over animals.
        by_animal: ``(model, animal)`` sums of the pointwise LOO difference from the best model.
    """

    table: pd.DataFrame
    by_animal: pd.DataFrame

    @property
    def sentence(self) -> str:
        """The comparison in one sentence."""
        best = self.table.index[0]
        if len(self.table) == 1:
            return f"Only {best} was given; there is nothing to compare."
        second = self.table.iloc[1]
        caveat = (
            ", too small a difference to choose by"
            if abs(second["difference"]) < max(SMALL_DIFFERENCE, 2 * second["difference_se"])
            else ""
        )
        return (
            f"{best} predicts best; {second.name} is {-second['difference']:.1f} nats behind "
            f"(± {second['difference_se']:.1f} over trials, ± {second['animal_se']:.1f} over "
            f"animals){caveat}."
        )


def compare(posteriors: Mapping[str, az.InferenceData]) -> Comparison:
    """Return the comparison of posteriors by model name; they must be of the same data.

    Raises `FitError` where they are not, and for a variational fit that failed its diagnostics: its
    draws have no expected log predictive density.
    """
    for name, posterior in posteriors.items():
        if is_variational(posterior) and not (verdict := diagnose(posterior)).passed:
            raise FitError(f"{name}: not to be compared. {verdict.sentence}")
    hashes = {name: p.attrs["data_hash"] for name, p in posteriors.items()}
    if len(set(hashes.values())) > 1:
        first = next(iter(hashes))
        other = next(name for name in hashes if hashes[name] != hashes[first])
        raise FitError(
            f"{first} and {other} were fitted to different data; compare fits of the same."
        )
    scores = {name: _scores(posterior) for name, posterior in posteriors.items()}
    order = sorted(scores, key=lambda name: -scores[name]["loo"].elpd_loo)
    best = np.asarray(scores[order[0]]["loo"].loo_i)
    reference = posteriors[order[0]]
    animals = np.asarray(reference.posterior["animal"])
    index = np.asarray(reference.constant_data["animal_index"])
    rows, by_animal = {}, {}
    for name in order:
        loo, waic = scores[name]["loo"], scores[name]["waic"]
        difference = np.asarray(loo.loo_i) - best
        sums = np.bincount(index, difference, minlength=len(animals))
        by_animal[name] = sums
        rows[name] = {
            "elpd_loo": loo.elpd_loo,
            "difference": difference.sum(),
            "difference_se": np.sqrt(len(difference) * difference.var()),
            "animal_se": np.sqrt(len(sums) * sums.var(ddof=1)) if len(sums) > 1 else np.nan,
            "animals_better": int((sums > 0).sum()),
            "p_loo": loo.p_loo,
            "elpd_waic": waic.elpd_waic,
            "worst_k": float(np.max(loo.pareto_k)),
            "bad_k": int((np.asarray(loo.pareto_k) > loo.good_k).sum()),
            "good_k": loo.good_k,
        }
    return Comparison(
        pd.DataFrame.from_dict(rows, orient="index"),
        pd.DataFrame.from_dict(by_animal, orient="index", columns=animals),
    )


def write_tables(compared: Comparison, folder: Path) -> None:
    """Write ``comparison.csv`` and ``comparison_by_animal.csv``."""
    tables = {"comparison": compared.table, "comparison_by_animal": compared.by_animal}
    files.write_tables(tables, folder, FitError, index_label="model")


def deviance_explained(posterior: az.InferenceData, reference: az.InferenceData) -> pd.DataFrame:
    """Return the deviance explained of each animal, in percent and in-sample.

    100 (1 - D / D_0) with D = -2 sum_t log mean_draws P(choice_t). Columns ``against chance``, D_0
    of even odds among the alternatives, and ``against reference``, D_0 of the other posterior.
    """
    index = np.asarray(posterior.constant_data["animal_index"])
    animals = np.asarray(posterior.posterior["animal"])
    ours, theirs = (np.bincount(index, _log_score(p)) for p in (posterior, reference))
    chance = np.bincount(index) * -np.log(posterior.attrs["n_stimuli"])
    return pd.DataFrame(
        {
            "against chance": 100 * (1 - ours / chance),
            "against reference": 100 * (1 - ours / theirs),
        },
        index=pd.Index(animals, name="animal"),
    )


def _log_score(posterior: az.InferenceData) -> np.ndarray:
    """Return log mean_draws P of each observation ``(observation,)``, in nats."""
    (values,) = posterior.log_likelihood.data_vars.values()
    flat = values.stack(sample=("chain", "draw")).transpose("sample", "observation").to_numpy()
    return logsumexp(flat, axis=0) - np.log(flat.shape[0])


def _scores(posterior: az.InferenceData) -> dict[str, az.ELPDData]:
    # The k-hat and p_waic warnings are reported as columns of the table; the weights of draws that
    # are worlds apart (chains in different solutions) overflow to zero, as they should.
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        return {
            "loo": az.loo(posterior, pointwise=True),
            "waic": az.waic(posterior, pointwise=True),
        }
