"""Commands that need no recordings: simulate, models."""

from pathlib import Path

import click
import jax
import pandas as pd
from rich.table import Table

from hebbax import data, figures, simulation
from hebbax.cli.console import CONSOLE
from hebbax.cli.options import out_option, prepare_folder, refuse_replacing
from hebbax.errors import HebbaxError
from hebbax.files import replacing
from hebbax.prior_choices import prior_choices, write_table
from hebbax.spec import declared_models, read_spec


@click.command()
@click.argument("out", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option("--seed", default=0, help="random seed")
@click.option("--animals", default=simulation.Cohort.animals, help="number of animals")
@click.option("--trials", default=simulation.Cohort.trials_per_block, help="trials in each block")
@click.option("--learning", default=0.35, help="population coefficient of x r, per trial")
@click.option("--forgetting", default=-0.06, help="population coefficient of w, per trial")
@click.option("--baited/--independent", default=True, help="whether an armed reward waits")
@click.option("--force", is_flag=True, help="replace FILE.csv where it exists")
def simulate(
    out: Path,
    seed: int,
    animals: int,
    trials: int,
    learning: float,
    forgetting: float,
    baited: bool,
    force: bool,
) -> None:
    """Simulate a cohort that learns by x r and forgets by w, and write FILE.csv.

    FILE.truth.csv holds each animal's own coefficients.
    """
    if out.suffix != ".csv":
        raise HebbaxError(f'{out.name}: a simulated cohort is written as ".csv".')
    if out.exists() and not force:
        raise HebbaxError(f"{out.name}: exists already; --force replaces it.")
    if animals < 1 or trials < 1:
        raise HebbaxError(f"--animals {animals} --trials {trials}: both must be 1 or more.")
    cohort = simulation.Cohort(
        population={"x r": learning, "w": forgetting},
        animals=animals,
        trials_per_block=trials,
        baiting="baited" if baited else "independent",
    )
    spec = read_spec("forgetting")
    sessions, truth = simulation.simulate(jax.random.PRNGKey(seed), cohort, spec)
    prepare_folder(out.parent)
    data.write_table(sessions, out)
    table = pd.DataFrame(truth["theta"], columns=list(spec.terms), index=list(sessions.animals))
    table["preference"] = truth["preference"][:, 0]
    with replacing(out.with_suffix(".truth.csv"), HebbaxError) as unfinished:
        table.to_csv(unfinished, index_label="animal")
    CONSOLE.print(f"{sessions.n_animals} animals, {sessions.n_observations} choices: {out}")


@click.command()
@click.argument("names", metavar="[MODEL]...", nargs=-1)
@click.option("--draws", default=500, help="animals drawn from the prior of each MODEL")
@click.option("--seed", default=0, help="random seed")
@out_option
@click.option("--force", is_flag=True, help="replace an earlier picture")
def models(names: tuple[str, ...], draws: int, seed: int, out: Path, force: bool) -> None:
    """List the declared models; or draw what the prior of each MODEL (declared, or a .toml file)
    expects of choices.

    Written are, for each MODEL, prior_MODEL.png and prior_MODEL.csv.
    """
    if not names:
        CONSOLE.print(_declared())
        return
    if draws < 2:
        raise HebbaxError(f"--draws {draws}: must be 2 or more.")
    specs = [read_spec(name) for name in names]
    for spec in specs:
        refuse_replacing(out / f"prior_{spec.name}.png", force=force)
    prepare_folder(out)
    for spec in specs:
        expected = prior_choices(jax.random.PRNGKey(seed), spec, draws)
        write_table(expected, out)
        figures.save(figures.prior_choices(expected), out / f"prior_{spec.name}.png")
        CONSOLE.print(expected.sentence)


def _declared() -> Table:
    """Return the declared models for the terminal."""
    shown = Table("model", "terms", "reason")
    for name in declared_models():
        spec = read_spec(name)
        shown.add_row(name, ", ".join(spec.terms) or "none", spec.reason)
    return shown
