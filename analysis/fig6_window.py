"""Fig. 6: how many rewards E[R] averages, given to the fit as published, and inferred.

The rule x r with windows of 5, 10 and 20 rewards. The published fits are told the window. Beside
them, the evidence of the recordings for each window, and for an exponential average at each rate
(E <- E + rate (R - E)), with a rule of four named terms refitted for each: a posterior over what
nobody needs to fix beforehand.

    python analysis/fig6_window.py [--quick] --out DIR

Three seeds: one and a half minutes on two shared cores (--quick: a quarter of a minute).
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
from hebbax.mehta2024 import mode as climb
from hebbax.mehta2024.behavioural import both_by_hand, scored, simulated
from hebbax.mehta2024.experiment import Experiment
from hebbax.mehta2024.pooled import Pooled, recorded
from hebbax.mehta2024.scores import Truth
from hebbax.rule.reward import expected_reward, exponential_reward
from hebbax.rule.taylor import TaylorRule, coefficients
from hebbax.runs.ledger import Ledger, fill

PUBLISHED_R2 = {
    "Taylor, published way": {5: 0.870, 10: 0.772, 20: 0.564},
    "MLP, published way": {5: 0.863, 10: 0.858, 20: 0.690},
}
RULE = TaylorRule(("x r", "w", "x", "r"))
PRIOR_SCALE = 0.5
"""Prior scale of each of the four coefficients."""


@dataclass(frozen=True)
class Plan:
    """Sizes of the experiment; ``candidates`` are the windows, ``rates`` the exponential rates
    whose evidence is computed."""

    windows: tuple[int, ...] = (5, 10, 20)
    candidates: tuple[int, ...] = (*range(1, 16), 17, 20, 23, 26, 30, 40)
    rates: tuple[float, ...] = (0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.3, 0.4, 0.6, 0.8)
    seeds: int = 3
    trajectories: int = 25
    held_out: int = 7
    trials_per_block: int = 80
    epochs: int = 351


FULL = Plan()
QUICK = Plan((5,), (2, 5, 10), (0.1, 0.3), 1, 6, 2, 20, 30)


def evidence(truth: Truth, experiment: Experiment, plan: Plan) -> list[dict]:
    """Return the log evidence in nats of each window and each exponential rate."""
    rewards = np.asarray(truth.train.rewards)
    candidates = {("window", k): moving_average(rewards, k) for k in plan.candidates}
    candidates |= {("rate", a): exponential_reward(rewards, a) for a in plan.rates}
    signals = jnp.asarray(np.stack([rewards - mean for mean in candidates.values()]))
    form = Pooled(RULE, experiment.network, experiment.noise)
    data = recorded(truth.train, experiment.network)
    start = jnp.asarray(coefficients(RULE.terms, {"x r": 0.5}))
    precision = jnp.full(len(start), PRIOR_SCALE**-2)
    found = jax.lax.map(lambda r: climb.fit(form, data._replace(r=r), precision, start), signals)
    names = zip(candidates, np.asarray(found.evidence), np.asarray(found.mean), strict=True)
    return [
        {"kind": kind, "value": value, "evidence": e, "x r at it": mean[0]}
        for (kind, value), e, mean in names
    ]


def moving_average(rewards: np.ndarray, window: int) -> np.ndarray:
    """Return E[R] of each trajectory ``(trajectory, trial)``."""
    return np.stack([expected_reward(own, window) for own in rewards])


def cells(window: int, plan: Plan) -> tuple[list[dict], list[dict]]:
    """Return the published scores and the evidence of all seeds at one window."""
    experiment = Experiment(window=window, trials_per_block=plan.trials_per_block)
    keys = [jax.random.key(seed) for seed in range(plan.seeds)]
    sizes = {"size": plan.trajectories, "held_out": plan.held_out}
    truths = [simulated(key, {"x r": 1.0}, experiment, **sizes) for key in keys]
    scores, curves = [], []
    both = both_by_hand(keys[0], truths, experiment, plan.epochs)
    for name, fits in zip(("Taylor", "MLP"), both, strict=True):
        scores += [
            {"window": window, "seed": k}
            | scored(f"{name}, published way", k, truth, fits[k], experiment)
            for k, truth in enumerate(truths)
        ]
    for k, truth in enumerate(truths):
        known = {"window": window, "seed": k}
        curves += [known | row for row in evidence(truth, experiment, plan)]
    return scores, curves


def posterior(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the share of each window or rate among all of its simulated window and seed."""
    own = curves.groupby(["window", "seed"])["evidence"]
    weight = np.exp(curves["evidence"] - own.transform("max"))
    total = weight.groupby([curves["window"], curves["seed"]]).transform("sum")
    return curves.assign(share=weight / total)


def draw(scores: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Return R2 of weights by window, and the evidence of windows and of rates."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    sweep(axes[0], scores, "window", "r2 weights", PUBLISHED_R2)
    axes[0].set(xlabel="window of E[R], simulated and told (trials)", ylabel="R² of weights")
    axes[0].legend(fontsize=7)
    best = curves.groupby(["window", "seed"])["evidence"].transform("max")
    lost = curves.assign(lost=curves["evidence"] - best)
    colours = dict(zip(FULL.windows, ("#0072B2", "#D55E00", "#009E73"), strict=True))
    for (window, seed), own in lost.groupby(["window", "seed"]):
        for ax, kind in zip(axes[1:], ("window", "rate"), strict=True):
            line = own[own["kind"] == kind].sort_values("value")
            label = f"simulated with {window}" if seed == 0 else None
            ax.plot(line["value"], line["lost"], ".-", color=colours[window], label=label)
    for window, colour in colours.items():
        axes[1].axvline(window, color=colour, linestyle=":", linewidth=1)
        axes[2].axvline(2 / (window + 1), color=colour, linestyle=":", linewidth=1)
    axes[1].set(xlabel="window of E[R] in the fit (trials)")
    axes[2].set(xlabel="exponential rate of E[R] in the fit (1 / trial)")
    for ax in axes[1:]:
        ax.set(ylabel="log evidence below the best (nats)", ylim=(-60, 3))
    axes[1].legend(fontsize=7)
    return figure


@click.command("fig6_window", help=__doc__.split("\n", 1)[0])
@quick_option
@out_option
def main(quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    prepare_folder(out)
    names = ("fig6_window", "fig6_evidence")
    ledgers = [Ledger(out / f"{name}.csv", ("window",), plan) for name in names]
    with progress("fig6") as report:
        windows = {f"window {window}": {"window": window} for window in plan.windows}
        fill(ledgers, windows, lambda window: cells(window, plan), report)
    scores, curves = (ledger.frame for ledger in ledgers)
    publish(draw(scores, curves), out, "fig6_window")
    shares = posterior(curves).sort_values("share", ascending=False)
    best = shares.groupby(["window", "seed"]).head(1).set_index(["window", "seed"])
    print_table(table("best supported", best[["kind", "value", "share", "x r at it"]]))
    middle = scores.groupby(["method", "window"])[["r2 weights", "deviance"]].median()
    print_table(table("median", middle))
    CONSOLE.print(ledgers[0].provenance)


if __name__ == "__main__":
    entry(main)
