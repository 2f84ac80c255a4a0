"""Pictures of which model is taken for which."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbax.check.calibration import Reliability
from hebbax.check.model_recovery import Recovery
from hebbax.figures.style import PALETTE, grey_numbers, literal


@literal
def model_recovery(found: Recovery) -> Figure:
    """Return confusion and inversion by each criterion, and the reliability of the models'
    probabilities."""
    size = 1.6 + 0.42 * len(next(iter(found.confusion.values())))
    figure, axes = plt.subplots(
        2, 3, figsize=(3.1 * size, 2.1 * size), layout="constrained", squeeze=False
    )
    for row, (name, confusion) in zip(axes, found.confusion.items(), strict=True):
        matrix(row[0], confusion)
        row[0].set_title(f"confusion, {name} (rows sum to 1)", fontsize=8)
        matrix(row[1], found.inversion[name])
        row[1].set_title(f"inversion, {name} (columns sum to 1)", fontsize=8)
    reliability(axes[0, 2], found.reliability)
    axes[1, 2].axis("off")
    return figure


def matrix(ax: Axes, values: pd.DataFrame) -> None:
    """Draw fractions as numbers on a grey scale, the true model a row."""
    cells = values.to_numpy()
    texts = [[f"{value:.2f}" if np.isfinite(value) else "" for value in row] for row in cells]
    grey_numbers(ax, cells, texts)
    ax.set_xticks(range(len(values.columns)), values.columns, rotation=60, ha="right", fontsize=8)
    ax.set_yticks(range(len(values)), values.index, fontsize=8)
    ax.set_xlabel("best model")
    ax.set_ylabel("true model")


def reliability(ax: Axes, found: Reliability) -> None:
    """Draw how often what was given a probability was true, with the band of the whole curve."""
    table = found.table
    ax.fill_between(table["predicted"], table["lower"], table["upper"], color="0.88", linewidth=0)
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":")
    ax.plot(table["predicted"], table["observed"], "o-", color=PALETTE[0], markersize=4)
    ax.set_xlabel("probability given")
    ax.set_ylabel("fraction true")
    ax.set_title(f"reliability, {found.level:.0%} band", fontsize=8)
