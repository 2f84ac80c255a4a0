r"""Priors that shrink, with their local scales summed out: each term is a mixture of normals.

Given the global scale tau, mean and signed spread of a term with prior scale b are

    (mean / b, 2 spread / b)  ~  sum_c w_c N(0, v_c I),    v_c = V(tau, l_c)

over a grid of local scales l_c with their prior weights w_c and V of `hebbax.model.priors`. The
trapezoid rule on a logarithmic grid is exact to rounding for such densities. It is a
density of the radius rho = |(mean / b, 2 spread / b)| alone, whose distribution function is a sum
of exponentials,

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
from numpyro.distributions import Distribution

from hebbax.model.choices import Model
from hebbax.model.groups import Group
from hebbax.model.priors import Shrinking
from hebbax.typing import Array, ArrayLike, Key

LEAST, MOST, CELLS = -9.0, 7.0, 64
"""Range of the grid in logs of a term's standard deviation at a global scale of one, in units of
the prior's own, and its number of cells."""

NEWTON = 10
"""Steps from g^2 to the radius."""


class Shrinkage(NamedTuple):
    """One prior that shrinks, as numbers.

    ``shrinks`` (member,) says which values of an animal have the ``prior``, ``of_global`` is the
    prior of its global scale. Over the grid (cell,): log local scale and log weight.
    """

    shrinks: Array
    log_local: Array
    log_weight: Array
    prior: Shrinking
    of_global: Distribution


def shrunk_group(model: Model) -> tuple[Group, Shrinking] | None:
    """Return the group of a model's values whose prior shrinks, with it, or None."""
    for group in model.groups:
        if isinstance(group.prior, Shrinking):
            return group, group.prior
    return None


def shrinkage_of(model: Model) -> Shrinkage | None:
    """Return the prior that shrinks some of a model's values, or None."""
    found = shrunk_group(model)
    if found is None:
        return None
    group, prior = found
    least, width = np.array([LEAST, (MOST - LEAST) / CELLS]) * 2.0 / prior.local_power
    log_local = least + width * (np.arange(CELLS) + 0.5)

    def log_mass(log_local: ArrayLike) -> Array:
        """Return the log density of the log local scale, times the width of a cell."""
        return prior.local_prior().log_prob(jnp.exp(log_local)) + log_local + np.log(width)

    # What lies below the grid, where the mass of a cell is a power of the scale, is as good as
    # zero: it is in the first cell.
    edge = log_mass(least)
    below = jnp.where(jnp.isfinite(edge), edge - jnp.log(edge - log_mass(least - width)), -jnp.inf)
    log_weight = log_mass(log_local)
    log_weight = log_weight.at[0].set(jnp.logaddexp(log_weight[0], below))
    return Shrinkage(
        shrinks=jnp.concatenate([jnp.full(g.scales.size, g is group) for g in model.groups]),
        log_local=jnp.asarray(log_local),
        log_weight=log_weight - logsumexp(log_weight),
        prior=prior,
        of_global=prior.global_prior(group.scales.size),
    )


def log_prior_of_global(of: Shrinkage, log_global: Array) -> Array:
    """Return the log prior density of the log global scale."""
    return of.of_global.log_prob(jnp.exp(log_global)) + log_global


def draw_global(key: Key, of: Shrinkage) -> Array:
    """Return a log global scale drawn from its prior."""
    return jnp.log(of.of_global.sample(key))


def log_variances(of: Shrinkage, log_global: Array) -> Array:
    """Return the log variance of each cell ``(cell,)`` in squared prior scales."""
    return jnp.log(of.prior.relative_variance(jnp.exp(log_global), jnp.exp(of.log_local)))


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
