"""What is computed of draws: log P of observations, log priors, predictions, and of the prior."""

from collections.abc import Mapping
from functools import partial

import jax
import numpy as np
from numpyro.infer import Predictive

from hebbax.inference.density import log_likelihood, log_prior, top_sites
from hebbax.model.choices import Model
from hebbax.posterior import learning
from hebbax.typing import Key

PRIOR_DRAWS = 200
"""Draws of the prior and its predictive that are stored beside the posterior."""


def pointwise_log_likelihood(model: Model, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return log P of each observation ``(chain, draw, observation)`` in nats."""
    one = jax.jit(jax.vmap(partial(log_likelihood, model)))
    return np.stack([np.asarray(one(dict(chain))) for chain in _chains(values)])


def log_priors(model: Model, draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the log prior density ``(chain, draw)`` of each site of the top level that there are
    draws of, in nats."""
    one = jax.jit(jax.vmap(jax.vmap(partial(log_prior, model))))
    known = {site: draws[site] for site in top_sites(model) if site in draws}
    return {site: np.asarray(value) for site, value in one(known).items()} if known else {}


def predict(key: Key, model: Model, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return observations drawn one step ahead, given the recorded history."""

    def one(key: Key, draw: dict) -> jax.Array:
        return model.distribution(draw).sample(key)

    chains = _chains(values)
    keys = jax.random.split(key, (len(chains), len(next(iter(chains[0].values())))))
    predict = jax.jit(jax.vmap(one))
    drawn = [np.asarray(predict(k, v)) for k, v in zip(keys, chains, strict=True)]
    return counts(np.stack(drawn))


def counts(values: np.ndarray) -> np.ndarray:
    """Return whole numbers in 16 bits, or where one is larger in 32, the largest of which stands
    for all beyond it."""
    if values.max(initial=0) <= np.iinfo(np.int16).max:
        return values.astype(np.int16)
    return np.minimum(values, np.iinfo(np.int32).max).astype(np.int32)


def draw_prior(key: Key, model: Model) -> dict[str, np.ndarray]:
    """Return `PRIOR_DRAWS` draws of the prior by site ``(draw, ...)``, and what it predicts."""
    drawn = Predictive(model, num_samples=PRIOR_DRAWS)(key, **{model.site: None})
    values = {name: np.asarray(value) for name, value in drawn.items()}
    return {**values, **learning.derived(model, values)}


def _chains(values: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    n_chains = len(next(iter(values.values())))
    return [{k: v[chain] for k, v in values.items()} for chain in range(n_chains)]
