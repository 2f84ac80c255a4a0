"""The evidence of every rule on the flies, from two seeds: how well it is known.

The log marginal likelihood of the choices under declared models, and under the last with a habit,
by bridge sampling, with its Monte Carlo error and the effective number of draws, and the worst
R-hat and the least effective size of the chains. One row a model and seed; below 50 effective draws
no evidence is given.

    python analysis/fly_evidence.py [DATA] [--quick] --out DIR

DATA are recordings of accepted choices; without it, simulated flies. About 12 minutes for the 12
flies on two cores.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np

import hebbax
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import flies_argument, out_option, prepare_folder
from hebbax.cli.script import entry, quick_option, recorded_or_simulated
from hebbax.data import data_hash
from hebbax.inference import pseudo_marginal
from hebbax.posterior.diagnostics import convergence
from hebbax.run.ledger import Ledger, fill
from hebbax.simulate.cohort import QUICK as FEW
from hebbax.simulate.cohort import Cohort

MODELS = (
    "no-learning",
    "reward",
    "forgetting",
    "chosen-forgetting",
    "forgetting-habit",
    "rajagopalan",
    "rajagopalan-forgetting",
    "rajagopalan-forgetting-habit",
)
SEEDS = (0, 1)


def spec_of(name: str) -> hebbax.ModelSpec:
    """Return a declared model, or the one before ``-habit`` with that."""
    if name in hebbax.declared_models():
        return hebbax.read_spec(name)
    habit_scale = hebbax.read_spec("forgetting-habit").habit_scale
    own = hebbax.read_spec(name.removesuffix("-habit"))
    return replace(own, name=name, habit_scale=habit_scale)


def weighed(
    name: str, seed: int, sessions: hebbax.Sessions, settings: pseudo_marginal.Settings
) -> dict[str, Any]:
    """Return the row of a declared model by a seed."""
    model = hebbax.build_model(spec_of(name), sessions)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(seed), model, settings)
    values = [
        draws[f"{group.name}{end}"].reshape(*info.lp.shape, -1)
        for group in model.groups
        for end in ("", "_population", "_spread")
    ]
    judged = convergence(np.concatenate(values, axis=-1))
    return {"model": name, "seed": seed, **info.evidence._asdict(), **judged}


@click.command("fly_evidence", help=__doc__.split("\n", 1)[0])
@flies_argument
@quick_option
@out_option
def main(recordings: Path | None, quick: bool, out: Path) -> None:
    sessions = recorded_or_simulated(recordings, FEW if quick else Cohort())
    few = pseudo_marginal.Settings(warmup=26, draws=100, points=8, most_thinning=1, evidence=100)
    settings = few if quick else pseudo_marginal.Settings()
    names = MODELS[1:3] if quick else MODELS
    prepare_folder(out)
    cell = ("model", "seed")
    ledger = Ledger(out / "fly_evidence.csv", cell, (data_hash(sessions), settings))
    cells = {f"{name}, seed {k}": {"model": name, "seed": k} for name in names for k in SEEDS}

    def rows(model: str, seed: int) -> list[list[dict[str, Any]]]:
        return [[weighed(model, seed, sessions, settings)]]

    with progress("sampling") as report:
        fill([ledger], cells, rows, report)
    CONSOLE.print(table("model, seed", ledger.frame.set_index(list(cell))))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledger.provenance}")


if __name__ == "__main__":
    entry(main)
