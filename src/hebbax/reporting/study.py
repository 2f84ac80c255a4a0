"""From sessions and declared models to answers: fit, diagnose, compare, check.

What `hebbax run`, `hebbax demo` and `hebbax report` share. Finished fits in the results folder are
taken as they are, unfinished ones go on, so that a study that was cut off repeats nothing. What the
end needs is checked before the first fit; a comparison, check or table that fails all the same
leaves a sentence in its place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import jax
import pandas as pd
import xarray as xr

from hebbax.check import comparison, predictive
from hebbax.check.joint import Joint, joint
from hebbax.check.joint import remove as remove_joint
from hebbax.check.joint import write as write_joint
from hebbax.check.recorded_task import check_blocks
from hebbax.data import Sessions
from hebbax.errors import FitError, ModelError
from hebbax.inference import pseudo_marginal
from hebbax.model.spec import ModelSpec
from hebbax.posterior import (
    diagnostics,
    fits,
    fitting,
    forgetting,
    levels,
    methods,
    power_scaling,
    summary,
)
from hebbax.posterior import inference_data as posteriors
from hebbax.posterior.observed import check_comparable
from hebbax.posterior.verdict import Verdict
from hebbax.reporting import told
from hebbax.reporting.tables import deviance_table, population_table
from hebbax.runs import files
from hebbax.runs.attempts import Failed, attempt
from hebbax.runs.names import check_distinct
from hebbax.typing import Progress

TABLES = (
    "deviance", "coefficients", "population", "sensitivity", "diagnostics", "losses",
    "losses_by_animal", "groups", "differences",
)  # fmt: skip
"""Tables of all models; those that a study does not write are of an earlier one."""

ProgressOf: TypeAlias = Callable[[str], Progress]
"""Returns the progress of one named task."""


@dataclass(frozen=True)
class Plan:
    """What a study does: the models, where results go, the seed, the sampler and the checks.

    With ``refit`` finished fits are replaced, without it taken as they are. ``command`` is what
    repeats the study, where a command line asked for it.
    """

    specs: Sequence[ModelSpec]
    folder: Path
    seed: int
    settings: methods.Sampler = field(default_factory=pseudo_marginal.Settings)
    checks: predictive.Settings = field(default_factory=predictive.Settings)
    refit: bool = field(default=False, kw_only=True)
    command: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Study:
    """What came of it, by model name; ``joint`` is what the models say together, None where one of
    them has no population, ``tables`` are those of all models, by the names of their files,
    ``failures`` what could not be written, and ``command`` what makes it anew from its
    posteriors."""

    posteriors: Mapping[str, xr.DataTree]
    verdicts: Mapping[str, Verdict]
    compared: comparison.Comparison | Failed
    checks: Mapping[str, predictive.Check | Failed]
    joint: Joint | Failed | None = None
    tables: Mapping[str, pd.DataFrame | Failed] = field(default_factory=dict)
    failures: Sequence[Failed] = ()
    command: str = ""

    @property
    def ranking(self) -> list[str]:
        """Names of the models, the one that predicts a new animal best first, or where nothing is
        said of one a choice among known ones; those that FAILED their diagnostics last. As they
        were given where they could not be compared."""
        if isinstance(self.compared, Failed):
            return list(self.posteriors)
        return self.compared.ranking

    @property
    def trusted(self) -> list[str]:
        """Those of the ranking that did not fail their diagnostics."""
        return [name for name in self.ranking if self.verdicts[name].usable]

    @property
    def leading(self) -> str:
        """The first of the ranking that did not fail its diagnostics; where all did the first."""
        return (self.trusted or self.ranking)[0]


def prepare(sessions: Sessions, plan: Plan) -> list[fits.Standing]:
    """Return how far each fit is, for `run` to go on from.

    Raises `HebbaxError` for whatever can be known to fail before the first fit: models that share a
    name or are not to be compared, one that these sessions do not allow, a fit of something else in
    the way, too little room. With ``plan.refit`` nothing is in the way.
    """
    if not plan.specs:
        raise ModelError("no model given.")
    check_distinct([spec.name for spec in plan.specs], "--model")
    first = plan.specs[0]
    for spec in plan.specs:
        if spec.likelihood != first.likelihood:
            raise ModelError(
                f'{first.name} has the likelihood "{first.likelihood}" and {spec.name} '
                f'"{spec.likelihood}": what they predict is not to be compared; give each a run of '
                "its own."
            )
    return fits.prepare(
        sessions, plan.specs, plan.folder, plan.seed, plan.settings, anew=plan.refit
    )


def run(plan: Plan, found: Sequence[fits.Standing], progress: ProgressOf) -> Study:
    """Return the study of some models, fitted where `prepare` did not find them finished, its
    tables written.

    Written are, for each model, ``<model>.nc`` and ``check_<model>.csv`` with its curves and
    contingencies, and for all of them the tables of `hebbax.check.comparison.write_tables`,
    ``population.csv``, ``sensitivity.csv``, ``coefficients.csv``, ``deviance.csv`` and
    ``diagnostics.csv``, and where a rule fades weights ``losses.csv`` and ``losses_by_animal.csv``;
    what models say together (``answer.json``, ``fading.csv``);
    and what the checks were told (`hebbax.reporting.told`).
    """
    checks = plan.checks
    told.write(told.Told(checks.trials_per_block, checks.baiting, plan.seed), plan.folder)
    fitted = {}
    for spec, standing in zip(plan.specs, found, strict=True):
        tell = progress(spec.name)
        fit = fitting.finish(standing, plan.folder, plan.seed, plan.settings, tell, plan.command)
        assert isinstance(fit, xr.DataTree)  # the settings are those of a sampler
        fitted[spec.name] = fit
    judged, lost = judge(fitted), []
    for name in judged.as_good:
        sample = partial(fitting.with_each_alone, fitted[name], plan.folder, progress(name))
        alone = attempt(f"What each animal says alone by {name}", sample)
        if isinstance(alone, Failed):
            lost.append(alone)
        else:
            fitted[name] = alone
    study = assess(judged._replace(posteriors=fitted), plan, progress)
    return replace(study, failures=[*lost, *study.failures])


def load(plan: Plan, progress: ProgressOf) -> Study:
    """Return the study of the posteriors stored in a results folder, its tables written anew.

    ``plan.specs`` is not read. Raises `FitError` where the folder holds no posterior, or such that
    are not to be compared.
    """
    fitted = fits.posteriors_in(plan.folder)
    first = next(iter(fitted.values()))
    check_blocks(posteriors.sessions_of(first), plan.checks.trials_per_block)
    check_comparable(fitted)
    return assess(judge(fitted), plan, progress)


class Judged(NamedTuple):
    """Posteriors by model name, what the diagnostics say of each, and how they compare."""

    posteriors: Mapping[str, xr.DataTree]
    verdicts: Mapping[str, Verdict]
    compared: comparison.Comparison | Failed

    @property
    def as_good(self) -> list[str]:
        """Names of the models that are not told apart from the best, all where they could not be
        compared; none that failed."""
        if not isinstance(self.compared, Failed):
            return self.compared.scores[0].as_good
        return [name for name, verdict in self.verdicts.items() if verdict.usable]


def judge(fitted: Mapping[str, xr.DataTree]) -> Judged:
    """Return some posteriors, diagnosed and compared."""
    verdicts = {name: verdict_of(name, posterior) for name, posterior in fitted.items()}
    compared = attempt("The comparison", partial(comparison.compare, fitted, verdicts))
    return Judged(fitted, verdicts, compared)


def assess(judged: Judged, plan: Plan, progress: ProgressOf) -> Study:
    """Return what can be said of some posteriors, and write it as tables."""
    key = jax.random.PRNGKey(plan.seed)
    fitted, verdicts, compared = judged

    def checked(name: str) -> predictive.Check:
        tell, verdict = progress(name), verdicts[name]
        found = predictive.check(key, fitted[name], plan.checks, tell, verdict=verdict)
        return replace(found, model=name)  # by which its tables and its sentence are called

    checks = {name: attempt(f"The check of {name}", partial(checked, name)) for name in fitted}
    together = None
    if not isinstance(compared, Failed):
        together = attempt("What models say together", partial(joint, compared, fitted))
    tables = _tables(judged)
    study = Study(fitted, verdicts, compared, checks, together, tables, command=plan.command)
    return replace(study, failures=_write(study, plan.folder))


def verdict_of(name: str, posterior: xr.DataTree) -> Verdict:
    """Return the verdict on a posterior; one that cannot be diagnosed has not passed."""
    verdict = attempt(f"The diagnosis of {name}", partial(diagnostics.diagnose, posterior))
    if isinstance(verdict, Failed):
        return Verdict((verdict.sentence.rstrip("."),), {}, "")
    return verdict


def _tables(judged: Judged) -> dict[str, pd.DataFrame | Failed]:
    """Return the tables of all models, each on its own."""
    fitted, verdicts = judged.posteriors, judged.verdicts

    def by_model(make: diagnostics.Table, *names: str) -> Callable[[], pd.DataFrame]:
        return lambda: _below(judged, make, ["model", *names])

    tables: dict[str, Callable[[], pd.DataFrame]] = {
        "deviance": partial(deviance_table, fitted, verdicts),
        "coefficients": by_model(summary.animal_table),
        "population": by_model(population_table, "value"),
        "sensitivity": by_model(power_scaling.sensitivity_table, "value"),
        "diagnostics": partial(_diagnostics_table, verdicts),
    }
    if any(map(forgetting.fades, fitted.values())):
        tables["losses"] = by_model(forgetting.population_losses)
        tables["losses_by_animal"] = by_model(forgetting.animal_losses)
    if any(posteriors.spec_of(posterior).by for posterior in fitted.values()):
        tables["groups"] = by_model(levels.level_table)
        tables["differences"] = by_model(levels.difference_table)
    return {name: attempt(f"{name}.csv", make) for name, make in tables.items()}


def _below(judged: Judged, make: diagnostics.Table, names: list[str]) -> pd.DataFrame:
    """Return the tables of all models below each other."""
    each = {name: make(fit, judged.verdicts[name]) for name, fit in judged.posteriors.items()}
    filled = {name: table for name, table in each.items() if len(table)}
    return pd.concat(filled or each, names=names)


def _diagnostics_table(verdicts: Mapping[str, Verdict]) -> pd.DataFrame:
    rows = {name: {"grade": v.word, **v.figures} for name, v in verdicts.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _write(study: Study, folder: Path) -> list[Failed]:
    """Write all tables, each on its own, and return those that could not be made or written; those
    of an earlier study that this one has not are removed."""
    made = [table for table in study.tables.values() if isinstance(table, Failed)]
    writers: dict[str, Callable[[], None]] = {
        f"{name}.csv": partial(files.write_tables, {name: table}, folder, FitError)
        for name, table in study.tables.items()
        if not isinstance(table, Failed)
    }
    files.remove(folder, [f"{name}.csv" for name in TABLES if f"{name}.csv" not in writers])
    if isinstance(study.compared, Failed):
        files.remove(folder, comparison.TABLES)
    else:
        writers["comparison.csv"] = partial(comparison.write_tables, study.compared, folder)
    if isinstance(study.joint, Joint):
        writers["answer.json"] = partial(write_joint, study.joint, folder)
    else:
        remove_joint(folder)
    for name, checked in study.checks.items():
        if isinstance(checked, Failed):
            predictive.remove(name, folder)
        else:
            writers[f"check_{name}.csv"] = partial(predictive.write_tables, checked, folder)
    written = [attempt(name, write) for name, write in writers.items()]
    failed = [*made, *(done for done in written if isinstance(done, Failed))]
    return [*failed, study.joint] if isinstance(study.joint, Failed) else failed
