"""Parts of an answer that may fail alone: what failed leaves a sentence in its place.

A study ends in dozens of tables, checks and pictures after hours of fitting, and one of them that
cannot be made must not take the others with it.
"""

import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hebbax.errors import HebbaxError

DETAILS = "problems.txt"
"""File of a results folder with what went wrong in it, for whoever looks for the reason."""

T = TypeVar("T")


@dataclass(frozen=True)
class Failed:
    """A part that could not be made: which, and why not."""

    what: str
    problem: Exception

    @property
    def sentence(self) -> str:
        """What is missing and why, in one sentence."""
        reason = str(self.problem).rstrip(".")
        if not isinstance(self.problem, HebbaxError):
            first = reason.strip().split("\n")[0].split(". ")[0]
            reason = f"{type(self.problem).__name__}: {first}".rstrip(": ")
        return f"{self.what} could not be made ({reason})."


def attempt(what: str, make: Callable[[], T]) -> T | Failed:
    """Return what ``make`` returns, or `Failed` where it raises; ``what`` names the part."""
    try:
        return make()
    except Exception as problem:
        return Failed(what, problem)


def said(made: str | Failed) -> str:
    """Return a text, or the sentence in the place of one that failed."""
    return made.sentence if isinstance(made, Failed) else made


def write_details(failures: Sequence[Failed], folder: Path) -> None:
    """Write where each failure came from to `DETAILS`; without failures, remove what an earlier
    answer left there. A folder that refuses it loses no more than this file."""
    path = folder / DETAILS
    parts = [f.sentence + "\n\n" + "".join(traceback.format_exception(f.problem)) for f in failures]
    with suppress(OSError):
        if failures:
            path.write_text("\n".join(parts), encoding="utf-8", errors="backslashreplace")
        else:
            path.unlink(missing_ok=True)
