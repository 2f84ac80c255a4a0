"""The paper's own rule has two solutions: how probable each is, from two seeds.

The posteriors of the rules with the terms `1` and `r` on the given recordings, sampled twice from
different seeds. One row a model, seed and population coefficient: its 5, 50 and 95 % quantiles, the
probability that it is below zero, and that probability's Monte Carlo error, with the worst R-hat
and the least effective size of the fit, and the log evidence of the model with its Monte Carlo
error. The figure shows the draws over two coefficients.

    python analysis/five_terms.py [DATA] [--quick] --out DIR

DATA are recordings of accepted choices; without it, simulated flies. About six minutes for the 12
flies on two cores.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from arviz_stats import mcse
from matplotlib.figure import Figure

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
from hebbax.data import data_hash
from hebbax.figures import model_colour, publish
from hebbax.inference import pseudo_marginal
from hebbax.inference.convergence import convergence
from hebbax.runs.ledger import Ledger, fill
from hebbax.simulation.cohort import QUICK as FEW
from hebbax.simulation.cohort import Cohort

MODELS = ("forgetting", "rajagopalan", "rajagopalan-forgetting")
AXES = {"forgetting": ("x r", "w"), "rajagopalan": ("r", "1"), "rajagopalan-forgetting": ("r", "w")}
"""Terms of each model whose coefficients its panel shows, across and up."""

SEEDS = (0, 1)
SHOWN = 300
"""Draws of a seed that the figure shows."""


def sampled(
    name: str, seed: int, sessions: hebbax.Sessions, settings: pseudo_marginal.Settings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of a declared model by a seed, and some of its draws."""
    model = hebbax.build_model(hebbax.read_spec(name), sessions)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(seed), model, settings)
    theta, spread = draws["theta_population"], np.log(draws["theta_spread"])
    animals = draws["theta"].reshape(*theta.shape[:2], -1)
    judged = convergence(np.concatenate([theta, spread, animals], axis=-1))
    judged |= {"log_evidence": info.evidence.log_evidence, "its error": info.evidence.error}
    rows: list[dict[str, Any]] = []
    for term, values in zip(model.spec.terms, np.moveaxis(theta, -1, 0), strict=True):
        below = 1.0 * (values < 0)
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
        found = {"5 %": low, "median": middle, "95 %": high, "P(< 0)": below.mean()}
        error = float(mcse(below)) if 0 < below.mean() < 1 else 0.0
        rows.append({"model": name, "seed": seed, "term": term, **found, "error": error, **judged})
    some = theta.reshape(-1, theta.shape[-1])
    some = some[np.linspace(0, len(some) - 1, SHOWN).astype(int)]
    kept = pd.DataFrame(some, columns=list(model.spec.terms)).assign(model=name, seed=seed)
    return pd.DataFrame(rows), kept


def draw(draws: pd.DataFrame) -> Figure:
    """Return one panel a model: draws over two coefficients, a mark a seed."""
    figure, axes = plt.subplots(1, len(MODELS), figsize=(10, 3.4), layout="constrained")
    for ax, name in zip(axes, MODELS, strict=True):
        across, up = AXES[name]
        for seed, mark in zip(SEEDS, "o+", strict=True):
            own = draws[(draws["model"] == name) & (draws["seed"] == seed)]
            ax.scatter(
                own[across], own[up], s=14, marker=mark, alpha=0.4, color=model_colour(name),
                label=f"seed {seed}",
            )  # fmt: skip
        ax.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        ax.set_xlabel(f"population coefficient of {across} (1/trial)")
        ax.set_ylabel(f"population coefficient of {up} (1/trial)")
        ax.set_title(name, fontsize=9)
        ax.legend(fontsize=7)
    return figure


@click.command("five_terms", help=__doc__.split("\n", 1)[0])
@flies_argument
@quick_option
@out_option
def main(recordings: Path | None, quick: bool, out: Path) -> None:
    sessions = recorded_or_simulated(recordings, FEW if quick else Cohort())
    full = pseudo_marginal.Settings()
    settings = replace(FEW_DRAWS, evidence=full.evidence) if quick else full
    prepare_folder(out)
    made_of = (data_hash(sessions), settings)
    cell = ("model", "seed")
    ledgers = [
        Ledger(out / f"{name}.csv", cell, made_of) for name in ("five_terms", "five_terms_draws")
    ]
    cells = {f"{name}, seed {k}": {"model": name, "seed": k} for name in MODELS for k in SEEDS}

    def rows(model: str, seed: int) -> list[list[Any]]:
        return [found.to_dict("records") for found in sampled(model, seed, sessions, settings)]

    with progress("sampling") as report:
        fill(ledgers, cells, rows, report)
    found = ledgers[0].frame
    publish(draw(ledgers[1].frame), out, "five_terms")
    print_table(table("model, seed, term", found.set_index([*cell, "term"])))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledgers[0].provenance}")


if __name__ == "__main__":
    entry(main)
