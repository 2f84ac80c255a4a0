"""Commands that say what an experiment can and cannot say: identify, design."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from hebbax import figures
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder, refuse_replacing_any
from hebbax.cli.pictures import picture
from hebbax.cli.progress import progress
from hebbax.cli.ranges import check_cohort
from hebbax.cli.recordings import described
from hebbax.design import designs, identifiability
from hebbax.model.declared import read_spec

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


def identify(
    recordings: Path,
    columns: tuple[str, ...],
    no_choice: str | None,
    terms: tuple[str, ...],
    model: str,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Print, write and draw what recordings can say of candidate terms."""
    refuse_replacing_any(out, "identify", force=force)
    spec = identifiability.candidates(read_spec(model), ", ".join(terms))
    sessions = described(recordings, columns, no_choice)
    prepare_folder(out)
    with progress("identify") as tell:
        found = identifiability.identify(jax.random.PRNGKey(seed), sessions, spec, tell)
    identifiability.write_tables(found, out)
    picture(partial(figures.identifiability, found), out / "identify.png")
    for sentence in found.redundancy.sentences:
        CONSOLE.print(sentence)
    print_table(table("term", _in_words(found.terms[SHOWN])))
    inflations = found.directions["inflation"]
    for moves, inflation in zip(found.weak_directions, inflations, strict=True):
        CONSOLE.print(f"weak direction: {moves}, {inflation:.1f} times as wide as if uncorrelated")
    CONSOLE.print(found.sentence)


def design(out: Path, terms: tuple[str, ...], model: str, force: bool, **grid: Any) -> None:
    """Print, write and draw a ranking of designs."""
    refuse_replacing_any(out, "design", force=force)
    chances = tuple(designs.parse_rewards(text) for text in grid.pop("rewards"))
    settings = designs.Settings(**grid, rewards=chances)
    spec = identifiability.candidates(read_spec(model), ", ".join(terms))
    designs.check(settings, spec)
    check_cohort(settings.simulated, max(settings.trials), "--simulated")
    prepare_folder(out)
    with progress("design") as tell:
        found = designs.rank(spec, settings, tell)
    designs.write_tables(found, out)
    picture(partial(figures.designs, found), out / "design.png")
    best = found.table.head(BEST)
    labels = [" ".join(map(str, row)) for row in best[list(designs.FACTORS)].to_numpy()]
    print_table(table(" ".join(designs.FACTORS), _in_words(best[RANKED].set_axis(labels))))
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
