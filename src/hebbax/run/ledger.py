"""A tidy table that grows cell by cell, so that a long experiment goes on where it was stopped.

A cell is one combination of what an experiment varies (a rule, a noise level, a seed). The table is
a CSV file whose first line, after ``#``, says with what it was made.
"""

import hashlib
import os
import platform
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from hebbax.errors import HebbaxError
from hebbax.run.files import replacing
from hebbax.typing import Progress


class Ledger:
    """Rows of an experiment in ``path``; `done` tells which cells are there already.

    ``keys`` are the columns that name a cell and ``settings`` whatever else the numbers depend on
    (its ``repr`` is compared). Raises `HebbaxError` if the file was made with other settings.
    """

    def __init__(self, path: Path, keys: tuple[str, ...], settings: object) -> None:
        self.path, self.keys = path, keys
        self.provenance = provenance(settings)
        self.frame = pd.DataFrame()
        if path.is_file():
            if _settings(_first_line(path)) != _settings(self.provenance):
                raise HebbaxError(
                    f"{path.name}: was made with other settings and lies in {path.parent}; remove "
                    "it, or give another --out."
                )
            self.frame = read(path)

    def done(self, **cell: Hashable) -> bool:
        """Whether rows of this cell are in the table."""
        if self.frame.empty:
            return False
        matches = pd.Series(True, index=self.frame.index)
        for key in self.keys:
            matches &= self.frame[key] == cell[key]
        return bool(matches.any())

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append the rows of a cell and write the table, as a whole or not at all."""
        self.frame = pd.concat([self.frame, pd.DataFrame(list(rows))], ignore_index=True)
        self._write(self.path, self.frame, "%.6g")

    def write_beside(self, table: pd.DataFrame, name: str, float_format: str) -> None:
        """Write what was computed from the rows into their folder; it says the same of its making,
        and `read` reads it."""
        self._write(self.path.with_name(name), table, float_format)

    def arrange(self) -> pd.DataFrame:
        """Write the rows in the order of their keys, and return them as they are read back: what
        was made at once and what was made in pieces, in whatever order, is then the same."""
        self.frame = self.frame.sort_values(list(self.keys), kind="stable", ignore_index=True)
        self.add([])
        self.frame = read(self.path)
        return self.frame

    def _write(self, path: Path, table: pd.DataFrame, float_format: str) -> None:
        text = table.to_csv(index=False, float_format=float_format)
        with replacing(path, HebbaxError) as unfinished:
            unfinished.write_text(f"# {self.provenance}\n{text}", encoding="utf-8")


def read(path: Path) -> pd.DataFrame:
    """Return a ledger's rows; only an empty cell is missing, and # is a sign as any other."""
    return pd.read_csv(path, skiprows=1, keep_default_na=False, na_values=[""])


def fill(
    ledgers: Sequence[Ledger],
    cells: Mapping[str, Mapping[str, Any]],
    rows: Callable[..., Sequence[Iterable[Mapping[str, Any]]]],
    progress: Progress,
) -> None:
    """Add the rows of every cell that is not in all ledgers yet.

    ``cells`` names each cell for the progress bar, and ``rows(**cell)`` returns what each of the
    ledgers gets of it.
    """
    for done, (label, cell) in enumerate(cells.items()):
        progress(label, done, len(cells))
        if not all(ledger.done(**cell) for ledger in ledgers):
            for ledger, own in zip(ledgers, rows(**cell), strict=True):
                if not ledger.done(**cell):
                    ledger.add(own)
    progress("done", len(cells), len(cells))


def provenance(settings: object) -> str:
    """Return one line: versions, machine, and a digest of the settings."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("hebbax", "jax", "numpyro"))
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:12]
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    return f"{packages}, {machine}, settings {digest}"


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline()


def _settings(line: str) -> str:
    return line.rpartition("settings ")[2].strip()
