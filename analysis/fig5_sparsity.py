"""Fig. 5: the strength of an L1 penalty, and priors that need no such sweep.

The rule x r fitted the published way with seven strengths, all in one descent: too weak a penalty
keeps spurious terms, too strong a one shrinks the true one, and the best is only known because the
truth is. Beside them the posteriors of the 54 distinct terms under a normal, a Laplace, a
Student and a horseshoe prior, whose scale is inferred with the coefficients.

    python analysis/fig5_sparsity.py [--quick] --out DIR

Three seeds; 20 minutes on one core shared with other work (--quick: one minute).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

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
from hebbax.figures import across_priors, publish, sweep
from hebbax.mehta2024 import shrinkage
from hebbax.mehta2024.behavioural import (
    DISTINCT,
    FEW,
    PUBLISHED,
    Fitted,
    merged,
    published,
    scored,
    simulated,
    taylor,
)
from hebbax.mehta2024.experiment import Experiment
from hebbax.mehta2024.pooled import recorded
from hebbax.mehta2024.scales import Family, Prior
from hebbax.mehta2024.scores import Truth
from hebbax.runs.ledger import Ledger, fill

PUBLISHED_R2 = {"Taylor, published way": {0.001: 0.732, 0.005: 0.832, 0.01: 0.816, 0.05: 0.553}}


@dataclass(frozen=True)
class Plan:
    """Sizes of the experiment."""

    families: tuple[Family, ...] = get_args(Family)
    strengths: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.005, 0.01, 0.03, 0.05)
    seeds: int = 3
    trajectories: int = 25
    held_out: int = 7
    experiment: Experiment = Experiment()  # noqa: RUF009
    epochs: int = 351
    posterior: shrinkage.Settings = shrinkage.Settings()  # noqa: RUF009


FULL = Plan()
QUICK = Plan(
    families=("student", "horseshoe"), strengths=(0.001, 0.01), seeds=1, trajectories=6,
    held_out=2, experiment=Experiment(trials_per_block=20), epochs=30, posterior=FEW,
)  # fmt: skip


def spurious(fitted: Fitted, plan: Plan) -> float:
    """Return the summed size of all coefficients but that of x r, over the 54 distinct terms."""
    theta = np.asarray(fitted.estimate)
    if fitted.pooled.rule != DISTINCT:
        theta = merged(theta, plan.experiment.rate)
    return float(np.abs(np.delete(theta, DISTINCT.terms.index("x r"))).sum())


def by_strength(seed: int, truth: Truth, plan: Plan) -> list[dict]:
    """Return the rows of all strengths."""
    data = recorded(truth.train, plan.experiment.network)
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf] * len(plan.strengths)), data)
    settings = replace(PUBLISHED, epochs=plan.epochs)
    strengths = jnp.array(plan.strengths)
    form, path = published(
        jax.random.key(seed), plan.experiment, batch, settings, mlp=False, l1=strengths
    )
    rows = []
    for strength, end in zip(plan.strengths, path[:, -1], strict=True):
        fitted = Fitted(form, end, end[None])
        row = scored("Taylor, published way", seed, truth, fitted, plan.experiment)
        rows.append(row | {"l1": strength, "spurious": spurious(fitted, plan)})
    return rows


def cell(seed: int, plan: Plan) -> list[dict]:
    """Return the rows of one seed: each strength, each prior."""
    key = jax.random.key(seed)
    sizes = {"size": plan.trajectories, "held_out": plan.held_out}
    truth = simulated(key, {"x r": 1.0}, plan.experiment, **sizes)
    data = recorded(truth.train, plan.experiment.network)
    rows = by_strength(seed, truth, plan)
    for family in plan.families:
        settings = replace(plan.posterior, prior=Prior(family))
        found, _ = taylor(key, plan.experiment, data, settings)
        row = scored(f"Taylor, {family}", seed, truth, found, plan.experiment)
        rows.append(row | {"spurious": spurious(found, plan)})
    return [{"seed": seed, **row} for row in rows]


def draw(rows: pd.DataFrame) -> Figure:
    """Return R2 of weights, the slope and the size of what is not there, by strength and prior."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    measures = {
        "r2 weights": "R² of weights",
        "slope": "slope of x r at the input rate (1 / trial)",
        "spurious": "summed size of other coefficients (1 / trial)",
    }
    names = [f"Taylor, {family}" for family in get_args(Family)]
    for ax, (measure, label) in zip(axes, measures.items(), strict=True):
        sweep(ax, rows, "l1", measure, PUBLISHED_R2 if measure == "r2 weights" else {})
        across_priors(ax, rows[rows["method"].isin(names)], measure, at=0.15)
        ax.set(xscale="log", ylabel=label)
    axes[1].axhline(1.0, color="black", linestyle="--", linewidth=1, label="truth")
    axes[0].legend(fontsize=7)
    return figure


@click.command("fig5_sparsity", help=__doc__.split("\n", 1)[0])
@quick_option
@out_option
def main(quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    prepare_folder(out)
    ledger = Ledger(out / "fig5_sparsity.csv", ("seed",), plan)
    with progress("fig5") as report:
        seeds = {f"seed {seed}": {"seed": seed} for seed in range(plan.seeds)}
        fill([ledger], seeds, lambda seed: [cell(seed, plan)], report)
    publish(draw(ledger.frame), out, "fig5_sparsity")
    wanted = ["r2 weights", "slope", "spurious", "deviance"]
    groups = ledger.frame.groupby(["method", "l1"], dropna=False)
    print_table(table("median", groups[wanted].median()))
    CONSOLE.print(ledger.provenance)


if __name__ == "__main__":
    entry(main)
