"""What every command that takes DATA begins with, and the one that does no more: read it, and say
what was read."""

from pathlib import Path

from rich.table import Table

from hebbax import data
from hebbax.cli.console import CONSOLE
from hebbax.cli.options import mapping


def describe(recordings: Path, columns: tuple[str, ...], no_choice: str | None) -> None:
    """Print what is read of recordings."""
    described(recordings, columns, no_choice)


def described(recordings: Path, columns: tuple[str, ...], no_choice: str | None) -> data.Sessions:
    """Return the sessions of DATA after the terminal has shown what they are, and what may be
    wrong with them."""
    sessions = data.read(recordings, columns=mapping(columns), no_choice=no_choice)
    found = data.describe(sessions)
    shown = Table.grid(padding=(0, 2))
    for name, value in found.counts.items():
        shown.add_row(f"  {name}", value)
    CONSOLE.print(f"Read from {found.source}:", highlight=False)
    CONSOLE.print(shown, highlight=False)
    for note in found.notes:
        CONSOLE.print(f"  {note}", highlight=False)
    for question in found.questions:
        CONSOLE.print(f"Question: {question}", style="yellow", highlight=False)
    return sessions
