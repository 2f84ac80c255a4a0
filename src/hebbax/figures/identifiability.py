"""A picture of what an experiment can say of candidate terms."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbax.design.identifiability import FORGETTING, Identifiability
from hebbax.figures.style import OBSERVED, PALETTE, literal
from hebbax.rule.fading import percent


@literal
def identifiability(found: Identifiability) -> Figure:
    """Return the expected standard deviation of each term, and how their estimates correlate."""
    rows = len(found.terms)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.5, 2.7 + 0.28 * rows), sharey=True, layout="constrained"
    )
    deviations(left, found)
    correlations(right, found)
    figure.suptitle(
        f"{found.animals} animals, {found.choices} choices, {rows} terms that can be told apart",
        fontsize=11,
    )
    return figure


def deviations(ax: Axes, found: Identifiability) -> None:
    """Draw the expected standard deviation of each population coefficient beside its prior's."""
    table, y = found.terms, np.arange(len(found.terms))
    ax.barh(y, table["sd"], height=0.62, color=PALETTE[5], label="expected sd")
    for name, colour, marker in (
        ("sd, one rule", PALETTE[1], "D"),
        ("sd, others known", PALETTE[0], "o"),
    ):
        ax.plot(table[name], y, marker, color=colour, markersize=5, label=f"expected {name}")
    ax.plot(table["estimate"].abs(), y, "x", color=OBSERVED, markersize=6, label="|estimate|")
    ax.plot(table["prior sd"], y, "|", color="0.4", markersize=12, mew=2, label="prior sd")
    ax.set_yticks(y, list(table.index))
    ax.set_ylim(len(y) - 0.4, -0.6)
    ax.set_xlim(left=0.0)
    ax.set_xlabel(
        f"coefficient (a trial adds 1/{found.inputs} of it to a weight;\n"
        f"w below zero by 0.1: a weight loses "
        f"{percent(FORGETTING, 0.1, found.spec.rate, found.inputs):.1f} % in a trial)"
    )
    handles, labels = ax.get_legend_handles_labels()
    first = [*handles[-1:], *handles[:-1]], [*labels[-1:], *labels[:-1]]
    ax.legend(
        *first, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=7.5, frameon=False
    )


def correlations(ax: Axes, found: Identifiability) -> None:
    """Draw the correlation of the estimates of each pair of terms."""
    terms = list(found.correlation.columns)
    image = ax.imshow(
        found.correlation, cmap="RdBu_r", vmin=-1.0, vmax=1.0, aspect="auto", interpolation="none"
    )
    ax.set_xticks(range(len(terms)), terms, rotation=90)
    ax.tick_params(axis="y", left=False)
    ax.figure.colorbar(image, ax=ax, label="correlation of estimates")
