"""Which model predicts better: LOO and WAIC over trials, and the same difference by animal.

Trial-wise LOO answers one question: how well is a choice predicted, given the true past, with
parameters that also saw the rest of the session. The animal is the unit that was sampled, so the
sums of the pointwise difference over each animal's trials stand beside it, with their standard
error over animals.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
from scipy.special import logsumexp

from hebbax.errors import FitError
from hebbax.model.likelihood import chance
from hebbax.posterior.diagnostics import Verdict, verdict_of
from hebbax.posterior.observed import check_comparable
from hebbax.posterior.stored import SCORED, check_groups
from hebbax.run import files

SMALL_DIFFERENCE = 4.0
"""Below this many nats the normal approximation of a LOO difference is not to be trusted."""

CHAINS_APART = 1.1
"""R-hat above which chains are said to be in different places (Gelman & Rubin 1992)."""


@dataclass(frozen=True)
class Comparison:
    """Models against each other.

    Attributes:
        table: one row a model, best first, and those that passed their diagnostics before those
            that failed: elpd and its difference from the first by LOO with the standard error over
            trials and over animals, the number of animals in which it is better than the first
            (missing for the first itself), effective parameters, WAIC, worst k-hat, the number of
            observations with one above the threshold and the threshold, the number of
            ``observations``, the log evidence and its Monte Carlo error in nats (missing where the
            method or the prior gives none), and whether its ``diagnostics`` passed or FAILED.
        by_animal: ``(model, animal)`` sums of the pointwise LOO difference from the first model.
        verdicts: what the diagnostics say of each model.
    """

    table: pd.DataFrame
    by_animal: pd.DataFrame
    verdicts: Mapping[str, Verdict]

    @property
    def ranking(self) -> list[str]:
        """Names of the models in the order of the table."""
        return [str(name) for name in self.table.index]

    @property
    def trusted(self) -> list[str]:
        """Names of the models whose posteriors passed their diagnostics, best first."""
        return [name for name in self.ranking if self.verdicts[name].passed]

    @property
    def sentence(self) -> str:
        """The answer in words: what predicts best among the posteriors that passed, which failed,
        and where LOO cannot be trusted."""
        if len(self.ranking) == 1:
            return f"Only {self.ranking[0]} was given; there is nothing to compare."
        parts = [self._best, self._failed, *map(self._apart, self.ranking)]
        return " ".join(part for part in [*parts, *map(self._bad_k, self.ranking)] if part)

    @property
    def _best(self) -> str:
        if not self.trusted:
            return "No posterior passed its diagnostics, so that no model is said to predict best."
        first, *others = self.trusted
        if not others:
            return f"Only {first} passed its diagnostics, so that no model is said to predict best."
        row = self.table.loc[others[0]]
        errors = [(row["difference_se"], "trials"), (row["animal_se"], "animals")]
        known = [(se, over) for se, over in errors if np.isfinite(se)]
        small = -row["difference"] < max(SMALL_DIFFERENCE, 2 * max(se for se, _ in known))
        return (
            f"{first} predicts best; {others[0]} is {-row['difference']:.1f} nats behind "
            f"({', '.join(f'± {se:.1f} over {over}' for se, over in known)})"
            f"{', too small a difference to choose by' if small else ''}."
        )

    @property
    def _failed(self) -> str:
        """Which posteriors failed, and where they would stand."""
        failed = [name for name in self.ranking if name not in self.trusted]
        if not failed or not self.trusted:
            return ""
        said = []
        for name in failed:
            difference = float(self.table["difference"][name])
            place = "above" if difference > 0 else "behind"
            said.append(f"{name} ({abs(difference):.1f} nats {place} {self.trusted[0]})")
        those = "A posterior" if len(said) == 1 else "Posteriors"
        return (
            f"{those} that FAILED the diagnostics, with a score that decides nothing: "
            f"{', '.join(said)}."
        )

    def _bad_k(self, name: str) -> str:
        row = self.table.loc[name]
        if not row["bad_k"]:
            return ""
        return (
            f"For {row['bad_k']} of {row['observations']} observations the LOO of {name} is not to "
            f"be trusted (Pareto k above {row['good_k']:.2f}): without such an observation the "
            "posterior would be another one than its draws stand for, so that the score may be off "
            "by more than its standard errors."
        )

    def _apart(self, name: str) -> str:
        r_hat = self.verdicts[name].figures.get("r_hat", 1.0)
        if not r_hat > CHAINS_APART:  # of one chain there is none
            return ""
        return (
            f"The chains of {name} do not meet (R-hat {r_hat:.2f}): its LOO weighs the solutions "
            "that they found by the number of chains in each, and not by their probability."
        )


def compare(
    posteriors: Mapping[str, az.InferenceData], verdicts: Mapping[str, Verdict] | None = None
) -> Comparison:
    """Return the comparison of posteriors by model name; they must be of the same observations.
    Those whose ``verdicts`` are known already are not diagnosed again.

    Raises `FitError` where they are not, where a group is missing or a number in it is none, and
    for a variational fit that failed its diagnostics: its draws have no expected log predictive
    density.
    """
    for name, posterior in posteriors.items():
        check_groups(posterior, SCORED, name)
    check_comparable(posteriors)
    known = verdicts or {}
    verdicts = {name: verdict_of(fit, known.get(name)) for name, fit in posteriors.items()}
    for name, verdict in verdicts.items():
        if verdict.variational and not verdict.passed:
            raise FitError(f"{name}: not to be compared. {verdict.sentence}")
    loo = {name: leave_one_out(posterior) for name, posterior in posteriors.items()}
    order = sorted(loo, key=lambda name: (not verdicts[name].passed, -loo[name].elpd_loo))
    reference = posteriors[order[0]]
    animals = np.asarray(reference.posterior["animal"])
    index = np.asarray(reference.constant_data["animal_index"])
    rows, by_animal = {}, {}
    for name in order:
        difference = np.asarray(loo[name].loo_i) - np.asarray(loo[order[0]].loo_i)
        by_animal[name] = np.bincount(index, difference, minlength=len(animals))
        better = pd.NA if name == order[0] else int((by_animal[name] > 0).sum())
        rows[name] = {
            **_difference(difference, by_animal[name]),
            "animals_better": better,
            **_quality(loo[name]),
            "elpd_waic": _waic(posteriors[name]),
            "observations": len(difference),
            **_evidence(posteriors[name]),
            "diagnostics": verdicts[name].word,
        }
    table = pd.DataFrame.from_dict(rows, orient="index").astype({"animals_better": "Int64"})
    table.insert(0, "elpd_loo", [loo[name].elpd_loo for name in order])
    each = pd.DataFrame.from_dict(by_animal, orient="index", columns=animals)
    return Comparison(table, each, verdicts)


def _difference(each: np.ndarray, by_animal: np.ndarray) -> dict[str, float]:
    """Return a difference ``each`` (observation,) summed, and its two standard errors."""
    n = len(by_animal)
    return {
        "difference": float(each.sum()),
        "difference_se": float(np.sqrt(len(each) * each.var())),
        "animal_se": float(np.sqrt(n * by_animal.var(ddof=1))) if n > 1 else np.nan,
    }


def _quality(loo: az.ELPDData) -> dict[str, float]:
    """Return what says whether LOO can be trusted."""
    k = np.asarray(loo.pareto_k)
    return {
        "p_loo": float(loo.p_loo),
        "worst_k": float(k.max()),
        "bad_k": int((k > loo.good_k).sum()),
        "good_k": float(loo.good_k),
    }


def _evidence(posterior: az.InferenceData) -> dict[str, float]:
    """Return the log marginal likelihood of a model and its error, NaN where it is not known."""
    names = "log_evidence", "log_evidence_error"
    return {name: float(posterior.attrs.get(name, np.nan)) for name in names}


def write_tables(compared: Comparison, folder: Path) -> None:
    """Write ``comparison.csv``, and ``comparison_by_animal.csv`` with a row a model and animal."""
    files.write_tables({"comparison": compared.table}, folder, FitError, index_label="model")
    rows = [
        (model, animal, difference, compared.verdicts[model].word)
        for model in compared.ranking
        for animal, difference in compared.by_animal.loc[model].items()
    ]
    table = pd.DataFrame(rows, columns=["model", "animal", "difference", "diagnostics"])
    files.write_tables({"comparison_by_animal": table}, folder, FitError, index=False)


def deviance_explained(posterior: az.InferenceData, reference: az.InferenceData) -> pd.DataFrame:
    """Return the deviance explained of each animal, in percent and in-sample.

    100 (1 - D / D_0) with D = -2 sum_t log mean_draws P(trial_t). Columns ``against chance``, D_0
    of even odds (`hebbax.model.likelihood.chance`), and ``against reference``, D_0 of the other
    posterior. Raises `FitError` where the two are not of the same observations.
    """
    check_comparable({"the model": posterior, "its reference": reference})
    index = np.asarray(posterior.constant_data["animal_index"])
    animals = np.asarray(posterior.posterior["animal"])
    ours, theirs = (np.bincount(index, _log_score(p)) for p in (posterior, reference))
    ((kind, observed),) = posterior.observed_data.data_vars.items()
    even = np.bincount(index, chance(kind, observed.to_numpy(), posterior.attrs["n_stimuli"]))
    return pd.DataFrame(
        {
            "against chance": 100 * (1 - ours / even),
            "against reference": 100 * (1 - ours / theirs),
        },
        index=pd.Index(animals, name="animal"),
    )


def _log_score(posterior: az.InferenceData) -> np.ndarray:
    """Return log mean_draws P of each observation ``(observation,)``, in nats."""
    (values,) = posterior.log_likelihood.data_vars.values()
    flat = values.stack(sample=("chain", "draw")).transpose("sample", "observation").to_numpy()
    return logsumexp(flat, axis=0) - np.log(flat.shape[0])


def leave_one_out(posterior: az.InferenceData) -> az.ELPDData:
    """Return the pointwise LOO of a posterior, by ArviZ."""
    with _heeded():
        return az.loo(posterior, pointwise=True)


def _waic(posterior: az.InferenceData) -> float:
    with _heeded():
        return float(az.waic(posterior).elpd_waic)


@contextmanager
def _heeded() -> Iterator[None]:
    """Silence what the table says: k-hat and p_waic warnings. The weights of draws that are worlds
    apart (chains in different solutions) overflow to zero, as they should."""
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        yield
