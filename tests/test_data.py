"""Sessions: validation at the door, selection, files written and read back, dispatch by path."""

from dataclasses import fields, replace

import numpy as np
import pytest
import xarray as xr
from conftest import random_sessions

from hebbax.data import (
    Record,
    compact,
    data_hash,
    from_animals,
    observation_index,
    read,
    select,
    split_sessions,
    write,
    write_table,
)
from hebbax.data.sessions import natural_order
from hebbax.errors import DataError


def record(**changes):
    content = {
        "animal": "a",
        "choices": np.array([0, -1, 1]),
        "rewards": np.array([1.0, np.nan, 0.0]),
    } | changes
    return Record(**content)


def assert_same(one, other):
    for field in fields(one):
        values, expected = getattr(one, field.name), getattr(other, field.name)
        assert type(values) is type(expected)
        np.testing.assert_array_equal(values, expected)
        assert getattr(values, "dtype", None) == getattr(expected, "dtype", None)


def test_ragged_animals_are_padded_at_the_end():
    sessions = from_animals(
        [record(), record(animal="b", choices=np.array([1, 0]), rewards=np.ones(2))], "AB", "s"
    )
    np.testing.assert_array_equal(sessions.choices, [[0, -1, 1], [1, 0, -1]])
    np.testing.assert_array_equal(sessions.rewards, [[1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(sessions.blocks, [[0, 0, 0], [0, 0, -1]])
    np.testing.assert_array_equal(sessions.n_trials, [3, 2])
    assert (sessions.n_animals, sessions.n_stimuli, sessions.max_trials) == (2, 2, 3)
    assert sessions.n_choices == 4


def test_a_trial_is_observed_by_the_likelihood_that_it_says_something_to():
    # A choice, nothing at all, rejections only; the other animal ends with a rejection.
    met = np.array([[1, 0], [0, 0], [2, 3]])
    sessions = from_animals(
        [
            record(choices=np.array([0, -1, -1]), rejections=met),
            record(
                animal="b",
                choices=np.array([1, -1]),
                rewards=np.zeros(2),
                rejections=np.array([[0, 0], [0, 1]]),
            ),
        ],
        "AB",
        "s",
    )
    np.testing.assert_array_equal(sessions.rejections[0], met)
    np.testing.assert_array_equal(sessions.observed("choice"), [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(sessions.observed("encounter"), [[1, 0, 1], [1, 1, 0]])
    packed = compact(sessions, "encounter")
    np.testing.assert_array_equal(packed.choices, [[0, -1], [1, -1]])
    np.testing.assert_array_equal(packed.rejections, [[[1, 0], [2, 3]], [[0, 0], [0, 1]]])
    np.testing.assert_array_equal(packed.n_trials, [2, 2])
    np.testing.assert_array_equal(compact(sessions, "choice").choices, [[0], [1]])


BAD_RECORDS = {
    "no animal": ([], "s: there is no animal in it."),
    "an animal twice": (
        [record(), record()],
        "s, animal a: given twice; each needs a name of its own.",
    ),
    "no trial": (
        [record(choices=np.zeros(0, int), rewards=np.zeros(0))],
        "s, animal a: there is no trial with a choice.",
    ),
    "no choice": (
        [record(choices=np.full(3, -1), rewards=np.zeros(3))],
        "s, animal a: there is no trial with a choice.",
    ),
    "a list": (
        [record(choices=[0, -1, 1])],
        "s, animal a, choices: list given; a NumPy array is needed.",
    ),
    "masked choices": (
        [record(choices=np.ma.masked_equal([0, 0, 1], 0))],
        "s, animal a, choices: MaskedArray given; a NumPy array is needed.",
    ),
    "rewards of another kind": (
        [record(rewards=np.array(["1", "0", "0"]))],
        "s, animal a, rewards: <U1 given; numbers are needed.",
    ),
    "rejections without end": (
        [record(rejections=np.full((3, 2), 10**15))],
        "s, animal a, rejections: 1000000000000000 given in one trial; at most 1000000 are allowed.",
    ),
    "blocks not from 0": (
        [record(blocks=np.array([1, 1, 2]))],
        "s, blocks: there is a block 1 and no block 0; blocks are numbered from 0 without gaps.",
    ),
    "lengths": (
        [record(rewards=np.ones(2))],
        "s, animal a, rewards: shape (2,) given; (3,) is needed.",
    ),
    "rejections": (
        [record(rejections=np.zeros((3, 3), int))],
        "s, animal a, rejections: shape (3, 3) given; (3, 2) is needed.",
    ),
    "negative block": (
        [record(blocks=np.array([0, -1, 0]))],
        "s, animal a, blocks: -1 given; 0 or more is allowed.",
    ),
    "float choices": (
        [record(choices=np.array([0.0, 1.0, 1.0]))],
        "s, animal a, choices: float64 given; integers are needed.",
    ),
    "unknown choice": (
        [record(choices=np.array([0, -1, 2]))],
        "s, animal a, trial 3, choice: stimulus 2 is not one of 2.",
    ),
    "choice -2": (
        [record(choices=np.array([0, -2, 1]))],
        "s, animal a, trial 2, choice: stimulus -2 is not one of 2.",
    ),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_bad_animals_are_refused_in_one_sentence(case):
    records, sentence = BAD_RECORDS[case]
    with pytest.raises(DataError) as error:
        from_animals(records, "AB", "s")
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("stimuli", "sentence"),
    [
        ("AA", "s, stimulus A: given twice; each needs a name of its own."),
        (
            "A",
            "s: only one stimulus was ever chosen; a choice needs at least 2 alternatives.",
        ),
    ],
)
def test_bad_alternatives_are_refused_in_one_sentence(stimuli, sentence):
    with pytest.raises(DataError) as error:
        from_animals([record(choices=np.array([0, -1, 0]))], stimuli, "s")
    assert str(error.value) == sentence


def test_omitted_trials_can_be_dropped():
    sessions = random_sessions(3, n_stimuli=3)
    packed = compact(sessions, "choice")
    np.testing.assert_array_equal(packed.n_trials, sessions.valid.sum(axis=1))
    np.testing.assert_array_equal(packed.valid, np.arange(12) < packed.n_trials[:, None])
    for values in ("choices", "rewards", "blocks", "rejections"):
        kept = getattr(packed, values)[packed.valid]
        np.testing.assert_array_equal(kept, getattr(sessions, values)[sessions.valid])
    assert_same(compact(packed, "choice"), packed)


def test_a_session_without_a_choice_keeps_its_first_trial():
    """The nights before and after it both passed, and later sessions keep their numbers."""
    lived = replace(
        record(choices=np.array([-1, 0, 1, -1, -1, 1])), session=np.array([0, 1, 1, 2, 2, 3])
    )
    lived = replace(lived, rewards=np.zeros(6), blocks=None, rejections=None)
    packed = compact(from_animals([lived], "AB", "s"), "choice")
    np.testing.assert_array_equal(packed.choices, [[-1, 0, 1, -1, 1]])
    np.testing.assert_array_equal(packed.session, [[0, 1, 1, 2, 3]])
    assert packed.begins.sum() == 3


def test_observations_are_indexed_animal_by_animal():
    sessions = from_animals([record(), record(animal="b")], "AB", "s")
    animal, trial = observation_index(sessions, "choice")
    np.testing.assert_array_equal(animal, [0, 0, 1, 1])
    np.testing.assert_array_equal(trial, [0, 2, 0, 2])


def test_selected_animals_equal_a_recording_of_them_alone():
    longer = record(animal="b", choices=np.array([1, 0, 1, 1]), rewards=np.ones(4))
    both = from_animals([record(), longer], "AB", "s")
    assert_same(select(both, ["a"]), from_animals([record()], "AB", "s"))
    assert_same(select(both, ["b", "a"]), from_animals([longer, record()], "AB", "s"))


@pytest.mark.parametrize(
    ("animals", "sentence"),
    [
        (["cat"], "s: no animal cat; there are a."),
        (["a", "a"], "s, animal a: given twice; each needs a name of its own."),
    ],
)
def test_a_selection_that_is_refused(animals, sentence):
    with pytest.raises(DataError) as error:
        select(from_animals([record()], "AB", "s"), animals)
    assert str(error.value) == sentence


def test_sessions_split_by_number():
    """What comes after is counted anew; who has no more sessions is named."""
    longer = record(
        choices=np.array([0, 1, 0, -1, 1]), rewards=np.zeros(5), session=np.array([0, 0, 1, 2, 2])
    )
    other = record(animal="b", session=np.array([0, 1, 1]))
    first, rest = split_sessions(from_animals([longer, other], "AB", "s"), 1)
    np.testing.assert_array_equal(first.choices, [[0, 1], [0, -1]])
    np.testing.assert_array_equal(rest.choices, [[0, -1, 1], [-1, 1, -1]])
    np.testing.assert_array_equal(rest.session, [[0, 1, 1], [0, 0, -1]])
    for n, sentence in {
        2: "s, animal b: a split after session 2 of 2 leaves no choice in the last part.",
        0: "s, animal a: a split after session 0 of 3 leaves no choice in the first part.",
    }.items():
        with pytest.raises(DataError) as error:
            split_sessions(from_animals([longer, other], "AB", "s"), n)
        assert str(error.value) == sentence


def test_the_hash_depends_on_what_was_recorded_and_not_on_its_source():
    sessions = from_animals([record()], "AB", "s")
    assert data_hash(sessions) == data_hash(from_animals([record()], "AB", "elsewhere"))
    different = [
        from_animals([record(animal="b")], "AB", "s"),
        from_animals([record()], "AC", "s"),
        from_animals([record(choices=np.array([1, -1, 1]))], "AB", "s"),
        from_animals([record(rewards=np.array([1.0, np.nan, 0.5]))], "AB", "s"),
        from_animals([record(blocks=np.array([0, 0, 1]))], "AB", "s"),
        from_animals([record(rejections=np.zeros((3, 2), int))], "AB", "s"),
    ]
    assert len({data_hash(s) for s in (sessions, *different)}) == 1 + len(different)


@pytest.mark.parametrize("seed", range(3))
def test_netcdf_gives_back_the_same_sessions(tmp_path, seed):
    sessions = random_sessions(seed, n_stimuli=2 + seed)
    write(sessions, tmp_path / "s.nc")
    assert_same(read(tmp_path / "s.nc"), sessions)
    assert [path.name for path in tmp_path.iterdir()] == ["s.nc"]
    with xr.open_dataset(tmp_path / "s.nc", engine="h5netcdf") as dataset:
        assert dataset["rejections"].dims == ("animal", "trial", "stimulus")
        assert all({"long_name", "units"} <= set(v.attrs) for v in dataset.data_vars.values())


def test_a_table_gives_back_choices_and_exact_rewards(tmp_path):
    rewards = np.array([1 / 3, np.nan, 1e-17])
    sessions = from_animals([record(rewards=rewards, blocks=np.array([0, 0, 1]))], "AB", "t.csv")
    write_table(sessions, str(tmp_path / "t.csv"))
    assert_same(read(str(tmp_path / "t.csv")), sessions)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("write_file", [write, write_table])
def test_a_file_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, write_file):
    sessions = from_animals([record()], "AB", "s")
    with pytest.raises(DataError) as error:
        write_file(sessions, tmp_path / "no" / "s.nc")
    assert str(error.value) == (
        f"s.nc: could not be written to {tmp_path / 'no'} (No such file or directory); what was "
        "there before is kept."
    )
    (tmp_path / "s.nc").mkdir()  # a folder lies where the file should go
    with pytest.raises(DataError, match=r"^s\.nc: could not be written to .* \(Is a directory\);"):
        write_file(sessions, tmp_path / "s.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["s.nc"]


def other_netcdf(path, *, drop=(), **attrs):
    write(from_animals([record()], "AB", "s"), path)
    dataset = xr.load_dataset(path, engine="h5netcdf").drop_vars(drop)
    dataset.attrs = attrs
    dataset.to_netcdf(path, engine="h5netcdf")


def test_a_netcdf_file_of_others_is_refused_in_one_sentence(tmp_path):
    other_netcdf(tmp_path / "x.nc")
    other_netcdf(tmp_path / "y.nc", hebbax_sessions=99)
    other_netcdf(tmp_path / "z.nc", drop="rewards", hebbax_sessions=3)
    (tmp_path / "broken.nc").write_text("no")
    for name, sentence in {
        "x.nc": "not a file of sessions that hebbax wrote.",
        "y.nc": "a file of version 99; this hebbax reads version 3.",
        "z.nc": "the variable rewards is missing; animal, stimulus, choices, rewards, blocks, "
        "session, n_trials are needed.",
        "broken.nc": "not a readable netCDF file.",
    }.items():
        with pytest.raises(DataError) as error:
            read(tmp_path / name)
        assert str(error.value) == f"{name}: {sentence}"


def test_a_path_that_cannot_be_read_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "x.xls").write_text("no")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other" / "sub").mkdir(parents=True)
    (tmp_path / "other" / "notes.txt").write_text("no")
    layouts = (
        "a folder needs .mat files with X, Y and R, or one folder an animal with choice_order.mat "
        "and reward_order.mat."
    )
    for name, sentence in {
        "none": f"{tmp_path / 'none'}: there is no such file or folder.",
        "x.xls": 'x.xls: unknown kind of file ".xls"; allowed are .csv, .tsv, .txt, .parquet, '
        ".xlsx, .nc, .nwb and folders of .mat or .nwb files.",
        "empty": f"empty: {layouts}",
        "other": f"other: {layouts}",
    }.items():
        with pytest.raises(DataError) as error:
            read(tmp_path / name)
        assert str(error.value) == sentence


def test_a_column_mapping_is_for_tables_only(tmp_path):
    write(from_animals([record()], "AB", "s"), tmp_path / "s.nc")
    with pytest.raises(DataError) as error:
        read(tmp_path / "s.nc", columns={"animal": "subjID"})
    assert str(error.value) == (
        "s.nc: --column is for tables only (.csv, .tsv, .txt, .parquet, .xlsx, .nwb)."
    )


@pytest.mark.parametrize(
    "names",
    [
        ["Fly2", "Fly10"],
        ["-1", "1"],
        ["-10", "-9", "0.25", "0.5", "2", "10"],
        ["0.25 mM", "0.5 mM", "2 mM", "10 mM"],
        ["Fly-2", "Fly-10"],
        ["2024-01-02", "2024-01-10"],
        ["1.2.3", "1.2.10"],
    ],
)
def test_names_with_numbers_stand_in_the_order_of_these(names):
    assert sorted(reversed(names), key=natural_order) == names


def test_alternatives_of_a_table_stand_in_the_order_of_their_numbers(tmp_path):
    rows = "".join(f"m,{n},{choice},1\n" for n, choice in enumerate(("2", "-1", "0.5", "1"), 1))
    (tmp_path / "s.csv").write_text(f"animal,trial,choice,reward\n{rows}")
    assert read(tmp_path / "s.csv").stimuli == ("-1", "0.5", "1", "2")
