"""Fig. 8: trained on the first part of every fly, tested on the rest, single flies and hierarchies.

    python analysis/fig8_heldout.py [DATA] [--quick] --out DIR

DATA are recordings of accepted choices; without it, simulated flies. The published single-fly fits
(five terms, L1, stopped after 250 epochs) stand beside posteriors, and both beside a coin and the
posterior of the `no-learning` model. Writes fig8_heldout.csv (every fly), fig8_summary.csv and
fig8_heldout.png; the posteriors lie in DIR/fits, where fig9_forgetting.py finds them. 20 minutes a
fraction on two cores (--quick: two in all).
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
import pandas as pd

import hebbax
from hebbax.check import heldout
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, flies_argument, quick_option, recorded_or_simulated
from hebbax.data import data_hash
from hebbax.figures import held_out, publish
from hebbax.inference import pseudo_marginal
from hebbax.mehta2024 import stopped
from hebbax.posterior import diagnostics, fitting
from hebbax.runs.ledger import Ledger
from hebbax.simulation.cohort import QUICK as FEW
from hebbax.simulation.cohort import Cohort
from hebbax.typing import Progress

PUBLISHED = {0.05: -150, 0.1: -87, 0.2: -25, 0.3: -20, 0.4: -5.5, 0.5: -10, 0.6: -4.5, 0.7: -2.8,
             0.8: -0.2, 0.9: -4, 0.95: -3}  # fmt: skip
"""Median held-out deviance (percent) of 18 flies by training fraction, read off the paper."""

PAPER = "rajagopalan-forgetting"
"""Model of the published fits: five terms."""

METHODS = {
    "L1": stopped.Settings(),
    "L1 with preference": stopped.Settings(fitted=("theta", "preference")),
    "L1, 3000 epochs": stopped.Settings(epochs=3000),
}
"""Single-fly fits: as published, with an innate preference, and stopped later."""

POSTERIOR = "posterior"
WEIGHTS: tuple[heldout.Weights, ...] = ("carried", "reset")
CELL = ("method", "model", "fraction", "weights")


@dataclass(frozen=True)
class Plan:
    """What is fitted: single flies by ``methods`` at fractions ``single``, posteriors of ``models``
    at ``fractions``; ``cohort`` stands in without DATA."""

    methods: tuple[str, ...]
    single: tuple[float, ...]
    models: tuple[str, ...]
    fractions: tuple[float, ...]
    settings: pseudo_marginal.Settings
    cohort: Cohort


FULL = Plan(
    methods=tuple(METHODS),
    single=tuple(PUBLISHED),
    models=("no-learning", PAPER, "forgetting", "forgetting-habit", "rajagopalan"),
    fractions=(0.5, 0.7, 0.9, 0.3, 0.1),
    settings=pseudo_marginal.Settings(),
    cohort=Cohort(),
)

QUICK = Plan(
    methods=("L1",),
    single=(0.5,),
    models=("no-learning", "forgetting"),
    fractions=(0.5,),
    settings=pseudo_marginal.Settings(chains=2, warmup=26, draws=50, points=8, most_thinning=1),
    cohort=FEW,
)


def single_flies(
    sessions: hebbax.Sessions, method: str, fractions: tuple[float, ...]
) -> list[dict[str, Any]]:
    """Return the rows of published fits at all fractions, which are one compiled descent."""
    key, spec = jax.random.PRNGKey(0), hebbax.read_spec(PAPER)
    parts = heldout.published(key, spec, sessions, fractions, METHODS[method])
    out = []
    for fraction, (seen, values) in zip(fractions, parts, strict=True):
        for weights in WEIGHTS:
            predicted = heldout.predict_from(spec, sessions, values, seen, weights)
            cell = {"method": method, "model": PAPER, "fraction": fraction, "weights": weights}
            out += rows(cell, predicted)
    return out


def hierarchy(
    sessions: hebbax.Sessions, name: str, fraction: float, folder: Path, plan: Plan, tell: Progress
) -> list[dict[str, Any]]:
    """Return the rows of one model's posterior given one fraction, and its verdict."""
    posterior = fitting.obtain_from_first(
        sessions, fraction, hebbax.read_spec(name), folder, 0, plan.settings, tell
    )
    verdict = diagnostics.diagnose(posterior)
    out = []
    for weights in WEIGHTS:
        cell = {"method": POSTERIOR, "model": name, "fraction": fraction, "weights": weights}
        cell |= {"verdict": verdict.brief}
        without, whole = (
            heldout.predict(posterior, sessions, weights, without=groups, verdict=verdict)
            for groups in (("preference",), ())
        )
        for row, score in zip(
            rows(cell, whole),
            heldout.scores(without).table["trial by trial"],
            strict=True,
        ):
            out.append({**row, "without preference": score})
    return out


def rows(cell: dict[str, Any], predicted: heldout.Heldout) -> list[dict[str, Any]]:
    """Return one row an animal, with what the worst and the best chain alone predict."""
    found = heldout.scores(predicted).table
    alone = np.stack([heldout.scores(chain).table["trial by trial"] for chain in predicted.chains])
    order = alone[np.argsort(alone.sum(axis=1))]
    found = found.assign(**{"worst chain": order[0], "best chain": order[-1]})
    return [{**cell, **row} for row in found.reset_index().to_dict("records")]


def summary(flies: pd.DataFrame) -> pd.DataFrame:
    """Return one row a method, model, fraction and kind of weights: gains over coin and over
    `no-learning`."""
    nulls = flies[flies["model"] == "no-learning"].set_index([*CELL[2:], "animal"])[
        "trial by trial"
    ]
    out = []
    for cell, own in flies.groupby(list(CELL), sort=False):
        place = [(*cell[2:], animal) for animal in own["animal"]]
        scores = own["trial by trial"].to_numpy()
        row = dict(zip(CELL, cell, strict=True))
        row |= prefixed("coin", heldout.gain(scores, own["coin"].to_numpy()))
        if nulls.index.isin(place).any():
            row |= prefixed("no-learning", heldout.gain(scores, nulls.loc[place].to_numpy()))
        percent = heldout.gain(own["percent"].to_numpy(), np.zeros(len(own)))
        row |= {"percent": percent.median, "percent low": percent.low, "percent high": percent.high}
        for what in ("worst chain", "best chain", "without preference"):
            if what in own:
                row[f"{what} over coin"] = float((own[what] - own["coin"]).sum())
        out.append(row | {"verdict": own["verdict"].iloc[0]})
    return pd.DataFrame(out)


def prefixed(name: str, gain: heldout.Gain) -> dict[str, float]:
    """Return a gain as columns; rows have a verdict of their own."""
    numbers = gain._replace(diagnostics="")._asdict()
    del numbers["diagnostics"]
    return {f"{key.replace('_', ' ')} over {name}": value for key, value in numbers.items()}


@click.command("fig8_heldout", help=__doc__.split("\n", 1)[0])
@flies_argument
@quick_option
@out_option
def main(recordings: Path | None, quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    sessions = recorded_or_simulated(recordings, plan.cohort)
    prepare_folder(out)
    ledger = Ledger(out / "fig8_heldout.csv", CELL, (data_hash(sessions), plan.settings, METHODS))
    for method in plan.methods:
        if not ledger.done(method=method, model=PAPER, fraction=0.5, weights="carried"):
            ledger.add(single_flies(sessions, method, plan.single))
    for fraction, name in product(plan.fractions, plan.models):
        if ledger.done(method=POSTERIOR, model=name, fraction=fraction, weights="carried"):
            continue
        with progress(f"{name}, first {fraction:.0%}") as tell:
            ledger.add(hierarchy(sessions, name, fraction, out / "fits", plan, tell))
    found = summary(ledger.frame)
    ledger.write_beside(found, "fig8_summary.csv", "%.4g")
    publish(held_out(found, PUBLISHED), out, "fig8_heldout")
    shown = ["percent", "total over coin", "total over no-learning"]
    print_table(table("method, model, fraction, weights", found.set_index(list(CELL))[shown]))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledger.provenance}")


if __name__ == "__main__":
    entry(main)
