"""What all pictures share: one colour a model, a backend for files, saving.

Colours are those of Okabe & Ito (2008), which survive colour blindness and a grey printer.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbax.errors import FitError
from hebbax.files import replacing

OBSERVED = "#000000"
"""Colour of what was recorded."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#5D3A9B")

MODEL_COLOURS = {
    "null": "#7F7F7F",
    "reward": "#56B4E9",
    "forgetting": "#0072B2",
    "forgetting-habit": "#5D3A9B",
    "forgetting-raw": "#009E73",
    "rajagopalan": "#E69F00",
    "rajagopalan-forgetting": "#D55E00",
    "chosen-forgetting": "#CC79A7",
    "sparse": "#8C6D31",
}
"""Colour of each declared model, the same in every picture."""


def model_colour(name: str) -> str:
    """Return the colour of a model: a fixed one for a declared model, else one of its name."""
    return MODEL_COLOURS.get(name, PALETTE[sum(name.encode()) % len(PALETTE)])


def grey_numbers(ax: Axes, values: np.ndarray, texts: list[list[str]]) -> None:
    """Draw fractions ``(row, column)`` as texts on a grey scale."""
    ax.imshow(values, cmap="Greys", vmin=0.0, vmax=1.3)  # the darkest cells are no black
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if value > 0.75 else "black"
        ax.text(j, i, texts[i][j], ha="center", va="center", fontsize=6.5, color=colour)


def use_file_backend() -> None:
    """Draw into files only, whatever screen there is: for the command line."""
    plt.switch_backend("agg")


def publish(figure: Figure, folder: Path, name: str) -> None:
    """Write a picture as PNG, and as SVG for a printer."""
    with replacing(folder / f"{name}.svg", FitError) as unfinished:
        figure.savefig(unfinished)
    save(figure, folder / f"{name}.png")


def save(figure: Figure, path: Path) -> None:
    """Write a picture and forget it; raise `FitError` where the folder refuses it."""
    try:
        with replacing(path, FitError) as unfinished:
            figure.savefig(unfinished, dpi=150)
    finally:
        plt.close(figure)
