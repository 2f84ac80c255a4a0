"""What the prior of a model expects of choices."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbax.check.behaviour import WINDOW
from hebbax.check.prior_choices import LEVELS, PriorChoices
from hebbax.figures.style import literal, model_colour

SHOWN = 8
"""Animals whose own choice curves are drawn."""


@literal
def prior_choices(expected: PriorChoices) -> Figure:
    """Return choice curves of animals of the prior, how often they choose the better stimulus, and
    the effective number of terms where the prior has one."""
    of_draws = [
        (expected.better, np.linspace(0, 1, 21), "choices of the better stimulus (fraction)"),
        (expected.effective, 20, "effective number of terms"),
    ]
    known = [one for one in of_draws if one[0] is not None]
    figure, axes = plt.subplots(
        1, 1 + len(known), figsize=(5.2 + 2.6 * len(known), 3.2), layout="constrained",
        width_ratios=(2.0, *[1.0] * len(known)), squeeze=False,
    )  # fmt: skip
    curves(axes[0, 0], expected)
    for ax, (values, bins, label) in zip(axes[0, 1:], known, strict=True):
        ax.hist(values, bins, color=model_colour(expected.model), density=True)
        ax.set_xlabel(label)
        ax.set_ylabel("prior density")
    stuck = f"{expected.stuck.mean():.0%} end on one stimulus for good"
    task = f"{expected.task.baiting} rewards"
    figure.suptitle(f"{expected.model}: animals of the prior, {task}; {stuck}", fontsize=11)
    return figure


def curves(ax: Axes, expected: PriorChoices) -> None:
    """Draw the 90 % band of choice curves and some of them; dotted lines are changes of block."""
    colour, trials = model_colour(expected.model), np.arange(1, expected.curves.shape[1] + 1)
    low, middle, high = np.quantile(expected.curves, LEVELS, axis=0)
    ax.fill_between(trials, low, high, color=colour, alpha=0.2, linewidth=0, label="90 %")
    ax.plot(trials, middle, color=colour, label="median")
    for curve in expected.curves[:SHOWN]:
        ax.plot(trials, curve, color=colour, linewidth=0.6, alpha=0.7)
    changes = np.nonzero(np.diff(expected.task.block))[0] + 1.5
    for change in changes:
        ax.axvline(change, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel("trial")
    ax.set_ylabel(f"choices of B (fraction of {WINDOW} trials)")
    ax.legend(fontsize=8, frameon=False)
