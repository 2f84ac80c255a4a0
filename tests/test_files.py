"""Files are written whole or not at all: disk full, no folder, a process cut off while writing."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from conftest import random_sessions

from hebbax import posterior as posteriors
from hebbax.data import write, write_table
from hebbax.errors import DataError, FitError
from hebbax.files import replacing
from hebbax.inference import checkpoint
from hebbax.model import build_model
from hebbax.spec import ModelSpec

FULL = "{}: could not be written to {} (No space left on device); what was there before is kept."


def small_posterior():
    model = build_model(ModelSpec("m", ()), random_sessions(4))
    draws = {"preference": np.zeros((2, 5, 2))}
    return posteriors.to_inference_data(jax.random.PRNGKey(0), model, draws, {}, {"method": "test"})


WRITERS = {
    "s.nc": (DataError, lambda path: write(random_sessions(4), path)),
    "s.csv": (DataError, lambda path: write_table(random_sessions(4), path)),
    "m.nc": (FitError, lambda path: posteriors.write(small_posterior(), path)),
    "m.state.npz": (
        FitError,
        lambda path: checkpoint.save(path, "fit", {"z": np.ones(100_000)}, [], 3),
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path, name):
    error, write_to = WRITERS[name]
    path = tmp_path / name
    path.write_bytes(b"earlier")
    unfinished = tmp_path / f"{path.stem}.unfinished{path.suffix}"
    unfinished.symlink_to("/dev/full")
    with pytest.raises(error) as raised:
        write_to(path)
    assert str(raised.value) == FULL.format(name, tmp_path)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path):
    path = tmp_path / "none" / "s.csv"
    with pytest.raises(DataError) as raised:
        write_table(random_sessions(4), path)
    assert str(raised.value) == (
        f"s.csv: could not be written to {path.parent} (No such file or directory); what was there "
        "before is kept."
    )


def test_a_process_killed_while_writing_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("earlier")
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from hebbax.errors import DataError; from hebbax.files import replacing\n"
        "with replacing(Path(sys.argv[1]), DataError) as unfinished:\n"
        "    unfinished.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "earlier"
    with replacing(path, DataError) as unfinished:
        unfinished.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]
