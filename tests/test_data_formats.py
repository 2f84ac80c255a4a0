"""Excel and NWB, written by the libraries that others write them with, hold what a CSV holds."""

import datetime

import numpy as np
import pandas as pd
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.file import Subject

import hebbax
from hebbax.data import data_hash
from hebbax.errors import DataError


@pytest.fixture(scope="module")
def table():
    """Two animals of two sessions, with omitted and forced trials."""
    rng = np.random.default_rng(0)
    rows = [
        (animal, session, rng.choice(["left", "right"]), float(rng.integers(2)), int(trial == 2))
        for animal in ("m2", "m10")
        for session in (1, 2)
        for trial in range(6)
    ]
    made = pd.DataFrame(rows, columns=["animal", "session", "choice", "reward", "forced"])
    made.loc[4, ["choice", "reward"]] = [None, np.nan]
    return made


@pytest.fixture(scope="module")
def sessions(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "mice.csv"
    table.to_csv(path, index=False)
    return hebbax.read(path)


def save_nwb(path, rows, columns=("choice", "reward", "forced"), subject="m2", day=1):
    """Write trials as a laboratory does: a file a session."""
    start = datetime.datetime(2024, 5, day, 9, tzinfo=datetime.UTC)
    who = None if subject is None else Subject(subject_id=subject, sex="F", species="Mus musculus")
    file = NWBFile("a bandit", f"{subject}-{day}", start, subject=who)
    for name in (*columns, "licks") if len(rows) else ():
        file.add_trial_column(name, name, index=name == "licks")
    for k, row in enumerate(rows):
        cells = dict(zip(columns, row, strict=True))
        file.add_trial(float(k), k + 0.5, licks=[k + 0.1, k + 0.2], **cells)
    path.parent.mkdir(exist_ok=True)
    with NWBHDF5IO(path, "w") as opened:
        opened.write(file)


def test_an_excel_file_holds_what_the_csv_holds(table, sessions, tmp_path):
    with pd.ExcelWriter(tmp_path / "mice.xlsx") as book:
        table.to_excel(book, sheet_name="trials", index=False)
        pd.DataFrame({"weight": [21.0]}).to_excel(book, sheet_name="weights")
    read = hebbax.read(tmp_path / "mice.xlsx")
    assert data_hash(read) == data_hash(sessions)
    assert 'Of its sheets the first, "trials", was read, and not "weights".' in read.notes


def test_a_folder_of_nwb_files_holds_what_the_csv_holds(table, sessions, tmp_path):
    for (animal, day), own in table.groupby(["animal", "session"], sort=False):
        rows = own[["choice", "reward", "forced"]].fillna({"choice": ""}).to_numpy()
        save_nwb(tmp_path / "nwb" / f"{animal}_{day}.nwb", rows, subject=animal, day=day)
    read = hebbax.read(tmp_path / "nwb")
    order = [read.animals.index(animal) for animal in sessions.animals]
    assert (read.choices[order] == sessions.choices).all()
    assert (read.session[order] == sessions.session).all()
    assert (read.rewards[order] == sessions.rewards).all()
    assert (read.free[order] == sessions.free).all()
    assert read.n_sessions == 2


def test_one_nwb_file_with_columns_of_other_names(tmp_path):
    path = tmp_path / "m.nwb"
    save_nwb(path, [("L", 1.0), ("R", 0.0), ("L", 0.0)], ("poke", "drops"))
    read = hebbax.read(path, columns={"choice": "poke", "reward": "drops"})
    assert read.animals == ("m2",)
    assert read.stimuli == ("L", "R")
    assert list(read.choices[0]) == [0, 1, 0]
    assert list(read.rewards[0]) == [1, 0, 0]


def test_a_column_of_an_nwb_file_may_name_the_animal(tmp_path):
    rows = [("a", "L", 1.0), ("b", "R", 0.0), ("a", "R", 0.0), ("b", "L", 1.0)]
    for name, subject in (("with.nwb", "m2"), ("without.nwb", None)):
        save_nwb(tmp_path / name, rows, ("mouse", "choice", "reward"), subject=subject)
        read = hebbax.read(tmp_path / name, columns={"animal": "mouse"})
        assert read.animals == ("a", "b")
        assert not read.covariates


def test_nwb_files_of_one_recording_have_the_same_columns(tmp_path):
    save_nwb(tmp_path / "n" / "1.nwb", [("L", 1.0)], ("choice", "reward"))
    save_nwb(tmp_path / "n" / "2.nwb", [("L", 1.0)], ("Choice", "reward"), day=2)
    with pytest.raises(DataError) as problem:
        hebbax.read(tmp_path / "n")
    assert str(problem.value) == (
        "2.nwb: has other columns than 1.nwb (Choice, choice); files of one recording have the same."
    )
    (tmp_path / "n" / "1.mat").write_bytes(b"")
    with pytest.raises(DataError, match=r"holds 1\.nwb and 1\.mat; put NWB and MATLAB files into"):
        hebbax.read(tmp_path / "n")


def test_an_excel_file_with_times_and_with_a_header_that_stands_twice(table, sessions, tmp_path):
    start = [datetime.time(9, minute) for minute in range(len(table))]
    gone = [datetime.timedelta(hours=30, minutes=minute) for minute in range(len(table))]
    table.assign(start=start, gone=gone).to_excel(tmp_path / "x.xlsx", index=False)
    assert data_hash(hebbax.read(tmp_path / "x.xlsx")) == data_hash(sessions)
    twice = table.set_axis([*table.columns[:-1], "reward"], axis=1)
    twice.to_excel(tmp_path / "y.xlsx", index=False)
    with pytest.raises(DataError, match=r'y.xlsx: the column "reward" stands twice'):
        hebbax.read(tmp_path / "y.xlsx")


def test_what_lacks_in_an_nwb_file_is_named(tmp_path):
    save_nwb(tmp_path / "a.nwb", [("L", 1.0)], ("choice", "reward"), subject=None)
    save_nwb(tmp_path / "b.nwb", [])
    (tmp_path / "c.nwb").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (tmp_path / "d.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    for name, sentence in {
        "a.nwb": "a.nwb: names no subject, and has no column animal; give it a subject_id.",
        "b.nwb": "b.nwb: has no table of trials.",
        "c.nwb": "c.nwb: not a readable NWB file.",
        "d.xlsx": "d.xlsx: not a readable Excel file.",
    }.items():
        with pytest.raises(DataError) as problem:
            hebbax.read(tmp_path / name)
        assert str(problem.value) == sentence


@pytest.mark.parametrize(("library", "name"), [("openpyxl", "x.xlsx"), ("pynwb", "x.nwb")])
def test_a_library_that_is_not_installed_is_named(library, name, table, tmp_path, monkeypatch):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / f"{library}.py").write_text("raise ImportError('no', name=__name__)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    if library == "openpyxl":
        table.to_excel(tmp_path / name)
    else:
        save_nwb(tmp_path / name, [])
    with pytest.raises(DataError) as problem:
        hebbax.read(tmp_path / name)
    kind, extra = ("Excel", "excel") if library == "openpyxl" else ("NWB", "nwb")
    assert str(problem.value) == (
        f"{name}: an {kind} file, which needs {library} to be read; "
        f"python -m pip install 'hebbax[{extra}]' installs it."
    )
