"""Pictures of rules found in recorded activity: coefficients, scores and intervals over a grid."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbax.figures.style import OBSERVED, PALETTE, literal

SPURIOUS = "0.7"
"""Colour of the terms whose true coefficient is zero."""


@literal
def recovery(
    grid: pd.DataFrame,
    descents: list[pd.DataFrame],
    posteriors: list[pd.DataFrame],
    errors: pd.DataFrame,
) -> Figure:
    """Return the panels of Fig. 2 of Mehta et al. (2024).

    Args:
        grid: one row a cell and seed with ``noise``, ``fraction`` and ``r2_weights``.
        descents: of an easy and a hard cell, one row an epoch and term with ``epoch``, ``term``,
            ``truth`` and ``coefficient``, the cell in ``noise`` and ``fraction``.
        posteriors: of the same cells, as ``cell`` in `intervals`.
        errors: of the easy cell, one row an epoch and step with ``epoch``, ``step``, ``error``.
    """
    figure, axes = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    weight_errors(axes[0, 0], errors)
    for ax, descent, posterior in zip(axes[0, 1:], descents, posteriors, strict=True):
        coefficients_over_epochs(ax, descent)
        _beside(ax, posterior, 1.06 * descent["epoch"].max())
    heat_map(axes[1, 0], grid, "r2_weights", "R2 of weights (median of seeds)", digits=4)
    boxes(axes[1, 1], grid, "noise", "recording noise (sd, units of activity)")
    boxes(axes[1, 2], grid, "fraction", "recorded fraction of neurons")
    return figure


def weight_errors(ax: Axes, errors: pd.DataFrame) -> None:
    """Draw the error of the weights over the steps of a fresh run, one line an epoch."""
    epochs = sorted(errors["epoch"].unique())
    colours = plt.get_cmap("viridis_r")(np.linspace(0.05, 1.0, len(epochs)))
    for epoch, colour in zip(epochs, colours, strict=True):
        own = errors[errors["epoch"] == epoch]
        ax.plot(own["step"], own["error"], color=colour, label=f"{epoch}")
    ax.set(xlabel="step of a fresh run", ylabel="mean squared error of weights")
    largest = float(errors["error"].max())
    ax.set_yscale("symlog", linthresh=max(1e-6 * largest, 1e-12))
    ax.set_ylim(0.0, None)
    ax.legend(title="epoch of Adam", frameon=False, fontsize=7, title_fontsize=8, ncols=2)


def coefficients_over_epochs(ax: Axes, descent: pd.DataFrame) -> None:
    """Draw each coefficient over the epochs of a descent, its truth dashed."""
    true_terms = list(dict.fromkeys(descent.loc[descent["truth"] != 0, "term"]))
    for term, own in descent.groupby("term", sort=False):
        if term in true_terms:
            colour = PALETTE[true_terms.index(term)]
            ax.axhline(own["truth"].iloc[0], color=colour, linestyle=":", linewidth=1)
            ax.plot(own["epoch"], own["coefficient"], color=colour, label=str(term), zorder=3)
        else:
            ax.plot(own["epoch"], own["coefficient"], color=SPURIOUS, linewidth=0.7)
    ax.plot([], [], color=SPURIOUS, label="the 25 other terms")
    noise, fraction = descent[["noise", "fraction"]].iloc[0]
    ax.set_title(f"Adam, noise {noise:g}, {100 * fraction:.0f} % recorded", fontsize=10)
    ax.set(xlabel="epoch of Adam", ylabel="coefficient (1 / step)")


def _beside(ax: Axes, posterior: pd.DataFrame, epoch: float) -> None:
    """Draw posterior intervals to the right of the epochs, in the colours of the terms."""
    true_terms = posterior[posterior["truth"] != 0]
    for k, (_, term) in enumerate(true_terms.iterrows()):
        across = epoch * (1.0 + 0.03 * k)
        ax.vlines(across, term["low"], term["high"], color=PALETTE[k], linewidth=2)
        ax.plot(across, term["mean"], "D", color=PALETTE[k], markersize=4, zorder=3)
    ax.plot([], [], "D", color=OBSERVED, markersize=4, label="posterior, 90 %")
    ax.legend(facecolor="white", edgecolor="none", framealpha=1.0, fontsize=8)


def heat_map(ax: Axes, cells: pd.DataFrame, value: str, label: str, *, digits: int) -> None:
    """Draw the median of ``value`` over noise (across) and recorded fraction (up), written with so
    many ``digits`` after the point."""
    table = cells.pivot_table(index="fraction", columns="noise", values=value, aggfunc="median")
    mesh = ax.imshow(table, origin="lower", aspect="auto", cmap="viridis")
    middle = float(np.nanmean([table.to_numpy().min(), table.to_numpy().max()]))
    for (i, j), number in np.ndenumerate(table.to_numpy()):
        colour = "white" if number <= middle else "black"
        ax.text(j, i, f"{number:.{digits}f}", ha="center", va="center", fontsize=7, color=colour)
    ax.set_xticks(range(table.shape[1]), [f"{noise:g}" for noise in table.columns])
    ax.set_yticks(range(table.shape[0]), [f"{fraction:g}" for fraction in table.index])
    ax.set(xlabel="recording noise (sd, units of activity)", ylabel="recorded fraction of neurons")
    ax.set_title(label, fontsize=10)
    ax.figure.colorbar(mesh, ax=ax)


def boxes(ax: Axes, grid: pd.DataFrame, by: str, label: str) -> None:
    """Draw the R2 of weights of all cells and seeds by noise or by recorded fraction."""
    groups = [(level, own["r2_weights"].to_numpy()) for level, own in grid.groupby(by)]
    drawn = ax.boxplot([own for _, own in groups], widths=0.6, patch_artist=True)
    for box in drawn["boxes"]:
        box.set(facecolor=PALETTE[5], alpha=0.6)
    for line in drawn["medians"]:
        line.set(color=OBSERVED)
    ax.set_xticks(range(1, len(groups) + 1), [f"{level:g}" for level, _ in groups])
    ax.set(xlabel=label, ylabel="R2 of weights, fresh run")


@literal
def intervals(cell: pd.DataFrame, cells: pd.DataFrame, cases: pd.DataFrame, level: float) -> Figure:
    """Return credible intervals of one cell, coverage over the grid, and coverage by case.

    Args:
        cell: one row a term with ``term``, ``truth``, ``mean``, ``low``, ``high``.
        cells: one row a cell with ``noise``, ``fraction`` and ``coverage`` in percent.
        cases: one row a case with ``case``, ``coverage``, ``low`` and ``high`` in percent.
        level: probability of the intervals, in percent.
    """
    figure, axes = plt.subplots(
        1, 3, figsize=(13, 5), layout="constrained", width_ratios=(1.0, 1.1, 1.0)
    )
    _cell_intervals(axes[0], cell, level)
    heat_map(axes[1], cells, "coverage", f"terms inside their {level:.0f} % interval (%)", digits=0)
    _case_coverage(axes[2], cases, level)
    return figure


def _cell_intervals(ax: Axes, cell: pd.DataFrame, level: float) -> None:
    rows = np.arange(len(cell))
    for row, (_, term) in zip(rows, cell.iterrows(), strict=True):
        colour = PALETTE[0] if term["truth"] else "0.5"
        ax.hlines(row, term["low"], term["high"], color=colour, linewidth=1.5)
        ax.plot(term["mean"], row, "o", color=colour, markersize=3)
    ax.plot(cell["truth"], rows, "|", color=OBSERVED, markersize=9, label="truth")
    ax.set_yticks(rows, cell["term"], fontsize=7)
    ax.invert_yaxis()
    noise, fraction = cell[["noise", "fraction"]].iloc[0]
    ax.set_title(f"noise {noise:g}, {100 * fraction:.0f} % recorded", fontsize=10)
    ax.set_xlabel(f"coefficient (1 / step), {level:.0f} % interval")
    ax.legend(frameon=False, fontsize=8)


def _case_coverage(ax: Axes, cases: pd.DataFrame, level: float) -> None:
    rows = np.arange(len(cases))
    ax.axvspan(level - 5, level + 5, color="0.9")
    ax.axvline(level, color="0.5", linestyle=":")
    ax.hlines(rows, cases["low"], cases["high"], color=PALETTE[0])
    ax.plot(cases["coverage"], rows, "o", color=PALETTE[0])
    ax.set_yticks(rows, cases["case"], fontsize=8)
    ax.invert_yaxis()
    ax.set(xlim=(0, 103), xlabel="terms inside their interval (%)\nwith standard error over fits")
    ax.set_ylim(len(cases) - 0.5, -0.5)
