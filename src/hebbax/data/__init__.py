"""Sessions of trials: read, validate, pad, write."""

from collections.abc import Mapping
from pathlib import Path

from hebbax.data.matlab import read_encounter_folder, read_order_folder
from hebbax.data.sessions import (
    Record,
    Sessions,
    compact,
    data_hash,
    from_animals,
    observation_index,
    select,
)
from hebbax.data.storage import read_netcdf, write
from hebbax.data.table import read_table, write_table
from hebbax.errors import DataError

__all__ = [
    "Record",
    "Sessions",
    "compact",
    "data_hash",
    "from_animals",
    "observation_index",
    "read",
    "select",
    "write",
    "write_table",
]

TABLES = (".csv", ".tsv", ".parquet")


def read(path: str | Path, *, columns: Mapping[str, str] | None = None) -> Sessions:
    """Return the sessions stored at ``path``, whatever the format (docs/data.md).

    Args:
        path: a CSV, TSV or Parquet table, hebbax's netCDF, a folder of ``.mat`` files with X, Y
            and R, or a folder of folders with ``choice_order.mat`` and ``reward_order.mat``.
        columns: header of each field in a table made by others, as in
            ``{"animal": "subjID", "reward": "outcome"}``.

    Raises:
        DataError: one sentence that names file, animal, trial and field, and what is allowed.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder.")
    if path.is_dir():
        if any(path.glob("*.mat")):
            return read_encounter_folder(path)
        if any(path.glob("*/choice_order.mat")) or any(path.glob("*/reward_order.mat")):
            return read_order_folder(path)
        raise DataError(
            f"{path.name}: a folder needs .mat files with X, Y and R, or one folder an animal with "
            "choice_order.mat and reward_order.mat."
        )
    if path.suffix == ".nc":
        return read_netcdf(path)
    if path.suffix not in TABLES:
        raise DataError(
            f'{path.name}: unknown kind of file "{path.suffix}"; allowed are '
            f"{', '.join((*TABLES, '.nc'))} and folders of .mat files."
        )
    return read_table(path, columns or {})
