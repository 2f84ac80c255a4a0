"""calibrate as a user meets it: answers, goes on after a kill, and refuses."""

import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from command import HEBBAX, LIMIT, run

from hebbax.cli.commands import commands
from hebbax.errors import HebbaxError
from hebbax.model.declared import declared_models
from hebbax.runs.ledger import read

TINY = ("--animals", 2, "--trials", 12, "--blocks", 1, "--warmup", 26, "--draws", 30)
ONE = ("--model", "no-learning")
MANY = (*TINY, "--simulations", 40)
TABLES = (
    "calibrate_no-learning.csv",
    "calibrate_no-learning_fits.csv",
    "calibrate_no-learning_summary.csv",
)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate")
    done = run("calibrate", *ONE, *MANY, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder, " ".join(done.stdout.split())


def test_it_answers_in_words_tables_and_a_picture(unbroken):
    folder, said = unbroken
    assert {path.name for path in folder.iterdir()} == {*TABLES, "calibrate_no-learning.png"}
    ranks = read(folder / "calibrate_no-learning.csv")
    assert ranks["simulation"].tolist() == [k for k in range(40) for _ in range(4)]
    assert set(ranks["quantity"]) == {
        "preference", "spread of preference", "preference of an animal", "log likelihood",
    }  # fmt: skip
    assert ranks["rank"].between(0, 30).all()
    # Truths are draws of the prior: preference ~ Normal(0, 1), its spread ~ HalfNormal(1 / 2).
    truth = ranks.pivot(index="simulation", columns="quantity", values="truth")
    assert truth["preference"].std() == pytest.approx(1.0, abs=4 / np.sqrt(80))
    assert truth["spread of preference"].pow(2).mean() == pytest.approx(0.25, abs=0.25)
    summary = pd.read_csv(folder / "calibrate_no-learning_summary.csv", index_col="quantity")
    # 40 simulations: four binomial standard errors.
    assert summary["90 %"].between(0.9 - 4 * 0.047, 1.0).all()
    assert summary["inside all"].all()
    inside = summary["inside"].sum()
    assert f"Ranks of {inside} of 4 quantities lie inside their own 95% band (0.2 outside" in said


def test_after_a_kill_it_goes_on_and_repeats_nothing(unbroken, tmp_path):
    folder, _ = unbroken
    command = [*HEBBAX, "calibrate", *ONE, *map(str, MANY)]
    started = subprocess.Popen([*command, "--out", tmp_path], stdout=subprocess.DEVNULL)
    fits = tmp_path / "calibrate_no-learning_fits.csv"
    deadline = time.monotonic() + LIMIT
    while not fits.exists() or len(read(fits)) < 3:
        assert started.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    assert started.wait(LIMIT) == -signal.SIGKILL
    finished = read(fits)
    assert 3 <= len(finished) < 40
    # Marked by hand: whatever is done again would lose the mark.
    # A table that does not count its rows, as those of before, may be.
    first, rest = fits.read_text().split("\n", 1)
    fits.write_text(f"{first.partition(' {')[0]}\n{rest}".replace("\n0,", "\n0,7", 1))
    done = run("calibrate", *ONE, *MANY, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert read(fits)["r_hat"][0] == pytest.approx(70.0 + finished["r_hat"][0], abs=1e-3)
    for name in ("calibrate_no-learning.csv", "calibrate_no-learning_summary.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    pd.testing.assert_frame_equal(read(fits)[1:], read(folder / fits.name)[1:])


def test_other_settings_do_not_mix(unbroken):
    folder, _ = unbroken
    before = [(folder / name).read_bytes() for name in TABLES]
    again = run("calibrate", *ONE, *MANY, "--seed", 1, "--out", folder)
    assert again.returncode == 2
    assert again.stderr == (
        "hebbax: calibrate_no-learning.csv: was made with seed 0, and 1 is asked for, and lies in "
        f"{folder}; move it away, or give another --out.\n"
    )
    assert [(folder / name).read_bytes() for name in TABLES] == before


@pytest.mark.parametrize("models", [("no-learning",), ("no-learning", "reward")])
def test_a_damaged_table_is_one_sentence_and_stays(models, tmp_path):
    path = tmp_path / ("recovery.csv" if len(models) > 1 else TABLES[0])
    path.write_bytes(b"simulation,rank\n0,1\n")
    ended = run("calibrate", "--model", ",".join(models), *MANY, "--out", tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"hebbax: {path.name}: does not say in its first line with what it was made, so that it is "
        f"damaged or was edited, and lies in {tmp_path}; put back a copy, or move it away to start "
        "anew.\n"
    )
    assert path.read_bytes() == b"simulation,rank\n0,1\n"


@pytest.mark.slow
def test_two_workers_give_the_numbers_of_one_process(unbroken, tmp_path):
    folder, _ = unbroken
    done = run("calibrate", *ONE, *MANY, "--workers", 2, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in TABLES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.slow
def test_models_are_told_apart(tmp_path):
    options = (*TINY, "--animals", 4, "--trials", 60, "--simulations", 6)
    done = run("calibrate", "--model", "no-learning,reward", *options, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Of 12 cohorts the true model is found in " in " ".join(done.stdout.split())
    assert {path.name for path in tmp_path.iterdir()} == {
        "recovery.csv", "recovery.png", "recovery_evidence.csv", "recovery_loo.csv",
        "recovery_pairs.csv", "recovery_reliability.csv",
    }  # fmt: skip
    both = pd.read_csv(tmp_path / "recovery_evidence.csv", keep_default_na=False)
    confusion = both[both["matrix"] == "confusion"].set_index("true")[["no-learning", "reward"]]
    assert confusion.astype(float).sum(axis=1).tolist() == [1.0, 1.0]
    table = read(tmp_path / "recovery.csv")
    # A model that made the data is seldom far behind one that did not.
    best = table.groupby("simulation")["evidence"].max()
    own = table[table["true"] == table["fitted"]].set_index("simulation")["evidence"]
    assert (best - own).max() < 5.0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--model", "oja"),
            f'unknown model "oja": declared models are {", ".join(declared_models())}; a path to a '
            ".toml file and a module:function work too.",
        ),
        (
            (*ONE, "--simulations", "0"),
            "--simulations 0: must be a whole number from 1 to 100000.",
        ),
        ((*ONE, "--animals", "0"), "--animals 0: must be a whole number from 1 to 10000."),
        ((*ONE, "--warmup", "0"), "--warmup 0: must be a whole number from 1 to 100000."),
        ((*ONE, "--trials", "1"), "--trials 1: must be a whole number from 2 to 100000."),
        (
            (*ONE, "--blocks", "9", "--trials", "8"),
            "--blocks 9: so many do not fit into 8 trials.",
        ),
        (
            (*ONE, "--draws", "5"),
            "a truth is ranked among 30 draws, and 20 are made; ask for more.",
        ),
        (
            (*ONE, "--outcomes", "1/0"),
            '--outcomes: "1/0" given; two rewards with a slash between them are allowed, the smaller '
            "first, as in -1/1.",
        ),
        (
            (*ONE, "--trials", "20", "--sessions", "21"),
            "--sessions 21: so many do not fit into 20 trials.",
        ),
        (
            (*ONE, "--rewards", "0.2,0.8"),
            '--rewards: "0.2,0.8" given; probabilities with a slash between them are allowed, as '
            "in 0.2/0.8.",
        ),
        ((*ONE, "--workers", "0"), "--workers 0: must be a whole number from 1 to 1000."),
        (
            ("--model", "no-learning,no-learning"),
            "no-learning: is given twice; each model may stand once.",
        ),
    ],
)
def test_what_calibrate_refuses(options, sentence, tmp_path):
    with pytest.raises(HebbaxError) as caught:
        commands.main(
            ["calibrate", *options, "--out", str(tmp_path / "new")], standalone_mode=False
        )
    assert str(caught.value) == sentence
    assert not (tmp_path / "new").exists()
