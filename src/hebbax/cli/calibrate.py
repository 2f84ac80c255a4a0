"""The command that asks whether posteriors are right as often as they say: calibrate."""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hebbax import figures
from hebbax.check import model_recovery, repeated_fits, sbc
from hebbax.check.calibration import FARTHEST
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.pictures import picture
from hebbax.cli.progress import progress
from hebbax.cli.ranges import check_cohort
from hebbax.design import designs
from hebbax.errors import HebbaxError
from hebbax.model.declared import read_spec
from hebbax.model.spec import ModelSpec
from hebbax.runs import workers
from hebbax.runs.names import file_name
from hebbax.simulation.environment import Baiting, Task
from hebbax.validation.quoting import plain

SHOWN = ["inside", "50 %", "80 %", "90 %", "95 %", "contraction", "z mean", "z sd", FARTHEST]
"""Columns of the terminal's table; the file has all."""


def calibrate(
    models: tuple[str, ...],
    simulations: int,
    animals: int,
    trials: int,
    blocks: int,
    rewards: str,
    outcomes: str,
    baiting: Baiting,
    sessions: int,
    warmup: int,
    draws: int,
    number: int,
    scheduler: str | None,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Print and draw the answer about one model, or about several."""
    specs = [read_spec(name) for name in models]
    chances, worth = designs.parse_rewards(rewards), _outcomes(outcomes)
    task = Task(trials, blocks, chances, baiting, sessions, worth)
    _check(animals, task)
    sampler = replace(repeated_fits.SETTINGS, warmup=warmup, draws=draws)
    settings = sbc.Settings(animals, task, seed=seed, sampler=sampler)
    sbc.check(settings)
    if len(specs) > 1:
        model_recovery.check(specs, settings)
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
    with progress(spec.name) as tell:
        found = sbc.calibrate(
            spec, plan.settings, plan.simulations, plan.out, plan.staff, tell, anew=plan.anew
        )
    draw = partial(figures.calibration, found, plan.settings.ranked)
    picture(draw, plan.out / f"calibrate_{file_name(spec.name)}.png")
    shown = found.summary.table[SHOWN]
    inside = shown["inside"].map({True: "yes", False: "NO"})
    print_table(table("quantity", shown.assign(inside=inside)))
    CONSOLE.print(found.sentence)


def _several(specs: list[ModelSpec], plan: Plan) -> None:
    """Print and draw whether models can be told apart."""
    with progress("recovery") as tell:
        found = model_recovery.recover(
            specs, plan.settings, plan.simulations, plan.out, plan.staff, tell, anew=plan.anew
        )
    picture(partial(figures.model_recovery, found), plan.out / "recovery.png")
    for name, confusion in found.confusion.items():
        print_table(table(f"true model, best by {name}", confusion))
    CONSOLE.print(found.sentence)


def _outcomes(text: str) -> tuple[float, float]:
    """Return the two rewards that were written with a slash; raise `HebbaxError` for others."""
    try:
        none, one = map(float, text.split("/"))
        if not -math.inf < none < one < math.inf:
            raise ValueError
    except ValueError:
        raise HebbaxError(
            f'--outcomes: "{plain(text)}" given; two rewards with a slash between them are allowed,'
            " the smaller first, as in -1/1."
        ) from None
    return none, one


def _check(animals: int, task: Task) -> None:
    """Raise `HebbaxError` for an experiment that is none."""
    if task.blocks > task.trials:
        raise HebbaxError(f"--blocks {task.blocks}: so many do not fit into {task.trials} trials.")
    if task.sessions > task.trials:
        raise HebbaxError(
            f"--sessions {task.sessions}: so many do not fit into {task.trials} trials."
        )
    check_cohort(animals, task.trials)
    designs.check_rewards((task.rewards,))
