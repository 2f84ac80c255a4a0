"""Tables as other programs write them: the same trials, whatever separates and encodes them."""

import gzip
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hebbax.data import data_hash, read
from hebbax.data.numerals import NotANumberError, read_numbers
from hebbax.errors import DataError

ROWS = [
    ["animal", "trial", "choice", "reward"],
    ["mouse", "1", "left", "1"],
    ["mouse", "2", "right", "0"],
    ["rat", "1", "right", "0.5"],
    ["rat", "2", "left", "1"],
]
QUOTED = [[f'"{cell}"' for cell in row] for row in ROWS]
BLANKS = "Columns are separated by blanks."
TABS = "Columns are separated by tabs."
SEMICOLONS = "Columns are separated by semicolons."


def joined(separator, rows=ROWS, end="\n"):
    return "".join(separator.join(row) + end for row in rows)


FORMS = {
    "commas": ("t.csv", joined(",").encode(), ()),
    "no comma in .txt": ("t.txt", joined("\t").encode(), (TABS,)),
    "tabs": ("t.tsv", joined("\t").encode(), ()),
    "tabs in .csv": ("t.csv", joined("\t").encode(), (TABS,)),
    "semicolons": ("t.csv", joined(";").encode(), (SEMICOLONS,)),
    "blanks": ("t.csv", joined(" ").encode(), (BLANKS,)),
    "aligned by blanks": (
        "t.txt",
        "".join("".join(cell.rjust(9) for cell in row) + " \n" for row in ROWS).encode(),
        (BLANKS,),
    ),
    "blanks around cells": ("t.csv", joined(" , ").encode(), ()),
    "blanks after commas, quoted": ("t.csv", joined(", ", QUOTED).encode(), ()),
    "quoted": ("t.csv", joined(",", QUOTED).encode(), ()),
    "ends of Windows": ("t.csv", joined(",", end="\r\n").encode(), ()),
    "ends of the old Macintosh": ("t.csv", joined(",", end="\r").encode(), ()),
    "no end": ("t.csv", joined(",").rstrip().encode(), ()),
    "a separator too many": ("t.csv", joined(",", [[*row, ""] for row in ROWS]).encode(), ()),
    "bars": ("t.txt", joined("|").encode(), ("Columns are separated by vertical bars.",)),
    "capitals": ("t.csv", joined(",", [[c.title() for c in ROWS[0]], *ROWS[1:]]).encode(), ()),
    "UTF-8 with a mark": ("t.csv", joined(",").encode("utf-8-sig"), ()),
    "UTF-16": ("t.csv", joined(",").encode("utf-16"), ()),
    "UTF-16 without a mark": ("t.csv", joined(",").encode("utf-16-le"), ()),
    "UTF-16, big end first": ("t.csv", joined(",").encode("utf-16-be"), ()),
    "UTF-32": ("t.csv", joined(",").encode("utf-32"), ()),
    "packed": ("t.csv.gz", gzip.compress(joined(",").encode()), ()),
    "packed tabs": ("t.tsv.gz", gzip.compress(joined("\t").encode()), ()),
    "packed without saying so": ("t.csv", gzip.compress(joined(",").encode()), ()),
    "comments": ("t.csv", f"# rig 3, box 4\n#\n\n{joined(',')}".encode(), ()),
    "header behind a #": ("t.csv", f"# {joined(',')}".encode(), ()),
    "Excel": ("t.csv", f"sep=;\n{joined(';')}".encode(), (SEMICOLONS,)),
    "decimal comma": (
        "t.csv",
        joined(";").replace("0.5", "0,5").encode(),
        (SEMICOLONS, 'reward: "0,5" was read as 0.5.'),
    ),
    "names of rows, by pandas": (
        "t.csv",
        joined(",", [[str(k) if k else "", *row] for k, row in enumerate(ROWS)]).encode(),
        (),
    ),
    "names of rows, by R": (
        "t.csv",
        joined(" ", [[str(k), *row] if k else row for k, row in enumerate(ROWS)]).encode(),
        (BLANKS, "Rows have one cell more than the header: the first was taken for their name."),
    ),
    "no trial": (
        "t.csv",
        joined(",", [[a, c, r] for a, _, c, r in ROWS]).encode(),
        ("There is no column trial: the rows of each animal were taken in their order.",),
    ),
    "other columns": (
        "t.csv",
        joined(",", [[*row, "weight" if k == 0 else "3"] for k, row in enumerate(ROWS)]).encode(),
        ("Columns that were not read: weight.",),
    ),
    "accepted everywhere": (
        "t.csv",
        joined(",", [[*row, "1" if k else "accepted"] for k, row in enumerate(ROWS)]).encode(),
        ("The column accepted is 1 in every row, one row a trial.",),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_recording_in_every_form(tmp_path, form):
    name, content, notes = FORMS[form]
    (tmp_path / name).write_bytes(content)
    sessions = read(tmp_path / name)
    assert sessions.animals == ("mouse", "rat")
    assert sessions.stimuli == ("left", "right")
    np.testing.assert_array_equal(sessions.choices, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(sessions.rewards, [[1, 0], [0.5, 1]])
    assert sessions.notes == notes
    assert sessions.source == name


def test_latin_1_is_read_and_said(tmp_path):
    (tmp_path / "t.csv").write_bytes(joined(",").replace("rat", "Mäuschen").encode("cp1252"))
    sessions = read(tmp_path / "t.csv")
    assert sessions.animals == ("mouse", "Mäuschen")
    assert sessions.notes == (
        "Line 4 is not UTF-8; the file was read as Windows-1252 (Latin-1), so look whether the "
        "names are right.",
    )


def test_names_in_utf_16_keep_their_letters(tmp_path):
    (tmp_path / "t.csv").write_bytes(joined(",").replace("rat", "mysz ńć 鼠").encode("utf-16"))
    assert read(tmp_path / "t.csv").animals == ("mouse", "mysz ńć 鼠")


def test_an_animal_in_the_index_of_a_parquet_table(tmp_path):
    table = pd.DataFrame(ROWS[1:], columns=ROWS[0]).astype({"trial": int, "reward": float})
    table.to_parquet(tmp_path / "flat.parquet")
    table.set_index(["animal", "trial"]).to_parquet(tmp_path / "index.parquet")
    assert read(tmp_path / "index.parquet").animals == ("mouse", "rat")
    hashes = {data_hash(read(tmp_path / f"{name}.parquet")) for name in ("flat", "index")}
    assert len(hashes) == 1


def test_times_for_trials_of_a_parquet_table(tmp_path):
    table = pd.DataFrame(ROWS[1:], columns=ROWS[0]).astype({"reward": float})
    table["trial"] = pd.date_range("2024-01-01", periods=len(table), tz="UTC")
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError) as error:
        read(tmp_path / "t.parquet")
    moment = "2024-01-01 00:00:00+00:00"
    assert str(error.value) == (
        f't.parquet, animal mouse, trial {moment}, trial: "{moment}" is a time; trials are '
        "numbered 1, 2, 3 ..., and without the column rows are taken in their order."
    )


def test_a_name_for_no_choice(tmp_path):
    text = joined(",", [*ROWS[:3], ["mouse", "3", "miss", ""], *ROWS[3:]])
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError) as error:
        read(tmp_path / "t.csv")
    assert str(error.value) == (
        "t.csv, animal mouse, trial 3, reward: nothing given, here and wherever the choice is "
        '"miss"; if it stands for no choice, type --no-choice miss, else a trial with a choice '
        "needs a finite number, such as 0 or 1."
    )
    sessions = read(tmp_path / "t.csv", no_choice="miss")
    np.testing.assert_array_equal(sessions.choices, [[0, 1, -1], [1, 0, -1]])
    assert sessions.notes == ("miss is no choice, in 1 trials.",)
    beside = joined(
        ",", [*ROWS[:3], ["mouse", "3", "miss", ""], ["mouse", "4", "NA", "NA"], *ROWS[3:]]
    )
    (tmp_path / "both.csv").write_text(beside)
    both = read(tmp_path / "both.csv", no_choice="miss")
    np.testing.assert_array_equal(both.choices, [[0, 1, -1, -1], [1, 0, -1, -1]])
    with pytest.raises(DataError) as error:
        read(tmp_path / "t.csv", no_choice="mist")
    assert str(error.value) == 't.csv: no choice is "mist"; found left, miss, right.'


def test_missing_values_as_r_writes_them(tmp_path):
    rows = [*ROWS[:3], ["mouse", "3", "NA", "NA"], *ROWS[3:]]
    (tmp_path / "t.csv").write_text(joined(",", rows))
    sessions = read(tmp_path / "t.csv")
    np.testing.assert_array_equal(sessions.choices, [[0, 1, -1], [1, 0, -1]])
    assert sessions.notes == ("NA was read as no choice, in 1 trials.",)


def unread(folder, header, rows):
    """Return what is said of the columns that were not read of one animal's trials."""
    lines = [f"animal,trial,choice,reward,{header}"]
    lines += [f"m,{t},{choice},1,{cell}" for t, (choice, cell) in enumerate(rows, 1)]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return read(folder / "t.csv").notes


UNREAD = {
    "forced": (
        "guided choice",
        [("A", 0), ("B", 1)],
        "If guided choice marks trials without a free choice, type --column 'forced=guided "
        "choice': they count as free ones here.",
    ),
    "free": (
        "free_choice",
        [("A", 0), ("B", 1)],
        "If free_choice marks the trials with a free choice, add a column forced that is 1 in all "
        "others: they count as free ones here.",
    ),
    "days": (
        "training_day",
        [("A", 1), ("B", 1), ("A", 2), ("B", 2)],
        "If training_day tells sessions apart, type --column session=training_day: all trials of "
        "an animal count as one session here.",
    ),
    "offered in one column": (
        "available",
        [("A", "A|B"), ("B", "B|A")],
        "If available names the alternatives that were offered, type --column offered=available: "
        "all count as offered here.",
    ),
    "offered in two columns": (
        "offer1,offer2",
        [("A", "A,B"), ("C", "B,C"), ("B", "B,A")],
        "If offer1 and offer2 are the alternatives that were offered, add a column offered that "
        "names them, as in A|B: all count as offered here.",
    ),
}


@pytest.mark.parametrize("case", UNREAD)
def test_columns_that_may_be_fields_are_asked_about(tmp_path, case):
    header, rows, sentence = UNREAD[case]
    listed = f"Columns that were not read: {header.replace(',', ', ')}."
    assert unread(tmp_path, header, rows) == (listed, sentence)


NOT_ASKED = {
    "a day": ("day", [("A", 1), ("B", 1)]),
    "a time of each trial": ("date and time", [("A", "9:01"), ("B", "9:02")]),
    "values that come back": ("run", [(c, k % 2) for k, c in enumerate("ABABAB")]),
    "the better one of two": ("rich,poor", [("A", "A,B"), ("B", "B,A")]),
    "forced beside offered": ("forced choice,offered", [("A", "1,A"), ("B", "0,A|B")]),
    "a day beside session": (
        "day,session",
        [(c, f"{1 + k // 2},{1 + k // 2}") for k, c in enumerate("ABAB")],
    ),
}


@pytest.mark.parametrize("case", NOT_ASKED)
def test_other_columns_are_named_only(tmp_path, case):
    header, rows = NOT_ASKED[case]
    (note,) = unread(tmp_path, header, rows)
    assert note.startswith("Columns that were not read: ")


NUMBERS = {
    "plain": (["1", "-2.5", "+3e2", ".5", "7."], ",", [1, -2.5, 300, 0.5, 7]),
    "words": (["TRUE", "False"], ",", [1, 0]),
    "missing": (["", None, "NA", "nan", "1"], ",", [np.nan] * 4 + [1]),
    "decimal commas": (["1,5", "-0,25", "3"], ";", [1.5, -0.25, 3]),
    "one decimal comma decides": (["1,500", "0,5"], ";", [1.5, 0.5]),
    "a leading zero decides": (["0,500"], ";", [0.5]),
    "thousands": (["1,000", "20"], ",", [1000, 20]),
    "thousands twice": (["1,000,000"], ";", [1e6]),
    "thousands and a point": (["1,000.5"], ";", [1000.5]),
    "thousands by points": (["1.000,5"], ";", [1000.5]),
    "thousands by blanks": (["1 000", "2\u00a0000 000", "3\u202f000,5"], ";", [1000, 2e6, 3000.5]),
    "thousands by apostrophes": (["1'000", "2’000.5"], ";", [1000, 2000.5]),
    "a true minus": (["−1"], ",", [-1]),
    "infinity": (["inf", "-Infinity"], ",", [np.inf, -np.inf]),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_as_people_write_them(case):
    cells, separator, values = NUMBERS[case]
    np.testing.assert_array_equal(read_numbers(cells, separator).values, values)


@pytest.mark.parametrize(
    "cell",
    [
        "0 500",
        "0'500",
        "1 234'567",
        "1 50",
        "01 500",
        "1_0",
        "0x10",
        "1 2",
        "1,5,0",
        "٣",
        "1e",
        "--1",
        "yes",
        "1 ul",
        "5 %",
        "1,00.0",
    ],
)
def test_what_is_no_number(cell):
    with pytest.raises(NotANumberError) as error:
        read_numbers(["1", cell], ",")
    assert error.value.place == 1
    assert str(error.value) == f'"{cell}" is not a number.'


def test_what_stood_between_thousands_is_noted():
    assert read_numbers(["7", "1 500"], ";").note == '"1 500" was read as 1500.'
    assert read_numbers(["1 500,5"], ";").note.startswith('"1 500,5" was read as 1500.5.')
    assert read_numbers(["1500", "2"], ";").note == ""


@pytest.mark.parametrize("separator", [":", "~", "/"])
def test_a_table_with_another_separator_says_what_is_allowed(tmp_path, separator):
    (tmp_path / "t.csv").write_text(joined(separator))
    with pytest.raises(DataError) as error:
        read(tmp_path / "t.csv")
    assert str(error.value) == (
        f't.csv: has one column, "{separator.join(ROWS[0])}"; columns are separated by tabs, '
        "semicolons, commas, vertical bars or blanks."
    )


@settings(max_examples=200)
@given(value=st.floats(allow_nan=False), comma=st.booleans())
@example(value=1.5e300, comma=True)
def test_every_number_of_python_comes_back(value, comma):
    text = repr(value).replace(".", ",") if comma else repr(value)
    try:
        found = read_numbers([text], ";").values[0]
    except NotANumberError as problem:
        assert "may be" in str(problem)  # noqa: PT017
        return
    assert found == value


TEXT = st.one_of(
    st.binary(max_size=200),
    st.text(string.printable, max_size=200).map(str.encode),
    st.lists(st.lists(st.sampled_from(["m", "1", "2", "A", "B", "", "NA", "x,y", "-1", '"']),
                      min_size=3, max_size=5), max_size=8)
    .map(lambda rows: joined(",", [ROWS[0], *rows]).encode()),
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=TEXT, name=st.sampled_from(["t.csv", "t.tsv", "t.txt", "t.csv.gz"]))
def test_any_bytes_are_read_or_refused_in_one_sentence(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    try:
        read(tmp_path / name)
    except DataError as problem:
        sentence = str(problem)
    else:
        return
    assert sentence.startswith(name)
    assert sentence.endswith(".")
    assert "\n" not in sentence
