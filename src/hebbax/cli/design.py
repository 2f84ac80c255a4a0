"""Commands that say what an experiment can and cannot say: identify, design."""

from pathlib import Path

import click
import jax

from hebbax import data, figures, identifiability
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import column_option, data_argument, mapping, out_option, prepare_folder
from hebbax.errors import HebbaxError
from hebbax.spec import read_spec

SHOWN = ["estimate", "prior sd", "sd", "sd, one rule", "sd, others known", "detectable"]
"""Columns of the terminal's table; the file has all."""


@click.command()
@data_argument
@column_option
@click.option("--terms", default="all", help='candidates as in "x r, w, x w"; "all" or "model"')
@click.option("--model", default="forgetting", help="declared model or .toml file: all but terms")
@click.option("--seed", default=0, help="random seed")
@out_option
@click.option("--force", is_flag=True, help="replace an earlier answer")
def identify(
    recordings: Path,
    columns: tuple[str, ...],
    terms: str,
    model: str,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Say which candidate terms DATA can tell apart, how well each would be known, and the
    smallest forgetting that would be seen.

    Written are identify.csv, its correlations, directions and merged terms, and a picture.
    """
    _refuse(out / "identify.csv", force=force)
    spec = identifiability.candidates(read_spec(model), terms)
    sessions = data.read(recordings, columns=mapping(columns))
    prepare_folder(out)
    with progress("identify") as tell:
        found = identifiability.identify(jax.random.PRNGKey(seed), sessions, spec, tell)
    identifiability.write_tables(found, out)
    figures.save(figures.identifiability(found), out / "identify.png")
    for sentence in found.redundancy.sentences:
        CONSOLE.print(sentence)
    CONSOLE.print(table("term", found.terms[SHOWN]))
    inflations = found.directions["inflation"]
    for moves, inflation in zip(found.weak_directions, inflations, strict=True):
        CONSOLE.print(f"weak direction: {moves}, {inflation:.1f} times as wide as if uncorrelated")
    CONSOLE.print(found.sentence)


def _refuse(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise HebbaxError(f"{path}: exists already; --force replaces it.")
