"""Tables: one row a trial or an encounter, and one exact sentence for each that is refused."""

import random
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from hebbax.data import data_hash, read
from hebbax.data.trials import BY_NUMBER, BY_ROWS
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
SESSIONS = "animal,session,trial,choice,reward\n"
FORCED = "animal,trial,choice,reward,forced\n"
OFFERED = "animal,trial,choice,reward,offered\n"


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
        save(tmp_path, "n.csv", HEADER + "m07,1,A ,1\nm07,2,B,0\nm07,3, ,\nm07,4,A,1\n")
    )
    assert sessions.animals == ("m07",)
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
    np.testing.assert_array_equal(sessions.rejections, [[[1, 1], [0, 1], [0, 2]]])


def test_a_stimulus_that_was_only_rejected_is_an_alternative(tmp_path):
    text = ENCOUNTERS + "m,1,B,FALSE,\nm,1,A,TRUE,1\nm,2,A,TRUE,0\n"
    sessions = read(save(tmp_path, "encounters.csv", text))
    assert sessions.stimuli == ("A", "B")
    np.testing.assert_array_equal(sessions.rejections, [[[0, 1], [0, 0]]])


DAY = "m,{},1,A,1\nm,{},2,B,0\n"
SESSION_LABELS = {
    "numbers": (["10", "9"], [1, 0]),
    "dates": (["2024-05-10", "2024-05-09"], [1, 0]),
    "dates with a time": (["2024-05-10 09:30", "2024-05-10T08:00"], [1, 0]),
    "text in the order of rows": (["test", "habituation"], [0, 1]),
    "one number among text": (["2", "day 1"], [0, 1]),
}


@pytest.mark.parametrize("case", SESSION_LABELS)
def test_sessions_stand_in_the_order_of_their_labels(tmp_path, case):
    labels, order = SESSION_LABELS[case]
    days = [DAY.format(label, label) for label in labels]
    sessions = read(save(tmp_path, "s.csv", SESSIONS + "".join(days)))
    first = np.array([[0, 1], [0, 1]])[order].ravel()
    np.testing.assert_array_equal(sessions.choices[0], first)
    np.testing.assert_array_equal(sessions.session, [[0, 0, 1, 1]])
    np.testing.assert_array_equal(sessions.blocks, [[0, 0, 1, 1]])
    by_rows = BY_ROWS if "text" in case else BY_NUMBER
    assert sessions.notes == (by_rows,)


def test_trials_of_sessions_may_start_again_or_go_on(tmp_path):
    """Numbered from 1 in each session, from 0, through all, or not at all: one recording."""
    numbers = {
        "again": [1, 2, 3, 1, 2],
        "from 0": [0, 1, 2, 0, 1],
        "on": [1, 2, 3, 4, 5],
        "mixed": [0, 1, 2, 1, 2],
    }
    rows = [("1", "A", 1), ("1", "B", 0), ("1", "", ""), ("2", "A", 0), ("2", "B", 1)]
    hashes = set()
    for name, trials in numbers.items():
        lines = [f"m,{s},{t},{c},{r}\n" for t, (s, c, r) in zip(trials, rows, strict=True)]
        # Sorted by session, then trial, whatever the order of the rows.
        path = save(tmp_path, f"{name}.csv", SESSIONS + "".join(lines[::-1]))
        hashes.add(data_hash(read(path)))
    text = SESSIONS.replace("trial,", "") + "".join(f"m,{s},{c},{r}\n" for s, c, r in rows)
    hashes.add(data_hash(read(save(tmp_path, "none.csv", text))))
    assert len(hashes) == 1


def test_animals_may_have_different_sessions(tmp_path):
    text = SESSIONS + "m,3,1,A,1\nm,7,1,B,0\nn,7,1,A,1\nn,7,2,B,1\n"
    sessions = read(save(tmp_path, "s.csv", text))
    np.testing.assert_array_equal(sessions.session, [[0, 1], [0, 0]])
    np.testing.assert_array_equal(sessions.blocks, [[0, 1], [0, 0]])


def test_blocks_may_start_again_in_each_session(tmp_path):
    header = SESSIONS.replace("\n", ",block\n")
    again = "m,1,1,A,1,1\nm,1,2,B,1,2\nm,2,1,A,1,1\nm,2,2,B,1,2\nn,1,1,A,1,2\n"
    on = "m,1,1,A,1,1\nm,1,2,B,1,2\nm,2,1,A,1,3\nm,2,2,B,1,4\nn,1,1,A,1,2\n"
    both = [read(save(tmp_path, "s.csv", header + text)) for text in (again, on)]
    np.testing.assert_array_equal(both[0].blocks, [[0, 1, 2, 3], [1, -1, -1, -1]])
    assert data_hash(both[0]) == data_hash(both[1])


def test_encounters_of_sessions(tmp_path):
    text = "animal,session,trial,stimulus,accepted,reward\n"
    text += "m,1,1,A,0,\nm,1,1,B,1,1\nm,2,1,A,1,0\nm,2,2,B,0,\n"
    sessions = read(save(tmp_path, "e.csv", text))
    np.testing.assert_array_equal(sessions.choices, [[1, 0, -1]])
    np.testing.assert_array_equal(sessions.session, [[0, 1, 1]])
    np.testing.assert_array_equal(sessions.rejections, [[[1, 0], [0, 0], [0, 1]]])


def test_forced_trials_offer_what_was_chosen(tmp_path):
    """1, true and yes; 0, false, no and nothing; an omitted one is no forced choice."""
    cells = ["1", "TRUE", "yes", "0", "False", "no", "", "1"]
    rows = [f"m,{t},{'AB'[t % 2]},1,{cell}" for t, cell in enumerate(cells[:-1])]
    sessions = read(save(tmp_path, "f.csv", FORCED + "\n".join([*rows, "m,7,,,1"]) + "\n"))
    np.testing.assert_array_equal(sessions.free, [[0, 0, 0, 1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(sessions.offered[0, :3], [[1, 0], [0, 1], [1, 0]])
    np.testing.assert_array_equal(sessions.observed("choice"), [[0, 0, 0, 1, 1, 1, 1, 0]])


def test_what_was_offered(tmp_path):
    """Rows in any order; D was offered and never chosen; an empty cell offers all."""
    text = OFFERED + "m,3,B,0,B\nm,1,A,1,A | D\nm,2,C,0,\nm,4,,,A|B\n"
    sessions = read(save(tmp_path, "o.csv", text))
    assert sessions.stimuli == ("A", "B", "C", "D")
    np.testing.assert_array_equal(
        sessions.offered[0], [[1, 0, 0, 1], [1, 1, 1, 1], [0, 1, 0, 0], [1, 1, 0, 0]]
    )
    both = FORCED.replace("\n", ",offered\n") + "m,1,A,1,,A|D\nm,2,C,0,0,\nm,3,B,0,1,\nm,4,,,,A|B\n"
    assert data_hash(read(save(tmp_path, "b.csv", both))) == data_hash(sessions)


def test_columns_that_say_nothing_leave_the_recording_as_it_is(tmp_path):
    plain = read(save(tmp_path, "p.csv", HEADER + "m,1,A,1\nm,2,B,0\n"))
    header = "session,animal,trial,choice,reward,forced,offered\n"
    said = read(save(tmp_path, "s.csv", header + "1,m,1,A,1,0,A|B\n1,m,2,B,0,0,\n"))
    assert said.offered is None
    assert data_hash(said) == data_hash(plain)


def test_typed_columns_of_a_parquet_table(tmp_path):
    table = pd.DataFrame(
        {
            "animal": "m",
            "session": pd.to_datetime(["2024-05-10", "2024-05-10", "2024-05-09"]),
            "choice": [1.0, None, 2.0],
            "reward": [1, None, 0],
            "forced": [True, False, False],
        }
    )
    table.to_parquet(tmp_path / "t.parquet")
    sessions = read(tmp_path / "t.parquet")
    np.testing.assert_array_equal(sessions.choices, [[1, 0, -1]])
    np.testing.assert_array_equal(sessions.free, [[1, 0, 1]])


def test_headers_of_one_word_are_taken_and_said(tmp_path):
    """As in the files of hBayesDM."""
    text = "subjID\ttrial\tchoice\toutcome\n1\t1\t1\t1\n1\t2\t2\t-1\n"
    sessions = read(save(tmp_path, "t.txt", text))
    assert sessions.animals == ("1",)
    np.testing.assert_array_equal(sessions.rewards, [[1, -1]])
    assert sessions.notes == (
        "Columns are separated by tabs.",
        "Columns that were read by another name: subjID as animal, outcome as reward.",
    )


def test_recorded_mice_with_sessions_and_forced_trials(recording):
    sessions = read(recording("mice/mice.csv"))
    assert (sessions.n_animals, sessions.stimuli) == (6, ("poke_4", "poke_6"))
    np.testing.assert_array_equal(sessions.session.max(axis=1), 5)
    table = pd.read_csv(recording("mice/mice.csv"))
    assert (sessions.valid & ~sessions.free).sum() == table["forced"].sum() == 3704
    assert sessions.observed("choice").sum() == len(table) - 3704
    own = table[table["animal"] == "WS08"]
    n = len(own)
    row = sessions.animals.index("WS08")
    np.testing.assert_array_equal(sessions.session[row, :n], own["session"] - 1)
    np.testing.assert_array_equal(sessions.rewards[row, :n], own["reward"])


def test_recorded_mice_with_four_odours(recording):
    sessions = read(recording("four-odours/four_odours.csv"))
    assert (sessions.n_animals, sessions.stimuli) == (51, ("1", "2", "3", "4"))
    np.testing.assert_array_equal(sessions.session.max(axis=1), 1)
    assert (sessions.n_choices, sessions.n_trials.sum()) == (4828, 5020)
    assert sessions.notes == (
        "Column kept of each animal, for models that differ by it: group.",
        "Columns that were not read: phase.",
    )
    assert set(sessions.covariates["group"]) == {"sham", "ovx", "mCherry", "hM3Dq", "hM4Di"}


def test_recorded_people_with_headers_of_others(recording):
    sessions = read(recording("humans/bandit2arm_exampleData.txt"))
    assert (sessions.n_animals, sessions.n_choices) == (20, 2000)
    np.testing.assert_array_equal(np.unique(sessions.rewards), [-1, 1])


BAD_TABLES = {
    "decimal commas without quotes": (
        "animal,choice,reward\nm,L,0,5\nm,R,1,5\n",
        ", row 2: 4 cells given, the header has 3; put a cell that holds a separator in quotation "
        "marks, and leave an empty cell where nothing was recorded.",
    ),
    "rows taken out by a comment sign": (
        "animal,choice,reward\nm,L,1\nm,R,0\n#m,L,1\n",
        ", row 4: begins with #; comments stand above the header only, so remove the row, or the # "
        "where it belongs to a name.",
    ),
    "missing column": (
        "animal,trial,choice,feedback\nm,1,A,1\n",
        ': no column "reward"; found animal, trial, choice, feedback; if that is meant, type '
        "--column reward=feedback.",
    ),
    "missing stimulus column": (
        "animal,trial,odd,accepted,reward\nm,1,A,1,1\n",
        ': no column "stimulus"; found animal, trial, odd, accepted, reward; name another '
        "header with --column stimulus=HEADER.",
    ),
    "choice and accepted": (
        "animal,trial,choice,accepted,reward\nm,1,A,0,\nm,1,B,1,1\n",
        ": has columns choice and accepted, but no stimulus; where a row is an encounter, type "
        "--column stimulus=choice, and where it is a trial, leave out the column accepted.",
    ),
    "reward without choice": (
        HEADER + "m,1,A,1\nm,2,,1\n",
        ", animal m, trial 2, reward: 1 given on a trial without a choice; leave it empty or 0.",
    ),
    "choice without reward": (
        HEADER + "m,1,A,1\nm,2,A,\nm,3,B,1\n",
        ", animal m, trial 2, reward: nothing given; a trial with a choice needs a finite number, "
        "such as 0 or 1.",
    ),
    "choice without reward, trials from 0": (
        HEADER + "m,0,A,1\nm,1,A,\nm,2,B,1\n",
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
        "there, so give those before it too, or number them from 1 if there were none.",
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
    "long row": (
        HEADER + "m,1,A,1\nm,2,B,1,1,1,1\n",
        ", row 3: 7 cells given, the header has 4; put a cell that holds a separator in quotation "
        "marks, and leave an empty cell where nothing was recorded.",
    ),
    "short row": (
        HEADER + "m,1,A,1\nm,2\n",
        ", row 3: 2 cells given, the header has 4; put a cell that holds a separator in quotation "
        "marks, and leave an empty cell where nothing was recorded.",
    ),
    "open quotation mark": (
        HEADER + 'm,1,A,1\n"m,2,B,1\nm,3,A,0\n',
        ", row 4: cannot be split into cells (unexpected end of data); look at its quotation "
        "marks.",
    ),
    "header twice": (
        "animal,trial,choice,reward,choice\nm,1,A,1,B\n",
        ': the column "choice" stands twice; each header may stand once.',
    ),
    "sessions": (
        "animal,Session No,trial,choice,reward\nm,1,1,A,1\nm,1,2,B,1\nm,2,1,A,1\nm,2,2,B,1\n",
        ", animal m, trial 1: given twice, because the numbering starts again in each Session No; "
        "if that is a session, type --column 'session=Session No', else number the trials of an "
        "animal from its first to its last.",
    ),
    "blocks": (
        BLOCKS + "m,1,A,1,1\nm,2,B,1,1\nm,1,A,1,2\nm,2,B,1,2\n",
        ", animal m, trial 1: given twice, because the numbering starts again in each block; if "
        "that is a session, type --column session=block, else number the trials of an animal from "
        "its first to its last.",
    ),
    "numbered anew": (
        HEADER + "m,1,A,1\nm,2,B,1\nm,1,A,1\nm,2,B,1\n",
        ", animal m, trial 1: given twice, because the numbering starts again in row 4; number the "
        "trials of an animal from its first to its last.",
    ),
    "alternating blocks": (
        BLOCKS + "m,1,A,1,1\nm,2,B,1,2\nm,3,A,1,1\n",
        ", animal m, trial 3, block: goes back to an earlier block; blocks follow each other, so "
        "number them in their order.",
    ),
    "wide": (
        "animal,trial 1,trial 2,trial 3\nm,A,B,A\n",
        ": looks wide, with one column a trial (trial 1 to trial 3); one row a trial is needed, "
        "with columns animal, trial, choice and reward, as pandas.melt makes.",
    ),
    "gains and losses": (
        "animal,trial,choice,Gain,Loss\nm,1,A,1,0\n",
        ': no column "reward", but Gain and Loss; add a column reward = Gain + Loss, losses being '
        "negative, or leave losses out with --column reward=Gain.",
    ),
    "headers of a laboratory": (
        "Mouse ID,Trial #,Choice (L/R),Reward?\nm,1,A,1\n",
        ': no columns "animal", "choice", "reward", "trial"; found Mouse ID, Trial #, Choice '
        "(L/R), Reward?; if that is meant, type --column 'animal=Mouse ID' --column "
        "'choice=Choice (L/R)' --column 'reward=Reward?' --column 'trial=Trial #'.",
    ),
    "times": (
        HEADER + "m,2024-05-01,A,1\nm,2024-05-02,B,1\n",
        ', animal m, trial 2024-05-01, trial: "2024-05-01" is a time; trials are numbered 1, 2, 3 '
        "..., and without the column rows are taken in their order.",
    ),
    "an animal called NA": (
        HEADER + "NA,1,A,1\nNA,2,B,1\n",
        ', animal "NA": tables read this name as missing, so that no table of results could hold '
        'it; write another, such as "NA_1".',
    ),
    "a choice called NA": (
        HEADER + "m,1,NA,1\nm,2,B,1\n",
        ', animal m, trial 1, choice: "NA" given with reward 1; where it is no choice, leave the '
        "cell empty or type --no-choice NA, and where it is an alternative, call it another name, "
        "because tables read this one as missing.",
    ),
    "a reward of 400 digits": (
        HEADER + f"m,1,A,1\nm,2,B,1{'0' * 400}\n",
        ", animal m, trial 2, reward: inf given; a trial with a choice needs a finite number, such "
        "as 0 or 1.",
    ),
    "a large reward": (
        HEADER + "m,1,A,1\nm,2,B,1.7e308\n",
        ", animal m, trial 2, reward: 1.7e+308 given; a reward lies between -1e+09 and 1e+09, so "
        "give it in other units.",
    ),
    "two ways to write numbers": (
        HEADER + 'm,1,A,"1,5"\nm,2,B,0.5\n',
        ', animal m, trial 2, reward: "0.5" and "1,5" write numbers in two ways; choose one.',
    ),
    "1,500 in a table with semicolons": (
        "animal;trial;choice;reward\nm;1;A;1,500\nm;2;B;0\n",
        ', animal m, trial 1, reward: "1,500" may be 1500 or 1.500; write it in one of these ways.',
    ),
    "two separators": (
        "a;b,c\n1;2,3\n",
        ": columns may be separated by semicolons (2 columns) or commas (2 columns); save it with "
        "one of them.",
    ),
    "too many columns": (
        ",".join(map(str, range(10_001))) + "\n",
        ": 10001 columns given; at most 10000 are allowed.",
    ),
    "too many alternatives": (
        HEADER + "".join(f"m,{t},c{t},1\n" for t in range(1, 103)),
        ": 102 different alternatives given; at most 100 are allowed.",
    ),
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
    "a block that starts again within a session": (
        "animal,session,trial,choice,reward,block\nm,1,1,A,1,1\nm,1,2,B,1,1\nm,1,1,A,1,2\n",
        ", animal m, session 1, trial 1: given twice, because the numbering starts again in each "
        "block; number the trials of a session from its first to its last.",
    ),
    "a session numbered anew": (
        SESSIONS + "m,1,1,A,1\nm,1,2,B,1\nm,1,1,A,1\nm,1,2,B,1\n",
        ", animal m, session 1, trial 1: given twice, because the numbering starts again in row 4; "
        "number the trials of a session from its first to its last.",
    ),
    "a trial twice in a session": (
        SESSIONS + "m,1,1,A,1\nm,1,2,B,1\nm,2,1,A,1\nm,2,2,A,1\nm,2,2,A,1\n",
        ", animal m, session 2, trial 2: given twice; each trial may stand once.",
    ),
    "a gap in a session": (
        SESSIONS + "m,1,1,A,1\nm,2,1,B,1\nm,2,3,A,1\n",
        ", animal m, session 2, trial 3: follows trial 1; an omitted trial needs its row, with an "
        "empty choice.",
    ),
    "a session from its middle": (
        SESSIONS + "m,1,1,A,1\nm,1,2,B,1\nm,2,7,B,1\n",
        ", animal m, session 2: starts with trial 7; trials are numbered from 0 or 1 in each "
        "session, or go on from the session before, so give those before it too.",
    ),
    "a session that a terminal would obey": (
        SESSIONS + "m,\x1b[31m,1,A,1\nm,\x1b[31m,3,B,1\n",
        ", animal m, session \\x1b[31m, trial 3: follows trial 1; an omitted trial needs its row, "
        "with an empty choice.",
    ),
    "no session": (
        SESSIONS + "m,1,1,A,1\nm,,2,B,1\n",
        ", row 3, session: empty; every row needs one.",
    ),
    "sessions in turn without trials": (
        "animal,session,choice,reward\nm,1,A,1\nm,2,B,1\nm,1,B,0\n",
        ", row 4, session: goes back to session 1 of animal m; without a column trial the rows of "
        "a session follow each other.",
    ),
    "a reward in a session": (
        SESSIONS + "m,1,1,A,1\nm,2,1,A,1\nm,2,2,B,inf\n",
        ", animal m, session 2, trial 2, reward: inf given; a trial with a choice needs a finite "
        "number, such as 0 or 1.",
    ),
    "text as forced": (
        FORCED + "m,1,A,1,0\nm,2,B,1,maybe\n",
        ', animal m, trial 2, forced: "maybe" given; 1 = forced and 0 = free are allowed.',
    ),
    "forced 2": (
        FORCED + "m,1,A,1,0\nm,2,B,1,2\n",
        ', animal m, trial 2, forced: "2" given; 1 = forced and 0 = free are allowed.',
    ),
    "not offered": (
        OFFERED + "m,1,A,1,A|B\nm,2,C,1,A|B\n",
        ", animal m, trial 2, offered: A|B given and C chosen; a choice is of what was offered.",
    ),
    "offered twice": (
        OFFERED + "m,1,A,1,A|B|A\nm,2,B,1,\n",
        ', animal m, trial 1, offered: "A|B|A" names an alternative twice; each may stand once.',
    ),
    "nothing among what was offered": (
        OFFERED + "m,1,A,1,A||B\nm,2,B,1,\n",
        ', animal m, trial 1, offered: "A||B" holds an empty name; one | stands between two names.',
    ),
    "a bar in a name": (
        OFFERED + "m,1,A|B,1,\nm,2,B,1,\n",
        ', stimulus "A|B": holds |, which stands between names in the column offered; give it '
        "another name.",
    ),
    "a name of what was offered": (
        OFFERED + "m,1,A,1,A|007\nm,2,B,1,\n",
        ', stimulus "007": tables read this name as 7, so that no table of results could hold it; '
        'write 7, or another, such as "id_007".',
    ),
    "forced and free": (
        FORCED.replace("\n", ",offered\n") + "m,1,A,1,1,A|B\nm,2,B,1,0,\n",
        ", animal m, trial 1, forced: 1 given where A|B was offered; a forced trial offers one "
        "alternative.",
    ),
    "free and forced": (
        FORCED.replace("\n", ",offered\n") + "m,1,A,1,0,A\nm,2,B,1,0,\n",
        ", animal m, trial 1, forced: 0 given where A alone was offered; such a trial is forced.",
    ),
    "forced encounters": (
        ENCOUNTERS.replace("\n", ",forced\n") + "m,1,A,1,1,0\n",
        ": has columns accepted and forced; forced is for one row a trial, and in encounters an "
        "animal is offered what it meets.",
    ),
    "offered encounters": (
        ENCOUNTERS.replace("\n", ",offered\n") + "m,1,A,1,1,A\n",
        ": has columns accepted and offered; offered is for one row a trial, and in encounters an "
        "animal is offered what it meets.",
    ),
    "encounters after the accepted one, in a session": (
        "animal,session,trial,stimulus,accepted,reward\nm,1,1,A,1,1\nm,2,1,A,1,1\nm,2,1,B,0,\n",
        ", animal m, session 2, trial 1: an encounter follows the accepted one; a trial ends with "
        "its acceptance.",
    ),
    "two headers for an animal": (
        "subjID,mouse,choice,outcome\n1,2,A,1\n",
        ': no column "animal"; found subjID, mouse, choice, outcome; name another header with '
        "--column animal=HEADER.",
    ),
    "gap between encounters": (
        ENCOUNTERS + "m,1,A,1,1\nm,3,B,1,0\n",
        ", animal m, trial 3: follows trial 1; an omitted trial needs its row, with an empty "
        "choice.",
    ),
    "encounters of another session": (
        ENCOUNTERS + "m,1,A,0,\nm,2,B,0,\nm,1,A,1,1\nm,2,B,1,0\n",
        ", animal m, trial 1: stands again in row 4, behind other trials; sort the encounters by trial, "
        "and number trials through, or in each session of a column session.",
    ),
    "encounters of another day": (
        ENCOUNTERS.replace("\n", ",day\n") + "m,1,A,0,,a\nm,2,B,0,,a\nm,1,A,1,1,b\nm,2,B,1,0,b\n",
        ", animal m, trial 1: given twice, because the numbering starts again in each day; if that is "
        "a session, type --column session=day, else number the trials of an animal from its first to "
        "its last.",
    ),
    "encounters of a trial apart": (
        ENCOUNTERS + "m,1,A,0,\nm,2,B,1,1\nm,3,B,0,\nm,2,A,0,\n",
        ", animal m, trial 2: stands again in row 5, behind other trials; sort the encounters by trial, "
        "and number trials through, or in each session of a column session.",
    ),
    "animals numbered anew in each group": (
        "genotype,animal,trial,choice,reward\nwt,1,1,A,1\nwt,1,2,B,0\nko,1,1,A,1\nko,1,2,B,0\n",
        ", animal 1, trial 1: given twice, because the numbering starts again in each genotype; if "
        "animals are numbered anew there, give every animal a name of its own.",
    ),
    "a header one name short": (
        "nr;animal;choice;reward\n1;7;1;0;0\n2;7;2;1;0\n",
        ": rows have 5 cells and the header has 4; name every column.",
    ),
    "points between thousands": (
        "animal;choice;reward\nm;A;1.500\nm;B;500\n",
        ', animal m, trial 1, reward: "1.500" may be 1500 or a fraction; write it in one of these ways.',
    ),
    "a stimulus of trials": (
        "animal,choice,reward,stimulus,accepted\nm,A,1,A,1\nm,B,0,A,1\n",
        ': no column "trial"; found animal, choice, reward, stimulus, accepted; name another header '
        "with --column trial=HEADER.",
    ),
}


NOTES = {
    "whole numbers in two ways": (
        "m,1.0,1\nm,2,0\nn,,\nn,2.0,1\nn,NA,\n",
        ("1", "2"),
        ("NA was read as no choice, in 1 trials.",),
    ),
    "whole numbers with a comma": ('m,"1,0",1\nm,"2,0",0\n', ("1", "2"), ()),
}


@pytest.mark.parametrize("case", NOTES)
def test_alternatives_that_programs_write_as_numbers_have_one_name(tmp_path, case):
    rows, stimuli, notes = NOTES[case]
    found = read(save(tmp_path, "n.csv", "animal,choice,reward\n" + rows))
    assert found.stimuli == stimuli
    assert found.notes[-len(notes) :] == notes if notes else len(found.notes) == 1


UNREAD = {
    "a stimulus of trials": (
        "stimulus",
        ["A|B"] * 4,
        "If stimulus names the alternatives that were offered, type --column offered=stimulus: all "
        "count as offered here.",
    ),
    "numbers of several levels": (
        "weight",
        [1.25, 2.5, 1.25, 3.125],
        "Columns that were not read: weight.",
    ),
    "lists": (
        "options",
        [["A", "B"]] * 4,
        "If options names the alternatives that were offered, add a column offered that names "
        "them, as in A|B: all count as offered here.",
    ),
    "animals numbered anew": (
        "genotype",
        ["wt", "wt", "ko", "ko"],
        "Animal m has several values of genotype; if animals are numbered anew in each, give every "
        "animal a name of its own: those of one name count as one here.",
    ),
    "times of licks": ("licks", [[0.1, 0.2], [], [0.3], []], "Columns that were not read: licks."),
}


@pytest.mark.parametrize("case", UNREAD)
def test_a_column_that_is_not_read_is_named_and_asked_about(case):
    header, cells, question = UNREAD[case]
    table = {"animal": "mmmm", "trial": [1, 2, 3, 4], "choice": "ABAB", "reward": [1, 0, 1, 0]}
    found = read(pd.DataFrame({name: list(own) for name, own in (table | {header: cells}).items()}))
    assert f"Columns that were not read: {header}." in found.notes
    assert question in found.notes


def test_offers_beside_omitted_trials_are_asked_about():
    """pandas writes whole numbers with gaps as 1.0."""
    left, right = [1, 2, np.nan, 3], [2, 3, np.nan, 1]
    choice, reward = ["1", "3", "", "3"], [1, 0, np.nan, 1]
    columns = {"animal": list("mmmm"), "trial": [1, 2, 3, 4], "choice": choice, "reward": reward}
    more = {"animal": list("n"), "trial": [1], "choice": ["2"], "reward": [0.0]}
    table = pd.concat(
        [
            pd.DataFrame(columns | {"left": left, "right": right}),
            pd.DataFrame(more | {"left": [2.0], "right": [1.0]}),
        ]
    )
    assert read(table).notes[-1].startswith("If left and right are the alternatives")


def test_points_that_seem_decimal_are_read_so(tmp_path):
    """Of a table whose columns semicolons part, and no number of hundreds says otherwise."""
    text = (
        "animal;choice;reward;weight\nm;A;1.500;1.250\nm;B;0;1.250\nn;A;2.250;2.375\nn;B;0;2.375\n"
    )
    sessions = read(save(tmp_path, "w.csv", text))
    np.testing.assert_array_equal(sessions.rewards, [[1.5, 0], [2.25, 0]])
    assert sessions.covariates["weight"] == (1.25, 2.375)
    assert 'reward: "1.500" was read as 1.5.' in sessions.notes


def test_labels_of_another_animal_change_no_order(tmp_path):
    rows = "".join(f"a,{s},1,A,1\n" for s in ("1", "10", "2"))
    rows += "".join(f"b,{s},1,B,0\n" for s in ("01", "02", "10"))
    sessions = read(save(tmp_path, "s.csv", SESSIONS + rows))
    assert sessions.notes == (BY_NUMBER,)


def test_two_names_of_one_number_are_two_sessions(tmp_path):
    text = SESSIONS + "m,1.1,1,A,1\nm,1.2,1,B,0\nm,1.10,1,A,1\n"
    sessions = read(save(tmp_path, "s.csv", text))
    np.testing.assert_array_equal(sessions.session, [[0, 1, 2]])
    assert sessions.notes == (BY_ROWS,)


def numbered(*animals):
    return HEADER + "".join(f"{a},1,L,1\n{a},2,R,1\n" for a in animals)


def test_names_that_are_numbers_stay_apart(tmp_path):
    assert read(save(tmp_path, "n.csv", numbered("1.0", "1.5", "1"))).animals == ("1.0", "1.5", "1")


def test_a_name_that_a_table_would_read_as_another_number_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        read(save(tmp_path, "n.csv", numbered("007", "12")))
    assert str(error.value) == (
        'n.csv, animal "007": tables read this name as 7, so that no table of results could hold it; '
        'write 7, or another, such as "id_007".'
    )


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
            'unknown field "mouse" in --column; fields are animal, session, trial, block, choice, '
            "reward, forced, offered, stimulus, accepted.",
        ),
    ],
)
def test_a_bad_mapping_is_refused_in_one_sentence(tmp_path, columns, sentence):
    with pytest.raises(DataError) as error:
        read(save(tmp_path, "trials.csv", TRIALS), columns=columns)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.csv", b"\xff\xfe\x00\xd8", "not a readable table; save it as CSV in UTF-8."),
        ("x.csv", b"animal,\x81\n", "not a readable table; save it as CSV in UTF-8."),
        ("x.csv", b"PK\x03\x04", "a spreadsheet or an archive; save the table as CSV."),
        ("x.csv.gz", b"\x1f\x8b\x08\x00", "not a readable gzip file."),
        ("x.parquet", b"\xff\xfe\xd8\x00", "not a readable parquet table."),
    ],
)
def test_a_corrupt_table_is_refused_in_one_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read(tmp_path / name)
    assert str(error.value) == f"{name}: {sentence}"


def test_a_parquet_table_with_a_flipped_bit_is_refused_or_read(tmp_path):
    path = tmp_path / "t.parquet"
    pd.read_csv(save(tmp_path, "t.csv", TRIALS)).to_parquet(path)
    raw, whole = path.read_bytes(), data_hash(read(path))
    places = random.Random(2)
    said, unchanged = Counter(), 0
    for _ in range(8):
        flipped = bytearray(raw)
        flipped[places.randrange(len(raw))] ^= 1 << places.randrange(8)
        path.write_bytes(flipped)
        try:
            unchanged += data_hash(read(path)) == whole
        except DataError as problem:
            said[str(problem).startswith("t.parquet") and str(problem).endswith(".")] += 1
    assert said[False] == 0
    assert said[True] > 1
    assert unchanged > 1


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            {"reward": pyarrow.array(np.zeros(5_000_001, np.int8))},
            "5000001 rows given; at most 5000000 are allowed.",
        ),
        (
            {str(n): pyarrow.array([0], pyarrow.int8()) for n in range(10_001)},
            "10001 columns given; at most 10000 are allowed.",
        ),
    ],
    ids=["rows", "columns"],
)
def test_a_parquet_table_that_is_too_large_is_refused_before_it_is_read(tmp_path, table, sentence):
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "t.parquet")
    with pytest.raises(DataError) as error:
        read(tmp_path / "t.parquet")
    assert str(error.value) == f"t.parquet: {sentence}"


def test_notes_of_pandas_in_a_parquet_table_that_are_none_are_refused(tmp_path):
    pd.read_csv(save(tmp_path, "t.csv", TRIALS)).to_parquet(tmp_path / "right.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "right.parquet")
    for notes in (b"{", b"[1]", b'{"columns": 3}'):
        altered = table.replace_schema_metadata({b"pandas": notes})
        pyarrow.parquet.write_table(altered, tmp_path / "t.parquet")
        with pytest.raises(DataError) as error:
            read(tmp_path / "t.parquet")
        assert str(error.value) == "t.parquet: not a readable parquet table."


@pytest.mark.parametrize("field", ["animal", "choice"])
@pytest.mark.parametrize(
    ("value", "kind"), [(["A"], "ndarray"), (b"A", "bytes"), ({"a": 1}, "dict")]
)
def test_a_typed_table_whose_names_are_none_is_refused(tmp_path, field, value, kind):
    table = pd.DataFrame({"animal": ["m", "m"], "choice": ["A", "B"], "reward": [0, 1]})
    table[field] = [value] * 2
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError) as error:
        read(tmp_path / "t.parquet")
    assert str(error.value) == (
        f"t.parquet, row 2, {field}: {kind} given; a name is text, a number or a date."
    )
