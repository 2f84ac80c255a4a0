"""Pictures of predictive checks: choice curves of each animal, and the statistics of the cohort.

Observed is black. The filled band is the 90 % interval of free runs, dashed lines are that of
choices drawn one step ahead, both in the colour of the model.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hebbax.check.behaviour import PROBABILITY_EDGES, WINDOW
from hebbax.check.discrepancy import ANIMAL, COHORT, DISTANCE
from hebbax.check.predictive import FREE, ONE_STEP, Check
from hebbax.figures.style import OBSERVED, literal, mark_failed, model_colour, plain_log_axis

REFERENCE: dict[str, Any] = {"color": "0.6", "linewidth": 0.8, "linestyle": ":"}
"""How a line is drawn that shows what would be neutral, or where a block begins."""

COLUMNS = 3
"""Panels side by side: as many as a page shows in full."""

KINDS = (FREE, ONE_STEP)

LEGEND = ("free running, 90 %", "one step ahead, 90 %", "observed")

MOST_NAMES = 16
"""Animals that are named beside a statistic; of more there is no room."""

MOST_ANIMALS = 24
"""Choice curves of more animals than this do not fit a picture."""

MOST_LETTERS = 58
"""Letters that fit above a choice curve, for the reward probabilities of its blocks."""


def predictive(check: Check) -> dict[str, Callable[[], Figure]]:
    """Return what draws the pictures of a check, by kind: ``choice curves`` and ``checks``."""
    return {"choice curves": partial(choice_curves, check), "checks": partial(checks, check)}


@literal
def choice_curves(check: Check) -> Figure:
    """Return the moving average of choices of the second alternative of each animal, up to
    `MOST_ANIMALS` of them.

    Dotted lines are changes of block; above each block stand its reward probabilities.
    """
    known = check.curves[check.curves["of"] == ANIMAL]
    curves = {str(name): own for name, own in known.groupby("animal", sort=False)}
    last = float(known.loc[known["statistic"] == "choice curve", "at"].max())
    animals = list(curves)
    shown = animals[:MOST_ANIMALS]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    width, height = 3.2 * columns + 0.6, 1.6 * rows + 1.0
    # Constrained layout of so many panels takes longer than all the rest of the picture.
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), sharex=True, sharey=True, squeeze=False,
        gridspec_kw={"left": 0.65 / width, "right": 1 - 0.1 / width, "bottom": 0.5 / height,
                     "top": 1 - 0.6 / height, "hspace": 0.38, "wspace": 0.06},
    )  # fmt: skip
    for ax in axes.flat[len(shown) :]:
        ax.remove()
    for ax, animal in zip(axes.flat, shown, strict=False):
        _bands(ax, replace(check, curves=curves[animal]), animal, "choice curve")
        _block_labels(ax, check, animal, last)
        ax.set_title(animal, fontsize=9, loc="left", pad=11)
        ax.set_ylim(-0.03, 1.03)
        ax.tick_params(labelsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=len(labels), fontsize=9, frameon=False)
    rewarded = f"above a block: probability of a reward of {' / '.join(check.stimuli)}"
    figure.supxlabel(f"trial ({rewarded})", fontsize=9, y=0.08 / height, va="bottom")
    chosen = check.stimuli[1]
    figure.supylabel(
        f"choices of {chosen} (mean of {WINDOW} trials)",
        fontsize=9,
        x=0.05 / width,
        ha="left",
    )
    if shown != animals:
        figure.suptitle(f"the first {len(shown)} of {len(animals)} animals", fontsize=9, x=0.01,
                        y=1 - 0.1 / height, ha="left")  # fmt: skip
    return mark_failed(figure, check.verdict)


@literal
def checks(check: Check) -> Figure:
    """Return one panel a statistic that is known, cohort p-values in the titles: matching, win-stay
    and lose-switch of each animal, run lengths, choices around a change; history kernels of free
    runs, what of them is left one step ahead, and the calibration."""
    drawn = _panels(check)
    rows = -(-len(drawn) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(10.2, 0.5 + 2.75 * rows), layout="constrained", squeeze=False
    )
    for ax, draw in zip(axes.flat, drawn, strict=False):
        draw(ax)
    for ax in axes.flat[len(drawn) :]:
        ax.remove()
    known = {
        label: handle
        for ax in axes.flat[: len(drawn)]
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
        if label in LEGEND
    }
    figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=3, frameon=False)
    return mark_failed(figure, check.verdict)


def _panels(check: Check) -> list[Callable[[Axes], None]]:
    """Return what draws each panel of `checks`, of statistics that are known."""
    panels: list[Callable[[Axes], None]] = []
    by_block = check.curves["statistic"] == f"choices of {check.stimuli[1]} by block"
    if (by_block & (check.curves["kind"] == FREE)).any():
        panels.append(partial(_matching, check=check))
    for name, label in (
        ("win-stay", "P(stay | rewarded)"),
        ("lose-switch", "P(switch | not rewarded)"),
    ):
        if check.table.loc[check.table["statistic"] == name, "observed"].notna().any():
            panels.append(partial(_by_animal, check=check, name=name, label=label))
    lag = "lag (choices)"
    for name, x, y in (
        ("run lengths", "equal choices in a row, n", "P(run of n or more)"),
        ("around a change", "trials from the change", "P(choice of the new best)"),
        ("choice kernel", lag, "choice kernel (log odds)"),
        ("reward kernel", lag, "reward kernel (log odds)"),
        ("residual choice kernel", lag, "residual kernel (probability)"),
        ("residual reward kernel", lag, "residual kernel (probability)"),
    ):
        if any(_curve(check, None, kind, name)["observed"].notna().any() for kind in KINDS):
            panels.append(partial(_of_cohort, check=check, name=name, labels=(x, y)))
    panels.append(partial(_calibration, check=check))
    return panels


def _of_cohort(ax: Axes, check: Check, name: str, labels: tuple[str, str]) -> None:
    """Draw one curve of the cohort."""
    _bands(ax, check, None, name, marker="o")
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    _title(ax, check, name, DISTANCE.format(name))
    if "kernel" in name:
        ax.axhline(0.0, **REFERENCE)
    elif name == "around a change":
        ax.axvline(0.0, **REFERENCE)
    else:
        ax.set_yscale("log")
        plain_log_axis(ax.yaxis)


def _bands(ax: Axes, check: Check, animal: str | None, name: str, marker: str = "") -> None:
    """Draw one curve of an animal or, without one, the cohort: observed, free runs, one step
    ahead."""
    colour = model_colour(check.model)
    free, step = (_curve(check, animal, kind, name) for kind in (FREE, ONE_STEP))
    if len(free):
        ends = free["5 %"].to_numpy(), free["95 %"].to_numpy()
        band: dict[str, Any] = {"color": colour, "alpha": 0.3, "linewidth": 0, "label": LEGEND[0]}
        ax.fill_between(free["at"].to_numpy(), *ends, **band)
    for end in ("5 %", "95 %") if len(step) else ():
        label = LEGEND[1] if end == "5 %" else "_"
        ax.plot(step["at"], step[end], color=colour, linewidth=1, linestyle="--", label=label)
    own = step if len(step) else free
    style: dict[str, Any] = {"color": OBSERVED, "marker": marker, "linewidth": 1.3}
    ax.plot(own["at"], own["observed"], markersize=3.5, label="observed", **style)


def _block_labels(ax: Axes, check: Check, animal: str, last: float) -> None:
    """Mark the blocks of an animal and, where there is room, write their probabilities above, on an
    axis that goes to the ``last`` trial of any animal."""
    own = check.contingencies[check.contingencies["animal"] == animal]
    starts = np.sort(own["first trial"].unique())
    for start, end in zip(starts, [*starts[1:], last], strict=True):
        if start > 1:
            ax.axvline(start - 0.5, **REFERENCE)
        block = own[own["first trial"] == start]
        text = " / ".join(f"{p:.2f}" for p in block["probability"])
        if len(text) <= MOST_LETTERS * (end - start) / last:
            above = ax.get_xaxis_transform()
            ax.text(start, 1.02, text, transform=above, fontsize=7, color="0.35")


def _matching(ax: Axes, check: Check) -> None:
    """Draw the fraction of choices of B against that of rewarded ones in each block of each
    animal."""
    colour = model_colour(check.model)
    ax.plot([0, 1], [0, 1], **REFERENCE)
    chosen, rewarded = (
        check.curves[check.curves["statistic"] == f"{what} of {check.stimuli[1]} by block"]
        for what in ("choices", "rewards")
    )
    free = chosen["kind"] == FREE
    if free.any():
        y, x = chosen[free], rewarded[rewarded["kind"] == FREE]
        spread = np.abs(y[["5 %", "95 %"]].to_numpy().T - y["mean"].to_numpy())
        ax.errorbar(x["mean"], y["mean"], spread, fmt="s", color=colour, markersize=3, linewidth=1)
        ax.plot(x["observed"], y["observed"], "o", color=OBSERVED, markersize=3.5)
    ax.set(
        xlabel=f"{check.stimuli[1]} among rewarded choices (fraction)",
        ylabel=f"{check.stimuli[1]} among choices (fraction)",
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
    )
    _title(ax, check, "matching slope", "matching slope")


def _by_animal(ax: Axes, check: Check, name: str, label: str) -> None:
    """Draw a number of each animal, sorted by what was observed, and of the cohort, with the
    intervals of its replicates."""
    colour = model_colour(check.model)
    rows = check.table[check.table["statistic"] == name]
    observed = rows[rows["kind"] == ONE_STEP]
    observed = observed.assign(cohort=observed["of"] != ANIMAL).sort_values(
        ["cohort", "observed"], kind="stable"
    )
    width = 1.5 if len(observed) <= MOST_NAMES + 1 else 0.6
    whose = zip(observed["of"], observed["animal"], strict=True)
    place = {key: y for y, key in enumerate(whose)}
    for kind, shift, style in ((FREE, 0.16, "-"), (ONE_STEP, -0.16, "--")):
        own = rows[rows["kind"] == kind]
        y = [place[key] + shift for key in zip(own["of"], own["animal"], strict=True)]
        ax.hlines(y, own["5 %"], own["95 %"], color=colour, linewidth=width, linestyle=style)
    ax.plot(observed["observed"], range(len(observed)), "o", color=OBSERVED, markersize=2 + width)
    labels = observed["animal"].where(~observed["cohort"], "all animals").tolist()
    last = len(labels) - 1
    named = range(len(labels)) if len(labels) <= MOST_NAMES + 1 else [last]
    ax.set_yticks(list(named), [labels[k] for k in named], fontsize=7)
    ax.invert_yaxis()
    ax.set_xlabel(label)
    if len(labels) > MOST_NAMES + 1:
        ax.set_ylabel(f"{last} animals, sorted")
    _title(ax, check, name, name)


def _calibration(ax: Axes, check: Check) -> None:
    colour = model_colour(check.model)
    curve = _curve(check, None, ONE_STEP, "calibration").dropna()
    ax.plot([0, 1], [0, 1], **REFERENCE)
    half = np.diff(PROBABILITY_EDGES)[0] / 2
    for end in ("5 %", "95 %"):
        ends = curve["at"] - half, curve["at"] + half
        ax.hlines(curve[end], *ends, color=colour, linewidth=1, linestyle="--")
    ax.plot(curve["at"], curve["observed"], "o-", color=OBSERVED, markersize=3.5, linewidth=1.3)
    name = check.stimuli[1]
    ax.set(xlabel=f"predicted P({name}), one step ahead", ylabel=f"frequency of {name}")
    _title(ax, check, "calibration", DISTANCE.format("calibration"))


def _curve(check: Check, animal: str | None, kind: str, name: str) -> pd.DataFrame:
    """Return one curve of an animal or, without one, of the cohort."""
    curves = check.curves
    of, name_of = (COHORT, COHORT) if animal is None else (ANIMAL, animal)
    owned = (curves["of"] == of) & (curves["animal"] == name_of)
    return curves[owned & (curves["kind"] == kind) & (curves["statistic"] == name)]


def _title(ax: Axes, check: Check, name: str, statistic: str) -> None:
    """Name a panel, with the p-values of the cohort."""
    rows = check.table
    rows = rows[(rows["of"] == COHORT) & (rows["statistic"] == statistic)]
    rows = rows[rows["p"].notna()]
    parts = [f"{p:.2g} {kind}" for kind, p in zip(rows["kind"], rows["p"], strict=True)]
    ax.set_title(f"{name}\np = {', '.join(parts)}" if parts else name, fontsize=8)
