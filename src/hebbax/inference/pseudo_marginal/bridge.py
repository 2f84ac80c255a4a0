r"""Bridge sampling: the ratio of two normalising constants (Meng & Wong 1996).

Two densities pi and g with pi = l g / Z have draws of both, at which l is known. With shares
s + t = 1

    Z = E_g[ l / (s l + t Z) ] / E_pi[ 1 / (s l + t Z) ],

whose variance is least where the shares are those of the two effective numbers of draws
(Frühwirth-Schnatter 2004):

    var(log Z) = var_g(f) / (n_g mean(f)^2) + var_pi(h) / (n_pi mean(h)^2)

with f and h what the means are taken of, and n the effective numbers of these.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_expit, logsumexp

from hebbax.inference.convergence import effective_size

LEAST_EFFECTIVE = 50.0
"""Draws of either density, by their effective number, below which the error is not known either."""


class Ratio(NamedTuple):
    """log Z in nats, its Monte Carlo standard error, and the smaller of the effective sizes of the
    two means."""

    log_ratio: float
    error: float
    effective: float


def bridge(of_pi: np.ndarray, of_g: np.ndarray) -> Ratio:
    """Return log Z from log l at draws of pi and of g, each of chains ``(chain, draw)``, or of
    independent draws ``(draw,)``; NaN where they are too few to say how many are effective."""
    sizes = float(of_pi.size), float(of_g.size)
    for _ in range(2):  # the effective numbers of draws depend little on the shares
        share = sizes[0] / sum(sizes)
        log_z = _solved(of_pi, of_g, share)
        h, f = map(np.exp, _log_terms(of_pi - log_z, of_g - log_z, share))
        sizes = _size(h), _size(f)
        if not all(size > 0.0 for size in sizes):  # of a dozen draws it may be any number
            return Ratio(np.nan, np.nan, 0.0)
    parts = list(zip((h, f), sizes, strict=True))
    variance = sum(x.var() / x.mean() ** 2 / n for x, n in parts)
    least = min(n * x.mean() ** 2 / (x**2).mean() for x, n in parts)
    return Ratio(log_z, float(np.sqrt(variance)), float(least))


def _size(values: np.ndarray) -> float:
    return effective_size(values) if values.ndim == 2 else float(len(values))


def _solved(of_pi: np.ndarray, of_g: np.ndarray, share: float) -> float:
    """Return log Z. The log ratio of the two means falls with it, and is zero between the least
    and the largest l."""

    def away(log_z: float) -> float:
        h, f = _log_terms(of_pi - log_z, of_g - log_z, share)
        return float(logsumexp(f) - np.log(f.size) - logsumexp(h) + np.log(h.size))

    ends = min(of_pi.min(), of_g.min()), max(of_pi.max(), of_g.max())
    if ends[0] == ends[1]:
        return float(ends[0])
    return float(brentq(away, *ends, xtol=1e-9))


def _log_terms(of_pi: np.ndarray, of_g: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the logs of Z / (s l + t Z) at draws of pi and of l / (s l + t Z) at those of g, from
    log(l / Z) and the share s of the draws of pi."""
    log_s, log_t = np.log(share), np.log1p(-share)
    odds = log_s - log_t
    return log_expit(-of_pi - odds) - log_t, log_expit(of_g + odds) - log_s
