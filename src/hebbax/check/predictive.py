"""Posterior predictive checks: does a model that fits also behave like its animals?

Two checks, two names. *One step ahead* asks whether each choice follows from the recorded past;
*free running* whether an animal with this rule, living in the same task, would do what was
recorded. A model can pass the first and fail the second (Palminteri et al. 2017). Replicates are
those of `hebbax.check.replicates`, statistics those of `hebbax.check.behaviour`, p-values those of
`hebbax.check.discrepancy`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import xarray as xr

from hebbax.check import replicates
from hebbax.check.discrepancy import (
    COHORT,
    DISTANCE,
    Values,
    all_statistics,
    tables,
)
from hebbax.check.recorded_task import armed, contingency_table, doubt, notes, recorded_task
from hebbax.check.replicates import RecordedTask, own_past_trials, predicted_trials, recorded_trials
from hebbax.check.trials import SECOND, Trials
from hebbax.data import part
from hebbax.display import Displayed, Part
from hebbax.errors import FitError
from hebbax.model.choices import Model, build_model
from hebbax.model.trials import seen
from hebbax.posterior.diagnostics import verdict_of
from hebbax.posterior.inference_data import drawn_values, spec_of
from hebbax.posterior.observed import of_all_trials
from hebbax.posterior.recording import recording_of
from hebbax.posterior.stored import CHECKED, check_groups
from hebbax.posterior.verdict import Verdict, marked
from hebbax.runs import files
from hebbax.runs.names import file_name
from hebbax.simulation.baiting import Decision, check_asked
from hebbax.simulation.environment import AskedBaiting
from hebbax.typing import Key, Progress, silent
from hebbax.validation.keys import words
from hebbax.validation.limits import MAX_PREDICTED

ONE_STEP, FREE = "one step ahead", "free running"
"""The two kinds of check."""

SUSPICIOUS = 0.05
"""Predictive p-value under which a statistic is called missed."""

LEAST_REPLICATES = round(1.0 / SUSPICIOUS)
"""With fewer no p-value is so small: the least is one in a number of replicates and one."""


@dataclass(frozen=True)
class Settings:
    """How a posterior is checked.

    Attributes:
        replicates: predicted data sets of each kind.
        trials_per_block: length of the blocks, where the recording does not say its own.
        contingencies: table of known reward probabilities; without it they are estimated.
        baiting: whether an armed reward waits until it is collected; ``auto`` lets the recorded
            rewards decide (`hebbax.simulation.baiting`).
    """

    replicates: int = 200
    trials_per_block: int | None = None
    contingencies: Path | None = None
    baiting: AskedBaiting = "auto"

    def __post_init__(self) -> None:
        """Raise `DataError` for a baiting that there is not."""
        check_asked(self.baiting)


@dataclass(frozen=True, repr=False)
class Check(Displayed):
    """What came of a check; B is the second of ``stimuli``.

    Attributes:
        model: name of the model.
        stimuli: names of the alternatives.
        table: one row an animal or the `COHORT` (column ``of``), kind and statistic, with observed,
            mean and 90 % interval of the replicates, and p.
        curves: one row a point of a curve: of, animal, kind, statistic, at, observed, mean
            and 90 % interval.
        contingencies: reward probabilities that free runs lived with: animal, block, number of its
            first trial in the recording, stimulus, probability, 5 % and 95 %.
        decision: whether their rewards were baited, None where no animal ran free.
        replicates: predicted data sets of each kind.
        notes: what limits the check, in sentences.
        doubt: why free runs may live in another task than was recorded; empty where it is known.
        verdict: what the diagnostics say of the posterior.
    """

    model: str
    stimuli: tuple[str, ...]
    table: pd.DataFrame
    curves: pd.DataFrame
    contingencies: pd.DataFrame
    decision: Decision | None
    replicates: int
    notes: tuple[str, ...]
    doubt: str
    verdict: Verdict

    def shown(self) -> list[Part]:
        """Return what is missed, what limits the check, and the statistics of the cohort."""
        return [self.sentence, *self.notes, self.cohort]

    @property
    def cohort(self) -> pd.DataFrame:
        """The rows of the cohort, and in how many animals each statistic is missed."""
        table = self.table.set_index(["kind", "statistic"])
        whole = table[table["of"] == COHORT].drop(columns=["of", "animal"])
        each = table[table["of"] != COHORT]
        missed = (each["p"] < SUSPICIOUS).groupby(level=[0, 1]).sum()
        return whole.assign(**{"animals missed": missed.reindex(whole.index)})

    @property
    def sentence(self) -> str:
        """What the model misses in the cohort, in one sentence."""
        cohort = self.cohort
        kinds = cohort.index.get_level_values("kind").unique()
        if self.replicates < LEAST_REPLICATES:
            return (
                f"{self.model}{self.verdict.mark}: {self.replicates} replicates are too few to "
                f"miss a statistic by; {LEAST_REPLICATES} or more say whether one is missed."
            )
        missed = ", and ".join(_missed(kind, cohort.loc[kind]) for kind in kinds)
        away = FREE in kinds and (cohort.loc[FREE]["p"] < SUSPICIOUS).any()
        why = f" {self.doubt}" if self.doubt and away else ""
        return f"{self.model}{self.verdict.mark}: {missed}.{why}"


def check(
    key: Key,
    posterior: xr.DataTree,
    settings: Settings | None = None,
    progress: Progress = silent,
    *,
    verdict: Verdict | None = None,
) -> Check:
    """Return the posterior predictive checks of a stored posterior, on its own trials; one whose
    ``verdict`` is known already is not diagnosed again.

    Choices are checked, whatever the likelihood; the rejections of an ``encounter`` model are not.
    Free runs go through trials without a choice, and make none there; forced trials force them
    too. What is summarised are the other trials (`hebbax.check.trials`).
    Rewards other than 0 and 1 are not armed, so that there is no free run: then only the check one
    step ahead is made, and `Check.notes` says so.

    Raises:
        FitError: the posterior lacks a group or holds what is no number, there are too many
            replicates, or blocks are given where the recording has its own, or with a size below 1.
        DataError: the table of contingencies cannot be used.
    """
    key = words(key)
    settings = settings or Settings()
    check_groups(posterior, CHECKED, str(posterior.attrs["model"]))
    check_replicates(posterior, settings.replicates)
    verdict = verdict_of(posterior, verdict)
    spec, recording = spec_of(posterior), recording_of(posterior)
    of_choices = replace(spec, likelihood="choice")
    model = build_model(spec, part(recording, seen(recording, of_choices)))
    experiment, decision = recorded_task(
        recording, settings.trials_per_block, settings.contingencies, settings.baiting
    )
    values = drawn_values(posterior, model, settings.replicates)
    recorded = recorded_trials(experiment)
    parts = _parts(key, model, experiment, recorded, values, progress)
    numbered = {name: own.numbers for name, own in zip(recording.animals, recorded, strict=True)}
    rows, points = zip(
        *(tables(numbered, kind, *part) for kind, part in parts.items()), strict=True
    )
    named = partial(_of_second, recording.stimuli[SECOND])
    return Check(
        model.spec.name,
        recording.stimuli,
        named(pd.concat(rows, ignore_index=True)),
        named(pd.concat(points, ignore_index=True)),
        contingency_table(experiment),
        decision,
        settings.replicates,
        notes(experiment, decision),
        doubt(experiment),
        verdict,
    )


def _of_second(stimulus: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose statistics are of the second ``stimulus`` by its name, and not of B."""
    names = {name: name.replace(" of B", f" of {stimulus}") for name in table["statistic"].unique()}
    return table.assign(statistic=table["statistic"].map(names))


def check_replicates(posterior: xr.DataTree, replicates: int) -> None:
    """Raise `FitError` where a check of a posterior would compute more than `MAX_PREDICTED`
    probabilities."""
    longest = int(of_all_trials(posterior.constant_data, "trial").max())
    n_animals, n_stimuli = posterior.posterior.sizes["animal"], int(posterior.attrs["n_stimuli"])
    each = n_animals * longest * n_stimuli
    most = MAX_PREDICTED // each
    if replicates > most:
        raise FitError(
            f"{posterior.attrs['model']}: {replicates} replicates of {n_animals} animals with up "
            f"to {longest} trials of {n_stimuli} alternatives are {replicates * each} "
            f"probabilities; at most {MAX_PREDICTED} are allowed, so ask for at most {most} "
            "replicates."
        )


ENDS = ("", "_curves", "_contingencies")
"""What the names of the tables of a check end with."""


def write_tables(checked: Check, folder: Path) -> None:
    """Write ``check_<model>.csv`` and, beside it, its curves and contingencies."""
    tables = (
        marked(checked.table, checked.verdict),
        marked(checked.curves, checked.verdict),
        checked.contingencies,
    )
    named = {f"{_name(checked.model)}{end}": own for end, own in zip(ENDS, tables, strict=True)}
    files.write_tables(named, folder, FitError, index=False)


def remove(model: str, folder: Path) -> None:
    """Remove the tables of an earlier check of a model."""
    files.remove(folder, [f"{_name(model)}{end}.csv" for end in ENDS])


def _name(model: str) -> str:
    return f"check_{file_name(model)}"


def _parts(
    key: Key,
    model: Model,
    experiment: RecordedTask,
    recorded: Sequence[Trials],
    values: Mapping[str, np.ndarray],
    progress: Progress,
) -> dict[str, tuple[Sequence[Values], Sequence[Values]]]:
    """Return the statistics of the recording and of its replicates, by kind of check."""
    step_key, free_key = jax.random.split(key)
    n_animals = len(recorded)
    progress(ONE_STEP, 0, n_animals)
    choices, probability = replicates.one_step(step_key, model, values)
    own = [probability[a, made, SECOND] for a, made in enumerate(model.sessions.valid)]
    ahead = predicted_trials(model, recorded, choices)
    parts: dict[str, tuple[Sequence[Values], Sequence[Values]]] = {
        ONE_STEP: (
            all_statistics(recorded, own, partial(silent, "recorded")),
            all_statistics(ahead, own, partial(progress, ONE_STEP)),
        )
    }
    if armed(experiment.recording):
        progress(FREE, 0, n_animals)
        runs = replicates.free_runs(free_key, model, values, experiment)
        free = own_past_trials(experiment, *runs)
        parts[FREE] = (
            all_statistics(recorded, None, partial(silent, "recorded")),
            all_statistics(free, None, partial(progress, FREE)),
        )
    return parts


def _missed(kind: str, cohort: pd.DataFrame) -> str:
    """Return what is missed in one kind of check, in words."""
    checked = cohort[cohort["p"].notna()]
    missed = checked[checked["p"] < SUSPICIOUS]
    if missed.empty:
        return f"{kind} it reproduces all {len(checked)} statistics of the cohort"
    shape = missed.index.str.endswith(DISTANCE.format(""))
    low, high = (missed.index[~shape & (sign * (missed["observed"] - missed["mean"]) > 0)]
                 for sign in (1, -1))  # fmt: skip
    curves = [str(name).removesuffix(DISTANCE.format("")) for name in missed.index[shape]]
    parts = [
        f"{how}: {', '.join(map(str, names))}"
        for how, names in (("too low", low), ("too high", high), ("otherwise in shape", curves))
        if len(names)
    ]
    count = f"{len(missed)} of {len(checked)} statistics of the cohort"
    return f"{kind} it misses {count} (predicted {'; '.join(parts)})"
