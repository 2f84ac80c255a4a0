"""Pictures of a posterior, animal by animal: coefficients, and what weights lose in a trial.

Animals are sorted by what their weights lose, or where nothing fades by the first coefficient. Each
picture says across it where the posterior failed its diagnostics: by the ``verdict``, which is made
where it is not known yet.
"""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hebbax.figures.style import literal, mark_failed, model_colour, plain_log_axis
from hebbax.posterior import learning
from hebbax.posterior.alone import stored
from hebbax.posterior.diagnostics import verdict_of
from hebbax.posterior.forgetting import Forgetting, forgetting
from hebbax.posterior.summary import probability
from hebbax.posterior.verdict import Verdict
from hebbax.rule.fading import PERCENT, memory

PANELS_IN_A_ROW = 4
"""Panels of a forest side by side; more go into further rows."""

COEFFICIENTS = ("theta", "coefficient of{}")

RULE = ("theta", learning.PARAMETERS)
"""What is stored of each animal alone."""

WIDE, NARROW = (0.05, 0.95), (0.25, 0.75)
"""Intervals of a forest: 90 % as a thin line, 50 % as a thick one."""

WIDTH = 10.2
"""Inches across a picture of many panels: what a page shows in full."""

ROOM = 0.35
"""Part of the range of the intervals that is left free beside them."""


class _Panel(NamedTuple):
    """What a panel shows: draws of each animal ``(sample, animal)`` and of the population
    ``(sample,)``, and ends and middle ``(animal, 3)`` of each animal alone."""

    animals: np.ndarray
    population: np.ndarray | None
    alone: np.ndarray | None


@literal
def forest(posterior: xr.DataTree, verdict: Verdict | None = None) -> Figure:
    """Return one panel a coefficient, habit and preference: the population, and every animal.

    Two alternatives have one preference; more have one each, or one each against the first.
    """
    verdict = verdict_of(posterior, verdict)
    panels = _panels(posterior)
    names = [str(a) for a in posterior.posterior["animal"].to_numpy()]
    order = _order(posterior, panels)
    columns = min(len(panels), PANELS_IN_A_ROW)
    figure, axes = _rows_of_animals(-(-len(panels) // columns), columns, len(names))
    colour = model_colour(posterior.attrs["model"])
    for ax, (label, panel) in zip(axes.flat, panels.items(), strict=False):
        _forest_panel(ax, panel, order, colour)
        ax.set_xlabel(label)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    axes[0][0].set_yticks(range(-1, len(names)), ["population", *(names[k] for k in order)])
    return mark_failed(figure, verdict)


@literal
def forgetting_term(posterior: xr.DataTree, verdict: Verdict | None = None) -> Figure | None:
    """Return what weights of the population and of every animal lose in a trial, beside the memory
    it stands for, one row of panels a kind of weight, or None where no term of the rule fades
    weights."""
    terms = forgetting(posterior)
    if not terms:
        return None
    verdict = verdict_of(posterior, verdict)
    order = np.argsort(np.median(terms[0].animals, axis=0), kind="stable")
    names = [terms[0].names[k] for k in order]
    figure, axes = _rows_of_animals(len(terms), 2, len(names))
    colour = model_colour(posterior.attrs["model"])
    for (left, right), term in zip(axes, terms, strict=True):
        _forest_panel(left, _loss(posterior, term), order, colour)
        left.set_xlabel(f"what {term.loss.weight} loses in a trial (%)")
        if term.population is not None:
            above = f"probability {probability(float((term.population > 0).mean()))}"
            said = "declared by the model" if term.declared else above
            left.set_title(f"a loss in the population: {said}", fontsize=9)
        _memories(right, term, order, colour)
    axes[0][0].set_yticks(range(-1, len(names)), ["population", *names])
    return mark_failed(figure, verdict)


def _rows_of_animals(rows: int, columns: int, animals: int) -> tuple[Figure, np.ndarray]:
    """Return a figure whose panels have a row for every animal and one for the population, and
    their axes ``(row, column)``."""
    height = 1.0 + max(0.17, min(0.24, 6.0 / animals)) * (animals + 1)
    width = min(WIDTH, 1.4 + 2.9 * columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(width, rows * height),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for ax in axes.flat:
        ax.set_ylim(animals - 0.4, -1.6)
        ax.tick_params(axis="y", labelsize=7 if animals > 25 else 9)
    return figure, axes


def _order(posterior: xr.DataTree, panels: dict[str, _Panel]) -> np.ndarray:
    """Return the animals from the smallest loss of a weight to the largest, or where none fades by
    the first panel."""
    terms = forgetting(posterior)
    drawn = terms[0].animals if terms else next(iter(panels.values())).animals
    return np.argsort(np.median(drawn, axis=0), kind="stable")


def _forest_panel(ax: Axes, panel: _Panel, order: np.ndarray, colour: str) -> None:
    """Draw intervals of each animal, in grey by its own choices alone, and of the population."""
    rows = [(y, panel.animals[:, k], colour) for y, k in enumerate(order)]
    if panel.population is not None:
        rows.append((-1, panel.population, "black"))
    if panel.alone is not None:
        low, middle, high = panel.alone[order].T
        below = np.arange(len(order)) + 0.3
        ax.hlines(below, low, high, color="0.6", linewidth=1)
        ax.plot(middle, below, "|", color="0.6", markersize=4)
    ends = np.array([np.quantile(drawn, WIDE) for _, drawn, _ in rows])
    for (y, drawn, shade), wide in zip(rows, ends, strict=True):
        ax.hlines(y, *wide, color=shade, linewidth=1)
        ax.hlines(y, *np.quantile(drawn, NARROW), color=shade, linewidth=3)
        ax.plot(np.median(drawn), y, "o", color=shade, markersize=4, markeredgecolor="white")
    ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    # What one animal says alone may be so wide that nothing else could be read beside it.
    if panel.alone is not None:
        reach = np.ptp(ends)
        alone = panel.alone[np.isfinite(panel.alone).all(-1)][:, [0, 2]]
        ends = np.concatenate([ends, alone.clip(ends.min() - reach, ends.max() + reach)])
    ax.set_xlim(*_limits(ends))


def _limits(ends: np.ndarray) -> tuple[float, float]:
    """Return ends of an axis that holds intervals ``(row, 2)`` and zero, with room beside them."""
    low, high = min(0.0, ends.min()), max(0.0, ends.max())
    room = ROOM * (ends.max() - ends.min())
    return (low - room if low < 0 else -0.2 * room), (high + room if high > 0 else 0.2 * room)


def _loss(posterior: xr.DataTree, term: Forgetting) -> _Panel:
    """Return what is drawn of a loss, in per cent."""
    alone = _alone(posterior, "loss", {"weight": term.loss.weight})
    return _Panel(
        PERCENT * term.animals,
        None if term.population is None else PERCENT * term.population,
        None if alone is None else PERCENT * alone,
    )


def _memories(ax: Axes, term: Forgetting, order: np.ndarray, colour: str) -> None:
    """Draw the memory of each animal, in trials, on a log scale that holds every end of an interval
    that is a memory; one that leaves on the right includes a loss of zero."""
    rows = [(y, term.animals[:, k], colour) for y, k in enumerate(order)]
    if term.population is not None:
        rows.append((-1, term.population, "black"))
    ends = memory(np.quantile([drawn for _, drawn, _ in rows], WIDE, axis=1))
    known = ends[np.isfinite(ends) & (ends > 0)]
    longest = 2.0 * known.max() if known.size else 1.0
    for y, drawn, shade in rows:
        # The memory falls as the loss grows: quantiles of the one are those of the other.
        wide, narrow, middle = (
            np.minimum(memory(np.quantile(drawn, part)), 10.0 * longest)
            for part in (WIDE, NARROW, 0.5)
        )
        ax.hlines(y, *wide, color=shade, linewidth=1)
        ax.hlines(y, *narrow, color=shade, linewidth=3)
        ax.plot(middle, y, "o", color=shade, markersize=4, markeredgecolor="white")
    ax.set_xscale("log")
    plain_log_axis(ax.xaxis)
    shortest = known.min() if known.size else 0.1
    ax.set(xlim=(0.8 * min(shortest, longest), longest), xlabel="memory: trials to fade to 1/e")


def _panels(posterior: xr.DataTree) -> dict[str, _Panel]:
    """Return the panels of a forest by label: coefficients, habits, preferences."""
    out = _members(posterior, learning.PARAMETERS, "{}")
    if learning.COEFFICIENTS not in posterior.posterior:
        out |= _members(posterior, *COEFFICIENTS)
    for name in ("habit", "preference"):
        out |= _members(posterior, name, f"{name}{{}}\n(log odds)")
    return out


def _members(posterior: xr.DataTree, name: str, label: str) -> dict[str, _Panel]:
    """Return the panel of each member of a group of values, or of its one value."""
    draws = posterior.posterior
    if name not in draws:
        return {}
    values = draws[name].stack(sample=("chain", "draw"))
    members = [str(d) for d in values.dims if d not in ("sample", "animal")]
    out = {}
    for where in [{members[0]: k} for k in values[members[0]].values] if members else [{}]:
        population = None
        if f"{name}_population" in draws:
            population = np.ravel(draws[f"{name}_population"].sel(where).to_numpy())
        own = values.sel(where).transpose("sample", "animal").to_numpy()
        alone = _alone(posterior, name, where) if name in RULE else None
        which = "".join(f" {k}" for k in where.values())
        out[label.format(which).strip()] = _Panel(own, population, alone)
    return out


def _alone(posterior: xr.DataTree, name: str, where: dict[str, str]) -> np.ndarray | None:
    """Return ends and middle ``(animal, 3)`` of what each animal says alone, if that is stored."""
    found = stored(posterior)
    if found is None or name not in found:
        return None
    return found[name].sel(where).sel(statistic=["5 %", "median", "95 %"]).to_numpy()
