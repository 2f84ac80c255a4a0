"""Sessions in hebbax's own netCDF file: everything, exactly, with names and units."""

import os
from pathlib import Path

import numpy as np
import xarray as xr

from hebbax.data.sessions import Sessions
from hebbax.errors import DataError

FILE_VERSION = 1


def write(sessions: Sessions, path: Path) -> None:
    """Write netCDF, as a whole or not at all."""
    cells = ("animal", "trial")
    variables = {
        "choices": (
            cells,
            sessions.choices,
            {"long_name": "index of the chosen stimulus, -1: none"},
        ),
        "rewards": (cells, sessions.rewards, {"long_name": "reward", "units": "1"}),
        "blocks": (cells, sessions.blocks, {"long_name": "block, from 0; -1: padding"}),
        "n_trials": ("animal", sessions.n_trials, {"long_name": "recorded trials"}),
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
    unfinished = path.with_suffix(".unfinished.nc")
    try:
        dataset.to_netcdf(unfinished, engine="h5netcdf")
        os.replace(unfinished, path)
    except OSError as problem:
        unfinished.unlink(missing_ok=True)
        raise DataError(
            f"{path.name}: could not be written ({problem.strerror or problem})."
        ) from problem


def read_netcdf(path: Path) -> Sessions:
    """Return the sessions stored in a netCDF file that hebbax wrote."""
    try:
        dataset = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as problem:
        raise DataError(f"{path.name}: not a readable netCDF file.") from problem
    if "hebbax_sessions" not in dataset.attrs:
        raise DataError(f"{path.name}: not a file of sessions that hebbax wrote.")
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
