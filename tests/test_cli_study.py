"""`hebbax run` and `hebbax report`, and a run that is killed and goes on."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import random_sessions

from hebbax.data import write_table
from hebbax.posterior import read

SMALL = ["--models", "null", "reward", "--warmup", "20", "--draws", "120"]
HEBBAX = [sys.executable, "-c", "from hebbax.cli import main; main()"]


def run(*args):
    return subprocess.run(
        [*HEBBAX, *map(str, args)], capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "trials.csv"
    write_table(random_sessions(11, lengths=(40, 30, 30)), path)
    return path


@pytest.fixture(scope="module")
def finished(trials):
    folder = trials.parent / "whole"
    done = run("run", trials, *SMALL, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_run_answers_in_tables_pictures_and_one_page(finished):
    folder, done = finished
    assert "predicts best" in done.stdout
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "null.nc", "reward.nc", "report.html", "figures", "comparison.csv",
        "comparison_by_animal.csv", "population.csv", "coefficients.csv", "deviance.csv",
        "diagnostics.csv", "check_null.csv", "check_null_curves.csv",
        "check_null_contingencies.csv", "check_reward.csv", "check_reward_curves.csv",
        "check_reward_contingencies.csv",
    }  # fmt: skip
    text = (folder / "report.html").read_text()
    assert text.count("data:image/png;base64,") == len(list((folder / "figures").iterdir()))
    assert "FAILED its diagnostics" in text
    assert "hebbax run trials.csv --models null reward --seed 0" in text


def test_a_killed_run_goes_on_bit_for_bit(trials, finished):
    folder = trials.parent / "killed"
    command = [*HEBBAX, "run", trials, *SMALL, "--out", folder]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    state = folder / "reward.state.npz"
    deadline = time.monotonic() + 600
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "reward.nc").exists()
    refused = run("run", trials, *SMALL, "--out", folder)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"hebbax: null.nc: this fit is finished in {folder}; --force fits it again, another --out "
        "keeps both.\n"
    )
    other = run("run", trials, *SMALL[:-1], "60", "--out", folder, "--resume")
    assert other.returncode == 2
    assert other.stderr == (
        "hebbax: null: the finished fit was made with other settings; resume with them, or use "
        "--force or another --out.\n"
    )
    resumed = run("run", trials, *SMALL, "--out", folder, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    for name in ("null", "reward"):
        one, two = read(folder / f"{name}.nc"), read(finished[0] / f"{name}.nc")
        for group in ("posterior", "sample_stats", "posterior_predictive"):
            for variable, values in one[group].data_vars.items():
                np.testing.assert_array_equal(values, two[group][variable])


def test_a_report_is_written_anew_from_what_is_stored(finished):
    folder, _ = finished
    (folder / "report.html").unlink()
    done = run("report", folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "report.html").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ("run", "{trials}", "--models", "null", "null"),
            "--models: null is given twice; each model may stand once.",
        ),
        (
            ("run", "{trials}", "--blocks", "0"),
            "0 trials per block given; a block has 1 or more.",
        ),
        (
            ("report", "{trials.parent}"),
            "{trials.parent}: holds no posterior; `hebbax run` makes some.",
        ),
        (
            ("run", "{trials}", "--out", "/proc/hebbax"),
            "/proc/hebbax: results cannot be written there (No such file or directory); give "
            "another --out.",
        ),
    ],
)
def test_a_problem_is_one_sentence_and_exit_code_2(trials, args, sentence):
    done = run(*(arg.format(trials=trials) for arg in args))
    assert done.returncode == 2
    assert done.stderr == f"hebbax: {sentence.format(trials=trials)}\n"
