"""What all pictures share: one colour a model, a backend for files, saving.

Colours are those of Okabe & Ito (2008), which survive colour blindness and a grey printer.
"""

import functools
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, Formatter, FuncFormatter, LogLocator, NullFormatter
from PIL import Image

from hebbax.errors import FitError
from hebbax.posterior.verdict import Grade, Verdict
from hebbax.runs.files import replacing

OBSERVED = "#000000"
"""Colour of what was recorded."""

FAILED = "#C00000"
"""Colour of what is said of a posterior that failed."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#5D3A9B")

MODEL_COLOURS = {
    "no-learning": "#7F7F7F",
    "reward": "#56B4E9",
    "forgetting": "#0072B2",
    "forgetting-habit": "#5D3A9B",
    "forgetting-raw": "#009E73",
    "rajagopalan": "#E69F00",
    "rajagopalan-forgetting": "#D55E00",
    "chosen-forgetting": "#CC79A7",
    "sparse": "#8C6D31",
    "q-learning": "#B8860B",
    "forgetting-q": "#006D5B",
    "reward-kernel": "#9AD5F5",
    "forgetting-kernel": "#003F66",
    "chosen-forgetting-kernel": "#8F3F70",
    "q-learning-kernel": "#E8B84A",
    "forgetting-q-kernel": "#3FBF9B",
}
"""Colours of models that are often seen together, the same in every picture: those with a choice
kernel lighter or darker than those without."""


DPI = 130
"""Dots in an inch of a PNG: a picture of 10 inches is wider than the page that shows it; who wants
more takes the SVG."""

COLOURS = 96
"""Colours of a PNG."""

MANY = 200.0
"""Ratio of the ends of a log axis from which on it has labels at powers of ten alone."""

LONGEST = 40
"""Characters of a name beside an axis or in a legend; a longer one is cut in its middle."""

Arguments = ParamSpec("Arguments")
Drawn = TypeVar("Drawn", Figure, Figure | None)


def literal(draw: Callable[Arguments, Drawn]) -> Callable[Arguments, Drawn]:
    """Return a function that draws a figure with every text as it stands: a name with ``$`` is no
    formula. Numbers that matplotlib writes at an axis stay its own."""

    @functools.wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Drawn:
        figure = draw(*args, **kwargs)
        if figure is not None:
            _as_they_stand(figure)
        return figure

    return drawn


def _as_they_stand(figure: Figure) -> None:
    numbers: set[Text] = set()
    for axis in _axes(figure):
        numbers.add(axis.get_offset_text())
        for ticker in (axis.major, axis.minor):
            if isinstance(ticker.formatter, FixedFormatter | FuncFormatter):
                ticker.formatter = _cutting(ticker.formatter)
            else:
                ticks = axis.get_major_ticks() if ticker is axis.major else axis.get_minor_ticks()
                numbers.update(text for tick in ticks for text in (tick.label1, tick.label2))
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text not in numbers:
            text.set_parse_math(False)
    for legend in (*figure.legends, *(ax.get_legend() for ax in figure.axes)):
        for text in legend.get_texts() if legend is not None else ():
            text.set_text(_cut(text.get_text()))


def _axes(figure: Figure) -> Iterator[Axis]:
    for ax in figure.axes:
        yield from (ax.xaxis, ax.yaxis)


def _cutting(formatter: Formatter) -> Formatter:
    """Return a formatter of names that cuts the long ones."""
    cutting = FuncFormatter(lambda value, place: _cut(formatter(value, place)))
    cutting.axis = formatter.axis
    return cutting


def _cut(text: str) -> str:
    """Return a text whose lines are no longer than `LONGEST`: a mark below a name is kept."""
    return "\n".join(
        line
        if len(line) <= LONGEST
        else f"{line[: LONGEST // 2]}…{line[len(line) - LONGEST // 2 + 1 :]}"
        for line in text.split("\n")
    )


def model_colour(name: str) -> str:
    """Return the colour of a model: a fixed one for a declared model, else one of its name."""
    return MODEL_COLOURS.get(name, PALETTE[sum(name.encode()) % len(PALETTE)])


def grey_numbers(ax: Axes, values: np.ndarray, texts: list[list[str]]) -> None:
    """Draw fractions ``(row, column)`` as texts on a grey scale."""
    ax.imshow(values, cmap="Greys", vmin=0.0, vmax=1.3)  # the darkest cells are no black
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if value > 0.75 else "black"
        ax.text(j, i, texts[i][j], ha="center", va="center", fontsize=6.5, color=colour)


def failed(verdict: object) -> bool:
    """Return whether the ``verdict`` in a row of a table (`Verdict.brief`) is that of a posterior
    that failed; one that is missing is of a fit that has none, a point estimate."""
    said = str(verdict)
    return said not in ("", "nan", Grade.PASSED) and not said.startswith(Grade.IMPRECISE)


def mark_failed(figure: Figure, verdict: Verdict) -> Figure:
    """Return a figure of a posterior, with words across it where it did not pass its diagnostics:
    pale ones, which hide nothing, where it may be read all the same."""
    if not verdict.passed:
        figure.text(
            0.5,
            0.5,
            f"the posterior {verdict.told}",
            ha="center",
            va="center",
            fontsize=2.6 * figure.get_figwidth(),
            color=FAILED,
            alpha=0.3 if verdict.usable else 0.75,
            zorder=1000,
        )
    return figure


def use_file_backend() -> None:
    """Draw into files only, whatever screen there is: for the command line."""
    plt.switch_backend("agg")


def plain_log_axis(axis: Axis) -> None:
    """Label a log axis by numbers as they are read, at 1, 2 and 5 of each power of ten; where these
    are many at 1 alone."""

    def label(value: float, _: int | None) -> str:
        low, high = axis.get_view_interval()
        return f"{value:g}" if high < MANY * low or f"{value:e}"[0] == "1" else ""

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(label))
    axis.set_minor_formatter(NullFormatter())


def publish(figure: Figure, folder: Path, name: str) -> None:
    """Write a picture as SVG, for a printer, and as PNG, and forget it; raise `FitError` where the
    folder refuses it."""
    try:
        with replacing(folder / f"{name}.svg", FitError) as unfinished, _without_a_word():
            figure.savefig(unfinished)
        figure.set_layout_engine("none")  # what was laid out once stays so
        _write(figure, folder / f"{name}.png")
    finally:
        plt.close(figure)


def save(figure: Figure, path: Path) -> None:
    """Write a picture as PNG and forget it; raise `FitError` where the folder refuses it."""
    try:
        _write(figure, path)
    finally:
        plt.close(figure)


def _write(figure: Figure, path: Path) -> None:
    """Write a PNG of few colours: a third of the bytes, and no eye tells the difference."""
    drawn = io.BytesIO()
    with _without_a_word():
        figure.savefig(drawn, format="png", dpi=DPI)
    with replacing(path, FitError) as unfinished, Image.open(drawn) as full:
        few = full.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
        few.save(unfinished, optimize=True, dpi=(DPI, DPI))


@contextmanager
def _without_a_word() -> Iterator[None]:
    """Draw a character that no font has as an empty box, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        yield
