r"""Importance sampling of ONE animal given a population: points, and an unbiased p-hat.

An animal's values are phi = mean + spread e with e ~ N(0, I), spread signed. Its likelihood is
integrated by K points of a mixture q(e) that follows the population: for each of some components an
expansion (value l, slope g, Fisher information F) at a reference value phi_r of that animal gives,
with S = diag(spread),

    Q = S F S + I = L L^T,    centre = Q^-1 S (g + F phi_r - F mean),    e = centre + L^-T z /
    sqrt(lambda)

with z ~ N(0, I) and lambda ~ Gamma(df/2) / (df/2), which makes it a t with df degrees; a part of
the points is of N(0, I) itself. Then

    log p-hat = log mean_k  p(y | phi_k) N(e_k) / q(e_k).

Point k belongs to the component that holds (k + shift) / K in the cumulated shares, shift uniform
(systematic sampling), and q is the mixture at its shares, so that p-hat is unbiased whatever the
references (Andrieu & Roberts 2009). `retained` draws the random numbers that give one of the points
a value that is known: conditional importance sampling (Andrieu, Doucet & Holenstein 2010).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, logsumexp, ndtr

from hebbax.inference.density import Expansion
from hebbax.inference.pseudo_marginal.animal import SINGLE, Frame, Trials, log_likelihoods
from hebbax.inference.pseudo_marginal.normals import normals
from hebbax.inference.pseudo_marginal.references import References
from hebbax.inference.roots import root_of
from hebbax.typing import Array, Key

DEGREES = 8
"""Degrees of freedom of the t distributions."""

NEAREST = 6
"""Clusters of references that give the mixture a component under a population: with all twelve
p-hat varies hardly less, in rules of five terms and of twelve."""

FROM_POPULATION = 0.15
"""Share of the points that are of the population itself, N(0, I)."""

EVEN = 0.15
"""Share of the other points that all components have alike."""

SHARPNESS = 0.7
"""Power of a component's expected part of the integral that its share is proportional to."""

MOST_GAIN = 3.0
"""Nats that a Newton step from a reference may promise: its expansion is not believed farther."""

LOWEST = -1e9
"""Log weight of a point whose likelihood is no number."""


class Components(NamedTuple):
    """The mixture q of one animal given a population; leading dimension ``component``."""

    centre: Array
    lower: Array
    inverse: Array
    log_density: Array
    share: Array


class Noise(NamedTuple):
    """The random numbers of K points: ``normal`` (point, member), ``scale`` (point,) the lambda of
    the t distributions, and the ``shift`` of the systematic sampling."""

    normal: Array
    scale: Array
    shift: Array


class Estimate(NamedTuple):
    """log p-hat of one animal, the values (member,) of one point drawn by its weight, and which."""

    log_p: Array
    phi: Array
    point: Array


def draw_noise(key: Key, n_points: int, n_members: int) -> Noise:
    """Return the random numbers of fresh points."""
    # All in one call: to compile one takes a quarter of a second.
    normal = normals(key, (n_points + 1, n_members + DEGREES), SINGLE)
    scale = (normal[:-1, n_members:] ** 2).mean(-1)
    return Noise(normal[:-1, :n_members], scale, ndtr(normal[-1, 0]))


def components(references: References, mean: Array, spread: Array) -> Components:
    """Return the components of one animal given a population ``mean`` and ``spread`` (member,).

    Of every cluster of references it is the one nearest to what population and choices say: the
    best by its log likelihood and its distance, with the references' own spread added, since a
    population without spread would else choose by distance alone; of the clusters it is the
    `NEAREST`.
    """
    around = spread**2 + 0.25 * references.variance
    score = references.at.value - 0.5 * ((references.phi - mean) ** 2 / around).sum(-1)
    reference = jnp.argmax(score, axis=-1)
    # In the order of the clusters: of nearby populations a point is of the same component.
    cluster = jnp.sort(jax.lax.top_k(score.max(-1), NEAREST)[1])
    best = cluster, reference[cluster]
    phi, at = jax.tree.map(lambda leaf: leaf[best], (references.phi, references.at))

    def one(phi: Array, at: Expansion, score: Array) -> tuple[Array, ...]:
        information = spread[:, None] * at.information * spread
        root = root_of(information + jnp.eye(len(mean)))
        pull = spread * (at.slope + at.information @ (phi - mean))
        safe = jnp.where(jnp.abs(spread) < 1e-3, 1e-3, spread)
        offset = (phi - mean) / safe
        gain = 0.5 * ((root.inverse @ (spread * at.slope - offset)) ** 2).sum()
        gain = jnp.where(jnp.isfinite(gain), jnp.minimum(gain, MOST_GAIN), MOST_GAIN)
        part = score + gain - root.half_log_determinant
        return root.solve(pull), root.lower, root.inverse, root.half_log_determinant, part

    centre, lower, inverse, half, part = jax.vmap(one)(phi, at, score[best])
    fine = jnp.isfinite(centre).all(-1) & jnp.isfinite(inverse).all((-1, -2))
    eye = jnp.eye(len(mean))
    part = jnp.where(fine & jnp.isfinite(part), part, LOWEST)
    share = (1.0 - EVEN) * jax.nn.softmax(SHARPNESS * part) + EVEN / NEAREST
    return Components(
        centre=jnp.where(fine[:, None], centre, 0.0),
        lower=jnp.where(fine[:, None, None], lower, eye),
        inverse=jnp.where(fine[:, None, None], inverse, eye),
        log_density=jnp.where(fine, half, 0.0) + np.log1p(-FROM_POPULATION) + jnp.log(share),
        share=share,
    )


def densities(of: Components, e: Array) -> tuple[Array, Array]:
    """Return log N(e), and the log density of every part of the mixture with its share: the
    population first ``(1 + component,)``, at one point ``e`` (member,)."""
    d = e.shape[-1]
    e = e.astype(SINGLE)
    away = e - of.centre.astype(SINGLE)
    # A product of matrices: as products and a sum, XLA 0.10 fuses it into the logarithm, and takes
    # the numbers of another component for some.
    along = jnp.einsum("cji,cj->ci", of.lower.astype(SINGLE), away)
    distance = (along**2).sum(-1)
    constant = (
        gammaln(0.5 * (DEGREES + d)) - gammaln(0.5 * DEGREES) - 0.5 * d * np.log(DEGREES * np.pi)
    )
    t = SINGLE(constant) - 0.5 * (DEGREES + d) * jnp.log1p(distance / DEGREES)
    normal = -0.5 * (e**2).sum() - 0.5 * d * SINGLE(np.log(2.0 * np.pi))
    first = SINGLE(np.log(FROM_POPULATION)) + normal
    return normal, jnp.concatenate([first[None], t + of.log_density.astype(SINGLE)])


def bounds(of: Components) -> Array:
    """Return the cumulated shares of population and components ``(1 + component,)``."""
    inner = FROM_POPULATION + (1.0 - FROM_POPULATION) * jnp.cumsum(of.share)
    return jnp.concatenate([jnp.array([FROM_POPULATION]), inner])


def points(of: Components, noise: Noise) -> Array:
    """Return the points e ``(point, member)`` that some random numbers give."""
    n_points = noise.scale.shape[0]
    place = (jnp.arange(n_points) + noise.shift) / n_points
    part = (place[:, None] >= bounds(of)[:-1]).sum(-1)

    def one(part: Array, normal: Array, scale: Array) -> Array:
        own = jnp.maximum(part - 1, 0)
        inverse, centre = of.inverse[own].astype(SINGLE), of.centre[own].astype(SINGLE)
        moved = centre + inverse.T @ (normal * jax.lax.rsqrt(scale))
        return jnp.where(part == 0, normal, moved)

    return jax.vmap(one)(part, noise.normal, noise.scale)


def estimate(
    key: Key, frame: Frame, trials: Trials, of: Components, noise: Noise, mean: Array, spread: Array
) -> Estimate:
    """Return log p-hat of one animal, and one of its points drawn by weight."""
    e = points(of, noise)
    phi = mean.astype(SINGLE) + spread.astype(SINGLE) * e
    normal, parts = jax.vmap(lambda e: densities(of, e))(e)
    log_p = log_likelihoods(frame)(trials, phi)
    weight = jax.lax.optimization_barrier(log_p) + normal - logsumexp(parts, axis=-1)
    weight = jnp.where(jnp.isfinite(weight), weight, LOWEST)
    most = weight.max()
    relative = jnp.exp(weight - most)
    total = relative.sum()
    place = jax.random.uniform(key, dtype=SINGLE) * total
    point = jnp.minimum((jnp.cumsum(relative) < place).sum(), len(weight) - 1)
    log_hat = (most + jnp.log(total)).astype(mean.dtype) - np.log(len(weight))
    return Estimate(log_hat, mean + spread * e[point].astype(mean.dtype), point)


def retained(key: Key, of: Components, noise: Noise, e: Array) -> tuple[Noise, Array]:
    """Return ``noise`` with the random numbers of one point, and the shift, such that this point is
    ``e`` (member,): a draw of what gave it. And which point it is."""
    n_points, d = noise.normal.shape
    normal = normals(key, (DEGREES + d + 2,))
    which, where = ndtr(normal[:2])
    share = jnp.cumsum(jax.nn.softmax(densities(of, e)[1].astype(e.dtype)))
    part = (share[:-1] < which).sum()
    upper = bounds(of)
    low = jnp.where(part == 0, 0.0, upper[jnp.maximum(part - 1, 0)])
    high = jnp.minimum(upper[part], 1.0)
    place = n_points * (low + (high - low) * where)
    point = jnp.clip(jnp.floor(place).astype(int), 0, n_points - 1)
    own = jnp.maximum(part - 1, 0)
    along = of.lower[own].T @ (e - of.centre[own])
    rate = 0.5 * (DEGREES + (along**2).sum())
    scale = 0.5 * (normal[2:] ** 2).sum() / rate
    normal = jnp.where(part == 0, e, along * jnp.sqrt(scale)).astype(SINGLE)
    scale = jnp.where(part == 0, 1.0, scale).astype(SINGLE)
    return (
        Noise(
            noise.normal.at[point].set(normal),
            noise.scale.at[point].set(scale),
            jnp.clip(place - point, 0.0, 1.0 - 1e-6).astype(SINGLE),
        ),
        point,
    )
