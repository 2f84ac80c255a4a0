"""What a table says of an animal: missing values, numbers as people write them, names of fields."""

import numpy as np
import pandas as pd
import pytest
from conftest import random_sessions

import hebbax
from hebbax.data import Sessions, data_hash, describe, to_frame
from hebbax.errors import DataError


def recorded(folder, header, values, separator=","):
    """Write a table of one animal a value, and read it."""
    rows = [["animal", "choice", "reward", header]]
    rows += [[f"m{k}", side, 1, value] for k, value in enumerate(values) for side in "LR"]
    path = folder / "mice.csv"
    path.write_text("".join(f"{separator.join(map(str, row))}\n" for row in rows))
    return hebbax.read(path)


@pytest.mark.parametrize(
    ("separator", "values", "expected", "note"),
    [
        (",", ["12", "NA", "15"], (12, np.nan, 15), ""),
        (",", ["12", "nan", "15"], (12, np.nan, 15), ""),
        (",", ["F", "NA", "M"], ("F", "", "M"), ""),
        (",", ["F", "None", "M"], ("F", "", "M"), ""),
        (";", ["12,5", "14", ""], (12.5, 14, np.nan), 'x: "12,5" was read as 12.5.'),
        (",", ['"1,200"', "900", "12"], (1200, 900, 12), 'x: "1,200" was read as 1200.'),
        (",", ["TRUE", "FALSE", "TRUE"], ("TRUE", "FALSE", "TRUE"), ""),
        (",", ["3 days", "4", "5"], ("3 days", "4", "5"), ""),
    ],
)
def test_covariates_are_read_as_the_fields_are(tmp_path, separator, values, expected, note):
    sessions = recorded(tmp_path, "x", values, separator)
    np.testing.assert_equal(sessions.covariates, {"x": expected})
    assert [one for one in sessions.notes if one.startswith("x:")] == [note] * bool(note)


def test_a_missing_covariate_is_missing_in_a_table_in_memory():
    table = pd.DataFrame({"animal": list("aabbcc"), "choice": list("LRLRLR"), "reward": 1})
    read = hebbax.read(table.assign(sex=["F", "F", "NA", "NA", "M", "M"]))
    assert read.covariates == {"sex": ("F", "", "M")}
    assert describe(read).counts["animals by sex"] == "F 1, missing 1, M 1"


FIELDS_OF_OTHERS = {
    "animal": ({"animal": "ID"}, {"animal": ["mouse"] * 4 + ["rat"] * 4}),
    "session": ({"animal": "ID", "session": "day"}, {"session": ["A"] * 4 + ["B"] * 4}),
    "Session": ({"animal": "ID", "session": "day"}, {"Session": ["A"] * 4 + ["B"] * 4}),
}


@pytest.mark.parametrize("header", FIELDS_OF_OTHERS)
def test_a_column_with_the_name_of_a_field_is_no_covariate(header):
    """The species of each animal, under the header of the field that names it, stood for it in
    tables that were written."""
    columns, own = FIELDS_OF_OTHERS[header]
    table = {"ID": ["x"] * 4 + ["y"] * 4, "day": [1, 1, 2, 2] * 2, "choice": list("LRLR") * 2}
    read = hebbax.read({**table, "reward": [1, 0] * 4, **own}, columns=columns)
    assert not read.covariates
    assert any(f"not read: {header}" in note or f", {header}" in note for note in read.notes)
    assert read.animals == ("x", "y")
    assert data_hash(hebbax.read(to_frame(read))) == data_hash(read)


@pytest.mark.parametrize("name", ["animal", "reward", "Session"])
def test_sessions_have_no_covariate_with_the_name_of_a_field(name):
    good = random_sessions(0)
    with pytest.raises(DataError) as problem:
        Sessions(**{**vars(good), "source": "s", "covariates": {name: ("x",) * good.n_animals}})
    assert str(problem.value) == (
        f"s, covariate {name}: has the name of a field; a table would have two of that name, so "
        "give it another."
    )
