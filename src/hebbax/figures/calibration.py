"""Pictures of whether posteriors are right as often as they say."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbax.check.calibration import BAND, COVERAGES, ecdf
from hebbax.check.ecdf_band import ecdf_band
from hebbax.check.sbc import Calibrated
from hebbax.figures.style import PALETTE, literal

BLUE, ORANGE = PALETTE[:2]
COLUMNS = 4
"""Panels side by side."""

FEW = 16
"""Up to so many quantities each has a panel of its own; of more, only those that leave their band
and the log likelihood."""


@literal
def calibration(found: Calibrated, draws: int) -> Figure:
    """Return the ECDF of the ranks of each quantity less what is expected, and the coverage of
    intervals of all; ``draws`` are those a truth was ranked among."""
    table = found.summary.table
    names = list(table.index)
    if len(names) > FEW:
        names = [n for n in names if not table["inside"][n] or table["kind"][n] == "likelihood"]
    columns = min(COLUMNS, len(names) + 1)
    rows = -(-(len(names) + 1) // columns)
    size = (2.75 * columns, 0.6 + 2.1 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    limits = ecdf_band(found.summary.simulations, draws, BAND)
    panels = axes.ravel()
    for ax, name in zip(panels[1:], names, strict=False):
        own = found.ranks.loc[found.ranks["quantity"] == name, "rank"].to_numpy()
        ecdf_difference(ax, own, draws, limits)
        ax.set_title(name, fontsize=9, color="black" if table["inside"][name] else ORANGE)
    for ax in [panels[1], *axes[1:, 0]]:
        ax.set_ylabel("ECDF - expected")
    for ax in panels[1 : len(names) + 1][-columns:]:
        ax.set_xlabel("rank of the truth / draws")
    for ax in panels[len(names) + 1 :]:
        ax.axis("off")
    coverage(panels[0], found)
    return figure


def ecdf_difference(
    ax: Axes, ranks: np.ndarray, draws: int, limits: tuple[np.ndarray, np.ndarray]
) -> None:
    """Draw the ECDF of ranks less that of uniform ones, and the band that holds it whole."""
    expected = np.arange(1, draws + 1) / (draws + 1)
    lower, upper = (limit - expected for limit in limits)
    ax.fill_between(expected, lower, upper, color="0.88", step="mid", linewidth=0)
    ax.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    ax.step(expected, ecdf(ranks, draws) - expected, where="mid", color=BLUE, linewidth=1.2)
    ax.set_xlim(0.0, 1.0)


def coverage(ax: Axes, found: Calibrated) -> None:
    """Draw the coverage of central intervals of every quantity, with two binomial errors."""
    levels = np.array(COVERAGES)
    error = 2.0 * np.sqrt(levels * (1.0 - levels) / found.summary.simulations)
    held = found.summary.table[[f"{100 * level:g} %" for level in COVERAGES]].to_numpy()
    ax.errorbar(levels, np.zeros(len(levels)), yerr=error, fmt="none", ecolor="0.6", capsize=3)
    spread = np.linspace(-0.01, 0.01, len(held))
    for aside, row in zip(spread, held, strict=True):
        ax.plot(levels + aside, row - levels, ".", color=BLUE, markersize=4)
    ax.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_xticks(levels, [f"{100 * level:g}" for level in COVERAGES], fontsize=8)
    ax.set_xlabel("central interval (%)")
    ax.set_ylabel("coverage - level")
    ax.set_title("all quantities, ± 2 SE", fontsize=9)
