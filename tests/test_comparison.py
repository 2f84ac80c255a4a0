"""LOO and WAIC, over trials and by animal, against exact values and plain formulas."""

import arviz_stats
import made
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import random_sessions
from scipy.special import logsumexp
from scipy.stats import norm

from hebbax.check import leave_one_out as loo
from hebbax.check.comparison import compare, deviances, explained, write_tables
from hebbax.check.score import Predicted, score_of
from hebbax.data import Record, from_animals
from hebbax.errors import FitError
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.computed import counts, pointwise_log_likelihood
from hebbax.posterior.verdict import Verdict

N = 40
RNG = np.random.default_rng(1)
DATA = RNG.normal(0.5, 1.0, N)
INDEX = np.repeat([0, 1, 2, 3], N // 4)


def fitted(prior_sd, data_hash="same", seed=0):
    """Exact draws of the mean of normal data under Normal(0, prior_sd), and their likelihood."""
    precision = N + prior_sd**-2
    draws = np.random.default_rng(seed).normal(DATA.sum() / precision, precision**-0.5, (4, 2000))
    return stored(draws, norm.logpdf(DATA, draws[..., None], 1.0), data_hash)


def stored(draws, log_likelihood, data_hash="same"):
    """A posterior of four animals with ten trials each."""
    known = {"animal_index": INDEX, "trial": np.tile(np.arange(1, 11), 4)}
    known |= {name: np.zeros(N, dtype=int) for name in ("block", "session", "chosen", "reward")}
    counts = {"n_trials": np.full(4, 10)}
    each = np.random.default_rng(2).normal(size=(*draws.shape, 4))
    return made.tree(
        posterior={"mean": draws, "theta": each},
        sample_stats=made.statistics(draws.shape),
        log_likelihood={"choice": log_likelihood},
        observed_data={"choice": np.zeros(N, dtype=int)},
        constant_data=known | counts,
        coords={"animal": list("abcd"), "observation": np.arange(N)},
        dims={
            "theta": ["animal"],
            "choice": ["observation"],
            **{name: ["observation"] for name in known},
            "n_trials": ["animal"],
        },
        attrs={"method": "nuts", "data_hash": data_hash, "n_stimuli": 2},
    )


def scored(each, shift=0.0, wild=0):
    """A posterior with the log score ``each`` (observation,) in all draws but for a little noise;
    chains lie ``shift`` apart, and ``wild`` observations have weights of a tail of shape 2."""
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(4, 500)) + shift * np.arange(4)[:, None]
    noise = 1e-3 * rng.normal(size=(4, 500, N))
    noise[..., :wild] = -2.0 * rng.exponential(size=(4, 500, wild))
    return stored(draws, np.asarray(each, float) + noise)


def exact_loo(prior_sd):
    """Return log p(y_i | all others) of each observation: normal with known moments."""
    precision = (N - 1) + prior_sd**-2
    mean = (DATA.sum() - DATA) / precision
    return norm.logpdf(DATA, mean, np.sqrt(1.0 + 1.0 / precision))


def test_an_animal_without_a_free_choice_explains_nothing():
    """The last animal was forced in every trial: nothing of it is observed."""
    rng = np.random.default_rng(0)
    records = []
    for name in ("free", "forced"):
        choices = rng.integers(2, size=20)
        offered = np.ones((20, 2), bool) if name == "free" else np.eye(2, dtype=bool)[choices]
        records.append(
            Record(name, choices, rng.integers(2, size=20).astype(float), offered=offered)
        )
    posterior = made.posterior(ModelSpec("m", ("x r",)), from_animals(records, ("a", "b"), "s"))
    found = deviances(posterior)
    assert list(found.index) == ["free", "forced"]
    assert found.loc["forced"].tolist() == [0.0, 0.0]
    percent = explained(found["model"], found["chance"])
    assert np.isfinite(percent["free"])
    assert np.isnan(percent["forced"])


def test_loo_is_that_of_exact_refits_and_sums_go_by_animal():
    compared = compare({"wide": fitted(10.0), "tight": fitted(0.05)})
    assert list(compared.choices.table.index) == ["wide", "tight"]
    wide, tight = exact_loo(10.0), exact_loo(0.05)
    # Monte Carlo error of 8000 draws: a few thousandths of a nat an observation.
    assert compared.choices.table.loc["wide", "elpd_loo"] == pytest.approx(wide.sum(), abs=0.05)
    expected = np.bincount(INDEX, tight - wide)
    np.testing.assert_allclose(compared.choices.by_animal.loc["tight"], expected, atol=0.05)
    row = compared.choices.table.loc["tight"]
    assert row["difference"] == pytest.approx(expected.sum(), abs=0.05)
    assert row["animal_se"] == pytest.approx(np.sqrt(4 * expected.var(ddof=1)), abs=0.05)
    assert row["difference_se"] == pytest.approx(np.sqrt(N * (tight - wide).var()), abs=0.05)
    assert row["animals_better"] == (expected > 0).sum()


def test_waic_is_its_formula():
    posterior = fitted(10.0)
    flat = posterior.log_likelihood["choice"].to_numpy().reshape(-1, N)
    by_hand = logsumexp(flat, axis=0) - np.log(len(flat)) - flat.var(axis=0)
    table = compare({"wide": posterior}).choices.table
    assert table.loc["wide", "elpd_waic"] == pytest.approx(by_hand.sum(), abs=1e-8)


def test_a_small_difference_is_called_one():
    sentence = compare({"one": fitted(10.0), "two": fitted(9.0, seed=5)}).sentence
    assert sentence.endswith(", too small a difference to choose by.")


def test_counts_are_stored_as_large_as_they_are():
    few, many = counts(np.array([-1.0, 32767.0])), counts(np.array([-1.0, 32768.0, 1e12]))
    assert few.dtype == np.int16
    assert many.tolist() == [-1, 32768, 2**31 - 1]


def test_the_deviance_of_a_coin_explains_nothing():
    posterior = fitted(10.0)
    posterior.log_likelihood["choice"][:] = np.log(0.5)
    coin = deviances(posterior)
    np.testing.assert_allclose(explained(coin["model"], coin["chance"]), 0.0, atol=1e-9)
    better = fitted(10.0)
    better.log_likelihood["choice"][:] = np.log(0.75)
    against = explained(deviances(better)["model"], coin["model"])
    np.testing.assert_allclose(against, 100 * (1 - np.log(0.75) / np.log(0.5)))


def test_fits_of_different_data_are_not_compared():
    with pytest.raises(FitError) as error:
        compare({"one": fitted(10.0), "two": fitted(10.0, "other")})
    assert str(error.value) == (
        "one and two were fitted to different data; compare fits of the same."
    )


LACKING = "Of a new animal nothing is said: one has no population that another animal could be of. "

BY_ANIMAL = np.repeat([-2.0, -0.2, -0.2, -0.2], 10)
"""Differences of which nearly all is one animal's: the sums are -20, -2, -2 and -2."""


def test_the_larger_standard_error_decides_whether_a_difference_is_small():
    # Over animals sqrt(4 * 81) = 18.0; over trials sqrt(40 * 0.6231) = 5.0: 26 is five of these.
    compared = compare({"one": scored(np.zeros(N)), "two": scored(BY_ANIMAL)})
    assert compared.sentence == (
        f"{LACKING}A choice among known ones: one predicts best; two is 26.0 nats behind (± 5.0 over "
        "trials, ± 18.0 over animals), too small a difference to choose by."
    )
    even = compare({"one": scored(np.zeros(N)), "two": scored(np.full(N, -0.65))})
    assert even.sentence == (
        f"{LACKING}A choice among known ones: one predicts best; two is 26.0 nats behind (± 0.0 over "
        "trials, ± 0.0 over animals)."
    )


def test_an_animal_of_which_nothing_is_predicted_is_not_counted():
    """Ten animals that differ by five nats each are as sure beside ten that were forced."""
    elpd = {"a": np.zeros(10), "b": np.full(10, -5.0)}
    part = Predicted("q", np.arange(10), [f"m{k}" for k in range(20)], "elpd")
    passed = dict.fromkeys(elpd, Verdict((), {}, ""))
    found = score_of(part, elpd, passed, {name: {} for name in elpd})
    assert found.table.loc["b", "animal_se"] == 0.0
    assert list(found.by_animal) == [f"m{k}" for k in range(10)]


def test_limits_of_k_hat_are_those_of_the_models_that_are_named():
    assert loo.either([0.7, 0.7]) == "0.70"
    assert loo.either([0.7, 0.5]) == "0.50 or 0.70"


def test_better_in_is_empty_for_the_best_itself(tmp_path):
    compared = compare({"two": scored(BY_ANIMAL), "one": scored(np.zeros(N))})
    assert compared.choices.table.loc["one", "animals_better"] is pd.NA
    assert compared.choices.table.loc["two", "animals_better"] == 0
    write_tables(compared, tmp_path)
    written = pd.read_csv(
        tmp_path / "comparison.csv", index_col="model", dtype=str, na_filter=False
    )
    assert written["animals_better"].tolist() == ["", "0"]
    assert written["diagnostics"].tolist() == ["passed", "passed"]


def test_a_posterior_that_failed_decides_nothing(tmp_path):
    fits = {
        "lost": scored(np.full(N, 0.1), shift=1.0),
        "one": scored(np.zeros(N)),
        "two": scored(np.full(N, -0.65)),
        "last": scored(np.full(N, -1.0), shift=0.25),
    }
    compared = compare(fits)
    assert compared.ranking == ["one", "two", "lost", "last"]
    r_hat = compared.verdicts["lost"].figures["r_hat"]
    assert r_hat > 1.1
    assert compared.sentence == (
        f"{LACKING.replace('one', 'lost', 1)}A choice among known ones: one predicts best; two is "
        "26.0 nats behind (± 0.0 over trials, ± 0.0 over animals). Posteriors that FAILED the diagnostics, with a score that decides nothing: lost (4.0 nats "
        "above one), last (40.0 nats behind one). "
        f"The chains of lost do not meet (R-hat {r_hat:.2f}): its LOO weighs the solutions that "
        "they found by the number of chains in each, and not by their probability."
    )
    write_tables(compared, tmp_path)
    rows = pd.read_csv(tmp_path / "comparison.csv", index_col="model")
    assert rows["diagnostics"].to_dict() == {
        "one": "passed", "two": "passed", "lost": "FAILED", "last": "FAILED",
    }  # fmt: skip
    each = pd.read_csv(tmp_path / "comparison_by_animal.csv")
    assert (each["diagnostics"] == "FAILED").tolist() == [False] * 8 + [True] * 8
    assert each["difference"][4:8].tolist() == pytest.approx([-6.5] * 4, abs=0.01)
    few = compare({name: fits[name] for name in ("lost", "one")})
    assert few.sentence.startswith(
        "All but one FAILED their diagnostics; no model is said to predict best. "
        f"{LACKING.replace('one', 'lost', 1)}A choice among known ones: A posterior that FAILED the diagnostics, with a score that decides nothing: lost (4.0 nats "
        "above one). "
    )
    none = compare({name: fits[name] for name in ("lost", "last")})
    assert none.sentence.startswith(
        "Every posterior FAILED its diagnostics; no model is said to predict best. "
        f"{LACKING.replace('one', 'lost', 1)}The chains"
    )


def test_observations_that_loo_does_not_know_are_part_of_the_answer():
    compared = compare({"one": scored(np.zeros(N)), "two": scored(np.full(N, -0.65), wild=3)})
    assert compared.sentence.endswith(
        " Of 40 observations the LOO of some is not to be trusted (3 of two; Pareto k above 0.70): "
        "without such an observation the posterior would be another one than its draws stand for, so "
        "that the score may be off by more than its standard errors."
    )


def test_choices_and_encounters_of_one_recording_are_not_compared():
    # Two densities: on data without learning one of them "predicts best" by a hundred nats.
    choice, encounter = (
        made.posterior(ModelSpec(kind, (), likelihood=kind), shape=(4, 500))
        for kind in ("choice", "encounter")
    )
    assert choice.attrs["data_hash"] == encounter.attrs["data_hash"]
    sentence = (
        "mine and yours cannot be compared: mine is a density of the choice of a trial (19 "
        "observations), yours is a density of the encounters of a trial (23 observations); compare "
        'models with the same "likelihood".'
    )
    with pytest.raises(FitError) as error:
        compare({"mine": choice, "yours": encounter})
    assert str(error.value) == sentence


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_log_likelihood_that_is_no_number_is_refused(value):
    broken = scored(np.zeros(N))
    broken.log_likelihood["choice"][2, 7, 13] = value
    with pytest.raises(FitError) as error:
        compare({"a": scored(np.zeros(N)), "b": broken})
    assert str(error.value) == (
        f"b, choice in log_likelihood, chain 2, draw 7, animal b, trial 4: {value} is stored where a "
        "finite number is needed, and there is no right answer with it; fit the model again with "
        "--force."
    )


@pytest.mark.parametrize(
    "group", ["sample_stats", "log_likelihood", "observed_data", "constant_data"]
)
def test_a_group_that_is_missing_is_named(group):
    broken = scored(np.zeros(N))
    del broken[group]
    with pytest.raises(FitError) as error:
        compare({"a": scored(np.zeros(N)), "b": broken})
    assert str(error.value) == (
        f"b: has no group {group}, without which nothing can be said of it; fit the model again with "
        "--force."
    )


def test_scores_of_stored_draws_are_those_of_all():
    """Of 2400 draws every third has log likelihoods and predictions, in single precision: bytes of
    the file, and LOO and WAIC against those of all draws."""
    spec = ModelSpec("m", ("x r", "w"))
    model = build_model(spec, random_sessions(4))
    fit = made.posterior(spec, model.sessions, shape=(4, 600))
    stored, values = fit.log_likelihood["choice"], animal_values_of(fit)
    assert list(stored["draw"].to_numpy()) == list(range(0, 600, 3))
    assert fit.posterior_predictive.sizes["draw"] == 200
    assert not [name for name in fit.posterior if name.endswith("_offset")]
    exact = pointwise_log_likelihood(model, values)
    np.testing.assert_allclose(stored, exact[:, ::3], rtol=1e-6)
    whole = xr.DataArray(exact, dims=("chain", "draw", "observation"))
    whole = whole.assign_coords(chain=fit.posterior["chain"], draw=fit.posterior["draw"])
    for score in (loo.waic, lambda data: loo.leave_one_out(data).elpd):
        some, every = (float(score(loo.scored(fit, one))) for one in (stored, whole))
        # The draws are the prior's: weights vary more than those of any posterior.
        assert abs(some - every) < 0.03 * abs(every)
    assert (
        arviz_stats.loo(fit, pointwise=True).elpd_i.sizes["observation"]
        == stored.sizes["observation"]
    )
    assert stored.nbytes + fit.posterior_predictive["choice"].nbytes == 6 * stored.size


def animal_values_of(fit):
    return {name: fit.posterior[name].to_numpy() for name in ("theta", "preference")}
