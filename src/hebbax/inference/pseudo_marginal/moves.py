r"""The moves of one chain of populations and animals; each leaves the posterior as it is.

The state holds population, animals phi (animal, member), and what gave these: the random numbers of
every animal's points, and log p-hat_a. One iteration is

    centred             population given the animals, by Gibbs (`gibbs.centred`)
    non-centred         population given e_a = (phi_a - mean_a) / spread, by Gauss-Newton Metropolis
    conditional importance sampling
                        fresh points of every animal, its own among them, and one drawn by weight
    proposals           a block of the population from the mixture q given the rest, at the same
                        random numbers, accepted with prior(new) prod_a p-hat_a(new) q(old) /
                        (prior(old) prod_a p-hat_a(old) q(new)); under a prior that shrinks another
                        global scale at the same coordinates, too

The last is pseudo-marginal Metropolis with correlated estimates (Deligiannidis, Doucet & Pitt
2018): at kept random numbers the noise of p-hat cancels, whatever the number of animals. It and
conditional importance sampling try what `hebbax.inference.pseudo_marginal.candidates` makes.
Animals
without a population have conditional importance sampling, and Gibbs of the scales of their prior
(`gibbs.alone`).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr

from hebbax.inference.pseudo_marginal import points
from hebbax.inference.pseudo_marginal.animal import Frame, Trials, expansion
from hebbax.inference.pseudo_marginal.candidates import (
    Known,
    State,
    another_global,
    fresh,
    kept,
    proposed,
    same,
)
from hebbax.inference.pseudo_marginal.gibbs import alone, centred, precisions
from hebbax.inference.pseudo_marginal.normals import normals
from hebbax.inference.pseudo_marginal.points import Noise
from hebbax.inference.pseudo_marginal.population import (
    Population,
    of_animals,
)
from hebbax.inference.roots import root_of
from hebbax.typing import Array, Key

PARTIAL = (0.0, 0.6, 0.9)
"""How much of where it is a non-centred proposal keeps, drawn alike."""

SINGULAR = 1e-7
"""Least pivot of a correlation matrix, below which its diagonal is taken."""


class Info(NamedTuple):
    """What one iteration did: whether the non-centred step was accepted, which part of the
    proposals was (animals' values, where there is no population), and which part of the animals
    kept their values."""

    non_centred: Array
    proposals: Array
    kept: Array


def step(
    key: Key, frame: Frame, known: Known, state: State, n_proposals: int
) -> tuple[State, Info]:
    """Return the state after one iteration."""
    first, second, third = jax.random.split(key, 3)
    if known.mixture is None:
        population = alone(first, known.prior, state.population, state.phi)
        state = state._replace(population=population)
        state, _, stayed = _tried_all(third, frame, known, state, 0)
        return state, Info(jnp.ones(()), 1.0 - stayed, stayed)
    population = centred(first, known.prior, state.population, state.phi)
    state, moved = non_centred(second, frame, known, state._replace(population=population))
    state, accepted, stayed = _tried_all(third, frame, known, state, n_proposals)
    return state, Info(moved, accepted, stayed)


def _tried_all(
    key: Key, frame: Frame, known: Known, state: State, n_proposals: int
) -> tuple[State, Array, Array]:
    """Return the state after conditional importance sampling and what follows it, which part of the
    proposals was accepted, and which part of the animals kept their values in the former."""
    kinds = [0] + n_proposals * [1] + ([2] if n_proposals and known.prior.shrinkage else [])

    # One loop, so that p-hat is compiled once. All chains do the same kind at a time: under
    # `jax.vmap` of chains only what it asks for is computed.
    def one(state: State, at: tuple[Array, Key]) -> tuple[State, tuple[Array, Array]]:
        kind, key = at
        return tried(key, frame, known, state, kind, max(kinds))

    keys = jax.random.split(key, len(kinds))
    state, (accepted, stayed) = jax.lax.scan(one, state, (jnp.array(kinds), keys))
    return state, accepted[1 : 1 + n_proposals].mean(), stayed[0].mean()


def tried(
    key: Key, frame: Frame, known: Known, state: State, kind: Array, last: int
) -> tuple[State, tuple[Array, Array]]:
    """Return the state after Metropolis of a candidate of a ``kind``, of `same`, `proposed` and
    `another_global` up to the ``last``; whether it was accepted, as the first always is; and which
    animals ``(animal,)`` kept their values."""
    candidate_key, noise_key, point_key, accept_key = jax.random.split(key, 4)
    makers = (same, proposed, another_global)[: last + 1]
    each = [partial(make, known=known, state=state) for make in makers]
    new = jax.lax.switch(kind, each, candidate_key)
    components = components_of(known, new.population)
    noise, own = jax.lax.cond(kind == 0, fresh, kept, noise_key, known.prior, state, components)
    found = estimates(point_key, frame, known, new.population, components, noise)
    stayed = found.point == own
    # A point that is drawn again comes back to rounding only: what it was is kept.
    phi = jnp.where(stayed[:, None], state.phi, found.phi)
    gain = new.gain + found.log_p.sum() - state.log_p.sum()
    accepted = (kind == 0) | (jnp.log(jax.random.uniform(accept_key)) < gain)
    after = State(new.population, phi, found.log_p, noise)
    return jax.tree.map(lambda a, b: jnp.where(accepted, a, b), after, state), (accepted, stayed)


def components_of(known: Known, population: Population) -> points.Components:
    """Return the mixture of every animal's points under a population."""
    own = of_animals(known.prior, population)
    return jax.vmap(points.components)(known.references, *own)


def estimates(
    key: Key,
    frame: Frame,
    known: Known,
    population: Population,
    components: points.Components,
    noise: Noise,
) -> points.Estimate:
    """Return p-hat of every animal under a population, at some random numbers."""
    keys = jax.random.split(key, len(noise.shift))

    def one(
        key: Key, trials: Trials, of: points.Components, noise: Noise, mean: Array, spread: Array
    ) -> points.Estimate:
        return points.estimate(key, frame, trials, of, noise, mean, spread)

    own = of_animals(known.prior, population)
    return jax.vmap(one)(keys, known.trials, components, noise, *own)


def non_centred(key: Key, frame: Frame, known: Known, state: State) -> tuple[State, Array]:
    """Return the state after a step of the population at the same e_a, and whether it was accepted.

    With slope and Fisher information of the animals' log likelihoods along x = (mean, spread,
    effect), effects on spreads as they are, the proposal is that of a Gaussian expansion, kept in
    part: mean x + (1 - rho) H^-1 slope, covariance (1 - rho^2) H^-1. log p-hat_a of the state is
    not that of the new population: a move that needs it follows `conditional`.
    """
    mean, spread, effect, _ = state.population
    of_animal, _ = of_animals(known.prior, state.population)
    e = (state.phi - of_animal) / spread  # with the factors of its spread, which stay
    n, regression = len(mean), known.prior.regression
    now = jnp.concatenate([mean, spread, effect])
    size = len(now)
    normal, local, ends = jnp.split(normals(key, (size + 2 * n + 2,)), [size, size + 2 * n])
    of_both = precisions(local.reshape(2, n), known.prior, state.population)
    precision = jnp.concatenate([*of_both, regression.scale**-2.0])
    rho = jnp.array(PARTIAL)[jnp.floor(len(PARTIAL) * ndtr(ends[1])).astype(int)]
    # phi_a = along_a x, of every animal (animal, member, coordinate).
    eye = jnp.broadcast_to(jnp.eye(n), (len(e), n, n))
    by_effect = regression.covariates[:, None] * regression.onto.T
    along = jnp.concatenate([eye, eye * e[:, None], by_effect], axis=-1)
    free = jnp.concatenate([jnp.ones(2 * n), regression.on_means])

    def at(x: Array) -> tuple[Array, Array, Array, Array]:
        phi = along @ x
        found = jax.vmap(lambda trials, phi: expansion(frame, trials, phi))(known.trials, phi)
        value, slope, information = (leaf.astype(x.dtype) for leaf in found)
        value = value.sum() - 0.5 * (precision * x**2).sum()
        slope = (jnp.einsum("aji,aj->i", along, slope) - precision * x) * free
        whole = jnp.einsum("aji,ajk->ik", along, information @ along)
        root, inverse = _root(whole + jnp.diag(precision))
        return value, x + (1.0 - rho) * (inverse.T @ (inverse @ slope)), root, inverse

    width = jnp.sqrt(1.0 - rho**2)

    def log_q(to: Array, centre: Array, root: Array) -> Array:
        away = root.T @ (to - centre) / width
        return -0.5 * (away**2).sum() + jnp.log(jnp.diagonal(root)).sum()

    def end(start: Any, _: Any) -> tuple[Any, Any]:
        x = start[0]
        found = at(x)
        _, centre, _, inverse = found
        return (centre + width * (inverse.T @ (normal * free)),), (x, *found)

    # A scan over the two ends, so that the expansion is compiled once.
    at_ends, value, centre, root, _ = jax.lax.scan(end, (now,), None, length=2)[1]
    new = at_ends[1]
    gain = value[1] - value[0] + log_q(now, centre[1], root[1]) - log_q(new, centre[0], root[0])
    accepted = log_ndtr(ends[0]) < gain
    x = jnp.where(accepted, new, now)
    phi = jnp.where(accepted, along @ x, state.phi)
    mean, spread, effect = jnp.split(x, [n, 2 * n])
    population = state.population._replace(mean=mean, spread=spread, effect=effect)
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
