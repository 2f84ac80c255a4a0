r"""Pareto-smoothed importance sampling (PSIS) of many parts at once.

The M largest of the S weights exp(w_s) of a part are replaced by the quantiles at (j - 1/2) / M of
a generalised Pareto distribution with the shape k and the scale sigma, fitted to what they exceed
the next smaller weight by, and cut at the largest:

    M = 3 sqrt(S / r_eff), or S / 5 where S r_eff <= 225,
    quantile(p) = cut + sigma ((1 - p)^-k - 1) / k

(Vehtari, Simpson, Gelman, Yao & Gabry 2024), with the fit of Zhang & Stephens (2009). The numbers
are those of arviz-stats' `psislw`, which goes through the parts one at a time.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import logsumexp

from hebbax.errors import FitError

AT_ONCE = 50
"""Parts that are gone through at once: what is computed of them stays in a processor's cache."""

LEAST_TAIL = 5
"""Draws that a tail needs."""

PRIOR_DRAWS, PRIOR_SHAPE = 10, 0.5
"""How many draws the prior of the shape counts for, and where it is."""

NEGLIGIBLE = 10 * np.finfo(float).eps
"""Weight of a point of the fit's grid that is left out."""


def smoothed(
    log_weights: np.ndarray, r_eff: float
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield the normalised smoothed log weights ``(part, draw)`` of some parts after the other,
    each with which parts they are of and their shapes k-hat ``(part,)``.

    ``log_weights`` (draw, part) are of any sum, ``r_eff`` the effective part of the draws. The
    shape of a part whose tail is all equal is zero, that of one whose tail no distribution fits is
    infinite, and the weights of both stay. Raises `FitError` where
    there are too few draws for a tail.
    """
    draws, parts = log_weights.shape
    tail = int(3 * (draws / r_eff) ** 0.5 if draws * r_eff > 225 else draws / 5)
    if tail < LEAST_TAIL:
        raise FitError(f"{draws} draws are too few to leave a part out by importance sampling.")
    for start in range(0, parts, AT_ONCE):
        own = slice(start, start + AT_ONCE)
        yield own, *_smoothed(log_weights[:, own].T, tail)


def _smoothed(log_weights: np.ndarray, tail: int) -> tuple[np.ndarray, np.ndarray]:
    weights = log_weights - log_weights.max(-1, keepdims=True)
    order = np.argpartition(weights, (-tail - 1, -tail), axis=-1)[:, -tail - 1 :]
    order = np.take_along_axis(order, np.take_along_axis(weights, order, -1).argsort(-1), -1)
    largest = np.exp(np.take_along_axis(weights, order, -1))
    cut, largest, order = largest[:, :1], largest[:, 1:], order[:, 1:]
    varied = largest[:, -1] - largest[:, 0] > np.finfo(float).tiny
    p = (np.arange(tail) + 0.5) / tail
    # A tail whose draws are worlds apart has excesses of zero: no shape, and weights of zero.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        k, sigma = fit(np.where(varied[:, None], largest - cut, 1.0))
        k = np.where(varied, np.where(np.isfinite(k), k, np.inf), 0.0)
        known = varied & np.isfinite(k)
        shape = np.where(known, k, 1.0)[:, None]
        replaced = cut + sigma[:, None] * np.expm1(-shape * np.log1p(-p)) / shape
        new = np.where(known[:, None], np.minimum(replaced, largest[:, -1:]), largest)
        np.put_along_axis(weights, order, np.log(new), -1)
    return weights - logsumexp(weights, axis=-1, keepdims=True), k


def fit(excess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shape and scale ``(part,)`` of generalised Pareto distributions of ordered draws
    ``(part, draw)``, with a weak prior of the shape (Zhang & Stephens 2009)."""
    n = excess.shape[-1]
    points = 30 + int(n**0.5)
    grid = 1.0 - np.sqrt(points / (np.arange(points) + 0.5))
    quarter = excess[:, int(n / 4 + 0.5) - 1]
    b = grid / (3.0 * quarter[:, None]) + 1.0 / excess[:, -1:]
    shape = np.log1p(-b[..., None] * excess[:, None]).mean(-1)
    likelihood = n * (np.log(-b / shape) - shape - 1.0)
    weight = np.exp(likelihood - logsumexp(likelihood, axis=-1, keepdims=True))
    weight = np.where(weight >= NEGLIGIBLE, weight, 0.0)
    mean = (b * weight).sum(-1) / weight.sum(-1)
    k = np.log1p(-mean[:, None] * excess).mean(-1)
    sigma = -k / mean
    return (n * k + PRIOR_DRAWS * PRIOR_SHAPE) / (n + PRIOR_DRAWS), sigma
