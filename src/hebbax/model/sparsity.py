r"""How many coefficients a prior that shrinks lets matter: its global scale, and their number.

A coefficient of prior scale s has the information-scaled size z = theta sqrt(F), with F the Fisher
information that all choices together carry of it; f = s sqrt(F), the ``root_information``, is how
many posterior standard deviations one prior scale is. Given the scales of the prior z is
Normal(0, v), and

    kappa = 1 / (1 + v)

is the part of it that the prior takes away (Piironen & Vehtari 2017). 1 - kappa counts the
coefficient: 0 where it is shrunk to nothing, 1 where the data alone speak. The *effective number of
terms* is the sum of 1 - kappa. With local scales l and a global one tau, in units of z,

    horseshoe:              v = tau^2 l^2
    regularised horseshoe:  v = tau^2 l^2 f^2 / (f^2 + tau^2 l^2)

The global scale tau_0 for p_0 expected terms of D is the one at which that number, before the slab
takes its part, is p_0 on average over the local scales; for half-Cauchy ones it is p_0 / (D - p_0).
"""

from functools import cache

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import t as student

from hebbax.errors import ModelError
from hebbax.typing import Array, ArrayLike

LOCAL_DEGREES = 3.0
"""Degrees of freedom of the half-t local scales of the regularised horseshoe; lighter tails than a
half-Cauchy sample twice as well and shrink as much."""

CAUCHY_DEGREES = 1.0
"""Degrees of freedom of the half-Cauchy local scales of the horseshoe."""


def share(variance: Array, root_information: ArrayLike) -> Array:
    """Return 1 - kappa of each coefficient, given its prior variance in squared prior scales."""
    information = variance * root_information**2
    return information / (1.0 + information)


def expected_share(tau: float, degrees: float) -> float:
    """Return the mean of 1 - kappa over half-t local scales at a global scale, without a slab."""

    def given(local: float) -> float:
        variance = (tau * local) ** 2
        return 2.0 * float(student.pdf(local, degrees)) * variance / (1.0 + variance)

    # The integrand turns where tau l is one: split there, for quad to see it.
    parts = ((0.0, 1.0 / tau), (1.0 / tau, np.inf))
    return float(sum(quad(given, *ends)[0] for ends in parts))


@cache
def global_scale(n_terms: int, expected: float, degrees: float) -> float:
    """Return tau_0 for ``expected`` terms of ``n_terms`` that matter (see the module).

    Raises:
        ModelError: more terms are expected than there are.
    """
    if not 0 < expected < n_terms:
        raise ModelError(
            f"expected_terms must lie between 0 and the number of terms ({n_terms}), "
            f"{expected:g} given."
        )

    def excess(log_tau: float) -> float:
        return n_terms * expected_share(float(np.exp(log_tau)), degrees) - expected

    return float(np.exp(brentq(excess, -20.0, 20.0, xtol=1e-8)))
