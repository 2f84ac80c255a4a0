"""Pictures of a comparison of models: one a question."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from hebbax.check.score import OVER, Score
from hebbax.figures.style import FAILED, literal, model_colour

PARTS = [error for error, what in OVER.items() if what != "animals"]
"""Standard errors over what is less than an animal."""


@literal
def comparison(score: Score) -> Figure:
    """Return the difference of each model from the best, of all animals together and by animal."""
    models, parts = score.ranking, [error for error in PARTS if error in score.table]
    rows, animals = len(models), score.by_animal.shape[1]
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(8.5, 1.3 + 0.42 * rows), sharey=True, layout="constrained"
    )
    for y, name in enumerate(models):
        row, colour = score.table.loc[name], model_colour(name)
        thin = {"ecolor": colour, "linewidth": 1, "capsize": 5}  # to be seen within a thick one
        left.errorbar(row["difference"], y, xerr=row["animal_se"], fmt="none", **thin)
        left.plot(row["difference"], y, "o", color=colour)
        for error in parts:
            thick = {"ecolor": colour, "linewidth": 3}
            left.errorbar(row["difference"], y, xerr=row[error], fmt="none", **thick)
        right.plot(
            score.by_animal.loc[name], [y] * animals, "|", color=colour, markersize=11, mew=1.5
        )
    left.set_yticks(range(rows), [_label(name, score) for name in models])
    for label, name in zip(left.get_yticklabels(), models, strict=True):
        label.set_color("black" if name in score.trusted else FAILED)
    left.set_ylim(rows - 0.5, -0.5)
    bars = "".join(f"thick SE over {OVER[error]}, thin " for error in parts) or "SE "
    for ax, title in (
        (left, f"all animals: {bars}over animals"),
        (right, "each animal"),
    ):
        ax.margins(x=0.08)
        ax.locator_params(axis="x", nbins=5)
        ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":")
        ax.set_xlabel(f"log predictive density of\n{score.question}\nabove the best model (nats)")
        ax.set_title(title, fontsize=9)
    return figure


def _label(name: str, score: Score) -> str:
    return score.verdicts[name].called(name, "\n")
