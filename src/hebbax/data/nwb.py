"""Trials of Neurodata Without Borders: one file a session, a folder of files for several.

The table of trials has what happened; whose it is and when it began stand beside it: they are the
animal and the session where the table has no such columns, sex and genotype are covariates.
"""

from collections.abc import Mapping
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


def nwb_files(path: Path, name: str) -> list[Path]:
    """Return a file itself, or the files that lie in a folder, called ``name``, and in the folders
    in it; none where there is none. Raises `DataError` where MATLAB files lie beside them."""
    if not path.is_dir():
        return [path] if path.suffix.lower() == NWB else []
    inside = [one for pattern in ("*", "*/*") for one in path.glob(pattern)]
    files = sorted(one for one in inside if one.suffix.lower() == NWB)
    others = [one for one in inside if one.suffix.lower() == ".mat"]
    if files and others:
        raise DataError(
            f"{name}: holds {printable(files[0].name)} and {printable(others[0].name)}; put NWB "
            "and MATLAB files into folders of their own."
        )
    return files


def read_nwb(files: list[Path], name: str, columns: Mapping[str, str]) -> Grid:
    """Return the trials of some files below each other; messages call them ``name``, and
    ``columns`` are those that the user named.

    Raises `DataError` for a file without trials, or without a subject where no column names the
    animal, and for files whose columns differ.
    """
    called = [printable(path.name) for path in files]
    contents = load_files("nwb", [Named(*pair) for pair in zip(files, called, strict=True)])
    tables: list[pd.DataFrame] = []
    for content, file in zip(contents, called, strict=True):
        table = _table(content, file, columns)
        if tables and list(table) != list(tables[0]):
            odd = sorted({*table} ^ {*tables[0]}) or ["another order"]
            raise DataError(
                f"{file}: has other columns than {called[0]} ({printable(', '.join(odd))}); files "
                "of one recording have the same."
            )
        tables.append(table)
    whole = pd.concat(tables, ignore_index=True)
    note = "Animal and session are the subject and the start of each file, unless columns say so."
    return Grid(typed_table(whole, name, 0), "", [note])


def _table(content: Content, name: str, columns: Mapping[str, str]) -> pd.DataFrame:
    attrs = content.attrs
    if not attrs["trials"]:
        raise DataError(f"{name}: has no table of trials.")
    table = pd.DataFrame(content.columns, dtype=object)
    headers = list(table.columns)
    beside: dict[str, Any] = {"animal": attrs["subject_id"], "session": attrs["start"]}
    beside |= {key: attrs[key] for key in COVARIATES if attrs[key]}
    for header, value in beside.items():
        if header in columns or find(header, headers) is not None:
            continue
        if value is None:
            raise DataError(
                f"{name}: names no subject, and has no column animal; give it a subject_id."
            )
        table[header] = value
    return table
