"""Sessions from a tidy table: one row a trial, or one row an encounter."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hebbax.data import laws
from hebbax.data.cells import convert, omit
from hebbax.data.columns import read_any
from hebbax.data.headers import FIELDS, assign
from hebbax.data.names import check_names
from hebbax.data.record import NO_CHOICE, Record, shown
from hebbax.data.sessions import Sessions, from_animals, natural_order
from hebbax.data.trials import check_restarts, check_trials
from hebbax.data.unread import unread_notes
from hebbax.errors import DataError


class Meaning(NamedTuple):
    """What the user says of a table: the ``columns``, header by field, and the name that stands
    for no choice."""

    columns: Mapping[str, str]
    no_choice: str | None = None


def read_table(path: Path, name: str, meaning: Meaning) -> Sessions:
    """Return the sessions of a table of text or a Parquet table; messages call it ``name``.

    With columns ``accepted`` and ``stimulus`` the table has one row an encounter, otherwise one row
    a trial. An empty choice is an omitted trial. Animals keep their order of appearance; trials are
    numbered from 0 or 1, without gaps; without a column ``trial`` rows are taken in their order.
    """
    grid = read_any(path, name, [*FIELDS, *meaning.columns.values()])
    fields = assign(list(grid.table.columns), meaning.columns, name)
    if grid.table.empty:
        raise DataError(f"{name}: the table has a header and no rows.")
    others = grid.table.drop(columns=list(fields.values()))
    table = pd.DataFrame({field: grid.table[header] for field, header in fields.items()})
    notes = [*grid.notes, *convert(table, grid.separator, name)]
    encounters = _one_row_an_encounter(table, notes, name)
    if encounters and meaning.no_choice is not None:
        raise DataError(f"{name}: has one row an encounter; --no-choice is for one row a trial.")
    notes += [] if encounters else omit(table, meaning.no_choice, name)
    table["block"] = table.get("block", 0.0)
    if not encounters:
        check_restarts(table, _parts(others, fields, grid.table), name)
    column = "stimulus" if encounters else "choice"
    found = table[column].dropna().unique()
    laws.check_most(table["animal"].nunique(), len(found), name)
    check_names(list(found), "stimulus", name)
    stimuli = sorted(found, key=natural_order)
    table["code"] = pd.Categorical(table[column], categories=stimuli).codes.astype(int)
    # Ranks over the whole table: block 2 is the same block in every animal.
    table["block"] = np.unique(table["block"], return_inverse=True)[1]
    make = _from_encounters if encounters else _from_trials
    records = []
    for animal, group in table.groupby("animal", sort=False):
        rows = group.sort_values("trial", kind="stable")
        records.append(make(str(animal), rows, len(stimuli), name))
    return from_animals(records, stimuli, name, [*notes, *unread_notes(others, table)])


def _one_row_an_encounter(table: pd.DataFrame, notes: list[str], source: str) -> bool:
    """Return whether rows are encounters; a column ``accepted`` that says nothing is noted."""
    if "accepted" not in table or "stimulus" in table:
        return "accepted" in table
    if (table["accepted"] == 1).all():
        notes.append("The column accepted is 1 in every row, one row a trial.")
        return False
    raise DataError(
        f"{source}: has columns choice and accepted, but no stimulus; where a row is an encounter, "
        "type --column stimulus=choice, and where it is a trial, leave out the column accepted."
    )


def _parts(others: pd.DataFrame, fields: Mapping[str, str], whole: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that may part an animal's trials: what was not read, and the block."""
    return others.assign(**({"block": whole[fields["block"]]} if "block" in fields else {}))


def _from_trials(animal: str, rows: pd.DataFrame, n_stimuli: int, source: str) -> Record:
    trials = rows["trial"].to_numpy()
    check_trials(trials, f"{source}, animal {animal}")
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
    check_trials(numbers, where)
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
