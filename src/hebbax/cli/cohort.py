"""Commands that need no recordings: simulate, models."""

from functools import partial
from pathlib import Path

import click
import jax
import pandas as pd
from rich.table import Table

from hebbax import data, figures
from hebbax.check.prior_choices import prior_choices, write_table
from hebbax.cli.console import CONSOLE
from hebbax.cli.options import (
    Written,
    baiting_option,
    out_option,
    prepare_folder,
    refuse_replacing,
)
from hebbax.cli.pictures import picture
from hebbax.cli.ranges import ANIMALS, COEFFICIENT, REPLICATES, TRIALS, check_cohort, seed_option
from hebbax.errors import HebbaxError
from hebbax.model.declared import declared_models, read_spec
from hebbax.runs.files import replacing
from hebbax.runs.names import check_distinct, file_name
from hebbax.simulation import cohort as simulation
from hebbax.simulation.environment import TASK, Baiting


@click.command()
@click.argument("out", metavar="FILE.csv", type=Written())
@seed_option
@click.option(
    "--animals", type=ANIMALS, default=simulation.Cohort.animals, help="number of animals"
)
@click.option(
    "--trials", type=TRIALS, default=simulation.Cohort.trials_per_block, help="trials in each block"
)
@click.option("--learning", type=COEFFICIENT, default=0.35, help="population coefficient of x r")
@click.option(
    "--forgetting",
    type=COEFFICIENT,
    default=-0.06,
    help="population coefficient of w: half its size is lost of a weight in a trial",
)
@baiting_option
@click.option("--force", is_flag=True, help="replace FILE.csv where it exists")
def simulate(
    out: Path,
    seed: int,
    animals: int,
    trials: int,
    learning: float,
    forgetting: float,
    baiting: Baiting,
    force: bool,
) -> None:
    """Simulate a cohort that learns by x r and forgets by w, and write FILE.csv.

    FILE.truth.csv holds each animal's own coefficients.
    """
    if out.suffix != ".csv":
        raise HebbaxError(f'{out.name}: a simulated cohort is written as ".csv".')
    true_values = out.with_suffix(".truth.csv")
    for path in (out, true_values):
        refuse_replacing(path, force=force)
    cohort = simulation.Cohort(
        population={"x r": learning, "w": forgetting},
        animals=animals,
        trials_per_block=trials,
        baiting=baiting,
    )
    check_cohort(animals, len(cohort.reward_probability) * trials)
    spec = read_spec("forgetting")
    sessions, truth = simulation.simulate(jax.random.PRNGKey(seed), cohort, spec)
    prepare_folder(out.parent)
    data.write_table(sessions, out)
    table = pd.DataFrame(truth["theta"], columns=list(spec.terms), index=list(sessions.animals))
    table["preference"] = truth["preference"][:, 0]
    with replacing(true_values, HebbaxError) as unfinished:
        table.to_csv(unfinished, index_label="animal")
    CONSOLE.print(f"{sessions.n_animals} animals, {sessions.n_choices} choices: {out}")


@click.command()
@click.argument("names", metavar="[MODEL]...", nargs=-1)
@click.option(
    "--draws", type=REPLICATES, default=500, help="animals drawn from the prior of each MODEL"
)
@baiting_option
@seed_option
@out_option
@click.option("--force", is_flag=True, help="replace an earlier picture")
def models(
    names: tuple[str, ...], draws: int, baiting: Baiting, seed: int, out: Path, force: bool
) -> None:
    """List the declared models; or draw what the prior of each MODEL (declared, a .toml file or
    module:function) expects of choices.

    Written are, for each MODEL, prior_MODEL.png and prior_MODEL.csv.
    """
    if not names:
        CONSOLE.print(_declared())
        return
    specs = [read_spec(name) for name in names]
    check_distinct([spec.name for spec in specs], "MODEL")
    for spec in specs:
        for end in ("png", "csv"):
            refuse_replacing(out / f"prior_{file_name(spec.name)}.{end}", force=force)
    prepare_folder(out)
    task = TASK._replace(baiting=baiting)
    for spec in specs:
        expected = prior_choices(jax.random.PRNGKey(seed), spec, draws, task)
        write_table(expected, out)
        picture(partial(figures.prior_choices, expected), out / f"prior_{file_name(spec.name)}.png")
        CONSOLE.print(expected.sentence)


def _declared() -> Table:
    """Return the declared models for the terminal."""
    shown = Table("model", "terms, or parameters", "reason")
    for name in declared_models():
        spec = read_spec(name)
        shown.add_row(name, ", ".join(spec.members) or "none", spec.reason)
    return shown
