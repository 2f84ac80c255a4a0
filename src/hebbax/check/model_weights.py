r"""Weights of models: by what they predict together, and by their evidence.

Stacking (Yao, Vehtari, Simpson & Gelman 2018) asks for the mixture of predictive densities that
predicts a left-out animal best,

    w = argmax sum_a log sum_m w_m p(y_a | y_-a, model m),    w_m >= 0, sum_m w_m = 1,

and the posterior probability of a model is its evidence among those of all, equally likely
beforehand, with the Monte Carlo error of the bridge by the delta method. The first says what to
predict with, and gives weight to a model that predicts some animals better, though none is the
true one; the second says which is the true one, if any of them is, and hangs on the priors.
"""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax


def stacked(elpd: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the stacking weight of each model, from the log predictive density of each left-out
    animal ``(animal,)``, in nats."""
    density = np.array([elpd[name] for name in elpd])
    density = np.exp(density - density.max(0))
    n = len(density)

    def surprise(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = weights @ density
        return -np.log(mixed).sum(), -(density / mixed).sum(1)

    even = np.full(n, 1.0 / n)
    whole = {"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": lambda w: np.ones(n)}
    found = minimize(
        surprise,
        even,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * n,
        constraints=[whole],
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    weights = np.clip(found.x, 0.0, None)
    return dict(zip(elpd, map(float, weights / weights.sum()), strict=True))


def probabilities(
    log_evidence: Mapping[str, float], error: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Return the posterior probability of each model and its Monte Carlo standard error, from log
    evidences and their errors, in nats; NaN of all where one of them has none, since it may be the
    likeliest."""
    values = np.array(list(log_evidence.values()), float)
    if not values.size or not np.isfinite(values).all():
        return dict.fromkeys(log_evidence, (np.nan, np.nan))
    p = softmax(values)
    slopes = np.diag(p) - np.outer(p, p)
    errors = np.sqrt(slopes**2 @ np.array([error[name] for name in log_evidence]) ** 2)
    return {name: (float(p[m]), float(errors[m])) for m, name in enumerate(log_evidence)}
