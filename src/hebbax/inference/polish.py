"""The last steps to a mode: Newton's, on a density made smooth where a Laplace prior has its kink.

Rules with collinear terms have valleys a thousand times longer than wide, in which L-BFGS stalls.
Animals are independent given their values, so that the Hessian of all of them costs no more
passes through the trials than that of one (`likelihood_hessian`).

At zero the density of a coefficient with a Laplace prior has a kink, on which a gradient method
neither stops nor gets on. Written as a product its penalty is smooth and has the same minima
(Hoff 2017, "Lasso, fractional norm and structured sparse estimation using a Hadamard product
parametrization"):

    theta = scale u v,    |theta| / scale = min over u v of (u^2 + v^2) / 2

Coefficients that end nearer to zero than `NOTHING`, and that the data do not pull away from it
harder than the prior holds them, are then set to exactly zero.
"""

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from hebbax.inference.density import (
    animal_values,
    constrain,
    flatten_groups,
    latent_sites,
    likelihood_hessian,
    potential,
    prior_potential,
)
from hebbax.inference.optimise import Local, newton
from hebbax.model.choices import Model
from hebbax.typing import Array, Parameters

NOTHING = 1e-4
"""Size below which a coefficient is taken for zero, in prior scales."""

IMBALANCE = 0.1
"""u^2 - v^2 at the start: at none, no path by gradients leads from one sign to the other."""

STATIONARY = 1e-12
"""Nats that a step from a mode promises at most."""

FIRST, SECOND = "first factor of ", "second factor of "


def polish(model: Model, steps: int, point: Parameters) -> tuple[Parameters, Array, Array]:
    """Return the point after up to ``steps`` of Newton, its potential in nats, and the norm of its
    slope (see `slope`)."""
    scales = kinks(model)
    point = _product(_descend(model, steps, _split(point, scales)), scales)
    nothing = {name: jnp.abs(point[name]) < NOTHING * scale for name, scale in scales.items()}
    cleared = {**point, **{k: jnp.where(v, 0.0, point[k]) for k, v in nothing.items()}}
    pulled = slope(model, cleared)
    for name, small in nothing.items():
        point[name] = jnp.where(small & (pulled[name] == 0.0), 0.0, point[name])
    return point, potential(model, point), optax.tree.norm(slope(model, point))


def kinks(model: Model) -> dict[str, Array]:
    """Return the prior scales of the sites whose prior has a kink, by site name."""
    return {
        group.value_site: jnp.asarray(group.scales) for group in model.groups if group.prior.kinked
    }


def slope(model: Model, point: Parameters) -> Parameters:
    """Return the gradient of the potential, and at a kink the least of its subgradients: zero
    wherever the prior's 1 / scale outweighs the slope of the rest."""
    scales = kinks(model)

    def without_kinks(point: Parameters) -> Array:
        return potential(model, point) - _absolute(point, scales)

    out = dict(jax.grad(without_kinks)(point))
    for name, scale in scales.items():
        rest = out[name]
        least = jnp.sign(rest) * jnp.maximum(jnp.abs(rest) - 1.0 / scale, 0.0)
        out[name] = jnp.where(point[name] == 0.0, least, rest + jnp.sign(point[name]) / scale)
    return out


def _split(point: Parameters, scales: dict[str, Array]) -> Parameters:
    """Return the point with every kinked site as two factors."""
    out = dict(point)
    for name, scale in scales.items():
        theta = out.pop(name) / scale
        # u^2 - v^2 = IMBALANCE and u v = theta.
        first = jnp.sqrt(0.5 * (IMBALANCE + jnp.sqrt(IMBALANCE**2 + 4.0 * theta**2)))
        out |= {FIRST + name: first, SECOND + name: theta / first}
    return out


def _product(factors: Parameters, scales: dict[str, Array]) -> Parameters:
    """Return the point of its factors; the inverse of `_split`."""
    out = dict(factors)
    for name, scale in scales.items():
        out[name] = scale * out.pop(FIRST + name) * out.pop(SECOND + name)
    return out


def _absolute(point: Parameters, scales: dict[str, Array]) -> Array:
    """Return sum |theta| / scale: the kinks themselves, whatever JAX makes of their derivative."""
    kinks = [(jnp.abs(point[name]) / scale).sum() for name, scale in scales.items()]
    return jnp.asarray(sum(kinks, jnp.zeros(())))


def _penalty(factors: Parameters, scales: dict[str, Array]) -> Array:
    """Return what the smooth penalty of the factors adds to that of their product."""
    squares = [
        0.5 * (factors[FIRST + name] ** 2 + factors[SECOND + name] ** 2).sum() for name in scales
    ]
    return sum(squares, jnp.zeros(())) - _absolute(_product(factors, scales), scales)


def _descend(model: Model, steps: int, factors: Parameters) -> Parameters:
    """Return the factors after ``steps`` of Newton, or fewer where they stand still.

    The sizes of the Hessian's eigenvalues stand in its metric in place of themselves, so that every
    step leads down.
    """
    scales, sites = kinks(model), latent_sites(model)
    flat, unravel = ravel_pytree(factors)

    def point(flat: Array) -> Parameters:
        return _product(unravel(flat), scales)

    def phi(flat: Array) -> Array:
        return flatten_groups(model, animal_values(model, constrain(sites, point(flat))))

    def loss(flat: Array) -> Array:
        return potential(model, point(flat)) + _penalty(unravel(flat), scales)

    def local(flat: Array) -> Local:
        # The likelihood stands in by its own expansion to second order, which has its Hessian.
        here = phi(flat)
        first, second = likelihood_hessian(model, here)

        def expanded(flat: Array) -> Array:
            away = phi(flat) - here
            likelihood = (first * away).sum() + 0.5 * jnp.einsum("ai,aij,aj", away, second, away)
            return (
                prior_potential(model, point(flat)) + _penalty(unravel(flat), scales) - likelihood
            )

        size, axes = jnp.linalg.eigh(jax.hessian(expanded)(flat))
        return Local(*jax.value_and_grad(loss)(flat), (axes * jnp.abs(size)) @ axes.T)

    return unravel(newton(local, flat, steps=steps, tolerance=STATIONARY).point)
