"""Why the rules with the terms `1` and `r` do not sample: their posterior has several solutions.

From many starts the pilot fit (`hebbax.inference.pilot`) finds every solution of a model on the
given recordings. One row a distinct solution: its evidence in nats, below the best one, and its
population values. The figure shows them over the coefficients of two terms.

    python analysis/five_terms.py [DATA] [--quick] --out DIR

DATA are recordings of accepted choices; without it, simulated flies. About two minutes for the 12
flies on two cores.
"""

from pathlib import Path

import click
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import hebbax
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import flies_argument, out_option, prepare_folder
from hebbax.cli.script import entry, quick_option, recorded_or_simulated
from hebbax.figures import model_colour, publish
from hebbax.inference import pilot
from hebbax.inference.coordinates import population, scales
from hebbax.ledger import Ledger, fill
from hebbax.simulation import QUICK as FEW
from hebbax.simulation import Cohort

MODELS = ("forgetting", "rajagopalan", "rajagopalan-forgetting")
AXES = {"forgetting": ("x r", "w"), "rajagopalan": ("r", "1"), "rajagopalan-forgetting": ("r", "w")}
"""Terms of each model whose coefficients its panel shows, across and up."""

SAME = 1.0
"""Solutions whose evidence differs by less, and whose population values agree to a fifth of their
prior scales, are one."""


def solutions(name: str, sessions: hebbax.Sessions, settings: pilot.Settings) -> pd.DataFrame:
    """Return one row a distinct solution of a declared model, best first."""
    model = hebbax.build_model(hebbax.read_spec(name), sessions)
    found = pilot.fit(jax.random.PRNGKey(0), model, settings)
    members = [*model.spec.terms, "preference"]
    size = model.scales
    rows: list[dict[str, float | str]] = []
    kept: list[np.ndarray] = []
    for k, evidence in enumerate(np.asarray(found.evidence)):
        one = jax.tree.map(lambda leaf, k=k: leaf[k], found)
        spread, prior = scales(model, one.hyper)
        mean = np.asarray(population(spread, prior, one.factors)[0])
        known = any(np.abs((mean - other) / size).max() < 0.2 for other in kept)
        if not np.isfinite(evidence) or known:
            continue
        kept.append(mean)
        below = float(evidence) - float(found.evidence[0])
        values = dict(zip(members, map(float, mean), strict=True))
        rows.append({"model": name, "evidence below the best": below, **values})
    return pd.DataFrame(rows)


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Return one panel a model: its solutions over two coefficients, larger where likelier."""
    figure, axes = plt.subplots(1, len(tables), figsize=(10, 3.4), layout="constrained")
    for ax, (name, found) in zip(axes, tables.items(), strict=True):
        across, up = AXES[name]
        weight = np.exp(found["evidence below the best"])
        ax.scatter(
            found[across], found[up], s=20 + 180 * weight, color=model_colour(name), alpha=0.6
        )
        for _, row in found.iterrows():
            label = f"{row['evidence below the best']:.1f}"
            ax.annotate(label, (row[across], row[up]), fontsize=7, xytext=(6, 4),
                        textcoords="offset points")  # fmt: skip
        ax.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        ax.set_xlabel(f"population coefficient of {across} (1 / trial)")
        ax.set_ylabel(f"population coefficient of {up} (1 / trial)")
        ax.set_title(f"{name}\nevidence below the best solution (nats)", fontsize=9)
        ax.margins(0.25)
    return figure


@click.command("five_terms", help=__doc__.split("\n", 1)[0])
@flies_argument
@quick_option
@out_option
def main(recordings: Path | None, quick: bool, out: Path) -> None:
    sessions = recorded_or_simulated(recordings, FEW if quick else Cohort())
    settings = pilot.Settings(starts=3 if quick else 24, rounds=15 if quick else 40)
    prepare_folder(out)
    ledger = Ledger(out / "five_terms.csv", ("model",), (sessions.source, settings))
    with progress("solving") as report:
        fill(
            [ledger],
            {name: {"model": name} for name in MODELS},
            lambda model: [solutions(model, sessions, settings).to_dict("records")],
            report,
        )
    found = ledger.frame
    publish(draw({name: found[found["model"] == name] for name in MODELS}), out, "five_terms")
    CONSOLE.print(table("model", found.set_index("model")))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledger.provenance}")


if __name__ == "__main__":
    entry(main)
