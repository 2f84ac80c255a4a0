"""The command that compares animals with what a posterior predicts of them: check."""

from pathlib import Path

import jax
import pandas as pd
from rich.table import Table
from rich.text import Text

from hebbax import figures
from hebbax.check import predictive
from hebbax.cli.console import CONSOLE, print_table, say
from hebbax.cli.folders import prepare_folder, refuse_replacing
from hebbax.cli.pictures import picture
from hebbax.cli.posteriors import read_posteriors
from hebbax.cli.progress import progress
from hebbax.errors import HebbaxError
from hebbax.runs.names import file_name
from hebbax.simulation.environment import AskedBaiting


def check(
    posteriors: tuple[Path, ...],
    trials_per_block: int | None,
    contingencies: Path | None,
    baiting: AskedBaiting,
    replicates: int,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Print, write and draw the predictive check of each stored posterior."""
    settings = predictive.Settings(replicates, trials_per_block, contingencies, baiting)
    fits = list(read_posteriors(posteriors).values())
    names = [str(fit.attrs["model"]) for fit in fits]
    _refuse(names, out, force=force)
    for fit in fits:
        predictive.check_replicates(fit, replicates)
    prepare_folder(out)
    for name, fit in zip(names, fits, strict=True):
        with progress(name) as tell:
            result = predictive.check(jax.random.PRNGKey(seed), fit, settings, tell)
        predictive.write_tables(result, out)
        for kind, draw in figures.predictive(result).items():
            picture(draw, out / f"check_{file_name(name)} {kind}.png")
        print_table(_table(result))
        failed = [] if result.verdict.passed else [result.verdict.sentence]
        for sentence in (*failed, *result.notes):
            say(name, sentence)
        CONSOLE.print(result.sentence)


def _refuse(names: list[str], out: Path, *, force: bool) -> None:
    """Raise `HebbaxError` where results would replace others."""
    for k, name in enumerate(names):
        if name in names[:k]:
            raise HebbaxError(f"{name}: two posteriors of one model given; check one at a time.")
        refuse_replacing(out / f"check_{file_name(name)}.csv", force=force)


def _table(result: predictive.Check) -> Table:
    """Return the statistics of the cohort for the terminal."""
    shown = Table(
        result.verdict.called(result.model, "\n"),
        "observed",
        "predicted (90 %)",
        "p",
        "animals missed",
    )
    last = ""
    for row in result.cohort.reset_index().to_dict("records"):
        if row["kind"] != last:
            last = row["kind"]
            shown.add_section()
            shown.add_row(Text(last, style="bold"))
        if pd.isna(row["observed"]):
            continue
        shown.add_row(
            row["statistic"],
            f"{row['observed']:.3f}",
            f"{row['5 %']:.3f} to {row['95 %']:.3f}",
            f"{row['p']:.3f}",
            f"{row['animals missed']}",
        )
    return shown
