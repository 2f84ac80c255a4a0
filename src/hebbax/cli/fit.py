"""The command that fits: fit."""

from pathlib import Path

import click

from hebbax import data, diagnostics, fitting, summary
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import (
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
