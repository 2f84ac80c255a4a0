"""A picture of designs of an experiment."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, ScalarFormatter

from hebbax.design.designs import Designs
from hebbax.figures.style import OBSERVED, PALETTE, literal

MARKERS = "osD^vP*X"


@literal
def designs(found: Designs) -> Figure:
    """Return the smallest detectable forgetting of every design against its size, and what each
    factor does to it."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 5.2), layout="constrained", width_ratios=(1.5, 1)
    )
    every_design(left, found)
    effects(right, found)
    return figure


def every_design(ax: Axes, found: Designs) -> None:
    """Draw every design: colour the rewards, shape the blocks, filled where rewards wait."""
    table = found.table
    colours = {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(table["rewards"].unique())}
    shapes = {n: MARKERS[k % len(MARKERS)] for k, n in enumerate(sorted(table["blocks"].unique()))}
    # Designs of one size stand side by side.
    kinds = table.groupby(["rewards", "blocks", "baiting"]).ngroup()
    aside = np.exp(0.25 * (kinds / max(kinds.max(), 1) - 0.5))
    for row, factor in zip(table.to_dict("records"), aside, strict=True):
        colour, seen = colours[row["rewards"]], np.isfinite(row["loss, detectable (%)"])
        ax.plot(
            row["animals"] * row["trials"] * factor,
            row["loss, detectable (%)"] if seen else 1.0,
            shapes[row["blocks"]],
            color=colour,
            markerfacecolor=colour if row["baiting"] == "baited" else "white",
            markersize=5.5,
            # What no effect is large enough for stands on the upper edge.
            transform=ax.transData if seen else ax.get_xaxis_transform(),
            clip_on=bool(seen),
        )
    ax.axhline(
        found.settings.loss(-found.settings.truth), color=OBSERVED, linewidth=1, linestyle="--"
    )
    _logarithmic(ax, sorted((table["animals"] * table["trials"]).unique()))
    ax.set_xlabel("choices of the experiment (animals x trials)")
    ax.set_ylabel("smallest detectable loss of a weight in a trial (%)")
    marks = _marks(colours, shapes, sorted(table["baiting"].unique()))
    if np.isinf(table["detectable"]).any():
        marks.append(Line2D([], [], ls="", label="on the upper edge: not detectable"))
    ax.legend(
        handles=marks, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8,
        frameon=False,
    )  # fmt: skip


def _marks(colours: dict[str, str], shapes: dict[int, str], baiting: list[str]) -> list[Line2D]:
    """Return what the legend shows of rewards, blocks, baiting and the true rule."""
    faces = {"baited": "0.3", "independent": "white"}
    return [
        *(
            Line2D([], [], color=colour, marker="s", ls="", label=f"rewards {name}")
            for name, colour in colours.items()
        ),
        *(
            Line2D([], [], color="0.3", marker=m, ls="", label=f"{n} block{'s' if n > 1 else ''}")
            for n, m in shapes.items()
        ),
        *(
            Line2D([], [], color="0.3", marker="o", ls="", mfc=faces[name], label=name)
            for name in baiting
        ),
        Line2D([], [], color=OBSERVED, ls="--", lw=1, label="true loss: 80 % power below"),
    ]


def _logarithmic(ax: Axes, sizes: list[int]) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(ScalarFormatter())
    ax.tick_params(axis="y", which="minor", labelsize=8)


def effects(ax: Axes, found: Designs) -> None:
    """Draw the mean standard deviation over the designs of each level of each factor."""
    table = found.effects
    factors = list(table["factor"].unique())
    y = np.arange(len(table)) + 0.6 * table["factor"].map(factors.index).to_numpy()
    for k, factor in enumerate(factors):
        own = (table["factor"] == factor).to_numpy()
        ax.plot(table["loss, sd (%)"][own], y[own], "o-", color=PALETTE[k], linewidth=1)
    ax.set_yticks(y, list(map(_level, table["factor"], table["level"])))
    ax.invert_yaxis()
    ax.set_xlim(left=0.0)
    ax.set_xlabel("standard deviation of a weight's loss\nin a trial (%)")
    ax.set_title("mean over designs", fontsize=10)


def _level(factor: str, level: str) -> str:
    """Return a level in words: 1 block, 12 animals, baited."""
    if factor not in ("animals", "trials", "blocks"):
        return level
    return f"{level} {factor if level != '1' else factor[:-1]}"
