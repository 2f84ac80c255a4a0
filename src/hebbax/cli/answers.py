"""Commands that say what stored posteriors and recordings show: diagnose, compare, profile."""

from pathlib import Path

import click

from hebbax import comparison, data, diagnostics, figures, posterior
from hebbax import profile as profiles
from hebbax.cli.console import CONSOLE, comparison_table, progress
from hebbax.cli.options import (
    ListCommand,
    column_option,
    data_argument,
    mapping,
    out_option,
    prepare_folder,
)
from hebbax.spec import read_spec


@click.command()
@click.argument("posteriors", nargs=-1, required=True, type=click.Path(path_type=Path))
def diagnose(posteriors: tuple[Path, ...]) -> None:
    """Say of each stored posterior whether it can be trusted, and why not."""
    for path in posteriors:
        CONSOLE.print(
            f"[bold]{path.stem}[/bold]  {diagnostics.diagnose(posterior.read(path)).sentence}"
        )


@click.command()
@click.argument("posteriors", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="folder for the tables as CSV")
def compare(posteriors: tuple[Path, ...], out: Path | None) -> None:
    """Compare stored posteriors of the same data by LOO and WAIC, over trials and animals."""
    results = {path.stem: posterior.read(path) for path in posteriors}
    for name, result in results.items():
        verdict = diagnostics.diagnose(result)
        if not verdict.passed:
            CONSOLE.print(f"[bold]{name}[/bold]  {verdict.sentence}")
    compared = comparison.compare(results)
    CONSOLE.print(compared.sentence)
    CONSOLE.print(comparison_table(compared))
    if out is not None:
        prepare_folder(out)
        comparison.write_tables(compared, out)


@click.command(cls=ListCommand)
@data_argument
@column_option
@click.option("--model", default="forgetting", help="declared model or .toml file")
@click.option("--terms", multiple=True, help="two terms of the model; its first two by default")
@click.option("--animal", "animals", multiple=True, help="animal to draw; all of them by default")
@out_option
def profile(
    recordings: Path,
    columns: tuple[str, ...],
    model: str,
    terms: tuple[str, ...],
    animals: tuple[str, ...],
    out: Path,
) -> None:
    """Draw the likelihood of an animal over the coefficients of two terms."""
    sessions = data.read(recordings, columns=mapping(columns))
    spec = read_spec(model)
    grids = profiles.grids(terms or spec.terms[:2])
    prepare_folder(out)
    for animal in animals or sessions.animals:
        with progress(animal) as tell:
            surface = profiles.profile(sessions, spec, animal, grids, tell)
        path = out / f"profile {animal}.png"
        figures.save(figures.profile(surface), path)
        best = surface["profiled"].argmax(...)
        where = ", ".join(f"{term} = {grid[int(best[term])]:.2f}" for term, grid in grids.items())
        CONSOLE.print(f"[bold]{animal}[/bold]  the likelihood is highest at {where}: {path}")
