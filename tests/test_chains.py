"""Pictures of the sampler: chains against all of them, population values against each other."""

import made
import numpy as np
import pytest
from scipy.stats import kstwo

from hebbax import figures
from hebbax.model.spec import ModelSpec
from hebbax.posterior.verdict import Verdict

PASSED = Verdict((), {}, "")


@pytest.fixture(autouse=True)
def _files_only():
    figures.use_file_backend()


def lines(figure):
    """The lines of chains ``(panel, chain, point)``, and the half width of each band."""
    drawn = [[line.get_ydata() for line in ax.lines[:-1]] for ax in figure.axes]
    return np.array(drawn), [ax.patches[0].get_height() / 2 for ax in figure.axes]


def test_chains_that_agree_stay_in_the_band_and_chains_apart_leave_it():
    together, bands = lines(figures.sampler(made.posterior(shape=(4, 400)), PASSED))
    assert together.shape == (3, 4, 101)  # two coefficients and a preference
    assert np.abs(together).max() < min(bands)
    # Independent draws are worth about as many; the bound of Kolmogorov and Smirnov for them.
    np.testing.assert_allclose(bands, kstwo.ppf(0.95, 400), rtol=0.15)
    apart, _ = lines(figures.sampler(made.posterior(shape=(2, 400), shift=50.0), PASSED))
    # All of the first chain lies below all of the second: F - u is u up to a half, then 1 - u.
    u = np.linspace(0, 1, 101)
    np.testing.assert_allclose(apart[0, 0], np.minimum(u, 1 - u), atol=0.005)
    np.testing.assert_allclose(apart[0, 1], -np.minimum(u, 1 - u), atol=0.005)


def test_pairs_have_correlations_above_and_at_most_eight_values():
    fit = made.posterior(shape=(2, 100))
    figure = figures.pairs(fit, PASSED)
    theta = fit.posterior["theta_population"].to_numpy().reshape(-1, 2)
    (shown,) = figure.axes[1].texts
    assert shown.get_text() == f"{np.corrcoef(theta.T)[0, 1]:.2f}"
    terms = ("1", "x", "r", "w", "x r", "x w", "r w", "x r w", "x^2 r")
    many = figures.pairs(made.posterior(ModelSpec("m", terms), shape=(2, 100)), PASSED)
    assert len(many.axes) == 64
