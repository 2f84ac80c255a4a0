"""Fig. 4: the coefficients of every fly, with and without w, by R - E[R] and by R.

    python analysis/fig4_flies.py [DATA] [--quick] --out DIR

DATA are recordings of accepted choices; without it, simulated flies. Point estimates as published
(every fly alone, L1, 250 epochs) on three records: the accepted choices, the same with an innate
preference, and the accept / reject record, which is not real in the public files. Beside them the
posteriors of the hierarchy. Writes fig4_flies.csv (every fly and fit), fig4_pairs.csv (paired
differences) and fig4_flies.png. 17 minutes on one core shared with other work (--quick: two).
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import spearmanr, wilcoxon

import hebbax
from hebbax.check.comparison import compare, deviances, explained
from hebbax.check.heldout import gain
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, flies_argument, quick_option, recorded_or_simulated
from hebbax.data import data_hash
from hebbax.figures import coefficients, publish
from hebbax.inference import pseudo_marginal
from hebbax.inference.density import log_likelihood_by_animal
from hebbax.mehta2024 import stopped
from hebbax.model.likelihood import chance
from hebbax.posterior import diagnostics, fitting, summary
from hebbax.runs.ledger import Ledger
from hebbax.simulation.cohort import QUICK as FEW
from hebbax.simulation.cohort import Cohort

WITH, WITHOUT = "rajagopalan-forgetting", "rajagopalan"
PUBLISHED = {"w": (-0.096, -0.052, -0.019), "x r": (0.171, 0.348, 0.706), "r": (-0.432, -0.153, 0),
             "x": (-0.014, 0.028, 0.351), "1": (-0.110, -0.003, 0.020)}  # fmt: skip
"""Quartiles of the published coefficients of 18 flies, one rule a fly."""

FLIES = Path(__file__).parent / "results" / "published_fig4.csv"
"""Published deviance explained (percent) of each fly."""

POINTS = {
    "L1": stopped.Settings(),
    "L1 with preference": stopped.Settings(fitted=("theta", "preference")),
    "L1, accept/reject": stopped.Settings(),
}
POSTERIOR = "posterior"
CELL = ("fit", "model", "reward")
PAIRS = {
    "with w, above without": ((WITH, "expected"), (WITHOUT, "expected")),
    "R - E[R], above R": ((WITH, "expected"), (WITH, "raw")),
}
ABOVE = {"with w, above without": (1.21, "17 of 18"), "R - E[R], above R": (0.56, "13 of 18")}
"""Published median difference in percent of deviance, in-sample, and animals better."""


@dataclass(frozen=True)
class Plan:
    """Models and reward signals of point estimates and posteriors, and who stands in for DATA."""

    points: tuple[tuple[str, hebbax.model.spec.RewardSignal], ...]
    posteriors: tuple[tuple[str, hebbax.model.spec.RewardSignal], ...]
    settings: pseudo_marginal.Settings
    cohort: Cohort


BOTH = ((WITH, "expected"), (WITHOUT, "expected"), (WITH, "raw"))
FULL = Plan(BOTH, (*BOTH, ("forgetting", "expected")), pseudo_marginal.Settings(), Cohort())
QUICK = Plan(
    points=BOTH,
    posteriors=(("forgetting", "expected"),),
    settings=pseudo_marginal.Settings(chains=2, warmup=26, draws=50, points=8, most_thinning=1),
    cohort=FEW,
)


def declared(name: str, reward: str) -> hebbax.ModelSpec:
    """Return a declared model with a reward signal."""
    spec = hebbax.read_spec(name)
    return spec if spec.reward == reward else replace(spec, name=f"{name}-{reward}", reward=reward)


def point(sessions: hebbax.Sessions, fit: str, name: str, reward: str) -> list[dict[str, Any]]:
    """Return the rows of one point estimate of every fly: its coefficients and its deviance."""
    likelihood = "encounter" if "reject" in fit else "choice"
    spec = replace(declared(name, reward), likelihood=likelihood)
    model = hebbax.build_model(spec, sessions)
    found, _ = stopped.fit(jax.random.PRNGKey(0), model, POINTS[fit])
    values = {group: np.asarray(value[0]) for group, value in found.items()}
    coin = np.bincount(model.index[0], chance(likelihood, model.observed, sessions.n_stimuli))
    density = np.asarray(log_likelihood_by_animal(model, values))
    columns = dict(zip(spec.terms, values["theta"].T, strict=True))
    columns["percent"] = 100 * (1 - density / coin)
    if "preference" in POINTS[fit].fitted:
        columns["preference"] = values["preference"]
    cell = {"fit": fit, "model": name, "reward": reward, "verdict": ""}
    return [
        {**cell, "animal": animal, "quantity": quantity, "value": column[a]}
        for quantity, column in columns.items()
        for a, animal in enumerate(sessions.animals)
    ]


def sampled(posterior: xr.DataTree, name: str, reward: str) -> list[dict[str, Any]]:
    """Return the rows of one posterior: every fly and the population, with 90 % intervals."""
    verdict = diagnostics.diagnose(posterior)
    cell = {"fit": POSTERIOR, "model": name, "reward": reward, "verdict": verdict.brief}
    flies = (
        summary.animal_table(posterior, verdict).rename_axis(["animal", "quantity"]).reset_index()
    )
    everyone = summary.population_table(posterior, verdict).rename_axis("quantity").reset_index()
    found = pd.concat([flies, everyone.assign(animal="population")])
    found["quantity"] = found["quantity"].str.removeprefix("theta ")
    found = found.rename(columns={"median": "value", "5 %": "low", "95 %": "high"})
    deviance = deviances(posterior)
    against_chance = explained(deviance["model"], deviance["chance"])
    percent = [
        {**cell, "animal": a, "quantity": "percent", "value": v} for a, v in against_chance.items()
    ]
    kept = found[["animal", "quantity", "value", "low", "high"]].to_dict("records")
    return [*({**cell, **row} for row in kept), *percent]


def pairs(points: pd.DataFrame, loo: pd.DataFrame) -> pd.DataFrame:
    """Return paired differences over flies: deviance of point estimates (percent, in-sample) and
    LOO of posteriors (nats; ``loo`` has a row a declared model and a column a fly)."""
    rows = []
    percent = points[(points["quantity"] == "percent") & (points["fit"] != POSTERIOR)]
    scores = percent.pivot_table("value", [*CELL], "animal")
    for name, (ours, theirs) in PAIRS.items():
        published, better = ABOVE[name]
        row = {"pair": name, "published median": published, "published better": better}
        for fit in POINTS:
            if fit in scores.index:
                one, other = scores.loc[(fit, *ours)], scores.loc[(fit, *theirs)]
                rows.append({**row, "fit": fit, "unit": "percent", **paired(one, other)})
        one, other = declared(*ours).name, declared(*theirs).name
        if {one, other} <= set(loo.index):
            found = paired(loo.loc[one], loo.loc[other])
            rows.append({**row, "fit": POSTERIOR, "unit": "nats, LOO", **found})
    return pd.DataFrame(rows)


def paired(ours: pd.Series, theirs: pd.Series) -> dict[str, float]:
    """Return a gain over flies, and p of the paired Wilcoxon test that the paper used."""
    found = gain(ours.to_numpy(), theirs.to_numpy())
    return {**found._asdict(), "of": len(ours), "Wilcoxon p": float(wilcoxon(ours, theirs).pvalue)}


def likeness(points: pd.DataFrame) -> str:
    """Return how published and found deviances of the same flies go together, in words."""
    published = pd.read_csv(FLIES).set_index("fly")["with_w_mat"]
    own = points[(points["model"] == WITH) & (points["reward"] == "expected")]
    own = own[own["quantity"] == "percent"]
    out = []
    for fit, flies in own.groupby("fit", sort=False):
        numbers = flies["animal"].str.extract(r"^Fly(\d+)$")[0]
        if numbers.notna().all():
            rho, p = spearmanr(published.loc[numbers.astype(int)], flies["value"])
            out.append(f"{fit}: {rho:.2f} (p {p:.2f})")
    return f"Rank correlation with the published deviance by fly: {', '.join(out) or 'no flies'}."


def medians(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the median over flies of each quantity of each fit, beside the published ones."""
    flies = frame[frame["animal"] != "population"]
    found = flies.pivot_table("value", list(CELL), "quantity", "median", sort=False)
    published = {term: middle for term, (_, middle, _) in PUBLISHED.items()}
    row = pd.DataFrame([published | {"percent": 7.06}], index=["published"])
    found.index = [", ".join(cell) for cell in found.index]
    return pd.concat([row, found])


@click.command("fig4_flies", help=__doc__.split("\n", 1)[0])
@flies_argument
@quick_option
@out_option
def main(recordings: Path | None, quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    sessions = recorded_or_simulated(recordings, plan.cohort)
    prepare_folder(out)
    ledger = Ledger(out / "fig4_flies.csv", CELL, (data_hash(sessions), plan.settings, POINTS))
    for fit, (name, reward) in product(POINTS, plan.points):
        recorded = "reject" not in fit or sessions.rejections is not None
        if recorded and not ledger.done(fit=fit, model=name, reward=reward):
            ledger.add(point(sessions, fit, name, reward))
    fits = out / "fits"
    fits.mkdir(exist_ok=True)
    posteriors = {}
    for name, reward in plan.posteriors:
        with progress(f"{name}, {reward}") as tell:
            spec = declared(name, reward)
            found = fitting.obtain(sessions, spec, fits, 0, plan.settings, tell)
        posteriors[spec.name] = found
        if not ledger.done(fit=POSTERIOR, model=name, reward=reward):
            ledger.add(sampled(found, name, reward))
    loo = compare(posteriors).choices.by_animal
    found = pairs(ledger.frame, loo)
    ledger.write_beside(found, "fig4_pairs.csv", "%.4g")
    publish(coefficients(ledger.frame, PUBLISHED), out, "fig4_flies")
    print_table(table("median fly", medians(ledger.frame)))
    shown = ["median", "total", "total_se", "better", "of", "Wilcoxon p"]
    print_table(table("pair", found.set_index(["pair", "fit"])[shown]))
    CONSOLE.print(likeness(ledger.frame))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledger.provenance}")


if __name__ == "__main__":
    entry(main)
