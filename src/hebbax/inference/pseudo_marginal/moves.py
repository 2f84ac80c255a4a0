r"""The moves of one chain of populations and animals; each leaves the posterior as it is.

The state holds population, animals phi (animal, member), and what gave these: the random numbers of
every animal's points, and log p-hat_a. One iteration is

    centred             population given the animals, by Gibbs (`population.centred`)
    non-centred         population given e_a = (phi_a - mean) / spread, by Gauss-Newton Metropolis
    conditional importance sampling
                        fresh points of every animal, its own among them, and one drawn by weight
    proposals           a block of the population from the mixture q given the rest, at the same
                        random numbers, accepted with prior(new) prod_a p-hat_a(new) q(old) /
                        (prior(old) prod_a p-hat_a(old) q(new)); under a prior that shrinks another
                        global scale at the same coordinates, too

The last is pseudo-marginal Metropolis with correlated estimates (Deligiannidis, Doucet & Pitt
2018): at kept random numbers the noise of p-hat cancels, whatever the number of animals. Animals
without a population have conditional importance sampling, and Gibbs of the scales of their prior
(`population.alone`).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr

from hebbax.inference.pseudo_marginal import mixture, points, shrinkage
from hebbax.inference.pseudo_marginal.animal import SINGLE, Frame, Trials, expansion
from hebbax.inference.pseudo_marginal.mixture import Mixture
from hebbax.inference.pseudo_marginal.normals import normals
from hebbax.inference.pseudo_marginal.points import Noise
from hebbax.inference.pseudo_marginal.population import (
    Population,
    Prior,
    alone,
    centred,
    coloured,
    part_of,
    precisions,
    whitened,
)
from hebbax.inference.pseudo_marginal.references import References
from hebbax.inference.roots import root_of
from hebbax.typing import Array, Key

PARTIAL = (0.0, 0.6, 0.9)
"""How much of where it is a non-centred proposal keeps, drawn alike."""

WALK = 0.4
"""Step of the log global scale in the middle, at the same coordinates."""

SINGULAR = 1e-7
"""Least pivot of a correlation matrix, below which its diagonal is taken."""


class Known(NamedTuple):
    """What the moves need beside the state: prior, trials and references by animal, and the mixture
    of populations where there is one."""

    prior: Prior
    trials: Trials
    references: References
    mixture: Mixture | None


class State(NamedTuple):
    """One chain: a population, animals ``phi`` (animal, member), log p-hat_a (animal,), and the
    random numbers of their points."""

    population: Population
    phi: Array
    log_p: Array
    noise: Noise


class Info(NamedTuple):
    """What one iteration did: whether the non-centred step was accepted, which part of the
    proposals was (animals' values, where there is no population), and which part of the animals
    kept their values."""

    non_centred: Array
    proposals: Array
    kept: Array


def init(population: Population, phi: Array, n_points: int) -> State:
    """Return a chain's state at a population and animals, before a first iteration, which draws the
    random numbers of the ``n_points`` points of every animal."""
    n_animals, d = phi.shape
    noise = Noise(
        jnp.zeros((n_animals, n_points, d), SINGLE),
        jnp.ones((n_animals, n_points), SINGLE),
        jnp.zeros(n_animals, SINGLE),
    )
    return State(population, phi, jnp.full(n_animals, jnp.nan), noise)


def step(
    key: Key, frame: Frame, known: Known, state: State, n_proposals: int
) -> tuple[State, Info]:
    """Return the state after one iteration."""
    first, second, third, fourth, fifth = jax.random.split(key, 5)
    if known.mixture is None:
        population = alone(first, known.prior, state.population, state.phi)
        state, kept = conditional(third, frame, known, state._replace(population=population))
        return state, Info(jnp.ones(()), 1.0 - kept.mean(), kept.mean())
    population = centred(first, known.prior, state.population, state.phi)
    state, moved = non_centred(second, frame, known, state._replace(population=population))
    state, kept = conditional(third, frame, known, state)

    def proposal(state: State, key: Key) -> tuple[State, Array]:
        return propose(key, frame, known, state)

    state, accepted = jax.lax.scan(proposal, state, jax.random.split(fourth, n_proposals))
    if known.prior.shrinkage is not None:
        state, _ = another_global(fifth, frame, known, state)
    return state, Info(moved, accepted.mean(), kept.mean())


def estimates(
    key: Key, frame: Frame, known: Known, population: Population, noise: Noise
) -> points.Estimate:
    """Return p-hat of every animal under a population, at some random numbers."""

    def one(key: Key, trials: Trials, references: References, noise: Noise) -> points.Estimate:
        of = points.components(references, population.mean, population.spread)
        return points.estimate(key, frame, trials, of, noise, population.mean, population.spread)

    keys = jax.random.split(key, len(noise.shift))
    return jax.vmap(one)(keys, known.trials, known.references, noise)


def conditional(key: Key, frame: Frame, known: Known, state: State) -> tuple[State, Array]:
    """Return the state after conditional importance sampling of every animal, and which of them
    kept their values ``(animal,)``. It is never rejected."""
    n_animals, n_points = state.noise.scale.shape
    own_values = state.population.mean, state.population.spread
    mean, spread = (jnp.broadcast_to(leaf, state.phi.shape) for leaf in own_values)

    def one(
        key: Key, trials: Trials, references: References, phi: Array, mean: Array, spread: Array
    ) -> tuple[points.Estimate, Noise, Array]:
        fresh_key, own_key, key = jax.random.split(key, 3)
        of = points.components(references, mean, spread)
        fresh = points.draw_noise(fresh_key, n_points, frame.n_members)
        noise, own = points.retained(own_key, of, fresh, (phi - mean) / spread)
        found = points.estimate(key, frame, trials, of, noise, mean, spread)
        return found, noise, found.point == own

    keys = jax.random.split(key, n_animals)
    given = known.trials, known.references, state.phi, mean, spread
    found, noise, stayed = jax.vmap(one)(keys, *given)
    # A point that is drawn again comes back to rounding only: what it was is kept.
    phi = jnp.where(stayed[:, None], state.phi, found.phi)
    return State(state.population, phi, found.log_p, noise), stayed


def propose(key: Key, frame: Frame, known: Known, state: State) -> tuple[State, Array]:
    """Return the state after a block of the population was proposed from the mixture, and whether
    it was accepted."""
    block_key, draw_key, point_key, accept_key = jax.random.split(key, 4)
    prior, population = known.prior, state.population
    assert known.mixture is not None
    now = mixture.canonical(whitened(prior, population))
    block = mixture.draw_block(block_key, frame.n_members)
    own = now[mixture.places(block, frame.n_members)]
    given = mixture.given(known.mixture, block, now)
    drawn = mixture.draw(draw_key, given, len(now))
    new = moved(prior, population, block, drawn)
    gain = mixture.log_density(given, own) - mixture.log_density(given, drawn)
    gain -= 0.5 * jnp.where(given.drawn, drawn**2 - own**2, 0.0).sum()
    return _tried(point_key, accept_key, frame, known, state, new, gain)


def moved(prior: Prior, population: Population, block: mixture.Block, drawn: Array) -> Population:
    """Return the population with means and spreads of a block at other coordinates ``drawn``
    (2 width,). The sign of a spread says nothing: with the present one the kept random numbers give
    nearby points."""
    members, taken = block
    mean, size = jnp.split(drawn, 2)
    spread = jnp.where(population.spread[members] < 0, -1.0, 1.0) * jnp.abs(size)
    white = Population(mean, spread, population.log_global)
    new = coloured(part_of(prior, members), white)

    def put(now: Array, new: Array) -> Array:
        return now.at[members].set(jnp.where(taken, new, now[members]))

    return population._replace(
        mean=put(population.mean, new.mean), spread=put(population.spread, new.spread)
    )


def another_global(key: Key, frame: Frame, known: Known, state: State) -> tuple[State, Array]:
    """Return the state after another global scale was proposed, by a random walk of its logarithm,
    for the same coordinates: all means and spreads shrink or grow with it."""
    step_key, size_key, point_key, accept_key = jax.random.split(key, 4)
    white = whitened(known.prior, state.population)
    step = WALK * jnp.exp(jax.random.normal(size_key)) * jax.random.normal(step_key)
    new = coloured(known.prior, white._replace(log_global=white.log_global + step))
    assert known.prior.shrinkage is not None
    log_prior = partial(shrinkage.log_prior_of_global, known.prior.shrinkage)
    gain = log_prior(new.log_global) - log_prior(state.population.log_global)
    return _tried(point_key, accept_key, frame, known, state, new, gain)


def _tried(
    point_key: Key,
    accept_key: Key,
    frame: Frame,
    known: Known,
    state: State,
    new: Population,
    gain: Array,
) -> tuple[State, Array]:
    """Return the state after Metropolis of a new population at the same random numbers, and whether
    it was accepted; ``gain`` is the log ratio of prior and proposal."""
    found = estimates(point_key, frame, known, new, state.noise)
    gain = gain + found.log_p.sum() - state.log_p.sum()
    accepted = jnp.log(jax.random.uniform(accept_key)) < gain
    proposed = State(new, found.phi, found.log_p, state.noise)
    return _either(accepted, proposed, state), accepted


def _either(first: Array, one: State, other: State) -> State:
    return jax.tree.map(lambda a, b: jnp.where(first, a, b), one, other)


def non_centred(key: Key, frame: Frame, known: Known, state: State) -> tuple[State, Array]:
    """Return the state after a step of the population at the same e_a, and whether it was accepted.

    With slope and Fisher information of the animals' log likelihoods along mean and spread the
    proposal is that of a Gaussian expansion, kept in part: mean x + (1 - rho) H^-1 slope,
    covariance (1 - rho^2) H^-1. log p-hat_a of the state is not that of the new population: a move
    that needs it follows `conditional`.
    """
    mean, spread, _ = state.population
    e = (state.phi - mean) / spread
    n = len(mean)
    normal = normals(key, (4 * n + 2,))
    local = normal[2 * n : 4 * n].reshape(2, n)
    precision = jnp.concatenate(precisions(local, known.prior, state.population))
    rho = jnp.array(PARTIAL)[jnp.floor(len(PARTIAL) * ndtr(normal[-1])).astype(int)]

    def at(x: Array) -> tuple[Array, Array, Array, Array]:
        phi = x[:n] + x[n:] * e
        found = jax.vmap(lambda trials, phi: expansion(frame, trials, phi))(known.trials, phi)
        value, slope, information = (leaf.astype(x.dtype) for leaf in found)
        value = value.sum() - 0.5 * (precision * x**2).sum()
        slope = jnp.concatenate([slope, slope * e], -1).sum(0) - precision * x
        by_spread = information * e[:, None]
        cross, square = by_spread.sum(0), (by_spread * e[:, :, None]).sum(0)
        whole = jnp.block([[information.sum(0), cross], [cross.T, square]])
        root, inverse = _root(whole + jnp.diag(precision))
        return value, x + (1.0 - rho) * (inverse.T @ (inverse @ slope)), root, inverse

    width = jnp.sqrt(1.0 - rho**2)

    def log_q(to: Array, centre: Array, root: Array) -> Array:
        away = root.T @ (to - centre) / width
        return -0.5 * (away**2).sum() + jnp.log(jnp.diagonal(root)).sum()

    now = jnp.concatenate([mean, spread])

    def end(start: Any, _: Any) -> tuple[Any, Any]:
        x = start[0]
        found = at(x)
        _, centre, _, inverse = found
        return (centre + width * (inverse.T @ normal[: 2 * n]),), (x, *found)

    # A scan over the two ends, so that the expansion is compiled once.
    ends, value, centre, root, _ = jax.lax.scan(end, (now,), None, length=2)[1]
    new = ends[1]
    gain = value[1] - value[0] + log_q(now, centre[1], root[1]) - log_q(new, centre[0], root[0])
    accepted = log_ndtr(normal[-2]) < gain
    x = jnp.where(accepted, new, now)
    phi = jnp.where(accepted, x[:n] + x[n:] * e, state.phi)
    population = state.population._replace(mean=x[:n], spread=x[n:])
    return state._replace(population=population, phi=phi), accepted


def _root(matrix: Array) -> tuple[Array, Array]:
    """Return the lower root of a matrix and its inverse; where it is singular those of its
    diagonal, which is as deterministic and only slower."""
    size = jnp.sqrt(jnp.diagonal(matrix))
    root = root_of(matrix / size[:, None] / size + 1e-9 * jnp.eye(len(size)))
    pivots = jnp.diagonal(root.lower)
    fine = jnp.isfinite(root.inverse).all() & (pivots**2 > SINGULAR).all()
    lower = jnp.where(fine, size[:, None] * root.lower, jnp.diag(size))
    inverse = jnp.where(fine, root.inverse / size, jnp.diag(1.0 / size))
    return lower, inverse
