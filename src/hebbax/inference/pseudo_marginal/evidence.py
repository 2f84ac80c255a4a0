r"""The evidence of a model: its log marginal likelihood by importance sampling.

With populations theta_k drawn from the mixture q that the chains propose from, and animals
integrated out by importance sampling at random numbers of their own,

    Z = integral p(theta) prod_a p(y_a | theta) dtheta
      = E[ mean_k  p(theta_k) prod_a p-hat_a(theta_k) / q(theta_k) ],

which is unbiased since p-hat is. In the coordinates of the mixture the prior is standard normal.
Where there is no population Z is the product of the animals' own, each the mean of its p-hat.

The error is that of the mean, the sum's standard deviation over draws by the delta method.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.pseudo_marginal import mixture, points
from hebbax.inference.pseudo_marginal.animal import Frame
from hebbax.inference.pseudo_marginal.candidates import Known, moved
from hebbax.inference.pseudo_marginal.moves import components_of, estimates
from hebbax.inference.pseudo_marginal.population import Population
from hebbax.typing import Array, Key

LEAST_EFFECTIVE = 50.0
"""Importance draws, by their effective number, below which the error is not known either."""

BATCH = 50
"""Populations whose animals are computed side by side."""


class Evidence(NamedTuple):
    """Log marginal likelihood in nats, its Monte Carlo standard error, and the effective number of
    importance draws; NaN where the prior has scales of its own, or more members than a population
    is proposed of as a whole, or a few draws have all the weight."""

    log_evidence: float
    error: float
    effective: float

    @property
    def attributes(self) -> dict[str, float]:
        """What is stored with a posterior, by name; nothing where it is not known."""
        if np.isnan(self.log_evidence):
            return {}
        return {"log_evidence": self.log_evidence, "log_evidence_error": self.error}


UNKNOWN = Evidence(np.nan, np.nan, np.nan)


def log_evidence(key: Key, frame: Frame, known: Known, n_points: int, n_draws: int) -> Evidence:
    """Return the evidence by ``n_draws`` populations, each animal integrated by ``n_points``."""
    if known.mixture is None:
        normal = not np.asarray(known.prior.laplace).any()
    else:
        normal = frame.n_members <= mixture.WHOLE  # in the coordinates of the mixture
    if n_draws == 0 or known.prior.shrinkage is not None or not normal:
        return UNKNOWN
    return of_weights(np.asarray(_log_weights(key, frame, n_points, n_draws, known)))


def of_weights(log_weights: np.ndarray) -> Evidence:
    """Return the evidence from log weights ``(draw,)``, or ``(draw, part)`` of parts that are
    independent; NaN where fewer than `LEAST_EFFECTIVE` draws carry one of them."""
    parts = [_mean(each) for each in np.atleast_2d(log_weights.T)]
    values, errors, sizes = (np.array(leaf) for leaf in zip(*parts, strict=True))
    effective = float(sizes.min())
    if effective < LEAST_EFFECTIVE:
        return UNKNOWN._replace(effective=effective)
    return Evidence(float(values.sum()), float(np.sqrt((errors**2).sum())), effective)


def _mean(log_weights: np.ndarray) -> tuple[float, float, float]:
    """Return the log mean of weights ``(draw,)``, its standard error, and their effective size."""
    n, most = len(log_weights), log_weights.max()
    weights = np.exp(log_weights - most)
    mean = weights.mean()
    effective = weights.sum() ** 2 / (weights**2).sum()
    return float(most + np.log(mean)), float(weights.std() / mean / np.sqrt(n)), float(effective)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _log_weights(key: Key, frame: Frame, n_points: int, n_draws: int, known: Known) -> Array:
    """Return log weights ``(draw,)`` of populations drawn from the mixture; where there is none,
    log p-hat ``(draw, animal)`` of the animals."""
    n_animals = known.trials.accepted.shape[0]

    def log_p(key: Key, population: Population) -> Array:
        noise_key, key = jax.random.split(key)
        keys = jax.random.split(noise_key, n_animals)
        noise = jax.vmap(lambda key: points.draw_noise(key, n_points, frame.n_members))(keys)
        components = components_of(known, population)
        return estimates(key, frame, known, population, components, noise).log_p

    def animals(key: Key) -> Array:
        zero = jnp.zeros(())
        return log_p(key, Population(jnp.zeros_like(known.prior.mean), known.prior.mean, zero))

    def population(key: Key) -> Array:
        draw_key, key = jax.random.split(key)
        block = mixture.draw_block(key, frame.n_members)
        zeros = jnp.zeros(frame.n_members)
        nowhere = Population(zeros, zeros, jnp.zeros(()))
        now = mixture.canonical(nowhere)
        assert known.mixture is not None
        given = mixture.given(known.mixture, block, now)
        drawn = mixture.draw(draw_key, given, len(now))
        new = moved(known.prior, nowhere, block, drawn)
        # The density of the mixture is that of the size of a spread: twice that of either sign.
        normal = -0.5 * (drawn**2 + np.log(2.0 * np.pi)).sum()
        log_prior = normal + frame.n_members * np.log(2.0)
        return log_p(key, new).sum() + log_prior - mixture.log_density(given, drawn)

    one = animals if known.mixture is None else population
    return jax.lax.map(one, jax.random.split(key, n_draws), batch_size=BATCH)
