r"""Priors that shrink, with their local scales summed out: each term is a mixture of normals.

Given the global scale tau, mean and signed spread of a term with prior scale b are

    (mean / b, 2 spread / b)  ~  sum_c w_c N(0, v_c I),    log v_c = power log tau + k log l_c - u

over a grid of local scales l_c with their prior weights w_c (`hebbax.model.priors`; a slab makes
v / (1 + v) of v). The trapezoid rule on a logarithmic grid is exact to rounding for such densities.
It is a density of the radius rho = |(mean / b, 2 spread / b)| alone, whose distribution function is
a sum of exponentials,

    P(radius > rho | tau) = sum_c w_c exp(-rho^2 / 2 v_c),

so that with g^2 = -2 log P the point (mean / b, 2 spread / b) g / rho is standard normal: whatever
the prior, these coordinates are those of N(0, I). A local scale itself, wanted as a prior precision
or as a draw, has the cells' probabilities w_c N(.; 0, v_c I).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from hebbax.model.choices import Model
from hebbax.model.priors import SHRINKING, degrees, local_prior, scale_powers
from hebbax.model.sparsity import global_scale
from hebbax.typing import Array, Key

LEAST, MOST, CELLS = -9.0, 7.0, 64
"""Range of the grid in logs of a term's standard deviation at a global scale of one, in units of
the prior's own, and its number of cells."""

NEWTON = 10
"""Steps from g^2 to the radius."""


class Shrinkage(NamedTuple):
    """One prior that shrinks, as numbers.

    ``shrinks`` (member,) says which values of an animal have it. Over the grid (cell,): the log
    local scale, the log variance at a global scale of one, and the log weight; ``power`` is that
    of the global scale in a variance. ``slab`` and ``gamma``: whether there is a slab, and whether
    the global scale is of a gamma distribution of shape ``of_global`` or of a half-Cauchy one of
    that scale.
    """

    shrinks: Array
    log_local: Array
    log_variance: Array
    log_weight: Array
    power: Array
    slab: Array
    gamma: Array
    of_global: Array


def shrinkage_of(model: Model) -> Shrinkage | None:
    """Return the prior that shrinks some of a model's values, or None."""
    shrinking = [group for group in model.groups if group.prior in SHRINKING]
    if not shrinking:
        return None
    (group,) = shrinking
    sparsity, gamma = group.sparsity, group.prior == "r2d2"
    power, of_local = scale_powers(group)
    width = (MOST - LEAST) / CELLS * 2.0 / of_local
    log_local = 2.0 / of_local * LEAST + width * (np.arange(CELLS) + 0.5)
    one = local_prior(group)
    member = (slice(None),) + (0,) * len(group.shape)
    log_weight = one.log_prob(np.exp(log_local).reshape(-1, *(1,) * len(group.shape)))[member]
    log_weight = log_weight + log_local
    unit = 2.0 * np.log(sparsity.effect if gamma else sparsity.told)
    n = group.scales.size
    return Shrinkage(
        shrinks=jnp.concatenate([jnp.full(g.scales.size, g is group) for g in model.groups]),
        log_local=jnp.asarray(log_local),
        log_variance=jnp.asarray(of_local * log_local - unit),
        log_weight=log_weight - logsumexp(log_weight),
        power=jnp.asarray(power),
        slab=jnp.asarray(group.prior == "regularised horseshoe"),
        gamma=jnp.asarray(gamma),
        of_global=jnp.asarray(
            sparsity.r2_beta(n) if gamma else global_scale(n, sparsity.expected, degrees(group))
        ),
    )


def log_prior_of_global(of: Shrinkage, log_global: Array) -> Array:
    """Return the log prior density of the log global scale, but for a constant under R2D2."""
    by_gamma = of.of_global * log_global - jnp.exp(log_global)
    x = log_global - jnp.log(of.of_global)
    by_cauchy = np.log(2.0 / np.pi) + x - jnp.logaddexp(0.0, 2.0 * x)
    return jnp.where(of.gamma, by_gamma, by_cauchy)


def draw_global(key: Key, of: Shrinkage) -> Array:
    """Return a log global scale drawn from its prior."""
    one, two = jax.random.split(key)
    by_gamma = jnp.log(jax.random.gamma(one, of.of_global))
    by_cauchy = jnp.log(of.of_global) + jnp.log(jnp.abs(jax.random.cauchy(two)))
    return jnp.where(of.gamma, by_gamma, by_cauchy)


def log_variances(of: Shrinkage, log_global: Array) -> Array:
    """Return the log variance of each cell ``(cell,)`` in squared prior scales."""
    log_v = of.power * log_global + of.log_variance
    return jnp.where(of.slab, log_v - jnp.logaddexp(0.0, log_v), log_v)


def log_density(of: Shrinkage, log_global: Array, square: Array) -> Array:
    """Return the log density of (mean / b, 2 spread / b) at its squared length (...,)."""
    return logsumexp(log_cells(of, log_global, square, 2.0), axis=-1) - np.log(2.0 * np.pi)


def log_cells(of: Shrinkage, log_global: Array, square: Array, size: float) -> Array:
    """Return the log weight of each cell ``(..., cell)`` given ``size`` normal numbers with a sum
    of ``square``s, but for a constant."""
    log_v = log_variances(of, log_global)
    return of.log_weight - 0.5 * size * log_v - 0.5 * square[..., None] * jnp.exp(-log_v)


def draw_cell(uniform: Array, log_cell: Array) -> Array:
    """Return a cell of each member by a uniform number each, from `log_cells`."""
    below = jnp.cumsum(jax.nn.softmax(log_cell, axis=-1), axis=-1)
    return jnp.minimum((below < uniform[..., None]).sum(-1), log_cell.shape[-1] - 1)


def normal_square(of: Shrinkage, log_global: Array, square: Array) -> Array:
    """Return g^2 of squared radii (...,): see the module."""
    return _normal_square(of, jnp.exp(-log_variances(of, log_global)), square)[0]


def _normal_square(of: Shrinkage, precision: Array, square: Array) -> tuple[Array, Array]:
    """Return g^2 of squared radii (...,) and its slope, given the precision of each cell."""
    half = 0.5 * square[..., None] * precision
    missing = (jnp.exp(of.log_weight) * jnp.expm1(-half)).sum(-1)
    log_part = of.log_weight - half
    # Of a large radius little is left: in logs.
    far = logsumexp(log_part, axis=-1)
    log_left = jnp.where(missing > -0.5, jnp.log1p(jnp.maximum(missing, -0.9)), far)
    return -2.0 * log_left, (jnp.exp(log_part - far[..., None]) * precision).sum(-1)


def square_of(of: Shrinkage, log_global: Array, normal: Array) -> Array:
    """Return the squared radii whose g^2 is ``normal`` (...,), by Newton's method.

    log g^2 rises with log rho^2 and is concave, so that from the left, where g^2 is at most rho^2
    times the mean precision, every step stays on the left and none is too long.
    """
    precision = jnp.exp(-log_variances(of, log_global))
    first = jnp.log(normal) - logsumexp(of.log_weight + jnp.log(precision))

    def step(_: int, log_square: Array) -> Array:
        square = jnp.exp(log_square)
        found, slope = _normal_square(of, precision, square)
        return log_square + (jnp.log(normal) - jnp.log(found)) * found / (square * slope)

    return jnp.exp(jax.lax.fori_loop(0, NEWTON, step, first))
