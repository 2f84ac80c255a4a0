"""The laws of `Sessions`: one exact sentence for each that is broken, from Python and from files."""

import json
from dataclasses import replace

import h5netcdf
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import random_sessions
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hebbax.data import Record, Sessions, data_hash, from_animals, read, select, write, write_table
from hebbax.data.limits import MAX_REWARD, MAX_TRIALS
from hebbax.errors import DataError
from hebbax.validation.limits import MAX_NAME
from hebbax.validation.quoting import MISSING

SEVEN = np.array([[0, 1, 0], [1, 7, -1]])
GOOD = {
    "animals": ("a", "b"),
    "stimuli": ("A", "B"),
    "choices": np.array([[0, 1, 0], [1, 1, -1]]),
    "rewards": np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]),
    "blocks": np.array([[0, 0, 1], [0, 0, -1]]),
    "session": np.array([[0, 0, 0], [0, 0, -1]]),
    "n_trials": np.array([3, 2]),
    "rejections": None,
    "source": "s",
}


def changed(field, place, value):
    values = GOOD[field].copy()
    values[place] = value
    return {field: values}


BROKEN = {
    "choice 7": (
        changed("choices", (1, 1), 7),
        "s, animal b, trial 2, choice: stimulus 7 is not one of 2.",
    ),
    "choice -2": (
        changed("choices", (0, 1), -2),
        "s, animal a, trial 2, choice: stimulus -2 is not one of 2.",
    ),
    "NaN reward": (
        changed("rewards", (0, 2), np.nan),
        "s, animal a, trial 3, reward: nothing given; a trial with a choice needs a finite number, "
        "such as 0 or 1.",
    ),
    "infinite reward": (
        changed("rewards", (0, 2), -np.inf),
        "s, animal a, trial 3, reward: -inf given; a trial with a choice needs a finite number, "
        "such as 0 or 1.",
    ),
    "reward that overflows": (
        changed("rewards", (0, 0), 1.7e308),
        "s, animal a, trial 1, reward: 1.7e+308 given; a reward lies between -1e+09 and 1e+09, so "
        "give it in other units.",
    ),
    "n_trials -1": (
        changed("n_trials", 1, -1),
        "s, animal b, n_trials: -1 given; the arrays hold 3 trials.",
    ),
    "n_trials 10^9": (
        changed("n_trials", 1, 10**9),
        "s, animal b, n_trials: 1000000000 given; the arrays hold 3 trials.",
    ),
    "trials that nobody has": (
        changed("n_trials", 0, 2),
        "s, n_trials: at most 2 given; the longest animal fills the 3 trials of the arrays.",
    ),
    "transposed choices": (
        {"choices": GOOD["choices"].T},
        "s, choices: shape (3, 2) given; (2, 2) is needed.",
    ),
    "transposed rewards": (
        {"rewards": GOOD["rewards"].T},
        "s, rewards: shape (3, 2) given; (2, 3) is needed.",
    ),
    "two animals of one name": (
        {"animals": ("a", "a")},
        "s, animal a: given twice; each needs a name of its own.",
    ),
    "two alternatives of one name": (
        {"stimuli": ("A", "A")},
        "s, stimulus A: given twice; each needs a name of its own.",
    ),
    "one alternative": (
        {"stimuli": ("A",)},
        "s: only one stimulus was ever chosen; a choice needs at least 2 alternatives.",
    ),
    "no animal": ({"animals": ()}, "s: there is no animal in it."),
    "too many alternatives": (
        {"stimuli": tuple(map(str, range(101)))},
        "s: 101 different alternatives given; at most 100 are allowed.",
    ),
    "too many trials": (
        {"choices": np.broadcast_to(0, (2, MAX_TRIALS + 1))},
        "s: 1000001 trials given; at most 1000000 are allowed.",
    ),
    "choices of another kind": (
        {"choices": GOOD["choices"].astype(float)},
        "s, choices: float64 given; integers are needed.",
    ),
    "rewards of another kind": (
        {"rewards": GOOD["rewards"].astype(int)},
        "s, rewards: int64 given; floating-point numbers are needed.",
    ),
    "a list": (
        {"n_trials": [3, 2]},
        "s, n_trials: list given; a NumPy array is needed.",
    ),
    "negative rejections": (
        {"rejections": np.where(np.arange(2) == 1, -1, 0) * np.ones((2, 3, 1), int)},
        "s, animal a, rejections: -1 given; 0 or more is allowed.",
    ),
    "a block in padding": (
        changed("blocks", (1, 2), 0),
        "s, animal b, blocks: something stands after its 2 trials; -1 is needed there.",
    ),
    "a block that comes back": (
        {"blocks": np.array([[0, 1, 0], [0, 0, -1]])},
        "s, animal a, trial 3, block: goes back to an earlier block; blocks follow each other, so "
        "number them in their order.",
    ),
    "a reward without a choice": (
        {"choices": np.array([[0, -1, 0], [1, 1, -1]]), "rewards": np.ones((2, 3))},
        "s, animal a, trial 2, reward: 1 given on a trial without a choice; leave it empty or 0.",
    ),
    "no choice of an animal": (
        {"choices": np.array([[0, 1, 0], [-1, -1, -1]])},
        "s, animal b: there is no trial with a choice.",
    ),
    "no trial of an animal": (
        {
            "choices": np.array([[0, 1, 0], [-1, -1, -1]]),
            "blocks": np.array([[0, 0, 0], [-1, -1, -1]]),
            "n_trials": np.array([3, 0]),
        },
        "s, animal b: there is no trial with a choice.",
    ),
    "a masked array": (
        {"rewards": np.ma.masked_equal(GOOD["rewards"], 1)},
        "s, rewards: MaskedArray given; a NumPy array is needed.",
    ),
    "rejections that nobody counted": (
        {"rejections": np.where(np.arange(2) == 1, 10**15, 0) * np.ones((2, 3, 1), int)},
        "s, animal a, rejections: 1000000000000000 given in one trial; at most 1000000 are allowed.",
    ),
    "blocks from 1": (
        {"blocks": np.array([[1, 1, 2], [1, 1, -1]])},
        "s, blocks: there is a block 1 and no block 0; blocks are numbered from 0 without gaps.",
    ),
    "a gap of blocks": (
        {"blocks": np.array([[0, 0, 10**9], [0, 0, -1]])},
        "s, blocks: there is a block 1000000000 and no block 1; blocks are numbered from 0 without "
        "gaps.",
    ),
    "nothing offered": (
        {"offered": np.array([[[1, 1], [1, 1], [1, 0]], [[0, 0], [1, 1], [1, 1]]], bool)},
        "s, animal b, trial 1, offered: nothing; a trial offers at least one alternative.",
    ),
    "chosen and not offered": (
        {"offered": np.array([[[1, 1], [1, 0], [1, 1]], [[1, 1]] * 3], bool)},
        "s, animal a, trial 2, offered: not what was chosen; a choice is of what was offered.",
    ),
    "offered beside rejections": (
        {"offered": np.ones((2, 3, 2), bool), "rejections": np.zeros((2, 3, 2), int)},
        "s, animal a, offered: given beside rejections; what was met is what was offered there.",
    ),
    "a gap of sessions": (
        {"session": np.array([[0, 0, 2], [0, 0, -1]])},
        "s, animal a, trial 3, session: 2 given; sessions are numbered from 0 without gaps, in "
        "their order.",
    ),
    "a session that comes back": (
        {"session": np.array([[0, 1, 0], [0, 0, -1]]), "blocks": np.array([[0, 1, 2], [0, 0, -1]])},
        "s, animal a, trial 3, session: 0 given; sessions are numbered from 0 without gaps, in "
        "their order.",
    ),
    "a block of two sessions": (
        {"session": np.array([[0, 1, 1], [0, 0, -1]])},
        "s, animal a, trial 2, block: goes on in another session; a block lies in one session.",
    ),
    "source": ({"source": "a\x00"}, "source: 'a\\x00' given; it is the name of a file, as text."),
}


@pytest.mark.parametrize("case", BROKEN)
def test_sessions_that_break_a_law_are_refused_in_one_sentence(case):
    changes, sentence = BROKEN[case]
    with pytest.raises(DataError) as error:
        Sessions(**{**GOOD, **changes})
    assert str(error.value) == sentence


def test_what_is_derived_of_good_sessions_is_held_to_the_laws_too():
    with pytest.raises(DataError, match=r"^s, animal b, trial 2, choice: stimulus 7 is not one "):
        replace(Sessions(**GOOD), choices=SEVEN)


NAMES = {
    "NA": "tables read this name as missing, so that no table of results could hold it; write "
    'another, such as "NA_1".',
    "m\x001": "the character U+0000 given; a name holds characters that can be printed.",
    "m\n1": "the character U+000A given; a name holds characters that can be printed.",
    "m\u202e1": "the character U+202E given; a name holds characters that can be printed.",
    "m\u200b": "the character U+200B given; a name holds characters that can be printed.",
    "007": "tables read this name as 7, so that no table of results could hold it; write 7, or "
    'another, such as "id_007".',
    "1e3": "tables read this name as 1000.0, so that no table of results could hold it; write "
    '1000.0, or another, such as "id_1e3".',
    "true": "tables read this name as True, so that no table of results could hold it; write "
    'True, or another, such as "id_true".',
    "m\udcff": "the character U+DCFF given; a name holds characters that can be printed.",
    "#m": "begins with #, a sign of comments; leave it out.",
    " m": "a blank at an end given; leave it out, tables lose it.",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["animal", "stimulus"])
def test_names_that_no_output_can_hold_are_refused(name, kind):
    names = {"animal": {"animals": (name, "b")}, "stimulus": {"stimuli": ("A", name)}}[kind]
    with pytest.raises(DataError) as error:
        Sessions(**{**GOOD, **names})
    shown = name.encode("unicode_escape").decode()
    assert str(error.value) == f's, {kind} "{shown}": {NAMES[name]}'


def test_long_and_empty_names_are_refused():
    for name, sentence in {
        "x" * 101: f's, animal "{"x" * 57}...": a name of 101 characters given; at most 100 are '
        "allowed.",
        "": "s, animal: an empty name given; each needs a name.",
        7: "s, animal: int given; a name is text.",
    }.items():
        with pytest.raises(DataError) as error:
            Sessions(**{**GOOD, "animals": (name, "b")})
        assert str(error.value) == sentence


def test_names_that_pandas_reads_as_missing_are_those_of_this_pandas():
    from pandas._libs.parsers import STR_NA_VALUES

    assert STR_NA_VALUES - {""} == MISSING


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(max_size=MAX_NAME + 5))
def test_any_name_is_refused_or_comes_back_from_tables(tmp_path, name):
    try:
        sessions = Sessions(**{**GOOD, "animals": (name, "other animal"), "stimuli": ("A", "x")})
    except DataError:
        return
    write_table(sessions, tmp_path / "s.csv")
    assert read(tmp_path / "s.csv").animals[0] == name
    # Alone in a column, where no other name keeps it from being read as a number.
    try:
        alike = replace(sessions, animals=(name, f"{name}0"))
    except DataError:  # as of "0", whose like would be "00"
        return
    write_table(alike, tmp_path / "s.csv")
    assert str(pd.read_csv(tmp_path / "s.csv").groupby("animal", sort=False).first().index[0]) == (
        name
    )


def stored(path, **changes):
    """Write good sessions, and change the file behind the writer's back."""
    write(Sessions(**GOOD), path)
    dataset = xr.load_dataset(path, engine="h5netcdf")
    for name, (dims, values) in changes.items():
        if dims is None and values is None:
            del dataset.attrs[name]
        elif dims is None:
            dataset.attrs[name] = values
        else:
            dataset = dataset.drop_vars(name)
            dataset[name] = (dims, values)
    path.unlink()
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


CELLS = ("animal", "trial")
BAD_FILES = {
    "choice 7": (
        {"choices": (CELLS, SEVEN)},
        "s.nc, animal b, trial 2, choice: stimulus 7 is not one of 2.",
    ),
    "transposed": (
        {"choices": (("trial", "animal"), GOOD["choices"].T)},
        "s.nc, choices: dimensions trial, animal found; animal, trial are needed.",
    ),
    "fractions": (
        {"choices": (CELLS, GOOD["choices"] + 0.5)},
        "s.nc, choices: float64 given; integers are needed.",
    ),
    "text for numbers": (
        {"n_trials": ("animal", ["3", "2"])},
        "s.nc, n_trials: other values found; numbers are needed.",
    ),
    "n_trials 10^9": (
        {"n_trials": ("animal", [3, 10**9])},
        "s.nc, animal b, n_trials: 1000000000 given; the arrays hold 3 trials.",
    ),
    "two of one name": (
        {"animal": ("animal", ["a", "a"])},
        "s.nc, animal a: given twice; each needs a name of its own.",
    ),
    "no source": (
        {"source": (None, None)},
        "s.nc: the attribute source is missing; it names the recording.",
    ),
    "version an array": (
        {"hebbax_sessions": (None, [1, 1])},
        "s.nc: a file of version [1, 1]; this hebbax reads version 3.",
    ),
    "notes": (
        {"notes": (None, "{")},
        "s.nc: the attribute notes is not a JSON list of sentences.",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_netcdf_file_is_held_to_the_same_laws(tmp_path, case):
    changes, sentence = BAD_FILES[case]
    with pytest.raises(DataError) as error:
        read(stored(tmp_path / "s.nc", **changes))
    assert str(error.value) == sentence


ARRAYS = {"choices": CELLS, "rewards": CELLS, "blocks": CELLS, "n_trials": ("animal",)}


@pytest.mark.parametrize(
    "case",
    [
        case
        for case, (changes, _) in BROKEN.items()
        if changes.keys() <= ARRAYS.keys()
        and all(type(v) is np.ndarray and v.shape == GOOD[k].shape for k, v in changes.items())
        and "of another kind" not in case
    ],
)
def test_what_sessions_refuse_is_refused_of_a_file_in_the_same_sentence(tmp_path, case):
    changes, sentence = BROKEN[case]
    with pytest.raises(DataError) as error:
        read(stored(tmp_path / "s.nc", **{k: (ARRAYS[k], v) for k, v in changes.items()}))
    assert str(error.value) == sentence.replace("s,", "s.nc,", 1)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    choices=st.lists(st.integers(-1, 1), min_size=1, max_size=4),
    blocks=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    session=st.lists(st.integers(0, 1), min_size=4, max_size=4).map(sorted),
    offered=st.none() | st.lists(st.integers(1, 3), min_size=4, max_size=4),
)
@example(choices=[0, 1], blocks=[0] * 4, session=[1] * 4, offered=None)
def test_what_sessions_take_is_written_and_read_back(tmp_path, choices, blocks, session, offered):
    """Sessions made in Python and its two kinds of file obey one set of laws."""
    n = len(choices)
    bits = None if offered is None else (np.array([offered[:n]])[..., None] & [1, 2]) > 0
    try:
        sessions = Sessions(
            ("a",), ("A", "B"), np.array([choices]), np.zeros((1, n)), np.array([blocks[:n]]),
            np.array([session[:n]]), np.array([n]), None, "s", offered=bits,
        )  # fmt: skip
    except DataError:
        return
    write(sessions, tmp_path / "s.nc")
    assert data_hash(read(tmp_path / "s.nc")) == data_hash(sessions)
    named = set(choices) - {-1}
    if sessions.offered is not None:
        named |= set(np.flatnonzero(sessions.offered.any(axis=(0, 1))))
    if named == {0, 1}:
        write_table(sessions, tmp_path / "s.csv")
        assert data_hash(read(tmp_path / "s.csv")) == data_hash(sessions)


def test_a_table_has_the_columns_that_say_something(tmp_path):
    write_table(Sessions(**GOOD), tmp_path / "s.csv")
    plain = ["animal", "trial", "block", "choice", "reward"]
    assert list(pd.read_csv(tmp_path / "s.csv")) == plain
    offered = np.ones((2, 3, 2), dtype=bool)
    offered[0, 1] = [False, True]
    session = np.array([[0, 0, 1], [0, 0, -1]])
    write_table(Sessions(**{**GOOD, "session": session, "offered": offered}), tmp_path / "s.csv")
    table = pd.read_csv(tmp_path / "s.csv")
    assert list(table) == ["animal", "session", *plain[1:], "offered"]
    assert list(table["session"]) == [1, 1, 2, 1, 1]
    assert list(table["trial"]) == [1, 2, 3, 1, 2]
    assert list(table["offered"]) == ["A|B", "B", "A|B", "A|B", "A|B"]


def test_a_name_that_cannot_stand_among_others_is_not_written(tmp_path):
    offered = np.ones((2, 3, 2), dtype=bool)
    offered[0, 1, 0] = False
    sessions = Sessions(**{**GOOD, "stimuli": ("A", "B|C"), "offered": offered})
    with pytest.raises(DataError) as error:
        write_table(sessions, tmp_path / "s.csv")
    assert str(error.value) == (
        's, stimulus "B|C": holds |, which stands between names in the column offered; give it '
        "another name."
    )
    assert not list(tmp_path.iterdir())


def test_offering_all_in_every_trial_says_nothing():
    all_offered = Sessions(**{**GOOD, "offered": np.ones((2, 3, 2), dtype=bool)})
    assert all_offered.offered is None
    assert data_hash(all_offered) == data_hash(Sessions(**GOOD))


def test_a_netcdf_file_that_asks_for_too_much_is_refused(tmp_path):
    with h5netcdf.File(tmp_path / "s.nc", "w") as file:
        file.attrs["hebbax_sessions"] = 3
        file.dimensions = {"animal": 10**6, "trial": 10**6}
        file.create_variable("choices", ("animal", "trial"), "i8", chunks=(1000, 1000))
    with pytest.raises(DataError) as error:
        read(tmp_path / "s.nc")
    assert str(error.value) == (
        "s.nc: choices is 1000000 x 1000000; at most 50000000 numbers of one variable are allowed."
    )


def test_notes_come_back_from_netcdf_and_are_no_part_of_the_hash(tmp_path):
    sessions = replace(random_sessions(0), notes=("Rows were taken in order.",))
    write(sessions, tmp_path / "s.nc")
    assert read(tmp_path / "s.nc").notes == ("Rows were taken in order.",)
    assert data_hash(sessions) == data_hash(random_sessions(0))
    assert select(sessions, sessions.animals[:1]).notes == sessions.notes
    with h5netcdf.File(tmp_path / "s.nc", "r") as file:
        assert json.loads(file.attrs["notes"]) == list(sessions.notes)


def test_the_largest_reward_can_be_summed_over_the_longest_session():
    one = Record("a", np.array([0, 1]), np.array([MAX_REWARD, -MAX_REWARD]))
    assert np.isfinite(from_animals([one], "AB", "s").rewards ** 2 * MAX_TRIALS).all()


def flipped(path, place, bit):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    return bytes(content)


def refusal(path):
    """Return the sentence with which a file is refused, or "" where it is read."""
    try:
        read(path)
    except DataError as problem:
        return str(problem)
    return ""


@pytest.mark.parametrize("flips", [12, pytest.param(150, marks=pytest.mark.slow)])
def test_a_netcdf_file_with_a_flipped_bit_is_refused_or_read(tmp_path, flips):
    rng = np.random.default_rng(3)
    sessions = random_sessions(0)
    write(sessions, tmp_path / "whole.nc")
    size = (tmp_path / "whole.nc").stat().st_size
    broken = tmp_path / "broken.nc"
    sentences = []
    for place, bit in zip(rng.integers(0, size, flips), rng.integers(0, 8, flips), strict=True):
        broken.write_bytes(flipped(tmp_path / "whole.nc", place, bit))
        sentences.append(refusal(broken))
    refused = [sentence for sentence in sentences if sentence]
    assert refused
    assert all(one.startswith("broken.nc") and "\n" not in one for one in refused)
