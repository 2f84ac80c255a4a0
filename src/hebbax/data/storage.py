"""Sessions written to files: hebbax's own netCDF, which holds everything, and the tidy CSV."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from hebbax.data.covariates import Value
from hebbax.data.isolated import Content, Named, load_files
from hebbax.data.offers import SEPARATOR, check_separable
from hebbax.data.sessions import Sessions
from hebbax.errors import DataError
from hebbax.runs import netcdf
from hebbax.runs.files import replacing

FILE_VERSION = 3
"""Version 1 lost the rejections of trials without a choice, version 2 had no sessions."""

LABELS = ("animal", "stimulus")
INTEGERS = ("choices", "blocks", "session", "n_trials", "rejections", "offered")
DIMS = {
    "animal": ("animal",),
    "stimulus": ("stimulus",),
    "choices": ("animal", "trial"),
    "rewards": ("animal", "trial"),
    "blocks": ("animal", "trial"),
    "session": ("animal", "trial"),
    "n_trials": ("animal",),
    "rejections": ("animal", "trial", "stimulus"),
    "offered": ("animal", "trial", "stimulus"),
}
"""Dimensions of every variable."""

OPTIONAL = {
    "rejections": "rejected encounters of the trial",
    "offered": "1: the trial offered the alternative, 0: it did not",
}
"""Variables that may be missing, and their names in words."""

VARIABLES = tuple(name for name in DIMS if name not in OPTIONAL)


def write(sessions: Sessions, path: str | Path) -> None:
    """Write netCDF, as a whole or not at all; `hebbax.data.read` returns the same sessions."""
    netcdf.write({"/": to_dataset(sessions)}, Path(path), DataError)


def to_dataset(sessions: Sessions) -> xr.Dataset:
    """Return the sessions with named dimensions, `hebbax.data.read` returns the same sessions."""
    cells = ("animal", "trial")
    variables = {
        "choices": (
            cells,
            sessions.choices,
            {"long_name": "index of the chosen stimulus, -1: none", "units": "1"},
        ),
        "rewards": (cells, sessions.rewards, {"long_name": "reward", "units": "1"}),
        "blocks": (
            cells,
            sessions.blocks,
            {"long_name": "block, from 0; -1: padding", "units": "1"},
        ),
        "session": (
            cells,
            sessions.session,
            {"long_name": "session of the animal, from 0; -1: padding", "units": "1"},
        ),
        "n_trials": (
            "animal",
            sessions.n_trials,
            {"long_name": "recorded trials", "units": "1"},
        ),
    }
    for field, name in OPTIONAL.items():
        if (values := getattr(sessions, field)) is not None:
            note = {"long_name": name, "units": "1"}
            variables[field] = ((*cells, "stimulus"), values.astype(int), note)
    return xr.Dataset(
        variables,
        coords={
            "animal": list(sessions.animals),
            "trial": np.arange(1, sessions.max_trials + 1),
            "stimulus": list(sessions.stimuli),
        },
        attrs={
            "hebbax_sessions": FILE_VERSION,
            "source": sessions.source,
            "notes": json.dumps(sessions.notes),
            "covariates": json.dumps(sessions.covariates),
        },
    )


def write_table(sessions: Sessions, path: str | Path) -> None:
    """Write the tidy CSV that `hebbax.data.read` reads (`to_frame`)."""
    with replacing(Path(path), DataError) as unfinished:
        to_frame(sessions).to_csv(unfinished, index=False)


def to_frame(sessions: Sessions) -> pd.DataFrame:
    """Return the tidy table that `hebbax.read` reads: one row a trial, without the rejections.

    >>> import hebbax
    >>> table = {"animal": ["A", "A"], "trial": [1, 2], "choice": ["L", "R"], "reward": [1, 0]}
    >>> to_frame(hebbax.read(table))
      animal  trial  block choice  reward
    0      A      1      1      L     1.0
    1      A      2      1      R     0.0

    Raises `DataError` where a name cannot stand in the column offered.
    """
    animal, trial = np.nonzero(np.arange(sessions.max_trials) < sessions.n_trials[:, None])
    choice = sessions.choices[animal, trial]
    made = choice >= 0
    table = pd.DataFrame(
        {
            "animal": np.array(sessions.animals, dtype=object)[animal],
            "trial": trial + 1,
            "block": sessions.blocks[animal, trial] + 1,
            "choice": np.where(made, np.array(sessions.stimuli, dtype=object)[choice], None),
            "reward": np.where(made, sessions.rewards[animal, trial], np.nan),
        }
    )
    if sessions.n_sessions > 1:
        table.insert(1, "session", sessions.session[animal, trial] + 1)
    if sessions.offered is not None:
        check_separable(sessions.stimuli, sessions.source)
        kinds, kind = np.unique(sessions.offered[animal, trial], axis=0, return_inverse=True)
        names = np.array(sessions.stimuli, dtype=object)
        cells = np.array([SEPARATOR.join(names[one]) for one in kinds], dtype=object)
        table["offered"] = cells[kind]
    for name, values in sessions.covariates.items():
        table[name] = np.array(values, dtype=object)[animal]
    return table


def read_netcdf(path: Path, name: str) -> Sessions:
    """Return the sessions stored in a netCDF file that hebbax wrote; messages call it ``name``."""
    (stored,) = load_files("nc", [Named(path, name)])
    return _sessions(stored, name)


def is_stored(dataset: xr.Dataset) -> bool:
    """Return whether a data set is one of sessions (`to_dataset`)."""
    return "hebbax_sessions" in dataset.attrs


def from_dataset(dataset: xr.Dataset, name: str) -> Sessions:
    """Return the sessions of a data set of `to_dataset`; messages call it ``name``."""
    numbers, text, kinds = {}, {}, {}
    for field, values in dataset.variables.items():
        array = values.to_numpy()
        if array.dtype.kind in "biuf":
            numbers[str(field)] = array
        elif all(isinstance(one, str) for one in array.flat):
            text[str(field)] = [str(one) for one in array]
        else:
            kinds[str(field)] = str(array.dtype)
    dims = {str(field): [*map(str, one.dims)] for field, one in dataset.variables.items()}
    attributes = {str(key): value for key, value in dataset.attrs.items()}
    return _sessions(Content(numbers, text, dims, attributes, kinds), name)


def _sessions(stored: Content, name: str) -> Sessions:
    """Return the sessions that are stored so, checked."""
    if "hebbax_sessions" not in stored.attrs:
        raise DataError(f"{name}: not a file of sessions that hebbax wrote.")
    version = stored.attrs["hebbax_sessions"]
    if version != FILE_VERSION:
        raise DataError(
            f"{name}: a file of version {version}; this hebbax reads version {FILE_VERSION}."
        )
    _check_stored(stored, name)
    numbers = stored.numbers
    rejections, offered = numbers.get("rejections"), numbers.get("offered")
    if offered is not None and not np.isin(offered, (0, 1)).all():
        raise DataError(f"{name}, offered: something else than 0 and 1 given.")
    sessions = Sessions(
        animals=tuple(stored.text["animal"]),
        stimuli=tuple(stored.text["stimulus"]),
        choices=numbers["choices"].astype(np.int64),
        rewards=numbers["rewards"].astype(float),
        blocks=numbers["blocks"].astype(np.int64),
        session=numbers["session"].astype(np.int64),
        n_trials=numbers["n_trials"].astype(np.int64),
        rejections=None if rejections is None else rejections.astype(np.int64),
        offered=None if offered is None else offered.astype(bool),
        source=name,
        notes=_notes(stored, name),
        covariates=_covariates(stored, name),
    )
    return replace(sessions, source=stored.attrs["source"])  # messages named the file itself


def _check_stored(stored: Content, name: str) -> None:
    """Raise `DataError` where a variable is missing, or of another kind or other dimensions."""
    missing = [field for field in VARIABLES if field not in stored.names]
    if missing:
        raise DataError(
            f"{name}: the variable {missing[0]} is missing; {', '.join(VARIABLES)} are needed."
        )
    if not isinstance(stored.attrs.get("source"), str):
        raise DataError(f"{name}: the attribute source is missing; it names the recording.")
    for field, dims in DIMS.items():
        if field not in stored.names:
            continue
        if field not in (stored.text if field in LABELS else stored.numbers):
            needed = "text is" if field in LABELS else "numbers are"
            raise DataError(f"{name}, {field}: other values found; {needed} needed.")
        if tuple(stored.dims[field]) != dims:
            raise DataError(
                f"{name}, {field}: dimensions {', '.join(stored.dims[field])} found; "
                f"{', '.join(dims)} are needed."
            )
        if field in INTEGERS and stored.numbers[field].dtype.kind not in "iu":
            raise DataError(
                f"{name}, {field}: {stored.numbers[field].dtype} given; integers are needed."
            )


def _covariates(stored: Content, name: str) -> dict[str, tuple[Value, ...]]:
    """Return the covariates of the animals."""
    try:
        found = json.loads(stored.attrs.get("covariates", "{}"))
        return {str(key): tuple(values) for key, values in found.items()}
    except (TypeError, ValueError, AttributeError):
        raise DataError(f"{name}: the attribute covariates is not readable.") from None


def _notes(stored: Content, name: str) -> tuple[str, ...]:
    """Return the notes that the first reader of these sessions made."""
    try:
        notes = json.loads(stored.attrs.get("notes", "[]"))
    except (TypeError, ValueError):
        notes = None
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise DataError(f"{name}: the attribute notes is not a JSON list of sentences.")
    return tuple(notes)
