"""Fig. 3: the rule x r from simulated behaviour, the published way and as posteriors.

Eighteen simulated animals with noisy inputs, seven held out, ten seeds. On inputs at 0.75 the terms
`x r` and `x^2 r` are one (x^2 = 0.75 x): recordings inform the slope theta(x r) + 0.75
theta(x^2 r) and not its parts. The L1 estimate picks a point of that valley and shrinks the slope.

    python analysis/fig3_reward.py [--quick] --out DIR

About 25 minutes on two cores with other work beside (--quick: two minutes).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from matplotlib.figure import Figure

from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, quick_option
from hebbax.figures import change_curves, interval_by_seed, publish, valley
from hebbax.mehta2024 import shrinkage, variational
from hebbax.mehta2024.behavioural import (
    FEW,
    MLP,
    PUBLISHED,
    PUBLISHED_MLP,
    TAYLOR,
    Fitted,
    by_hand,
    mlp_modes,
    mlp_variational,
    published,
    scored,
    simulated,
    taylor,
)
from hebbax.mehta2024.experiment import Experiment
from hebbax.mehta2024.function_space import Points, change, project, visited
from hebbax.mehta2024.pooled import Recorded, recorded
from hebbax.mehta2024.scores import Truth, oracle
from hebbax.posterior.diagnostics import MAX_K_HAT
from hebbax.runs.ledger import Ledger, fill

TRUTH = 1.0
PUBLISHED_SLOPE = 0.644
PUBLISHED_SCORES = {
    "Taylor, published way": {"r2 weights": 0.751, "deviance": 59.9},
    "MLP, published way": {"r2 weights": 0.855, "deviance": 63.2},
}
NAMED = ("1", "r", "w", "x", "x r", "x w", "x r w", "y", "y r")
"""Terms on which the change of a rule is projected."""


@dataclass(frozen=True)
class Plan:
    """Sizes of the experiment."""

    seeds: int = 10
    trajectories: int = 25
    held_out: int = 7
    experiment: Experiment = Experiment()  # noqa: RUF009
    epochs: int = 351
    posterior: shrinkage.Settings = shrinkage.Settings()  # noqa: RUF009
    starts: int = 3
    guide: variational.Settings = variational.Settings()  # noqa: RUF009


FULL = Plan()
QUICK = Plan(
    seeds=1,
    trajectories=6,
    held_out=2,
    experiment=Experiment(trials_per_block=20),
    epochs=30,
    posterior=FEW,
    starts=2,
    guide=variational.Settings(4, 2, weighed=50),
)


def fits(seed: int, plan: Plan, truth: Truth) -> tuple[dict[str, Fitted], dict, np.ndarray]:
    """Return the four fits by name, what is said of each beside its scores, and the path of the
    published Taylor coefficients (epoch, term)."""
    keys = jax.random.split(jax.random.key(1000 + seed), 4)
    data = recorded(truth.train, plan.experiment.network)
    batch = jax.tree.map(lambda leaf: leaf[None], data)
    own = (replace(PUBLISHED, epochs=plan.epochs), replace(PUBLISHED_MLP, epochs=plan.epochs))
    form, path = published(keys[0], plan.experiment, batch, own[0], mlp=False)
    by_l1 = Fitted(form, path[0, -1], path[0, -1:])
    mlp = by_hand(keys[1], [truth], plan.experiment, own[1], mlp=True)[0]
    posterior, sampled = taylor(keys[2], plan.experiment, data, plan.posterior)
    pooled, modes = mlp_modes(keys[3], plan.experiment, data, mlp.estimate, plan.starts)
    network, log_weights = mlp_variational(keys[3], pooled, data, modes, plan.guide)
    said = {
        "Taylor, posterior": {
            "acceptance": float(sampled.accepted.mean()),
        },
        "MLP, variational": {
            "k_hat": float(array_stats.psislw(-log_weights)[1]),
            "modes within 10 nats": float((modes.evidence > modes.evidence.max() - 10).sum()),
        },
    }
    found = {
        "Taylor, published way": by_l1,
        "Taylor, posterior": posterior,
        "MLP, published way": mlp,
        "MLP, variational": network,
    }
    return found, said, np.asarray(path[0])


def projected_slope(fitted: Fitted, data: Recorded) -> dict[str, float]:
    """Return the slope of x r of an MLP, by its projection on `NAMED` terms, with its 90 %
    interval."""
    points = visited(fitted.pooled, fitted.estimate, data)
    both = jnp.concatenate([fitted.estimate[None], fitted.draws])
    projected = project(NAMED, points, np.asarray(change(fitted.pooled.rule, both, points)))
    point, *drawn = projected[:, NAMED.index("x r")]
    low, high = np.quantile(drawn, [0.05, 0.95])
    return {"slope": float(point), "low": float(low), "high": float(high)}


def curves(found: dict[str, Fitted], plan: Plan) -> list[dict]:
    """Return the change of a weight against r, w and x, the others held at a visited value."""
    grid = {
        "r": Points(*jnp.broadcast_arrays(0.75, 0.0, 0.0, jnp.linspace(-0.9, 1.0, 25))),
        "w": _along_w(jnp.linspace(-2.0, 2.0, 25), plan.experiment.rate),
        "x": Points(*jnp.broadcast_arrays(jnp.linspace(0.0, 0.75, 25), 0.0, 0.0, 0.5)),
    }
    rows = []
    for axis, points in grid.items():
        at = np.asarray(getattr(points, axis))
        truth = np.asarray(points.x * points.r)
        rows += _curve(axis, "truth", at, np.stack([truth, truth]))
        for name, fitted in found.items():
            drawn = np.asarray(
                change(
                    fitted.pooled.rule, fitted.draws[:: max(1, len(fitted.draws) // 400)], points
                )
            )
            rows += _curve(axis, name, at, drawn)
    return rows


def _along_w(w: jax.Array, rate: float) -> Points:
    return Points(*jnp.broadcast_arrays(rate, jnp.tanh(rate * w), w, 0.5))


def _curve(axis: str, method: str, at: np.ndarray, drawn: np.ndarray) -> list[dict]:
    low, median, high = np.quantile(drawn, [0.05, 0.5, 0.95], axis=0)
    return [
        {
            "axis": axis,
            "method": method,
            "at": at[k],
            "median": median[k],
            "low": low[k],
            "high": high[k],
        }
        for k in range(len(at))
    ]


def cell(seed: int, plan: Plan) -> tuple[list[dict], list[dict], list[dict]]:
    """Return the rows of one seed: scores, function-space curves, and the path of the published
    coefficients."""
    sizes = {"size": plan.trajectories, "held_out": plan.held_out}
    truth = simulated(jax.random.key(seed), {"x r": TRUTH}, plan.experiment, **sizes)
    data = recorded(truth.train, plan.experiment.network)
    found, said, path = fits(seed, plan, truth)
    known = oracle(truth, found["Taylor, posterior"].pooled, plan.experiment)
    rows = []
    for name, fitted in found.items():
        row = {"seed": seed, **scored(name, seed, truth, fitted, plan.experiment), **known}
        if fitted.pooled.rule is MLP:
            row |= projected_slope(fitted, data)
        if fitted.pooled.rule is TAYLOR:
            row |= {
                f"theta({t})": float(fitted.estimate[TAYLOR.terms.index(t)])
                for t in ("x r", "x^2 r")
            }
        rows.append(row | said.get(name, {}))
    largest = np.argsort(-np.abs(path[-1]))[:6]
    shown = {TAYLOR.terms[j] for j in largest} | {"x r", "x^2 r"}
    paths = [
        {"seed": seed, "epoch": e + 1, "term": t, "coefficient": path[e, TAYLOR.terms.index(t)]}
        for e in range(0, len(path), 10)
        for t in sorted(shown)
    ]
    return rows, [{"seed": seed, **row} for row in curves(found, plan)], paths


def draw(scores: pd.DataFrame, changes: pd.DataFrame, paths: pd.DataFrame) -> Figure:
    """Return the slopes, the valley, the published path, and what each rule does."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    interval_by_seed(axes[0, 0], scores, TRUTH, PUBLISHED_SLOPE)
    axes[0, 0].set_title("what the recordings inform: the slope", fontsize=9)
    axes[0, 0].legend(fontsize=7, ncols=2)
    axes[0, 0].set_ylim(0.0, 1.6)
    posterior = scores[scores["method"] == "Taylor, posterior"].iloc[0]
    by_l1 = scores[scores["method"] == "Taylor, published way"]
    valley(axes[0, 1], by_l1, (posterior["low"], posterior["high"]), FULL.experiment.rate)
    axes[0, 1].set_title("what they do not: how it is split (x² = 0.75 x)", fontsize=9)
    axes[0, 1].legend(fontsize=7)
    first = paths[paths["seed"] == 0]
    for term, own in first.groupby("term"):
        label = term if term in ("x r", "x^2 r") else None
        colour = {"x r": "#0072B2", "x^2 r": "#D55E00"}.get(term, "0.75")
        axes[0, 2].plot(own["epoch"], own["coefficient"], color=colour, label=label)
    axes[0, 2].axhline(TRUTH, color="black", linestyle="--", linewidth=1)
    axes[0, 2].set(xlabel="epoch", ylabel="coefficient (1 / trial)")
    axes[0, 2].set_title("published way, seed 0; other terms grey", fontsize=9)
    axes[0, 2].legend(fontsize=7)
    named = {
        "r": "reward signal r, at x = 0.75, w = 0",
        "w": "weight w, at x = 0.75, r = 0.5",
        "x": "input x, at r = 0.5, w = 0",
    }
    for ax, (axis, label) in zip(axes[1], named.items(), strict=True):
        own = changes[(changes["axis"] == axis) & (changes["seed"] == 0)]
        change_curves(ax, own, label)
    axes[1, 0].legend(fontsize=7)
    k_hat = scores["k_hat"].dropna()
    if (k_hat > MAX_K_HAT).any():
        axes[1, 1].set_title(
            f"k-hat of the variational MLP is {k_hat.min():.1f} to {k_hat.max():.1f}: "
            "its band is no posterior", fontsize=8,
        )  # fmt: skip
    return figure


@click.command("fig3_reward", help=__doc__.split("\n", 1)[0])
@quick_option
@out_option
def main(quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    prepare_folder(out)
    names = ("fig3_reward", "fig3_change", "fig3_paths")
    ledgers = [Ledger(out / f"{name}.csv", ("seed",), plan) for name in names]
    with progress("fig3") as report:
        seeds = {f"seed {seed}": {"seed": seed} for seed in range(plan.seeds)}
        fill(ledgers, seeds, lambda seed: cell(seed, plan), report)
    publish(draw(*(ledger.frame for ledger in ledgers)), out, "fig3_reward")
    scores = ledgers[0].frame
    wanted = ["slope", "low", "high", "r2 weights", "r2 activity", "deviance", "oracle"]
    print_table(table("median over seeds", scores.groupby("method")[wanted].median()))
    for method, values in PUBLISHED_SCORES.items():
        CONSOLE.print(f"published, {method}: {values}")
    CONSOLE.print(ledgers[0].provenance)


if __name__ == "__main__":
    entry(main)
