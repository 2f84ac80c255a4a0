"""Trials of Neurodata Without Borders: one file a session, a folder of files for several.

The table of trials has what happened; whose it is and when it began stand beside it: they are the
animal and the session where the table has no such columns, sex and genotype are covariates.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from hebbax.data.frames import typed_table
from hebbax.data.headers import find
from hebbax.data.isolated import Content, Named, load_files
from hebbax.data.text import Grid
from hebbax.errors import DataError
from hebbax.validation.quoting import printable

NWB = ".nwb"
"""Ending of a file."""

COVARIATES = ("sex", "genotype")


def nwb_files(path: Path) -> list[Path]:
    """Return a file itself, or the files that lie in a folder; none where there is none."""
    if path.is_dir():
        return sorted(one for one in path.iterdir() if one.suffix.lower() == NWB)
    return [path] if path.suffix.lower() == NWB else []


def read_nwb(files: list[Path], name: str) -> Grid:
    """Return the trials of some files below each other; messages call them ``name``.

    Raises `DataError` for a file without trials, or without a subject where no column names the
    animal.
    """
    contents = load_files("nwb", [Named(path, printable(path.name)) for path in files])
    tables = [
        _table(content, printable(path.name)) for path, content in zip(files, contents, strict=True)
    ]
    whole = pd.concat(tables, ignore_index=True)
    note = "Animal and session are the subject and the start of each file, unless columns say so."
    return Grid(typed_table(whole, name, 0), "", [note])


def _table(content: Content, name: str) -> pd.DataFrame:
    attrs = content.attrs
    if not attrs["trials"]:
        raise DataError(f"{name}: has no table of trials.")
    table = pd.DataFrame(content.columns, dtype=object)
    headers = list(table.columns)
    beside: dict[str, Any] = {"animal": attrs["subject_id"], "session": attrs["start"]}
    beside["trial"] = range(1, len(table) + 1)
    beside |= {key: attrs[key] for key in COVARIATES if attrs[key]}
    for header, value in beside.items():
        if find(header, headers) is not None:
            continue
        if value is None:
            raise DataError(
                f"{name}: names no subject, and has no column animal; give it a subject_id."
            )
        table[header] = value
    return table
