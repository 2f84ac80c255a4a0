"""Files are written whole or not at all: disk full, no folder, a process cut off while writing."""

import subprocess
import sys
from pathlib import Path

import made
import numpy as np
import pytest
from command import LIMIT
from conftest import random_sessions

from hebbax.data import write, write_table
from hebbax.errors import DataError, FitError
from hebbax.inference import checkpoint
from hebbax.posterior import inference_data as posteriors
from hebbax.runs.files import replacing

FULL = "{}: could not be written to {} (No space left on device); what was there before is kept."


WRITERS = {
    "s.nc": (DataError, lambda path: write(random_sessions(4), path)),
    "s.csv": (DataError, lambda path: write_table(random_sessions(4), path)),
    "m.nc": (FitError, lambda path: posteriors.write(made.posterior(), path)),
    "m.state.npz": (
        FitError,
        lambda path: checkpoint.save(path, {}, {"z": np.ones(100_000)}, [], 3),
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path, name):
    error, write_to = WRITERS[name]
    path = tmp_path / name
    path.write_bytes(b"earlier")
    unfinished = tmp_path / f".{path.stem}.hebbax-unfinished{path.suffix}"
    unfinished.symlink_to("/dev/full")
    with pytest.raises(error) as raised:
        write_to(path)
    assert str(raised.value) == FULL.format(name, tmp_path)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


LIMITED = """
import resource, signal, sys
from hebbax.cli import main

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv[1:] = sys.argv[2:]
main()
"""


def test_a_posterior_that_cannot_be_written_is_made_of_its_state_later(tmp_path):
    write_table(random_sessions(11, lengths=(12, 12)), tmp_path / "t.csv")
    out = tmp_path / "out"
    command = ["fit", tmp_path / "t.csv", "--model", "no-learning", "--out", out, "--chains", "1"]
    command = [*map(str, command), "--warmup", "20", "--draws", "20"]

    def run(limit):
        return subprocess.run(
            [sys.executable, "-c", LIMITED, str(limit), *command],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent,
            timeout=LIMIT,
        )

    refused = run(60_000)  # more than the state takes, and less than the posterior
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.splitlines()[-1] == (  # above it JAX on its cache of compiled programs
        f"hebbax: no-learning.nc: could not be written to {out} (File too large); what was there "
        "before is kept. What was found is kept in no-learning.state.npz: free about 0.3 MB and "
        "give the same command again, which takes it from there."
    )
    assert [path.name for path in out.iterdir()] == ["no-learning.state.npz"]
    done = run(-1)
    assert done.returncode == 0, done.stderr
    assert "no-learning.state.npz goes on after 40 of 40 iterations." in done.stdout
    assert [path.name for path in out.iterdir()] == ["no-learning.nc"]


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
        "from hebbax.errors import DataError; from hebbax.runs.files import replacing\n"
        "with replacing(Path(sys.argv[1]), DataError) as unfinished:\n"
        "    unfinished.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=LIMIT)
    assert done.returncode == -9
    assert path.read_text() == "earlier"
    with replacing(path, DataError) as unfinished:
        unfinished.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]
