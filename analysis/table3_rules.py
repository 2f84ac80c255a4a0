"""Table 3 (and Table 1, five of its rows): 53 rules from simulated behaviour, Taylor and MLP.

The labels of the published table do not mean what they print: the released code swapped x with r
and y with w. Every rule is therefore made under both meanings, as printed and as it was simulated
(columns of analysis/published/table3.csv), by named terms. Columns: reported, reproduced (fitted
the published way), oracle (the rule itself), posterior; 18 training and 7 held-out animals a rule.

    python analysis/table3_rules.py [--quick] --out DIR

Posteriors come first (table3_posteriors.csv), a minute of a core each, and need no point estimate;
then the point estimates (table3_points.csv), half an hour a meaning (--quick: one minute in all).
Where chains are apart in some terms, these are named, and the combinations of terms that the
recordings identify are judged in their place.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, quick_option
from hebbax.figures import publish, rule_table
from hebbax.inference.convergence import convergence
from hebbax.mehta2024 import shrinkage
from hebbax.mehta2024.behavioural import (
    DISTINCT,
    FEW,
    Fitted,
    both_by_hand,
    merged,
    mlp_modes,
    scored,
    simulated,
    taylor,
)
from hebbax.mehta2024.experiment import Experiment
from hebbax.mehta2024.identified import combinations, named
from hebbax.mehta2024.pooled import recorded
from hebbax.mehta2024.scores import Truth, oracle
from hebbax.mehta2024.shrinkage import Posterior
from hebbax.posterior.diagnostics import MAX_R_HAT
from hebbax.rule.taylor import parse_rule
from hebbax.runs.ledger import Ledger

PUBLISHED_TABLE = Path(__file__).parent / "published" / "table3.csv"
TABLE_1 = (11, 40, 20, 23, 1)
WITHIN = 3.0
"""Points of deviance within which a fit reaches the rule itself."""
SLACK = 0.02
"""How far R2 of weights may stay below the reported one."""


@dataclass(frozen=True)
class Plan:
    """Sizes of the experiment."""

    rows: int = 53
    trajectories: int = 25
    held_out: int = 7
    experiment: Experiment = field(default_factory=Experiment)
    epochs: int = 351
    posterior: shrinkage.Settings | None = field(default_factory=shrinkage.Settings)


FULL = Plan()
QUICK = Plan(
    rows=2,
    trajectories=6,
    held_out=2,
    experiment=Experiment(trials_per_block=20),
    epochs=30,
    posterior=FEW,
)


def covered(fitted: Fitted, truth: Truth, plan: Plan) -> dict:
    """Return how many of the rule's own terms lie in their 90 % intervals, and of the others how
    many intervals hold zero."""
    low, high = np.quantile(np.asarray(fitted.draws), [0.05, 0.95], axis=0)
    true = merged(np.asarray(truth.theta), plan.experiment.rate)
    inside, own = (low <= true) & (true <= high), true != 0
    return {
        "terms": own.sum(), "covered": inside[own].sum(), "zeros covered": inside[~own].mean(),
        "fitted": " ".join(
            f"{fitted.estimate[j]:+.3f} {DISTINCT.terms[j]};"
            for j in np.argsort(-np.abs(np.asarray(fitted.estimate)))[:4]
        ),
    }  # fmt: skip


def coordinates(sampled: Posterior) -> dict:
    """Return the terms whose chains are apart, how many combinations of terms are identified, the
    worst R-hat and least effective size of these, and the names of the best known."""
    theta = np.asarray(sampled.theta)
    apart = [convergence(theta[..., [j]])["r_hat"] > MAX_R_HAT for j in range(theta.shape[-1])]
    found = combinations(np.asarray(sampled.information), float(np.median(sampled.tau)))
    of_found = convergence(theta @ found.T) if len(found) else {}
    return {
        "apart": "; ".join(np.array(DISTINCT.terms)[apart]),
        "identified": len(found),
        "combinations": "; ".join(named(DISTINCT.terms, one) for one in found[:4]),
        **{f"identified {name}": value for name, value in of_found.items()},
    }


def posterior_row(seed: int, truth: Truth, plan: Plan) -> dict:
    """Return the row of the posterior of one rule: its scores, whether its chains met, and the
    deviance of the rule itself."""
    experiment = plan.experiment
    data = recorded(truth.train, experiment.network)
    fitted, sampled = taylor(jax.random.key(100 + seed), experiment, data, plan.posterior)
    said = covered(fitted, truth, plan) | coordinates(sampled) | {
        "draws": sampled.tau.size, "accepted": float(sampled.accepted.mean()),
    }  # fmt: skip
    known = oracle(truth, fitted.pooled, experiment)
    return scored("Taylor, posterior", seed, truth, fitted, experiment) | known | said


def point_rows(
    seed: int, truth: Truth, taylor_fit: Fitted, mlp_fit: Fitted, plan: Plan
) -> list[dict]:
    """Return the rows of the point estimates of a rule: the published ones, the mode of an MLP."""
    experiment = plan.experiment
    data = recorded(truth.train, experiment.network)
    form, found = mlp_modes(jax.random.key(200 + seed), experiment, data, mlp_fit.estimate, 1)
    fits = {
        "Taylor, published way": taylor_fit,
        "MLP, published way": mlp_fit,
        "MLP, MAP": Fitted(form, found.mean[0], found.mean),
    }
    return [scored(name, seed, truth, fitted, experiment) for name, fitted in fits.items()]


def summary(cells: pd.DataFrame, meaning: str) -> pd.DataFrame:
    """Return one row a published row: reported, reproduced, oracle and posterior, seeds averaged,
    and whether the Taylor posterior reaches what is asked of it."""
    reported = pd.read_csv(PUBLISHED_TABLE, comment="#").rename(columns={meaning: "rule"})
    own = cells[cells["meaning"] == meaning]
    out = reported[["row", "rule"]].copy()
    for kind in ("Taylor", "MLP"):
        for measure in ("r2 weights", "r2 activity", "deviance"):
            out[f"{kind} {measure} reported"] = reported[f"{kind.lower()} {measure}"]
            best = "posterior" if kind == "Taylor" else "MAP"
            for way, name in (("published way", "reproduced"), (best, best)):
                values = own[own["method"] == f"{kind}, {way}"].groupby("rule")[measure].mean()
                out[f"{kind} {measure} {name}"] = reported["rule"].map(values)
    out["deviance oracle"] = reported["rule"].map(own.groupby("rule")["oracle"].mean())
    gap = out["deviance oracle"] - out["Taylor deviance posterior"]
    enough = out["Taylor r2 weights posterior"] >= out["Taylor r2 weights reported"] - SLACK
    out["reached"] = (gap.abs() <= WITHIN) & enough
    return out.dropna(subset="deviance oracle")


def draw(found: pd.DataFrame) -> Figure:
    """Return deviance and R2 of weights of every row: reported, reproduced, oracle, posterior."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 9), sharey=True, layout="constrained")
    columns = [
        (kind, measure) for kind in ("Taylor", "MLP") for measure in ("deviance", "r2 weights")
    ]
    for ax, (kind, measure) in zip(axes, columns, strict=True):
        rule_table(ax, found, kind, measure)
    axes[0].set_yticks(
        range(len(found)),
        [f"{row}: {rule}" for row, rule in zip(found["row"], found["rule"], strict=True)],
        fontsize=6,
    )
    axes[0].invert_yaxis()
    figure.legend(
        *axes[0].get_legend_handles_labels(), fontsize=8, ncols=4, loc="outside lower center"
    )
    return figure


def posteriors(ledger: Ledger, names: list[dict], plan: Plan) -> None:
    """Add the posteriors of the rules that the ledger does not have."""
    with progress("table 3, posteriors") as report:
        for k, name in enumerate(names):
            report(f"{name['meaning']}, seed {name['seed']}: {name['rule']}", k, len(names))
            if not ledger.done(**name):
                ledger.add([name | posterior_row(name["seed"], truth_of(name, plan), plan)])


def points(ledger: Ledger, names: list[dict], plan: Plan) -> None:
    """Add the point estimates of rules, of one meaning and seed, unless the ledger has them all."""
    if all(ledger.done(**name) for name in names):
        return
    seed = names[0]["seed"]
    with progress("table 3, point estimates") as report:
        report(f"{names[0]['meaning']}, seed {seed}: published fits", 0, len(names))
        known = [truth_of(name, plan) for name in names]
        fits = both_by_hand(jax.random.key(seed), known, plan.experiment, plan.epochs)
        for k, name in enumerate(names):
            if not ledger.done(**name):
                rows = point_rows(seed, known[k], fits[0][k], fits[1][k], plan)
                ledger.add([name | row for row in rows])
            report(f"seed {seed}", k + 1, len(names))


def truth_of(name: dict, plan: Plan) -> Truth:
    """Return the simulated animals of one rule."""
    sizes = {"size": plan.trajectories, "held_out": plan.held_out}
    return simulated(
        jax.random.key(name["seed"]), parse_rule(name["rule"]), plan.experiment, **sizes
    )


@click.command("table3_rules", help=__doc__.split("\n", 1)[0])
@click.option("--seeds", default=1, help="seeds of the simulated meaning; the printed one has one")
@quick_option
@out_option
def main(seeds: int, quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    prepare_folder(out)
    listed = pd.read_csv(PUBLISHED_TABLE, comment="#").head(plan.rows)
    keys = ("meaning", "seed", "rule")
    ledger = Ledger(out / "table3_posteriors.csv", keys, replace(plan, epochs=0))
    others = Ledger(out / "table3_points.csv", keys, replace(plan, posterior=None))
    groups = [
        [{"meaning": meaning, "seed": seed, "rule": rule} for rule in sorted(set(listed[meaning]))]
        for meaning, size in (("simulated", seeds), ("printed", 0 if quick else 1))
        for seed in range(size)
    ]
    # Posteriors first: they need no point estimate, and are redone alone where a sampler changes.
    for names in groups:
        posteriors(ledger, names, plan)
    told = ledger.frame.drop_duplicates(["meaning", "rule"]).groupby("meaning")["r_hat"]
    CONSOLE.print(told.agg(passed=lambda r_hat: (r_hat <= MAX_R_HAT).sum(), of="size"))
    for names in groups:
        points(others, names, plan)
    for meaning in sorted(set(ledger.frame["meaning"])):
        found = summary(pd.concat([ledger.frame, others.frame]), meaning)
        ledger.write_beside(found, f"table3_{meaning}.csv", "%.3f")
        publish(draw(found), out, f"table3_{meaning}")
        CONSOLE.print(f"{meaning}: {found['reached'].sum()} of {len(found)} rows reached")
        wanted = ["deviance oracle", *(c for c in found if c.startswith("Taylor deviance"))]
        print_table(table("row", found[found["row"].isin(TABLE_1)].set_index("row")[wanted]))
    CONSOLE.print(ledger.provenance)


if __name__ == "__main__":
    entry(main)
