"""Commands that sample: fit, run, demo."""

from pathlib import Path

import click
import jax

from hebbax import data, diagnostics, fitting, simulation, study, summary
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
from hebbax.inference import nuts
from hebbax.spec import read_spec


@click.command()
@data_argument
@column_option
@click.option(
    "--model", "models", multiple=True, required=True, help="declared model or .toml file"
)
@out_option
@click.option("--seed", default=0, help="random seed")
@click.option("--chains", default=nuts.Settings.chains)
@click.option("--warmup", default=nuts.Settings.warmup, help="iterations of warm-up")
@click.option("--draws", default=nuts.Settings.draws, help="draws kept per chain")
@click.option("--force", is_flag=True, help="fit again what is finished, and start anew")
@click.option("--resume", is_flag=True, help="go on with an unfinished fit")
def fit(
    recordings: Path,
    columns: tuple[str, ...],
    models: tuple[str, ...],
    out: Path,
    seed: int,
    chains: int,
    warmup: int,
    draws: int,
    force: bool,
    resume: bool,
) -> None:
    """Sample the posterior of one or more models of DATA, and say whether it can be trusted."""
    sessions = data.read(recordings, columns=mapping(columns))
    specs = [read_spec(name) for name in models]
    settings = nuts.Settings(chains=chains, warmup=warmup, draws=draws)
    prepare_folder(out)
    for spec in specs:
        refuse_overwrite(sessions, spec, out, force=force, resume=resume)
    for spec in specs:
        with progress(spec.name) as tell:
            result = fitting.fit_and_store(sessions, spec, out, seed, settings, tell)
        verdict = diagnostics.diagnose(result)
        CONSOLE.print(f"[bold]{spec.name}[/bold]  {verdict.sentence}")
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
