"""How objects look where they stand last in a cell of a notebook, and at a prompt.

An object says what it shows: sentences and tables. At a prompt they are text, in a notebook HTML.
"""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

Part: TypeAlias = "str | pd.DataFrame"
"""A sentence, or a table of numbers."""

DIGITS = "{:.3f}".format


MOST = 6
"""Names that a sentence lists."""


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: of many the first and the last."""
    few = list(names) if len(names) <= MOST else [*names[: MOST - 2], "...", names[-1]]
    return " and ".join(filter(None, [", ".join(few[:-1]), few[-1]])) if few else "none"


class Displayed(ABC):
    """An object that is shown by what `shown` returns; a dataclass keeps it by ``repr=False``."""

    @abstractmethod
    def shown(self) -> Sequence[Part]:
        """Return what a reader sees of it, from the top: sentences and tables."""

    def __repr__(self) -> str:
        return "\n".join(_text(part) for part in self.shown())

    def _repr_html_(self) -> str:
        return "\n".join(_html(part) for part in self.shown())


def _text(part: Part) -> str:
    return part if isinstance(part, str) else part.to_string(float_format=DIGITS, na_rep="")


def _html(part: Part) -> str:
    if isinstance(part, str):
        return f"<p style='white-space: pre-wrap'>{html.escape(part)}</p>"
    return part.to_html(float_format=DIGITS, border=0, na_rep="")
