"""Fig. 9: the forgetting term against the part of each session that trains.

    python analysis/fig9_forgetting.py [DATA] [--quick] --out DIR

DATA are recordings of accepted choices; without it, simulated flies. Posteriors that
fig8_heldout.py left in DIR/fits are taken as they are. Writes fig9_forgetting.csv and a figure: the
coefficient of w by training fraction, and by how well the rest of each fly is predicted. The paper
gives no numbers here: it says that theta(w) is negative for well and badly predicted flies alike.
30 minutes on one core shared with other work, with six of 15 posteriors taken (--quick: one).
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import click
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

import hebbax
from hebbax.check import heldout
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, flies_argument, quick_option, recorded_or_simulated
from hebbax.data import data_hash
from hebbax.figures import model_colour, publish
from hebbax.inference import pseudo_marginal
from hebbax.mehta2024 import stopped
from hebbax.posterior import diagnostics, fitting, summary
from hebbax.runs.ledger import Ledger
from hebbax.simulation.cohort import QUICK as FEW
from hebbax.simulation.cohort import Cohort
from hebbax.typing import Progress

PAPER, POSTERIOR = "rajagopalan-forgetting", "posterior"
CELL = ("method", "model", "fraction")
HALF = 0.5
"""Training fraction at which flies are compared by how well their rest is predicted."""

EVERYONE, FORGETTING = "population", "w"


@dataclass(frozen=True)
class Plan:
    """Training fractions of single-fly fits (as published) and of the posteriors of ``models``;
    ``cohort`` stands in without DATA."""

    single: tuple[float, ...]
    models: tuple[str, ...]
    fractions: tuple[float, ...]
    settings: pseudo_marginal.Settings
    cohort: Cohort


FULL = Plan(
    single=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    models=(PAPER, "forgetting", "forgetting-habit"),
    fractions=(0.1, 0.3, 0.5, 0.7, 0.9),
    settings=pseudo_marginal.Settings(),
    cohort=Cohort(),
)

QUICK = Plan(
    single=(0.5, 0.9),
    models=("forgetting",),
    fractions=(0.5,),
    settings=pseudo_marginal.Settings(chains=2, warmup=26, draws=50, points=8, most_thinning=1),
    cohort=FEW,
)


def single_flies(sessions: hebbax.Sessions, fractions: tuple[float, ...]) -> list[dict[str, Any]]:
    """Return theta(w) of every fly by the published fit, at all fractions."""
    spec = hebbax.read_spec(PAPER)
    place = spec.terms.index(FORGETTING)
    out = []
    parts = heldout.published(jax.random.PRNGKey(0), spec, sessions, fractions, stopped.Settings())
    for fraction, (seen, values) in zip(fractions, parts, strict=True):
        rest = heldout.predict_from(spec, sessions, values, seen, "carried")
        percent = heldout.scores(rest).table["percent"]
        cell = {"method": "L1", "model": PAPER, "fraction": fraction, "verdict": ""}
        theta = values["theta"][0, 0, :, place]
        for animal, value in zip(sessions.animals, theta, strict=True):
            out.append(cell | {"animal": animal, "value": value, "percent": percent[animal]})
    return out


def hierarchy(
    sessions: hebbax.Sessions, name: str, fraction: float, folder: Path, plan: Plan, tell: Progress
) -> list[dict[str, Any]]:
    """Return theta(w) of every fly and the population, with 90 % intervals."""
    posterior = fitting.obtain_from_first(
        sessions, fraction, hebbax.read_spec(name), folder, 0, plan.settings, tell
    )
    verdict = diagnostics.diagnose(posterior)
    rest = heldout.predict(posterior, sessions, "carried", verdict=verdict)
    percent = heldout.scores(rest).table["percent"]
    cell = {"method": POSTERIOR, "model": name, "fraction": fraction, "verdict": verdict.brief}
    each, everyone = (
        summary.samples_of(posterior.posterior[name].sel(term=FORGETTING))
        for name in ("theta", "theta_population")
    )
    columns = {str(animal): each.sel(animal=animal).to_numpy() for animal in each["animal"].values}
    columns[EVERYONE] = everyone.to_numpy()
    out = []
    for animal, drawn in columns.items():
        low, middle, high = np.quantile(drawn, (0.05, 0.5, 0.95))
        row = {"animal": animal, "value": middle, "low": low, "high": high}
        below = {"below zero": float((drawn < 0).mean()), "percent": percent.get(animal, np.nan)}
        out.append(cell | row | below)
    return out


def draw(frame: pd.DataFrame) -> Figure:
    """Return theta(w) by fraction, and by how well each fly is predicted."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for k, ((method, model), own) in enumerate(frame.groupby(["method", "model"], sort=False)):
        by_fraction(left, own, method, model, k)
        half = own[(own["fraction"] == HALF) & (own["animal"] != EVERYONE)]
        style = {"color": model_colour(model), "fmt": "s" if method == "L1" else "o"}
        ends = None if method == "L1" else np.abs(half[["low", "high"]].T - half["value"])
        right.errorbar(half["percent"], half["value"], ends, markersize=4, linewidth=0.8, **style)
    for ax in (left, right):
        ax.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        ax.set_ylabel("coefficient of w")
    left.set_xlabel("trials that train (% of each fly)")
    left.legend(frameon=False, fontsize=7)
    left.set_title("hollow: chains failed their diagnostics", fontsize=9)
    right.set_xscale("symlog", linthresh=20)
    right.xaxis.set_major_locator(FixedLocator([-200, -50, -20, -10, 0, 10, 20]))
    right.xaxis.set_major_formatter("{x:g}")
    right.set_xlabel("deviance of the last half explained\nagainst a coin (%), each fly")
    right.set_title("flies, first half: posteriors with 90 % intervals, squares L1", fontsize=9)
    return figure


def by_fraction(ax: Axes, own: pd.DataFrame, method: str, model: str, k: int) -> None:
    """Draw a population's 90 % interval, hollow where chains failed, or the quartiles of single
    flies, at each fraction."""
    if method == POSTERIOR:
        everyone = own[own["animal"] == EVERYONE].set_index("fraction").sort_index()
        shown, failed = everyone[["low", "value", "high"]], everyone["verdict"] != "passed"
        label, line = f"{model}: population, 90 %", {"fmt": "o-"}
    else:
        quartiles = own.groupby("fraction")["value"].quantile([0.25, 0.5, 0.75]).unstack()
        shown, line = quartiles.set_axis(["low", "value", "high"], axis=1), {"fmt": "s:"}
        failed = pd.Series(False, index=shown.index)
        label = "L1, five terms: quartiles of flies"
    ends = np.abs(shown[["low", "high"]].to_numpy().T - shown["value"].to_numpy())
    at = 100 * shown.index.to_numpy() + 0.6 * (k - 1.5)
    ax.errorbar(at, shown["value"], ends, color=model_colour(model), label=label, **line,
                markersize=4, capsize=2, linewidth=1.2)  # fmt: skip
    ax.plot(at[failed], shown["value"][failed], "o", color="white", markersize=2.5, zorder=3)


@click.command("fig9_forgetting", help=__doc__.split("\n", 1)[0])
@flies_argument
@quick_option
@out_option
def main(recordings: Path | None, quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    sessions = recorded_or_simulated(recordings, plan.cohort)
    prepare_folder(out)
    ledger = Ledger(out / "fig9_forgetting.csv", CELL, (data_hash(sessions), plan.settings))
    if not ledger.done(method="L1", model=PAPER, fraction=plan.single[0]):
        ledger.add(single_flies(sessions, plan.single))
    for name, fraction in product(plan.models, plan.fractions):
        if ledger.done(method=POSTERIOR, model=name, fraction=fraction):
            continue
        with progress(f"{name}, first {fraction:.0%}") as tell:
            ledger.add(hierarchy(sessions, name, fraction, out / "fits", plan, tell))
    publish(draw(ledger.frame), out, "fig9_forgetting")
    everyone = ledger.frame[ledger.frame["animal"] == EVERYONE]
    shown = everyone.set_index(["model", "fraction"])[["low", "value", "high", "below zero"]]
    print_table(table("population", shown))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledger.provenance}")


if __name__ == "__main__":
    entry(main)
