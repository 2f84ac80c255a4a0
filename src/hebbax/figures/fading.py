"""Picture of what weights lose in a trial, by every model and together."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from hebbax.check.joint import SUBJECTS, Joint
from hebbax.figures.style import FAILED, literal, model_colour


@literal
def fading(found: Joint) -> Figure:
    """Return the loss of a weight in a trial under each model, a panel of stimuli that were not
    chosen and one of the chosen: median and 90 % interval, filled where a model predicts as well as
    the best. The last row is their average."""
    rows = len(found.models)
    figure, axes = plt.subplots(
        1, 2, figsize=(8.5, 1.4 + 0.36 * rows), sharey=True, layout="constrained"
    )
    for ax, (kind, subject) in zip(axes, SUBJECTS.items(), strict=True):
        for y, (name, row) in enumerate(found.models.iterrows()):
            colour = model_colour(str(name))
            ax.hlines(y, row[f"{kind}_low"], row[f"{kind}_high"], color=colour, linewidth=1.5)
            face = colour if row["as_good"] else "white"
            ax.plot(row[f"{kind}_median"], y, "o", color=colour, markerfacecolor=face)
        if kind in found.averaged:
            one = found.averaged[kind]
            ax.hlines(rows, one.low, one.high, color="black", linewidth=2.5)
            ax.plot(one.median, rows, "D", color="black")
        ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        ax.set_xlabel(f"loss in a trial (%)\nof {subject}")
    labels = [v.called(name, "\n") for name, v in found.verdicts.items()]
    axes[0].set_yticks(range(rows + 1), [*labels, "average" if found.averaged else ""])
    for label, verdict in zip(axes[0].get_yticklabels(), found.verdicts.values(), strict=False):
        label.set_color("black" if verdict.usable else FAILED)
    axes[0].set_ylim(rows + 0.5, -0.5)
    return figure
