"""Pictures that a command draws beside its answer: one that fails takes nothing with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hebbax import figures
from hebbax.cli.console import CONSOLE
from hebbax.errors import HebbaxError
from hebbax.runs.attempts import Failed, attempt


def picture(draw: Callable[[], Any], path: Path) -> None:
    """Draw a picture into a file; where it cannot be drawn, say so in its place.

    Raises `HebbaxError` where it cannot be written.
    """
    made = attempt(f"The picture {path}", lambda: figures.save(draw(), path))
    if not isinstance(made, Failed):
        return
    if isinstance(made.problem, HebbaxError):
        raise made.problem
    CONSOLE.print(made.sentence)
