"""What a study was told of its checks is kept in its folder."""

import json

import pytest

from hebbax.errors import FitError
from hebbax.reporting.told import Told, read, write

RIGHT = {"version": 2, "trials_per_block": 80, "baiting": "baited", "seed": 3}


@pytest.mark.parametrize("told", [Told(), Told(80, "baited", 3), Told(None, "independent", 0)])
def test_what_was_told_comes_back(tmp_path, told):
    assert read(tmp_path) == Told(None, "auto", 0)
    write(told, tmp_path)
    assert read(tmp_path) == told


NOT_READABLE = (
    "not readable as what `hebbax run` wrote; remove it, and give --trials-per-block, --baiting and --seed "
    "again."
)


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        ("", NOT_READABLE),
        ("[1]", NOT_READABLE),
        ("[" * 9999, NOT_READABLE),
        ({"trials_per_block": 0}, '"trials_per_block" must be a whole number of trials from 1 to 100000, or null, 0 given.'),
        ({"trials_per_block": "80"}, '"trials_per_block" must be a whole number of trials from 1 to 100000, or null, "80" given.'),
        ({"baiting": "both"}, '"baiting" must be "auto" or "baited" or "independent", "both" given.'),
        ({"seed": -1}, '"seed" must be a whole number from 0 to 4294967295, -1 given.'),
        ({"version": 1}, '"version" must be 2, as this hebbax writes it, 1 given.'),
        ({"seeds": 3}, 'unknown key "seeds" (did you mean "seed"?); known keys are version, trials_per_block, baiting, seed.'),
    ],
)  # fmt: skip
def test_what_is_none_of_hebbaxs_is_refused(tmp_path, held, sentence):
    text = held if isinstance(held, str) else json.dumps(RIGHT | held)
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(FitError) as error:
        read(tmp_path)
    assert str(error.value) == f"study.json: {sentence}"
