"""Commands that go all the way from recordings to a report: run, demo, report."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from hebbax import data
from hebbax.check import predictive
from hebbax.check.recorded_task import check_blocks
from hebbax.cli.console import CONSOLE, print_table, say, score_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.progress import bars
from hebbax.cli.recordings import described
from hebbax.cli.repeating import command_line
from hebbax.errors import HebbaxError
from hebbax.inference import pseudo_marginal
from hebbax.model.declared import read_spec, with_formulas
from hebbax.model.defaults import default_models
from hebbax.reporting import answer, study, told
from hebbax.reporting import sections as reports
from hebbax.reporting.tables import truth_table
from hebbax.runs.attempts import DETAILS, Failed, attempt
from hebbax.simulation import cohort as simulation
from hebbax.simulation.environment import AskedBaiting


def run(
    recordings: Path,
    columns: tuple[str, ...],
    no_choice: str | None,
    models: tuple[str, ...],
    out: Path,
    trials_per_block: int | None,
    baiting: AskedBaiting,
    seed: int,
    warmup: int,
    draws: int,
    by: str | None,
    force: bool,
) -> None:
    """Make a whole study of recordings."""
    sessions = described(recordings, columns, no_choice)
    if not models:
        models = default_models(sessions)
        CONSOLE.print(f"Models: {', '.join(models)}. Others by --model.")
    specs = with_formulas([read_spec(name) for name in models], by)
    settings = pseudo_marginal.Settings(warmup=warmup, draws=draws)
    checks = predictive.Settings(trials_per_block=trials_per_block, baiting=baiting)
    check_blocks(sessions, trials_per_block)
    prepare_folder(out)
    _study(
        sessions,
        study.Plan(specs, out, seed, settings, checks, refit=force, command=command_line()),
    )


def demo(quick: bool, out: Path, seed: int, force: bool) -> None:
    """Make a whole study of a simulated cohort, and compare it with the truth."""
    cohort = simulation.QUICK if quick else simulation.Cohort()
    names = ("no-learning", "forgetting") if quick else ("no-learning", "reward", "forgetting")
    specs = [read_spec(name) for name in names]
    path = out / "cohort.csv"
    prepare_folder(out)
    simulated, _ = simulation.simulate(jax.random.PRNGKey(seed), cohort, read_spec("forgetting"))
    if path.exists() and not force and not _same_choices(data.read(path), simulated):
        raise HebbaxError(
            f"{path}: a demonstration with another --seed or --quick lies there; --force replaces "
            "it, another --out keeps both."
        )
    data.write_table(simulated, path)
    sessions = data.read(path)
    CONSOLE.print(f"{sessions.n_animals} simulated animals, {sessions.n_choices} choices: {path}")
    settings = pseudo_marginal.QUICK if quick else pseudo_marginal.Settings()
    _study(
        sessions,
        study.Plan(specs, out, seed, settings, refit=force, command=command_line()),
        cohort,
    )


def report(folder: Path, **given: int | str | None) -> None:
    """Write the report of a folder of posteriors anew."""
    if not folder.is_dir():
        raise HebbaxError(f"{folder}: there is no such folder of results.")
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    # What is given in full is not asked for.
    known = told.Told() if chosen.keys() == given.keys() else told.read(folder)
    asked = replace(known, **chosen)
    checks = predictive.Settings(trials_per_block=asked.trials_per_block, baiting=asked.baiting)
    prepare_folder(folder)
    with bars() as progress:
        plan = study.Plan((), folder, asked.seed, checks=checks, command=command_line())
        result = study.load(plan, progress)
    CONSOLE.print(answer.answer(result))
    _report(result, folder)


def _study(
    sessions: data.Sessions, plan: study.Plan, cohort: simulation.Cohort | None = None
) -> None:
    """Run a study with its progress bars, print its answer and write its report."""
    found = study.prepare(sessions, plan)
    for standing in found:
        if standing.sentence:
            CONSOLE.print(standing.sentence)
    with bars() as progress:
        result = study.run(plan, found, progress)
    for name, verdict in result.verdicts.items():
        say(name, verdict.advised)
    if not isinstance(result.compared, Failed):
        for score in result.compared.scores:
            print_table(score_table(score))
    truth = None
    if cohort is not None:
        known = result.posteriors["forgetting"], cohort, result.verdicts["forgetting"]
        truth = attempt("The table of the truth", partial(truth_table, *known))
        if isinstance(truth, Failed):
            CONSOLE.print(truth.sentence)
        else:
            print_table(table("population", truth))
    CONSOLE.print(answer.answer(result))
    _report(result, plan.folder, truth)


def _report(result: study.Study, folder: Path, truth: pd.DataFrame | Failed | None = None) -> None:
    """Write the report, and say where it is and what is missing in it."""
    written = reports.write(result, folder, truth)
    for failed in written.failures:
        CONSOLE.print(f"{failed.sentence} {folder / DETAILS} says where.")
    CONSOLE.print(f"Report: {written.path}")


def _same_choices(one: data.Sessions, other: data.Sessions) -> bool:
    """Return whether two cohorts chose alike and were rewarded alike, trial by trial."""
    pairs = ((one.choices, other.choices), (one.rewards, other.rewards))
    return all(np.array_equal(own, its, equal_nan=True) for own, its in pairs)
