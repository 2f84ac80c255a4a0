"""`hebbax run` and `hebbax report`, and a run that is killed and goes on."""

import csv
import html
import shutil
import signal
import subprocess
import sys
import time

import made
import numpy as np
import pandas as pd
import pytest
from command import HEBBAX, LIMIT, SHORT, run
from conftest import random_sessions

from hebbax.data import Record, describe, from_animals, write_table
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import read, write
from hebbax.runs.names import file_name
from hebbax.simulation.baiting import decide

SMALL = ("--model", "no-learning,reward", *SHORT)


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "trials.csv"
    write_table(random_sessions(11, lengths=(40, 30, 30)), path)
    return path


def decided_without_blocks():
    sessions = random_sessions(11, lengths=(40, 30, 30))
    return decide(sessions, sessions.blocks)


@pytest.fixture(scope="module")
def finished(trials):
    folder = trials.parent / "whole"
    done = run("run", trials, *SMALL, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_run_answers_in_tables_pictures_and_one_page(finished):
    folder, done = finished
    assert "Nothing is said of any coefficients." in " ".join(done.stdout.split())
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "no-learning.nc", "reward.nc", "study.json", "report.html", "figures", "comparison.csv",
        "comparison_by_animal.csv", "comparison_new_animal.csv",
        "comparison_new_animal_by_animal.csv", "population.csv", "coefficients.csv", "deviance.csv",
        "answer.json", "fading.csv",
        "diagnostics.csv", "sensitivity.csv", "check_no-learning.csv", "check_no-learning_curves.csv",
        "check_no-learning_contingencies.csv", "check_reward.csv", "check_reward_curves.csv",
        "check_reward_contingencies.csv",
    }  # fmt: skip
    for name in (
        "comparison",
        "comparison_by_animal",
        "comparison_new_animal",
        "comparison_new_animal_by_animal",
        "population",
        "coefficients",
        "sensitivity",
        "check_reward",
    ):
        assert set(pd.read_csv(folder / f"{name}.csv")["diagnostics"]) == {"FAILED"}
    assert pd.read_csv(folder / "deviance.csv").columns.tolist() == [
        "animal",
        "no-learning (FAILED its diagnostics), against chance",
        "reward (FAILED its diagnostics), against chance",
        "reward (FAILED its diagnostics), against no-learning (FAILED its diagnostics)",
    ]
    text = (folder / "report.html").read_text()
    assert text.count("data:image/png;base64,") == len(list((folder / "figures").glob("*.png")))
    assert "FAILED its diagnostics" in text
    assert text.count(decided_without_blocks().sentence) == 2
    assert (
        f"hebbax run {folder.parent / 'trials.csv'} --model no-learning,reward --out {folder} "
        "--warmup 20 --draws 20\n"
    ) in text


def test_a_killed_run_goes_on_bit_for_bit(trials, finished):
    folder = trials.parent / "killed"
    command = [*HEBBAX, "run", trials, *SMALL, "--out", folder]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    state = folder / "reward.state.npz"
    deadline = time.monotonic() + LIMIT
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(LIMIT) == -signal.SIGKILL
    assert not (folder / "reward.nc").exists()
    other = run("run", trials, *SMALL[:-1], "60", "--out", folder)
    assert other.returncode == 2
    assert other.stderr == (
        "hebbax: no-learning.nc: a finished fit with draws 20, and 60 is asked for; ask for the "
        "same, use --force to fit it again, or give another --out.\n"
    )
    before = (folder / "no-learning.nc").read_bytes()
    resumed = run("run", trials, *SMALL, "--out", folder)
    assert resumed.returncode == 0, resumed.stderr
    assert "no-learning.nc is finished, and taken as it is." in resumed.stdout
    assert "reward.state.npz goes on after " in resumed.stdout
    assert (folder / "no-learning.nc").read_bytes() == before
    for name in ("no-learning", "reward"):
        one, two = read(folder / f"{name}.nc"), read(finished[0] / f"{name}.nc")
        for group in ("posterior", "sample_stats", "posterior_predictive"):
            for variable, values in one[group].data_vars.items():
                np.testing.assert_array_equal(values, two[group][variable])


def pasted(report):
    """The command that a report says repeats its posteriors."""
    lines = html.unescape(report.read_text()).split("<pre>")[1].splitlines()
    assert lines[0] == "# each posterior is repeated by"
    return lines[1]


def test_the_command_in_the_report_gives_the_same_draws(tmp_path, monkeypatch):
    place = tmp_path / "a place; with 'signs'"
    place.mkdir()
    path = place / "my trials.csv"
    write_table(random_sessions(12, lengths=(40, 30, 30)), path)
    text = path.read_text()
    first, *rows = text.replace("animal,", "fly id,", 1).splitlines()
    rows = [row.replace(",,", ",no choice,") for row in rows]
    assert sum("no choice" in row for row in rows) == 6
    path.write_text("\n".join([first, *rows]) + "\n")
    options = ("--column", "animal=fly id", "--no-choice", "no choice", "--trials-per-block", "20")
    options += ("--baiting", "independent", "--seed", "3", *SHORT)
    given = ("run", "my trials.csv", *options, "--model", "no-learning")
    with monkeypatch.context() as there:
        there.chdir(place)
        done = run(*given, "--out", "o")
    assert done.returncode == 0, done.stderr
    before = read(place / "o" / "no-learning.nc").load()
    check = (place / "o" / "check_no-learning.csv").read_bytes()
    said = pasted(place / "o" / "report.html")
    (place / "o" / "report.html").unlink()
    (place / "o" / "check_no-learning.csv").unlink()
    assert run("report", place / "o").returncode == 0
    assert pasted(place / "o" / "report.html") == said
    # Blocks of 20 trials and seed 3 are remembered: the same checks, byte for byte.
    assert (place / "o" / "check_no-learning.csv").read_bytes() == check
    assert pd.read_csv(place / "o" / "check_no-learning_contingencies.csv")["block"].max() == 2
    assert run("report", place / "o", "--trials-per-block", "3", "--seed", "4").returncode == 0
    assert pd.read_csv(place / "o" / "check_no-learning_contingencies.csv")["block"].max() > 3
    shutil.rmtree(place / "o")
    script = f'hebbax() {{ "{sys.executable}" -c "{HEBBAX[2]}" "$@"; }}\n{said}\n'
    again = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=False, timeout=LIMIT
    )
    assert again.returncode == 0, again.stderr
    after = read(place / "o" / "no-learning.nc")
    for group in ("posterior", "posterior_predictive", "prior"):
        for variable, values in before[group].data_vars.items():
            np.testing.assert_array_equal(values, after[group][variable])
    assert (place / "o" / "check_no-learning.csv").read_bytes() == check


HOSTILE = ("$x_{$", "[/x]", "<script>alert(1)</script>", "../up", "{task} %s", "cohort")


@pytest.mark.filterwarnings("ignore:Passing a dict or None as alias_mapping")  # ArviZ 0.23
def test_a_report_of_three_alternatives_holds_every_name_as_it_stands(tmp_path):
    rng = np.random.default_rng(0)
    records = [Record(name, rng.integers(0, 3, 9), rng.integers(0, 3, 9)) for name in HOSTILE[:3]]
    sessions = from_animals(records, list(HOSTILE[3:]), "tr$i_{als [b].csv")
    model, folder = "$x_{$ [x] <i> :smile: v1.2", tmp_path / "study"
    folder.mkdir()
    fit = made.posterior(ModelSpec(model, ("x r", "w")), sessions, shape=(2, 20))
    write(fit, folder / f"{file_name(model)}.nc")
    done = run("report", folder)
    assert done.returncode == 0, done.stderr
    assert "could not be made" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["study"]

    text = (folder / "report.html").read_text()
    assert "<script>alert" not in text
    assert "<i>" not in text
    page = html.unescape(text)
    for name in (*HOSTILE, model, sessions.source):
        assert name in page
    read_part = page.split('id="the-answer-1"')[1].split('id="in-detail-2"')[0]
    assert "What was read" in read_part
    for count, value in describe(sessions).counts.items():
        assert count in read_part
        assert value in read_part

    pictures = {path.stem for path in (folder / "figures").iterdir()}
    kinds = ("forest", "forgetting", "pairs", "session", "sampler", "choice curves", "checks")
    assert pictures == {
        "comparison",
        "fading",
        *(f"{file_name(model)}_{kind.replace(' ', '-')}" for kind in kinds),
    }
    assert text.count("data:image/png;base64,") == len(pictures)
    with (folder / "coefficients.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["animal"] for row in rows} == set(HOSTILE[:3])
    assert {row["model"] for row in rows} == {model}
    assert {row["value"] for row in rows} == {
        "theta x r",
        "theta w",
        *(f"preference {name} against {HOSTILE[3]}" for name in HOSTILE[4:]),
    }


@pytest.mark.slow
def test_a_run_with_three_alternatives_ends_in_its_report(tmp_path):
    write_table(random_sessions(11, 3, lengths=(40, 30)), tmp_path / "trials.csv")
    models = ("--model", "no-learning,forgetting")
    done = run("run", tmp_path / "trials.csv", *models, *SHORT, "--out", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    assert "could not be made" not in done.stdout
    assert (tmp_path / "o" / "figures" / "no-learning_forest.png").is_file()


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
            ("run", "{trials}", "--model", "no-learning,no-learning"),
            "--model: no-learning is given twice; each may stand once.",
        ),
        (
            ("run", "{trials}", "--trials-per-block", "0"),
            "--trials-per-block 0: must be a whole number from 1 to 100000.",
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
