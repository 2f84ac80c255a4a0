"""The command line as a user meets it."""

import arviz
import pytest
import xarray as xr
from command import SHORT, run
from conftest import random_sessions

from hebbax.data import write_table


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    write_table(random_sessions(11, lengths=(40, 30, 30)), folder / "trials.csv")
    done = run(
        "fit",
        folder / "trials.csv",
        "--model",
        "no-learning,reward",
        "--out",
        folder,
        *SHORT,
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_fit_stores_what_arviz_opens_alone_and_says_it_failed(results):
    folder, done = results
    stored = arviz.from_netcdf(folder / "reward.nc")
    assert set(xr.open_datatree(folder / "reward.nc").children) == {
        "posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data", "prior",
        "prior_predictive", "posterior_predictive", "alone", "log_prior", "log_likelihood_animals",
    }  # fmt: skip
    assert stored.posterior["theta"].dims == ("chain", "draw", "animal", "term")
    assert list(stored.posterior["term"].values) == ["x r"]
    assert stored.posterior["preference"].dims == ("chain", "draw", "animal")
    assert stored.log_likelihood["choice"].sizes["observation"] == 94
    assert stored.attrs["model"] == "reward"
    assert "FAILED its diagnostics" in done.stdout
    assert not list(folder.glob("*state*"))


def test_a_finished_fit_is_taken_as_it_is_and_another_refused(results):
    folder, first = results
    before = (folder / "no-learning.nc").read_bytes()
    same = ("fit", folder / "trials.csv", "--model", "no-learning", "--out", folder, *SHORT)
    again = run(*same)
    assert again.returncode == 0, again.stderr
    assert "no-learning.nc is finished, and taken as it is." in again.stdout
    assert "no-learning.nc" not in first.stdout
    other = run(*same, "--seed", "3")
    assert other.returncode == 2
    assert other.stderr == (
        "hebbax: no-learning.nc: a finished fit with seed 0, and 3 is asked for; ask for the same, "
        "use --force to fit it again, or give another --out.\n"
    )
    assert (folder / "no-learning.nc").read_bytes() == before


def test_compare_prints_and_writes_the_table(results):
    folder, _ = results
    done = run(
        "compare", folder / "no-learning.nc", folder / "reward.nc", "--out", folder / "tables"
    )
    assert done.returncode == 0, done.stderr
    assert "Every posterior FAILED its diagnostics; no model is said to predict best." in (
        " ".join(done.stdout.split())
    )
    table = folder / "tables" / "comparison.csv"
    before = table.read_bytes()
    assert before.startswith(b"model,elpd_loo,")
    again = run("compare", folder / "reward.nc", "--out", folder / "tables")
    assert (again.returncode, table.read_bytes()) == (2, before)
    assert again.stderr == f"hebbax: {table}: exists already; --force replaces it.\n"


def test_a_profile_replaces_no_picture(results):
    folder, _ = results
    path = folder / "profiles" / "profile animal0.png"
    path.parent.mkdir()
    path.write_bytes(b"mine")
    done = run("profile", folder / "trials.csv", "--animal", "animal0", "--out", path.parent)
    assert done.returncode == 2
    assert done.stderr == f"hebbax: {path}: exists already; --force replaces it.\n"
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ("fit", "none.csv", "--model", "no-learning"),
            "none.csv: there is no such file or folder.",
        ),
        (("diagnose", "none.nc"), "none.nc: there is no such posterior; `hebbax fit` makes one."),
    ],
)
def test_a_problem_is_one_sentence_and_exit_code_2(args, sentence):
    done = run(*args)
    assert done.returncode == 2
    assert done.stderr == f"hebbax: {sentence}\n"


def test_check_writes_tables_and_pictures_and_says_that_the_posterior_failed(results):
    folder, _ = results
    out = folder / "checks"
    options = ("--trials-per-block", 15, "--replicates", 20, "--out", out)
    done = run("check", folder / "reward.nc", *options)
    assert done.returncode == 0, done.stderr
    assert "FAILED its diagnostics" in done.stdout
    said = " ".join(done.stdout.split())
    assert "reward (this posterior FAILED its diagnostics): one step ahead it " in said
    assert {path.name for path in out.iterdir()} == {
        "check_reward.csv", "check_reward_curves.csv", "check_reward_contingencies.csv",
        "check_reward choice curves.png", "check_reward checks.png",
    }  # fmt: skip
    before = (out / "check_reward.csv").read_bytes()
    assert before.startswith(b"of,animal,kind,statistic,observed,mean,5 %,95 %,p,diagnostics\n")
    again = run("check", folder / "reward.nc", *options)
    assert again.returncode == 2
    assert again.stderr == (
        f"hebbax: {out / 'check_reward.csv'}: exists already; --force replaces it.\n"
    )
    twice = run("check", folder / "reward.nc", folder / "reward.nc", "--out", out, "--force")
    assert twice.stderr == (
        f"hebbax: {folder / 'reward.nc'}: given twice; each posterior may stand once.\n"
    )
    assert (out / "check_reward.csv").read_bytes() == before
