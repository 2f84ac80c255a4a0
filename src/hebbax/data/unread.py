"""What is said of the columns of a table that were not read."""

from collections.abc import Sequence

import pandas as pd

from hebbax.data.headers import listed, simple

FORCED = ("forced", "instructed", "guided")
"""Words of a header of trials in which the animal had no choice."""


def unread_notes(others: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Return notes on the columns ``others`` of a table whose fields are ``table``."""
    named = [header for header in map(str, others) if header]
    notes = [f"Columns that were not read: {listed(named)}."] if named else []
    forced = [name for name in named if any(word in simple(name) for word in FORCED)]
    if forced:
        notes.append(
            f"If {' and '.join(forced)} marks trials without a free choice: they count as free "
            "ones here, which is wrong for them."
        )
    offers = _offers(others[named], table)
    if offers:
        notes.append(
            f"If {' and '.join(offers)} are the alternatives that were offered: every alternative "
            "counts as offered in every trial here, which is wrong for fewer."
        )
    return notes


def _offers(others: pd.DataFrame, table: pd.DataFrame) -> Sequence[str]:
    """Return the columns that hold names of alternatives, where each choice is among them."""
    if "choice" not in table:
        return []
    made = table["choice"].notna()
    choices = table.loc[made, "choice"]
    names = set(choices)
    cells = others.loc[made].astype(str)
    found = [name for name in map(str, cells) if set(cells[name]) <= names]
    if len(found) < 2 or len(names) < 3:
        return []
    among = cells[found].eq(choices, axis=0).any(axis=1)
    return found if among.all() else []
