"""A picture of held-out choices by the fraction of trials that trained."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from hebbax.figures.style import OBSERVED, failed, literal, model_colour

LINEAR = 20.0
"""Percent of deviance up to which the axis is linear; single fits reach minus hundreds."""

TICKS = (-1000, -200, -100, -50, -20, -10, 0, 10, 20)

POINTS = (
    {"fmt": "s:", "color": "#8C6D31"},
    {"fmt": "^:", "color": "#CC79A7"},
    {"fmt": "x:", "color": "#009E73"},
    {"fmt": "v:", "color": "#56B4E9"},
)
"""Marker, line and colour of point estimates, in turn; posteriors have round markers."""


@literal
def held_out(table: pd.DataFrame, published: Mapping[float, float]) -> Figure:
    """Return two panels for each kind of weights: the deviance against a coin in the median animal
    with its 90 % interval, and nats above the model `no-learning` in all animals with their SE.

    Args:
        table: one row a ``method``, ``model``, ``fraction`` and kind of ``weights``, with the
            columns ``percent``, ``percent low``, ``percent high``, ``verdict`` (empty for a point
            estimate), and for posteriors ``total over no-learning`` and ``total se over
            no-learning``. Fractions at which a posterior failed are named.
        published: percent of deviance by training fraction.
    """
    kinds = list(table["weights"].unique())
    figure, axes = plt.subplots(
        2,
        len(kinds),
        figsize=(5.2 * len(kinds), 7),
        sharex=True,
        sharey="row",
        layout="constrained",
    )
    for (top, bottom), kind in zip(np.reshape(axes, (2, -1)).T, kinds, strict=True):
        shown = table[table["weights"] == kind]
        points = iter(POINTS)
        for k, (_, rows) in enumerate(shown.groupby(["method", "model"], sort=False)):
            sampled = rows["method"].iloc[0] == "posterior"
            line = {"fmt": "o-"} if sampled else next(points)
            _one_method(top, bottom, rows.sort_values("fraction"), 0.5 * (k - 4), line)
        x, y = 100 * np.array(list(published)), list(published.values())
        top.plot(x, y, "--", color=OBSERVED, label="published, single flies, L1")
        top.set_title(f"weights {kind}", fontsize=10)
        top.set_yscale("symlog", linthresh=LINEAR)
        top.yaxis.set_major_locator(FixedLocator(TICKS))
        top.yaxis.set_major_formatter("{x:g}")
        bottom.set_xlabel("trials that train (% of each animal)")
        for ax in (top, bottom):
            ax.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    first = np.reshape(axes, (2, -1))[:, 0]
    first[0].set_ylabel("held-out deviance explained\nagainst a coin (%), median animal")
    first[1].set_ylabel(
        "held-out log density above no-learning\n(nats, all animals, ± SE over animals)"
    )
    figure.legend(*first[0].get_legend_handles_labels(), loc="outside lower center", ncols=4,
                  frameon=False, fontsize=8)  # fmt: skip
    return figure


def _one_method(
    top: Axes, bottom: Axes, rows: pd.DataFrame, aside: float, line: dict[str, Any]
) -> None:
    """Draw one method's rows into both panels, ``aside`` percent from where they are."""
    method, model = rows[["method", "model"]].iloc[0]
    at = 100 * rows["fraction"] + aside
    style = {"color": model_colour(model), "markersize": 4, "linewidth": 1.2, "capsize": 2, **line}
    ends = np.abs(rows[["percent low", "percent high"]].to_numpy().T - rows["percent"].to_numpy())
    label = model if method == "posterior" else method
    lost = rows["fraction"][rows["verdict"].map(failed)]
    if len(lost):
        label += f"\n(FAILED at {', '.join(f'{at:.0%}' for at in lost)})"
    top.errorbar(at, rows["percent"], ends, label=label, **style)
    if method == "posterior" and model != "no-learning":
        bottom.errorbar(
            at, rows["total over no-learning"], rows["total se over no-learning"], **style
        )
