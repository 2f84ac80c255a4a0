"""Readers: every format gives the same sessions, and bad input one exact sentence."""

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io

from hebbax.data import compact, data_hash, read, select, write, write_table
from hebbax.errors import DataError

TRIALS = """animal,trial,choice,reward,block
mouse,1,left,1,1
mouse,2,right,0,1
mouse,3,,,2
mouse,4,left,1,2
rat,1,right,0,1
rat,2,left,1,1
"""


def save(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def save_fly(folder, name="Fly1.mat", **changes):
    content = {
        "X": np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]]),
        "Y": np.array([0, 1, 1, 1, 0]),
        "R": np.array([1, 0, 1]),
    } | changes
    folder.mkdir(exist_ok=True)
    scipy.io.savemat(folder / name, {k: v for k, v in content.items() if v is not None})
    return folder


def save_order(folder, choices, rewards, name="fly1"):
    (folder / name).mkdir(parents=True, exist_ok=True)
    for field, values in (("choice_order", choices), ("reward_order", rewards)):
        if values is not None:
            scipy.io.savemat(folder / name / f"{field}.mat", {field: np.array(values)})
    return folder


def test_a_table_of_trials(tmp_path):
    sessions = read(save(tmp_path, "trials.csv", TRIALS))
    assert sessions.animals == ("mouse", "rat")
    assert sessions.stimuli == ("left", "right")
    np.testing.assert_array_equal(sessions.choices, [[0, 1, -1, 0], [1, 0, -1, -1]])
    np.testing.assert_array_equal(sessions.rewards, [[1, 0, 0, 1], [0, 1, 0, 0]])
    np.testing.assert_array_equal(sessions.blocks, [[0, 0, 1, 1], [0, 0, -1, -1]])
    np.testing.assert_array_equal(sessions.n_trials, [4, 2])
    assert sessions.rejections is None


def test_other_peoples_headers(tmp_path):
    text = TRIALS.replace("animal", "subjID", 1).replace("reward", "outcome", 1)
    path = save(tmp_path, "trials.csv", text)
    mapped = read(path, columns={"animal": "subjID", "reward": "outcome"})
    assert data_hash(mapped) == data_hash(read(save(tmp_path, "ours.csv", TRIALS)))


def test_parquet_and_csv_hold_the_same(tmp_path):
    csv = save(tmp_path, "trials.csv", TRIALS)
    pd.read_csv(csv).to_parquet(tmp_path / "trials.parquet")
    assert data_hash(read(csv)) == data_hash(read(tmp_path / "trials.parquet"))


def test_numbered_choices_keep_their_order(tmp_path):
    rows = "".join(f"m,{t},{c},0\n" for t, c in enumerate([10, 2, "", 1], start=1))
    sessions = read(
        save(tmp_path, "n.csv", "animal,trial,choice,reward\n" + rows.replace(",,0", ",,"))
    )
    assert sessions.stimuli == ("1", "2", "10")
    np.testing.assert_array_equal(sessions.choices, [[2, 1, -1, 0]])


def test_a_table_of_encounters_counts_rejections(tmp_path):
    text = """animal,trial,stimulus,accepted,reward
m,1,A,0,
m,1,B,0,
m,1,A,1,1
m,2,B,0,
m,3,B,1,0
"""
    sessions = read(save(tmp_path, "encounters.csv", text))
    np.testing.assert_array_equal(sessions.choices, [[0, -1, 1]])
    np.testing.assert_array_equal(sessions.rejections, [[[1, 1], [0, 0], [0, 0]]])


def test_a_folder_of_encounter_files(tmp_path):
    save_fly(tmp_path / "flies", "Fly10.mat")
    sessions = read(save_fly(tmp_path / "flies", "Fly2.mat"))
    assert sessions.animals == ("Fly2", "Fly10")
    np.testing.assert_array_equal(sessions.choices[0], [1, 0, 1])
    np.testing.assert_array_equal(sessions.rewards[0], [1, 0, 1])
    np.testing.assert_array_equal(sessions.rejections[0], [[1, 0], [0, 0], [0, 0]])


def test_the_published_layout(tmp_path):
    sessions = read(save_order(tmp_path / "z", [[1, 2], [2, 1], [0, 1]], [[0, 1], [1, 0], [0, 1]]))
    np.testing.assert_array_equal(sessions.choices, [[0, 1, -1, 1, 0, 0]])
    np.testing.assert_array_equal(sessions.rewards, [[0, 1, 0, 1, 0, 1]])
    np.testing.assert_array_equal(sessions.blocks, [[0, 0, 0, 1, 1, 1]])


def test_netcdf_and_csv_give_back_what_was_written(tmp_path):
    sessions = read(save(tmp_path, "trials.csv", TRIALS))
    write(sessions, tmp_path / "s.nc")
    write_table(sessions, tmp_path / "s.csv")
    assert data_hash(read(tmp_path / "s.nc")) == data_hash(sessions)
    assert data_hash(read(tmp_path / "s.csv")) == data_hash(sessions)
    assert [p.name for p in tmp_path.glob("*unfinished*")] == []


def test_omitted_trials_can_be_dropped(tmp_path):
    sessions = compact(read(save(tmp_path, "trials.csv", TRIALS)))
    np.testing.assert_array_equal(sessions.choices, [[0, 1, 0], [1, 0, -1]])
    np.testing.assert_array_equal(sessions.n_trials, [3, 2])


def test_the_real_flies(flies):
    sessions = read(flies)
    assert sessions.n_animals == 12
    assert sessions.n_observations == 2843
    trials = dict(zip(sessions.animals, sessions.n_trials, strict=True))
    assert trials.pop("Fly11") == 227
    assert trials.pop("Fly17") == 216
    assert set(trials.values()) == {240}


def test_selecting_an_unknown_animal(tmp_path):
    with pytest.raises(DataError, match=r"^trials.csv: no animal cat; there are mouse, rat\.$"):
        select(read(save(tmp_path, "trials.csv", TRIALS)), ["cat"])


HEADER = "animal,trial,choice,reward\n"
BAD_TABLES = {
    "missing column": (
        "animal,trial,choice,outcome\nm,1,A,1\n",
        'bad.csv: no column "reward"; found animal, trial, choice, outcome; name another header with '
        "--column reward=HEADER.",
    ),
    "reward without choice": (
        HEADER + "m,1,A,1\nm,2,,1\n",
        "bad.csv, animal m, trial 2, reward: 1 given on a trial without a choice; leave it empty or 0.",
    ),
    "choice without reward": (
        HEADER + "m,1,A,1\nm,2,B,\n",
        "bad.csv, animal m, trial 2, reward: nothing given; a trial with a choice needs a finite "
        "number, such as 0 or 1.",
    ),
    "infinite reward": (
        HEADER + "m,1,A,1\nm,2,B,inf\n",
        "bad.csv, animal m, trial 2, reward: inf given; a trial with a choice needs a finite number, "
        "such as 0 or 1.",
    ),
    "text in a number column": (
        HEADER + "m,1,A,1\nm,2,B,yes\n",
        'bad.csv, animal m, trial 2, reward: "yes" is not a number.',
    ),
    "duplicate trial": (
        HEADER + "m,1,A,1\nm,1,B,0\n",
        "bad.csv, animal m, trial 1: given twice; each trial may stand once.",
    ),
    "gap": (
        HEADER + "m,1,A,1\nm,4,B,0\n",
        "bad.csv, animal m, trial 4: follows trial 1; an omitted trial needs its row, with an empty "
        "choice.",
    ),
    "one trial": (
        HEADER + "m,1,A,1\nm,2,B,1\nn,1,A,1\n",
        "bad.csv, animal n: 1 trial given; at least 2 are needed to see learning.",
    ),
    "no choice": (
        HEADER + "m,1,A,1\nm,2,B,1\nn,1,,\nn,2,,\n",
        "bad.csv, animal n: there is no trial with a choice.",
    ),
    "one alternative": (
        HEADER + "m,1,A,1\nm,2,A,1\n",
        "bad.csv: only one stimulus was ever chosen; a choice needs at least 2 alternatives.",
    ),
    "no animal name": (
        HEADER + "m,1,A,1\n,2,A,1\n",
        "bad.csv, row 3, animal: empty; every row needs one.",
    ),
    "header only": (HEADER, "bad.csv: the table has a header and no rows."),
    "empty file": ("", "bad.csv: the file is empty."),
    "non-binary accept": (
        "animal,trial,stimulus,accepted,reward\nm,1,A,2,1\n",
        "bad.csv, animal m, trial 1, accepted: 2 given; 1 = accepted and 0 = rejected are allowed.",
    ),
    "two accepts": (
        "animal,trial,stimulus,accepted,reward\nm,1,A,1,1\nm,1,B,1,0\n",
        "bad.csv, animal m, trial 1: 2 encounters accepted; a trial ends with its first acceptance.",
    ),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_refused_in_one_sentence(tmp_path, case):
    text, sentence = BAD_TABLES[case]
    with pytest.raises(DataError) as error:
        read(save(tmp_path, "bad.csv", text))
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"animal": "subjID"},
            'trials.csv: no column "subjID" for animal; found animal, trial, choice, reward, block.',
        ),
        (
            {"mouse": "subjID"},
            'unknown field "mouse" in --column; fields are animal, trial, choice, reward, stimulus, '
            "accepted, block.",
        ),
    ],
)
def test_a_bad_mapping_is_refused_in_one_sentence(tmp_path, columns, sentence):
    with pytest.raises(DataError) as error:
        read(save(tmp_path, "trials.csv", TRIALS), columns=columns)
    assert str(error.value) == sentence


BAD_FLIES = {
    "unknown stimulus": (
        {"X": np.array([[1, 0], [0, 0], [1, 0], [0, 1], [1, 0]])},
        "Fly1.mat, encounter 2, X: unknown stimulus; each row needs one 1 and zeros.",
    ),
    "non-binary accept": (
        {"Y": np.array([0, 1, 3, 1, 0])},
        "Fly1.mat, encounter 3, Y: 3 given; 1 = accepted and 0 = rejected are allowed.",
    ),
    "sum(Y) != len(R)": (
        {"R": np.array([1, 0])},
        "Fly1.mat: Y has 3 accepted encounters and R has 2 rewards; every accepted encounter needs "
        "one.",
    ),
    "lengths differ": (
        {"Y": np.array([0, 1, 1, 1])},
        "Fly1.mat: X has 5 encounters and Y has 4; they must match.",
    ),
    "missing variable": (
        {"R": None},
        "Fly1.mat: the variable R is missing; X, Y and R are needed, X, Y found.",
    ),
    "NaN reward": (
        {"R": np.array([1, np.nan, 0])},
        "Fly1.mat, trial 2, R: nan given; a finite number is needed, such as 0 or 1.",
    ),
    "text": (
        {"R": np.array(["a", "b", "c"])},
        "Fly1.mat, R: holds str32 values; numbers are needed.",
    ),
}


@pytest.mark.parametrize("case", BAD_FLIES)
def test_a_bad_encounter_file_is_refused_in_one_sentence(tmp_path, case):
    changes, sentence = BAD_FLIES[case]
    with pytest.raises(DataError) as error:
        read(save_fly(tmp_path / "flies", **changes))
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("choices", "rewards", "sentence"),
    [
        (
            [[1, 2], [-1, 1]],
            [[0, 1], [1, 0]],
            "fly1, trial 2 of block 1, choice: -1 given; 0 = no choice and whole numbers from 1 are "
            "allowed.",
        ),
        (
            [[1, 2], [2, 1]],
            [[0, 1]],
            "fly1: choice_order is 2 x 2 and reward_order is 1 x 2; both are trials x blocks.",
        ),
        ([[1, 2], [2, 1]], None, "fly1: reward_order.mat is missing."),
        (
            [[1, 0], [2, 1]],
            [[0, 1], [0, 0]],
            "z, animal fly1, trial 3, reward: 1 given on a trial without a choice; leave it empty or "
            "0.",
        ),
    ],
)
def test_a_bad_published_folder_is_refused_in_one_sentence(tmp_path, choices, rewards, sentence):
    with pytest.raises(DataError) as error:
        read(save_order(tmp_path / "z", choices, rewards))
    assert str(error.value) == sentence


def test_files_that_are_not_what_they_seem(tmp_path):
    sentences = {}
    folder = tmp_path / "seven"
    folder.mkdir()
    with h5py.File(folder / "new.mat", "w", userblock_size=512) as file:
        file["X"] = np.eye(2)
    head = b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM"
    with (folder / "new.mat").open("r+b") as file:
        file.write(head)
    sentences[folder] = "new.mat: a MATLAB 7.3 file; save it in MATLAB with save(..., '-v7')."
    folder = tmp_path / "broken"
    folder.mkdir()
    save(folder, "Fly1.mat", "not MATLAB at all")
    sentences[folder] = "Fly1.mat: not a readable MATLAB file."
    sentences[save(tmp_path, "x.parquet", "no")] = "x.parquet: not a readable parquet table."
    sentences[save(tmp_path, "x.nc", "no")] = "x.nc: not a readable netCDF file."
    sentences[save(tmp_path, "x.xls", "no")] = (
        'x.xls: unknown kind of file ".xls"; allowed are .csv, .tsv, .parquet, .nc and folders of '
        ".mat files."
    )
    sentences[tmp_path / "none"] = f"{tmp_path / 'none'}: there is no such file or folder."
    folder = tmp_path / "empty"
    folder.mkdir()
    sentences[folder] = (
        "empty: a folder needs .mat files with X, Y and R, or one folder an animal with "
        "choice_order.mat and reward_order.mat."
    )
    for path, sentence in sentences.items():
        with pytest.raises(DataError) as error:
            read(path)
        assert str(error.value) == sentence
