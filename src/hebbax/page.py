"""One HTML file for one analysis: text, tables and pictures, nothing outside it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape

from hebbax.errors import FitError
from hebbax.files import replacing


@dataclass(frozen=True)
class Section:
    """One section of a report.

    Attributes:
        title: its heading.
        texts: paragraphs; with ``answer`` the first of them stands out.
        warnings: paragraphs that must not be overlooked.
        tables: captions and tables.
        pictures: captions and PNG files.
        answer: whether the first paragraph is the answer the reader came for.
    """

    title: str
    texts: Sequence[str] = ()
    warnings: Sequence[str] = ()
    tables: Sequence[tuple[str, pd.DataFrame]] = ()
    pictures: Sequence[tuple[str, Path]] = ()
    answer: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class _Cells:
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class _Page:
    title: str
    texts: Sequence[str]
    warnings: Sequence[str]
    answer: bool
    tables: list[tuple[str, _Cells]]
    images: list[tuple[str, str]]


def write(path: Path, title: str, sections: Sequence[Section], provenance: str) -> None:
    """Write a report as one self-contained HTML file, as a whole or not at all.

    Raises `FitError` where the folder refuses it.
    """
    templates = Environment(
        loader=PackageLoader("hebbax", "."), autoescape=select_autoescape(("html", "jinja"))
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
        section.texts,
        section.warnings,
        section.answer,
        [(caption, _cells(table)) for caption, table in section.tables],
        [(c, base64.b64encode(p.read_bytes()).decode()) for c, p in section.pictures],
    )


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
    numbers = values.astype(float)
    finite = numbers[np.isfinite(numbers)]
    digits = 0 if (finite == finite.round()).all() else 1 if finite.abs().max() >= 10 else 3
    return [f"{value:.{digits}f}" if np.isfinite(value) else "–" for value in numbers]
