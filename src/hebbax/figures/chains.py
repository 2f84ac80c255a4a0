"""Pictures of what the sampler did: population values against each other, and chains compared."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from arviz_stats import ess
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import kstwo, rankdata

from hebbax.figures.style import literal, mark_failed, model_colour
from hebbax.posterior import learning
from hebbax.posterior.diagnostics import verdict_of
from hebbax.posterior.summary import members
from hebbax.posterior.verdict import Verdict

MOST_VALUES = 8
"""Values that are drawn against each other; of more, those that hang together most."""

MOST_CHAINS = 24
"""Values whose chains are compared; of more, those whose chains lie furthest apart."""

MOST_POINTS = 500
"""Draws of a pair that are shown: more hide each other."""

BAND = 0.95
"""Probability that a chain which agrees with the others stays inside the band."""

GRID = np.linspace(0.0, 1.0, 101)

PANEL, LABELS, MARGIN = 1.25, 0.95, 0.1
"""Inches: a panel of pairs, the room left of and below all for their labels, and that around."""

LINES = ("-", "--", ":", "-.")
"""Lines of chains in turn: told apart without colours."""


@literal
def pairs(posterior: xr.DataTree, verdict: Verdict | None = None) -> Figure | None:
    """Return population values against each other with their correlations, or None for fewer than
    two; up to `MOST_VALUES` of them. Draws after a divergence of NUTS are ringed."""
    values = {name: np.ravel(drawn) for name, drawn in _populations(posterior).items()}
    if len(values) < 2:
        return None
    verdict = verdict_of(posterior, verdict)
    related = np.corrcoef(np.stack(list(values.values())))
    names = _most_related(list(values), related)
    shown = np.linspace(0, len(values[names[0]]) - 1, MOST_POINTS).astype(int)
    stats = posterior.sample_stats
    diverged = np.ravel(stats["diverging"]) if "diverging" in stats else np.zeros(0, bool)
    size = PANEL * max(len(names), 4) + LABELS + MARGIN
    figure, axes = plt.subplots(
        len(names), len(names), figsize=(size, size), squeeze=False, sharex="col",
        gridspec_kw={"left": LABELS / size, "right": 1 - MARGIN / size, "bottom": LABELS / size,
                     "top": 1 - MARGIN / size, "hspace": 0.06, "wspace": 0.06},
    )  # fmt: skip
    colour = model_colour(posterior.attrs["model"])
    order = list(values)
    for (i, j), ax in np.ndenumerate(axes):
        x, y = values[names[j]], values[names[i]]
        if i == j:
            ax.hist(x, bins=25, color=colour, alpha=0.6)
        elif i > j:
            ax.plot(x[shown], y[shown], ".", color=colour, alpha=0.35, markersize=3)
            ax.plot(x[: diverged.size][diverged], y[: diverged.size][diverged], "o", color="black",
                    markerfacecolor="none", markersize=4)  # fmt: skip
        else:
            number = f"{related[order.index(names[i]), order.index(names[j])]:.2f}"
            ax.text(0.5, 0.5, number, transform=ax.transAxes, ha="center", va="center", fontsize=9)
        _pair_axes(ax, names, i, j)
    return mark_failed(figure, verdict)


def _most_related(names: list[str], related: np.ndarray) -> list[str]:
    """Return the names that hang together most with another one, in their order."""
    strength = np.abs(np.nan_to_num(related) - np.eye(len(names))).max(axis=1)
    kept = np.sort(np.argsort(-strength, kind="stable")[:MOST_VALUES])
    return [names[k] for k in kept]


def _pair_axes(ax: Axes, names: list[str], i: int, j: int) -> None:
    ax.tick_params(labelsize=7)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.yaxis.set_major_locator(MaxNLocator(3))
    if j or i == 0:
        ax.tick_params(labelleft=False, left=j == 0)
    if i < j:
        ax.set_axis_off()
    if i == len(names) - 1:
        ax.set_xlabel(_broken(names[j]), fontsize=8)
        plt.setp(ax.get_xticklabels(), rotation=40, ha="right")
    if j == 0:
        ax.set_ylabel(_broken(names[i]), fontsize=8)


def _broken(name: str) -> str:
    """Return a name with a line for its kind: ``theta x r`` as ``theta`` above ``x r``."""
    return name.replace(" ", "\n", 1)


@literal
def sampler(posterior: xr.DataTree, verdict: Verdict | None = None) -> Figure:
    """Return, for each population value, how far the distribution of each chain lies from that of
    all,

        F_chain(u) - u,    u the rank of a draw among those of all chains, between 0 and 1,

    with a band that holds the whole line of a chain that agrees with probability `BAND` (the
    Kolmogorov-Smirnov statistic, of as many draws as a chain's are worth; Säilynoja et al. 2022).
    """
    values = _furthest(_populations(posterior) or _first(posterior))
    verdict = verdict_of(posterior, verdict)
    across = min(3, len(values))
    down = -(-len(values) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(3.4 * across, 2.0 * down + 0.4), squeeze=False, sharex=True,
        layout="constrained",
    )  # fmt: skip
    for ax, (name, drawn) in zip(axes.flat, values.items(), strict=False):
        _chains(ax, drawn)
        ax.set_title(name, fontsize=9, loc="left")
        ax.tick_params(labelsize=8)
    for ax in axes.flat[len(values) :]:
        ax.set_axis_off()
    figure.supxlabel("rank among the draws of all chains (fraction)", fontsize=9)
    figure.supylabel("below this rank: part\nof a chain less that of all", fontsize=9)
    return mark_failed(figure, verdict)


def _chains(ax: Axes, drawn: np.ndarray) -> None:
    """Draw the lines of chains ``(chain, draw)`` and their band."""
    chains, draws = drawn.shape
    for k, line in enumerate(_apart(drawn)):
        shade = str(0.15 + 0.45 * k / max(1, chains - 1))
        ax.plot(GRID, line, LINES[k % len(LINES)], color=shade, linewidth=1.2)
    worth = int(np.clip(float(ess(drawn)) / chains, 1, draws)) if draws > 3 else 1
    wide = float(kstwo.ppf(BAND, worth))
    ax.axhspan(-wide, wide, color="0.88", zorder=0)
    ax.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")


def _apart(drawn: np.ndarray) -> np.ndarray:
    """Return F_chain(u) - u ``(chain, u)`` over `GRID`."""
    ranks = rankdata(drawn).reshape(drawn.shape) / drawn.size
    below = [np.searchsorted(np.sort(own), GRID, side="right") / own.size for own in ranks]
    return np.stack(below) - GRID


def _furthest(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return up to `MOST_CHAINS` values, those whose chains lie furthest apart, in their order."""
    apart = {name: np.abs(_apart(drawn)).max() for name, drawn in values.items()}
    kept = sorted(apart, key=lambda name: -apart[name])[:MOST_CHAINS]
    return {name: drawn for name, drawn in values.items() if name in kept}


def _populations(posterior: xr.DataTree) -> dict[str, np.ndarray]:
    """Return draws ``(chain, draw)`` of each population value that is told, without functions of
    others."""
    draws = posterior.posterior
    out: dict[str, xr.DataArray] = {}
    for name, label in learning.told(draws).items():
        if name != learning.COEFFICIENTS and f"{name}_population" in draws:
            out |= members(label, draws[f"{name}_population"])
    return {name: values.transpose("chain", "draw").to_numpy() for name, values in out.items()}


def _first(posterior: xr.DataTree) -> dict[str, np.ndarray]:
    """Return draws of the first value of each animal, of a model without a population."""
    name, values = next(iter(posterior.posterior.data_vars.items()))
    flat = values.transpose("chain", "draw", "animal", ...)
    each = flat.to_numpy().reshape(*flat.shape[:3], -1)[..., 0]
    animals = values["animal"].to_numpy()
    return {f"{name} of {animal}": each[..., k] for k, animal in enumerate(animals)}
