"""Tables: one row a trial or an encounter, and one exact sentence for each that is refused."""

import random
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.parquet
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
        "animal,trial,choice,outcome\nm,1,A,1\n",
        ': no column "reward"; found animal, trial, choice, outcome; if that is meant, type '
        "--column reward=outcome.",
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
        "number the trials of an animal from its first to its last, or give each Session No a name "
        "in the column animal, such as m-1.",
    ),
    "blocks": (
        BLOCKS + "m,1,A,1,1\nm,2,B,1,1\nm,1,A,1,2\nm,2,B,1,2\n",
        ", animal m, trial 1: given twice, because the numbering starts again in each block; "
        "number the trials of an animal from its first to its last, or give each block a name in "
        "the column animal, such as m-1.",
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
    "gap between encounters": (
        ENCOUNTERS + "m,1,A,1,1\nm,3,B,1,0\n",
        ", animal m, trial 3: follows trial 1; an omitted trial needs its row, with an empty "
        "choice.",
    ),
}


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
            'unknown field "mouse" in --column; fields are animal, trial, choice, reward, '
            "stimulus, accepted, block.",
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
