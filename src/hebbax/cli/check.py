"""The command that compares animals with what a posterior predicts of them: check."""

from pathlib import Path

import click
import jax
from rich.table import Table

from hebbax import diagnostics, figures, posterior, predictive
from hebbax.cli.console import CONSOLE, progress
from hebbax.cli.options import blocks_option, out_option, prepare_folder, refuse_replacing
from hebbax.errors import HebbaxError


@click.command()
@click.argument(
    "posteriors", metavar="FIT.nc...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@blocks_option
@click.option(
    "--contingencies",
    metavar="FILE.csv",
    type=click.Path(path_type=Path),
    help="reward probabilities (animal, block, stimulus, probability); estimated by default",
)
@click.option("--baited/--independent", default=True, help="whether an armed reward waits")
@click.option("--replicates", default=predictive.Settings.replicates, help="predicted data sets")
@click.option("--seed", default=0, help="random seed")
@out_option
@click.option("--force", is_flag=True, help="replace an earlier check")
def check(
    posteriors: tuple[Path, ...],
    blocks: int | None,
    contingencies: Path | None,
    baited: bool,
    replicates: int,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Compare what animals did with what stored posteriors predict, one step ahead and running
    free.

    Written are, for each model, check_MODEL.csv, its curves and contingencies, and two pictures.
    """
    settings = predictive.Settings(
        replicates, blocks, contingencies, "baited" if baited else "independent"
    )
    fits = [posterior.read(path) for path in posteriors]
    names = [str(fit.attrs["model"]) for fit in fits]
    _refuse(names, out, force=force)
    prepare_folder(out)
    for name, fit in zip(names, fits, strict=True):
        verdict = diagnostics.diagnose(fit)
        with progress(name) as tell:
            result = predictive.check(jax.random.PRNGKey(seed), fit, settings, tell)
        predictive.write_tables(result, out)
        for kind, figure in figures.predictive(result).items():
            figures.save(figure, out / f"check_{name} {kind}.png")
        CONSOLE.print(_table(result))
        for sentence in ([] if verdict.passed else [verdict.sentence]) + [*result.notes]:
            CONSOLE.print(f"[bold]{name}[/bold]  {sentence}")
        CONSOLE.print(result.sentence)


def _refuse(names: list[str], out: Path, *, force: bool) -> None:
    """Raise `HebbaxError` where results would replace others."""
    for k, name in enumerate(names):
        if name in names[:k]:
            raise HebbaxError(f"{name}: two posteriors of one model given; check one at a time.")
        refuse_replacing(out / f"check_{name}.csv", force=force)


def _table(result: predictive.Check) -> Table:
    """Return the statistics of the cohort for the terminal."""
    shown = Table(result.model, "observed", "predicted (90 %)", "p", "animals missed")
    last = ""
    for row in result.cohort.reset_index().to_dict("records"):
        if row["kind"] != last:
            last = row["kind"]
            shown.add_section()
            shown.add_row(f"[bold]{last}[/bold]")
        shown.add_row(
            row["statistic"],
            f"{row['observed']:.3f}",
            f"{row['5 %']:.3f} to {row['95 %']:.3f}",
            f"{row['p']:.3f}",
            f"{row['animals missed']}",
        )
    return shown
