"""The pictures of a report: what each shows and how it is read, drawn one at a time into files."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from hebbax import figures
from hebbax.reporting.assets import texts
from hebbax.reporting.page import Picture
from hebbax.runs.attempts import attempt
from hebbax.runs.names import file_name

Draw: TypeAlias = Callable[[], Figure | None]
"""Draws a picture; None where the model has nothing to show in it."""


class Caption(NamedTuple):
    """What a picture shows, and how it is read."""

    title: str
    how: str


CAPTIONS = {kind: Caption(**held) for kind, held in texts("captions.toml").items()}
"""What each kind of picture shows, and how it is read."""


def pictures(folder: Path, name: str, drawn: Mapping[str, Draw]) -> list[Picture]:
    """Return each picture of a model, or with no name of the study, drawn one at a time into PNG
    and SVG files; those of what a model does not have are left out."""
    out: list[Picture] = []
    for kind, draw in drawn.items():
        what = f"{name} {kind}".strip()
        made = attempt(f'The picture "{what}"', partial(_picture, draw, folder, name, kind))
        if made is not None:
            caption = CAPTIONS[kind]
            title = f"{name}. {caption.title}" if name else caption.title
            out.append(Picture(title, made, caption.how))
        plt.close("all")  # what was begun and failed
    return out


def _picture(draw: Draw, folder: Path, name: str, kind: str) -> Path | None:
    figure = draw()
    if figure is None:
        return None
    words = kind.replace(" ", "-")
    stem = f"{file_name(name)}_{words}" if name else words
    figures.publish(figure, folder, stem)
    return folder / f"{stem}.png"
