"""Files of others, read in a process of its own: where it crashes, a sentence and no more.

SciPy's reader of MATLAB files, the HDF5 library and Arrow's reader of Parquet are C programs that a
damaged file can end by a segmentation fault, or keep busy for ever. `hebbax.data.child` reads all
files of one call; what it could not read is refused by name.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from hebbax.data import child
from hebbax.data.limits import (
    MAX_BYTES,
    MAX_CELLS,
    MAX_COLUMNS,
    MAX_MEMORY,
    MAX_ROWS,
    MAX_SECONDS,
)
from hebbax.errors import DataError
from hebbax.runs.files import check_readable

Kind = Literal["mat", "nc", "parquet", "xlsx", "nwb"]

NAMES: dict[Kind, str] = {
    "mat": "MATLAB file",
    "nc": "netCDF file",
    "parquet": "parquet table",
    "xlsx": "Excel file",
    "nwb": "NWB file",
}

EXTRAS: dict[Kind, str] = {"xlsx": "excel", "nwb": "nwb"}
"""What has to be installed with hebbax to read files of a kind."""

MOST = {
    "cells": MAX_CELLS,
    "rows": MAX_ROWS,
    "columns": MAX_COLUMNS,
    "bytes": MAX_BYTES,
    "memory": MAX_MEMORY,
}


class Named(NamedTuple):
    """A file and how messages call it."""

    path: Path
    where: str


@dataclass(frozen=True)
class Content:
    """What a file holds, by name: arrays of numbers, lists of text, dimensions of variables,
    attributes of the file, the kind of every variable that is neither number nor text, and the
    cells of each column of a table."""

    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    text: dict[str, list[str]] = field(default_factory=dict)
    dims: dict[str, list[str]] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    columns: dict[str, list] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of all variables."""
        return [*self.numbers, *self.text, *self.kinds]


def load_files(kind: Kind, files: Sequence[Named]) -> list[Content]:
    """Return what each file holds; raise `DataError` naming the first that cannot be read."""
    for file in files:
        check_readable(file.path, DataError, file.where)
    order = {"kind": kind, "paths": [str(file.path) for file in files], "most": MOST}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", child.__file__],
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=MAX_SECONDS,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        answer, ending = done.stdout, _ending(done)
    except subprocess.TimeoutExpired as late:
        answer = late.stdout or b""
        ending = f"reading took more than {MAX_SECONDS} s"
    except OSError as problem:
        answer, ending = b"", f"a process to read it could not start ({problem.strerror})"
    contents = [
        _content(kind, where, *part)
        for (_, where), part in zip(files, _parts(answer), strict=False)
    ]
    if len(contents) < len(files):
        raise DataError(f"{unreadable(kind, files[len(contents)].where)[:-1]} ({ending}).")
    return contents


def _ending(done: subprocess.CompletedProcess) -> str:
    """Return how a process that fell silent ended, in words."""
    if done.returncode < 0:
        return "it ends the program that reads it, so it is damaged"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"reading it failed: {said[-1] if said else f'exit code {done.returncode}'}"


def _parts(answer: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield header and arrays of each file that was answered whole."""
    start, prefix = 0, child.LENGTHS.size
    while start + prefix <= len(answer):
        head, body = child.LENGTHS.unpack_from(answer, start)
        end = start + prefix + head + body
        if end > len(answer):
            return
        middle = start + prefix + head
        yield json.loads(answer[start + prefix : middle]), answer[middle:end]
        start = end


def unreadable(kind: Kind, where: str) -> str:
    """Return the sentence on a damaged file, or one that is of another kind than its name says."""
    return f"{where}: not a readable {NAMES[kind]}."


def _content(kind: Kind, where: str, header: dict[str, Any], packed: bytes) -> Content:
    refused = header.pop("refused", None)
    if refused == "missing":
        extra = f"hebbax[{EXTRAS[kind]}]" if kind in EXTRAS else header["what"]
        raise DataError(
            f"{where}: an {NAMES[kind]}, which needs {header['what']} to be read; "
            f"python -m pip install '{extra}' installs it."
        )
    if refused == "said":
        raise DataError(f"{where}: {header['what']}.")
    if refused is not None:
        raise DataError(unreadable(kind, where))
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        numbers = {name.removeprefix("v "): arrays[name] for name in arrays.files}
    return Content(numbers, **header)
