"""Commands that need no recordings: simulate, models."""

from functools import partial
from pathlib import Path

import jax
from rich.table import Table

from hebbax import data, figures
from hebbax.check.prior_choices import prior_choices, write_table
from hebbax.cli.console import CONSOLE, print_table
from hebbax.cli.folders import prepare_folder, refuse_replacing
from hebbax.cli.pictures import picture
from hebbax.cli.ranges import check_cohort
from hebbax.errors import HebbaxError
from hebbax.model.declared import declared_models, read_spec
from hebbax.runs.files import replacing
from hebbax.runs.names import check_distinct, file_name
from hebbax.simulation import cohort as simulation
from hebbax.simulation.environment import TASK, Baiting


def simulate(
    out: Path,
    seed: int,
    animals: int,
    trials_per_block: int,
    learning: float,
    forgetting: float,
    baiting: Baiting,
    force: bool,
) -> None:
    """Write a simulated cohort, and each animal's own coefficients beside it."""
    if out.suffix != ".csv":
        raise HebbaxError(f'{out.name}: a simulated cohort is written as ".csv".')
    true_values = out.with_suffix(".truth.csv")
    for path in (out, true_values):
        refuse_replacing(path, force=force)
    cohort = simulation.Cohort(
        population={"x r": learning, "w": forgetting},
        animals=animals,
        trials_per_block=trials_per_block,
        baiting=baiting,
    )
    check_cohort(animals, len(cohort.reward_probability) * trials_per_block)
    spec = read_spec("forgetting")
    sessions, truth = simulation.simulate(jax.random.PRNGKey(seed), cohort, spec)
    prepare_folder(out.parent)
    data.write_table(sessions, out)
    table = simulation.truth_table(spec, sessions, truth)
    table = table.rename(columns={f"preference {sessions.stimuli[1]}": "preference"})
    with replacing(true_values, HebbaxError) as unfinished:
        table.to_csv(unfinished)
    CONSOLE.print(f"{sessions.n_animals} animals, {sessions.n_choices} choices: {out}")


def models(
    models: tuple[str, ...], animals: int, baiting: Baiting, seed: int, out: Path, force: bool
) -> None:
    """Print the declared models; of those that are named, draw what their priors expect."""
    if not models:
        print_table(_declared())
        return
    specs = [read_spec(name) for name in models]
    check_distinct([spec.name for spec in specs], "--model")
    for spec in specs:
        for end in ("png", "csv"):
            refuse_replacing(out / f"prior_{file_name(spec.name)}.{end}", force=force)
    prepare_folder(out)
    task = TASK._replace(baiting=baiting)
    for spec in specs:
        expected = prior_choices(jax.random.PRNGKey(seed), spec, animals, task)
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
