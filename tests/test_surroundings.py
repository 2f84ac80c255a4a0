"""A broken world around the command line: an answer or one sentence, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from command import HEBBAX, LIMIT
from conftest import random_sessions

from hebbax.data import write_table


def run(*args, changed=None, **options):
    around = {**os.environ, **(changed or {})}
    around = {name: value for name, value in around.items() if value is not None}
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": LIMIT, **options}
    return subprocess.run(
        [*HEBBAX, *map(str, args)], env=around, text=True, check=False, **settings
    )


@pytest.fixture
def trials(tmp_path):
    write_table(random_sessions(1), tmp_path / "trials.csv")
    return tmp_path / "trials.csv"


def test_neither_home_nor_backend_nor_encoding_stand_in_the_way(tmp_path):
    changed = {
        "HOME": "/proc/none",
        "MPLBACKEND": "none",
        "PYTHONIOENCODING": "ascii",
        "LC_ALL": "C",
    }
    (tmp_path / "é漢.toml").write_text("terms = []\n", encoding="utf-8")
    name = tmp_path / "é漢.toml"
    done = run(
        "models", "--model", name, "--animals", 2, "--out", tmp_path / "out", changed=changed
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\xe9\u6f22" in done.stdout
    assert (tmp_path / "out" / "prior_é漢.png").exists()


def test_no_home_at_all_is_no_fault():
    done = run("models", changed={"HOME": None})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("device", ["abacus", "cuda"])
def test_a_device_that_is_not_there_is_one_sentence(tmp_path, device):
    if device == "cuda" and jax.default_backend() == "gpu":
        pytest.skip("JAX has a GPU here")
    done = run("models", "--model", "reward", "--out", tmp_path, changed={"JAX_PLATFORMS": device})
    assert done.returncode == 2
    assert done.stderr == (
        f'hebbax: JAX_PLATFORMS is "{device}", and JAX does not start there; unset it, or set it to '
        '"cpu".\n'
    )
    assert list(tmp_path.iterdir()) == []


def test_a_variable_that_a_library_refuses_is_one_sentence():
    done = run("models", changed={"JAX_ENABLE_X64": "perhaps"})
    assert done.returncode == 2
    assert done.stderr.startswith("hebbax: the libraries cannot be loaded (ValueError: ")
    assert done.stderr.endswith(
        "); look at the installation, and at variables that they read, such as JAX_ENABLE_X64.\n"
    )
    assert done.stderr.count("\n") == 1


def test_who_stops_reading_stops_no_work(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    out = tmp_path / "cohort.csv"
    done = run("simulate", out, "--animals", 1, "--trials-per-block", 5, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.read_text().count("\n") == 16


def test_a_full_disk_under_the_answer_is_one_sentence_and_the_files_are_kept(tmp_path):
    out = tmp_path / "cohort.csv"
    with open("/dev/full", "w") as full:
        done = run("simulate", out, "--animals", 1, "--trials-per-block", 5, stdout=full)
    assert done.returncode == 2
    assert done.stderr == (
        "hebbax: the answer could not be printed (No space left on device); the files that were written "
        "are kept.\n"
    )
    assert out.read_text().count("\n") == 16


def test_a_working_folder_that_is_gone_is_one_sentence(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); "
    script += "from hebbax.cli import main; main()"
    command = [sys.executable, "-c", script, "models"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert done.returncode == 2
    assert done.stderr == (
        "hebbax: the folder this was started in is no longer there; change to another folder (cd).\n"
    )


def test_paths_that_lead_nowhere_are_one_sentence(trials, tmp_path):
    """Several in one process, which takes seconds to start."""
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    through = trials / "inside.toml"
    long = tmp_path / ("x" * 5000 + ".toml")
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    code = (
        "import sys\n"
        "from hebbax.cli import main\n"
        "for args in eval(sys.stdin.read()):\n"
        "    sys.argv = ['hebbax', *args]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as end:\n"
        "        print(end.code)\n"
    )
    asked = {
        ("models", "--model", str(loop)): f"{shortened(loop)}: there is no such model file.",
        ("models", "--model", str(through)): f"{shortened(through)}: there is no such model file.",
        ("models", "--model", str(folder)): f"{shortened(folder)}: there is no such model file.",
        ("models", "--model", str(long)): f"{'x' * 57}...: cannot be read (File name too long).",
        ("models", "--model", "reward", "--out", str(trials / "out")): (
            f"{trials / 'out'}: results cannot be written there (Not a directory); give another --out."
        ),
        ("models", "--model", "reward", "--out", str(tmp_path / ("x" * 300))): (
            f"{shortened(tmp_path / ('x' * 300) / 'prior_reward.png')}: File name too long."
        ),
        ("fit", str(trials)): "Missing option '--model'; `hebbax fit --help` says what is allowed.",
        ("fit", str(trials), "--model", "reward", "--method", "guess"): (
            "Invalid value for '--method': 'guess' is not one of 'pseudo-marginal', 'nuts', 'svi', 'map'; `hebbax fit --help` "
            "says what is allowed."
        ),
        ("models", "--anmals", "3"): (
            "no such option \"--anmals\" (did you mean \"--animals\"?); `hebbax models --help` says what is allowed."
        ),
        ("modles",): 'no such command "modles" (did you mean "models"?); `hebbax --help` says what is allowed.',
        ("simulate", str(tmp_path / ("x" * 300 + ".csv")), "--animals", "1", "--trials-per-block", "2"): (
            f"{shortened(tmp_path / ('x' * 300 + '.csv'))}: File name too long."
        ),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], input=repr(list(asked)), capture_output=True,
                          text=True, check=False, timeout=LIMIT, cwd=tmp_path)  # fmt: skip
    assert done.stdout.split() == ["2"] * len(asked), done.stderr
    assert done.stderr.splitlines() == [f"hebbax: {sentence}" for sentence in asked.values()]


def shortened(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 60 else text[:57] + "..."


def test_ascii_boxes_and_a_model_list_need_no_unicode():
    done = run("models", changed={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
