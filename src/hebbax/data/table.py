"""Sessions from and to a tidy table: one row a trial, or one row an encounter."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from hebbax.data.sessions import NO_CHOICE, Record, Sessions, from_animals
from hebbax.errors import DataError

TRIAL_COLUMNS = ("animal", "trial", "choice", "reward")
ENCOUNTER_COLUMNS = ("animal", "trial", "stimulus", "accepted", "reward")
OPTIONAL_COLUMNS = ("block",)
FIELDS = tuple(dict.fromkeys((*TRIAL_COLUMNS, *ENCOUNTER_COLUMNS, *OPTIONAL_COLUMNS)))


def read_table(path: Path, columns: Mapping[str, str]) -> Sessions:
    """Return the sessions of a CSV or Parquet table; ``columns`` maps our names to its headers.

    With a column ``accepted`` the table has one row an encounter, otherwise one row a trial. An
    empty choice (or a trial without an acceptance) is an omitted trial. Trials are counted from
    the smallest number of each animal, without gaps.
    """
    table = _rename(_load(path), columns, path.name)
    by_encounter = "accepted" in table
    needed = ENCOUNTER_COLUMNS if by_encounter else TRIAL_COLUMNS
    for name in needed:
        if name not in table:
            raise DataError(
                f'{path.name}: no column "{name}"; found {", ".join(map(str, table.columns))}; '
                f"name another header with --column {name}=HEADER."
            )
    if table.empty:
        raise DataError(f"{path.name}: the table has a header and no rows.")
    _check_identity(table, path.name)
    for name in ("trial", "reward", *(("accepted",) if by_encounter else ()), *OPTIONAL_COLUMNS):
        if name in table:
            table[name] = _numeric(table, name, path.name)
    table["block"] = table.get("block", 0)
    column = "stimulus" if by_encounter else "choice"
    labels = pd.unique(table[column].dropna())
    stimuli = sorted(
        (_label(v) for v in labels), key=lambda v: (len(v), v) if v.isdigit() else (0, v)
    )
    codes = {name: k for k, name in enumerate(stimuli)}
    table["code"] = [NO_CHOICE if pd.isna(v) else codes[_label(v)] for v in table[column]]
    make = _from_encounters if by_encounter else _from_trials
    groups = table.groupby("animal", sort=False)
    records = [make(_label(name), rows, len(stimuli), path.name) for name, rows in groups]
    return from_animals(records, stimuli, path.name)


def write_table(sessions: Sessions, path: Path) -> None:
    """Write the tidy CSV that `read_table` reads: one row a trial."""
    rows = []
    for a, animal in enumerate(sessions.animals):
        for t in range(sessions.n_trials[a]):
            choice = sessions.choices[a, t]
            made = choice >= 0
            rows.append(
                {
                    "animal": animal,
                    "trial": t + 1,
                    "block": sessions.blocks[a, t] + 1,
                    "choice": sessions.stimuli[choice] if made else None,
                    "reward": f"{sessions.rewards[a, t]:g}" if made else None,
                }
            )
    pd.DataFrame(rows).to_csv(path, index=False)


def _load(path: Path) -> pd.DataFrame:
    if path.stat().st_size == 0:
        raise DataError(f"{path.name}: the file is empty.")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",")
    except (OSError, ValueError, pd.errors.ParserError) as problem:
        raise DataError(f"{path.name}: not a readable {path.suffix[1:]} table.") from problem


def _rename(table: pd.DataFrame, columns: Mapping[str, str], source: str) -> pd.DataFrame:
    for name, header in columns.items():
        if name not in FIELDS:
            raise DataError(f'unknown field "{name}" in --column; fields are {", ".join(FIELDS)}.')
        if header not in table:
            raise DataError(
                f'{source}: no column "{header}" for {name}; found '
                f"{', '.join(map(str, table.columns))}."
            )
    return table.rename(columns={header: name for name, header in columns.items()})


def _check_identity(table: pd.DataFrame, source: str) -> None:
    for name in ("animal", "trial"):
        empty = np.flatnonzero(table[name].isna())
        if len(empty):
            raise DataError(f"{source}, row {empty[0] + 2}, {name}: empty; every row needs one.")


def _numeric(table: pd.DataFrame, name: str, source: str) -> pd.Series:
    numbers = pd.to_numeric(table[name], errors="coerce")
    odd = np.flatnonzero(numbers.isna() & table[name].notna())
    if len(odd):
        row = table.iloc[odd[0]]
        raise DataError(
            f"{source}, animal {_label(row['animal'])}, trial {_label(row['trial'])}, {name}: "
            f'"{row[name]}" is not a number.'
        )
    return numbers.astype(float)


def _label(value: object) -> str:
    """Return a name as a person would write it: 1.0 read from a column with gaps is "1"."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _check_trials(animal: str, trials: np.ndarray, source: str) -> None:
    """Raise `DataError` unless the sorted trials are consecutive whole numbers."""
    where = f"{source}, animal {animal}"
    for before, trial in pairwise(trials):
        if trial == before:
            raise DataError(f"{where}, trial {trial:g}: given twice; each trial may stand once.")
        if trial != before + 1:
            raise DataError(
                f"{where}, trial {trial:g}: follows trial {before:g}; an omitted trial needs "
                "its row, with an empty choice."
            )


def _from_trials(animal: str, rows: pd.DataFrame, n_stimuli: int, source: str) -> Record:
    rows = rows.sort_values("trial", kind="stable")
    _check_trials(animal, rows["trial"].to_numpy(), source)
    return Record(
        animal,
        rows["code"].to_numpy(),
        rows["reward"].to_numpy(),
        blocks=_block_codes(rows["block"]),
    )


def _from_encounters(animal: str, rows: pd.DataFrame, n_stimuli: int, source: str) -> Record:
    where = f"{source}, animal {animal}"
    trials = np.sort(rows["trial"].unique())
    _check_trials(animal, trials, source)
    choices = np.full(len(trials), NO_CHOICE)
    rewards = np.full(len(trials), np.nan)
    blocks = np.zeros(len(trials))
    rejections = np.zeros((len(trials), n_stimuli), dtype=int)
    for row, (trial, group) in enumerate(rows.groupby("trial", sort=True)):
        odd = group[~group["accepted"].isin([0, 1])]
        if len(odd):
            raise DataError(
                f"{where}, trial {trial:g}, accepted: {odd['accepted'].iloc[0]:g} given; "
                "1 = accepted and 0 = rejected are allowed."
            )
        accepted = group[group["accepted"] == 1]
        if len(accepted) > 1:
            raise DataError(
                f"{where}, trial {trial:g}: {len(accepted)} encounters accepted; a trial ends with "
                "its first acceptance."
            )
        blocks[row] = group["block"].iloc[0]
        if len(accepted):
            choices[row] = accepted["code"].iloc[0]
            rewards[row] = accepted["reward"].iloc[0]
            rejected = group.loc[group["accepted"] == 0, "code"]
            rejections[row] = np.bincount(rejected, minlength=n_stimuli)
    return Record(animal, choices, rewards, _block_codes(pd.Series(blocks)), rejections)


def _block_codes(blocks: pd.Series) -> np.ndarray:
    return pd.factorize(blocks)[0]
