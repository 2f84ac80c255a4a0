"""A table of an experiment grows cell by cell; the scores of recovery are closed forms."""

import re
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest

from hebbax.errors import HebbaxError
from hebbax.mehta2024.recovery import percent_deviance, r2
from hebbax.model.spec import ModelSpec
from hebbax.runs.ledger import Ledger, fill, read


def test_a_stopped_experiment_goes_on(tmp_path):
    path = tmp_path / "grid.csv"
    first = Ledger(path, ("noise", "seed"), {"epochs": 3})
    assert not first.done(noise=0.2, seed=1)
    first.add([{"noise": 0.2, "seed": 1, "r2": 0.5}])
    second = Ledger(path, ("noise", "seed"), {"epochs": 3})
    assert second.done(noise=0.2, seed=1)
    assert not second.done(noise=0.2, seed=2)
    second.add([{"noise": 0.2, "seed": 2, "r2": 0.25}])
    assert pd.read_csv(path, comment="#")["r2"].tolist() == [0.5, 0.25]
    assert path.read_text().startswith("# hebbax ")


def test_what_is_begun_anew_replaces_rows_with_its_first_ones(tmp_path):
    path = tmp_path / "grid.csv"
    Ledger(path, ("seed",), {"epochs": 3}).add([{"seed": 1, "r2": 0.5}])
    anew = Ledger(path, ("seed",), {"epochs": 4}, anew=True)
    assert not anew.done(seed=1)
    assert read(path)["r2"].tolist() == [0.5]
    anew.add([{"seed": 2, "r2": 0.25}])
    assert Ledger(path, ("seed",), {"epochs": 4}).frame["r2"].tolist() == [0.25]


def test_a_name_with_a_sign_of_comments_is_read_back(tmp_path):
    path = tmp_path / "grid.csv"
    Ledger(path, ("rule",), 0).add([{"rule": "a #1", "r2": 0.5}])
    again = Ledger(path, ("rule",), 0)
    assert again.done(rule="a #1")
    assert again.frame["r2"].tolist() == [0.5]


def test_only_what_is_missing_is_made(tmp_path):
    first, second = (Ledger(tmp_path / f"{name}.csv", ("seed",), 0) for name in ("a", "b"))
    first.add([{"seed": 0, "value": 1.0}])
    second.add([{"seed": 0, "value": 2.0}])
    first.add([{"seed": 1, "value": 3.0}])
    made, told = [], []

    def rows(seed):
        made.append(seed)
        return [{"seed": seed, "value": 10.0}], [{"seed": seed, "value": 20.0}]

    cells = {f"seed {seed}": {"seed": seed} for seed in range(3)}
    fill((first, second), cells, rows, lambda *said: told.append(said))
    assert made == [1, 2]
    assert first.frame["value"].tolist() == [1.0, 3.0, 10.0]
    assert second.frame["value"].tolist() == [2.0, 20.0, 20.0]
    assert told == [("seed 0", 0, 3), ("seed 1", 1, 3), ("seed 2", 2, 3), ("done", 3, 3)]


@dataclass(frozen=True)
class Inner:
    chains: int = 4


@dataclass(frozen=True)
class Plan:
    epochs: int = 3
    sampler: Inner = Inner()
    models: tuple[Inner, ...] = (Inner(),)


@pytest.mark.parametrize(
    ("made", "asked", "difference"),
    [
        ({"epochs": 3}, {"epochs": 4}, "with epochs 3, and 4 is asked for"),
        (Plan(), Plan(epochs=4), "with epochs 3, and 4 is asked for"),
        (Plan(), Plan(sampler=Inner(2)), "with sampler.chains 4, and 2 is asked for"),
        (
            Plan(),
            Plan(models=(Inner(), Inner(1))),
            "without models.part 2.chains, and 1 is asked for",
        ),
        ((Inner(), Plan()), (Inner(), Plan(5)), "with epochs 3, and 5 is asked for"),
        ((Inner(), Inner()), (Inner(), Inner(1)), "with part 2.chains 4, and 1 is asked for"),
        (("abc", Plan()), ("abd", Plan()), "with part 1 abc, and abd is asked for"),
        (("abc", Plan(), ("L1",)), ("abc", Plan(), ()), 'with part 3 ["L1"], and [] is asked for'),
        (0, 1, "with part 1 0, and 1 is asked for"),
        ({"a": np.float64(1)}, {"a": np.float64(2)}, "with a 1.0, and 2.0 is asked for"),
    ],
)
def test_a_table_of_other_settings_is_kept_and_the_difference_named(
    made, asked, difference, tmp_path
):
    path = tmp_path / "grid.csv"
    Ledger(path, ("seed",), made).add([{"seed": 1}])
    before = path.read_bytes()
    with pytest.raises(HebbaxError) as caught:
        Ledger(path, ("seed",), asked)
    assert str(caught.value) == (
        f"grid.csv: was made {difference}, and lies in {tmp_path}; move it away, or give another "
        "--out."
    )
    assert path.read_bytes() == before
    assert Ledger(path, ("seed",), made).done(seed=1)


@pytest.mark.parametrize("package", ["hebbax", "jax", "numpyro"])
def test_rows_of_other_versions_are_kept_and_not_added_to(package, tmp_path):
    path = tmp_path / "grid.csv"
    Ledger(path, ("seed",), 0).add([{"seed": 1}])
    now = version(package)
    path.write_text(path.read_text().replace(f"{package} {now},", f"{package} 0.0.7,", 1))
    with pytest.raises(HebbaxError) as caught:
        Ledger(path, ("seed",), 0)
    assert str(caught.value) == (
        f"grid.csv: was made by {package} 0.0.7, whose rows do not go into one table with those of "
        f"{package} {now}, and lies in {tmp_path}; move it away, install the former, or give "
        "another --out."
    )
    assert read(path)["seed"].tolist() == [1]


def test_a_table_of_before_that_names_no_settings_goes_on(tmp_path):
    path = tmp_path / "grid.csv"
    Ledger(path, ("seed",), 0).add([{"seed": 1}])
    path.write_text(re.sub(r" \{.*\}", "", path.read_text(), count=1))
    with pytest.raises(HebbaxError) as caught:
        Ledger(path, ("seed",), 1)
    assert str(caught.value) == (
        f"grid.csv: was made with other settings, and lies in {tmp_path}; move it away, or give "
        "another --out."
    )
    again = Ledger(path, ("seed",), 0)
    again.add([{"seed": 2}])
    assert read(path)["seed"].tolist() == [1, 2]


DAMAGES = {
    "nothing": (lambda text: b"", "does not say in its first line with what it was made"),
    "no first line": (
        lambda text: text.split(b"\n", 1)[1],
        "does not say in its first line with what it was made",
    ),
    "other bytes": (lambda text: b"\x89\xff" + text, "is not text"),
    "settings cut off": (
        lambda text: text.replace(b'"settings": {', b'"settings": ', 1),
        "does not say in its first line with what it was made",
    ),
    "a row cut off": (lambda text: text[:-4], "has other rows than were written"),
    "a number changed": (
        lambda text: text.replace(b"0.5", b"0.6"),
        "has other rows than were written",
    ),
    "another column": (lambda text: text.replace(b"\nseed,", b"\nsead,"), "has other rows than were written"),
    "of before, a row too long": (
        lambda text: OLD.sub(b"", text, count=1) + b"1,2,3,4\n",
        "is no table",
    ),
    "of before, no rows": (lambda text: OLD.sub(b"", text.split(b"\n")[0]), "is no table"),
    "of before, another column": (
        lambda text: OLD.sub(b"", text, count=1).replace(b"\nseed,", b"\nsead,"),
        'has no column "seed"',
    ),
}  # fmt: skip
OLD = re.compile(rb" \{.*\}")


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_table_is_kept_and_refused_in_one_sentence(name, tmp_path):
    change, found = DAMAGES[name]
    path = tmp_path / "grid.csv"
    Ledger(path, ("seed",), Plan()).add([{"seed": 1, "r2": 0.5}, {"seed": 2, "r2": 0.25}])
    path.write_bytes(damaged := change(path.read_bytes()))
    with pytest.raises(HebbaxError) as caught:
        Ledger(path, ("seed",), Plan())
    assert str(caught.value) == (
        f"grid.csv: {found}, so that it is damaged or was edited, and lies in {tmp_path}; put back "
        "a copy, or move it away to start anew."
    )
    assert path.read_bytes() == damaged


def test_a_flipped_byte_changes_no_row_in_silence(tmp_path):
    path = tmp_path / "grid.csv"
    Ledger(path, ("seed",), Plan()).add([{"seed": 1, "r2": 0.5}, {"seed": 2, "r2": 0.25}])
    raw, rows = path.read_bytes(), read(path)
    for place in range(len(raw)):
        flipped = bytearray(raw)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with suppress(HebbaxError):
            pd.testing.assert_frame_equal(Ledger(path, ("seed",), Plan()).frame, rows)


def test_r2_is_one_less_the_mean_share_left_over():
    true = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    assert r2(true, true) == 1.0
    assert r2(true, np.broadcast_to(true.mean(0), true.shape)) == 0.0
    fitted = true + np.array([1.0, 0.0])  # one unit of two: 1 - 3 / 2
    assert r2(true, fitted) == pytest.approx((1.0 - 1.5 + 1.0) / 2)
    assert r2(true[..., None], fitted[..., None]) == r2(true, fitted)


def test_deviance_explained_is_nothing_of_the_null_and_all_of_certainty():
    null = np.full(4, np.log(0.5))
    assert percent_deviance(null, null) == 0.0
    assert percent_deviance(np.zeros(4), null) == 100.0
    assert percent_deviance(np.full(4, np.log(0.25)), null) == pytest.approx(-100.0)


def test_a_cell_called_null_is_no_missing_one(tmp_path):
    path = tmp_path / "models.csv"
    Ledger(path, ("model",), 0).add(
        [{"model": "no-learning", "score": 1.5}, {"model": "", "score": 2.0}]
    )
    again = Ledger(path, ("model",), 0)
    assert again.done(model="no-learning")
    assert again.frame["model"].isna().tolist() == [False, True]


@pytest.mark.parametrize("kind", [tuple, list])
def test_what_a_model_does_not_show_of_itself_is_a_setting_too(kind, tmp_path):
    made, asked = (ModelSpec("m", ("w",), "why", lapse_median=median) for median in (0.05, 0.06))
    assert repr(made) == repr(asked)
    Ledger(tmp_path / "grid.csv", ("seed",), (0, kind([made]))).add([{"seed": 1}])
    with pytest.raises(HebbaxError, match=r"lapse_median.* 0\.05"):
        Ledger(tmp_path / "grid.csv", ("seed",), (0, kind([asked])))
