"""The numbering of trials in a table: whole numbers from 0 or 1, one after the other."""

from itertools import pairwise

import numpy as np
import pandas as pd

from hebbax.data.headers import simple
from hebbax.errors import DataError

PARTS = ("session", "day", "date", "run", "block", "phase", "experiment")
"""Words of a header of what an animal's trials may be parted into."""


def check_trials(trials: np.ndarray, where: str) -> None:
    """Raise `DataError` unless the sorted trial numbers are 0 or 1 and the following ones."""
    if trials[0] not in (0, 1):
        raise DataError(
            f"{where}: starts with trial {trials[0]:g}; trials are numbered from 0 or 1, because "
            "learning starts there, so give those before it too, or number them from 1 if there "
            "were none."
        )
    for before, trial in pairwise(trials):
        if trial == before:
            raise DataError(f"{where}, trial {trial:g}: given twice; each trial may stand once.")
        if trial != before + 1:
            raise DataError(
                f"{where}, trial {trial:g}: follows trial {before:g}; an omitted trial needs "
                "its row, with an empty choice."
            )


def check_restarts(table: pd.DataFrame, others: pd.DataFrame, source: str) -> None:
    """Raise `DataError` where an animal's numbering starts anew in each session or block.

    ``table`` has columns animal and trial, in the order of the file; ``others`` are the columns
    that were not read, with the same rows.
    """
    twice = table.duplicated(["animal", "trial"])
    if not twice.any():
        return
    animal, trial = table.loc[twice, ["animal", "trial"]].iloc[0]
    where = f"{source}, animal {animal}, trial {trial:g}"
    for header in (
        name for name in map(str, others) if any(part in simple(name) for part in PARTS)
    ):
        parted = table.assign(part=others[header])
        if not parted.duplicated(["animal", "part", "trial"]).any():
            raise DataError(
                f"{where}: given twice, because the numbering starts again in each {header}; "
                "number the trials of an animal from its first to its last, or give each "
                f"{header} a name in the column animal, such as {animal}-1."
            )
    own = table.loc[table["animal"] == animal, "trial"]
    again = own.index[(own.diff() < 0) & (own == own.min())]
    if len(again):
        raise DataError(
            f"{where}: given twice, because the numbering starts again in row {again[0]}; number "
            "the trials of an animal from its first to its last."
        )
