"""R-hat and effective sizes are those of ArviZ."""

import numpy as np
import pytest
import xarray as xr
from arviz_stats import ess, rhat

from hebbax.inference.convergence import converged, convergence


def test_converged_is_what_arviz_says():
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.5):
        for rho in (0.0, 0.9):
            noise = rng.normal(size=(4, 600, 2))
            for t in range(1, 600):
                noise[:, t] = rho * noise[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
            noise[0] += shift
            data = xr.Dataset({"v": (("chain", "draw", "value"), noise)})
            r_hat = float(rhat(data)["v"].max())
            tail = ess(data, method="tail", prob=(0.05, 0.95))
            size = min(float(found["v"].min()) for found in (ess(data), tail))
            assert not converged(noise, r_hat - 0.002, 0.9 * size)
            assert not converged(noise, r_hat + 0.002, 1.1 * size)
            assert converged(noise, r_hat + 0.002, 0.9 * size)
            found, bulk = convergence(noise), float(ess(data)["v"].min())
            assert found["r_hat"] == pytest.approx(r_hat, abs=0.002)
            assert found["ess"] == pytest.approx(bulk, rel=0.1)
