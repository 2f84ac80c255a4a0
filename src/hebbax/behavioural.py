"""The fits that the analyses of simulated behaviour compare, each from the same training data.

``published`` estimates (Adam, 351 epochs, L1 on Taylor coefficients) and hebbax's own: the
posterior of a Taylor rule under a shrinking prior, and an ensemble and a variational posterior of
an MLP rule.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.experiment import Experiment
from hebbax.inference import descent, ensemble, shrinkage, variational
from hebbax.inference import pooled as climb
from hebbax.mlp import MLPRule
from hebbax.plasticity import TaylorRule, all_terms, distinct_terms
from hebbax.pooled import Pooled, Recorded
from hebbax.typing import Array, Key

TAYLOR = TaylorRule(all_terms())
"""All 81 terms of x, y, w, r: what generates, and what is published as the Taylor rule."""

DISTINCT = TaylorRule(distinct_terms(all_terms()))
"""The 54 of them that inputs at one rate can tell apart: what the posterior is of."""

MLP = MLPRule()
"""The published MLP rule, 4-10-1."""

PUBLISHED = descent.Settings()
PUBLISHED_MLP = descent.Settings(first=0.01, l1=0.0)

MLP_SCALE = 0.3
"""Prior standard deviation of the MLP's weights."""


class Fitted(NamedTuple):
    """A rule fitted to trajectories: ``pooled`` says of which form, ``estimate`` (parameter,) is
    the point estimate, ``draws`` (draw, parameter) stand for its uncertainty."""

    pooled: Pooled
    estimate: Array
    draws: Array


@dataclass(frozen=True)
class MLPSettings:
    """Settings of the MLP's fits: how many ``starts``, how each climbs to its
    ``mode``, and the
    variational ``guide``."""

    starts: int = 6
    mode: climb.Settings = field(default_factory=climb.Settings)
    guide: variational.Settings = field(default_factory=variational.Settings)


def published(
    key: Key, experiment: Experiment, data: Recorded, settings: descent.Settings, *, mlp: bool
) -> tuple[Fitted, Array]:
    """Return the published point estimate, and its path over epochs ``(epoch, parameter)``.

    The fitted model is told nothing of the noise of the inputs.
    """
    pooled = Pooled(MLP if mlp else TAYLOR, experiment.network)
    batch = jax.tree.map(lambda leaf: leaf[None], data)
    path = descent.fit(key, pooled, batch, settings, l1=jnp.array([settings.l1]))[0]
    return Fitted(pooled, path[-1], path[-1:]), path


def taylor(
    key: Key, experiment: Experiment, data: Recorded, settings: shrinkage.Settings
) -> tuple[Fitted, shrinkage.Posterior]:
    """Return the posterior of the 54 distinct Taylor terms; its estimate is the posterior mean."""
    pooled = Pooled(DISTINCT, experiment.network, experiment.noise)
    found = shrinkage.fit(key, pooled, data, jnp.zeros(len(DISTINCT.terms)), settings)
    flat = found.theta.reshape(-1, found.theta.shape[-1])
    return Fitted(pooled, flat.mean(axis=0), flat), found


def mlp(
    key: Key, experiment: Experiment, data: Recorded, settings: MLPSettings
) -> tuple[Fitted, climb.Gaussian, np.ndarray]:
    """Return the variational posterior of the MLP rule, the modes of the ensemble (best first) and
    log p - log q of the variational draws. The point estimate is the best mode."""
    pooled = Pooled(MLP, experiment.network, experiment.noise)
    precision = jnp.full(len(MLP.parameters), MLP_SCALE**-2)
    start_key, fit_key, draw_key = jax.random.split(key, 3)
    modes = ensemble.fit(
        start_key, pooled, data, precision, size=settings.starts, settings=settings.mode
    )
    best = jax.tree.map(lambda leaf: leaf[0], modes)
    guide, log_weights = variational.fit(fit_key, pooled, data, precision, best, settings.guide)
    draws = climb.draws(draw_key, guide, 400)
    return Fitted(pooled, best.mean, draws), modes, np.asarray(log_weights)


def slope(fitted: Fitted, theta: Array, *, rate: float) -> np.ndarray:
    """Return the slope theta(x r) + rate * theta(x^2 r) of Taylor coefficients ``(..., term)``."""
    terms = fitted.pooled.rule.parameters
    values = np.asarray(theta)
    parts = {"x r": 1.0, "x^2 r": rate}
    return sum(
        (share * values[..., terms.index(t)] for t, share in parts.items() if t in terms),
        start=np.zeros(values.shape[:-1]),
    )
