"""Evidence by bridge sampling: its stated error, and when there is none."""

import numpy as np
import pytest
from scipy import stats

from hebbax.inference.pseudo_marginal import (
    evidence,
)
from hebbax.inference.pseudo_marginal.bridge import bridge as ratio


def _correlated(rng, n_chains, n_draws, rho):
    """Stationary autoregressive chains of a standard normal number."""
    x = rng.normal(size=(n_chains, n_draws))
    for t in range(1, n_draws):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * x[:, t]
    return x


@pytest.mark.parametrize("width", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_the_error_of_the_evidence_is_its_standard_deviation(width, rho):
    """A posterior exp(3) N(0, 1), chains with autocorrelation rho, and a density at 0.5 that may be
    narrower, where weights of importance sampling have no variance. Of 300 runs the mean is within 4
    of its own standard errors, the mean square in stated errors within 3.
    """
    rng, scores = np.random.default_rng(7), []
    for _ in range(300):
        chains, drawn = _correlated(rng, 4, 600, rho), rng.normal(0.5, width, 500)
        log_l = [
            3.0 + stats.norm.logpdf(x) - stats.norm.logpdf(x, 0.5, width) for x in (chains, drawn)
        ]
        found = evidence.bridged(*log_l)
        scores.append((found.log_evidence - 3.0) / found.error)
    assert abs(np.mean(scores)) < 4 * np.std(scores) / np.sqrt(300)
    assert abs(np.mean(np.square(scores)) - 1.0) < 3 * np.sqrt(2 / 300)


def test_no_evidence_is_given_where_chains_and_mixture_hardly_meet():
    rng = np.random.default_rng(1)
    chains, drawn = rng.normal(size=(4, 250)), rng.normal(9.0, 1.0, 1000)
    few = evidence.bridged(*(40.5 - 9.0 * x for x in (chains, drawn)))
    assert few.effective < 50
    assert np.isnan(few.log_evidence)
    assert not few.attributes


def test_of_a_dozen_draws_nothing_is_known_or_something_finite():
    """The effective number of so few draws of one chain is below zero now and then."""
    known = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        found = ratio(rng.normal(size=(1, 10)), rng.normal(size=12))
        known.append(np.isfinite(found.log_ratio))
        assert known[-1] == np.isfinite(found.error) == (found.effective > 0.0)
    assert 0 < sum(known) < 100
