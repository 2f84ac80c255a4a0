"""What a study was told of its checks is kept in its folder."""

import json

import pytest

from hebbax.errors import FitError
from hebbax.reporting.told import Told, read, write

RIGHT = {"version": 1, "blocks": 80, "baiting": "baited", "seed": 3}


@pytest.mark.parametrize("told", [Told(), Told(80, "baited", 3), Told(None, "independent", 0)])
def test_what_was_told_comes_back(tmp_path, told):
    assert read(tmp_path) == Told(None, "auto", 0)
    write(told, tmp_path)
    assert read(tmp_path) == told


NOT_READABLE = (
    "not readable as what `hebbax run` wrote; remove it, and give --blocks, --baiting and --seed "
    "again."
)


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        ("", NOT_READABLE),
        ("[1]", NOT_READABLE),
        ("[" * 9999, NOT_READABLE),
        ({"blocks": 0}, '"blocks" must be a whole number of trials from 1 to 100000, or null, 0 given.'),
        ({"blocks": "80"}, '"blocks" must be a whole number of trials from 1 to 100000, or null, "80" given.'),
        ({"baiting": "both"}, '"baiting" must be "auto" or "baited" or "independent", "both" given.'),
        ({"seed": -1}, '"seed" must be a whole number from 0 to 4294967295, -1 given.'),
        ({"version": 2}, '"version" must be 1, as this hebbax writes it, 2 given.'),
        ({"block": 3}, 'unknown key "block" (did you mean "blocks"?); known keys are version, blocks, baiting, seed.'),
    ],
)  # fmt: skip
def test_what_is_none_of_hebbaxs_is_refused(tmp_path, held, sentence):
    text = held if isinstance(held, str) else json.dumps(RIGHT | held)
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(FitError) as error:
        read(tmp_path)
    assert str(error.value) == f"study.json: {sentence}"
