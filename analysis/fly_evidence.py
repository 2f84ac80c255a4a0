"""The evidence of every rule on the flies, and left-out flies, from two seeds: how well known.

The log marginal likelihood of the choices under declared models, and under the last with a habit,
by bridge sampling, with its Monte Carlo error and the effective number of draws, and the worst
R-hat and the least effective size of the chains. One row a model and seed; below 50 effective draws
no evidence is given. And for each fly log p(its choices | all other flies) by importance sampling
with its k-hat, one row a model, seed and fly.

    python analysis/fly_evidence.py [DATA] [--quick] --out DIR

DATA are recordings of accepted choices; without it, simulated flies. About 15 minutes for the 12
flies on two cores.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
import pandas as pd
import xarray as xr
from arviz_base import from_dict

import hebbax
from hebbax.check.new_animal import leave_one_animal_out
from hebbax.check.score import standard_error
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import (
    FEW_DRAWS,
    entry,
    flies_argument,
    quick_option,
    recorded_or_simulated,
)
from hebbax.data import data_hash
from hebbax.inference import pseudo_marginal
from hebbax.inference.convergence import convergence
from hebbax.posterior.inference_data import coordinates, variable_dims
from hebbax.posterior.observed import BY_ANIMAL, of_each_animal
from hebbax.runs.ledger import Ledger, fill
from hebbax.simulation.cohort import QUICK as FEW
from hebbax.simulation.cohort import Cohort

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
PAIRS = (
    ("forgetting", "reward"),
    ("chosen-forgetting", "forgetting"),
    ("forgetting-habit", "forgetting"),
    ("rajagopalan-forgetting", "forgetting"),
    ("rajagopalan-forgetting", "rajagopalan"),
    ("rajagopalan-forgetting-habit", "rajagopalan-forgetting"),
)
"""Rules of which the first is asked to predict a new fly better."""


def spec_of(name: str) -> hebbax.ModelSpec:
    """Return a declared model, or the one before ``-habit`` with that."""
    if name in hebbax.declared_models():
        return hebbax.read_spec(name)
    habit_scale = hebbax.read_spec("forgetting-habit").habit_scale
    own = hebbax.read_spec(name.removesuffix("-habit"))
    return replace(own, name=name, habit_scale=habit_scale)


Rows = list[dict[str, Any]]


def weighed(
    name: str, seed: int, sessions: hebbax.Sessions, settings: pseudo_marginal.Settings
) -> tuple[Rows, Rows]:
    """Return the row of a declared model by a seed, and those of its left-out flies."""
    model = hebbax.build_model(spec_of(name), sessions)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(seed), model, settings)
    values = [
        draws[f"{group.name}{end}"].reshape(*info.lp.shape, -1)
        for group in model.groups
        for end in ("", "_population", "_spread")
    ]
    judged = convergence(np.concatenate(values, axis=-1))
    posterior = from_dict(
        {"posterior": draws}, coords=coordinates(model), dims=variable_dims(model)
    )
    posterior[BY_ANIMAL] = xr.DataTree(of_each_animal(posterior.posterior, info.log_marginal))
    left = leave_one_animal_out(posterior)
    each = [
        {"model": name, "seed": seed, "animal": animal, "elpd": elpd, "k": k}
        for animal, elpd, k in zip(left.animals, left.elpd, left.k, strict=True)
    ]
    return [{"model": name, "seed": seed, **info.evidence._asdict(), **judged}], each


def sums(left_out: pd.DataFrame) -> pd.DataFrame:
    """Return the sum over left-out flies of each model and seed, and the worst k-hat."""
    by = left_out.groupby(["model", "seed"], sort=False)
    return pd.DataFrame({"left-out flies": by["elpd"].sum(), "worst k-hat": by["k"].max()})


def differences(left_out: pd.DataFrame) -> pd.DataFrame:
    """Return the difference of each of `PAIRS` by seed, summed over left-out flies, with its
    standard error over them and the number of flies in which the first is better."""
    by_fly = left_out.pivot(index=["model", "seed"], columns="animal", values="elpd")
    rows = {}
    for one, other in PAIRS:
        for seed in SEEDS:
            if {(one, seed), (other, seed)} <= set(by_fly.index):
                difference = (by_fly.loc[(one, seed)] - by_fly.loc[(other, seed)]).to_numpy()
                rows[f"{one} - {other}", seed] = {
                    "difference": difference.sum(),
                    "se": standard_error(difference),
                    "better": (difference > 0).sum(),
                }
    return pd.DataFrame.from_dict(rows, orient="index")


@click.command("fly_evidence", help=__doc__.split("\n", 1)[0])
@flies_argument
@quick_option
@out_option
def main(recordings: Path | None, quick: bool, out: Path) -> None:
    sessions = recorded_or_simulated(recordings, FEW if quick else Cohort())
    settings = replace(FEW_DRAWS, evidence=100) if quick else pseudo_marginal.Settings()
    names = MODELS[1:3] if quick else MODELS
    prepare_folder(out)
    cell = ("model", "seed")
    made_of = data_hash(sessions), settings
    ledger = Ledger(out / "fly_evidence.csv", cell, made_of)
    left_out = Ledger(out / "fly_left_out.csv", cell, made_of)
    cells = {f"{name}, seed {k}": {"model": name, "seed": k} for name in names for k in SEEDS}

    def rows(model: str, seed: int) -> list[Rows]:
        return list(weighed(model, seed, sessions, settings))

    with progress("sampling") as report:
        fill([ledger, left_out], cells, rows, report)
    print_table(table("model, seed", ledger.frame.set_index(list(cell))))
    print_table(table("model, seed", sums(left_out.frame)))
    print_table(table("pair, seed", differences(left_out.frame)))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledger.provenance}")


if __name__ == "__main__":
    entry(main)
