"""Forced trials: held-out sessions predicted where they teach, are left out, or count as choices.

A model is fitted to all sessions of every animal but the last two, and predicts the free choices of
these, each one step ahead, carried by the recorded past. Forced trials of the fitted sessions

    teach            weights learn from them, and their choice says nothing
    are left out     as if they had not been, in the predicted sessions either
    are choices      as if the animal had been free to make them; where predicted they teach

One row an animal and treatment: the log probability of its free choices in the held-out sessions,
in nats.

    python analysis/forced_trials.py [DATA] [--model NAME] [--quick] --out DIR

DATA are recordings with sessions and forced trials; without it, of simulated animals.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
import pandas as pd

import hebbax
from hebbax.check.heldout import predict_from, scores
from hebbax.check.score import standard_error
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import FEW_DRAWS, entry, flies_argument, quick_option
from hebbax.data import data_hash, part, split_sessions
from hebbax.inference import pseudo_marginal
from hebbax.inference.convergence import convergence
from hebbax.runs.ledger import Ledger, fill
from hebbax.simulation.cohort import Cohort, simulate

HELD_OUT = 2
"""Sessions at the end that are predicted."""

TREATMENTS = ("teach", "left out", "choices")
"""What is made of forced trials."""

FEW = Cohort(
    {"alpha": 0.4, "beta": 3.0}, {"alpha": 0.4, "beta": 0.3}, animals=3, trials_per_block=30
)


def simulated() -> hebbax.Sessions:
    """Return simulated animals, each block a session, with every fourth trial called forced."""
    made, _ = simulate(jax.random.PRNGKey(0), FEW, hebbax.read_spec("q-learning"))
    offered = np.ones((*made.choices.shape, made.n_stimuli), dtype=bool)
    forced = np.arange(made.max_trials) % 4 == 0
    offered[:, forced] = made.choices[:, forced, None] == np.arange(made.n_stimuli)
    return replace(made, session=made.blocks, offered=offered, rejections=None)


def treated(sessions: hebbax.Sessions, treatment: str) -> tuple[hebbax.Sessions, hebbax.Sessions]:
    """Return the sessions that are fitted to, those of `HELD_OUT` among them, and those that are
    predicted from."""
    if treatment == "left out":
        kept = part(sessions, sessions.free & (sessions.session >= 0))
        return kept, kept
    return (replace(sessions, offered=None) if treatment == "choices" else sessions), sessions


def predicted(
    spec: hebbax.ModelSpec,
    sessions: hebbax.Sessions,
    treatment: str,
    settings: pseudo_marginal.Settings,
) -> list[dict[str, Any]]:
    """Return the rows of a treatment, one an animal."""
    fitted, whole = treated(sessions, treatment)
    first, _ = split_sessions(fitted, sessions.n_sessions - HELD_OUT)
    model = hebbax.build_model(spec, first)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(0), model, settings)
    values = {group.name: draws[group.name] for group in model.groups}
    population = [
        draws[f"{group.name}_population"].reshape(*info.lp.shape, -1) for group in model.groups
    ]
    judged = convergence(np.concatenate(population, axis=-1))
    found = scores(predict_from(spec, whole, values, first.n_trials, "carried")).table
    return [
        {
            "treatment": treatment,
            "animal": animal,
            "free choices": int(row["choices"]),
            "log P": row["trial by trial"],
            **judged,
        }
        for animal, row in found.iterrows()
    ]


def told(rows: pd.DataFrame) -> pd.DataFrame:
    """Return by how much forced trials that teach predict better than each other treatment: the
    sum over animals, its standard error, the number of animals, and nats a choice."""
    by = rows.pivot(index="animal", columns="treatment", values="log P")
    choices = rows.groupby("animal")["free choices"].first()
    out = {}
    for other in TREATMENTS[1:]:
        difference = (by["teach"] - by[other]).to_numpy()
        out[f"teach - {other}"] = {
            "difference": difference.sum(),
            "se": standard_error(difference),
            "better": int((difference > 0).sum()),
            "animals": len(difference),
            "a choice": difference.sum() / choices.sum(),
        }
    return pd.DataFrame.from_dict(out, orient="index")


@click.command("forced_trials", help=__doc__.split("\n", 1)[0])
@flies_argument
@click.option("--model", default="forgetting-q", help="declared model or .toml file")
@quick_option
@out_option
def main(recordings: Path | None, model: str, quick: bool, out: Path) -> None:
    sessions = simulated() if recordings is None else hebbax.read(recordings)
    settings = replace(FEW_DRAWS, draws=50) if quick else pseudo_marginal.Settings(evidence=0)
    spec = hebbax.read_spec(model)
    prepare_folder(out)
    ledger = Ledger(
        out / "forced_trials.csv", ("treatment",), (spec, data_hash(sessions), settings)
    )
    cells = {one: {"treatment": one} for one in TREATMENTS}

    def rows(treatment: str) -> list[list[dict[str, Any]]]:
        return [predicted(spec, sessions, treatment, settings)]

    with progress("forced trials") as tell:
        fill([ledger], cells, rows, tell)
    print_table(table("forced trials", told(ledger.frame)))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledger.provenance}")


if __name__ == "__main__":
    entry(main)
