r"""The evidence of a model: its log marginal likelihood by bridge sampling (Meng & Wong 1996).

The chains draw theta together with all random numbers u of p-hat, from

    pi(theta, u) = p(theta) prod_a p-hat_a(theta, u) q(u) / Z,

whose theta has the posterior, p-hat being unbiased; Z is the marginal likelihood. The mixture that
they propose from, with fresh random numbers, draws from g(theta, u) = q(theta) q(u). What both have
of u cancels, so that at draws of either one the ratio

    l = p(theta) prod_a p-hat_a(theta, u) / q(theta) = Z pi / g

is known: of the chains from the p-hat that was stored with each draw. Hence, with shares s + t = 1,

    Z = E_g[ l / (s l + t Z) ] / E_pi[ 1 / (s l + t Z) ],

solved for Z (`hebbax.inference.pseudo_marginal.bridge`). Neither mean has weights without a bound,
as importance sampling by g alone has where the posterior has a longer tail than the mixture. The
mixture is fitted to draws of the warm-up, so that it knows nothing of those that it is weighed by.

In the coordinates of the mixture the prior is standard normal, and both densities are of the size
of a spread, twice those of either sign. Where there is no population q(theta) is missing, and Z is
the product of the animals' own.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.pseudo_marginal import mixture
from hebbax.inference.pseudo_marginal.animal import COMPILER, Frame
from hebbax.inference.pseudo_marginal.bridge import LEAST_EFFECTIVE, bridge
from hebbax.inference.pseudo_marginal.candidates import Known, moved
from hebbax.inference.pseudo_marginal.marginal import BATCH, log_marginal
from hebbax.inference.pseudo_marginal.population import Population, Prior, whitened
from hebbax.typing import Array, Key


class Evidence(NamedTuple):
    """Log marginal likelihood in nats, its Monte Carlo standard error, and the effective number of
    draws, of the chains or of the mixture, whichever is less; NaN where the prior has scales of its
    own, or more members than a population is proposed of as a whole, or a few draws decide."""

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


class Visited(NamedTuple):
    """What the chains drew: populations, leading dimensions ``(chain, draw)``, and log p-hat
    ``(chain, draw, animal)`` of their animals."""

    populations: Population
    log_p: Array


def has_evidence(frame: Frame, prior: Prior) -> bool:
    """Whether there is an evidence of a model: under priors without scales of their own, in the
    coordinates of the mixture where it proposes whole populations."""
    if not frame.population:
        return prior.normal
    return prior.shrinkage is None and mixture.as_whole(frame.n_members)


def log_evidence(
    key: Key, frame: Frame, known: Known, visited: Visited, n_points: int, n_draws: int
) -> Evidence:
    """Return the evidence by what the chains ``visited`` and by ``n_draws`` populations of the
    mixture, each animal integrated by ``n_points``."""
    if n_draws == 0 or not has_evidence(frame, known.prior):
        return UNKNOWN
    drawn = np.asarray(_drawn(key, frame, n_points, n_draws, known))
    log_p = np.asarray(visited.log_p)
    if known.mixture is None:
        return bridged(log_p, drawn)
    return bridged(log_p.sum(-1) + np.asarray(_log_ratios(known, visited.populations)), drawn)


def bridged(chains: np.ndarray, drawn: np.ndarray) -> Evidence:
    """Return the evidence from log l of the ``chains`` (chain, draw) and of draws of the mixture
    (draw,), or with a last dimension of parts that are independent; NaN where fewer than
    `LEAST_EFFECTIVE` draws carry one of the means."""
    parts = np.moveaxis(np.atleast_3d(chains), -1, 0), np.atleast_2d(drawn.T)
    found = [bridge(*part) for part in zip(*parts, strict=True)]
    values, errors, sizes = (np.array(leaf) for leaf in zip(*found, strict=True))
    effective = float(sizes.min())
    if not effective >= LEAST_EFFECTIVE:
        return UNKNOWN._replace(effective=effective)
    return Evidence(float(values.sum()), float(np.sqrt((errors**2).sum())), effective)


@partial(jax.jit, compiler_options=COMPILER)
def _log_ratios(known: Known, populations: Population) -> Array:
    """Return log p(theta) - log q(theta) ``(chain, draw)`` of some populations."""
    block = mixture.whole(known.prior.regression.members)

    def one(population: Population) -> Array:
        assert known.mixture is not None
        white = mixture.canonical(whitened(known.prior, population))
        given = mixture.given(known.mixture, block, white)
        return _log_ratio(given, white[mixture.places(block, population.mean.size)])

    shape = populations.log_global.shape
    flat = jax.tree.map(jnp.concatenate, populations)
    return jax.lax.map(one, flat, batch_size=BATCH).reshape(shape)


def _log_ratio(given: mixture.Conditional, drawn: Array) -> Array:
    """Return log p - log q of means, spreads and effects in the mixture's coordinates."""
    # The density of the mixture is that of the size of a spread: twice that of either sign.
    folded = len(given.block.members) * np.log(2.0)
    log_prior = folded - 0.5 * (drawn**2 + np.log(2.0 * np.pi)).sum()
    return log_prior - mixture.log_density(given, drawn)


@partial(jax.jit, static_argnums=(1, 2, 3), compiler_options=COMPILER)
def _drawn(key: Key, frame: Frame, n_points: int, n_draws: int, known: Known) -> Array:
    """Return log l ``(draw,)`` of populations drawn from the mixture with fresh random numbers;
    where there is none, log p-hat ``(draw, animal)`` of the animals."""

    def animals(key: Key) -> Array:
        zero = jnp.zeros(())
        return log_marginal(
            key,
            frame,
            known,
            n_points,
            Population(jnp.zeros_like(known.prior.mean), known.prior.mean, jnp.zeros(0), zero),
        )

    def population(key: Key) -> Array:
        draw_key, key = jax.random.split(key)
        zeros, block = jnp.zeros(frame.n_members), mixture.whole(known.prior.regression.members)
        no_effects = jnp.zeros_like(known.prior.regression.scale)
        nowhere = Population(zeros, zeros, no_effects, jnp.zeros(()))
        now = mixture.canonical(nowhere)
        assert known.mixture is not None
        given = mixture.given(known.mixture, block, now)
        drawn = mixture.draw(draw_key, given, len(now))
        new = moved(known.prior, nowhere, block, drawn)
        log_p = log_marginal(key, frame, known, n_points, new)
        return log_p.sum() + _log_ratio(given, drawn)

    one = animals if known.mixture is None else population
    return jax.lax.map(one, jax.random.split(key, n_draws), batch_size=BATCH)
