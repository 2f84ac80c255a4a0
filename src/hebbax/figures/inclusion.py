"""Pictures of which terms are in a rule."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbax.figures.style import PALETTE, grey_numbers, literal
from hebbax.terms.inclusion import Inclusion
from hebbax.terms.projection import Projection
from hebbax.terms.readout import pair_table

BLUE, ORANGE = PALETTE[:2]


@literal
def inclusion(weighed: Inclusion) -> Figure:
    """Return the probability of each term, with its sensitivity, and of each pair."""
    n = len(weighed.terms)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.5, 2.0 + 0.34 * n), layout="constrained", width_ratios=(1.1, 1.0)
    )
    probabilities(left, weighed)
    pairs(right, weighed)
    # Below the panels: below an axis it would lie on its label where there are few terms.
    figure.legend(loc="outside lower left", fontsize=7, ncols=3, frameon=False)
    return figure


def probabilities(ax: Axes, weighed: Inclusion) -> None:
    """Draw the probability of each term: black as asked, colours under other priors."""
    settings, rows = weighed.settings, np.arange(len(weighed.terms))
    ax.axvspan(settings.absent, settings.present, color="0.93", zorder=0)
    middle = 0.5 * (settings.absent + settings.present)
    ax.text(middle, -0.75, "the data cannot tell", ha="center", va="center", fontsize=8)
    for ((changed, value), weights), mark in zip(
        weighed.under_other_priors().items(), itertools.cycle("<>v^sdp*"), strict=False
    ):
        alone = f"effect {value:g} alone"
        label = alone if changed == "effect" else f"prior probability {value:g}"
        colour = ORANGE if changed == "effect" else BLUE
        values = weighed.probability(weights)
        ax.plot(values, rows, mark, color=colour, markersize=5, label=label, alpha=0.85)
    asked = f"as asked (prior probability {settings.inclusion:g})"
    ax.plot(weighed.probability(), rows, "o", color="black", markersize=6, label=asked)
    ax.set_yticks(rows, weighed.terms)
    ax.set_ylim(len(rows) - 0.5, -1.2)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel("posterior probability that the term is in")


def pairs(ax: Axes, weighed: Inclusion) -> None:
    """Draw the probability that at least one of two terms is in, as numbers on a grey scale."""
    values = pair_table(weighed).to_numpy()
    grey_numbers(ax, values, [[f"{value:.2f}" for value in row] for row in values])
    ax.set_xticks(range(len(values)), weighed.terms, rotation=60, ha="right")
    ax.set_yticks(range(len(values)), weighed.terms)
    ax.set_title("probability that at least one of two is in", fontsize=9)


@literal
def variants(said: pd.DataFrame) -> Figure:
    """Return the probability of each statement (row) under each variant (column), below it the
    least and the most under other priors; ``said`` has the columns ``variant``, ``statement``,
    ``P(in)``, ``lowest`` and ``highest``."""
    shown, low, high = (_by_variant(said, c) for c in ("P(in)", "lowest", "highest"))
    values = shown.to_numpy()
    rows, columns = values.shape
    figure, ax = plt.subplots(
        figsize=(3.0 + 0.95 * columns, 1.2 + 0.42 * rows), layout="constrained"
    )
    cells = np.stack([values, low.to_numpy(), high.to_numpy()], axis=-1)
    texts = [
        [
            f"{asked:.2f}\n{least:.2f} – {most:.2f}" if np.isfinite(asked) else "no candidate"
            for asked, least, most in row
        ]
        for row in cells
    ]
    grey_numbers(ax, values, texts)
    ax.set_aspect("auto")
    ax.set_xticks(range(columns), shown.columns, rotation=30, ha="right")
    ax.set_yticks(range(rows), shown.index)
    ax.set_title("posterior probability of being in the rule", fontsize=9)
    return figure


def _by_variant(said: pd.DataFrame, column: str) -> pd.DataFrame:
    wide = said.pivot(index="statement", columns="variant", values=column)
    return wide.loc[said["statement"].unique(), said["variant"].unique()]


@literal
def projection(projected: Projection) -> Figure:
    """Return what each added term brings: divergence from all candidates, and the log score."""
    table, n = projected.table, len(projected.table)
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(1.8 + 0.55 * n, 4.6), sharex=True, layout="constrained"
    )
    upper.plot(table["divergence"], "o-", color=BLUE)
    upper.set_ylabel("divergence from\nall candidates (nats)")
    upper.set_ylim(bottom=0.0)
    lower.errorbar(range(n), table["log score"], yerr=table["SE"], fmt="o-", color=BLUE, capsize=2)
    lower.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    lower.set_ylabel("log score above\nall candidates (nats)")
    labels = ["none", *(f"+ {term}" for term in projected.terms)]
    lower.set_xticks(range(n), labels, rotation=45, ha="right")
    lower.set_xlabel("terms, in the order they are added")
    for ax in (upper, lower):
        ax.axvline(len(projected.smallest), color=ORANGE, linewidth=1.2, label="smallest as good")
    upper.legend(fontsize=8, frameon=False)
    return figure
