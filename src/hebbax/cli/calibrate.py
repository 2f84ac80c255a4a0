"""The command that asks whether posteriors are right as often as they say: calibrate."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from hebbax import designs, figures, model_recovery, sbc, workers
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import out_option, prepare_folder
from hebbax.environment import Baiting
from hebbax.errors import HebbaxError
from hebbax.inference import repeated
from hebbax.rehearsal import Task
from hebbax.spec import ModelSpec, read_spec

SHOWN = ["inside", "50 %", "80 %", "90 %", "95 %", "contraction", "z mean", "z sd"]
"""Columns of the terminal's table; the file has all."""


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--simulations", default=300, help="simulated cohorts; of each of several models")
@click.option("--animals", default=sbc.Settings.animals, help="animals of a cohort")
@click.option("--trials", default=sbc.Settings.task.trials, help="trials of an animal")
@click.option("--blocks", default=sbc.Settings.task.blocks, help="blocks of a session")
@click.option(
    "--rewards",
    default=designs.shown(sbc.Settings.task.rewards),
    help="probabilities of the first block, a stimulus each, as in 0.2/0.8",
)
@click.option(
    "--baiting",
    type=click.Choice(["baited", "independent"]),
    default=sbc.Settings.task.baiting,
    help="whether an armed reward waits",
)
@click.option("--warmup", default=repeated.SETTINGS.warmup, help="iterations of warm-up")
@click.option("--draws", default=repeated.SETTINGS.draws, help="draws kept per chain")
@click.option("--workers", "number", default=1, help="processes of this machine, by Dask")
@click.option("--scheduler", metavar="ADDRESS", help="of a Dask cluster, as in tcp://host:8786")
@click.option("--seed", default=0, help="random seed")
@out_option
@click.option("--force", is_flag=True, help="start anew, without the simulations that are there")
def calibrate(
    models: tuple[str, ...],
    simulations: int,
    animals: int,
    trials: int,
    blocks: int,
    rewards: str,
    baiting: Baiting,
    warmup: int,
    draws: int,
    number: int,
    scheduler: str | None,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Say of one MODEL whether its posteriors are right as often as they say, by fits of cohorts
    that are simulated from its prior; of several, whether the experiment can tell them apart.

    What was stopped goes on where it is started again with the same options.
    """
    specs = [read_spec(name) for name in models]
    task = Task(trials, blocks, designs.parse_rewards(rewards), baiting)
    _check(simulations, animals, task, warmup, draws)
    usual = repeated.settings_for(specs[0].prior)
    sampler = replace(usual, warmup=warmup, draws=draws)
    settings = sbc.Settings(animals, task, seed=seed, sampler=sampler)
    sbc.check(settings)
    if len(specs) > 1:
        model_recovery.check(specs)
    staff = workers.Workers(number, scheduler)
    workers.check(staff)
    prepare_folder(out)
    plan = Plan(settings, simulations, out, staff, anew=force)
    if len(specs) == 1:
        _one(specs[0], plan)
    else:
        _several(specs, plan)


@dataclass(frozen=True)
class Plan:
    """What both answers need: how to simulate and fit, how many, where, and by whom."""

    settings: sbc.Settings
    simulations: int
    out: Path
    staff: workers.Workers
    anew: bool


def _one(spec: ModelSpec, plan: Plan) -> None:
    """Print and draw whether the posteriors of a model are right."""
    if plan.anew:
        _remove(sbc.paths(plan.out, spec.name))
    with progress(spec.name) as tell:
        found = sbc.calibrate(spec, plan.settings, plan.simulations, plan.out, plan.staff, tell)
    picture = figures.calibration(found, plan.settings.ranked)
    figures.save(picture, plan.out / f"calibrate_{spec.name}.png")
    shown = found.summary.table[SHOWN]
    inside = shown["inside"].map({True: "yes", False: "NO"})
    CONSOLE.print(table("quantity", shown.assign(inside=inside)))
    CONSOLE.print(found.sentence)


def _several(specs: list[ModelSpec], plan: Plan) -> None:
    """Print and draw whether models can be told apart."""
    if plan.anew:
        _remove([model_recovery.path(plan.out)])
    with progress("recovery") as tell:
        found = model_recovery.recover(
            specs, plan.settings, plan.simulations, plan.out, plan.staff, tell
        )
    figures.save(figures.model_recovery(found), plan.out / "recovery.png")
    for name, confusion in found.confusion.items():
        CONSOLE.print(table(f"true model, best by {name}", confusion))
    CONSOLE.print(found.sentence)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _check(simulations: int, animals: int, task: Task, warmup: int, draws: int) -> None:
    """Raise `HebbaxError` for an experiment that is none."""
    counts = {"simulations": simulations, "animals": animals, "warmup": warmup, "draws": draws}
    for name, value in {**counts, "blocks": task.blocks}.items():
        if value < 1:
            raise HebbaxError(f"--{name} {value}: must be 1 or more.")
    if task.trials < 2:
        raise HebbaxError(f"--trials {task.trials}: must be 2 or more.")
    if task.blocks > task.trials:
        raise HebbaxError(f"--blocks {task.blocks}: so many do not fit into {task.trials} trials.")
    designs.check_rewards((task.rewards,))
