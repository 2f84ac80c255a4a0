"""Animals without learning are coins: their population can be integrated on a grid."""

import numpy as np
from scipy import stats
from scipy.integrate import simpson
from scipy.special import expit, logsumexp

from hebbax.data import Record


def records(rng, n_animals, n_trials, mean, spread):
    """Animals that take the second of two odours with a constant probability of their own."""
    preference = mean + spread * rng.normal(size=n_animals)
    return [
        Record(f"a{a}", (rng.random(n_trials) < expit(p)).astype(int), rng.integers(0, 2, n_trials))
        for a, p in enumerate(preference)
    ]


def log_posterior(records):
    """Return a grid of means, one of spreads, and log prior + log likelihood at both, each animal
    integrated by quadrature."""
    means, spreads = np.linspace(-3.5, 3.5, 281), np.linspace(0.0, 2.6, 521)
    e, weight = np.polynomial.hermite_e.hermegauss(60)
    log_p = stats.norm.logpdf(means)[:, None] + stats.halfnorm(0, 0.5).logpdf(spreads)
    phi = means[:, None, None] + spreads[:, None] * e
    for record in records:
        n, k = len(record.choices), int(np.sum(record.choices))
        each = k * phi - n * np.logaddexp(0.0, phi)
        log_p = log_p + logsumexp(each, axis=-1, b=weight / np.sqrt(2 * np.pi))
    return means, spreads, log_p


def log_evidence(records):
    """Return the log marginal likelihood of all choices."""
    means, spreads, log_p = log_posterior(records)
    p = np.exp(log_p - log_p.max())
    return log_p.max() + np.log(simpson(simpson(p, x=spreads, axis=1), x=means))
