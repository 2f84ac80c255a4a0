r"""The log evidence of sub-models of one model, by Laplace's approximation, many at once.

A sub-model is a 0/1 mask over the members of an animal's values phi_a (the terms of the rule, then
the preference and what else the model has). A member that is out has a prior of width zero: every
sub-model is the same program with other numbers, and a batch of them is one compiled pass
(`hebbax.submodels.batches`).

Each animal's log likelihood is expanded to second order at the mode of its values; population and
spreads are then integrated as `hebbax.inference.mixed` says. What is wrong with the evidence is the
expansion; `hebbax.submodels.reweighting` measures by how much.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hebbax.inference.density import Expansion
from hebbax.inference.mixed import Gaussian, Problem, gaussian
from hebbax.model.choices import Model
from hebbax.model.priors import SPREAD_FRACTION
from hebbax.typing import Array

STEP = 0.6
"""Fraction of each step taken: spreads and values move together, and whole steps of both swing."""


MARGIN = 3.0
"""Nats by which a Laplace evidence may exceed the likelihood at its mode; more is none."""


@dataclass(frozen=True)
class Settings:
    """Settings of the pass.

    Up to ``stretches`` times ``rounds`` of Gauss-Newton on the animals' values, each with one
    Newton step of the log spreads of at most ``reach``; fewer where the evidence moved by less than
    ``tolerance`` nats, or on excerpts of the sessions ``excerpt_tolerance``. ``batch`` sub-models
    are solved side by side; after each stretch those that have not arrived go on together, and
    those ``hopeless`` nats below the best stay where they are.
    """

    rounds: int = 8
    stretches: int = 3
    tolerance: float = 0.02
    excerpt_tolerance: float = 0.5
    reach: float = 0.6
    batch: int = 8
    hopeless: float = 40.0


class Start(NamedTuple):
    """Where sub-models start: each animal's values ``phi`` (..., animal, member) and the log
    spreads (..., member)."""

    phi: Array
    log_spread: Array


class Solution(NamedTuple):
    """The Gaussian approximation of sub-models; all with the same leading dimensions.

    ``log_evidence`` () in nats; each animal's ``log_likelihood`` (animal,) and values ``phi``
    (animal, member), and ``log_spread`` (member,), at the mode; ``population`` (member,) and its
    ``covariance`` (member, member) given the spreads, the covariance ``spread_covariance`` (member,
    member) of the log spreads, the ``shortfall`` () in nats of a climb that did not arrive, the
    fraction of the next step that each animal would take, ``length`` (animal,), and the number of
    ``rounds`` () of the last stretch.
    """

    log_evidence: Array
    log_likelihood: Array
    phi: Array
    log_spread: Array
    population: Array
    covariance: Array
    spread_covariance: Array
    shortfall: Array
    length: Array
    rounds: Array


def rest(model: Model, scales: Array) -> Start:
    """Return where nothing is known: no plasticity, no preference, spreads at half their scale."""
    return Start(
        jnp.zeros((model.sessions.n_animals, scales.shape[-1])),
        jnp.log(0.5 * SPREAD_FRACTION * scales),
    )


class _State(NamedTuple):
    """A step of the climb: the animals' values with the expansion there, the length of the next
    step of each animal, the log spreads, the log density, and by how much it moved."""

    phi: Array
    there: Expansion
    length: Array
    log_spread: Array
    log_density: Array
    change: Array
    rounds: Array


def climb(
    expand: Callable[[Array], Expansion],
    settings: Settings,
    problem: Problem,
    start: Start,
    length: Array,
) -> Solution:
    """Return the solution of one sub-model after a stretch that begins with steps of ``length``;
    ``expand`` gives each animal's log likelihood to second order."""
    included = problem.included
    phi = jnp.where(included, start.phi, 0.0)
    nothing = jnp.zeros((), int)
    there, far = expand(phi), jnp.full((), jnp.inf)
    first = _State(phi, there, length, start.log_spread, -far, far, nothing)

    def going_on(state: _State) -> Array:
        return (state.change > settings.tolerance) & (state.rounds < settings.rounds)

    def one_round(state: _State) -> _State:
        given = gaussian(problem, state.phi, state.there, state.log_spread)
        short = shortfall(problem, state.phi, state.there, state.log_spread, given)
        step = jnp.clip(STEP * given.newton, -settings.reach, settings.reach)
        away = given.animals - state.phi
        # No animal goes further than a prior scale at once.
        farthest = (jnp.abs(away) / problem.scales).max(-1)
        length = jnp.minimum(state.length, 1.0 / jnp.maximum(farthest, 1e-9))
        trial = state.phi + length[:, None] * away
        tried = expand(trial)
        prior = partial(_log_prior, included, given.population, jnp.exp(state.log_spread))
        better = tried.value + prior(trial) >= state.there.value + prior(state.phi) - 1e-6
        phi, there = jax.tree.map(partial(_where, better), (trial, tried), (state.phi, state.there))
        length = jnp.where(better, jnp.minimum(STEP, 2.0 * state.length), 0.25 * length)
        moved = jnp.abs(given.log_density - state.log_density) + short
        return _State(
            phi, there, length, state.log_spread + step, given.log_density, moved, state.rounds + 1
        )

    last = jax.lax.while_loop(going_on, one_round, first)
    given = gaussian(problem, last.phi, last.there, last.log_spread)
    short = shortfall(problem, last.phi, last.there, last.log_spread, given)
    log_evidence = given.log_density + given.spread_volume - short
    # Where weights run away slopes are of any size, and sums of them are rounding errors.
    possible = log_evidence <= last.there.value.sum() + MARGIN
    return Solution(
        log_evidence=jnp.where(possible, log_evidence, -jnp.inf),
        log_likelihood=last.there.value,
        phi=last.phi,
        log_spread=last.log_spread,
        population=given.population,
        covariance=given.covariance,
        spread_covariance=given.spread_covariance,
        shortfall=short,
        length=last.length,
        rounds=last.rounds,
    )


def _where(better: Array, new: Array, old: Array) -> Array:
    return jnp.where(better.reshape(better.shape + (1,) * (new.ndim - 1)), new, old)


def _log_prior(included: Array, location: Array, spread: Array, phi: Array) -> Array:
    """Return the log prior density of each animal's values (animal,), up to a constant."""
    return -0.5 * (jnp.where(included, (phi - location) / spread, 0.0) ** 2).sum(-1)


def shortfall(
    problem: Problem, phi: Array, there: Expansion, log_spread: Array, given: Gaussian
) -> Array:
    """Return by how many nats the expansion promises more at its peak than is known at ``phi``.

    It is zero at a mode. Where a climb did not arrive, the promise may be worth nothing, and the
    evidence is given without it: too low rather than too high.
    """
    away = given.animals - phi
    prior = partial(_log_prior, problem.included, given.population, jnp.exp(log_spread))
    promised = (there.slope * away).sum(-1)
    promised -= 0.5 * jnp.einsum("ai,aij,aj->a", away, there.information, away)
    return (promised + prior(given.animals) - prior(phi)).sum()
