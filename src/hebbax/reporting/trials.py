"""Trials of every animal, for a reader of the report to choose among: what it chose and got, what
it had learned, what it would choose, each given the recorded past.
"""

from typing import Any

import numpy as np
import xarray as xr

from hebbax.figures.latents import MOST_TRIALS
from hebbax.figures.style import PALETTE
from hebbax.posterior import latents
from hebbax.posterior.verdict import Verdict

SCALE = 1000
"""Weights and probabilities are written as whole numbers of a thousandth."""

DRAWS = 200
"""Draws that means and intervals are taken of."""

MOST_NUMBERS = 500_000
"""Numbers of all animals, some 2 MB; of more, every animal has the same part of its trials."""


def trials(posterior: xr.DataTree, verdict: Verdict) -> dict[str, Any]:
    """Return the trials of each animal by its name, up to `MOST_TRIALS` of them, as a page holds
    them: means over draws, with 90 % intervals where there are two alternatives."""
    found = latents.latents(posterior, DRAWS, verdict=verdict)
    stimuli = [str(name) for name in found["stimulus"].to_numpy()]
    names = [str(name) for name in posterior.posterior["animal"].to_numpy()]
    each = 3 * len(stimuli) * len(names)
    most = min(MOST_TRIALS, MOST_NUMBERS // each)
    return {
        "model": found.attrs["model"],
        "stimuli": stimuli,
        "colours": [PALETTE[k % len(PALETTE)] for k in range(len(stimuli))],
        "units": "log odds" if found["weight"].attrs["units"] == "log odds" else "no units",
        "scale": SCALE,
        "most": most,
        "longest": int(np.unique(found["animal"].to_numpy(), return_counts=True)[1].max()),
        "first": latents.typical_animal(posterior),
        "animals": {
            name: _animal(latents.of_animal(found, name).isel(trial=slice(most))) for name in names
        },
    }


def _animal(own: xr.Dataset) -> dict[str, Any]:
    """Return the trials of one animal; no weights where it learns nothing."""
    stimuli = own["stimulus"].to_numpy()
    place = {str(name): k for k, name in enumerate(stimuli)}
    trial = own["trial"].to_numpy()
    begins = np.flatnonzero(np.diff(own["session"].to_numpy())) + 1
    out = {
        "trial": trial.tolist(),
        "starts": trial[begins].tolist(),
        "forced": np.flatnonzero(own["forced"].to_numpy()).tolist(),
        "choice": [place.get(str(name)) for name in own["choice"].to_numpy()],
        "reward": [None if np.isnan(r) else float(r) for r in own["reward"].to_numpy()],
        **_told("probability", own["probability"]),
    }
    if np.any(own["weight"] != 0.0):
        out |= _told("weight", own["weight"])
    return out


def _told(name: str, values: xr.DataArray) -> dict[str, list[list[int]]]:
    """Return a latent ``(stimulus, trial)``, and of two stimuli the ends of its interval."""
    ends = {"mean": name}
    if values.sizes["stimulus"] == 2:
        ends |= {"5 %": f"{name}_low", "95 %": f"{name}_high"}
    return {
        key: _whole(values.sel(statistic=statistic).transpose("stimulus", "trial").to_numpy())
        for statistic, key in ends.items()
    }


def _whole(values: np.ndarray) -> list[list[int]]:
    return np.rint(SCALE * values).astype(int).tolist()
