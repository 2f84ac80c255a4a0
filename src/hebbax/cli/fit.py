"""Commands that fit: fit, run, demo."""

from pathlib import Path
from typing import Any

import click
import jax
import xarray as xr

from hebbax import data, diagnostics, estimate, fitting, simulation, study, summary
from hebbax.cli.console import CONSOLE, bars, comparison_table, progress, table
from hebbax.cli.options import (
    ListCommand,
    column_option,
    data_argument,
    mapping,
    out_option,
    prepare_folder,
    refuse_overwrite,
)
from hebbax.errors import HebbaxError
from hebbax.inference import nuts, svi
from hebbax.spec import read_spec


@click.command()
@data_argument
@column_option
@click.option(
    "--model", "models", multiple=True, required=True, help="declared model or .toml file"
)
@out_option
@click.option(
    "--method",
    type=click.Choice(["nuts", "svi", "map"]),
    default="nuts",
    help="sample the posterior, approximate it, or find the mode",
)
@click.option("--seed", default=0, help="random seed")
@click.option("--chains", type=int, help=f"nuts: chains  [default: {nuts.Settings.chains}]")
@click.option(
    "--warmup", type=int, help=f"nuts: iterations of warm-up  [default: {nuts.Settings.warmup}]"
)
@click.option("--guide", help=f"svi: {', '.join(svi.GUIDES)}  [default: {svi.Settings.guide}]")
@click.option("--steps", type=int, help=f"svi: steps of Adam  [default: {svi.Settings.steps}]")
@click.option(
    "--draws",
    type=int,
    help=f"nuts: draws kept per chain  [default: {nuts.Settings.draws}]; "
    f"svi: draws of the guide  [default: {svi.Settings.draws}]",
)
@click.option("--force", is_flag=True, help="fit again what is finished, and start anew")
@click.option("--resume", is_flag=True, help="nuts: go on with an unfinished fit")
def fit(
    recordings: Path,
    columns: tuple[str, ...],
    models: tuple[str, ...],
    method: fitting.Method,
    out: Path,
    seed: int,
    force: bool,
    resume: bool,
    **given: int | str | None,
) -> None:
    """Fit one or more models of DATA: sample the posterior and say whether it can be trusted, or
    approximate it, or find the mode."""
    settings = _settings(method, given, resume=resume)
    sessions = data.read(recordings, columns=mapping(columns))
    specs = [read_spec(name) for name in models]
    prepare_folder(out)
    for spec in specs:
        refuse_overwrite(sessions, spec, out, method, force=force, resume=resume)
    for spec in specs:
        with progress(spec.name) as tell:
            result = fitting.fit_and_store(sessions, spec, out, seed, settings, tell)
        _tell(spec.name, result)


OPTIONS = {
    "nuts": ("chains", "warmup", "draws", "resume"),
    "svi": ("guide", "steps", "draws"),
    "map": (),
}
"""Options of `fit` that belong to each method."""


def _settings(method: fitting.Method, given: dict[str, Any], *, resume: bool) -> fitting.Settings:
    """Return the settings of a method; raise `HebbaxError` for an option of another one."""
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in (*chosen, *(["resume"] if resume else [])):
        if name not in OPTIONS[method]:
            own = ", ".join(f"--{option}" for option in OPTIONS[method]) or "none of its own"
            raise HebbaxError(f"--{name}: no option of --method {method}, which has {own}.")
        if isinstance(chosen.get(name), int) and chosen[name] < 1:
            raise HebbaxError(f"--{name} {chosen[name]}: must be 1 or more.")
    return fitting.SETTINGS[method](**chosen)


def _tell(name: str, result: fitting.Result) -> None:
    """Print what a fit says of itself, and its table where it may be summarised."""
    if isinstance(result, xr.Dataset):
        CONSOLE.print(f"[bold]{name}[/bold]  {estimate.sentence(result)}")
        CONSOLE.print(table("animal", estimate.table(result)))
        return
    verdict = diagnostics.diagnose(result)
    CONSOLE.print(f"[bold]{name}[/bold]  {verdict.sentence}")
    if verdict.passed:
        CONSOLE.print(table("population", summary.population_table(result)))


@click.command(cls=ListCommand)
@data_argument
@column_option
@click.option(
    "--models",
    multiple=True,
    default=("null", "reward", "forgetting"),
    help="declared models or .toml files, one or more",
)
@out_option
@click.option("--seed", default=0, help="random seed")
@click.option("--warmup", default=nuts.Settings.warmup, help="iterations of warm-up")
@click.option("--draws", default=nuts.Settings.draws, help="draws kept per chain")
@click.option("--force", is_flag=True, help="fit again what is finished, and start anew")
@click.option("--resume", is_flag=True, help="go on with an unfinished study")
def run(
    recordings: Path,
    columns: tuple[str, ...],
    models: tuple[str, ...],
    out: Path,
    seed: int,
    warmup: int,
    draws: int,
    force: bool,
    resume: bool,
) -> None:
    """Fit, diagnose and compare models of DATA, and write a report."""
    sessions = data.read(recordings, columns=mapping(columns))
    specs = [read_spec(name) for name in models]
    prepare_folder(out)
    for spec in specs:
        if not resume:
            refuse_overwrite(sessions, spec, out, force=force, resume=False)
    settings = nuts.Settings(warmup=warmup, draws=draws)
    _study(sessions, study.Plan(specs, out, seed, settings))


@click.command()
@click.option("--quick", is_flag=True, help="a small cohort and few draws, in a minute or so")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("hebbax-demo"), help="folder of results"
)
@click.option("--seed", default=0, help="random seed")
@click.option("--force", is_flag=True, help="replace an earlier demonstration")
def demo(quick: bool, out: Path, seed: int, force: bool) -> None:
    """Simulate flies that learn and forget, and see whether the posterior finds the truth."""
    cohort = simulation.QUICK if quick else simulation.Cohort()
    plan_settings = nuts.QUICK if quick else nuts.Settings()
    names = ("null", "forgetting") if quick else ("null", "reward", "forgetting")
    specs = [read_spec(name) for name in names]
    prepare_folder(out)
    sessions, _ = simulation.simulate(jax.random.PRNGKey(seed), cohort, read_spec("forgetting"))
    for spec in specs:
        refuse_overwrite(sessions, spec, out, force=force, resume=False)
    data.write_table(sessions, out / "cohort.csv")
    CONSOLE.print(f"{sessions.n_animals} simulated animals, {sessions.n_observations} choices.")
    _study(sessions, study.Plan(specs, out, seed, plan_settings), cohort)


def _study(
    sessions: data.Sessions, plan: study.Plan, cohort: simulation.Cohort | None = None
) -> None:
    """Run a study with one progress bar a model, print its answer and write its report."""
    with bars() as progress:
        result = study.run(sessions, plan, progress)
    truth = None
    if cohort is not None:
        truth = study.truth_table(result.posteriors["forgetting"], cohort)
    path = study.write_report(result, sessions, plan.folder, truth)
    for name, verdict in result.verdicts.items():
        CONSOLE.print(f"[bold]{name}[/bold]  {verdict.sentence}")
    CONSOLE.print(comparison_table(result.compared))
    if truth is not None:
        CONSOLE.print(table("population", truth))
    CONSOLE.print(study.answer(result))
    CONSOLE.print(f"Report: {path}")
