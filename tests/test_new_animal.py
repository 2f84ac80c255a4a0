"""Leave-one-animal-out against quadrature, against a conjugate population, and as it is told."""

from dataclasses import replace

import arviz_stats
import coins
import jax
import made
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from command import run
from scipy.stats import norm

from hebbax import figures
from hebbax.check import new_animal
from hebbax.check.comparison import compare, write_tables
from hebbax.errors import FitError
from hebbax.inference import pseudo_marginal
from hebbax.inference.pseudo_marginal.pilot import Settings as PilotSettings
from hebbax.posterior.inference_data import read, write
from hebbax.posterior.observed import BY_ANIMAL, of_each_animal
from hebbax.posterior.verdict import Verdict

SETTINGS = pseudo_marginal.Settings(
    chains=4,
    warmup=130,
    draws=750,
    points=16,
    most_thinning=1,
    evidence=0,
    pilot=PilotSettings(draws=32, points=8, rounds=2),
)


@pytest.fixture(scope="module")
def records():
    """Five coins alike, and one that is not."""
    rng = np.random.default_rng(5)
    return [*coins.records(rng, 5, 60, 0.4, 0.3), *coins.records(rng, 1, 60, 2.2, 0.0)]


@pytest.fixture(scope="module")
def fitted(records):
    return coins.fitted(records, SETTINGS)


def exact(records, animal):
    """Return log p(choices of an animal | the others) by a grid of mean and spread."""
    others = [record for a, record in enumerate(records) if a != animal]
    return coins.log_evidence(records) - coins.log_evidence(others)


def test_left_out_animals_are_those_of_quadrature(records, fitted):
    """By importance sampling, and for the one that is unlike the others, by a fit without it."""
    found = new_animal.leave_one_animal_out(fitted)
    for animal in range(5):
        assert found.k[animal] < 0.7
        assert found.elpd[animal] == pytest.approx(exact(records, animal), abs=0.05)
    only = replace(found, k=np.array([0.1] * 5 + [0.9]), good_k=0.7)
    assert only.uncertain == ["coin5"]
    again = new_animal.refitted(jax.random.PRNGKey(1), fitted, only, only.uncertain)
    np.testing.assert_array_equal(again.elpd[:5], found.elpd[:5])
    assert again.error[5] < 0.1
    assert abs(again.elpd[5] - exact(records, 5)) < 4 * again.error[5]
    assert np.isnan(again.k[5])
    assert not again.uncertain


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_a_stored_posterior_is_read_by_arviz(fitted, tmp_path):
    write(fitted, tmp_path / "coins.nc")
    stored = xr.open_datatree(tmp_path / "coins.nc").load()
    new = xr.DataTree.from_dict(
        {"posterior": stored.posterior, "log_likelihood": stored[BY_ANIMAL]}
    )
    loo = arviz_stats.loo(new, pointwise=True)
    np.testing.assert_allclose(loo.elpd_i, new_animal.leave_one_animal_out(fitted).elpd)
    again = read(tmp_path / "coins.nc")
    del again[BY_ANIMAL]
    with pytest.raises(
        FitError, match="has no group log_likelihood_animals, without which nothing"
    ):
        compare({"coins": again})


N = 40
Y = np.random.default_rng(1).normal(0.5, 1.0, N)


def conjugate(prior_sd, noise, name="m", seed=0):
    """Animals of one number y ~ Normal(mu, 1): exact draws of mu under Normal(0, prior_sd), with a
    p-hat of log standard deviation ``noise``, seen as a chain does: weighted by itself."""
    rng = np.random.default_rng(seed)
    precision = N + prior_sd**-2
    mu = rng.normal(Y.sum() / precision, precision**-0.5, (4, 1500))
    log_p = norm.logpdf(Y, mu[..., None], 1.0)
    log_hat = log_p + noise * rng.normal(size=log_p.shape) + 0.5 * noise**2
    names = ("animal_index", "trial", "block", "session", "chosen", "reward")
    known = {key: np.arange(N) if key == "animal_index" else np.zeros(N, int) for key in names}
    out = made.tree(
        posterior={"mu_population": mu, "theta": rng.normal(size=(4, 1500, N))},
        sample_stats=made.statistics(mu.shape),
        log_likelihood={"choice": log_p},
        observed_data={"choice": np.zeros(N, dtype=int)},
        constant_data=known | {"n_trials": np.ones(N, int)},
        coords={"animal": [f"fly{a}" for a in range(N)], "observation": np.arange(N)},
        dims={
            **{key: ["animal"] for key in ("theta", "n_trials")},
            **{key: ["observation"] for key in (*names, "choice")},
        },
        attrs={"method": "nuts", "data_hash": "same", "n_stimuli": 2, "model": name},
    )
    out[BY_ANIMAL] = xr.DataTree(of_each_animal(out.posterior, log_hat))
    return out


def by_hand(prior_sd):
    """Return log p(y_a | the others): normal with known moments."""
    precision = N - 1 + prior_sd**-2
    return norm.logpdf(Y, (Y.sum() - Y) / precision, np.sqrt(1.0 + 1.0 / precision))


@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_noise_of_p_hat_does_no_harm(noise):
    """40 values, within 5 Monte Carlo errors of 6000 draws; without the chain's own weighing of
    p-hat the noise would shift each by its variance, 0.16."""
    found = new_animal.leave_one_animal_out(conjugate(10.0, noise))
    error = np.sqrt(np.expm1(noise**2) / 6000) + 0.004
    np.testing.assert_allclose(found.elpd, by_hand(10.0), atol=5 * error)
    assert not found.uncertain


def test_a_new_animal_leads_with_differences_over_animals(tmp_path):
    fits = {"tight": conjugate(0.05, 0.1), "wide": conjugate(10.0, 0.1)}
    fits["tight"].log_likelihood["choice"][:] += 1.0  # best of a choice among known ones
    compared = compare(fits)
    assert compared.ranking == ["wide", "tight"]
    assert compared.choices.ranking == ["tight", "wide"]
    each = by_hand(0.05) - by_hand(10.0)
    row = compared.animals.table.loc["tight"]
    assert row["difference"] == pytest.approx(each.sum(), abs=0.1)
    assert row["animal_se"] == pytest.approx(np.sqrt(N * each.var(ddof=1)), abs=0.05)
    first = compared.animals.table.loc["wide"]
    assert first["elpd"] == pytest.approx(by_hand(10.0).sum(), abs=0.1)
    assert first["elpd_se"] == pytest.approx(np.sqrt(N * by_hand(10.0).var(ddof=1)), abs=0.05)
    assert first["animals_better"] is pd.NA
    np.testing.assert_allclose(compared.animals.by_animal.loc["tight"], each, atol=0.05)
    assert compared.sentence.startswith(
        f"A new animal: wide predicts best; tight is {-row['difference']:.1f} nats behind "
        f"(± {row['animal_se']:.1f} over animals), too small a difference to choose by. A choice "
        "among known ones: tight predicts best; wide is "
    )
    write_tables(compared, tmp_path)
    table = pd.read_csv(tmp_path / "comparison_new_animal.csv", index_col="model")
    assert table["elpd"].to_dict() == pytest.approx(compared.animals.table["elpd"].to_dict())
    rows = pd.read_csv(tmp_path / "comparison_new_animal_by_animal.csv")
    assert list(rows) == ["model", "animal", "elpd", "difference", "k", "error", "diagnostics"]
    assert rows["model"].tolist() == ["wide"] * N + ["tight"] * N
    np.testing.assert_allclose(rows["elpd"][:N], compared.left_out["wide"].elpd)
    labels = [t.get_text() for t in figures.comparison(compared.animals).axes[0].get_yticklabels()]
    assert labels == ["wide", "tight"]


def test_animals_that_are_uncertain_are_named_with_what_to_do():
    wild = conjugate(10.0, 0.1)
    tail = np.random.default_rng(2).exponential(size=(4, 1500))
    wild[BY_ANIMAL]["animals"][..., 7] = -2.0 * tail.T.reshape(4, 1500)
    compared = compare({"tame": conjugate(10.0, 0.1, seed=1), "wild": wild})
    assert compared.left_out["wild"].uncertain == ["fly7"]
    assert (
        "Left out, these are uncertain (Pareto k above 0.70): fly7 under wild; `hebbax compare "
        "--refit` fits the model again without each of them."
    ) in compared.sentence
    left = compared.left_out["wild"]
    k = np.where(left.k > left.good_k, np.nan, left.k)
    exact = replace(left, k=k, elpd=by_hand(10.0))
    again = compared.refitted({"wild": exact})
    assert "uncertain" not in again.sentence
    assert again.animals.table["refitted"].to_dict() == {"tame": 0, "wild": 1}
    assert again.animals.table.loc["wild", "elpd"] == pytest.approx(by_hand(10.0).sum())


def test_of_one_animal_alone_no_model_is_told_from_another():
    """Its difference has no standard error, however large; an infinite k-hat is the worst."""
    one = new_animal.LeftOut(
        ("fly",), np.array([-100.0]), np.array([np.inf]), np.full(1, np.nan), 0.7
    )
    other = replace(one, elpd=np.array([-150.0]), k=np.array([0.2]))
    passed = dict.fromkeys(("a", "b"), Verdict((), {}, ""))
    found = new_animal.score({"a": one, "b": other}, passed)
    assert found.as_good == ["a", "b"]
    assert found.sentence == (
        "A new animal: a predicts best; b is 50.0 nats behind, and how sure that is cannot be told."
    )
    assert found.table["worst_k"].to_dict() == {"a": np.inf, "b": 0.2}
    assert new_animal.uncertain_sentence({"a": one, "b": other}) == (
        "Left out, these are uncertain (Pareto k above 0.70): fly under a; there is no other animal "
        "to fit the model to."
    )


def test_a_model_farther_behind_with_a_larger_error_is_named():
    n, k, passed = 12, np.zeros(12), Verdict((), {}, "")
    noise = np.linspace(-1.0, 1.0, n)
    elpd = {"a": np.zeros(n), "b": -5.0 / n + 0.05 * noise, "c": -6.0 / n + 2.0 * noise}
    left_out = {
        name: new_animal.LeftOut(tuple(map(str, range(n))), values, k, np.full(n, np.nan), 0.7)
        for name, values in elpd.items()
    }
    found = new_animal.score(left_out, dict.fromkeys(elpd, passed))
    assert found.as_good == ["a", "c"]
    assert found.sentence == (
        "A new animal: a predicts best; b is 5.0 nats behind (± 0.1 over animals). Farther behind, c "
        "is not told apart from a."
    )


def test_what_does_not_integrate_the_animals_out_says_nothing_of_a_new_one():
    without = conjugate(10.0, 0.1)
    del without[BY_ANIMAL]
    compared = compare({"a": conjugate(10.0, 0.1), "b": without})
    assert compared.animals is None
    assert compared.sentence.startswith(
        "Of a new animal nothing is said: b was fitted by nuts, which does not integrate the animals "
        "out. A choice among known ones: "
    )
    with pytest.raises(FitError) as error:
        new_animal.leave_one_animal_out(without)
    assert str(error.value) == "m: was fitted by nuts, which does not integrate the animals out."


@pytest.mark.slow
def test_compare_refits_what_is_uncertain(fitted, tmp_path):
    """The command: one posterior twice, a log likelihood of the other made wild."""
    wild = fitted.copy(deep=True)
    noisy = wild[BY_ANIMAL]["animals"].copy(deep=True)
    noisy[..., 2] = -2.0 * np.random.default_rng(2).exponential(size=noisy.shape[:2])
    wild[BY_ANIMAL]["animals"] = noisy
    write(wild, tmp_path / "wild.nc")
    done = run("compare", tmp_path / "wild.nc", "--refit", "--out", tmp_path / "tables")
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(
        tmp_path / "tables" / "comparison_new_animal_by_animal.csv", index_col="animal"
    )
    left = new_animal.leave_one_animal_out(fitted)
    assert np.isnan(rows["k"]["coin2"])
    assert rows["elpd"]["coin2"] == pytest.approx(left.elpd[2], abs=0.2)
    assert rows["k"]["coin0"] == pytest.approx(left.k[0], abs=1e-6)
