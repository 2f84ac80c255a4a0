"""The tables of docs/experiment.md are read as the page says."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from hebbax.data import read
from hebbax.model.declared import declared_models
from hebbax.model.spec import ModelSpec

PAGE = Path(__file__).parents[1] / "docs" / "experiment.md"
NONE = -1

READ = {
    "One session": {"choices": [[0, 1, 0]], "rewards": [[1, 0, 1]], "session": [[0, 0, 0]]},
    "Several sessions": {"choices": [[0, 1, 0, 0]], "session": [[0, 0, 1, 1]]},
    "Forced trials": {"choices": [[0, 1, 1, 1]], "free": [[1, 0, 0, 1]]},
    "A subset is offered": {
        "choices": [[0, 2, 1, 0]],
        "offered": [[[1, 1, 0], [0, 1, 1], [1, 1, 1], [1, 0, 0]]],
        "free": [[1, 1, 1, 0]],
    },
    "Omitted trials": {"choices": [[0, NONE, 1]], "valid": [[1, 0, 1]]},
    "Encounters": {
        "choices": [[1, 0, NONE]],
        "session": [[0, 0, 1]],
        "rejections": [[[1, 0], [0, 0], [0, 1]]],
    },
}


@pytest.mark.parametrize("heading", READ)
def test_a_table_of_the_page_is_read_as_it_says(tmp_path, heading):
    (text,) = re.findall(rf"^## {heading}\n+```text\n(.*?)```", PAGE.read_text(), re.M | re.S)
    (tmp_path / "t.csv").write_text(text)
    sessions = read(tmp_path / "t.csv")
    assert sessions.notes == ()
    for field, values in READ[heading].items():
        np.testing.assert_array_equal(getattr(sessions, field), values)


def test_models_and_keys_of_the_page_are_there():
    """What stands in backticks in the tables of the first section, but for words with an equals
    sign or quotes in them, which are values of keys."""
    start = PAGE.read_text().partition("## The table")[0]
    rows = [row.split("|") for row in start.splitlines() if row.startswith("| ")]
    code = [word for row in rows for cell in row[3:] for word in re.findall(r"`([^`]*)`", cell)]
    named = {
        word
        for text in code
        for word in re.split(r"[ ,]+", text.partition(" =")[0])
        if word[0] != "-"
    }
    keys = {field.name for field in fields(ModelSpec)}
    assert {"forgetting-q", "fictive-q"} <= named
    assert named <= {*declared_models(), *keys}


def test_every_table_of_the_page_is_tried():
    found = re.findall(r"^## (.*)\n+```text", PAGE.read_text(), re.M)
    assert found == list(READ)
