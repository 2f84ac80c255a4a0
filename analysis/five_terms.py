"""Why the rules with the terms `1` and `r` do not sample: their posterior has several solutions.

From many starts the pilot fit (`hebbax.inference.pilot`) finds every solution of a model on the
given recordings. One row a distinct solution: its evidence in nats, below the best one, and its
population values. The figure shows them over the coefficients of two terms.

    python analysis/five_terms.py DATA [--quick] --out DIR

About two minutes for the 12 flies on two cores.
"""

import argparse
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

import hebbax
from hebbax.figures import model_colour, save, use_file_backend
from hebbax.inference import pilot
from hebbax.inference.coordinates import population, scales

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
    size = np.concatenate([np.ravel(group.scales) for group in model.groups])
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
    for ax, (name, table) in zip(axes, tables.items(), strict=True):
        across, up = AXES[name]
        weight = np.exp(table["evidence below the best"])
        ax.scatter(
            table[across], table[up], s=20 + 180 * weight, color=model_colour(name), alpha=0.6
        )
        for _, row in table.iterrows():
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


def main(args: argparse.Namespace) -> None:
    """Find, print, write and draw the solutions of each model."""
    numpyro.enable_x64()
    use_file_backend()
    sessions = hebbax.read(args.data)
    settings = pilot.Settings(starts=3 if args.quick else 24, rounds=15 if args.quick else 40)
    args.out.mkdir(parents=True, exist_ok=True)
    tables = {name: solutions(name, sessions, settings) for name in track(MODELS, "solving")}
    every = pd.concat(tables.values(), ignore_index=True)
    every.to_csv(args.out / "five_terms.csv", index=False)
    figure = draw(tables)
    figure.savefig(args.out / "five_terms.svg")
    save(figure, args.out / "five_terms.png")
    shown = Table(*every.columns)
    for row in every.itertuples(index=False):
        shown.add_row(*(v if isinstance(v, str) else f"{v:.3f}" for v in row))
    Console().print(shown)
    print(f"{sessions.source}, {sessions.n_animals} animals, {settings}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path, help="recordings, in any format hebbax reads")
    parser.add_argument("--quick", action="store_true", help="few starts")
    parser.add_argument("--out", type=Path, default=Path("results"))
    main(parser.parse_args())
