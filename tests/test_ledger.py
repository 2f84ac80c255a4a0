"""A table of an experiment grows cell by cell; the scores of recovery are closed forms."""

import numpy as np
import pandas as pd
import pytest

from hebbax.errors import HebbaxError
from hebbax.mehta2024.recovery import percent_deviance, r2
from hebbax.run.ledger import Ledger, fill


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


def test_a_table_of_other_settings_is_kept(tmp_path):
    path = tmp_path / "grid.csv"
    Ledger(path, ("seed",), {"epochs": 3}).add([{"seed": 1}])
    sentence = (
        f"grid.csv: was made with other settings and lies in {tmp_path}; remove it, or give "
        "another --out."
    )
    with pytest.raises(HebbaxError) as caught:
        Ledger(path, ("seed",), {"epochs": 4})
    assert str(caught.value) == sentence


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
