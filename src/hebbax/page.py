"""One HTML file for one analysis: text, tables and pictures, nothing outside it."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape

from hebbax.errors import FitError


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
    unfinished = path.with_suffix(".unfinished.html")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as problem:
        unfinished.unlink(missing_ok=True)
        raise FitError(
            f"{path.name}: the report could not be written ({problem.strerror})."
        ) from problem


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
    cells = [[_number(value) for value in row] for row in table.to_numpy(dtype=object)]
    return _Cells(
        [*index, *map(str, table.columns)], [a + b for a, b in zip(labels, cells, strict=True)]
    )


def _number(value: object) -> str:
    """Return a number with the digits a reader can use; text as it is."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return str(value)
    number = float(value)
    if not np.isfinite(number):
        return "–"
    if number == int(number) and abs(number) < 1e6:
        return f"{number:.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.3f}"
