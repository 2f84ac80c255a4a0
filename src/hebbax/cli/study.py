"""Commands that go all the way from recordings to a report: run, demo, report."""

from collections.abc import Sequence
from pathlib import Path

import click
import jax

from hebbax import data, predictive, simulation, study
from hebbax import report as reports
from hebbax.cli.console import CONSOLE, bars, comparison_table, table
from hebbax.cli.options import (
    ListCommand,
    blocks_option,
    column_option,
    data_argument,
    mapping,
    out_option,
    prepare_folder,
    refuse_overwrite,
)
from hebbax.errors import HebbaxError
from hebbax.inference import nuts
from hebbax.spec import ModelSpec, read_spec


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
@blocks_option
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
    blocks: int | None,
    seed: int,
    warmup: int,
    draws: int,
    force: bool,
    resume: bool,
) -> None:
    """Fit, diagnose, compare and check models of DATA, and write a report."""
    sessions = data.read(recordings, columns=mapping(columns))
    specs = _distinct([read_spec(name) for name in models])
    settings = nuts.Settings(warmup=warmup, draws=draws)
    checks = predictive.Settings(trials_per_block=blocks)
    predictive.check_blocks(sessions, blocks)
    prepare_folder(out)
    for spec in specs:
        refuse_overwrite(sessions, spec, out, force=force, resume=resume)
    _study(sessions, study.Plan(specs, out, seed, settings, checks, refit=force))


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
    names = ("null", "forgetting") if quick else ("null", "reward", "forgetting")
    specs = [read_spec(name) for name in names]
    path = out / "cohort.csv"
    if path.exists() and not force:
        raise HebbaxError(f"{path}: an earlier demonstration lies there; --force replaces it.")
    prepare_folder(out)
    simulated, _ = simulation.simulate(jax.random.PRNGKey(seed), cohort, read_spec("forgetting"))
    for spec in specs:
        refuse_overwrite(simulated, spec, out, force=force, resume=False)
    data.write_table(simulated, path)
    sessions = data.read(path)
    CONSOLE.print(
        f"{sessions.n_animals} simulated animals, {sessions.n_observations} choices: {path}"
    )
    settings = nuts.QUICK if quick else nuts.Settings()
    _study(sessions, study.Plan(specs, out, seed, settings, refit=force), cohort)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@blocks_option
@click.option("--seed", default=0, help="random seed of the predictive checks")
def report(folder: Path, blocks: int | None, seed: int) -> None:
    """Write the report of the posteriors stored in DIR anew: tables, checks, pictures."""
    checks = predictive.Settings(trials_per_block=blocks)
    with bars() as progress:
        result = study.load(study.Plan((), folder, seed, checks=checks), progress)
    CONSOLE.print(study.answer(result))
    CONSOLE.print(f"Report: {reports.write(result, folder)}")


def _study(
    sessions: data.Sessions, plan: study.Plan, cohort: simulation.Cohort | None = None
) -> None:
    """Run a study with its progress bars, write its report and print its answer."""
    with bars() as progress:
        result = study.run(sessions, plan, progress)
    truth = None
    if cohort is not None:
        truth = study.truth_table(result.posteriors["forgetting"], cohort)
    path = reports.write(result, plan.folder, truth)
    for name, verdict in result.verdicts.items():
        CONSOLE.print(f"[bold]{name}[/bold]  {verdict.sentence}")
    CONSOLE.print(comparison_table(result.compared))
    if truth is not None:
        CONSOLE.print(table("population", truth))
    CONSOLE.print(study.answer(result))
    CONSOLE.print(f"Report: {path}")


def _distinct(specs: Sequence[ModelSpec]) -> Sequence[ModelSpec]:
    """Return the models; raise `HebbaxError` where two have one name, and so one file."""
    names = [spec.name for spec in specs]
    for k, name in enumerate(names):
        if name in names[:k]:
            raise HebbaxError(f"--models: {name} is given twice; each model may stand once.")
    return specs
