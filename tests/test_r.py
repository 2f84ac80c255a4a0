"""R reads a posterior by the lines of docs/howto.md, and finds what Python finds in it."""

import re
import shutil
import subprocess
from pathlib import Path

import arviz_stats as az
import made
import numpy as np
import pandas as pd
import pytest

from hebbax.posterior import inference_data

PAGE = Path(__file__).parents[1] / "docs" / "howto.md"
READING = "".join(re.findall(r"^```r\n(.*?)^```", PAGE.read_text(), re.M | re.S)[1:])
WRITTEN = 'write.csv(lapply(posterior::summarise_draws(draws), unclass), "r.csv")'


def in_r(script, folder):
    return subprocess.run(
        ["Rscript", "--vanilla", "-e", script], cwd=folder, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip


def test_r_finds_the_draws_of_each_chain_and_term(tmp_path):
    needed = "library(ncdf4); library(posterior)"
    if shutil.which("Rscript") is None or in_r(needed, tmp_path).returncode:
        pytest.skip("no R with the packages ncdf4 and posterior is installed")
    fit = made.posterior(shape=(4, 100), shift=0.1)
    (tmp_path / "results").mkdir()
    inference_data.write(fit, tmp_path / "results" / "forgetting.nc")
    done = in_r(READING + WRITTEN, tmp_path)
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(tmp_path / "r.csv", index_col="variable")
    theta = fit.posterior["theta_population"]
    assert list(found.index) == list(theta["term"].values)
    np.testing.assert_allclose(found["mean"], theta.mean(("chain", "draw")), rtol=1e-6)
    np.testing.assert_allclose(found["rhat"], az.rhat(theta), rtol=1e-6)
    np.testing.assert_allclose(found["ess_bulk"], az.ess(theta), rtol=1e-6)
