r"""The log evidence of sub-models of one model, by Laplace's approximation, many at once.

A sub-model is a 0/1 mask over the members of an animal's values phi_a (the terms of the rule, then
the preference and what else the model has). A member that is out has a prior of width zero: every
sub-model is the same program with other numbers, and a batch of them is one compiled pass.

For one sub-model, with prior scales d and spreads s that are zero where a member is out,

    mu = d m,  m ~ Normal(0, 1);  s ~ HalfNormal(d / 2);  phi_a = mu + s e_a,  e_a ~ Normal(0, 1).

Each animal's log likelihood is expanded to second order at the mode of its values, with its Fisher
information as the curvature. Given s all else is then Gaussian and integrated in closed form (the
linear mixed model of `hebbax.inference.coordinates`, here without dividing by d or s):

    log p(y | s) = sum_a (c_a + h_a S Q_a^-1 S h_a / 2 - log |Q_a| / 2)
                   + b L^-1 b / 2 - log |L| / 2,      Q_a = 1 + S I_a S,
    L = 1 + D sum_a (I_a - I_a S Q_a^-1 S I_a) D,    b = D sum_a (h_a - I_a S Q_a^-1 S h_a).

The log spreads are integrated by Laplace too, at their mode, with slope and Hessian from the
moments of the e_a (Louis 1982): both are exact for the Gaussian model. What is wrong with the
evidence is the expansion; `hebbax.inference.reweighting` measures by how much.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.density import Expansion, expansion
from hebbax.model import Model
from hebbax.priors import SPREAD_FRACTION
from hebbax.typing import Array, Progress, silent

FLAT = 0.3
"""Curvature a log spread is given where the density is not peaked; its prior alone has 2."""

STEP = 0.6
"""Fraction of each step taken: spreads and values move together, and whole steps of both swing."""


@dataclass(frozen=True)
class Settings:
    """Settings of the pass.

    Up to ``rounds`` of Gauss-Newton on the animals' values, each with one Newton step of the log
    spreads of at most ``reach``; fewer where the evidence moved by less than ``tolerance`` nats.
    ``batch`` sub-models are solved side by side.
    """

    rounds: int = 25
    tolerance: float = 0.02
    reach: float = 0.6
    batch: int = 16


class Start(NamedTuple):
    """Where sub-models start: each animal's values ``phi`` (..., animal, member) and the log
    spreads (..., member)."""

    phi: Array
    log_spread: Array


class Solution(NamedTuple):
    """The Gaussian approximation of sub-models; all with the same leading dimensions.

    ``log_evidence`` () in nats, each animal's values ``phi`` (animal, member) and ``log_spread``
    (member,) at the mode, ``population`` (member,) and its ``covariance`` (member, member) given
    the spreads, the covariance ``spread_covariance`` (member, member) of the log spreads, the
    ``shortfall`` () in nats of a climb that did not arrive, and the number of ``rounds`` ().
    """

    log_evidence: Array
    phi: Array
    log_spread: Array
    population: Array
    covariance: Array
    spread_covariance: Array
    shortfall: Array
    rounds: Array


class Problem(NamedTuple):
    """One sub-model: which members are ``included`` (member,), and all prior ``scales``
    (member,)."""

    included: Array
    scales: Array

    @property
    def width(self) -> Array:
        """Prior standard deviation of the population values: zero where a member is out."""
        return jnp.where(self.included, self.scales, 0.0)


def solve(
    model: Model,
    problems: Problem,
    start: Start,
    settings: Settings | None = None,
    progress: Progress = silent,
    labels: Array | None = None,
) -> Solution:
    """Return the `Solution` of many sub-models, with a leading dimension ``sub-model``.

    Args:
        model: the model of all candidate terms, with a hierarchy of animals.
        problems: masks and prior scales, each ``(sub-model, member)``.
        start: where each begins, with a leading dimension ``sub-model``.
        settings: of the pass.
        progress: called after each batch.
        labels: probabilities of the choices ``(animal, trial, stimulus)`` in place of the recorded
            ones, see `hebbax.inference.density.expansion`.
    """
    settings = settings or Settings()
    n = len(problems.included)
    # The last batch is filled up with the last sub-model, so that one program serves all.
    index = np.minimum(np.arange(-(-n // settings.batch) * settings.batch), n - 1)
    found = []
    for done in range(0, len(index), settings.batch):
        own = index[done : done + settings.batch]
        part = jax.tree.map(lambda v, own=own: v[own], (problems, start))
        found.append(jax.device_get(_solve_batch(model, settings, labels, *part)))
        progress("weighing sub-models", min(done + settings.batch, n), n)
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:n], *found)


@partial(jax.jit, static_argnames=("model", "settings"))
def _solve_batch(
    model: Model, settings: Settings, labels: Array | None, problems: Problem, start: Start
) -> Solution:
    return jax.vmap(partial(_solve, model, settings, labels))(problems, start)


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


def _solve(
    model: Model, settings: Settings, labels: Array | None, problem: Problem, start: Start
) -> Solution:
    """Return the solution of one sub-model."""
    included = problem.included
    phi = jnp.where(included, start.phi, 0.0)
    nothing = jnp.zeros((), int)
    length = jnp.full(phi.shape[0], STEP)
    there, far = expansion(model, phi, labels), jnp.full((), jnp.inf)
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
        tried = expansion(model, trial, labels)
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
    return Solution(
        log_evidence=given.log_density + given.spread_volume - short,
        phi=last.phi,
        log_spread=last.log_spread,
        population=given.population,
        covariance=given.covariance,
        spread_covariance=given.spread_covariance,
        shortfall=short,
        rounds=last.rounds,
    )


def _where(better: Array, new: Array, old: Array) -> Array:
    return jnp.where(better.reshape(better.shape + (1,) * (new.ndim - 1)), new, old)


def _log_prior(included: Array, location: Array, spread: Array, phi: Array) -> Array:
    """Return the log prior density of each animal's values (animal,), up to a constant."""
    return -0.5 * (jnp.where(included, (phi - location) / spread, 0.0) ** 2).sum(-1)


def shortfall(
    problem: Problem, phi: Array, there: Expansion, log_spread: Array, given: "Gaussian"
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


class Gaussian(NamedTuple):
    """The Gaussian model at given log spreads.

    ``log_density`` of data and log spreads in nats; mean ``population`` (member,) with its
    ``covariance`` (member, member); the ``animals``' values (animal, member) at it; the ``newton``
    step of the log spreads (member,), their ``spread_covariance`` (member, member) and the log
    ``spread_volume`` of the Gaussian they make.
    """

    log_density: Array
    population: Array
    covariance: Array
    animals: Array
    newton: Array
    spread_covariance: Array
    spread_volume: Array


def gaussian(problem: Problem, phi: Array, there: Expansion, log_spread: Array) -> Gaussian:
    """Return the Gaussian model whose likelihoods are expanded at ``phi`` (animal, member)."""
    spread = jnp.where(problem.included, jnp.exp(log_spread), 0.0)
    width = jnp.where(problem.included, problem.scales, 0.0)
    information = there.information
    linear = there.slope + jnp.einsum("aij,aj->ai", information, phi)
    eye = jnp.eye(spread.shape[0])
    own, own_volume = inverse(eye + spread[:, None] * information * spread)
    across = spread[:, None] * information  # S I
    shared = information - jnp.einsum("aji,ajk,akl->ail", across, own, across)
    pulled = linear - jnp.einsum("aji,ajk,ak->ai", across, own, spread * linear)
    whole, volume = inverse(eye + width[:, None] * shared.sum(0) * width)
    pull = width * pulled.sum(0)
    population = width * (whole @ pull)
    rest = spread * (linear - information @ population)
    e = jnp.einsum("aij,aj->ai", own, rest)

    at_zero = there.value - (linear * phi).sum(-1)
    at_zero += 0.5 * jnp.einsum("ai,aij,aj->a", phi, information, phi)
    animals = 0.5 * jnp.einsum("ai,aij,aj->a", spread * linear, own, spread * linear)
    log_density = (at_zero + animals - 0.5 * own_volume).sum()
    log_density += 0.5 * pull @ whole @ pull - 0.5 * volume
    by_population = jnp.einsum("aij,ajk,k->aik", own, across, width)
    prior, slope, hessian = _spread_terms(problem, log_spread, e, own, by_population, whole)
    step, covariance, spread_volume = _peak(problem.included, slope, hessian)
    return Gaussian(
        log_density + prior,
        population,
        width[:, None] * whole * width,
        population + spread * e,
        step,
        covariance,
        spread_volume,
    )


def _spread_terms(
    problem: Problem, log_spread: Array, e: Array, own: Array, by_population: Array, whole: Array
) -> tuple[Array, Array, Array]:
    """Return the log prior of the log spreads, and slope and minus the Hessian of the density of
    data and log spreads.

    With E and Cov over the Gaussian posterior of the e, the slope of the log likelihood is
    sum_a E[e_aj^2] - 1, and its Hessian
    Cov(sum_a e_aj^2, sum_b e_bk^2) - 2 [j = k] sum_a E[e_aj^2].

    Args:
        problem: masks and scales.
        log_spread: (member,).
        e: means of the animals' e (animal, member).
        own: their covariances given the population (animal, member, member).
        by_population: minus their slopes in m (animal, member, member).
        whole: covariance of m (member, member).
    """
    between = jnp.einsum("aij,jk,blk->abil", by_population, whole, by_population)
    diagonal = jnp.arange(e.shape[0])
    covariance = between.at[diagonal, diagonal].add(own)
    second = (e**2 + jnp.diagonal(covariance[diagonal, diagonal], axis1=-2, axis2=-1)).sum(0)
    quadratics = jnp.einsum("abij->ij", 2.0 * covariance**2) + 4.0 * jnp.einsum(
        "ai,abij,bj->ij", e, covariance, e
    )
    # HalfNormal of the spread, and the Jacobian of its logarithm.
    relative = jnp.exp(log_spread) / (SPREAD_FRACTION * problem.scales)
    prior = 0.5 * np.log(2.0 / np.pi) - 0.5 * relative**2 + jnp.log(relative)
    slope = second - e.shape[0] + 1.0 - relative**2
    hessian = jnp.diag(2.0 * second + 2.0 * relative**2) - quadratics
    return jnp.where(problem.included, prior, 0.0).sum(), slope, hessian


def _peak(included: Array, slope: Array, hessian: Array) -> tuple[Array, Array, Array]:
    """Return the Newton step to a peak, its covariance, and the log volume under it.

    Where minus the Hessian is not positive definite, as much is added to its diagonal as makes
    every row dominant, so that the step leads up.
    """
    both = included[:, None] & included
    hessian = jnp.where(both, hessian, jnp.eye(slope.shape[0]))
    diagonal = jnp.diagonal(hessian)
    others = jnp.abs(hessian).sum(-1) - jnp.abs(diagonal)
    lifted = hessian + jnp.diag(jnp.maximum(0.0, others - diagonal + FLAT))
    (plain, plain_volume), (safe, safe_volume) = inverse(hessian), inverse(lifted)
    peaked = jnp.isfinite(plain_volume)
    covariance = jnp.where(peaked, plain, safe)
    volume = jnp.where(peaked, plain_volume, safe_volume)
    step = covariance @ jnp.where(included, slope, 0.0)
    return step, covariance, 0.5 * included.sum() * np.log(2.0 * np.pi) - 0.5 * volume


def inverse(matrix: Array) -> tuple[Array, Array]:
    """Return the inverse of symmetric matrices ``(..., member, member)`` and the log of their
    determinants, not finite where one is not positive definite.

    Gauss-Jordan without pivoting, which positive definite matrices do not need. JAX hands the
    matrices of a batch to LAPACK one by one; this is one operation on all of them, and hundreds of
    batched Cholesky factors stood still on two cores (jax 0.10.2).
    """
    size = matrix.shape[-1]

    def sweep(k: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        rest, log_determinant = state
        here = jnp.arange(size) == k
        pivot = jnp.where(here[:, None] & here, rest, 0.0).sum((-2, -1), keepdims=True)
        row = jnp.where(here[:, None], rest, 0.0).sum(-2, keepdims=True) / pivot
        column = jnp.where(here, rest, 0.0).sum(-1, keepdims=True)
        swept = jnp.where(here[:, None], row, rest - column * row)
        swept = jnp.where(here, jnp.where(here[:, None], 1.0, -column) / pivot, swept)
        return swept, log_determinant + jnp.log(pivot[..., 0, 0])

    return jax.lax.fori_loop(0, size, sweep, (matrix, jnp.zeros(matrix.shape[:-2])))
