"""A picture of the same coefficients from several fits: point estimates beside posteriors."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hebbax.figures.style import OBSERVED, failed, literal, model_colour

EVERYONE = "population"
"""Name that stands for the population in the column ``animal``."""

PREFERENCE = "preference"


@literal
def coefficients(
    frame: pd.DataFrame, published: Mapping[str, tuple[float, float, float]]
) -> Figure:
    """Return one panel a term and one for the preference: every animal of each fit, their median,
    and the population's interval.

    Args:
        frame: one row a value, with columns ``fit``, ``model``, ``reward``, ``animal``,
            ``quantity`` (a term), ``value``, ``verdict`` (of a posterior's diagnostics, else
            empty), and for the population ``low`` and ``high``.
        published: quartiles of each term, drawn above the fits.
    """
    fits = [rows for _, rows in frame.groupby(["fit", "model", "reward"], sort=False)]
    panels = [*published, PREFERENCE]
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(1.75 * len(panels) + 2.6, 1.7 + 0.32 * len(fits)),
        sharey=True,
        layout="constrained",
    )
    for ax, term in zip(axes, panels, strict=True):
        if term in published:
            low, middle, high = published[term]
            ax.plot([low, high], [-1, -1], color=OBSERVED, linewidth=2)
            ax.plot(middle, -1, "|", color=OBSERVED, markersize=12, markeredgewidth=2)
        for y, rows in enumerate(fits):
            colour = model_colour(rows["model"].iloc[0])
            _one_fit(ax, y, rows[rows["quantity"] == term], colour)
        ax.set_xlabel("preference\n(log odds)" if term == PREFERENCE else f"coefficient\nof {term}")
        ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        ax.xaxis.set_major_locator(MaxNLocator(3))
    labels = ["published quartiles", *(_label(rows) for rows in fits)]
    axes[0].set_yticks(range(-1, len(fits)), labels)
    axes[0].set_ylim(len(fits) - 0.4, -1.6)
    figure.suptitle("dots: animals, | their median, black bar: population, 90 %", fontsize=10)
    return figure


def _label(rows: pd.DataFrame) -> str:
    fit, model, reward = rows[["fit", "model", "reward"]].iloc[0]
    mark = " (FAILED its diagnostics)" if failed(rows["verdict"].iloc[0]) else ""
    return f"{fit}: {model}{', raw R' if reward == 'raw' else ''}{mark}"


def _one_fit(ax: Axes, y: int, rows: pd.DataFrame, colour: str) -> None:
    """Draw one fit of one coefficient, if the fit has it."""
    animals = rows.loc[rows["animal"] != EVERYONE, "value"]
    ax.plot(animals, [y] * len(animals), "o", color=colour, markersize=3.5, alpha=0.6)
    if len(animals):
        middle = animals.median()
        ax.plot(middle, y, "|", color=colour, markersize=12, markeredgewidth=2)
    for _, row in rows[rows["animal"] == EVERYONE].iterrows():
        ax.hlines(y + 0.3, row["low"], row["high"], color=OBSERVED, linewidth=2)
