"""Animals without learning are coins: their population can be integrated on a grid."""

from dataclasses import asdict, replace
from functools import cache

import jax
import made
import numpy as np
from scipy import stats
from scipy.integrate import simpson
from scipy.special import expit, logsumexp

from hebbax.data import Record, from_animals
from hebbax.inference import pseudo_marginal
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import to_inference_data


def records(rng, n_animals, n_trials, mean, spread):
    """Animals that take the second of two odours with a constant probability of their own."""
    preference = mean + spread * rng.normal(size=n_animals)
    return [
        Record(f"a{a}", (rng.random(n_trials) < expit(p)).astype(int), rng.integers(0, 2, n_trials))
        for a, p in enumerate(preference)
    ]


def fitted(records, settings):
    """Return the posterior of coins as it is stored, sampled with their animals integrated out."""
    named = [replace(record, animal=f"coin{a}") for a, record in enumerate(records)]
    model = build_model(ModelSpec("coins", terms=()), from_animals(named, ["A", "B"], "coins"))
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(0), model, settings)
    how = {"method": "pseudo-marginal", "seed": 0, "settings": asdict(settings)}
    by_animal = info.log_marginal
    return to_inference_data(made.KEY, model, draws, info.statistics, how, by_animal=by_animal)


def log_posterior(records):
    """Return a grid of means, one of spreads, and log prior + log likelihood at both, each animal
    integrated by quadrature."""
    means, spreads = np.linspace(-3.5, 3.5, 281), np.linspace(0.0, 2.6, 521)
    log_p = stats.norm.logpdf(means)[:, None] + stats.halfnorm(0, 0.5).logpdf(spreads)
    return means, spreads, log_p + _log_likelihood(records, means, spreads)


def _log_likelihood(records, means, spreads):
    """Return log P of all choices at every mean and spread ``(mean, spread)``."""
    counts = [(len(record.choices), int(np.sum(record.choices))) for record in records]
    return sum(_of_one(n, k, tuple(means), tuple(spreads)) for n, k in counts)


@cache
def _of_one(n, k, means, spreads):
    """Return log P of k of n choices of an animal at every mean and spread ``(mean, spread)``."""
    e, weight = np.polynomial.hermite_e.hermegauss(60)
    phi = np.array(means)[:, None, None] + np.array(spreads)[:, None] * e
    each = k * phi - n * np.logaddexp(0.0, phi)
    return logsumexp(each, axis=-1, b=weight / np.sqrt(2 * np.pi))


def grouped(groups):
    """Return sessions of groups of records, the covariate ``group`` being 0, 1 ..."""
    records = [
        replace(one, animal=f"{g}{one.animal}", covariates={"group": str(g)})
        for g, own in enumerate(groups)
        for one in own
    ]
    return from_animals(records, ["A", "B"], "coins")


def two_groups(first, second):
    """Return the posterior of two groups of records on a grid: the mean of the first, the effect of
    being in the second, and the spread ``(cell,)``, the probability of each cell, and the log
    evidence. Prior standard deviations of mean and effect are 1."""
    means, spreads = np.linspace(-3.5, 3.5, 141), np.linspace(0.0125, 2.5, 100)
    log_p = np.stack([_log_likelihood(own, means, spreads) for own in (first, second)])
    grid = np.meshgrid(means, means, spreads, indexing="ij")
    mean, effect, spread = grid[0], grid[1] - grid[0], grid[2]
    whole = log_p[0][:, None] + log_p[1][None]
    whole += stats.norm.logpdf(mean) + stats.norm.logpdf(effect)
    whole += stats.halfnorm(0, 0.5).logpdf(spread)
    p = np.exp(whole - whole.max())
    cell = (means[1] - means[0]) ** 2 * (spreads[1] - spreads[0])
    values = {"mean": mean.ravel(), "effect": effect.ravel(), "spread": spread.ravel()}
    return values, p.ravel() / p.sum(), float(whole.max() + np.log(p.sum() * cell))


def two_spreads(first, second, scale):
    """Return the posterior of two groups of records with spreads of their own on a grid: both
    spreads ``(spread,)``, the probability of each pair, and the log evidence. Prior standard
    deviations of mean and effect are 1, that of the log ratio of spreads is ``scale``."""
    means, spreads = np.linspace(-4.5, 4.5, 181), np.exp(np.linspace(-7.0, 2.0, 181))
    one, other = (_log_likelihood(own, means, spreads) for own in (first, second))
    together = stats.norm.pdf(means)[:, None] * stats.norm.pdf(means[:, None] - means)
    most = one.max(), other.max()
    p = np.exp(one - most[0]).T @ together @ np.exp(other - most[1])
    ratio = np.log(spreads / spreads[:, None])  # of the second group, along the last axis
    p *= stats.norm.pdf(ratio, scale=scale) / spreads
    p *= stats.halfnorm(0, 0.5).pdf(spreads)[:, None]
    p *= np.outer(np.gradient(spreads), np.gradient(spreads)) * (means[1] - means[0]) ** 2
    return spreads, p / p.sum(), float(sum(most) + np.log(p.sum()))


def log_evidence(records):
    """Return the log marginal likelihood of all choices."""
    means, spreads, log_p = log_posterior(records)
    p = np.exp(log_p - log_p.max())
    return log_p.max() + np.log(simpson(simpson(p, x=spreads, axis=1), x=means))
