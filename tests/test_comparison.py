"""LOO and WAIC, over trials and by animal, against exact values and plain formulas."""

import arviz as az
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from hebbax.comparison import compare, deviance_explained
from hebbax.errors import FitError

N = 40
RNG = np.random.default_rng(1)
DATA = RNG.normal(0.5, 1.0, N)
INDEX = np.repeat([0, 1, 2, 3], N // 4)


def fitted(prior_sd, data_hash="same", seed=0):
    """Exact draws of the mean of normal data under Normal(0, prior_sd), and their likelihood."""
    precision = N + prior_sd**-2
    draws = np.random.default_rng(seed).normal(DATA.sum() / precision, precision**-0.5, (4, 2000))
    return az.from_dict(
        posterior={"mean": draws, "theta": np.zeros((4, 2000, 4))},
        log_likelihood={"choice": norm.logpdf(DATA, draws[..., None], 1.0)},
        constant_data={"animal_index": INDEX},
        coords={"animal": list("abcd"), "observation": np.arange(N)},
        dims={"theta": ["animal"], "choice": ["observation"], "animal_index": ["observation"]},
        attrs={"method": "nuts", "data_hash": data_hash, "n_stimuli": 2},
    )


def exact_loo(prior_sd):
    """Return log p(y_i | all others) of each observation: normal with known moments."""
    precision = (N - 1) + prior_sd**-2
    mean = (DATA.sum() - DATA) / precision
    return norm.logpdf(DATA, mean, np.sqrt(1.0 + 1.0 / precision))


def test_loo_is_that_of_exact_refits_and_sums_go_by_animal():
    compared = compare({"wide": fitted(10.0), "tight": fitted(0.05)})
    assert list(compared.table.index) == ["wide", "tight"]
    wide, tight = exact_loo(10.0), exact_loo(0.05)
    # Monte Carlo error of 8000 draws: a few thousandths of a nat an observation.
    assert compared.table.loc["wide", "elpd_loo"] == pytest.approx(wide.sum(), abs=0.05)
    expected = np.bincount(INDEX, tight - wide)
    np.testing.assert_allclose(compared.by_animal.loc["tight"], expected, atol=0.05)
    row = compared.table.loc["tight"]
    assert row["difference"] == pytest.approx(expected.sum(), abs=0.05)
    assert row["animal_se"] == pytest.approx(np.sqrt(4 * expected.var(ddof=1)), abs=0.05)
    assert row["difference_se"] == pytest.approx(np.sqrt(N * (tight - wide).var()), abs=0.05)
    assert row["animals_better"] == (expected > 0).sum()


def test_waic_is_its_formula():
    posterior = fitted(10.0)
    flat = posterior.log_likelihood["choice"].to_numpy().reshape(-1, N)
    by_hand = logsumexp(flat, axis=0) - np.log(len(flat)) - flat.var(axis=0)
    table = compare({"wide": posterior}).table
    assert table.loc["wide", "elpd_waic"] == pytest.approx(by_hand.sum(), abs=1e-8)


def test_a_small_difference_is_called_one():
    sentence = compare({"one": fitted(10.0), "two": fitted(9.0, seed=5)}).sentence
    assert sentence.endswith(", too small a difference to choose by.")


def test_the_deviance_of_a_coin_explains_nothing():
    posterior = fitted(10.0)
    posterior.log_likelihood["choice"][:] = np.log(0.5)
    explained = deviance_explained(posterior, posterior)
    np.testing.assert_allclose(explained, 0.0, atol=1e-9)
    better = fitted(10.0)
    better.log_likelihood["choice"][:] = np.log(0.75)
    against = deviance_explained(better, posterior)["against reference"]
    np.testing.assert_allclose(against, 100 * (1 - np.log(0.75) / np.log(0.5)))


def test_fits_of_different_data_are_not_compared():
    with pytest.raises(FitError) as error:
        compare({"one": fitted(10.0), "two": fitted(10.0, "other")})
    assert str(error.value) == (
        "one and two were fitted to different data; compare fits of the same."
    )
