"""A posterior that was stored under one version of Python and ArviZ is the same under another: what
is read of its file to the bit, and what is computed of it.

Where the variable ``HEBBAX_EXCHANGE`` names a folder, as ``.ci/interpreters`` does, the files that
other interpreters left there are read beside the one of this.
"""

import os
import sys
from pathlib import Path

import arviz
import made
import numpy as np
import pytest
import xarray as xr

from hebbax.check.leave_one_out import leave_one_out, scored, waic
from hebbax.posterior import measures
from hebbax.posterior.inference_data import read, write
from hebbax.posterior.power_scaling import sensitivity_table
from hebbax.posterior.verdict import Verdict

SHAPE = (4, 200)

WAIC = -176.06446222378554
"""Of `log_p` in the last test, by ArviZ 0.23.4, which warned that variances are over 0.4."""


def contents(posterior):
    """Return all arrays of a posterior by group and name, texts as NumPy stores them."""
    each = {
        f"{group}.{name}": values.to_numpy()
        for group, node in posterior.children.items()
        for name, values in node.variables.items()
    }
    return {k: v.astype(str) if v.dtype.kind in "OT" else v for k, v in each.items()}


def computed(posterior):
    """Return what ArviZ, or hebbax where it has none, makes of a posterior."""
    data = scored(posterior, posterior.log_likelihood["choice"])
    loo, draws = leave_one_out(data), posterior.posterior.to_dataset()
    sensitivity = sensitivity_table(posterior, Verdict((), {}, ""))
    return {
        "loo": loo.each,
        "k-hat": loo.k,
        "of LOO": np.array([loo.elpd, loo.parameters, loo.good_k]),
        "waic": np.array(waic(data)),
        "r-hat": np.array(measures.r_hat(draws)[0]),
        "ess": np.array([measures.ess(draws, method)[0] for method in ("bulk", "tail")]),
        "sensitivity": sensitivity[["prior", "likelihood"]].to_numpy(),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder in which interpreters meet, with the file of this one and what it holds."""
    folder = Path(os.environ.get("HEBBAX_EXCHANGE") or tmp_path_factory.mktemp("exchange"))
    posterior = made.posterior(shape=SHAPE)
    own = folder / f"python-{sys.version_info.major}.{sys.version_info.minor}.nc"
    write(posterior, own)
    np.savez(own.with_suffix(".contents"), **contents(posterior))
    np.savez(own.with_suffix(".computed"), **computed(posterior))
    return folder


def test_files_of_other_interpreters_hold_the_same_bits_and_say_the_same(folder):
    for path in sorted(folder.glob("*.nc")):
        found = read(path)
        with np.load(path.with_suffix(".contents.npz")) as known:
            assert contents(found).keys() == set(known)
            for name, values in contents(found).items():
                np.testing.assert_array_equal(values, known[name], strict=True)
        with np.load(path.with_suffix(".computed.npz")) as known:
            for name, values in computed(found).items():
                np.testing.assert_allclose(values, known[name], rtol=1e-8, atol=1e-8)


def test_arviz_opens_them_without_hebbax(folder):
    for path in sorted(folder.glob("*.nc")):
        found, known = arviz.from_netcdf(path), read(path)
        assert found.attrs.items() >= {"model": "m", "method": "nuts"}.items()
        for group, node in known.children.items():
            assert set(found[group].data_vars) == set(node.data_vars)
            for name, values in node.data_vars.items():
                xr.testing.assert_identical(found[group][name], values)


def test_waic_is_that_of_arviz_0_23():
    """ArviZ 1 has none."""
    rng = np.random.default_rng(0)
    draws, data = rng.normal(size=(4, 500)), 2.0 * rng.normal(size=30)
    log_p = xr.DataArray(
        -0.5 * (data - draws[..., None]) ** 2, dims=("chain", "draw", "observation")
    ).assign_coords(draw=np.arange(500))
    posterior = xr.Dataset({"mean": (("chain", "draw"), draws)}, {"draw": np.arange(500)})
    found = waic(scored(xr.DataTree.from_dict({"posterior": posterior}), log_p))
    assert found == pytest.approx(WAIC, rel=1e-12)
