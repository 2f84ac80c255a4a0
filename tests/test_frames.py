"""Recordings in memory: DataFrames of several libraries, columns, data sets; the same as from a file."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from conftest import random_sessions

import hebbax
from hebbax import data
from hebbax.data import data_hash
from hebbax.errors import DataError


@pytest.fixture(scope="module")
def table():
    """Three animals, one of them with two sessions, an omitted trial and two covariates."""
    rng = np.random.default_rng(0)
    rows = [
        (
            animal,
            session,
            trial + 1,
            rng.choice(["left", "right"]),
            int(rng.integers(2)),
            group,
            age,
        )
        for animal, sessions, group, age in (
            ("m2", 2, "drug", 70),
            ("m10", 1, "drug", 82),
            ("m1", 1, "saline", 75),
        )
        for session in range(1, sessions + 1)
        for trial in range(5)
    ]
    made = pd.DataFrame(
        rows, columns=["animal", "session", "trial", "choice", "reward", "group", "age"]
    )
    made.loc[3, ["choice", "reward"]] = [None, np.nan]
    return made


KINDS = {
    "polars": pl.from_pandas,
    "polars, lazy": lambda table: pl.from_pandas(table).lazy(),
    "pyarrow": lambda table: pa.Table.from_pandas(table, preserve_index=False),
    "columns": lambda table: {name: table[name].tolist() for name in table},
    "index": lambda table: table.set_index(["animal", "session", "trial"]),
    "categories": lambda table: table.astype({"animal": "category", "choice": "category"}),
    "nullable": lambda table: table.convert_dtypes(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_in_memory_is_read_as_its_file(kind, table, tmp_path):
    table.to_csv(tmp_path / "mice.csv", index=False)
    file, read = (
        hebbax.read(tmp_path / "mice.csv"),
        hebbax.read(KINDS[kind](table), name="mice.csv"),
    )
    assert data_hash(read) == data_hash(file)
    assert (read.animals, read.covariates, read.source) == (
        file.animals,
        file.covariates,
        "mice.csv",
    )
    assert (read.session == file.session).all()


def test_cells_that_hold_several_values_are_passed_over(table):
    with_licks = table.assign(licks=[[0.1, 0.2]] * len(table), spikes=[np.zeros(3)] * len(table))
    assert data_hash(hebbax.read(with_licks)) == data_hash(hebbax.read(table))
    polars = pl.from_pandas(table).with_columns(licks=[[0.1]] * len(table))
    assert data_hash(hebbax.read(polars)) == data_hash(hebbax.read(table))


def test_what_fills_an_array_up_is_no_trial(table):
    """An animal with one session of two, whose trials an array has to fill up."""
    cells = table.drop(columns=["group", "age"]).set_index(["animal", "session", "trial"])
    read = hebbax.read(cells.to_xarray())
    assert data_hash(hebbax.data.select(read, ["m2", "m10", "m1"])) == data_hash(
        hebbax.read(table.drop(columns=["group", "age"]))
    )
    assert read.notes[0].startswith("10 trials behind the last with a choice or a reward")


def cube(**fields):
    """Return a data set of arrays (animal, trial) of two animals."""
    cells = {name: (("animal", "trial"), values) for name, values in fields.items()}
    n_trials = np.shape(next(iter(fields.values())))[1]
    return xr.Dataset(cells, {"animal": ["a", "b"], "trial": np.arange(1, n_trials + 1)})


def test_a_trial_whose_session_is_missing_is_not_passed_over():
    choice = [["L", "R", "L", "R"], ["R", "L", None, None]]
    reward = [[1, 0, 1, 0], [0, 1, np.nan, np.nan]]
    with pytest.raises(DataError, match=r"Dataset, row 2, session: empty; every row needs one\."):
        hebbax.read(cube(choice=choice, reward=reward, session=[[1, 1, np.nan, 2], [1, 1, 1, 1]]))
    filled = [[1, 1, 2, 2], [1, 1, np.nan, np.nan]]
    read = hebbax.read(cube(choice=choice, reward=reward, session=filled))
    assert list(read.n_trials) == [4, 2]
    assert read.notes[0].startswith("2 trials behind the last with a choice or a reward")


def test_empty_text_fills_an_array_up_too():
    choice = np.array([["L", "R", "", "R"], ["R", "L", "", ""]])
    reward = [[1, 0, np.nan, 0], [0, 1, np.nan, np.nan]]
    read = hebbax.read(cube(choice=choice, reward=reward))
    assert list(read.n_trials) == [4, 2]
    assert list(read.valid.sum(axis=1)) == [3, 2]


def test_arrays_of_animals_and_trials_are_a_data_set():
    rng = np.random.default_rng(1)
    choice, reward = rng.integers(2, size=(2, 3, 20))
    cells = ("animal", "trial")
    coords = {"animal": ["a", "b", "c"], "trial": np.arange(20)}
    read = hebbax.read(xr.Dataset({"choice": (cells, choice), "reward": (cells, reward)}, coords))
    assert (read.choices == choice).all()
    assert (read.rewards == reward).all()
    assert read.animals == ("a", "b", "c")


@pytest.mark.parametrize("seed", range(4))
def test_sessions_come_back_from_a_data_set_and_from_a_table(seed):
    sessions = random_sessions(seed, n_stimuli=2 + seed % 2)
    assert data_hash(hebbax.read(data.to_dataset(sessions))) == data_hash(sessions)
    without = data.to_frame(sessions)
    assert data.to_frame(hebbax.read(without)).equals(without)
    assert hebbax.read(sessions) is sessions


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (3, "int given to be read; a path, a DataFrame, columns by name, or an xarray.Dataset is needed."),
        ({"animal": ["a"], "choice": ["x", "y"]}, "dict: columns of different lengths given (animal 1, choice 2)."),
        ({"animal": [["a"]]}, "dict, animal: 2 dimensions given; a column has one dimension, and arrays (animal, trial) go into an xarray.Dataset."),
        ({"animal": "a"}, "dict, animal: a single value given; a column has one dimension, and arrays (animal, trial) go into an xarray.Dataset."),
        (pd.DataFrame({"animal": ["a"], "choice": ["x"]}), 'DataFrame: no column "reward"; found animal, choice; name another header with --column reward=HEADER.'),
        (pd.DataFrame(columns=["animal", "choice", "reward"]), "DataFrame: the table has a header and no rows."),
        (pd.DataFrame([["a", "x", 1, 0]], columns=["animal", "choice", "reward", "reward"]), 'DataFrame: the column "reward" stands twice; each header may stand once.'),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_a_sentence(given, sentence):
    with pytest.raises(DataError) as problem:
        hebbax.read(given)
    assert str(problem.value) == sentence


def test_a_bad_cell_is_named_by_its_place(table):
    bad = table.astype({"reward": object})
    bad.loc[7, "reward"] = "many"
    with pytest.raises(
        DataError, match=r'DataFrame, animal m2, session 2, trial 3, reward: "many" is'
    ):
        hebbax.read(bad)


@pytest.mark.parametrize("kind", ["data set", "sessions"])
def test_sessions_have_no_columns_to_name(kind):
    sessions = random_sessions(0)
    given = data.to_dataset(sessions) if kind == "data set" else sessions
    for meaning, option in (
        ({"columns": {"reward": "r"}}, "--column"),
        ({"no_choice": "x"}, "--no-choice"),
    ):
        with pytest.raises(DataError, match=f"{option} is for tables only"):
            hebbax.read(given, **meaning)


def test_headers_and_codes_may_be_numbers():
    numbered = pd.DataFrame([["a", "1", 1], ["a", "2", 0], ["a", "-1", np.nan]])
    columns = {"animal": 0, "choice": 1, "reward": 2}
    read = hebbax.read(numbered, columns=columns, no_choice=-1)
    assert read.choices.tolist() == [[0, 1, -1]]
    with pytest.raises(DataError) as problem:
        hebbax.read(numbered, columns=columns, no_choice=9)
    assert str(problem.value) == 'DataFrame: no choice is "9"; found -1, 1, 2.'
    with pytest.raises(DataError, match='no column "3" for reward; found 0, 1, 2'):
        hebbax.read(numbered, columns={**columns, "reward": 3})


def test_a_data_set_of_sessions_that_lacks_a_variable_is_refused():
    broken = data.to_dataset(random_sessions(0)).drop_vars("rewards")
    with pytest.raises(DataError, match="the variable rewards is missing"):
        hebbax.read(broken)
