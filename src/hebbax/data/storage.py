"""Sessions written to files: hebbax's own netCDF, which holds everything, and the tidy CSV."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from hebbax.data.sessions import Sessions
from hebbax.errors import DataError
from hebbax.files import replacing

FILE_VERSION = 1
VARIABLES = ("animal", "stimulus", "choices", "rewards", "blocks", "n_trials")


def write(sessions: Sessions, path: str | Path) -> None:
    """Write netCDF, as a whole or not at all; `hebbax.data.read` returns the same sessions."""
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
        "n_trials": (
            "animal",
            sessions.n_trials,
            {"long_name": "recorded trials", "units": "1"},
        ),
    }
    if sessions.rejections is not None:
        note = {"long_name": "rejected encounters before the choice", "units": "1"}
        variables["rejections"] = ((*cells, "stimulus"), sessions.rejections, note)
    dataset = xr.Dataset(
        variables,
        coords={
            "animal": list(sessions.animals),
            "trial": np.arange(1, sessions.max_trials + 1),
            "stimulus": list(sessions.stimuli),
        },
        attrs={"hebbax_sessions": FILE_VERSION, "source": sessions.source},
    )
    with replacing(Path(path), DataError) as unfinished:
        dataset.to_netcdf(unfinished, engine="h5netcdf")


def write_table(sessions: Sessions, path: str | Path) -> None:
    """Write the tidy CSV that `hebbax.data.read` reads: one row a trial, without the rejections."""
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
    with replacing(Path(path), DataError) as unfinished:
        table.to_csv(unfinished, index=False)


def read_netcdf(path: Path) -> Sessions:
    """Return the sessions stored in a netCDF file that hebbax wrote."""
    try:
        dataset = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as problem:
        raise DataError(f"{path.name}: not a readable netCDF file.") from problem
    if "hebbax_sessions" not in dataset.attrs:
        raise DataError(f"{path.name}: not a file of sessions that hebbax wrote.")
    version = dataset.attrs["hebbax_sessions"]
    if version != FILE_VERSION:
        raise DataError(
            f"{path.name}: a file of version {version}; this hebbax reads version {FILE_VERSION}."
        )
    missing = [name for name in VARIABLES if name not in dataset.variables]
    if missing:
        raise DataError(
            f"{path.name}: the variable {missing[0]} is missing; {', '.join(VARIABLES)} are needed."
        )
    return Sessions(
        animals=tuple(map(str, dataset["animal"].to_numpy())),
        stimuli=tuple(map(str, dataset["stimulus"].to_numpy())),
        choices=dataset["choices"].to_numpy(),
        rewards=dataset["rewards"].to_numpy(),
        blocks=dataset["blocks"].to_numpy(),
        n_trials=dataset["n_trials"].to_numpy(),
        rejections=dataset["rejections"].to_numpy() if "rejections" in dataset else None,
        source=str(dataset.attrs["source"]),
    )
