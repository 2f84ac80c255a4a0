"""The next trials of the same animals against quadrature, and from the command line."""

import json
from dataclasses import asdict, replace

import coins
import made
import numpy as np
import pandas as pd
import pytest
from command import run
from conftest import random_sessions

from hebbax.check.comparison import TABLES
from hebbax.check.next_trials import METHOD, QUESTION, next_trials
from hebbax.errors import FitError
from hebbax.inference import pseudo_marginal
from hebbax.inference.pseudo_marginal.pilot import Settings as PilotSettings
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import numbers_of, read, write

SETTINGS = pseudo_marginal.Settings(
    warmup=130, draws=500, points=16, most_thinning=2, evidence=0,
    pilot=PilotSettings(draws=32, points=8, rounds=2),
)  # fmt: skip


SHORT = replace(SETTINGS, warmup=13, draws=20, most_thinning=1)


@pytest.fixture(scope="module")
def records():
    return coins.records(np.random.default_rng(7), 5, 40, 0.4, 0.8)


@pytest.fixture(scope="module")
def fitted(records):
    return coins.fitted(records, SETTINGS)


def part(record, first, last):
    return replace(record, choices=record.choices[first:last], rewards=record.rewards[first:last])


def exact(records, at):
    """Return log P of all choices after ``at`` of each coin, one step ahead with what the first
    ones of all coins say of it, by a grid of mean and spread."""
    first = [part(record, 0, at) for record in records]
    known, total = coins.log_evidence(first), 0.0
    for a, record in enumerate(records):
        more = list(first)
        one = np.append(first[a].choices, 1)
        more[a] = replace(first[a], choices=one, rewards=np.zeros(len(one)))
        p = np.exp(coins.log_evidence(more) - known)
        rest = record.choices[at:]
        total += (rest == 1).sum() * np.log(p) + (rest == 0).sum() * np.log(1 - p)
    return total


def silent(_):
    return lambda *said: None


def test_the_next_trials_are_predicted_as_quadrature_says(records, fitted, tmp_path):
    score = next_trials({"coins": fitted}, 0.5, tmp_path, silent)
    row = score.table.loc["coins"]
    assert score.question == QUESTION
    assert row["observations"] == 5 * 20
    assert row["elpd"] == pytest.approx(exact(records, 20), abs=0.15)
    assert [path.name for path in tmp_path.glob("first-50/*.nc")] == ["coins.nc"]
    again = next_trials({"coins": fitted}, 0.5, tmp_path, silent)
    assert again.table.loc["coins", "elpd"] == row["elpd"]


def refused(posteriors, folder):
    """What is said of posteriors that are refused, before any fit."""
    with pytest.raises(FitError) as error:
        next_trials(posteriors, 0.5, folder, silent)
    assert not list(folder.iterdir())
    return str(error.value)


def test_a_posterior_of_another_method_is_refused(tmp_path):
    assert refused({"m": made.posterior()}, tmp_path) == (
        "m: was fitted by nuts; the next trials are predicted by fits of the default method."
    )


def test_two_fits_of_one_model_are_refused_before_any_fit(fitted, tmp_path):
    assert refused({"a/coins": fitted, "b/coins": fitted}, tmp_path) == (
        "a/coins and b/coins: are both of the model coins; fits of the first trials have its name, "
        "so give one of them."
    )


def test_models_that_treat_omitted_trials_differently_predict_the_same_ones(tmp_path):
    """The first part is counted in the recording, and so are the trials of its fits."""
    sessions = random_sessions(4, lengths=(24, 30))
    how = {"method": METHOD, "settings": json.dumps(asdict(SHORT))}
    fits = {}
    for name in ("pass", "decay"):
        fits[name] = made.posterior(ModelSpec(name, ("w",), omitted=name), sessions)
        fits[name].attrs |= how
    score = next_trials(fits, 0.5, tmp_path, silent)
    late = [sessions.choices[a, n // 2 : n] for a, n in enumerate(sessions.n_trials)]
    chosen = [int((own >= 0).sum()) for own in late]
    assert score.table["observations"].tolist() == [sum(chosen)] * 2
    for name in fits:
        first = read(tmp_path / "first-50" / f"{name}.nc")
        early = [
            own[own <= n // 2] for own, n in zip(numbers_of(fits[name]), (24, 30), strict=True)
        ]
        for found, expected in zip(numbers_of(first), early, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_the_command_asks_for_a_folder_and_writes_the_table(fitted, tmp_path):
    path = tmp_path / "coins.nc"
    write(fitted, path)
    asked = run("compare", path, "--next", "0.5")
    assert asked.returncode == 2
    assert asked.stderr == (
        "hebbax: --next: fits the models again; --out says where these fits lie.\n"
    )
    done = run("compare", path, "--next", "0.5", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert QUESTION in done.stdout
    assert {"comparison_next_trials.csv", "comparison_next_trials_by_animal.csv"} <= set(TABLES)
    table = pd.read_csv(tmp_path / "out" / "comparison_next_trials.csv", index_col="model")
    assert table.loc["coins", "observations"] == 100
