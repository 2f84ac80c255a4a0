"""One HTML file for one analysis: text, tables and pictures, nothing outside it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape

from hebbax.errors import FitError
from hebbax.run.attempts import Failed, attempt
from hebbax.run.files import replacing


@dataclass(frozen=True)
class Section:
    """One section of a report; what failed stands in it as a sentence, in its place.

    Attributes:
        title: its heading.
        texts: paragraphs; with ``answer`` the first of them stands out.
        warnings: paragraphs that must not be overlooked.
        tables: captions and tables.
        pictures: captions and PNG files.
        folded: captions and tables that are opened by a click.
        answer: whether the first paragraph is the answer the reader came for.
    """

    title: str
    texts: Sequence[str | Failed] = ()
    warnings: Sequence[str] = ()
    tables: Sequence[tuple[str, pd.DataFrame | Failed]] = ()
    pictures: Sequence[tuple[str, Path | Failed]] = ()
    folded: Sequence[tuple[str, pd.DataFrame | Failed]] = ()
    answer: bool = field(default=False, kw_only=True)

    @property
    def failures(self) -> list[Failed]:
        """What could not be made of the section."""
        captioned = [*self.tables, *self.pictures, *self.folded]
        parts = [*self.texts, *(part for _, part in captioned)]
        return [part for part in parts if isinstance(part, Failed)]


@dataclass(frozen=True)
class _Cells:
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class _Page:
    """A section as the template takes it: a failed part is a string where there is none."""

    title: str
    texts: list[tuple[str, bool]]
    warnings: Sequence[str]
    answer: bool
    tables: list[tuple[str, _Cells | str]]
    images: list[tuple[str, str, str]]
    folded: list[tuple[str, _Cells | str]]


def write(path: Path, title: str, sections: Sequence[Section], provenance: str) -> None:
    """Write a report as one self-contained HTML file, as a whole or not at all.

    Raises `FitError` where the folder refuses it.
    """
    templates = Environment(
        loader=PackageLoader("hebbax.report", "."), autoescape=select_autoescape(("html", "jinja"))
    )
    pages = [_page(section) for section in sections]
    text = templates.get_template("page.html.jinja").render(
        title=title, sections=pages, provenance=provenance
    )
    with replacing(path, FitError) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _page(section: Section) -> _Page:
    return _Page(
        section.title,
        [(t.sentence, True) if isinstance(t, Failed) else (t, False) for t in section.texts],
        section.warnings,
        section.answer,
        [(caption, _shown(caption, table)) for caption, table in section.tables],
        [(caption, *_image(picture)) for caption, picture in section.pictures],
        [(caption, _shown(caption, table)) for caption, table in section.folded],
    )


def _shown(caption: str, table: pd.DataFrame | Failed) -> _Cells | str:
    cells = table if isinstance(table, Failed) else attempt(f'"{caption}"', partial(_cells, table))
    return cells.sentence if isinstance(cells, Failed) else cells


def _image(picture: Path | Failed) -> tuple[str, str]:
    """Return a picture as text and what failed of it, one of them empty."""
    if isinstance(picture, Failed):
        return "", picture.sentence
    return base64.b64encode(picture.read_bytes()).decode(), ""


def _cells(table: pd.DataFrame) -> _Cells:
    """Return a table as text; several index levels become columns of their own."""
    index = [str(name or "") for name in table.index.names]
    labels = [list(map(str, np.atleast_1d(np.asarray(key, dtype=object)))) for key in table.index]
    columns = [_column(table.iloc[:, j]) for j in range(table.shape[1])]
    cells = [list(row) for row in zip(*columns, strict=True)]
    return _Cells(
        [*index, *map(str, table.columns)], [a + b for a, b in zip(labels, cells, strict=True)]
    )


def _column(values: pd.Series) -> list[str]:
    """Return a column as text, its numbers with the digits a reader can use."""
    if not pd.api.types.is_numeric_dtype(values):
        return [str(value) for value in values]
    numbers = values.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    finite = numbers[np.isfinite(numbers)]
    digits = 0 if (finite == finite.round()).all() else 1 if np.abs(finite).max() >= 10 else 3
    signs: dict[float, str] = {np.inf: "∞", -np.inf: "−∞"}
    return [
        f"{value:.{digits}f}" if np.isfinite(value) else signs.get(float(value), "–")
        for value in numbers
    ]
