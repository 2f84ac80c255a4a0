"""The picture of one animal's trials: what it chose, what it had learned, what it would choose.

Each alternative has a colour. Lines are means over draws, bands 90 % intervals, both given the
recorded past; grey lines are where a session begins.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hebbax.figures.style import PALETTE, literal, mark_failed
from hebbax.posterior.verdict import Verdict

MOST_TRIALS = 400
"""Trials of more sessions than one that are shown, and twice as many of a single one."""

FORCED = "0.6"
"""Colour of a choice that was the only one offered."""


@literal
def session(found: xr.Dataset, verdict: Verdict) -> Figure:
    """Return choices and rewards, weights and choice probabilities of the first trials of one
    animal, ``found`` by `hebbax.posterior.latents.latents`: of as many sessions as there is room
    for, and of the first one in any case. A model that learns nothing has no weights to show."""
    shown = found.isel(trial=_first(found))
    learns = bool(np.any(shown["weight"] != 0.0))
    panels = [_choices, *([_weights] if learns else []), _probabilities]
    heights = [0.5 + 0.2 * shown.sizes["stimulus"], *[2.0] * (len(panels) - 1)]
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(10, 1.1 + sum(heights)),
        height_ratios=heights,
        sharex=True,
        layout="constrained",
    )
    for ax, panel in zip(axes, panels, strict=True):
        ax.margins(x=0.01)
        panel(ax, shown)
        for start in _starts(shown):
            ax.axvline(start - 0.5, color="0.5", linewidth=1.0)
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("trial")
    figure.suptitle(_title(found, shown), fontsize=11, x=0.01, ha="left")
    return mark_failed(figure, verdict)


def _first(found: xr.Dataset) -> np.ndarray:
    """Return which trials ``(trial,)`` are shown."""
    session = found["session"].to_numpy()
    ends = np.searchsorted(session, session, side="right")
    whole = (ends <= MOST_TRIALS) | (session == session[0])
    return whole & (np.arange(len(session)) < 2 * MOST_TRIALS)


def _title(found: xr.Dataset, shown: xr.Dataset) -> str:
    n, last = (int(part["session"].to_numpy()[-1]) for part in (found, shown))
    parts = [str(found["animal"].to_numpy()[0])]
    if n > 1:
        first = f"session 1 of {n}" if last == 1 else f"sessions 1 to {last} of {n}"
        parts.append(f"{n} sessions" if last == n else first)
    if shown.sizes["trial"] < int((found["session"] <= last).sum()):
        parts.append(f"the first {shown.sizes['trial']} trials")
    return f"{found.attrs['model']}: {', '.join(parts)} (mean and 90 % interval, given the past)"


def _starts(shown: xr.Dataset) -> np.ndarray:
    """Return the trials with which later sessions begin."""
    begins = np.flatnonzero(np.diff(shown["session"].to_numpy())) + 1
    return shown["trial"].to_numpy()[begins]


def _choices(ax: Axes, shown: xr.Dataset) -> None:
    """Draw each choice as a tick in the row of its alternative, a long one where rewarded."""
    names = shown["stimulus"].to_numpy()
    trial, forced = shown["trial"].to_numpy(), shown["forced"].to_numpy()
    rewarded = shown["reward"].to_numpy() > 0
    for row, name in enumerate(names):
        chosen = shown["choice"].to_numpy() == name
        for free, colour in ((~forced, _colour(row)), (forced, FORCED)):
            for own, size in ((rewarded, 0.42), (~rewarded, 0.15)):
                at = trial[chosen & free & own]
                ax.vlines(at, row - size, row + size, color=colour, linewidth=1.0)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_ylabel("choice")
    kinds = {"rewarded": (14, "black"), "not rewarded": (5, "black")}
    if forced.any():
        kinds["forced"] = (14, FORCED)
    handles = [
        Line2D([], [], marker="|", linestyle="", markersize=size, color=colour, label=label)
        for label, (size, colour) in kinds.items()
    ]
    _legend(ax, handles)


def _weights(ax: Axes, shown: xr.Dataset) -> None:
    for row, name in enumerate(shown["stimulus"].to_numpy()):
        _band(ax, shown["weight"].isel(stimulus=row), row, str(name))
    ax.axhline(0.0, color="0.6", linewidth=0.8)
    units = shown["weight"].attrs["units"]
    ax.set_ylabel("weight" if units == "1" else f"weight ({units})")
    _legend(ax)


def _probabilities(ax: Axes, shown: xr.Dataset) -> None:
    """Draw P of the second of two alternatives, or of each; trials that offer one say nothing."""
    names = shown["stimulus"].to_numpy()
    for row in range(len(names)) if len(names) > 2 else (1,):
        own = shown["probability"].isel(stimulus=row)
        offered = (own.sel(statistic="mean") > 0.0).to_numpy() & ~shown["forced"].to_numpy()
        _band(ax, own.isel(trial=offered), row, str(names[row]))
    ax.axhline(1.0 / len(names), color="0.6", linewidth=0.8)
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel(f"P({names[1]})" if len(names) == 2 else "P(choice)")


def _band(ax: Axes, values: xr.DataArray, row: int, label: str) -> None:
    """Draw the mean and the interval of a latent of one alternative, each session on its own."""
    if not values.sizes["trial"]:  # all of them were forced
        return
    for k, (_, own) in enumerate(values.groupby("session")):
        mean, low, high = (own.sel(statistic=name) for name in ("mean", "5 %", "95 %"))
        trial, colour = own["trial"], _colour(row)
        ax.fill_between(trial, low, high, color=colour, alpha=0.3, linewidth=0)
        ax.plot(trial, mean, color=colour, linewidth=1.1, label=label if k == 0 else None)


def _legend(ax: Axes, handles: Sequence[Line2D] | None = None) -> None:
    """Write the legend of a panel above it, where it covers nothing."""
    place: dict[str, Any] = {
        "loc": "lower right",
        "bbox_to_anchor": (1.0, 1.0),
        "borderaxespad": 0.2,
    }
    ax.legend(handles=handles, ncols=6, frameon=False, fontsize=8, **place)


def _colour(row: int) -> str:
    return PALETTE[row % len(PALETTE)]
