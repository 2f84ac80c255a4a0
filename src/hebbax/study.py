"""From sessions and declared models to answers: fit, diagnose, compare, check.

What `hebbax run`, `hebbax demo` and `hebbax report` share. Finished fits in the results folder are
taken as they are, unfinished ones go on, so that a study that was cut off repeats nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import arviz as az
import jax
import pandas as pd

from hebbax import comparison, diagnostics, files, fitting, predictive, summary
from hebbax import posterior as posteriors
from hebbax.data import Sessions
from hebbax.errors import FitError
from hebbax.inference import nuts
from hebbax.simulation import Cohort
from hebbax.spec import ModelSpec
from hebbax.typing import Progress

REFERENCE = "null"
"""Model against which the deviance explained is given, where it is among those fitted."""

ProgressOf: TypeAlias = Callable[[str], Progress]
"""Returns the progress of one named task."""


@dataclass(frozen=True)
class Plan:
    """What a study does: the models, where results go, the seed, the sampler and the checks.

    With ``refit`` finished fits are replaced, without it taken as they are.
    """

    specs: Sequence[ModelSpec]
    folder: Path
    seed: int
    settings: nuts.Settings = field(default_factory=nuts.Settings)
    checks: predictive.Settings = field(default_factory=predictive.Settings)
    refit: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Study:
    """What came of it, by model name."""

    posteriors: Mapping[str, az.InferenceData]
    verdicts: Mapping[str, diagnostics.Verdict]
    compared: comparison.Comparison
    checks: Mapping[str, predictive.Check]

    @property
    def ranking(self) -> list[str]:
        """Names of the models, the one that predicts best by LOO first."""
        return [str(name) for name in self.compared.table.index]

    @property
    def best(self) -> str:
        """Name of the model that predicts best by LOO."""
        return self.ranking[0]


def run(sessions: Sessions, plan: Plan, progress: ProgressOf) -> Study:
    """Return the study of some models, fitted where they are not yet, its tables written.

    Written are, for each model, ``<model>.nc`` and ``check_<model>.csv`` with its curves and
    contingencies, and for all of them ``comparison.csv``, ``comparison_by_animal.csv``,
    ``population.csv``, ``coefficients.csv``, ``deviance.csv`` and ``diagnostics.csv``.
    """
    fitted = {}
    for spec in plan.specs:
        tell = progress(spec.name)
        fit = fitting.fit_and_store if plan.refit else fitting.obtain
        fitted[spec.name] = fit(sessions, spec, plan.folder, plan.seed, plan.settings, tell)
    return _assess(fitted, plan, progress)


def load(plan: Plan, progress: ProgressOf) -> Study:
    """Return the study of the posteriors stored in a results folder, its tables written anew.

    ``plan.specs`` is not read. Raises `FitError` where the folder holds no posterior, or those of
    different data.
    """
    paths = sorted(p for p in plan.folder.glob("*.nc") if "." not in p.stem)
    if not paths:
        raise FitError(f"{plan.folder}: holds no posterior; `hebbax run` makes some.")
    return _assess({path.stem: posteriors.read(path) for path in paths}, plan, progress)


def _assess(fitted: Mapping[str, az.InferenceData], plan: Plan, progress: ProgressOf) -> Study:
    """Return what can be said of some posteriors, and write it as tables."""
    compared = comparison.compare(fitted)
    key = jax.random.PRNGKey(plan.seed)
    checks = {
        name: predictive.check(key, posterior, plan.checks, progress(name))
        for name, posterior in fitted.items()
    }
    verdicts = {name: diagnostics.diagnose(p) for name, p in fitted.items()}
    study = Study(fitted, verdicts, compared, checks)
    _write_tables(study, plan.folder)
    return study


def answer(study: Study) -> str:
    """Return the answer in a few sentences: the best model, its forgetting term, what it misses.

    Coefficients are those of the best model that passed its diagnostics.
    """
    sentences = [study.compared.sentence]
    trusted = [name for name in study.ranking if study.verdicts[name].passed]
    if study.best not in trusted:
        sentences.append(
            f"The posterior of {study.best} FAILED its diagnostics, so that nothing is said of its "
            "coefficients."
        )
    if not trusted:
        return " ".join(sentences)
    if study.best != trusted[0]:
        sentences.append(f"Of the models that passed, {trusted[0]} predicts best.")
    term = summary.forgetting(study.posteriors[trusted[0]])
    if term is not None:
        sentences.append(term.sentence)
    return " ".join([*sentences, study.checks[trusted[0]].sentence])


def truth_table(posterior: az.InferenceData, cohort: Cohort) -> pd.DataFrame:
    """Return the population values a simulated cohort was drawn from, beside their posterior."""
    table = summary.population_table(posterior)
    truth = {f"theta {term}": value for term, value in cohort.population.items()}
    truth["preference"] = cohort.preference[0]
    table.insert(0, "truth", [truth[name] for name in table.index])
    inside = (table["5 %"] <= table["truth"]) & (table["truth"] <= table["95 %"])
    table["in the 90 % interval"] = ["yes" if covered else "no" for covered in inside]
    return table


def deviance_table(fitted: Mapping[str, az.InferenceData]) -> pd.DataFrame:
    """Return the deviance explained of each animal, in-sample, a column a model: against chance,
    and where `REFERENCE` is among the models against it."""
    reference = fitted.get(REFERENCE, next(iter(fitted.values())))
    columns = {}
    for name, posterior in fitted.items():
        explained = comparison.deviance_explained(posterior, reference)
        columns[f"{name}, against chance"] = explained["against chance"]
        if name != REFERENCE and REFERENCE in fitted:
            columns[f"{name}, against {REFERENCE}"] = explained["against reference"]
    return pd.DataFrame(columns)


def _write_tables(study: Study, folder: Path) -> None:
    comparison.write_tables(study.compared, folder)
    animals = {name: summary.animal_table(p) for name, p in study.posteriors.items()}
    population = {name: summary.population_table(p) for name, p in study.posteriors.items()}
    verdicts = {k: {"passed": v.passed, **v.figures} for k, v in study.verdicts.items()}
    tables = {
        "deviance": deviance_table(study.posteriors),
        "coefficients": pd.concat(animals, names=["model"]),
        "population": pd.concat(population, names=["model", "value"]),
        "diagnostics": pd.DataFrame.from_dict(verdicts, orient="index").rename_axis("model"),
    }
    files.write_tables(tables, folder, FitError)
    for checked in study.checks.values():
        predictive.write_tables(checked, folder)
