"""Pictures of a comparison of models."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from hebbax.check.comparison import Comparison
from hebbax.figures.style import FAILED, literal, model_colour


@literal
def comparison(compared: Comparison) -> Figure:
    """Return the LOO difference of each model from the best, over all trials and by animal."""
    models = compared.ranking
    rows, animals = len(models), compared.by_animal.shape[1]
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(8.5, 1.3 + 0.42 * rows), sharey=True, layout="constrained"
    )
    for y, name in enumerate(models):
        row, colour = compared.table.loc[name], model_colour(name)
        left.errorbar(
            row["difference"], y, xerr=row["animal_se"], fmt="none", ecolor=colour, linewidth=1
        )
        left.errorbar(
            row["difference"], y, xerr=row["difference_se"], fmt="o", color=colour, linewidth=3
        )
        right.plot(
            compared.by_animal.loc[name], [y] * animals, "|", color=colour, markersize=11, mew=1.5
        )
    left.set_yticks(range(rows), [_label(name, compared) for name in models])
    for label, name in zip(left.get_yticklabels(), models, strict=True):
        label.set_color("black" if name in compared.trusted else FAILED)
    left.set_ylim(rows - 0.5, -0.5)
    for ax, title in (
        (left, "all trials: thick SE over trials, thin over animals"),
        (right, "each animal"),
    ):
        ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        ax.set_xlabel("expected log predictive density\nabove the best model (nats, LOO)")
        ax.set_title(title, fontsize=9)
    return figure


def _label(name: str, compared: Comparison) -> str:
    return compared.verdicts[name].called(name, "\n")
