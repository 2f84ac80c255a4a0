"""The numbering of a table: sessions in their order, trials from 0 or 1 one after the other, in
each session or through all sessions of an animal, and blocks within sessions."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from hebbax.data.headers import option, simple
from hebbax.errors import DataError
from hebbax.validation.quoting import plain

PARTS = ("session", "day", "date", "run", "block", "phase", "experiment")
"""Words of a header of what an animal's trials may be parted into."""

OF_ANIMALS = ("genotype", "group", "strain", "sex", "cohort", "batch", "litter", "cage", "species")
"""Headers of what an animal has one of: several say that a name is used again."""

BY_ROWS = "Sessions are named by text: those of each animal were taken in the order of their rows."
BY_NUMBER = "Sessions were taken in the order of their numbers or dates, not in that of their rows."


def called(row: pd.Series) -> str:
    """Return how messages call the trial of a row: with its session, where the table has any."""
    session = f"session {plain(row['session'])}, " if "session" in row else ""
    trial = row["trial"]
    shown = f"{trial:g}" if isinstance(trial, float) else plain(str(trial).strip())
    return f"{session}trial {shown}"


def number_sessions(table: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """Return the session of each row, counted from 0 in each animal, and a note on their order.

    Sessions whose labels are numbers, or dates as ISO 8601 writes them, stand in the order of
    these, others in that of their rows.
    """
    if "session" not in table:
        return pd.Series(0, table.index), []
    order = _order(list(table["session"].unique()))
    if order is not None and not _apart(table, order):
        order = None
    if order is not None:
        key = table["session"].map(order)
    else:
        place = pd.Series(np.arange(len(table)), table.index)
        key = place.groupby([table["animal"], table["session"]], sort=False).transform("min")
    numbers = key.groupby(table["animal"], sort=False).rank(method="dense").astype(int) - 1
    if order is None:
        return numbers, [BY_ROWS] if numbers.any() else []
    back = numbers.groupby(table["animal"], sort=False).diff() < 0
    return numbers, [BY_NUMBER] if back.any() else []


def _apart(table: pd.DataFrame, order: Mapping[str, int]) -> bool:
    """Whether no two sessions of an animal have one place: 1.1 and 1.10 are names, no numbers."""
    own = table[["animal", "session"]].drop_duplicates()
    return not own.assign(session=own["session"].map(order)).duplicated().any()


def _order(labels: Sequence[str]) -> dict[str, int] | None:
    """Return the place of each label among numbers or dates; None where one is neither."""
    number = all(re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", label) for label in labels)
    try:
        moments: list[Any] = [(Decimal if number else datetime.fromisoformat)(x) for x in labels]
        places = {moment: place for place, moment in enumerate(sorted(set(moments)))}
    except (ValueError, TypeError):  # no date, or some with a time zone and some without
        return None
    return {label: places[moment] for label, moment in zip(labels, moments, strict=True)}


def number_blocks(table: pd.DataFrame) -> pd.Series:
    """Return the block of each row, counted from 0 over the whole table: block 2 is the same in
    every animal. Where numbers start again in a session, or a block goes on in another one, a block
    is that of its session."""
    sessions = table.groupby(["animal", "block"], sort=False)["order"].nunique()
    keys = ["order", "block"] if (sessions > 1).any() else ["block"]
    return table.groupby(keys).ngroup()


def check_rows(table: pd.DataFrame, source: str) -> None:
    """Raise `DataError` where rows without a number of their trial go back to an earlier session:
    in their order, they would be trials of neither."""
    for animal, own in table.groupby("animal", sort=False):
        starts = own[own["order"].diff() != 0]
        back = starts[starts.duplicated("order")]
        if len(back):
            raise DataError(
                f"{source}, row {back.index[0]}, session: goes back to session "
                f"{plain(back['session'].iloc[0])} of animal {animal}; without a column trial the "
                "rows of a session follow each other."
            )


def check_numbering(rows: pd.DataFrame, where: str) -> None:
    """Raise `DataError` unless the trials of an animal, sorted, are numbered without gaps from 0 or
    1, in each session or through all."""
    last = None
    for number, own in rows.groupby("order"):
        trials = own["trial"].to_numpy()
        named = f"{where}, session {plain(own['session'].iloc[0])}" if "session" in own else where
        if number == 0 and trials[0] not in (0, 1):
            raise DataError(
                f"{where}: starts with trial {trials[0]:g}; trials are numbered from 0 or 1, "
                "because learning starts there, so give those before it too, or number them from 1 "
                "if there were none."
            )
        if trials[0] not in (0, 1, last and last + 1):
            raise DataError(
                f"{named}: starts with trial {trials[0]:g}; trials are numbered from 0 or 1 in "
                "each session, or go on from the session before, so give those before it too."
            )
        _check_gaps(trials, named)
        last = trials[-1]


def _check_gaps(trials: np.ndarray, where: str) -> None:
    """Raise `DataError` unless sorted trial numbers follow each other."""
    for before, trial in pairwise(trials):
        if trial == before:
            raise DataError(f"{where}, trial {trial:g}: given twice; each trial may stand once.")
        if trial != before + 1:
            raise DataError(
                f"{where}, trial {trial:g}: follows trial {before:g}; an omitted trial needs "
                "its row, with an empty choice."
            )


def stretches(table: pd.DataFrame) -> pd.DataFrame:
    """Return the first of each stretch of equal rows, the rows of each animal behind each other."""
    own = table.sort_values("animal", kind="stable")
    return own[(own != own.shift()).any(axis=1)]


def check_restarts(
    table: pd.DataFrame, parts: Mapping[str, pd.Series], source: str, *, adjacent: bool = False
) -> None:
    """Raise `DataError` where numbers of trials stand twice, and say what parts them.

    ``table`` has columns animal and trial, in the order of the file; ``parts`` are columns, by
    header, that may part an animal's trials. Where a trial has several rows these should be
    ``adjacent``.
    """
    within = ["animal", *(["session"] if "session" in table else [])]
    if adjacent:
        table = stretches(table[[*within, "trial"]])
    twice = table.duplicated([*within, "trial"])
    if not twice.any():
        return
    row = table[twice].iloc[0]
    where = f"{source}, animal {row['animal']}, {called(row)}"
    unit = "an animal" if len(within) == 1 else "a session"
    advice = f"number the trials of {unit} from its first to its last."
    parting = [
        header
        for header, values in parts.items()
        if not table.assign(part=values).duplicated([*within, "part", "trial"]).any()
    ]
    days = [one for one in parting if any(part in simple(one) for part in PARTS)]
    groups = [one for one in parting if simple(one) in OF_ANIMALS]
    own = table.loc[(table[within] == row[within]).all(axis=1), "trial"]
    again_at = own.index[(own.diff() < 0) & (own == own.min())]
    if days:
        begins = f"in each {days[0]}"
        if len(within) == 1:
            typed = option("column", f"session={days[0]}")
            advice = f"if that is a session, type {typed}, else {advice}"
    elif groups:
        begins = f"in each {groups[0]}"
        advice = "if animals are numbered anew there, give every animal a name of its own."
    elif adjacent:
        raise DataError(
            f"{where}: stands again in row {row.name}, behind other trials; sort the encounters by "
            "trial, and number trials through, or in each session of a column session."
        )
    elif len(again_at):
        begins = f"in row {again_at[0]}"
    else:
        return
    raise DataError(f"{where}: given twice, because the numbering starts again {begins}; {advice}")
