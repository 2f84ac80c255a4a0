"""Pictures of groups of animals: population values of each, side by side."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from hebbax.figures.posterior import NARROW, WIDE
from hebbax.figures.style import literal, mark_failed, model_colour
from hebbax.posterior.diagnostics import verdict_of
from hebbax.posterior.levels import levels
from hebbax.posterior.verdict import Verdict

ACROSS = 3
"""Panels in a row."""


@literal
def groups(posterior: xr.DataTree, verdict: Verdict | None = None) -> Figure | None:
    """Return the population values of each group of animals, a panel a value; None for a model in
    which no covariate has an effect."""
    found = levels(posterior)
    if found is None or not found.draws:
        return None
    verdict = verdict_of(posterior, verdict)
    colour = model_colour(posterior.attrs["model"])
    n, across = len(found.draws), min(ACROSS, len(found.draws))
    down = -(-n // across)
    height = 0.9 + 0.32 * len(found.names)
    figure, axes = plt.subplots(
        down, across, figsize=(3.4 * across, down * height), squeeze=False, layout="constrained"
    )
    rows = np.arange(len(found.names))
    labels = [f"{name} ({size})" for name, size in zip(found.names, found.animals, strict=True)]
    for ax, (value, drawn) in zip(axes.flat, found.draws.items(), strict=False):
        for ends, width in ((WIDE, 1.0), (NARROW, 3.0)):
            ax.hlines(rows, *np.quantile(drawn, ends, axis=0), color=colour, linewidth=width)
        ax.plot(np.median(drawn, axis=0), rows, "o", color=colour, markeredgecolor="white")
        ax.set(xlabel=value, ylim=(len(rows) - 0.5, -0.5))
        ax.set_yticks(rows, labels)
    for ax in axes.flat[n:]:
        ax.set_axis_off()
    return mark_failed(figure, verdict)
