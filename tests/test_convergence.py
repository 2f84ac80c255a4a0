"""R-hat and effective sizes are those of ArviZ."""

import arviz as az
import numpy as np
import pytest

from hebbax.inference.convergence import converged, convergence


def test_converged_is_what_arviz_says():
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.5):
        for rho in (0.0, 0.9):
            noise = rng.normal(size=(4, 600, 2))
            for t in range(1, 600):
                noise[:, t] = rho * noise[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
            noise[0] += shift
            data = az.convert_to_dataset({"v": noise})
            r_hat = float(az.rhat(data)["v"].max())
            size = min(float(az.ess(data, method=m)["v"].min()) for m in ("bulk", "tail"))
            assert not converged(noise, r_hat - 0.002, 0.9 * size)
            assert not converged(noise, r_hat + 0.002, 1.1 * size)
            assert converged(noise, r_hat + 0.002, 0.9 * size)
            found, bulk = convergence(noise), float(az.ess(data)["v"].min())
            assert found["r_hat"] == pytest.approx(r_hat, abs=0.002)
            assert found["ess"] == pytest.approx(bulk, rel=0.1)
