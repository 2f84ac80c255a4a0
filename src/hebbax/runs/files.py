"""Files and tables that are written as a whole or not at all, and files that may be read."""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from hebbax.errors import HebbaxError


def check_readable(path: Path, error: type[HebbaxError], where: str | None = None) -> None:
    """Raise ``error`` where the file system does not open a file for reading; messages call it
    ``where``. What a reader says of a file after that is said of what is in it."""
    try:
        with path.open("rb"):
            pass
    except OSError as problem:
        raise error(
            f"{where or path.name}: cannot be read ({problem.strerror}); put that right and give "
            "the same command again."
        ) from problem


@contextmanager
def replacing(path: Path, error: type[HebbaxError]) -> Iterator[Path]:
    """Yield the path of a sibling to write; it replaces ``path`` if all went well.

    If not, the sibling is removed, an earlier file at ``path`` stays as it was, and a failure of
    the file system (no folder, no permission, disk full) is raised as ``error``.
    """
    # Hidden, a name of ours: what a killed process left is written over, and no file of others.
    unfinished = path.with_name(f".{path.stem}.hebbax-unfinished{path.suffix}")
    try:
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder")
        yield unfinished
        os.replace(unfinished, path)
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise error(
            f"{path.name}: could not be written to {path.parent} ({reason}); what was there before "
            "is kept."
        ) from problem
    finally:
        with suppress(OSError):
            unfinished.unlink()


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a folder that are there; one that the file system keeps stays."""
    for name in names:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def write_tables(
    tables: Mapping[str, pd.DataFrame], folder: Path, error: type[HebbaxError], **options: Any
) -> None:
    """Write each table as ``<name>.csv`` into a folder; ``options`` are those of pandas' to_csv.

    A failure of the file system is raised as ``error`` (`replacing`).
    """
    for name, table in tables.items():
        with replacing(folder / f"{name}.csv", error) as unfinished:
            table.to_csv(unfinished, **options)
