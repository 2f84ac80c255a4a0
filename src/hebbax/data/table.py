"""Sessions from a tidy table: one row a trial, or one row an encounter."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hebbax.data import laws
from hebbax.data.cells import convert, omit
from hebbax.data.columns import read_any
from hebbax.data.covariates import covariates_of
from hebbax.data.frames import with_several_values
from hebbax.data.headers import FIELDS, assign
from hebbax.data.names import check_names
from hebbax.data.offers import Names, offered_matrix, read_offers
from hebbax.data.record import NO_CHOICE, Record, shown
from hebbax.data.sessions import Sessions, from_animals, natural_order
from hebbax.data.text import Grid
from hebbax.data.trials import (
    called,
    check_numbering,
    check_restarts,
    check_rows,
    number_blocks,
    number_sessions,
)
from hebbax.data.unread import unread_notes
from hebbax.errors import DataError


class Meaning(NamedTuple):
    """What the user says of a table: the ``columns``, header by field, and the name that stands
    for no choice."""

    columns: Mapping[str, str]
    no_choice: str | None = None


def read_table(path: Path, name: str, meaning: Meaning) -> Sessions:
    """Return the sessions of a table of text or a Parquet table; messages call it ``name``."""
    wanted = [*FIELDS, *meaning.columns.values()]
    return sessions_of_table(read_any(path, name, wanted), name, meaning)


def sessions_of_table(grid: Grid, name: str, meaning: Meaning) -> Sessions:
    """Return the sessions of a table; messages call it ``name``.

    With columns ``accepted`` and ``stimulus`` the table has one row an encounter, otherwise one row
    a trial. An empty choice is an omitted trial. Animals keep their order of appearance; trials are
    numbered from 0 or 1, without gaps, in each session or through all; without a column ``trial``
    rows are taken in their order.
    """
    fields, taken = assign(list(grid.table.columns), meaning.columns, name)
    if grid.table.empty:
        raise DataError(f"{name}: the table has a header and no rows.")
    others = grid.table.drop(columns=list(fields.values()))
    several = others[with_several_values(others)]
    others = others.drop(columns=several.columns)
    table = pd.DataFrame({field: grid.table[header] for field, header in fields.items()})
    notes = [*grid.notes, *taken, *convert(table, grid.separator, name)]
    encounters = _one_row_an_encounter(table, notes, name)
    if encounters:
        _refuse_of_trials(table, meaning, name)
    else:
        notes += omit(table, meaning.no_choice, name)
    check_restarts(table, _parts(others, fields, grid.table), name, adjacent=encounters)
    notes += _number(table, "trial" in fields, name)
    offers = None if encounters else read_offers(table, name)
    stimuli = _alternatives(
        table["stimulus" if encounters else "choice"], offers or [], table, name
    )
    offered = None if offers is None else offered_matrix(offers, stimuli)
    kept, read = covariates_of(others, table["animal"], grid.separator)
    unread = others.drop(columns=list(kept))
    records = []
    for animal, group in table.groupby("animal", sort=False):
        rows = group.sort_values(["order", "trial"], kind="stable")
        record = (
            _from_encounters(str(animal), rows, len(stimuli), name)
            if encounters
            else _from_trials(str(animal), rows, offered, name)
        )
        own = {covariate: values[str(animal)] for covariate, values in kept.items()}
        records.append(replace(record, covariates=own))
    notes += [*read, *unread_notes(unread, several, table)]
    return from_animals(records, stimuli, name, notes)


def _number(table: pd.DataFrame, numbered: bool, source: str) -> list[str]:
    """Count sessions (``order``), blocks and rows (``place``) from 0; return notes."""
    table["order"], notes = number_sessions(table)
    if not numbered:
        check_rows(table, source)
    table["block"] = table.get("block", 0.0)
    table["block"] = number_blocks(table)
    table["place"] = np.arange(len(table))
    return notes


def _alternatives(
    met: pd.Series, offers: Sequence[Names], table: pd.DataFrame, source: str
) -> list[str]:
    """Return the names of all alternatives, and count those that were ``met`` in ``code``."""
    offered = dict.fromkeys(name for names in dict.fromkeys(offers) for name in names)
    found = list(dict.fromkeys([*met.dropna().unique(), *offered]))
    laws.check_most(table["animal"].nunique(), len(found), source)
    check_names(found, "stimulus", source)
    stimuli = sorted(found, key=natural_order)
    table["code"] = pd.Categorical(met, categories=stimuli).codes.astype(int)
    return stimuli


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


def _refuse_of_trials(table: pd.DataFrame, meaning: Meaning, source: str) -> None:
    """Raise `DataError` for what is said of trials where rows are encounters."""
    if meaning.no_choice is not None:
        raise DataError(f"{source}: has one row an encounter; --no-choice is for one row a trial.")
    for field in ("forced", "offered"):
        if field in table:
            raise DataError(
                f"{source}: has columns accepted and {field}; {field} is for one row a trial, and "
                "in encounters an animal is offered what it meets."
            )


def _parts(
    others: pd.DataFrame, fields: Mapping[str, str], whole: pd.DataFrame
) -> dict[str, pd.Series]:
    """Return the columns that may part an animal's trials: what was not read, and the block."""
    own = [fields["block"]] if "block" in fields else []
    return {str(header): whole[header] for header in [*others, *own]}


def _from_trials(
    animal: str, rows: pd.DataFrame, offered: np.ndarray | None, source: str
) -> Record:
    check_numbering(rows, f"{source}, animal {animal}")
    return Record(
        animal,
        rows["code"].to_numpy(),
        rows["reward"].to_numpy(),
        blocks=rows["block"].to_numpy(),
        session=rows["order"].to_numpy(),
        offered=None if offered is None else offered[rows["place"]],
        called=lambda place: called(rows.iloc[place]),
    )


def _from_encounters(animal: str, rows: pd.DataFrame, n_stimuli: int, source: str) -> Record:
    where = f"{source}, animal {animal}"
    _check_encounters(rows, where)
    trials = rows.drop_duplicates(["order", "trial"])
    check_numbering(trials, where)
    trial = rows.groupby(["order", "trial"]).ngroup().to_numpy()
    accepted = rows["accepted"].to_numpy() == 1
    stimulus = rows["code"].to_numpy()
    choices = np.full(len(trials), NO_CHOICE)
    choices[trial[accepted]] = stimulus[accepted]
    rewards = np.full(len(trials), np.nan)
    rewards[trial[accepted]] = rows["reward"].to_numpy()[accepted]
    rejections = np.zeros((len(trials), n_stimuli), dtype=int)
    np.add.at(rejections, (trial[~accepted], stimulus[~accepted]), 1)
    return Record(
        animal,
        choices,
        rewards,
        trials["block"].to_numpy(),
        rejections,
        trials["order"].to_numpy(),
        called=lambda place: called(trials.iloc[place]),
    )


def _check_encounters(rows: pd.DataFrame, where: str) -> None:
    """Raise `DataError` for the first encounter, in order of trials, that cannot be used."""

    def refuse(odd: pd.Series, sentence: str) -> None:
        if odd.any():
            row = rows[odd].iloc[0]
            given = {name: shown(row[name]) for name in ("accepted", "reward")}
            raise DataError(f"{where}, {called(row)}{sentence.format(**given)}")

    accepted = rows["accepted"] == 1
    trial = [rows["order"], rows["trial"]]
    acceptances = accepted.groupby(trial).cumsum()
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
        rows["block"] != rows["block"].groupby(trial).transform("first"),
        ", block: changes within the trial; a trial lies in one block.",
    )
