"""Commands that say what an experiment can and cannot say: identify, design."""

from functools import partial
from pathlib import Path
from typing import Any, get_args

import click
import jax
import numpy as np
import pandas as pd

from hebbax import figures
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import (
    ListCommand,
    column_option,
    data_argument,
    no_choice_option,
    out_option,
    prepare_folder,
    refuse_replacing_any,
)
from hebbax.cli.pictures import picture
from hebbax.cli.ranges import ANIMALS, BLOCKS, REPLICATES, TRIALS, check_cohort, seed_option
from hebbax.cli.recordings import described
from hebbax.design import designs, identifiability
from hebbax.model.declared import read_spec
from hebbax.simulation.environment import Baiting

SHOWN = [
    "estimate",
    "loss (%)",
    "prior sd",
    "sd",
    "sd, others known",
    "detectable",
    "loss, detectable (%)",
]
"""Columns of the terminal's table; the file has all."""

RANKED = ["sd", "loss, sd (%)", "loss, detectable (%)", "power", "nats"]
BEST = 10
"""Columns and designs of the terminal's ranking."""


@click.command()
@data_argument
@column_option
@no_choice_option
@click.option("--terms", default="all", help='candidates as in "x r, w, x w"; "all" or "model"')
@click.option("--model", default="forgetting", help="declared model or .toml file: all but terms")
@seed_option
@out_option
@click.option("--force", is_flag=True, help="replace an earlier answer")
def identify(
    recordings: Path,
    columns: tuple[str, ...],
    no_choice: str | None,
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
    refuse_replacing_any(out, "identify", force=force)
    spec = identifiability.candidates(read_spec(model), terms)
    sessions = described(recordings, columns, no_choice)
    prepare_folder(out)
    with progress("identify") as tell:
        found = identifiability.identify(jax.random.PRNGKey(seed), sessions, spec, tell)
    identifiability.write_tables(found, out)
    picture(partial(figures.identifiability, found), out / "identify.png")
    for sentence in found.redundancy.sentences:
        CONSOLE.print(sentence)
    CONSOLE.print(table("term", _in_words(found.terms[SHOWN])))
    inflations = found.directions["inflation"]
    for moves, inflation in zip(found.weak_directions, inflations, strict=True):
        CONSOLE.print(f"weak direction: {moves}, {inflation:.1f} times as wide as if uncorrelated")
    CONSOLE.print(found.sentence)


@click.command(cls=ListCommand)
@click.option(
    "--terms", default="1, x, x r, w, x w", help="terms that are free: w, its look-alikes"
)
@click.option("--rule", default=designs.Settings.rule, help="true rule of the population")
@click.option("--model", default="forgetting", help="declared model or .toml file: all but terms")
@click.option(
    "--animals",
    type=ANIMALS,
    multiple=True,
    default=designs.Settings.animals,
    help="numbers of animals",
)
@click.option(
    "--trials",
    type=TRIALS,
    multiple=True,
    default=designs.Settings.trials,
    help="trials of an animal",
)
@click.option(
    "--blocks",
    type=BLOCKS,
    multiple=True,
    default=designs.Settings.blocks,
    help="numbers of blocks",
)
@click.option(
    "--rewards",
    multiple=True,
    default=[designs.shown(chances) for chances in designs.Settings.rewards],
    help="probabilities of the first block, a stimulus each, as in 0.2/0.8",
)
@click.option(
    "--baiting",
    multiple=True,
    type=click.Choice(get_args(Baiting)),
    default=designs.Settings.baiting,
    help="whether an armed reward waits",
)
@click.option(
    "--simulated",
    type=REPLICATES,
    default=designs.Settings.simulated,
    help="animals simulated of each",
)
@seed_option
@out_option
@click.option("--force", is_flag=True, help="replace an earlier ranking")
def design(out: Path, terms: str, model: str, force: bool, **grid: Any) -> None:
    """Rank designs of an experiment by how well they tell forgetting from its look-alikes.

    Every combination of --animals, --trials, --blocks, --rewards and --baiting is one design.
    Written are design.csv, design_effects.csv, design.json with every setting, and a picture.
    """
    refuse_replacing_any(out, "design", force=force)
    chances = tuple(designs.parse_rewards(text) for text in grid.pop("rewards"))
    settings = designs.Settings(**grid, rewards=chances)
    spec = identifiability.candidates(read_spec(model), terms)
    designs.check(settings, spec)
    check_cohort(settings.simulated, max(settings.trials), "--simulated")
    prepare_folder(out)
    with progress("design") as tell:
        found = designs.rank(spec, settings, tell)
    designs.write_tables(found, out)
    picture(partial(figures.designs, found), out / "design.png")
    best = found.table.head(BEST)
    labels = [" ".join(map(str, row)) for row in best[list(designs.FACTORS)].to_numpy()]
    CONSOLE.print(table(" ".join(designs.FACTORS), _in_words(best[RANKED].set_axis(labels))))
    CONSOLE.print(found.sentence)


def _in_words(shown: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which what nothing can detect is not called infinite, and the loss of a
    term that fades no weight is empty."""

    def said(size: float, digits: int) -> str:
        if np.isnan(size):
            return ""
        return f"{size:.{digits}f}" if np.isfinite(size) else "not detectable"

    digits = {name: 2 if name.endswith("(%)") else 3 for name in shown.columns}
    return pd.DataFrame(
        {name: [said(size, digits[name]) for size in shown[name]] for name in shown.columns},
        index=shown.index,
    )
