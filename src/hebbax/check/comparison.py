"""Which model predicts better: one table a question, differences with standard errors over animals.

    a new animal                 leave-one-animal-out, of a hierarchy whose animals were integrated
                                 out (`hebbax.check.new_animal`)
    a choice among known ones    LOO and WAIC over trials: how well is a choice predicted, given the
                                 true past, with parameters that also saw the rest of the session

The animal is the unit that was sampled: beside the standard error over trials stands that of the
sums over each animal's trials. Where the first question is answered it leads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
from scipy.special import logsumexp

from hebbax.check import new_animal
from hebbax.check.leave_one_out import leave_one_out, scored, waic
from hebbax.check.new_animal import LeftOut
from hebbax.check.score import Score, ranked, standard_error
from hebbax.errors import FitError
from hebbax.model.likelihood import chance
from hebbax.posterior.diagnostics import verdict_of
from hebbax.posterior.observed import check_comparable, site_of
from hebbax.posterior.stored import SCORED, check_groups
from hebbax.posterior.verdict import Verdict
from hebbax.run import files

QUESTION = "a choice among known ones"

TABLES = (
    "comparison.csv",
    "comparison_by_animal.csv",
    "comparison_new_animal.csv",
    "comparison_new_animal_by_animal.csv",
)
"""What `write_tables` writes, the last two where a new animal is asked about."""

CHAINS_APART = 1.1
"""R-hat above which chains are said to be in different places (Gelman & Rubin 1992)."""


@dataclass(frozen=True)
class Comparison:
    """Models against each other.

    Attributes:
        choices: on a choice among known ones. The table has elpd and its difference from the first
            by LOO with the standard error over trials and over animals, the number of animals in
            which it is better than the first (missing for the first itself), effective parameters,
            WAIC, worst k-hat, the number of observations with one above the threshold and the
            threshold, the number of ``observations``, the log evidence and its Monte Carlo error in
            nats (missing where the method or the prior gives none), and whether its ``diagnostics``
            passed, imprecise or FAILED.
        animals: on a new animal (`hebbax.check.new_animal.score`); None where a posterior does not
            say.
        left_out: what each model predicts of each left-out animal; empty where one does not say.
        lacking: why nothing is said of a new animal, a sentence; empty where something is.
    """

    choices: Score
    animals: Score | None = None
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)
    lacking: str = ""

    @property
    def scores(self) -> list[Score]:
        """What is answered, the question that leads first."""
        return [self.choices] if self.animals is None else [self.animals, self.choices]

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """What the diagnostics say of each model."""
        return self.choices.verdicts

    @property
    def ranking(self) -> list[str]:
        """Names of the models in the order of the table that leads."""
        return self.scores[0].ranking

    @property
    def trusted(self) -> list[str]:
        """Names of the models whose posteriors did not fail their diagnostics, best first."""
        return self.scores[0].trusted

    @property
    def sentence(self) -> str:
        """The answers in words: what predicts best among the posteriors that did not fail, which
        did, and where a score cannot be trusted."""
        if len(self.ranking) == 1:
            return f"Only {self.ranking[0]} was given; there is nothing to compare."
        parts = [self._too_few, self.lacking]
        for score in self.scores:
            parts.append(score.sentence)
            if score is self.animals:
                parts.append(new_animal.uncertain_sentence(self.left_out))
        parts += [*map(self._apart, self.ranking), *map(self._bad_k, self.ranking)]
        return " ".join(part for part in parts if part)

    @property
    def _too_few(self) -> str:
        if not self.trusted:
            return "Every posterior FAILED its diagnostics; no model is said to predict best."
        if len(self.trusted) == 1:
            return (
                f"All but {self.trusted[0]} FAILED their diagnostics; no model is said to predict "
                "best."
            )
        return ""

    def _bad_k(self, name: str) -> str:
        row = self.choices.table.loc[name]
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
    posteriors: Mapping[str, az.InferenceData],
    verdicts: Mapping[str, Verdict] | None = None,
    left_out: Mapping[str, LeftOut] | None = None,
) -> Comparison:
    """Return the comparison of posteriors by model name; they must be of the same observations.
    Those whose ``verdicts`` are known already are not diagnosed again, and of those that are among
    ``left_out`` animals are not left out again (`hebbax.check.new_animal.refitted`).

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
        if verdict.variational and not verdict.usable:
            raise FitError(f"{name}: not to be compared. {verdict.sentence}")
    choices = _of_choices(posteriors, verdicts)
    for name, posterior in posteriors.items():
        if why := new_animal.lacking(posterior):
            said = f"Of {new_animal.QUESTION} nothing is said: {name} {why}."
            return Comparison(choices, lacking=said)
    found = {
        name: (left_out or {}).get(name) or new_animal.leave_one_animal_out(posterior)
        for name, posterior in posteriors.items()
    }
    return Comparison(choices, new_animal.score(found, verdicts), found)


def _of_choices(
    posteriors: Mapping[str, az.InferenceData], verdicts: Mapping[str, Verdict]
) -> Score:
    """Return models by LOO over trials."""
    loo, elpd_waic = {}, {}
    for name, posterior in posteriors.items():
        data = scored(posterior.posterior, posterior.log_likelihood[site_of(posterior)])
        loo[name], elpd_waic[name] = leave_one_out(data), waic(data)
    order = ranked({name: found.elpd_loo for name, found in loo.items()}, verdicts)
    reference = posteriors[order[0]]
    animals = np.asarray(reference.posterior["animal"])
    index = np.asarray(reference.constant_data["animal_index"])
    rows, by_animal = {}, {}
    for name in order:
        difference = np.asarray(loo[name].loo_i) - np.asarray(loo[order[0]].loo_i)
        by_animal[name] = np.bincount(index, difference, minlength=len(animals))
        better = pd.NA if name == order[0] else int((by_animal[name] > 0).sum())
        rows[name] = {
            "elpd_loo": loo[name].elpd_loo,
            "difference": float(difference.sum()),
            "difference_se": float(np.sqrt(len(difference) * difference.var())),
            "animal_se": standard_error(by_animal[name]),
            "animals_better": better,
            **_quality(loo[name]),
            "elpd_waic": elpd_waic[name],
            "observations": len(difference),
            **_evidence(posteriors[name]),
            "diagnostics": verdicts[name].word,
        }
    table = pd.DataFrame.from_dict(rows, orient="index").astype({"animals_better": "Int64"})
    each = pd.DataFrame.from_dict(by_animal, orient="index", columns=animals)
    return Score(QUESTION, table, each, verdicts)


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
    """Write ``comparison.csv``, and ``comparison_by_animal.csv`` with a row a model and animal; of
    a new animal ``comparison_new_animal.csv`` and ``comparison_new_animal_by_animal.csv``."""
    choices, verdicts = compared.choices, compared.verdicts
    rows = [
        (model, animal, difference, verdicts[model].word)
        for model in choices.ranking
        for animal, difference in choices.by_animal.loc[model].items()
    ]
    each = pd.DataFrame(rows, columns=["model", "animal", "difference", "diagnostics"])
    by_model, by_animal = {"comparison": choices.table}, {"comparison_by_animal": each}
    if compared.animals is not None:
        by_model["comparison_new_animal"] = compared.animals.table
        by_animal["comparison_new_animal_by_animal"] = new_animal.animal_table(
            compared.left_out, compared.animals.by_animal, verdicts
        )
    files.write_tables(by_model, folder, FitError, index_label="model")
    files.write_tables(by_animal, folder, FitError, index=False)


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
    values = posterior.log_likelihood[site_of(posterior)]
    flat = values.stack(sample=("chain", "draw")).transpose("sample", "observation")
    flat = flat.to_numpy().astype(float)
    return logsumexp(flat, axis=0) - np.log(flat.shape[0])
