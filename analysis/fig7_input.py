"""Fig. 7: the rule x r learnt at different input rates, and why the published fit gets worse.

At rate a the terms `x r` and `x^2 r` are one, x^2 = a x: below 1 an L1 penalty pays less for the
slope through `x r`, above 1 through `x^2 r`, which nobody simulated. And the larger the rate, the
sooner the choices saturate: the last panel shows what one slope could be known to if it were the
only unknown, and what is left of that among the 54 distinct terms.

    python analysis/fig7_input.py [--quick] --out DIR

Two seeds; 27 minutes on one core shared with other work (--quick: one minute).
"""

from dataclasses import dataclass
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, quick_option
from hebbax.figures import publish, sweep
from hebbax.mehta2024 import shrinkage
from hebbax.mehta2024.behavioural import (
    DISTINCT,
    FEW,
    TAYLOR,
    merged,
    scored,
    simulated,
    three_ways,
)
from hebbax.mehta2024.experiment import Experiment
from hebbax.mehta2024.mode import curvature
from hebbax.mehta2024.pooled import Pooled, recorded
from hebbax.mehta2024.scores import Truth
from hebbax.runs.ledger import Ledger, fill

PUBLISHED_R2 = {
    "Taylor, published way": {0.25: 0.591, 0.5: 0.892, 0.75: 0.772, 1.0: 0.474, 1.25: 0.126},
    "MLP, published way": {0.25: 0.815, 0.5: 0.878, 0.75: 0.859, 1.0: 0.718, 1.25: 0.655},
}
SPLIT = ("x r", "x^2 r")
PRIOR_SCALE = 0.3
"""Prior scale of the other coefficients, among which a slope is to be told apart."""


@dataclass(frozen=True)
class Plan:
    """Sizes of the experiment."""

    rates: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.25)
    seeds: int = 2
    trajectories: int = 25
    held_out: int = 7
    trials_per_block: int = 80
    epochs: int = 351
    posterior: shrinkage.Settings = shrinkage.Settings()  # noqa: RUF009


FULL = Plan()
QUICK = Plan(
    rates=(0.75,), seeds=1, trajectories=6, held_out=2, trials_per_block=20, epochs=30,
    posterior=FEW,
)  # fmt: skip


def known_to(truth: Truth, experiment: Experiment) -> dict[str, float]:
    """Return the standard deviation of the slope of x r by the information of the recordings, if
    it were the only unknown and among the 54 distinct terms."""
    pooled = Pooled(DISTINCT, experiment.network, experiment.noise)
    data = recorded(truth.train, experiment.network)
    theta = jnp.asarray(merged(np.asarray(truth.theta), experiment.rate))
    precision = jnp.full(len(theta), PRIOR_SCALE**-2)
    information = np.asarray(curvature(pooled, data, precision, theta)[1])
    at = DISTINCT.terms.index("x r")
    return {
        "alone": information[at, at] ** -0.5,
        "among all": np.linalg.inv(information)[at, at] ** 0.5,
    }


def cells(rate: float, plan: Plan) -> list[dict]:
    """Return the rows of all seeds at one rate."""
    experiment = Experiment(rate=rate, trials_per_block=plan.trials_per_block)
    sizes = {"size": plan.trajectories, "held_out": plan.held_out}
    keys = [jax.random.key(seed) for seed in range(plan.seeds)]
    truths = [simulated(key, {"x r": 1.0}, experiment, **sizes) for key in keys]
    fits = three_ways(keys, truths, experiment, plan.epochs, plan.posterior)
    rows = []
    for seed, (truth, named) in enumerate(zip(truths, fits, strict=True)):
        own = [scored(name, seed, truth, fitted, experiment) for name, fitted in named.items()]
        by_l1 = named["Taylor, published way"].estimate
        own[0] |= {f"theta({t})": float(by_l1[TAYLOR.terms.index(t)]) for t in SPLIT}
        known = {"rate": rate, "seed": seed, **known_to(truth, experiment)}
        rows += [known | row for row in own]
    return rows


def draw(rows: pd.DataFrame) -> Figure:
    """Return R2 of weights, the slope, how L1 splits it, and what can be known."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 3.6), layout="constrained")
    sweep(axes[0], rows, "rate", "r2 weights", PUBLISHED_R2)
    axes[0].set(ylabel="R² of weights", ylim=(min(-0.1, rows["r2 weights"].min()), 1.05))
    sweep(axes[1], rows, "rate", "slope", {})
    axes[1].axhline(1.0, color="black", linestyle="--", linewidth=1)
    axes[1].set(ylabel="slope of x r at the input rate (1 / trial)")
    split = rows.dropna(subset="theta(x r)").groupby("rate")
    for term, colour in zip(SPLIT, ("#0072B2", "#D55E00"), strict=True):
        axes[2].plot(split[f"theta({term})"].median(), "o-", color=colour, markersize=4, label=term)
    axes[2].axhline(1.0, color="black", linestyle="--", linewidth=1)
    axes[2].set(ylabel="coefficient, published way (1 / trial)")
    known = rows.groupby("rate")[["alone", "among all"]].median()
    axes[3].semilogy(
        known["alone"], "o-", color="0.5", markersize=4, label="if it were the only unknown"
    )
    axes[3].semilogy(
        known["among all"], "o-", color="black", markersize=4, label="among 54 distinct terms"
    )
    axes[3].set(ylabel="s.d. of the slope of x r (1 / trial)")
    for ax in axes:
        ax.set(xlabel="input rate of a stimulus")
    for ax in axes[[0, 2, 3]]:
        ax.legend(fontsize=6)
    return figure


@click.command("fig7_input", help=__doc__.split("\n", 1)[0])
@quick_option
@out_option
def main(quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    prepare_folder(out)
    ledger = Ledger(out / "fig7_input.csv", ("rate",), plan)
    with progress("fig7") as report:
        rates = {f"rate {rate:g}": {"rate": rate} for rate in plan.rates}
        fill([ledger], rates, lambda rate: [cells(rate, plan)], report)
    publish(draw(ledger.frame), out, "fig7_input")
    wanted = ["r2 weights", "slope", "deviance", "alone", "among all"]
    print_table(table("median", ledger.frame.groupby(["method", "rate"])[wanted].median()))
    CONSOLE.print(ledger.provenance)


if __name__ == "__main__":
    entry(main)
