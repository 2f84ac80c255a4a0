"""One HTML file for one analysis: text, tables, pictures and scripts, nothing outside it."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape

from hebbax.errors import FitError
from hebbax.reporting import assets, glossary
from hebbax.reporting.cells import Cells, cells
from hebbax.runs.attempts import Failed, attempt
from hebbax.runs.files import replacing

CODE = re.compile("`([^`]+)`")


class Tone(Enum):
    """How a paragraph is set."""

    PLAIN = "plain"
    QUESTION = "question"
    ANSWER = "answer"
    WARNING = "warning"
    EQUATION = "equation"


@dataclass(frozen=True)
class Text:
    """A paragraph, with a word or two before it that say what it is about."""

    text: str | Failed
    tone: Tone = Tone.PLAIN
    about: str = ""


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    title: str
    texts: Sequence[str]
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Table:
    """A table below its caption, with the name of the file that has all its digits; ``folded`` it
    is opened by a click."""

    caption: str
    frame: pd.DataFrame | Failed
    file: str = ""
    folded: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Picture:
    """A PNG beside which an SVG of the same name lies, with what it shows and how it is read."""

    title: str
    path: Path | Failed
    how: str = ""


@dataclass(frozen=True)
class Trials:
    """Trials of animals for the reader to choose among (`hebbax.reporting.trials`)."""

    title: str
    data: Mapping[str, Any] | Failed


@dataclass(frozen=True)
class Beside:
    """Parts that stand beside each other where there is room."""

    parts: Sequence["Text | Items | Table"]


Part: TypeAlias = Text | Items | Table | Picture | Trials | Beside


@dataclass(frozen=True)
class Section:
    """One section of a report; what failed stands in it as a sentence, in its place. ``folded`` it
    is opened by a click, and ``said`` beside its title."""

    title: str
    parts: Sequence[Part]
    said: str = ""
    folded: bool = field(default=False, kw_only=True)

    @property
    def failures(self) -> list[Failed]:
        """What could not be made of the section."""
        return [made for part in _flat(self.parts) if isinstance(made := _made(part), Failed)]


def _flat(parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, Beside):
            yield from _flat(part.parts)
        else:
            yield part


def _made(part: Part) -> object:
    match part:
        case Text():
            return part.text
        case Table():
            return part.frame
        case Picture():
            return part.path
        case Trials():
            return part.data
    return None


def write(path: Path, title: str, sections: Sequence[Section], provenance: str) -> None:
    """Write a report as one self-contained HTML file, as a whole or not at all.

    Raises `FitError` where the folder refuses it.
    """
    templates = Environment(
        loader=PackageLoader("hebbax.reporting.assets", "."),
        autoescape=select_autoescape(("html", "jinja")),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["asset"] = _asset
    templates.filters["prose"] = _prose
    templates.policies["json.dumps_kwargs"] = {"separators": (",", ":")}  # in the order given
    pages = [_section(section, path.parent) for section in sections]
    words = [word for page in pages for word in page["words"]]
    text = templates.get_template("page.html.jinja").render(
        title=title,
        sections=pages,
        glossary=glossary.listed(words),
        provenance=provenance,
        interactive=any(part["kind"] == "Trials" for page in pages for part in page["parts"]),
    )
    with replacing(path, FitError) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _asset(name: str) -> Markup:
    """Return the text of a file of ours as it stands, for a page to hold."""
    return Markup(assets.text(name))


def _prose(text: str) -> Markup:
    """Return a text with what stands between backticks as code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))


def _section(section: Section, folder: Path) -> dict[str, Any]:
    """Return a section as the template takes it."""
    parts = [_part(part, folder) for part in section.parts]
    flat = [own for part in parts for own in (part, *part.get("parts", ()))]
    return {
        "title": section.title,
        "said": section.said,
        "folded": section.folded,
        "id": re.sub(r"\W+", "-", section.title).strip("-").lower() or "section",
        "parts": parts,
        "words": [name for part in flat if "cells" in part for name in part["cells"].words],
    }


def _part(part: Part, folder: Path) -> dict[str, Any]:
    """Return a part as the template takes it: its kind, or of one that failed a warning."""
    if isinstance(failed := _made(part), Failed):
        return {"kind": "Text", "text": failed.sentence, "tone": Tone.WARNING.value, "about": ""}
    match part:
        case Text():
            return {"kind": "Text", "text": part.text, "tone": part.tone.value, "about": part.about}
        case Items():
            return {
                "kind": "Items",
                "title": part.title,
                "texts": part.texts,
                "tone": part.tone.value,
            }
        case Table():
            return _table(part)
        case Picture():
            return _picture(part, folder)
        case Trials():
            return {"kind": "Trials", "title": part.title, "data": part.data}
        case Beside():
            return {"kind": "Beside", "parts": [_part(own, folder) for own in part.parts]}


def _table(part: Table) -> dict[str, Any]:
    assert isinstance(part.frame, pd.DataFrame)
    made: Cells | Failed = attempt(f'"{part.caption}"', partial(cells, part.frame))
    if isinstance(made, Failed):
        return {"kind": "Text", "text": made.sentence, "tone": Tone.WARNING.value, "about": ""}
    return {
        "kind": "Table",
        "caption": part.caption,
        "cells": made,
        "file": part.file,
        "folded": part.folded,
    }


def _picture(part: Picture, folder: Path) -> dict[str, Any]:
    assert isinstance(part.path, Path)
    place = part.path.relative_to(folder) if part.path.is_relative_to(folder) else part.path
    return {
        "kind": "Picture",
        "title": part.title,
        "how": part.how,
        "png": place.as_posix(),
        "svg": place.with_suffix(".svg").as_posix(),
        "source": base64.b64encode(part.path.read_bytes()).decode(),
    }
