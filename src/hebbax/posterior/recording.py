"""The recording of a stored posterior: trials that it holds at their numbers, between them others.

A posterior holds the trials that its model saw. Those without a choice mostly are not among them,
but the task went on in them: blocks changed, and rewards were armed.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from hebbax.data import Sessions
from hebbax.data.laws import PADDING
from hebbax.posterior.inference_data import numbers_of, sessions_of

GOES_ON = ("blocks", "session")
"""What a trial has from the one before, where nothing else is known of it."""


def recording_of(posterior: xr.DataTree) -> Sessions:
    """Return the recorded trials of a stored posterior.

    Those that it does not hold have no choice, and lie in the block and the session of the trial
    before them; before the first, in those of the first.
    """
    held, numbers = sessions_of(posterior), numbers_of(posterior)
    n_trials = posterior.constant_data["n_trials"].to_numpy()
    every = np.arange(1, n_trials.max() + 1)
    inside = every <= n_trials[:, None]
    known = np.stack([np.isin(every, own) for own in numbers])
    last = np.stack([np.searchsorted(own, every, side="right") for own in numbers]) - 1

    def spread(field: str) -> np.ndarray | None:
        values = getattr(held, field)
        if values is None:
            return None
        found = values[np.arange(len(numbers))[:, None], np.maximum(last, 0)]
        cells = inside if field in GOES_ON else known
        return np.where(cells.reshape(cells.shape + (1,) * (found.ndim - 2)), found, PADDING[field])

    fields: dict[str, Any] = {field: spread(field) for field in PADDING}
    return replace(held, n_trials=n_trials, **fields)
