"""Pictures of a likelihood over two coefficients."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from hebbax.figures.style import literal

DEPTHS = np.array([-30.0, -20.0, -12.0, -8.0, -5.0, -3.0, -1.0, 0.0])
"""Contours of a log likelihood below its maximum, in nats."""


@literal
def profile(surface: xr.Dataset) -> Figure:
    """Return both surfaces of `hebbax.check.profile.profile`: without and with preference."""
    figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.8), sharey=True, layout="constrained")
    titles = {"fixed": "no innate preference", "profiled": "best preference at each point"}
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        contours = log_likelihood_contours(ax, surface[name])
        ax.set_title(title, fontsize=10)
    figure.colorbar(contours, ax=axes, label="log likelihood below its maximum (nats)")
    figure.suptitle(f"{surface.attrs['animal']}, {surface.attrs['model']}", fontsize=11)
    return figure


def log_likelihood_contours(ax: Axes, surface: xr.DataArray) -> QuadContourSet:
    """Draw a log likelihood over two coefficients, below its maximum; return the contours."""
    rows, columns = (str(dim) for dim in surface.dims)
    below = np.clip(surface.to_numpy() - float(surface.max()), DEPTHS[0], 0.0)
    x, y = surface[columns].to_numpy(), surface[rows].to_numpy()
    contours = ax.contourf(x, y, below, levels=DEPTHS, cmap="viridis")
    ax.contour(x, y, below, levels=DEPTHS[:-1], colors="white", linewidths=0.4)
    best = np.unravel_index(below.argmax(), below.shape)
    ax.plot(x[best[1]], y[best[0]], "o", color="white", markeredgecolor="black", markersize=6)
    ax.axvline(0.0, color="white", linewidth=0.8, linestyle=":")
    ax.set_xlabel(f"coefficient of {columns}")
    ax.set_ylabel(f"coefficient of {rows}")
    return contours
