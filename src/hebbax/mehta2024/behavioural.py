"""The fits that the analyses of simulated behaviour compare, each from the same training data.

`published` estimates (Adam, 351 epochs, L1 on Taylor coefficients) and hebbax's own: the posterior
of a Taylor rule under a shrinking prior, and the modes and a variational fit of an MLP rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.convergence import convergence
from hebbax.mehta2024 import descent, shrinkage, variational
from hebbax.mehta2024 import mode as climb
from hebbax.mehta2024.experiment import Experiment, cohort
from hebbax.mehta2024.pooled import Pooled, Recorded, recorded
from hebbax.mehta2024.scores import Truth, score, split
from hebbax.rule.mlp import MLPRule
from hebbax.rule.taylor import TaylorRule, all_terms, coefficients, distinct_terms
from hebbax.typing import Array, Key

TAYLOR = TaylorRule(all_terms())
"""All 81 terms of x, y, w, r: what generates, and what is published as the Taylor rule."""

DISTINCT = TaylorRule(distinct_terms(all_terms()))
"""The 54 of them that inputs at one rate can tell apart: what the posterior is of."""

MLP = MLPRule()
"""The published MLP rule, 4-10-1."""

PUBLISHED = descent.Settings()
PUBLISHED_MLP = descent.Settings(first=0.01, l1=0.0)

FEW = shrinkage.Settings(rounds=2, sweeps=50, chains=2, block=10, least=2, most=2, places=4)
"""A posterior too short to mean anything: for a quick look at whether all runs."""

MLP_SCALE = 0.3
"""Prior standard deviation of the MLP's weights."""


class Fitted(NamedTuple):
    """A rule fitted to trajectories: ``pooled`` says of which form, ``estimate`` (parameter,) is
    the point estimate, ``draws`` (draw, parameter) stand for its uncertainty. Of draws of a sampler
    ``chains`` has ``r_hat`` and ``ess``, the worst and the least of all parameters, and the same of
    the slope of x r alone (``slope r_hat``, ``slope ess``)."""

    pooled: Pooled
    estimate: Array
    draws: Array
    chains: Mapping[str, float] = MappingProxyType({})


def simulated(
    key: Key, named: Mapping[str, float], experiment: Experiment, *, size: int, held_out: int
) -> Truth:
    """Return ``size`` simulated animals, the last ``held_out`` of them for testing, that learn by
    the rule with the coefficients ``named`` by term."""
    theta = jnp.asarray(coefficients(TAYLOR.terms, named))
    return split(TAYLOR, theta, cohort(key, TAYLOR, theta, experiment, size=size), held_out)


def by_hand(
    key: Key,
    truths: Sequence[Truth],
    experiment: Experiment,
    settings: descent.Settings,
    *,
    mlp: bool,
) -> list[Fitted]:
    """Return the published fit to the training animals of each truth, all in one descent."""
    data = [recorded(truth.train, experiment.network) for truth in truths]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *data)
    form, path = published(key, experiment, batch, settings, mlp=mlp)
    return [Fitted(form, end, end[None]) for end in path[:, -1]]


def both_by_hand(
    key: Key, truths: Sequence[Truth], experiment: Experiment, epochs: int
) -> tuple[list[Fitted], list[Fitted]]:
    """Return the published Taylor and MLP fits (`by_hand`), stopped after ``epochs``."""
    taylors, mlps = (
        by_hand(key, truths, experiment, replace(settings, epochs=epochs), mlp=mlp)
        for settings, mlp in ((PUBLISHED, False), (PUBLISHED_MLP, True))
    )
    return taylors, mlps


def three_ways(
    keys: Sequence[Key],
    truths: Sequence[Truth],
    experiment: Experiment,
    epochs: int,
    settings: shrinkage.Settings,
) -> list[dict[str, Fitted]]:
    """Return of each truth, with a key of its own, three fits by name: the published ones and the
    posterior of a Taylor rule."""
    fits = []
    published_fits = both_by_hand(keys[0], truths, experiment, epochs)
    for key, truth, by_l1, mlp in zip(keys, truths, *published_fits, strict=True):
        data = recorded(truth.train, experiment.network)
        posterior = taylor(key, experiment, data, settings)[0]
        fits.append(
            {
                "Taylor, published way": by_l1,
                "MLP, published way": mlp,
                "Taylor, posterior": posterior,
            }
        )
    return fits


def scored(
    method: str, seed: int, truth: Truth, fitted: Fitted, experiment: Experiment
) -> dict[str, object]:
    """Return the row of one fit: the method's name, its scores, whether its chains met, and of a
    Taylor rule the slope of x r with its 90 % interval."""
    key = jax.random.key(seed)
    row = {"method": method, **score(key, truth, fitted.pooled, fitted.estimate, experiment)}
    row |= fitted.chains
    if isinstance(fitted.pooled.rule, TaylorRule):
        drawn = slope(fitted, fitted.draws, rate=experiment.rate)
        low, high = np.quantile(drawn, [0.05, 0.95])
        point = slope(fitted, fitted.estimate, rate=experiment.rate)
        row |= {"slope": float(point), "low": float(low), "high": float(high)}
    return row


def published(
    key: Key,
    experiment: Experiment,
    data: Recorded,
    settings: descent.Settings,
    *,
    mlp: bool,
    l1: Array | None = None,
) -> tuple[Pooled, Array]:
    """Return the form of the published fit, and its coefficients over epochs ``(problem, epoch,
    parameter)``; ``data`` has a leading dimension ``problem``.

    The fitted model is told nothing of the noise of the inputs. ``l1`` (problem,) is the strength
    of each problem's penalty; without it, all have that of ``settings``.
    """
    pooled = Pooled(MLP if mlp else TAYLOR, experiment.network)
    strengths = jnp.full(len(data.r), settings.l1) if l1 is None else l1
    return pooled, descent.fit(key, pooled, data, settings, l1=strengths)


def taylor(
    key: Key, experiment: Experiment, data: Recorded, settings: shrinkage.Settings
) -> tuple[Fitted, shrinkage.Posterior]:
    """Return the posterior of the 54 distinct Taylor terms; its estimate is the posterior mean."""
    pooled = Pooled(DISTINCT, experiment.network, experiment.noise)
    found = shrinkage.fit(key, pooled, data, settings)
    flat = found.theta.reshape(-1, found.theta.shape[-1])
    theta = np.asarray(found.theta)
    at = [DISTINCT.terms.index("x r")]
    of_slope = {f"slope {name}": value for name, value in convergence(theta[..., at]).items()}
    return Fitted(pooled, flat.mean(axis=0), flat, convergence(theta) | of_slope), found


def mlp_modes(
    key: Key, experiment: Experiment, data: Recorded, first: Array, starts: int
) -> tuple[Pooled, climb.Gaussian]:
    """Return the form of the MLP fit and its modes, the best first.

    The climb begins at ``first`` (parameter,), a published estimate, and at ``starts - 1`` draws
    from the prior.
    """
    pooled = Pooled(MLP, experiment.network, experiment.noise)
    drawn = MLP_SCALE * jax.random.normal(key, (starts, len(MLP.parameters)))
    precision = jnp.full(len(MLP.parameters), MLP_SCALE**-2)
    begin = drawn.at[0].set(first)
    return pooled, climb.modes(pooled, data, precision, begin, climb.Settings(steps=40))


def mlp_variational(
    key: Key, pooled: Pooled, data: Recorded, modes: climb.Gaussian, settings: variational.Settings
) -> tuple[Fitted, np.ndarray]:
    """Return the variational fit of the MLP rule around its best mode, which stays the point
    estimate, and log p - log q of some draws: only where their k-hat is small is it a posterior."""
    precision = jnp.full(len(MLP.parameters), MLP_SCALE**-2)
    best = jax.tree.map(lambda leaf: leaf[0], modes)
    fit_key, draw_key = jax.random.split(key)
    guide, log_weights = variational.fit(fit_key, pooled, data, precision, best, settings)
    drawn = climb.draws(draw_key, guide, settings.weighed)
    return Fitted(pooled, best.mean, drawn), np.asarray(log_weights)


def merged(theta: np.ndarray, rate: float) -> np.ndarray:
    """Return the coefficients of the 54 distinct terms ``(..., term)`` of those of all 81: where
    x^2 = rate x, theta(x ...) + rate * theta(x^2 ...)."""
    values = np.asarray(theta)
    out = np.zeros((*values.shape[:-1], len(DISTINCT.terms)))
    for j, e in enumerate(TAYLOR.exponents):
        linear = e._replace(pre=min(e.pre, 1))
        share = rate if e.pre == 2 else 1.0
        out[..., DISTINCT.exponents.index(linear)] += share * values[..., j]
    return out


def slope(fitted: Fitted, theta: Array, *, rate: float) -> np.ndarray:
    """Return the slope theta(x r) + rate * theta(x^2 r) of Taylor coefficients ``(..., term)``."""
    values = np.asarray(theta)
    distinct = values if fitted.pooled.rule == DISTINCT else merged(values, rate)
    return distinct[..., DISTINCT.terms.index("x r")]
