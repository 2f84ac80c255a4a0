"""The command that fits: by sampling, by a guide, or to the mode."""

from pathlib import Path

import xarray as xr

from hebbax.cli.console import CONSOLE, print_table, say, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.progress import progress
from hebbax.cli.recordings import described
from hebbax.cli.repeating import command_line
from hebbax.model.declared import read_spec, with_formula
from hebbax.posterior import (
    diagnostics,
    estimate,
    fits,
    fitting,
    forgetting,
    levels,
    methods,
    prior_tails,
    summary,
)
from hebbax.runs.names import check_distinct


def fit(
    recordings: Path,
    columns: tuple[str, ...],
    no_choice: str | None,
    models: tuple[str, ...],
    method: methods.Method,
    out: Path,
    seed: int,
    force: bool,
    by: str | None,
    **given: int | str | None,
) -> None:
    """Fit models one after the other, and print what each fit says of itself."""
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = methods.settings_of(method, chosen, written="--{}".format)
    sessions = described(recordings, columns, no_choice)
    specs = [with_formula(read_spec(name), by) for name in models]
    check_distinct([spec.name for spec in specs], "--model")
    prepare_folder(out)
    found = fits.prepare(sessions, specs, out, seed, settings, anew=force)
    for standing in found:
        if standing.sentence:
            CONSOLE.print(standing.sentence)
    for spec, standing in zip(specs, found, strict=True):
        with progress(spec.name) as tell:
            result = fitting.finish(standing, out, seed, settings, tell, command_line())
            if not isinstance(result, xr.Dataset):
                result = fitting.with_each_alone(result, out, tell)
        _tell(spec.name, result)


def _tell(name: str, result: methods.Result) -> None:
    """Print what a fit says of itself, and its table where it may be summarised."""
    if isinstance(result, xr.Dataset):
        say(name, estimate.sentence(result))
        print_table(table("animal", estimate.table(result)))
        return
    verdict = diagnostics.diagnose(result)
    say(name, verdict.advised)
    if said := prior_tails.sentence(result, verdict):
        CONSOLE.print(said)
    if verdict.usable:
        print_table(table("population", summary.population_table(result, verdict)))
        if said := forgetting.forgetting_sentence(result, verdict):
            CONSOLE.print(said)
        if said := levels.sentence(result, verdict):
            print_table(table("value, group", levels.level_table(result, verdict)))
            print_table(table("difference", levels.difference_table(result, verdict)))
            CONSOLE.print(said)
        if (effective := summary.effective_terms(result)) is not None:
            n_terms = result.posterior.sizes["term"]
            CONSOLE.print(summary.effective_sentence(effective, n_terms))
