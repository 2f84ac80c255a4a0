"""The command that fits: by NUTS, by a guide, or to the mode."""

from pathlib import Path
from typing import Any

import click
import xarray as xr

from hebbax import data, diagnostics, estimate, fitting, summary
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import (
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
        result = fitting.finished(sessions, spec, out, method) if resume else None
        if result is None:
            with progress(spec.name) as tell:
                result = fitting.fit_and_store(sessions, spec, out, seed, settings, tell)
        fitting.check_same(result, spec, seed, settings)
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
        if (effective := summary.effective_terms(result)) is not None:
            n_terms = result.posterior.sizes["term"]
            CONSOLE.print(summary.effective_sentence(effective, n_terms))
