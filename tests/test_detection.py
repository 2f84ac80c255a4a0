"""What data detect of a coefficient, against data that are drawn and judged one by one."""

import numpy as np
import pytest

from hebbax.design.detection import detectable, largest, learnt, nats, power
from hebbax.design.information import covariance_of
from hebbax.rule.network import Network
from hebbax.rule.readout import ACCEPT, READOUTS
from hebbax.rule.stimulus import one_hot

SETS = 200_000


def found(rng, truth, precision, prior):
    """Share of sets of data in which the last coefficient is found below zero, and the sd.

    The data's own estimates are normal around ``truth`` (set, term); posteriors are conjugate.
    """
    errors = rng.standard_normal(truth.shape) @ np.linalg.inv(np.linalg.cholesky(precision))
    covariance = np.linalg.inv(precision + np.diag(prior**-2.0))
    means = (truth + errors) @ precision @ covariance
    sd = np.sqrt(covariance[-1, -1])
    return (means[:, -1] < -1.959964 * sd).mean(), sd


@pytest.mark.parametrize(("error", "effect"), [(0.02, 0.06), (0.1, 0.3), (0.2, 0.6), (1.0, 3.0)])
def test_power_is_the_share_of_posteriors_that_leave_zero(error, effect):
    rng = np.random.default_rng(0)
    truth = np.full((SETS, 1), -effect)
    share, sd = found(rng, truth, np.array([[error**-2]]), np.array([0.2]))
    assert power(effect, sd, 0.2) == pytest.approx(share, abs=0.004)


def test_power_with_other_coefficients_free_is_its_mean_over_their_priors():
    rng = np.random.default_rng(1)
    precision, prior = np.array([[90.0, 60.0], [60.0, 80.0]]), np.array([0.5, 0.2])
    truth = np.column_stack([0.5 * rng.standard_normal(SETS), np.full(SETS, -0.4)])
    share, sd = found(rng, truth, precision, prior)
    assert sd == pytest.approx(np.sqrt(covariance_of(precision, prior, 2)[1, 1]))
    assert power(0.4, sd, 0.2) == pytest.approx(share, abs=0.004)
    assert 0.3 < share < 0.9


def test_numbers_worked_out_by_hand():
    # Data and prior of one standard error: half is learnt, sd = 0.2 / sqrt(2).
    sd = 0.2 / np.sqrt(2.0)
    assert learnt(sd, 0.2) == pytest.approx(0.5)
    assert detectable(sd, 0.2, 5.0) == pytest.approx(2 * sd * (1.959964 + 0.841621 / np.sqrt(2.0)))
    assert nats(0.6, sd, 0.2) == pytest.approx(0.6**2 / (2 * 0.2**2))
    assert power(float(detectable(sd, 0.2, 5.0)), sd, 0.2) == pytest.approx(0.8)
    # Without a prior to speak of: 2.80 standard errors.
    assert detectable(0.01, 1e6, 5.0) == pytest.approx(0.028016, abs=1e-6)


def test_what_only_the_prior_knows_is_not_detected():
    assert power(5.0, 0.2, 0.2) == 0.0
    assert np.isinf(detectable(0.2, 0.2, 5.0))
    assert nats(5.0, 0.2, 0.2) < 1e-6
    # A thousandth of the variance: 1.96 of 0.2 / 0.001 is beyond what a rule can have.
    assert np.isinf(detectable(0.2 * np.sqrt(0.999), 0.2, 5.0))
    assert power(0.2, 0.2 * np.sqrt(0.999), 0.2) == 0.0


def test_no_rule_forgets_more_than_all_and_softmax_weights_are_ten_times_as_large():
    """Of three stimuli; a chosen weight is 0.5 of x."""
    terms = ("1", "x r", "w", "x w", "x^2 w", "r w")
    one, ten = (
        largest(terms, 0.5, Network(one_hot(3), readout=of)) for of in (ACCEPT, READOUTS["softmax"])
    )
    np.testing.assert_allclose(one, [5.0, 5.0, 3.0, 6.0, 12.0, 5.0])
    np.testing.assert_allclose(ten, [50.0, 50.0, 3.0, 6.0, 12.0, 50.0])
