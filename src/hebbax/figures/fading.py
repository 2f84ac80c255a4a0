"""The first picture of a report: what fades, how fast, in whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbax.check.joint import ALIKE, SUBJECTS, Averaged, Joint
from hebbax.figures.style import FAILED, OBSERVED, literal, model_colour

MOST_NAMES = 60
"""Animals that are named below an axis; of more there is no room."""


@dataclass(frozen=True)
class Animals:
    """What weights of each animal lose in a trial by one model: of each kind of weight
    (`hebbax.check.joint.SUBJECTS`) the numbers of every animal by its name."""

    model: str
    losses: Mapping[str, Mapping[str, Averaged]] = field(default_factory=dict)

    def sorted(self, kind: str) -> list[str]:
        """Return the names of the animals, from the smallest loss to the largest."""
        own = self.losses[kind]
        return sorted(own, key=lambda name: own[name].median)


@literal
def fading(
    found: Joint, animals: Animals | None = None, truth: Mapping[str, float] | None = None
) -> Figure:
    """Return the loss of a weight in a trial: in the population by the average of the models and by
    each of them, filled where it is not told apart from the best; beside it in each of ``animals``.

    One row of panels of stimuli that were not chosen and one of the chosen; one in all where no
    model tells them apart. ``truth`` are the losses that a simulated population was given.
    """
    kinds = _kinds(found)
    shown = animals if animals is not None and animals.losses else None
    rows, columns = len(kinds), 1 if shown is None else 2
    labels = [v.called(name, "\n") for name, v in found.verdicts.items()]
    names = ["average", *labels] if found.averaged else labels
    n = 0 if shown is None else len(shown.losses["chosen"])
    figure, axes = plt.subplots(
        rows, columns, figsize=(10.2, 2.1 * rows + 1.5), squeeze=False, sharey="row",
        layout="constrained", width_ratios=[1.0] if shown is None else _widths(len(names), n),
    )  # fmt: skip
    for (kind, subject), own in zip(kinds.items(), axes, strict=True):
        _models(own[0], found, kind)
        own[0].set_ylabel(f"loss in a trial (%)\nof {subject}", fontsize=9)
        if shown is not None:
            _animals(own[1], shown, kind)
        for ax in own:
            _reference(ax, None if truth is None else truth.get(kind))
        if truth:
            own[0].legend(frameon=False, fontsize=8, loc="upper right")
    for ax in axes[:, 0]:
        ax.set_xticks(range(len(names)), [""] * len(names))
    axes[-1][0].set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=8)
    for label, verdict in zip(
        reversed(axes[-1][0].get_xticklabels()),
        reversed(list(found.verdicts.values())),
        strict=False,
    ):
        label.set_color(OBSERVED if verdict.usable else FAILED)
    return figure


def _kinds(found: Joint) -> dict[str, str]:
    """Return the kinds of weights to draw: one where no model tells them apart."""
    same = all(
        found.models[f"chosen_{key}"].equals(found.models[f"unchosen_{key}"])
        for key in ("median", "low", "high")
    )
    if same:
        return {"unchosen": ALIKE.split(",", 1)[0]}
    return {kind: subject.replace(" of ", "\nof ") for kind, subject in SUBJECTS.items()}


def _widths(models: int, animals: int) -> list[float]:
    return [models + 0.5, float(np.clip(0.35 * animals, models, 3.0 * models + 3.0))]


def _models(ax: Axes, found: Joint, kind: str) -> None:
    """Draw the average and each model."""
    first = 0
    if kind in found.averaged:
        one = found.averaged[kind]
        ax.vlines(0, one.low, one.high, color=OBSERVED, linewidth=3)
        ax.plot(0, one.median, "D", color=OBSERVED)
    if found.averaged:
        first = 1
    for x, (name, row) in enumerate(found.models.iterrows(), start=first):
        colour = model_colour(str(name))
        ax.vlines(x, row[f"{kind}_low"], row[f"{kind}_high"], color=colour, linewidth=1.5)
        face = colour if row["as_good"] else "white"
        ax.plot(x, row[f"{kind}_median"], "o", color=colour, markerfacecolor=face)
    ax.set_title("the population, by each model", fontsize=9, loc="left")
    ax.set_xlim(-0.6, len(found.models) + first - 0.4)


def _animals(ax: Axes, animals: Animals, kind: str) -> None:
    """Draw each animal, from the smallest loss to the largest."""
    colour, own = model_colour(animals.model), animals.losses[kind]
    names = animals.sorted(kind)
    for x, name in enumerate(names):
        one = own[name]
        ax.vlines(x, one.low, one.high, color=colour, linewidth=1.2)
        ax.plot(x, one.median, "o", color=colour, markersize=3.5)
    if len(names) <= MOST_NAMES:
        ax.set_xticks(range(len(names)), names, rotation=90, fontsize=7 if len(names) > 20 else 8)
    else:
        ax.set_xticks([])
        ax.set_xlabel(f"{len(names)} animals, sorted")
    ax.set_title(f"each animal, by {animals.model}", fontsize=9, loc="left")
    ax.set_xlim(-0.8, len(names) - 0.2)


def _reference(ax: Axes, truth: float | None) -> None:
    """Draw no loss, and the truth where it is known."""
    ax.axhline(0.0, color="0.6", linewidth=0.8, linestyle=":")
    if truth is not None:
        ax.axhline(
            truth, color=FAILED, linewidth=1.2, linestyle="--", label="truth of the population"
        )
