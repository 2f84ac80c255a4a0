r"""What the data of an experiment detect of one coefficient: its prior is no knowledge of theirs.

A posterior standard deviation sd under a prior Normal(0, s^2) is what data with a standard error t
of their own leave, sd^-2 = s^-2 + t^-2. They take the part

    a = 1 - sd^2 / s^2 = sd^2 / t^2

of the prior's variance: 1 where they say all, 0 where sd is only the prior's. The data's own
estimate is Normal(theta, t^2), so that the posterior mean, a times it, is Normal(a theta, a sd^2).
An effect is found where the mean lies z(1 - level / 2) posterior standard deviations from 0, on the
side of theta:

    power = Phi((a theta / sd - z(1 - level / 2)) / sqrt(a)),
    detectable = sd (z(1 - level / 2) + z(power) sqrt(a)) / a,
    nats = theta^2 / (2 t^2) = a (theta / sd)^2 / 2,

the last what the data are expected to say for the true value against 0. With other coefficients
free sd is that of the margin, and all this is the average over their priors.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from hebbax.rule.fading import PERCENT, percent
from hebbax.rule.network import Network
from hebbax.rule.readout import MAX_WEIGHT
from hebbax.typing import ArrayLike
from hebbax.validation.limits import MAX_COEFFICIENT

POWER, LEVEL = 0.80, 0.05
"""Power and two-sided level at which an effect is called detectable."""

THRESHOLD = float(norm.ppf(1.0 - LEVEL / 2.0))
"""Posterior standard deviations from 0 at which an effect is found: 1.96."""

LEAST = 1e-12
"""A smaller part of the prior's variance is rounding."""


def learnt(sd: ArrayLike, prior: ArrayLike) -> np.ndarray:
    """Return the part of the prior's variance that the data take ``(...)``, given the standard
    deviations ``sd`` (...) and ``prior`` (...) of posterior and prior."""
    return np.clip(1.0 - (np.asarray(sd) / np.asarray(prior)) ** 2, LEAST, 1.0)


def power(effect: float, sd: ArrayLike, prior: ArrayLike) -> np.ndarray:
    """Return the probability ``(...)`` that a coefficient of size ``effect`` is found."""
    part = learnt(sd, prior)
    return norm.cdf((part * effect / np.asarray(sd) - THRESHOLD) / np.sqrt(part))


def largest(terms: Sequence[str], rate: float, network: Network) -> np.ndarray:
    """Return the largest size ``(term,)`` that a coefficient could have: of a term that fades
    weights the one by which a weight loses all of itself in a trial, of others `MAX_COEFFICIENT`,
    times as much as the weights of the readout may be larger."""
    widest = MAX_COEFFICIENT * network.readout.most / MAX_WEIGHT
    losses = [float(percent(term, 1.0, rate, network.n_inputs)) for term in terms]
    return np.array([widest if np.isnan(loss) else PERCENT / loss for loss in losses])


def detectable(sd: ArrayLike, prior: ArrayLike, most: ArrayLike) -> np.ndarray:
    """Return the smallest coefficient ``(...)`` that is found with `POWER`; infinite, not
    detectable, where it is over the ``most`` (...) that a rule could have."""
    part = learnt(sd, prior)
    size = np.asarray(sd) * (THRESHOLD + norm.ppf(POWER) * np.sqrt(part)) / part
    return np.where(size > most, np.inf, size)


def nats(effect: float, sd: ArrayLike, prior: ArrayLike) -> np.ndarray:
    """Return what the data are expected to say ``(...)`` for a true ``effect`` against none."""
    return 0.5 * learnt(sd, prior) * (effect / np.asarray(sd)) ** 2
