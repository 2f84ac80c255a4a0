"""Whatever lies in a file: the command line ends with 0 or 2 and one sentence, and nothing is lost.

The files are those of `hostile`, and what Hypothesis makes of bytes and text.
"""

import os
import re
from pathlib import Path

import hostile
import made
import pytest
from command import run
from conftest import random_sessions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hebbax.data import read, write, write_table
from hebbax.errors import DataError, HebbaxError, ModelError
from hebbax.model.spec import read_spec
from hebbax.posterior import fits
from hebbax.posterior import inference_data as posteriors

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""Characters that steer a terminal: a name in a message must not bring any."""

MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def refusal(error: type[Exception], call) -> str | None:
    """Return what a call is refused with, or None where it is not."""
    try:
        call()
    except error as problem:
        return str(problem)
    return None


def held(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, by name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def is_a_sentence(text: str) -> bool:
    """Whether a message is one sentence of the command, on one line."""
    return (
        text.startswith("hebbax: ")
        and text.endswith(".\n")
        and text.count("\n") == 1
        and not UNPRINTABLE.search(text)
        and len(text) < 1500
    )


def check_described(path: Path) -> int:
    """Read a file by the command line: 0, or 2 and a sentence; nothing beside it changes."""
    before = held(path.parent)
    code, _, said = run("describe", path)
    assert code in (0, 2), said
    assert code == 0 or is_a_sentence(said), said
    assert held(path.parent) == before
    return code


@pytest.mark.parametrize("kind", hostile.tables())
def test_any_table_is_read_or_refused_in_a_sentence(kind, tmp_path):
    content = hostile.tables()[kind]
    gz = kind == "a bomb of gzip"
    path = tmp_path / ("trials.csv.gz" if gz else "trials.csv")
    path.write_bytes(content)
    check_described(path)


@pytest.mark.parametrize("kind", hostile.parquet())
def test_any_parquet_is_read_or_refused_in_a_sentence(kind, tmp_path):
    path = tmp_path / "trials.parquet"
    path.write_bytes(hostile.parquet()[kind])
    check_described(path)


@pytest.mark.parametrize("kind", hostile.matlab_files())
def test_any_matlab_file_is_read_or_refused_in_a_sentence(kind, tmp_path):
    folder = tmp_path / "flies"
    folder.mkdir()
    (folder / "Fly1.mat").write_bytes(hostile.matlab_files()[kind])
    (folder / "Fly2.mat").write_bytes(hostile.matlab())
    check_described(folder)


def test_any_damage_to_a_netcdf_of_sessions_is_read_or_refused(tmp_path):
    path = tmp_path / "sessions.nc"
    write(random_sessions(3), path)
    damaged = hostile.flips(path, 60, seed=4)
    codes = []
    for content in damaged.values():
        path.write_bytes(content)
        codes.append(check_described(path))
    assert codes[:3] == [2, 2, 2]  # cut short


def test_any_damage_to_a_posterior_is_refused_or_changes_no_answer(tmp_path):
    right, path = tmp_path / "right.nc", tmp_path / "out" / "m.nc"
    path.parent.mkdir()
    posteriors.write(made.posterior(), right)
    path.write_bytes(right.read_bytes())
    answer = run("diagnose", path)
    assert answer.returncode == 0
    refused = 0
    for content in hostile.flips(right, 12, seed=6).values():
        path.write_bytes(content)
        before = held(tmp_path)
        ended = run("diagnose", path)
        assert held(tmp_path) == before
        if ended != answer:
            refused += 1
            assert ended.returncode == 2
            assert is_a_sentence(ended.stderr), ended.stderr
            said = refusal(HebbaxError, lambda: fits.posteriors_in(path.parent))
            assert said is not None
            assert said.startswith("m.nc: ")
    assert refused > 4


@pytest.mark.parametrize("kind", hostile.declared())
def test_any_model_file_is_read_or_refused_in_a_sentence(kind, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(hostile.declared()[kind])
    said = refusal(ModelError, lambda: read_spec(str(path)))
    assert said is None or (is_a_sentence(f"hebbax: {said}\n") and "mine.toml" in said), said


@MANY
@given(content=st.binary(max_size=400))
@pytest.mark.parametrize("end", [".csv", ".tsv", ".txt", ".csv.gz", ".nc"])
def test_any_bytes_are_a_recording_or_a_sentence(tmp_path, end, content):
    path = tmp_path / f"bytes{end}"
    path.write_bytes(content)
    check_described(path)


@MANY
@given(content=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_a_model_or_a_sentence(tmp_path, content):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    said = refusal(ModelError, lambda: read_spec(str(path)))
    assert said is None or is_a_sentence(f"hebbax: {said}\n"), said


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


@MANY
@given(name=ANY_TEXT)
@pytest.mark.parametrize("field", ["animal", "choice"])
def test_any_text_is_a_name_that_is_kept_or_a_sentence(tmp_path, field, name):
    """What is accepted is written and read back as it is."""
    quoted = '"' + name.replace('"', '""') + '"'
    path = tmp_path / "trials.csv"
    old = "m1" if field == "animal" else "A"
    path.write_bytes(hostile.everywhere(field, old, quoted).encode())
    said = refusal(DataError, lambda: read(path))
    if said is not None:
        assert is_a_sentence(f"hebbax: {said}\n"), said
        return
    sessions = read(path)
    write_table(sessions, tmp_path / "again.csv")
    again = read(tmp_path / "again.csv")
    assert (again.animals, again.stimuli) == (sessions.animals, sessions.stimuli)


PLACES = {
    "a pipe that nobody writes to": lambda path: os.mkfifo(path),
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nowhere.csv"),
    "a folder": lambda path: path.mkdir(),
    "a file of another folder's name": lambda path: path.parent.joinpath("sub").write_text("x"),
}
"""What may lie where a file is expected."""


@pytest.mark.parametrize("end", [".csv", ".nc", ".parquet", ".csv.gz"])
@pytest.mark.parametrize("kind", PLACES)
def test_what_is_no_file_is_refused_in_a_sentence(kind, end, tmp_path):
    path = tmp_path / f"trials{end}"
    PLACES[kind](path)
    code, _, said = run("describe", path)
    assert code == 2
    assert is_a_sentence(said), said


@pytest.mark.parametrize("kind", PLACES)
def test_a_model_that_is_no_file_is_refused_in_a_sentence(kind, tmp_path):
    path = tmp_path / "mine.toml"
    PLACES[kind](path)
    with pytest.raises(ModelError) as problem:
        read_spec(str(path))
    assert is_a_sentence(f"hebbax: {problem.value}\n")


@settings(MANY, max_examples=15)  # each starts a process that reads
@given(content=st.binary(max_size=400).map(lambda tail: hostile.matlab()[:128] + tail))
def test_any_bytes_are_a_matlab_file_or_a_sentence(tmp_path, content):
    folder = tmp_path / "flies"
    folder.mkdir(exist_ok=True)
    (folder / "Fly1.mat").write_bytes(content)
    check_described(folder)


@MANY
@given(content=st.binary(max_size=400))
@pytest.mark.parametrize("command", ["diagnose", "compare", "check"])
def test_any_bytes_are_a_posterior_or_a_sentence(tmp_path, command, content):
    path = tmp_path / "mine.nc"
    path.write_bytes(content)
    code, _, said = run(command, path)
    assert code == 2
    assert is_a_sentence(said), said
    assert held(tmp_path) == {"mine.nc": content}
