"""A file that the system does not open is said to be that, and never to be damaged."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from command import run
from conftest import random_sessions

from hebbax import data
from hebbax.errors import HebbaxError
from hebbax.inference import checkpoint
from hebbax.model.declared import read_spec
from hebbax.posterior import estimate, fits
from hebbax.posterior import inference_data as posteriors
from hebbax.reporting import told
from hebbax.runs import ledger, records
from hebbax.simulation.contingency import read_contingencies

NOBODY = 65534

SESSIONS = random_sessions(4)

DOORS = {
    "t.csv": data.read,
    "t.csv.gz": data.read,
    "t.parquet": data.read,
    "s.nc": data.read,
    "flies/Fly1.mat": lambda path: data.read(path.parent),
    "m.toml": read_spec,
    "m.nc": posteriors.read,
    "n.nc": lambda path: fits.posteriors_in(path.parent),
    "m.map.nc": estimate.read,
    "m.state.npz": checkpoint.read,
    "study.json": lambda path: told.read(path.parent),
    "terms.json": lambda path: records.read(path, HebbaxError, "no record"),
    "calibrate.csv": lambda path: ledger.Ledger(path, ("seed",), 0),
    "recovery.csv": ledger.read,
    "p.csv": lambda path: read_contingencies(path, SESSIONS, np.zeros(SESSIONS.choices.shape, int)),
}


@pytest.fixture
def folder():
    """Return a folder that everyone may enter: those of pytest are of the user alone."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextmanager
def held_to_permissions():
    """Be a user whom permissions stop, as they do not stop root."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def closed(folder, name):
    """Write a file that may not be read, skip where there is no such thing, and return its path."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o755)
    path.write_bytes(b"anything")
    path.chmod(0)
    with held_to_permissions():
        if not path.is_file():
            pytest.skip("the folder of temporary files is of the user alone")
        if os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            pytest.skip("every file may be read here")
    return path


@pytest.mark.parametrize("name", DOORS)
def test_what_may_not_be_read_is_not_called_damaged(name, folder):
    path = closed(folder, name)
    with pytest.raises(HebbaxError) as error, held_to_permissions():
        DOORS[name](path)
    assert str(error.value) == (
        f"{path.name}: cannot be read (Permission denied); put that right and give the same "
        "command again."
    )


@pytest.mark.parametrize("name", ["m.state.npz", "study.json", "n.nc"])
def test_a_folder_in_the_place_of_a_file_is_no_damage(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(HebbaxError) as error:
        DOORS[name](tmp_path / name)
    assert str(error.value) == (
        f"{name}: cannot be read (Is a directory); put that right and give the same command again."
    )


def test_a_command_says_it_in_one_sentence(folder):
    path = closed(folder, "t.csv")
    data.write_table(SESSIONS, folder / "right.csv")
    assert run("describe", folder / "right.csv").returncode == 0  # what it imports is loaded
    with held_to_permissions():
        ended = run("describe", path)
    assert ended == (
        2,
        "",
        "hebbax: t.csv: cannot be read (Permission denied); put that right and give the same "
        "command again.\n",
    )
