"""Sessions from a tidy table: one row a trial, or one row an encounter."""

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hebbax.data.sessions import NO_CHOICE, Record, Sessions, from_animals, natural_order, shown
from hebbax.errors import DataError

TRIAL_COLUMNS = ("animal", "trial", "choice", "reward")
ENCOUNTER_COLUMNS = ("animal", "trial", "stimulus", "accepted", "reward")
FIELDS = tuple(dict.fromkeys((*TRIAL_COLUMNS, *ENCOUNTER_COLUMNS, "block")))
LABELS = ("animal", "choice", "stimulus")
NUMBERS = ("trial", "reward", "accepted", "block")


def read_table(path: Path, columns: Mapping[str, str]) -> Sessions:
    """Return the sessions of a CSV or Parquet table; ``columns`` maps our names to its headers.

    With a column ``accepted`` the table has one row an encounter, otherwise one row a trial. An
    empty choice (or a trial without an acceptance) is an omitted trial. Animals keep their order
    of appearance; trials are numbered from 0 or 1, without gaps.
    """
    table = _fields(_load(path, columns), columns, path.name)
    if table.empty:
        raise DataError(f"{path.name}: the table has a header and no rows.")
    for name in table.columns.intersection(list(LABELS)):
        table[name] = pd.Series(map(_label, table[name]), table.index, dtype=object)
    _check_identity(table, path.name)
    for name in table.columns.intersection(list(NUMBERS)):
        table[name] = _numeric(table, name, path.name)
    for name in table.columns.intersection(["trial", "block"]):
        _check_whole(table, name, path.name)
    column, make = (
        ("stimulus", _from_encounters) if "accepted" in table else ("choice", _from_trials)
    )
    stimuli = sorted(table[column].dropna().unique(), key=natural_order)
    table["code"] = pd.Categorical(table[column], categories=stimuli).codes.astype(int)
    # Ranks over the whole table: block 2 is the same block in every animal.
    table["block"] = np.unique(table["block"], return_inverse=True)[1] if "block" in table else 0
    records = []
    for animal, group in table.groupby("animal", sort=False):
        rows = group.sort_values("trial", kind="stable")
        records.append(make(str(animal), rows, len(stimuli), path.name))
    return from_animals(records, stimuli, path.name)


def _load(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return the table as it is, without empty rows; the index is the row of a spreadsheet."""
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            # Names stay text: "007" is not 7. Blank lines stay, so that row numbers are the file's.
            table = pd.read_csv(
                path,
                sep="\t" if path.suffix.lower() == ".tsv" else ",",
                dtype={columns.get(name, name): str for name in LABELS},
                low_memory=False,
                skip_blank_lines=False,
            )
    except pd.errors.EmptyDataError as problem:
        raise DataError(f"{path.name}: the file is empty.") from problem
    except (OSError, ValueError) as problem:
        raise DataError(
            f"{path.name}: not a readable {path.suffix[1:].lower()} table."
        ) from problem
    table.index = pd.RangeIndex(2, len(table) + 2)
    return table.dropna(how="all")


def _fields(table: pd.DataFrame, columns: Mapping[str, str], source: str) -> pd.DataFrame:
    """Return the columns hebbax knows, under its own names."""
    found = ", ".join(map(str, table.columns)) or "nothing"
    for name, header in columns.items():
        if name not in FIELDS:
            raise DataError(f'unknown field "{name}" in --column; fields are {", ".join(FIELDS)}.')
        if header not in table:
            raise DataError(f'{source}: no column "{header}" for {name}; found {found}.')
    # A header that a mapping claims is no longer read under its own name.
    headers = {name: name for name in FIELDS if name in table and name not in columns.values()}
    headers |= columns
    for name in ENCOUNTER_COLUMNS if "accepted" in headers else TRIAL_COLUMNS:
        if name not in headers:
            raise DataError(
                f'{source}: no column "{name}"; found {found}; '
                f"name another header with --column {name}=HEADER."
            )
    return pd.DataFrame({name: table[header] for name, header in headers.items()})


def _label(value: Any) -> str | None:
    """Return a name as a person would write it: 1.0 from a column with gaps is "1"."""
    text = "" if pd.isna(value) else str(value).strip()
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text) or None


def _check_identity(table: pd.DataFrame, source: str) -> None:
    for name in ("animal", "trial"):
        empty = table.index[table[name].isna()]
        if len(empty):
            raise DataError(f"{source}, row {empty[0]}, {name}: empty; every row needs one.")


def _numeric(table: pd.DataFrame, name: str, source: str) -> pd.Series:
    numbers = pd.to_numeric(table[name], errors="coerce")
    odd = np.flatnonzero(numbers.isna() & table[name].notna())
    if len(odd):
        row = table.iloc[odd[0]]
        raise DataError(
            f"{source}, animal {row['animal']}, trial {_label(row['trial'])}, {name}: "
            f'"{row[name]}" is not a number.'
        )
    return numbers.astype(float)


def _check_whole(table: pd.DataFrame, name: str, source: str) -> None:
    odd = table.index[~(table[name] % 1 == 0)]
    if len(odd):
        raise DataError(
            f"{source}, row {odd[0]}, {name}: {shown(table[name][odd[0]])} given; a whole number "
            "is needed."
        )


def _check_trials(trials: np.ndarray, where: str) -> None:
    """Raise `DataError` unless the sorted trial numbers are 0 or 1 and the following ones."""
    if trials[0] not in (0, 1):
        raise DataError(
            f"{where}: starts with trial {trials[0]:g}; trials are numbered from 0 or 1, because "
            "learning starts there."
        )
    for before, trial in pairwise(trials):
        if trial == before:
            raise DataError(f"{where}, trial {trial:g}: given twice; each trial may stand once.")
        if trial != before + 1:
            raise DataError(
                f"{where}, trial {trial:g}: follows trial {before:g}; an omitted trial needs "
                "its row, with an empty choice."
            )


def _from_trials(animal: str, rows: pd.DataFrame, n_stimuli: int, source: str) -> Record:
    trials = rows["trial"].to_numpy()
    _check_trials(trials, f"{source}, animal {animal}")
    return Record(
        animal,
        rows["code"].to_numpy(),
        rows["reward"].to_numpy(),
        blocks=rows["block"].to_numpy(),
        first_trial=int(trials[0]),
    )


def _from_encounters(animal: str, rows: pd.DataFrame, n_stimuli: int, source: str) -> Record:
    where = f"{source}, animal {animal}"
    _check_encounters(rows, where)
    numbers, start, trial = np.unique(rows["trial"], return_index=True, return_inverse=True)
    _check_trials(numbers, where)
    accepted = rows["accepted"].to_numpy() == 1
    stimulus = rows["code"].to_numpy()
    choices = np.full(len(numbers), NO_CHOICE)
    choices[trial[accepted]] = stimulus[accepted]
    rewards = np.full(len(numbers), np.nan)
    rewards[trial[accepted]] = rows["reward"].to_numpy()[accepted]
    rejections = np.zeros((len(numbers), n_stimuli), dtype=int)
    np.add.at(rejections, (trial[~accepted], stimulus[~accepted]), 1)
    blocks = rows["block"].to_numpy()[start]
    return Record(animal, choices, rewards, blocks, rejections, first_trial=int(numbers[0]))


def _check_encounters(rows: pd.DataFrame, where: str) -> None:
    """Raise `DataError` for the first encounter, in order of trials, that cannot be used."""

    def refuse(odd: pd.Series, sentence: str) -> None:
        if odd.any():
            row = rows[odd].iloc[0]
            given = {name: shown(row[name]) for name in ("accepted", "reward")}
            raise DataError(f"{where}, trial {row['trial']:g}{sentence.format(**given)}")

    accepted = rows["accepted"] == 1
    acceptances = accepted.groupby(rows["trial"]).cumsum()
    refuse(rows["code"] < 0, ", stimulus: nothing given; every encounter needs its stimulus.")
    refuse(
        ~rows["accepted"].isin([0, 1]),
        ", accepted: {accepted} given; 1 = accepted and 0 = rejected are allowed.",
    )
    refuse(
        ~accepted & rows["reward"].notna() & (rows["reward"] != 0),
        ", reward: {reward} given on a rejected encounter; leave it empty or 0.",
    )
    refuse(acceptances > 1, ": 2 encounters accepted; a trial ends with its first acceptance.")
    refuse(
        ~accepted & (acceptances > 0),
        ": an encounter follows the accepted one; a trial ends with its acceptance.",
    )
    refuse(
        rows["block"] != rows.groupby("trial")["block"].transform("first"),
        ", block: changes within the trial; a trial lies in one block.",
    )
