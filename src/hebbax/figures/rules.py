"""Pictures of fitted rules: what they change, and which coefficients data cannot tell apart."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from hebbax.figures.style import OBSERVED
from hebbax.posterior.diagnostics import MAX_R_HAT_SHORT

METHOD_COLOURS = {
    "truth": OBSERVED,
    "Taylor, published way": "#E69F00",
    "Taylor, posterior": "#0072B2",
    "Taylor, student": "#0072B2",
    "Taylor, laplace": "#D55E00",
    "Taylor, horseshoe": "#56B4E9",
    "Taylor, normal": "#8C6D31",
    "MLP, published way": "#CC79A7",
    "MLP, MAP": "#009E73",
    "MLP, variational": "#009E73",
}
"""Colour of each way to fit, the same in every picture."""


def change_curves(ax: Axes, rows: pd.DataFrame, label: str) -> Axes:
    """Draw the change of a weight against what ``label`` says: columns ``method``, ``at``,
    ``median`` and, where there is a posterior, ``low`` and ``high``."""
    for method, own in rows.groupby("method", sort=False):
        own = own.sort_values("at")
        colour = METHOD_COLOURS[str(method)]
        style = "--" if method == "truth" else "-"
        ax.plot(own["at"], own["median"], style, color=colour, linewidth=1.5, label=method)
        if (own["high"] > own["low"]).any():
            ax.fill_between(
                own["at"], own["low"], own["high"], color=colour, alpha=0.25, linewidth=0
            )
    ax.set(xlabel=label, ylabel="change g of the weight, before the learning rate")
    return ax


def valley(ax: Axes, estimates: pd.DataFrame, interval: tuple[float, float], rate: float) -> Axes:
    """Draw theta(x r) against theta(x^2 r): the band of equal slope that the posterior leaves, and
    the point ``estimates`` (columns ``theta(x r)``, ``theta(x^2 r)``) that chose a point."""
    across = np.linspace(-0.3, 1.5, 2)
    low, high = ((edge - across) / rate for edge in interval)
    ax.fill_between(across, low, high, color=METHOD_COLOURS["Taylor, posterior"], alpha=0.3,
                    linewidth=0, label="posterior, 90 %")  # fmt: skip
    ax.plot(across, (1.0 - across) / rate, "--", color=OBSERVED, linewidth=1, label="slope 1")
    ax.plot(1.0, 0.0, "*", color=OBSERVED, markersize=10, label="truth")
    ax.plot(
        estimates["theta(x r)"], estimates["theta(x^2 r)"], "o", markersize=4, alpha=0.8,
        color=METHOD_COLOURS["Taylor, published way"], label="published way, each seed",
    )  # fmt: skip
    ax.set(
        xlabel="coefficient of x r", ylabel="coefficient of x² r",
        xlim=(-0.1, 1.3), ylim=(-0.6, 1.5),
    )  # fmt: skip
    return ax


def interval_by_seed(ax: Axes, rows: pd.DataFrame, truth: float, published: float) -> Axes:
    """Draw an estimate and its 90 % interval for each seed and method (columns ``seed``,
    ``method``, ``slope``, ``low``, ``high``), with the truth and the published value."""
    groups = list(rows.groupby("method", sort=False))
    for k, (method, own) in enumerate(groups):
        at = own["seed"] + 0.2 * (k - (len(groups) - 1) / 2)
        colour = METHOD_COLOURS[str(method)]
        ax.vlines(at, own["low"], own["high"], color=colour, linewidth=1.5)
        ax.plot(at, own["slope"], "o", color=colour, markersize=4, label=method)
    ax.axhline(truth, color=OBSERVED, linestyle="--", linewidth=1, label=f"truth, {truth:g}")
    ax.axhline(published, color="0.5", linestyle=":", linewidth=1.2,
               label=f"published, {published:g}")  # fmt: skip
    ax.set(xlabel="seed", ylabel="slope of x r at the input rate")
    return ax


def rule_table(ax: Axes, found: pd.DataFrame, kind: str, measure: str) -> Axes:
    """Draw one measure of every rule, a row each: what was reported, reproduced, what the posterior
    reaches, and for the deviance what the rule itself does."""
    rows = np.arange(len(found))
    best = "posterior" if kind == "Taylor" else "MAP"
    colours = {"reported": "0.6", "reproduced": METHOD_COLOURS[f"{kind}, published way"],
               best: METHOD_COLOURS[f"{kind}, {best}"]}  # fmt: skip
    if measure == "deviance":
        ax.plot(found["deviance oracle"], rows, "|", color=OBSERVED, markersize=9, label="the rule")
    for name, colour in colours.items():
        values = found[f"{kind} {measure} {name}"].clip(
            lower=-0.5 if measure != "deviance" else -20
        )
        marker = "x" if name == "reported" else "o"
        ax.plot(values, rows, marker, color=colour, markersize=4, label=name)
    label = {"deviance": "deviance explained (%)", "r2 weights": "R² of weights"}[measure]
    ax.set(xlabel=label, title=kind)
    ax.grid(axis="y", linewidth=0.3)
    return ax


def sweep(
    ax: Axes, rows: pd.DataFrame, along: str, measure: str, published: Mapping[str, dict]
) -> Axes:
    """Draw a ``measure`` against what was varied ``along``: the median over seeds of each method
    with the range, a ring where chains did not meet in the slope of x r (R-hat above
    `MAX_R_HAT_SHORT`), and what was ``published`` of it as crosses (value by value varied)."""
    for method, own in rows.dropna(subset=[along, measure]).groupby("method", sort=False):
        colour = METHOD_COLOURS[str(method)]
        at = own.groupby(along)[measure]
        middle = at.median()
        ax.plot(middle.index, middle, "o-", color=colour, markersize=4, label=method)
        ax.vlines(middle.index, at.min(), at.max(), color=colour, linewidth=1)
        if "slope r_hat" in own:
            apart = own[own["slope r_hat"] > MAX_R_HAT_SHORT]
            label = f"R-hat above {MAX_R_HAT_SHORT}" if len(apart) else None
            ax.plot(apart[along], apart[measure], "ko", markersize=9, fillstyle="none", label=label)
        if reported := published.get(str(method)):
            ax.plot(list(reported), list(reported.values()), "x--", color=colour, linewidth=0.8,
                    label="its published values")  # fmt: skip
    return ax


def across_priors(ax: Axes, rows: pd.DataFrame, measure: str, *, at: float) -> Axes:
    """Draw the median and range over seeds of a ``measure`` of methods that have no strength to
    vary, side by side from ``at`` on, right of a logarithmic axis of strengths."""
    names = list(dict.fromkeys(rows["method"]))
    places = [at * 1.8**k for k in range(len(names))]
    for place, name in zip(places, names, strict=True):
        own, colour = rows.loc[rows["method"] == name, measure], METHOD_COLOURS[name]
        ax.vlines(place, own.min(), own.max(), color=colour, linewidth=1)
        ax.plot(place, own.median(), "s", color=colour, markersize=5, label=name)
    ax.axvline(at / 1.5, color="0.8", linewidth=1)
    ax.set_xlabel("strength of L1 | priors, scale inferred")
    return ax
