"""Whatever lies in a file: the command line ends with 0 or 2 and one sentence, and nothing is lost.

The files are those of `hostile`, and what Hypothesis makes of bytes and text.
"""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hostile
import made
import pytest
from command import Ended, run
from conftest import random_sessions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hebbax.data import read, write, write_table
from hebbax.errors import FitError, ModelError
from hebbax.model.declared import read_spec
from hebbax.model.spec import ModelSpec
from hebbax.posterior import fits
from hebbax.posterior import inference_data as posteriors
from hebbax.runs.names import file_name

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""Characters that steer a terminal: a name in a message must not bring any."""

MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


LIMIT = 60
"""Seconds after which a command is said to hang; most take hundredths."""

EARLIER = {
    "terms.csv": b"an earlier answer",
    "no-learning.nc": b"an earlier posterior",
    "no-learning.map.nc": b"an earlier estimate",
    "comparison.csv": b"an earlier comparison",
    "check_no-learning.csv": b"an earlier check",
}
"""What stands in the folder of results: a recording that is read comes this far and is refused, so
that nothing is fitted."""

WRITERS = (
    ("terms",),
    ("run", "--model", "no-learning"),
    ("fit", "--model", "no-learning"),
    ("fit", "--model", "no-learning", "--method", "map"),
)
"""Commands that would write what was EARLIER."""

IN_THE_WAY = re.compile(
    r"hebbax: (.*/terms\.csv: exists already; --force replaces it"
    r"|no-learning\.(map\.)?nc: not a readable (posterior|point estimate); it is damaged, or no netCDF file)"
    r"\.\n"
)
"""The refusal of what a command meets after its DATA was read."""


class Hung(BaseException):
    """A command has run for longer than `LIMIT`."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail a test whose command does not end."""

    def stop(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    except Hung:
        pytest.fail(f"no answer within {seconds} s")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder deep in one of its own, in which there are results in ``out``."""
    place = tmp_path / "a" / "b" / "c"
    (place / "out").mkdir(parents=True)
    for name, content in EARLIER.items():
        (place / "out" / name).write_bytes(content)
    monkeypatch.chdir(place)
    return place


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


def ended(place: Path, *args: object) -> Ended:
    """Return how a command ended: with 0, or 2 and a sentence; in time, and without a trace but in
    ``out``, where nothing was lost."""
    whole = place.parents[2]
    before = held(whole)
    with within(LIMIT):
        done = run(*args)
    assert done.returncode in (0, 2), done.stderr
    assert done.returncode == 0 or is_a_sentence(done.stderr), done.stderr
    after = held(whole)
    assert {name: after.get(name) for name in before} == before
    made = sorted(after.keys() - before.keys())
    if done.returncode == 2:
        assert made == []
    assert all(name.startswith("a/b/c/out/") for name in made), made
    return done


def check_written(place: Path, path: Path, writer: tuple[str, ...] = WRITERS[0]) -> bool:
    """Give a recording to a command that writes; return whether it was read. It is then what lies
    in the folder of results that is in the way."""
    done = ended(place, writer[0], path, *writer[1:], "--out", place / "out")
    assert done.returncode == 2
    return bool(IN_THE_WAY.fullmatch(done.stderr))


def check_model(place: Path, path: Path) -> bool:
    """Give a model to a command that writes; return whether it was read."""
    data = place / "right.csv"
    data.write_text(hostile.csv())
    done = ended(place, "terms", data, "--model", path, "--out", place / "out")
    assert done.returncode == 2
    return bool(IN_THE_WAY.fullmatch(done.stderr))


@pytest.mark.parametrize("kind", hostile.tables())
def test_any_table_is_read_or_refused_in_a_sentence(kind, place):
    path = place / ("trials.csv.gz" if kind == "a bomb of gzip" else "trials.csv")
    path.write_bytes(hostile.tables()[kind])
    writer = WRITERS[list(hostile.tables()).index(kind) % len(WRITERS)]
    read = check_written(place, path, writer)
    if read or kind == "empty":
        assert (ended(place, "describe", path).returncode == 0) is read


def test_enough_tables_are_read_to_try_what_comes_after(place):
    """A corpus of which all is refused at one door would try no other."""
    path = place / "trials.csv"
    read = []
    for kind in ("carriage returns and newlines", "animal html", "choice traversal", "tabs"):
        path.write_bytes(hostile.tables()[kind])
        read += [check_written(place, path, writer) for writer in WRITERS]
    assert all(read)


@pytest.mark.parametrize("kind", hostile.parquet())
def test_any_parquet_is_read_or_refused_in_a_sentence(kind, place):
    path = place / "trials.parquet"
    path.write_bytes(hostile.parquet()[kind])
    check_written(place, path)


def test_any_damage_to_a_parquet_is_read_or_refused(place):
    path = place / "trials.parquet"
    path.write_bytes(hostile.parquet()["right"])
    damaged = hostile.flips(path, 60, seed=5)
    read = []
    for content in damaged.values():
        path.write_bytes(content)
        read.append(check_written(place, path))
    assert read[:3] == [False] * 3  # cut short


@pytest.mark.parametrize("kind", hostile.matlab_files())
def test_any_matlab_file_is_read_or_refused_in_a_sentence(kind, place):
    folder = place / "flies"
    folder.mkdir()
    (folder / "Fly1.mat").write_bytes(hostile.matlab_files()[kind])
    (folder / "Fly2.mat").write_bytes(hostile.matlab())
    check_written(place, folder)


def test_any_damage_to_a_netcdf_of_sessions_is_read_or_refused(place):
    path = place / "sessions.nc"
    write(random_sessions(3), path)
    damaged = hostile.flips(path, 30, seed=4)  # each starts a process that reads
    read = []
    for content in damaged.values():
        path.write_bytes(content)
        read.append(check_written(place, path))
    assert read[:3] == [False] * 3  # cut short
    assert any(read)


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
            with pytest.raises(FitError, match=r"^m\.nc[:,] "):
                fits.posteriors_in(path.parent)
    assert refused > 4


@pytest.mark.parametrize("kind", hostile.declared())
def test_any_model_file_is_read_or_refused_in_a_sentence(kind, place):
    path = place / "mine.toml"
    path.write_bytes(hostile.declared()[kind])
    if not check_model(place, path):
        with pytest.raises(ModelError, match=r"mine\.toml"):
            read_spec(str(path))


def test_a_million_columns_are_refused(place):
    path = place / "wide.csv"
    names = ",".join(f"c{k}" for k in range(1_000_000))
    path.write_text(f"{hostile.HEADER},{names}\n")
    assert ended(place, "run", path, "--out", place / "out").stderr == (
        "hebbax: wide.csv: 1000005 columns given; at most 10000 are allowed.\n"
    )


@MANY
@given(content=st.binary(max_size=400))
@pytest.mark.parametrize("end", [".csv", ".tsv", ".txt", ".csv.gz"])
def test_any_bytes_are_a_recording_or_a_sentence(place, end, content):
    path = place / f"bytes{end}"
    path.write_bytes(content)
    check_written(place, path)


@settings(MANY, max_examples=12)  # each starts a process that reads
@given(content=st.binary(max_size=400))
@pytest.mark.parametrize(
    ("end", "begin"),
    [(".nc", b""), (".nc", b"\x89HDF\r\n\x1a\n"), (".parquet", b""), (".parquet", b"PAR1")],
)
def test_any_bytes_are_a_binary_recording_or_a_sentence(place, end, begin, content):
    path = place / f"bytes{end}"
    path.write_bytes(begin + content)
    check_written(place, path)


@MANY
@given(content=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_a_model_or_a_sentence(place, content):
    path = place / "mine.toml"
    path.write_bytes(content)
    check_model(place, path)


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


@MANY
@given(name=ANY_TEXT)
@pytest.mark.parametrize("field", ["animal", "choice"])
def test_any_text_is_a_name_that_is_kept_or_a_sentence(place, field, name):
    """What is accepted is written and read back as it is."""
    quoted = '"' + name.replace('"', '""') + '"'
    path = place / "trials.csv"
    old = "m1" if field == "animal" else "A"
    path.write_bytes(hostile.everywhere(field, old, quoted).encode())
    if not check_written(place, path):
        return
    sessions = read(path)
    write_table(sessions, place / "again.csv")
    again = read(place / "again.csv")
    assert (again.animals, again.stimuli) == (sessions.animals, sessions.stimuli)


def test_any_text_is_a_name_of_a_file_that_is_written(place):
    """Names of animals are in the names of pictures, in their titles and in the terminal."""
    names = [hostile.NAMES[kind] for kind in ("traversal", "absolute path", "mathtext", "markup")]
    (place / "t.csv").write_text(hostile.csv(hostile.rows(names, trials=4)))
    asked = [word for name in names for word in ("--animal", name)]
    done = ended(place, "profile", "t.csv", *asked, "--out", "out")
    assert done.returncode == 0
    made = {path.name for path in (place / "out").iterdir()} - EARLIER.keys()
    assert made == {f"profile {file_name(name)}.png" for name in names}
    assert all(name in done.stdout for name in names)


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
def test_what_is_no_file_is_refused_in_a_sentence(kind, end, place):
    path = place / f"trials{end}"
    PLACES[kind](path)
    assert not check_written(place, path)


@pytest.mark.parametrize("kind", PLACES)
def test_a_model_that_is_no_file_is_refused_in_a_sentence(kind, place):
    path = place / "mine.toml"
    PLACES[kind](path)
    assert not check_model(place, path)


@pytest.mark.parametrize("kind", PLACES)
def test_known_probabilities_that_are_no_file_are_refused_in_a_sentence(kind, place, posterior):
    path = place / "known.csv"
    PLACES[kind](path)
    out = ("--out", place / "out")
    assert ended(place, "check", posterior, "--contingencies", path, *out).returncode == 2


@settings(MANY, max_examples=15)  # each starts a process that reads
@given(content=st.binary(max_size=400).map(lambda tail: hostile.matlab()[:128] + tail))
def test_any_bytes_are_a_matlab_file_or_a_sentence(place, content):
    folder = place / "flies"
    folder.mkdir(exist_ok=True)
    (folder / "Fly1.mat").write_bytes(content)
    check_written(place, folder)


READERS = ("diagnose", "compare", "check", "latents", "report")
"""Commands that are given posteriors."""


def given_posterior(place: Path, command: str, content: bytes) -> Ended:
    """Give a file as a posterior to a command, which may write beside it where it takes a folder."""
    if command == "report":
        folder = place / "out"
        (folder / "no-learning.nc").write_bytes(content)
        (folder / "no-learning.map.nc").unlink(missing_ok=True)
        return ended(place, command, folder)
    path = place / "mine.nc"
    path.write_bytes(content)
    out = () if command == "diagnose" else ("--out", place / "out")
    return ended(place, command, path, *out)


@MANY
@given(content=st.binary(max_size=400))
@pytest.mark.parametrize("command", READERS)
def test_any_bytes_are_a_posterior_or_a_sentence(place, command, content):
    assert given_posterior(place, command, content).returncode == 2


@pytest.fixture(scope="module")
def posterior(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("posterior") / "mine.nc"
    posteriors.write(made.posterior(ModelSpec("m", ())), path)
    return path


def test_any_damage_to_a_posterior_is_read_or_refused(place, posterior):
    damaged = list(hostile.flips(posterior, 6, seed=6).values())
    codes = [given_posterior(place, "diagnose", content).returncode for content in damaged]
    assert codes[:3] == [2, 2, 2]  # cut short
    for content in damaged[:3]:
        for command in READERS:
            assert given_posterior(place, command, content).returncode == 2
