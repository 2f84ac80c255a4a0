"""Importance weights of many parts, smoothed at once: those of arviz-stats one at a time."""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.stats import genpareto

from hebbax.check.pareto_smoothing import fit, smoothed
from hebbax.errors import FitError


def weights_of(seed, draws=400, parts=120):
    """Log weights of light and heavy tails."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 4.0, parts) * rng.normal(size=(draws, parts))


@pytest.mark.parametrize(("draws", "r_eff"), [(400, 1.0), (400, 0.3), (4000, 1.4), (30, 1.0)])
def test_each_part_is_smoothed_as_by_arviz(draws, r_eff):
    log_weights = weights_of(draws, draws)
    found = np.full(log_weights.T.shape, np.nan)
    k = np.full(len(found), np.nan)
    for own, weights, shape in smoothed(log_weights, r_eff):
        found[own], k[own] = weights, shape
    for part, column in enumerate(log_weights.T):
        known, shape = array_stats.psislw(-column, r_eff=r_eff)
        np.testing.assert_allclose(found[part], known, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(k[part], shape, atol=1e-12)
    assert (k > 0.7).any()
    assert (k < 0.5).any()


def test_a_part_whose_draws_are_worlds_apart_has_no_shape():
    apart = np.zeros((100, 2))
    apart[:60, 0] = -5000.0
    apart[:99, 1] = -5000.0
    ((_, weights, k),) = smoothed(apart, 1.0)
    assert k[0] == 0.0  # the tail is that of equal weights
    assert k[1] == np.inf
    np.testing.assert_allclose(np.exp(weights).sum(-1), 1.0)
    assert weights[1, 99] == 0.0


def test_equal_weights_stay_equal():
    ((_, weights, k),) = smoothed(np.full((100, 3), -2.0), 1.0)
    np.testing.assert_allclose(weights, -np.log(100))
    np.testing.assert_array_equal(k, 0.0)


def test_the_fit_finds_the_distribution_that_draws_come_from():
    shapes, n = np.array([0.1, 0.5, 0.9]), 20_000
    draws = [genpareto.rvs(k, scale=2.0, size=n, random_state=3) for k in shapes]
    k, sigma = fit(np.sort(draws, axis=-1))
    np.testing.assert_allclose(k, shapes, atol=4 * (1 + shapes.max()) / np.sqrt(n))
    np.testing.assert_allclose(sigma, 2.0, atol=4 * 2.0 * np.sqrt(2 * 1.9 / n))


def test_too_few_draws_have_no_tail():
    with pytest.raises(FitError, match=r"^20 draws are too few to leave a part out by importance"):
        next(smoothed(np.zeros((20, 1)), 1.0))
