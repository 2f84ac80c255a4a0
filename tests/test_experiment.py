"""The tables of docs/experiment.md are read as the page says."""

import re
from pathlib import Path

import numpy as np
import pytest

from hebbax.data import read

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


def test_every_table_of_the_page_is_tried():
    found = re.findall(r"^## (.*)\n+```text", PAGE.read_text(), re.M)
    assert found == list(READ)
