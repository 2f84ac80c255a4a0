"""The command line as a user meets it."""

import subprocess
import sys

import arviz as az
import pytest
from conftest import random_sessions

from hebbax.data import write_table

FIT = ["--chains", "2", "--warmup", "20", "--draws", "20"]


def run(*args):
    command = [sys.executable, "-c", "from hebbax.cli import main; main()", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    write_table(random_sessions(11, lengths=(40, 30, 30)), folder / "trials.csv")
    done = run(
        "fit", folder / "trials.csv", "--model", "null", "--model", "reward", "--out", folder, *FIT
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_fit_stores_what_arviz_opens_alone_and_says_it_failed(results):
    folder, done = results
    stored = az.from_netcdf(folder / "reward.nc")
    assert set(stored.groups()) == {
        "posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data", "prior",
        "prior_predictive", "posterior_predictive",
    }  # fmt: skip
    assert stored.posterior["theta"].dims == ("chain", "draw", "animal", "term")
    assert list(stored.posterior["term"].values) == ["x r"]
    assert stored.posterior["preference"].dims == ("chain", "draw", "animal")
    assert stored.log_likelihood["choice"].sizes["observation"] == 94
    assert stored.attrs["model"] == "reward"
    assert "FAILED its diagnostics" in done.stdout
    assert not list(folder.glob("*state*"))


def test_a_finished_fit_is_not_overwritten(results):
    folder, _ = results
    before = (folder / "null.nc").read_bytes()
    again = run("fit", folder / "trials.csv", "--model", "null", "--out", folder, *FIT)
    assert again.returncode == 2
    assert again.stderr == (
        f"hebbax: null.nc: this fit is finished in {folder}; --force fits it again, another --out "
        "keeps both.\n"
    )
    assert (folder / "null.nc").read_bytes() == before


def test_compare_prints_and_writes_the_table(results):
    folder, _ = results
    done = run("compare", folder / "null.nc", folder / "reward.nc", "--out", folder / "tables")
    assert done.returncode == 0, done.stderr
    assert "predicts best" in done.stdout
    assert (folder / "tables" / "comparison.csv").read_text().startswith("model,elpd_loo,")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("fit", "none.csv", "--model", "null"), "none.csv: there is no such file or folder."),
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
    options = ("--blocks", 15, "--replicates", 5, "--out", out)
    done = run("check", folder / "reward.nc", *options)
    assert done.returncode == 0, done.stderr
    assert "FAILED its diagnostics" in done.stdout
    assert "reward: one step ahead it " in done.stdout
    assert {path.name for path in out.iterdir()} == {
        "check_reward.csv", "check_reward_curves.csv", "check_reward_contingencies.csv",
        "check_reward choice curves.png", "check_reward checks.png",
    }  # fmt: skip
    before = (out / "check_reward.csv").read_bytes()
    assert before.startswith(b"animal,kind,statistic,observed,mean,5 %,95 %,p\n")
    again = run("check", folder / "reward.nc", *options)
    assert again.returncode == 2
    assert again.stderr == (
        f"hebbax: {out / 'check_reward.csv'}: exists already; --force replaces it.\n"
    )
    twice = run("check", folder / "reward.nc", folder / "reward.nc", "--out", out, "--force")
    assert twice.stderr == (
        "hebbax: reward: two posteriors of one model given; check one at a time.\n"
    )
    assert (out / "check_reward.csv").read_bytes() == before
