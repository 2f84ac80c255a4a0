"""Table 2: the rule x r from ever longer trajectories, and from ever larger networks.

Trajectories of 30 to 1920 trials with 10 hidden units, and 10 to 1000 hidden units with 240 trials.
The published values of this table are not available; scores, error of the slope, time and memory
are found values only. A fit does not see single hidden units (all start alike, one stands for
them), so that its cost does not grow with their number; simulating and scoring do.

    python analysis/table2_scale.py [--quick] --out DIR

One seed; 29 minutes on one core, other work on the other (--quick: one minute). Of the posterior
at 960 trials the chains do not meet; it is ringed in the figure.
"""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import click
import jax
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, quick_option
from hebbax.figures import publish, sweep
from hebbax.mehta2024 import shrinkage
from hebbax.mehta2024.behavioural import FEW, Fitted, scored, simulated, three_ways
from hebbax.mehta2024.experiment import Experiment
from hebbax.mehta2024.pooled import Recorded, log_likelihood, recorded
from hebbax.runs.ledger import Ledger, fill

BLOCKS = len(Experiment().reward_probability)
ROUNDS = 5
"""Gradients timed; the median counts."""


@dataclass(frozen=True)
class Plan:
    """Sizes of the experiment; lengths are in trials."""

    lengths: tuple[int, ...] = (30, 60, 120, 240, 480, 960, 1920)
    hidden: tuple[int, ...] = (10, 100, 1000)
    length: int = 240
    seeds: int = 1
    trajectories: int = 25
    held_out: int = 7
    epochs: int = 351
    posterior: shrinkage.Settings = shrinkage.Settings()  # noqa: RUF009


FULL = Plan()
QUICK = Plan(
    lengths=(60,), hidden=(20,), length=60, seeds=1, trajectories=6, held_out=2, epochs=30,
    posterior=FEW,
)  # fmt: skip


def cost(fitted: Fitted, data: Recorded) -> dict[str, float]:
    """Return time (ms) and temporary memory (MB) of one gradient over all training trajectories."""
    form, theta = fitted.pooled, fitted.estimate
    program = jax.jit(
        jax.grad(lambda theta, data: log_likelihood(form, theta, data).sum())
    ).lower(theta, data).compile()  # fmt: skip
    times = []
    for _ in range(ROUNDS + 1):
        begun = perf_counter()
        jax.block_until_ready(program(theta, data))
        times.append(perf_counter() - begun)
    analysis = program.memory_analysis()
    return {
        "gradient (ms)": 1e3 * sorted(times[1:])[ROUNDS // 2],
        "memory (MB)": analysis.temp_size_in_bytes / 1e6,
    }


def cells(length: int, hidden: int, plan: Plan) -> list[dict]:
    """Return the rows of all seeds at one size."""
    experiment = Experiment(trials_per_block=length // BLOCKS, hidden_units=hidden)
    keys = [jax.random.key(seed) for seed in range(plan.seeds)]
    sizes = {"size": plan.trajectories, "held_out": plan.held_out}
    truths = [simulated(key, {"x r": 1.0}, experiment, **sizes) for key in keys]
    fits = three_ways(keys, truths, experiment, plan.epochs, plan.posterior)
    rows = []
    for seed, (truth, named) in enumerate(zip(truths, fits, strict=True)):
        data = recorded(truth.train, experiment.network)
        at = {"trials": length, "hidden": hidden, "seed": seed}
        rows += [
            at | scored(name, seed, truth, fitted, experiment) | cost(fitted, data)
            for name, fitted in named.items()
        ]
    return rows


def draw(rows: pd.DataFrame, plan: Plan) -> Figure:
    """Return scores and costs against the trials (above) and against the hidden units (below)."""
    figure, axes = plt.subplots(2, 4, figsize=(14, 6.5), layout="constrained")
    parts = {
        "trials": rows[rows["hidden"] == rows["hidden"].min()],
        "hidden": rows[rows["trials"] == plan.length],
    }
    measures = {
        "r2 weights": "R² of weights",
        "slope error": "|slope of x r - 1| (1 / trial)",
        "gradient (ms)": "one gradient (ms)",
        "memory (MB)": "temporary memory of it (MB)",
    }
    labels = {"trials": "trials of a trajectory", "hidden": "hidden units"}
    for line, (along, part) in zip(axes, parts.items(), strict=True):
        for ax, (measure, label) in zip(line, measures.items(), strict=True):
            sweep(ax, part, along, measure, {})
            ax.set(xscale="log", xlabel=labels[along], ylabel=label)
            if measure != "r2 weights":
                ax.set_yscale("log")
    axes[0, 0].legend(fontsize=7)
    return figure


@click.command("table2_scale", help=__doc__.split("\n", 1)[0])
@quick_option
@out_option
def main(quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    prepare_folder(out)
    ledger = Ledger(out / "table2_scale.csv", ("trials", "hidden"), plan)
    base = Experiment().hidden_units
    sizes = [(length, base) for length in plan.lengths]
    sizes += [(plan.length, hidden) for hidden in plan.hidden if hidden != base]
    with progress("table 2") as report:
        named = {
            f"{length} trials, {hidden} units": {"trials": length, "hidden": hidden}
            for length, hidden in sizes
        }
        fill([ledger], named, lambda trials, hidden: [cells(trials, hidden, plan)], report)
    found = ledger.frame.assign(**{"slope error": (ledger.frame["slope"] - 1.0).abs()})
    publish(draw(found, plan), out, "table2_scale")
    wanted = ["r2 weights", "slope error", "deviance", "gradient (ms)", "memory (MB)"]
    print_table(table("median", found.groupby(["method", "trials", "hidden"])[wanted].median()))
    CONSOLE.print(ledger.provenance)


if __name__ == "__main__":
    entry(main)
