"""Excel and NWB, written by the libraries that others write them with, hold what a CSV holds."""

import datetime
import re
import zipfile

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


def save_nwb(path, rows, columns=("choice", "reward", "forced"), subject="m2", day=1, sex="F"):
    """Write trials as a laboratory does: a file a session."""
    start = datetime.datetime(2024, 5, day, 9, tzinfo=datetime.UTC)
    who = None if subject is None else Subject(subject_id=subject, sex=sex, species="Mus musculus")
    file = NWBFile("a bandit", f"{subject}-{day}", start, subject=who)
    for name in (*columns, "licks") if len(rows) else ():
        file.add_trial_column(name, name, index=name == "licks")
    for k, row in enumerate(rows):
        cells = dict(zip(columns, row, strict=True))
        file.add_trial(float(k), k + 0.5, licks=[k + 0.1, k + 0.2], **cells)
    path.parent.mkdir(parents=True, exist_ok=True)
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


PAIR = ("choice", "reward")


def test_two_nwb_files_of_one_animal_with_one_start_are_refused(tmp_path):
    rows = [("L", 1.0), ("R", 0.0)]
    for where in ("one/s.nwb", "two/s.nwb"):
        save_nwb(tmp_path / "n" / where, rows, PAIR)
    with pytest.raises(DataError) as problem:
        hebbax.read(tmp_path / "n")
    assert str(problem.value) == (
        "two/s.nwb: begins at 2024-05-01T09:00:00+00:00 with animal m2, as one/s.nwb does; if both "
        "are one session, keep one file of it, and if they are two, give each its "
        "session_start_time, or the trials of all files a column session."
    )
    for k, side in enumerate("LR", 1):
        rows = [(k, side, 1.0), (k, "L", 0.0)]
        save_nwb(tmp_path / "told" / f"{k}.nwb", rows, ("session", *PAIR))
        rows = [(f"a{k}", side, 1.0), (f"a{k}", "L", 0.0)]
        save_nwb(tmp_path / "rig" / f"{k}.nwb", rows, ("mouse", *PAIR))
    assert hebbax.read(tmp_path / "told").n_sessions == 2
    assert hebbax.read(tmp_path / "rig", columns={"animal": "mouse"}).animals == ("a1", "a2")


def test_hidden_nwb_files_are_passed_over_and_others_stand_in_natural_order(tmp_path):
    for number in (10, 2):
        rows = [("L", 1.0), ("R", 0.0)]
        save_nwb(tmp_path / "n" / f"Fly{number}.nwb", rows, PAIR, subject=f"Fly{number}")
    (tmp_path / "n" / "._Fly2.nwb").write_bytes(b"left behind")
    (tmp_path / "n" / "__MACOSX").mkdir()
    (tmp_path / "n" / "__MACOSX" / "Fly2.nwb").write_bytes(b"left behind")
    assert hebbax.read(tmp_path / "n").animals == ("Fly2", "Fly10")


def test_a_subject_of_unknown_sex_stands_among_others(tmp_path):
    for subject, sex in (("m1", "F"), ("m2", None), ("m3", "M")):
        save_nwb(tmp_path / "n" / f"{subject}.nwb", [("L", 1.0), ("R", 0.0)], PAIR, subject, 1, sex)
    read = hebbax.read(tmp_path / "n")
    assert read.covariates == {"sex": ("F", "", "M")}
    assert not any("genotype" in note for note in read.notes)


@pytest.mark.parametrize("error", ["#REF!", "#DIV/0!", "#VALUE!"])
def test_an_error_in_a_cell_of_excel_is_no_empty_cell(error, tmp_path):
    table = pd.DataFrame({"animal": "m", "choice": ["L", "R", "L"], "reward": [1, 0, 1]})
    for field in ("choice", "reward"):
        bad = table.astype(object)
        bad.loc[1, field] = error  # openpyxl stores such text as an error
        bad.to_excel(tmp_path / "x.xlsx", index=False)
        with pytest.raises(DataError, match=re.escape(f'"{error}"')):
            hebbax.read(tmp_path / "x.xlsx")


def test_a_formula_of_excel_without_a_value_is_refused(tmp_path):
    table = pd.DataFrame({"animal": "m", "choice": ["L", "R", "L"], "reward": [1, 0, 1]})
    table.astype(object).replace("R", '=IF(1=1,"R","")').to_excel(tmp_path / "x.xlsx", index=False)
    with pytest.raises(DataError) as problem:
        hebbax.read(tmp_path / "x.xlsx")
    assert str(problem.value) == (
        "x.xlsx: cell B3 has a formula and no value; open the file in a spreadsheet program and "
        "save it there, which stores what formulas give."
    )


@pytest.mark.parametrize("cells", ["H3:J6", "A40:D50"])
def test_cells_that_are_merged_elsewhere_change_nothing(cells, tmp_path):
    table = pd.DataFrame({"animal": "m", "choice": ["L", "R", "L"], "reward": [1, 0, 1]})
    with pd.ExcelWriter(tmp_path / "x.xlsx") as book:
        table.to_excel(book, index=False)
        book.sheets["Sheet1"].merge_cells(cells)
    assert hebbax.read(tmp_path / "x.xlsx").n_choices == 3


def test_merged_cells_of_excel_are_refused(tmp_path):
    table = pd.DataFrame({"animal": "m", "choice": ["L", "R", "L"], "offered": ["L|R", "", ""]})
    with pd.ExcelWriter(tmp_path / "x.xlsx") as book:
        table.assign(reward=[1, 0, 1]).to_excel(book, index=False)
        book.sheets["Sheet1"].merge_cells("C2:C4")
    with pytest.raises(DataError) as problem:
        hebbax.read(tmp_path / "x.xlsx")
    assert str(problem.value) == (
        "x.xlsx: cells C2:C4 are merged, of which all but the first are empty; part them, and fill "
        "in every row."
    )


def test_a_formula_of_excel_that_gave_an_empty_text_is_an_empty_cell(tmp_path):
    """As a spreadsheet program stores it: text of no length, which openpyxl does not write."""
    table = pd.DataFrame({"animal": "m", "choice": ["L", "R", "=A9"], "reward": [1, 0, "=A9"]})
    table.to_excel(tmp_path / "computed.xlsx", index=False)
    stored = {"B4": b't="str"><f>A9</f><v></v>', "C4": b't="str"><f>A9</f><v></v>'}
    with (
        zipfile.ZipFile(tmp_path / "computed.xlsx") as old,
        zipfile.ZipFile(tmp_path / "x.xlsx", "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                for cell, text in stored.items():
                    content, n = re.subn(
                        rb'(<c r="%s")[^>]*><f>A9</f><v ?/?>(</v>)?' % cell.encode(),
                        rb"\1 " + text,
                        content,
                    )
                    assert n == 1
            new.writestr(name, content)
    assert hebbax.read(tmp_path / "x.xlsx").choices.tolist() == [[0, 1, -1]]


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
