"""The columns ``offered`` and ``forced`` of a table: among which alternatives a trial let an animal
choose. A forced trial offers what was chosen, and nothing else."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from hebbax.data.trials import called
from hebbax.errors import DataError
from hebbax.validation.quoting import MISSING, plain

SEPARATOR = "|"
"""What stands between names in a cell of the column ``offered``."""

FORCED, FREE, UNSAID = 1, 0, -1
CELLS = {"1": FORCED, "true": FORCED, "yes": FORCED, "0": FREE, "false": FREE, "no": FREE}
"""What a cell of the column ``forced`` may hold, in capitals or not; an empty one is unsaid."""

Names = tuple[str, ...]
"""What a trial offered; nothing is named where it offered all."""


def read_offers(table: pd.DataFrame, source: str) -> list[Names] | None:
    """Return what each row offered, None where no column says it.

    ``table`` has a column choice, None where there is none. Raises `DataError` naming the first
    trial whose cells hold something else or contradict each other.
    """
    if not {"forced", "offered"} & set(table):
        return None
    forced, offered = _forced(table, source), _offered(table, source)
    alone = np.array([len(names) == 1 for names in offered])
    several = np.array([len(names) > 1 for names in offered])
    choices = table["choice"].to_list()
    pairs = zip(choices, offered, strict=True)
    other = np.array([bool(c and names) and c not in names for c, names in pairs])
    for odd, sentence in (
        (other, "offered: {offered} given and {choice} chosen; a choice is of what was offered."),
        (
            (forced == FORCED) & several,
            "forced: 1 given where {offered} was offered; a forced trial offers one alternative.",
        ),
        (
            (forced == FREE) & alone,
            "forced: 0 given where {offered} alone was offered; such a trial is forced.",
        ),
    ):
        for k in np.flatnonzero(odd)[:1]:
            row = table.iloc[k]
            given = {field: plain(str(row.get(field))) for field in ("offered", "choice")}
            raise DataError(f"{_where(row, source)}, {sentence.format(**given)}")
    return [
        (choice,) if force == FORCED and choice else names
        for force, choice, names in zip(forced, choices, offered, strict=True)
    ]


def offered_matrix(offers: Sequence[Names], stimuli: Sequence[str]) -> np.ndarray:
    """Return whether each row offered each alternative ``(row, stimulus)``."""
    kinds = {names: place for place, names in enumerate(dict.fromkeys(offers))}
    rows = [[not names or name in names for name in stimuli] for names in kinds]
    return np.array(rows, dtype=bool)[[kinds[names] for names in offers]]


def _forced(table: pd.DataFrame, source: str) -> np.ndarray:
    """Return `FORCED`, `FREE` or `UNSAID` of each row."""
    if "forced" not in table:
        return np.full(len(table), UNSAID)
    cells = table["forced"]
    said = cells.notna() & ~cells.isin(MISSING)
    found = cells[said].str.casefold().map(CELLS)
    for row in found.index[found.isna()][:1]:
        raise DataError(
            f'{_where(table.loc[row], source)}, forced: "{plain(cells[row])}" given; 1 = forced '
            "and 0 = free are allowed."
        )
    return found.reindex(table.index).fillna(UNSAID).to_numpy(int)


def _offered(table: pd.DataFrame, source: str) -> list[Names]:
    """Return the names in the column ``offered`` of each row."""
    if "offered" not in table:
        return [()] * len(table)
    cells = table["offered"].where(~table["offered"].isin(MISSING), None)
    check_separable(table["choice"].dropna().unique(), source)
    names = {None: ()} | {
        cell: tuple(name.strip() for name in cell.split(SEPARATOR))
        for cell in cells.dropna().unique()
    }
    for cell, found in names.items():
        flaw = (
            f'"{plain(cell)}" holds an empty name; one {SEPARATOR} stands between two names.'
            if "" in found
            else f'"{plain(cell)}" names an alternative twice; each may stand once.'
            if len(set(found)) < len(found)
            else ""
        )
        if flaw:
            row = table[cells == cell].iloc[0]
            raise DataError(f"{_where(row, source)}, offered: {flaw}")
    return [names[cell] for cell in cells]


def check_separable(names: Iterable[str], source: str) -> None:
    """Raise `DataError` for the first name that cannot stand in a cell among others."""
    for name in (one for one in names if SEPARATOR in one):
        raise DataError(
            f'{source}, stimulus "{plain(name)}": holds {SEPARATOR}, which stands between names in '
            "the column offered; give it another name."
        )


def _where(row: pd.Series, source: str) -> str:
    return f"{source}, animal {row['animal']}, {called(row)}"
