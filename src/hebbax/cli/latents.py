"""The command that says what an animal had in mind in every trial: latents."""

from functools import partial
from pathlib import Path

import click

from hebbax import figures
from hebbax.cli.console import say
from hebbax.cli.options import Written, prepare_folder, refuse_replacing
from hebbax.cli.pictures import picture
from hebbax.cli.posteriors import read_posteriors
from hebbax.errors import HebbaxError
from hebbax.posterior import latents as trials
from hebbax.posterior.diagnostics import diagnose
from hebbax.runs.files import replacing


@click.command()
@click.argument("posterior", metavar="FIT.nc", type=click.Path(path_type=Path))
@click.option("--out", type=Written(), default=Path("results/trials.csv"), help="the table, as CSV")
@click.option("--animal", help="the animal that is drawn; one with the median number of trials")
@click.option("--force", is_flag=True, help="replace an earlier table")
def latents(posterior: Path, out: Path, animal: str | None, force: bool) -> None:
    """Say what weights, reward signal, learning and choice probabilities were in every trial, by a
    stored posterior.

    Written are a table, one row a trial, and beside it, under the same name, a picture of the first
    trials of one animal.
    """
    if out.suffix != ".csv":
        raise HebbaxError(
            f"--out {out}: the table is written as CSV; give a name that ends in .csv."
        )
    paths = (out, out.with_suffix(".png"))
    for path in paths:
        refuse_replacing(path, force=force)
    ((name, fit),) = read_posteriors((posterior,)).items()
    verdict = diagnose(fit)
    found = trials.latents(fit, verdict=verdict)
    drawn = trials.of_animal(found, animal or trials.typical_animal(fit))
    prepare_folder(out.parent)
    with replacing(out, HebbaxError) as unfinished:
        trials.table(found).to_csv(unfinished, index=False)
    picture(partial(figures.session, drawn, verdict), paths[1])
    if not verdict.passed:
        say(name, verdict.advised)
    say(name, f"{found.sizes['trial']} trials in {paths[0]}, a picture of some in {paths[1]}")
