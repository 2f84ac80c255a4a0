"""Folders of results: made, locked against other writers, and never emptied in silence."""

import glob
from pathlib import Path

import click

from hebbax.errors import HebbaxError
from hebbax.runs.lock import results_folder


def prepare_folder(folder: Path) -> None:
    """Make the folder of results and keep other writers out until the command ends.

    Raises `HebbaxError` where nothing can be written, or another process writes already.
    """
    click.get_current_context().with_resource(results_folder(folder))


def refuse_replacing_any(folder: Path, stem: str, *, force: bool) -> None:
    """Raise `HebbaxError` where a file of an earlier answer, whose names begin with ``stem``, lies
    in a folder, unless it is to go."""
    for path in sorted(folder.glob(f"{glob.escape(stem)}*")):
        refuse_replacing(path, force=force)


def refuse_replacing(path: Path, *, force: bool) -> None:
    """Raise `HebbaxError` where an earlier answer lies at ``path``, unless it is to go."""
    if path.exists() and not force:
        raise HebbaxError(f"{path}: exists already; --force replaces it.")
