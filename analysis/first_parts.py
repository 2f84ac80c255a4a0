"""Do the chains meet on less data: rules of the flies on the first of every animal's trials.

The first trials say less of each coefficient, and leave the posterior the more ways.
One row a model, part and seed: the worst R-hat, the least bulk and tail effective size of
population values, spreads and values of the flies, the grade of the posterior, its population
value of w with a 90 % interval where the rule has that term, and the seconds it took.

    python analysis/first_parts.py [DATA] [--quick] --out DIR

DATA are recordings of accepted choices; without it, simulated flies. About 50 minutes for the 12
flies on one core.
"""

from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np

import hebbax
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
from hebbax.data import data_hash, first_trials, split
from hebbax.inference import pseudo_marginal
from hebbax.posterior.diagnostics import diagnose
from hebbax.posterior.fitting import make
from hebbax.runs.ledger import Ledger, fill
from hebbax.simulation.cohort import QUICK as FEW
from hebbax.simulation.cohort import Cohort

MODELS = (
    "reward",
    "forgetting",
    "chosen-forgetting",
    "forgetting-habit",
    "forgetting-kernel",
    "chosen-forgetting-kernel",
    "rajagopalan",
    "rajagopalan-forgetting",
    "forgetting-free",
)
PARTS = (0.3, 0.5, 0.7, 0.9)
SEEDS = (0, 1)
FORGETTING = "w"


def fitted(
    sessions: hebbax.Sessions, name: str, seed: int, settings: pseudo_marginal.Settings
) -> dict[str, Any]:
    """Return what the diagnostics say of the posterior of a declared model, and its w."""
    begun = perf_counter()
    model = hebbax.build_model(hebbax.read_spec(name), sessions)
    posterior = make(model, seed, settings)
    verdict = diagnose(posterior)
    measured = {key: verdict.figures[key] for key in ("r_hat", "ess_bulk", "ess_tail")}
    row = {**measured, "grade": str(verdict.grade), "failed": "; ".join(verdict.reasons)}
    values = posterior.posterior["theta_population"]
    if FORGETTING in values["term"]:
        low, median, high = np.quantile(values.sel(term=FORGETTING), (0.05, 0.5, 0.95))
        row |= {"w 5 %": low, "w 50 %": median, "w 95 %": high}
    return {**row, "seconds": perf_counter() - begun}


@click.command("first_parts", help=__doc__.split("\n", 1)[0])
@flies_argument
@quick_option
@out_option
def main(recordings: Path | None, quick: bool, out: Path) -> None:
    sessions = recorded_or_simulated(recordings, FEW if quick else Cohort())
    settings = FEW_DRAWS if quick else pseudo_marginal.Settings()
    models, parts = (MODELS[1:2], PARTS[1:2]) if quick else (MODELS, PARTS)
    first = {part: split(sessions, first_trials(sessions, part))[0] for part in parts}
    prepare_folder(out)
    cell = ("model", "part", "seed")
    ledger = Ledger(out / "first_parts.csv", cell, (data_hash(sessions), settings))
    cells = {
        f"{model}, first {part:.0%}, seed {seed}": {"model": model, "part": part, "seed": seed}
        for part in parts
        for model in models
        for seed in SEEDS
    }

    def rows(model: str, part: float, seed: int) -> list[list[dict[str, Any]]]:
        found = fitted(first[part], model, seed, settings)
        return [[{"model": model, "part": part, "seed": seed, **found}]]

    with progress("sampling") as report:
        fill([ledger], cells, rows, report)
    shown = ledger.frame.set_index(list(cell)).drop(columns="failed")
    print_table(table("model, part, seed", shown))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledger.provenance}")


if __name__ == "__main__":
    entry(main)
