"""A tidy table that grows cell by cell, so that a long experiment goes on where it was stopped.

A cell is one combination of what an experiment varies (a rule, a noise level, a seed). The table is
a CSV file whose first line, after ``#``, says with what it was made: versions, machine, a digest of
the settings, and as JSON the settings by name and a digest of the rows below.
"""

import hashlib
import io
import json
import os
import platform
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hebbax.errors import HebbaxError
from hebbax.runs import differing
from hebbax.runs.files import check_readable, replacing
from hebbax.typing import Progress

PACKAGES = ("hebbax", "jax", "numpyro")
"""What has to be the same for rows to stand in one table."""

MADE = re.compile(r"# (?P<by>.*), settings (?P<digest>[0-9a-f]{12})(?: (?P<held>\{.*\}))?\n?")
"""The first line. Tables of before hebbax named the settings and counted the rows lack the end."""


class Ledger:
    """Rows of an experiment in ``path``; `done` tells which cells are there already.

    ``keys`` are the columns that name a cell and ``settings`` whatever else the numbers depend on
    (their values are compared). Raises `HebbaxError` for a file that is damaged, or was made with
    other settings or by other versions, and leaves it as it is. Begun ``anew``, the rows that are
    there are not read; they stay until the first new ones take their place.
    """

    def __init__(
        self, path: Path, keys: tuple[str, ...], settings: object, *, anew: bool = False
    ) -> None:
        self.path, self.keys = path, keys
        self.provenance = provenance(settings)
        self._settings = settings
        self.frame = pd.DataFrame()
        if path.is_file() and not anew:
            stored = _stored(path)
            _check_made_alike(path, stored, settings)
            self.frame = stored.rows
            for key in keys:
                if key not in self.frame:
                    raise _damaged(path, f'has no column "{key}"')

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
        held = json.dumps({"rows": _digest(text), "settings": _named(self._settings)})
        with replacing(path, HebbaxError) as unfinished:
            unfinished.write_text(f"# {self.provenance} {held}\n{text}", encoding="utf-8")


def read(path: Path) -> pd.DataFrame:
    """Return a ledger's rows; only an empty cell is missing, and # is a sign as any other. Raises
    `HebbaxError` where they are not those that were written."""
    return _stored(path).rows


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
    packages = ", ".join(f"{name} {now}" for name, now in _versions().items())
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    return f"{packages}, {machine}, settings {_digest_of(settings)}"


class _Stored(NamedTuple):
    """A table as it was stored: the versions of what made it, the digest of its settings, these by
    name (empty where they were not kept), and its rows."""

    versions: dict[str, str]
    digest: str
    settings: dict[str, Any]
    rows: pd.DataFrame


def _stored(path: Path) -> _Stored:
    """Return what is stored; raise `HebbaxError` where it may not be read, or is not as written."""
    check_readable(path, HebbaxError)
    try:
        first, _, text = path.read_text(encoding="utf-8").partition("\n")
    except UnicodeDecodeError as problem:
        raise _damaged(path, "is not text") from problem
    made = MADE.fullmatch(first)
    try:
        held = json.loads(made["held"] or "{}") if made else None
    except (ValueError, RecursionError):
        held = None
    if made is None or held is None:
        raise _damaged(path, "does not say in its first line with what it was made")
    if held and held.get("rows") != _digest(text):
        raise _damaged(path, "has other rows than were written")
    try:
        rows = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])
    except ValueError as problem:
        raise _damaged(path, "is no table") from problem
    by = dict(part.split(" ", 1) for part in made["by"].split(", ") if " " in part)
    return _Stored(by, made["digest"], held.get("settings", {}), rows)


def _check_made_alike(path: Path, stored: _Stored, settings: object) -> None:
    """Raise `HebbaxError` where rows were made by other versions or with other settings."""
    where = f"and lies in {path.parent}; move it away"
    for name, now in _versions().items():
        if (before := stored.versions.get(name)) != now:
            raise HebbaxError(
                f"{path.name}: was made by {name} {before}, whose rows do not go into one table "
                f"with those of {name} {now}, {where}, install the former, or give another --out."
            )
    if stored.digest != _digest_of(settings):
        other = differing.difference(stored.settings, _named(settings)) if stored.settings else None
        raise HebbaxError(
            f"{path.name}: was made {other or 'with other settings'}, {where}, or give another "
            "--out."
        )


def _damaged(path: Path, what: str) -> HebbaxError:
    return HebbaxError(
        f"{path.name}: {what}, so that it is damaged or was edited, and lies in {path.parent}; put "
        "back a copy, or move it away to start anew."
    )


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def _named(settings: object) -> dict[str, Any]:
    """Return settings by name, as JSON holds them."""
    parts = settings if isinstance(settings, tuple) else (settings,)
    named: dict[str, Any] = json.loads(json.dumps(differing.flat(parts), default=_in_words))
    return named


def _in_words(value: object) -> object:
    """Return a setting that JSON has no form for: by its fields where it has them, since what an
    object shows of itself may leave some out."""
    return differing.flat(value) or repr(value)


def _digest_of(settings: object) -> str:
    return _digest(json.dumps(_named(settings)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
