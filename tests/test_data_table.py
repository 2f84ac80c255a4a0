"""Tables: one row a trial or an encounter, and one exact sentence for each that is refused."""

import numpy as np
import pandas as pd
import pytest

from hebbax.data import data_hash, read
from hebbax.errors import DataError

TRIALS = """animal,trial,choice,reward,block
mouse,1,left,1,1
mouse,2,right,0,1
mouse,3,,,2
mouse,4,left,1,2
rat,1,right,0,2
rat,2,left,1,2
"""
HEADER = "animal,trial,choice,reward\n"
BLOCKS = "animal,trial,choice,reward,block\n"
ENCOUNTERS = "animal,trial,stimulus,accepted,reward\n"


def save(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_a_table_of_trials(tmp_path):
    sessions = read(save(tmp_path, "trials.csv", TRIALS))
    assert sessions.animals == ("mouse", "rat")
    assert sessions.stimuli == ("left", "right")
    np.testing.assert_array_equal(sessions.choices, [[0, 1, -1, 0], [1, 0, -1, -1]])
    np.testing.assert_array_equal(sessions.rewards, [[1, 0, 0, 1], [0, 1, 0, 0]])
    np.testing.assert_array_equal(sessions.blocks, [[0, 0, 1, 1], [1, 1, -1, -1]])
    np.testing.assert_array_equal(sessions.n_trials, [4, 2])
    assert sessions.rejections is None
    assert sessions.source == "trials.csv"


@pytest.mark.parametrize("name", ["T.CSV", "t.tsv"])
def test_separators_and_capitals(tmp_path, name):
    text = TRIALS.replace(",", "\t") if name == "t.tsv" else TRIALS
    expected = data_hash(read(save(tmp_path, "trials.csv", TRIALS)))
    assert data_hash(read(save(tmp_path, name, text))) == expected


def test_rows_in_any_order_and_empty_rows(tmp_path):
    header, *rows = TRIALS.splitlines()
    mice, rats = rows[:4], rows[4:]
    text = "\n".join([header, *mice[::-1], "", *rats[::-1], ",,,,"])
    expected = data_hash(read(save(tmp_path, "trials.csv", TRIALS)))
    assert data_hash(read(save(tmp_path, "mixed.csv", text))) == expected


def test_other_peoples_headers(tmp_path):
    # Their table has an "animal" and a "reward" too, which mean something else.
    ours = save(tmp_path, "ours.csv", TRIALS)
    theirs = pd.read_csv(ours).rename(columns={"animal": "subjID", "reward": "outcome"})
    theirs.assign(animal="Mus", reward=7).to_csv(tmp_path / "theirs.csv", index=False)
    mapped = read(tmp_path / "theirs.csv", columns={"animal": "subjID", "reward": "outcome"})
    assert data_hash(mapped) == data_hash(read(ours))


@pytest.mark.parametrize("kind", ["str", "category"])
def test_parquet_and_csv_hold_the_same(tmp_path, kind):
    csv = save(tmp_path, "trials.csv", TRIALS)
    table = pd.read_csv(csv).astype({"animal": kind})
    table.to_parquet(tmp_path / "trials.parquet")
    assert data_hash(read(csv)) == data_hash(read(tmp_path / "trials.parquet"))


def test_numbered_choices_keep_their_order(tmp_path):
    rows = "".join(
        f"m,{t},{c},{r}\n" for t, c, r in [(1, 10, 0), (2, 2, 0), (3, "", ""), (4, 1, 0)]
    )
    sessions = read(save(tmp_path, "n.csv", HEADER + rows))
    assert sessions.stimuli == ("1", "2", "10")
    np.testing.assert_array_equal(sessions.choices, [[2, 1, -1, 0]])


def test_numbers_stored_as_floats_because_of_gaps(tmp_path):
    table = {"animal": "m", "trial": [1, 2, 3], "choice": [1.0, None, 2.0], "reward": [1, None, 0]}
    pd.DataFrame(table).to_parquet(tmp_path / "f.parquet")
    assert read(tmp_path / "f.parquet").stimuli == ("1", "2")


def test_names_stay_as_they_are_written(tmp_path):
    sessions = read(
        save(tmp_path, "n.csv", HEADER + "007,1,A ,1\n007,2,B,0\n007,3, ,\n007,4,A,1\n")
    )
    assert sessions.animals == ("007",)
    assert sessions.stimuli == ("A", "B")
    np.testing.assert_array_equal(sessions.choices, [[0, 1, -1, 0]])


def test_rewards_may_be_magnitudes(tmp_path):
    sessions = read(save(tmp_path, "m.csv", HEADER + "m,1,A,-2.5\nm,2,B,0.1\n"))
    np.testing.assert_array_equal(sessions.rewards, [[-2.5, 0.1]])


def test_a_table_of_encounters_counts_rejections(tmp_path):
    text = ENCOUNTERS + "m,1,A,0,\nm,1,B,0,\nm,1,A,1,1\nm,2,B,0,\nm,3,B,0,0\nm,3,B,0,\nm,3,B,1,0\n"
    sessions = read(save(tmp_path, "encounters.csv", text))
    np.testing.assert_array_equal(sessions.choices, [[0, -1, 1]])
    np.testing.assert_array_equal(sessions.rewards, [[1, 0, 0]])
    np.testing.assert_array_equal(sessions.rejections, [[[1, 1], [0, 0], [0, 2]]])


def test_a_stimulus_that_was_only_rejected_is_an_alternative(tmp_path):
    text = ENCOUNTERS + "m,1,B,FALSE,\nm,1,A,TRUE,1\nm,2,A,TRUE,0\n"
    sessions = read(save(tmp_path, "encounters.csv", text))
    assert sessions.stimuli == ("A", "B")
    np.testing.assert_array_equal(sessions.rejections, [[[0, 1], [0, 0]]])


BAD_TABLES = {
    "missing column": (
        "animal,trial,choice,outcome\nm,1,A,1\n",
        ': no column "reward"; found animal, trial, choice, outcome; name another header with '
        "--column reward=HEADER.",
    ),
    "missing stimulus column": (
        "animal,trial,choice,accepted,reward\nm,1,A,1,1\n",
        ': no column "stimulus"; found animal, trial, choice, accepted, reward; name another '
        "header with --column stimulus=HEADER.",
    ),
    "reward without choice": (
        HEADER + "m,1,A,1\nm,2,,1\n",
        ", animal m, trial 2, reward: 1 given on a trial without a choice; leave it empty or 0.",
    ),
    "choice without reward": (
        HEADER + "m,1,A,1\nm,2,B,\n",
        ", animal m, trial 2, reward: nothing given; a trial with a choice needs a finite number, "
        "such as 0 or 1.",
    ),
    "choice without reward, trials from 0": (
        HEADER + "m,0,A,1\nm,1,B,\n",
        ", animal m, trial 1, reward: nothing given; a trial with a choice needs a finite number, "
        "such as 0 or 1.",
    ),
    "infinite reward": (
        HEADER + "m,1,A,1\nm,2,B,inf\n",
        ", animal m, trial 2, reward: inf given; a trial with a choice needs a finite number, such "
        "as 0 or 1.",
    ),
    "text as reward": (
        HEADER + "m,1,A,1\nm,2,B,yes\n",
        ', animal m, trial 2, reward: "yes" is not a number.',
    ),
    "text as trial": (
        HEADER + "m,1,A,1\nm,two,B,1\n",
        ', animal m, trial two, trial: "two" is not a number.',
    ),
    "text as block": (
        BLOCKS + "m,1,A,1,early\nm,2,B,1,late\n",
        ', animal m, trial 1, block: "early" is not a number.',
    ),
    "empty block": (
        BLOCKS + "m,1,A,1,1\nm,2,B,1,\n",
        ", row 3, block: nothing given; a whole number is needed.",
    ),
    "fractional trial": (
        HEADER + "m,1.5,A,1\nm,2.5,B,0\n",
        ", row 2, trial: 1.5 given; a whole number is needed.",
    ),
    "duplicate trial": (
        HEADER + "m,1,A,1\nm,1,B,0\n",
        ", animal m, trial 1: given twice; each trial may stand once.",
    ),
    "gap": (
        HEADER + "m,1,A,1\nm,4,B,0\n",
        ", animal m, trial 4: follows trial 1; an omitted trial needs its row, with an empty "
        "choice.",
    ),
    "gap at the start": (
        HEADER + "m,7,A,1\nm,8,B,0\n",
        ", animal m: starts with trial 7; trials are numbered from 0 or 1, because learning starts "
        "there.",
    ),
    "one trial": (
        HEADER + "m,1,A,1\nm,2,B,1\nn,1,A,1\n",
        ", animal n: 1 trial given; at least 2 are needed to see learning.",
    ),
    "no choice": (
        HEADER + "m,1,A,1\nm,2,B,1\nn,1,,\nn,2,,\n",
        ", animal n: there is no trial with a choice.",
    ),
    "one alternative": (
        HEADER + "m,1,A,1\nm,2,A,1\n",
        ": only one stimulus was ever chosen; a choice needs at least 2 alternatives.",
    ),
    "no animal name": (
        HEADER + "m,1,A,1\n\n,2,A,1\n",
        ", row 4, animal: empty; every row needs one.",
    ),
    "no trial number": (
        HEADER + "m,1,A,1\nm,,A,1\n",
        ", row 3, trial: empty; every row needs one.",
    ),
    "header only": (HEADER, ": the table has a header and no rows."),
    "empty file": ("", ": the file is empty."),
    "one empty line": ("\n", ": the file is empty."),
    "ragged rows": (HEADER + "m,1,A,1\nm,2,B,1,1,1,1\n", ": not a readable csv table."),
    "non-binary accept": (
        ENCOUNTERS + "m,1,A,2,1\n",
        ", animal m, trial 1, accepted: 2 given; 1 = accepted and 0 = rejected are allowed.",
    ),
    "empty accept": (
        ENCOUNTERS + "m,1,A,1,1\nm,2,A,,\n",
        ", animal m, trial 2, accepted: nothing given; 1 = accepted and 0 = rejected are allowed.",
    ),
    "two accepts": (
        ENCOUNTERS + "m,1,A,1,1\nm,1,B,1,0\n",
        ", animal m, trial 1: 2 encounters accepted; a trial ends with its first acceptance.",
    ),
    "rejection after the accept": (
        ENCOUNTERS + "m,1,A,1,1\nm,1,B,0,\n",
        ", animal m, trial 1: an encounter follows the accepted one; a trial ends with its "
        "acceptance.",
    ),
    "reward of a rejection": (
        ENCOUNTERS + "m,1,A,0,1\nm,1,A,1,1\n",
        ", animal m, trial 1, reward: 1 given on a rejected encounter; leave it empty or 0.",
    ),
    "accept without reward": (
        ENCOUNTERS + "m,1,A,1,\nm,2,B,1,0\n",
        ", animal m, trial 1, reward: nothing given; a trial with a choice needs a finite number, "
        "such as 0 or 1.",
    ),
    "encounter without stimulus": (
        ENCOUNTERS + "m,1,,0,\nm,1,A,1,1\n",
        ", animal m, trial 1, stimulus: nothing given; every encounter needs its stimulus.",
    ),
    "two blocks in a trial": (
        "animal,trial,stimulus,accepted,reward,block\nm,1,A,0,,1\nm,1,A,1,1,2\n",
        ", animal m, trial 1, block: changes within the trial; a trial lies in one block.",
    ),
    "gap between encounters": (
        ENCOUNTERS + "m,1,A,1,1\nm,3,B,1,0\n",
        ", animal m, trial 3: follows trial 1; an omitted trial needs its row, with an empty "
        "choice.",
    ),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_refused_in_one_sentence(tmp_path, case):
    text, sentence = BAD_TABLES[case]
    with pytest.raises(DataError) as error:
        read(save(tmp_path, "bad.csv", text))
    assert str(error.value) == f"bad.csv{sentence}"


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"animal": "subjID"},
            'trials.csv: no column "subjID" for animal; found animal, trial, choice, reward, '
            "block.",
        ),
        (
            {"mouse": "subjID"},
            'unknown field "mouse" in --column; fields are animal, trial, choice, reward, '
            "stimulus, accepted, block.",
        ),
    ],
)
def test_a_bad_mapping_is_refused_in_one_sentence(tmp_path, columns, sentence):
    with pytest.raises(DataError) as error:
        read(save(tmp_path, "trials.csv", TRIALS), columns=columns)
    assert str(error.value) == sentence


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_corrupt_table_is_refused_in_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff\xfe\xd8\x00")
    with pytest.raises(DataError) as error:
        read(tmp_path / name)
    assert str(error.value) == f"{name}: not a readable {name[2:]} table."
