"""Trials of Neurodata Without Borders: one file a session, a folder of files for several.

The table of trials has what happened; whose it is and when it began stand beside it: they are the
animal and the session where the table has no such columns, sex and genotype are covariates.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from hebbax.data.folders import entries
from hebbax.data.frames import typed_table
from hebbax.data.headers import find
from hebbax.data.isolated import Content, Named, load_files
from hebbax.data.text import Grid
from hebbax.errors import DataError
from hebbax.validation.quoting import printable

NWB = ".nwb"
"""Ending of a file."""

COVARIATES = ("sex", "genotype")


def nwb_files(path: Path, name: str) -> list[Named]:
    """Return a file itself, or the files that lie in a folder, called ``name``, and in the folders
    in it; none where there is none. Raises `DataError` where MATLAB files lie beside them."""
    if not path.is_dir():
        return [Named(path, name)] if path.suffix.lower() == NWB else []
    outer = entries(path, name)
    inner = [one for each in outer if each.is_dir() for one in entries(each, printable(each.name))]
    inside = [Named(one, printable(one.relative_to(path).as_posix())) for one in (*outer, *inner)]
    files = [one for one in inside if one.path.suffix.lower() == NWB]
    others = [one for one in inside if one.path.suffix.lower() == ".mat"]
    if files and others:
        raise DataError(
            f"{name}: holds {files[0].where} and {others[0].where}; put NWB and MATLAB files into "
            "folders of their own."
        )
    return files


def read_nwb(files: Sequence[Named], name: str, columns: Mapping[str, str]) -> Grid:
    """Return the trials of some files below each other; messages call them ``name``, and
    ``columns`` are those that the user named.

    Raises `DataError` for a file without trials, or without a subject where no column names the
    animal, for files whose columns differ, and for two that would be one session of an animal.
    """
    contents = load_files("nwb", files)
    # All files have a covariate, or none does: it is missing where a file does not say it.
    known = [key for key in COVARIATES if any(content.attrs[key] for content in contents)]
    tables: list[pd.DataFrame] = []
    for content, (_, file) in zip(contents, files, strict=True):
        table = _table(content, file, known, columns)
        if tables and list(table) != list(tables[0]):
            odd = sorted({*table} ^ {*tables[0]}) or ["another order"]
            raise DataError(
                f"{file}: has other columns than {files[0].where} ({printable(', '.join(odd))}); "
                "files of one recording have the same."
            )
        tables.append(table)
    if _beside("session", list(contents[0].columns), columns):
        _check_starts(files, tables, [content.attrs["start"] for content in contents], columns)
    whole = pd.concat(tables, ignore_index=True)
    note = "Animal and session are the subject and the start of each file, unless columns say so."
    return Grid(typed_table(whole, name, 0), "", [note])


def _table(
    content: Content, name: str, known: Sequence[str], columns: Mapping[str, str]
) -> pd.DataFrame:
    """Return the trials of a file with what stands beside them and no column says: animal, session
    and the covariates ``known``."""
    attrs = content.attrs
    if not attrs["trials"]:
        raise DataError(f"{name}: has no table of trials.")
    table = pd.DataFrame(content.columns, dtype=object)
    beside: dict[str, Any] = {"animal": attrs["subject_id"], "session": attrs["start"]}
    beside |= {key: attrs[key] for key in known}
    for header, value in beside.items():
        if not _beside(header, list(content.columns), columns):
            continue
        if value is None and header == "animal":
            raise DataError(
                f"{name}: names no subject, and has no column animal; give it a subject_id."
            )
        table[header] = value
    return table


def _beside(field: str, headers: Sequence[str], columns: Mapping[str, str]) -> bool:
    """Return whether no column says a field, so that it is what stands beside the trials."""
    return field not in columns and find(field, headers) is None


def _check_starts(
    files: Sequence[Named],
    tables: Sequence[pd.DataFrame],
    starts: Sequence[str],
    columns: Mapping[str, str],
) -> None:
    """Raise `DataError` where two files hold trials of an animal and say the same start: they would
    be one session."""
    header = find(columns.get("animal", "animal"), list(tables[0].columns))
    found: dict[tuple[str, datetime], str] = {}
    for (_, file), table, start in zip(files, tables, starts, strict=True):
        for animal in table[header].dropna().astype(str).unique() if header is not None else ():
            first = found.setdefault((animal, datetime.fromisoformat(start)), file)
            if first != file:
                raise DataError(
                    f"{file}: begins at {start} with animal {printable(animal)}, as {first} does; "
                    "if both are one session, keep one file of it, and if they are two, give each "
                    "its session_start_time, or the trials of all files a column session."
                )
