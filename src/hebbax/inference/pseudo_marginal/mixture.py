r"""The proposal of populations, whole or in blocks: a mixture of t distributions, fitted by EM.

Half of its components are of what the chains drew, half of what was found at the start: a solution
that the chains left is proposed as long as they run. It is over the coordinates of a population in
which its prior is standard normal (`hebbax.inference.pseudo_marginal.population.whitened`): x =
(mean, |spread|, effect, log global scale), ``(2 member + effect + 1,)``. A block B of members, with
the effects on these, is drawn given all others R,

    q(x_B | x_R) = sum_g w_g(x_R) t(x_B; m_g + A_g^-1 .., c_g A_g^-1),    A_g = precision of g in B

each conditional being a t with more degrees of freedom (Ding 2016), and folded: the sign of a
spread says nothing, so that the density sums over the reflections of the spreads in B. The log
global scale is always among R. Members whose coordinates are correlated in the draws that q is
fitted to are often in a block together: terms that stand in for each other change places so.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, logsumexp, ndtr

from hebbax.inference.pseudo_marginal.normals import normals
from hebbax.inference.pseudo_marginal.population import Population
from hebbax.inference.roots import root_of
from hebbax.typing import Array, Key

DEGREES = 8
"""Degrees of freedom of the t distributions."""

WIDE_SHARE = 0.1
WIDER = 2.5
"""Share and variance of the wide component, in pooled covariances."""

FOUND_SHARE = 0.1
"""Share of the components that are fitted to what was found at the start."""

EM_ROUNDS = 40
PRIOR_DRAWS = 15.0
"""Draws that the prior of a component's covariance weighs."""


class Mixture(NamedTuple):
    """Log shares, means, and precisions W^T W by their roots W; leading ``component``. And how
    probably two members are in a block ``together`` (member, member), in logs, but for a
    constant."""

    log_share: Array
    mean: Array
    inverse: Array
    together: Array


class Block(NamedTuple):
    """What is drawn: of some ``members`` (width,) those ``taken`` (width,), and the effects
    ``of_taken`` (effect,) of all effects."""

    members: Array
    taken: Array
    of_taken: Array

    @property
    def drawn(self) -> Array:
        """Which means, spreads and effects are drawn ``(2 width + effect,)``."""
        return jnp.concatenate([self.taken, self.taken, self.of_taken])


class Conditional(NamedTuple):
    """A mixture of means, spreads and effects of a block ``(2 width + effect,)`` given all else;
    leading ``component``. ``degrees`` are those of the t distributions."""

    block: Block
    log_share: Array
    centre: Array
    lower: Array
    inverse: Array
    degrees: Array


WHOLE = 8
"""Members up to which a population is proposed as a whole; there are 2^8 reflections of spreads."""

MOST = 4
"""Most members of a block of a larger one."""

APART = 0.03
"""Added to the squared correlations of two members, so that any may share a block."""

FROM_PRIOR = 0.1
"""Share of the prior in the proposal of a block, times the part of the coordinates that is
given."""


def as_whole(n_members: int) -> bool:
    """Whether a population of so many members is proposed as a whole, and not in blocks."""
    return n_members <= WHOLE


def canonical(white: Population) -> Array:
    """Return mean, size of the spread, effects and log global scale side by side ``(...,
    coordinate)``."""
    parts = white.mean, jnp.abs(white.spread), white.effect, white.log_global[..., None]
    return jnp.concatenate(parts, axis=-1)


def places(block: Block, n_members: int) -> Array:
    """Return the coordinates of the means, then of the spreads of a block, and then of all effects
    ``(2 width + effect,)``."""
    effects = 2 * n_members + jnp.arange(len(block.of_taken))
    return jnp.concatenate([block.members, n_members + block.members, effects])


def of_prior(n_coordinates: int, n_members: int, n_components: int) -> Mixture:
    """Return the mixture before there are draws, that of the prior: as many components as `fit`
    gives, all alike."""
    n = 2 * n_components + 1
    eye = jnp.broadcast_to(jnp.eye(n_coordinates), (n, n_coordinates, n_coordinates))
    together = jnp.zeros((n_members, n_members))
    return Mixture(jnp.full(n, -np.log(n)), jnp.zeros((n, n_coordinates)), eye, together)


def fit(
    rng: np.random.Generator,
    draws: np.ndarray,
    found: np.ndarray,
    n_members: int,
    n_components: int,
    inflation: float,
) -> Mixture:
    """Return the mixture of some draws ``(draw, coordinate)`` of `canonical`, and of those that
    were ``found`` at the start, with as many components each; covariances are taken times
    ``inflation``. The wide component of the draws is last."""
    centre, scale = draws.mean(0), draws.std(0)
    constant = np.diag(scale == 0.0)  # the global scale where there is none
    scale = np.where(scale > 0.0, scale, 1.0)
    z = (draws - centre) / scale
    pooled = np.cov(z.T) + 1e-6 * np.eye(z.shape[1])
    own = pooled[: 2 * n_members, : 2 * n_members].reshape(2, n_members, 2, n_members)
    together = np.log((own**2).sum((0, 2)) + APART)
    pooled = 0.7 * pooled + 0.3 * np.diag(np.diag(pooled))
    first = _expectation_maximisation(rng, z, n_components)
    second = _expectation_maximisation(rng, (found - centre) / scale, n_components)
    of_draws = 1.0 - WIDE_SHARE - FOUND_SHARE
    share = np.concatenate([of_draws * first[0], FOUND_SHARE * second[0], [WIDE_SHARE]])
    mean = np.concatenate([first[1], second[1], np.zeros((1, z.shape[1]))])
    covariance = np.concatenate([inflation * first[2], inflation * second[2], WIDER * pooled[None]])
    covariance[:, constant] = 1.0
    root = np.linalg.cholesky(covariance) * scale[:, None]
    means = centre + mean * scale
    return Mixture(*map(jnp.asarray, (np.log(share), means, np.linalg.inv(root), together)))


def _expectation_maximisation(
    rng: np.random.Generator, z: np.ndarray, n_components: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return shares, means and covariances of normal components, by EM with a conjugate prior of
    the covariances around that of all draws; started by k-means++ seeding."""
    n, d = z.shape
    whole = np.cov(z.T) + 1e-6 * np.eye(d)
    prior = PRIOR_DRAWS * (0.15 * np.diag(np.diag(whole)) + 0.35 * whole)
    mean = z[rng.integers(n)][None]
    while len(mean) < n_components:
        squares = ((z[:, None] - mean) ** 2).sum(-1).min(1)
        chance = squares / squares.sum() if squares.sum() > 0 else None
        mean = np.concatenate([mean, z[rng.choice(n, p=chance)][None]])
    covariance = np.repeat(0.5 * whole[None], n_components, axis=0)
    share = np.full(n_components, 1.0 / n_components)
    for _ in range(EM_ROUNDS):
        root = np.linalg.cholesky(covariance)
        away = np.einsum("gij,gnj->gni", np.linalg.inv(root), z - mean[:, None])
        half = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(-1)
        log_part = np.log(share)[:, None] - 0.5 * (away**2).sum(-1) - half[:, None]
        part = np.exp(log_part - log_part.max(0))
        part /= part.sum(0)
        count = part.sum(1) + 1e-9
        share = (count + 2.0) / (count + 2.0).sum()
        mean = part @ z / count[:, None]
        away = z - mean[:, None]
        scatter = np.einsum("gn,gni,gnj->gij", part, away, away)
        covariance = (scatter + prior) / (count + PRIOR_DRAWS)[:, None, None]
        covariance += 3e-3 * np.eye(d)
    return share, mean, covariance


def whole(onto: Array) -> Block:
    """Return all members and effects as one block, of effects that are ``onto`` members (effect,
    member)."""
    n_effects, n = onto.shape
    return Block(jnp.arange(n), jnp.ones(n, bool), jnp.ones(n_effects, bool))


def draw_block(key: Key, onto: Array, together: Array) -> Block:
    """Return all members of a small population, else 1, 2 or 4 of them, with the effects that are
    ``onto`` these (effect, member). The first is taken by chance, all others by how probably they
    are ``together`` with it (member, member), without replacement: by the largest of these logs
    with Gumbel noise. It says nothing of where the chain is, so that a block is as probable on the
    way back."""
    n_members = onto.shape[1]
    if as_whole(n_members):
        return whole(onto)
    uniform = ndtr(normals(key, (n_members + 2,)))
    sizes = jnp.array([1, 2, MOST])
    n = sizes[jnp.floor(len(sizes) * uniform[-1]).astype(int)]
    first = jnp.floor(n_members * uniform[-2]).astype(int)
    others = together[first] - jnp.log(-jnp.log(uniform[:n_members]))
    order = jnp.argsort(-others.at[first].set(jnp.inf))
    members, taken = order[:MOST], jnp.arange(MOST) < n
    return Block(members, taken, (onto[:, members] * taken).any(-1))


def given(of: Mixture, block: Block, x: Array) -> Conditional:
    """Return the mixture of a block given the other coordinates of ``x``, and with a part of the
    prior."""
    own, drawn = places(block, (len(x) - 1 - len(block.of_taken)) // 2), block.drawn
    free = jnp.zeros(len(x), bool).at[own].set(drawn)
    n_given = len(x) - drawn.sum()
    both, eye = drawn[:, None] & drawn, jnp.eye(len(own))

    def one(log_share: Array, mean: Array, inverse: Array) -> tuple[Array, ...]:
        rows = inverse[:, own].T @ inverse  # of the precision
        root = root_of(jnp.where(both, rows[:, own], eye))
        away = jnp.where(free, 0.0, x - mean)
        step = jnp.where(drawn, root.solve(jnp.where(drawn, -rows @ away, 0.0)), 0.0)
        distance = ((inverse @ away.at[own].add(step)) ** 2).sum()
        half = jnp.log(jnp.diagonal(inverse)).sum() - root.half_log_determinant
        weight = log_share + half - 0.5 * (DEGREES + n_given) * jnp.log1p(distance / DEGREES)
        scale = jnp.sqrt((DEGREES + distance) / (DEGREES + n_given))
        return weight, mean[own] + step, root.lower / scale, root.inverse * scale

    weight, centre, lower, inverse = jax.vmap(one)(of.log_share, of.mean, of.inverse)
    of_prior = FROM_PRIOR * n_given / len(x)
    share = jnp.append(jax.nn.log_softmax(weight) + jnp.log1p(-of_prior), jnp.log(of_prior))
    prior = jnp.zeros(len(own)), eye, eye
    centre, lower, inverse = (
        jnp.concatenate([fitted, last[None]])
        for fitted, last in zip((centre, lower, inverse), prior, strict=True)
    )
    return Conditional(block, share, centre, lower, inverse, DEGREES + n_given)


def draw(key: Key, of: Conditional, n_given: int) -> Array:
    """Return means, spreads and effects of a block ``(2 width + effect,)``, spreads not yet folded;
    those that are not drawn mean nothing. ``n_given`` is the most coordinates that may be given."""
    size = of.centre.shape[-1]
    normal = normals(key, (1 + size + n_given + DEGREES,))
    own = (jnp.cumsum(jnp.exp(of.log_share))[:-1] < ndtr(normal[0])).sum()
    counted = jnp.arange(n_given + DEGREES) < of.degrees
    scale = (jnp.where(counted, normal[1 + size :], 0.0) ** 2).sum() / of.degrees
    return of.centre[own] + of.inverse[own].T @ (normal[1 : 1 + size] / jnp.sqrt(scale))


def log_density(of: Conditional, values: Array) -> Array:
    """Return the log density of means, spreads and effects of a block ``(2 width + effect,)``,
    whatever the signs of the spreads, in nats."""
    width, drawn = len(of.block.members), of.block.drawn
    n = drawn.sum()
    flips = ((np.arange(2**width)[:, None] >> np.arange(width)) & 1).astype(bool)
    distinct = ~(flips & ~of.block.taken).any(-1)  # a spread that stays has one sign
    signs = np.ones((len(flips), len(values)))
    signs[:, width : 2 * width] -= 2.0 * flips
    reflected = jnp.asarray(signs) * values

    def one(log_share: Array, centre: Array, lower: Array) -> Array:
        away = jnp.where(drawn, reflected - centre, 0.0)
        distance = ((away @ lower) ** 2).sum(-1)
        half = jnp.where(drawn, jnp.log(jnp.diagonal(lower)), 0.0).sum()
        total = of.degrees + n
        constant = gammaln(0.5 * total) - gammaln(0.5 * of.degrees)
        constant -= 0.5 * n * jnp.log(of.degrees * np.pi)
        return log_share + constant + half - 0.5 * total * jnp.log1p(distance / of.degrees)

    parts = jax.vmap(one)(of.log_share, of.centre, of.lower)
    return logsumexp(jnp.where(distinct, parts, -jnp.inf))
