r"""Coordinates in which the posterior of a hierarchical model is nearly a standard normal.

Approximate each animal's likelihood of its values phi_a by a Gaussian with information I_a and
linear term h_a (from a pilot fit). Given the spreads S = diag(s) and prior scales D = diag(d) of
the population values mu, the model is then a linear mixed model whose conditionals are Gaussian:

    phi_a = mu + S e_a,   e_a | mu, s ~ Normal(Q_a^-1 S (h_a - I_a mu), Q_a^-1),   Q_a = 1 + S I_a S
    mu | s ~ Normal(L^-1 sum_a (h_a - I_a S Q_a^-1 S h_a), L^-1),
             L = D^-2 + sum_a (I_a - I_a S Q_a^-1 S I_a)

Two things keep the likelihood near that Gaussian in its tails. Each z is bent by its third
derivative (`_bend`). And where a term makes weights grow, the likelihood falls off a cliff: weights
go as exp(k phi) over a session, so that phi itself is levelled to a logarithm there (`_level`).
`to_sites` maps standard-normal u and z to mu and e through these, and leaves s alone. It is an
exact change of variables, whatever the likelihood: only its usefulness rests on the approximation.
Centred (informed members) and non-centred (uninformed ones) parametrisations are its two limits,
for each animal and direction separately. Written for s -> 0 without dividing by s.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from hebbax.inference.density import (
    animal_values,
    constrain,
    flatten_groups,
    latent_sites,
    likelihood_hessian,
    log_likelihood,
    potential,
    split_groups,
)
from hebbax.model import Model
from hebbax.plasticity import TaylorRule
from hebbax.priors import population_scale
from hebbax.typing import Array, Parameters

MAX_BEND = 0.8
"""Largest bend: the slope of the map stays between 0.2 and 1.8."""

WIDTH = 2.0
"""Where the bend levels off, in conditional standard deviations."""

POPULATION, ANIMAL = "population coordinates", "animal coordinates"


class Pilot(NamedTuple):
    """Approximation of each animal's log likelihood at a fit.

    Its ``centre`` (animal, member), information I_a (animal, member, member), linear term h_a
    (animal, member), third derivatives (animal, member, member, member), and ``growth`` k
    (animal, member): see `_level`.
    """

    centre: Array
    information: Array
    linear: Array
    third: Array
    growth: Array


def pilot(model: Model, unconstrained: Parameters) -> Pilot:
    """Return the Gaussian approximation at a pilot fit (`hebbax.inference.map`).

    I_a is minus the Hessian with negative eigenvalues set to zero: a direction that curves the
    wrong way is left to the prior.
    """
    values = animal_values(model, constrain(latent_sites(model), unconstrained))
    phi = flatten_groups(model, values)

    gradient, hessian = likelihood_hessian(model, phi)
    size, axes = jnp.linalg.eigh(-hessian)
    information = (axes * jnp.maximum(size, 0.0)[:, None, :]) @ jnp.swapaxes(axes, -1, -2)

    def slope(phi: Array) -> Array:
        return jax.grad(lambda p: log_likelihood(model, split_groups(model, p)).sum())(phi)

    def curvature(phi: Array, first: Array, second: Array) -> Array:
        along = jax.jvp(slope, (phi,), (jnp.broadcast_to(first, phi.shape),))[1]
        return along @ second

    def third(first: Array, second: Array, direction: Array) -> Array:
        move = jnp.broadcast_to(direction, phi.shape)
        return jax.jvp(lambda p: curvature(p, first, second), (phi,), (move,))[1]

    axes = jnp.eye(phi.shape[-1])
    over = jax.vmap(jax.vmap(jax.vmap(third, (None, None, 0)), (None, 0, None)), (0, None, None))
    tensor = jnp.moveaxis(over(axes, axes, axes), -1, 0)
    linear = (information @ phi[..., None])[..., 0] + gradient
    return Pilot(phi, information, linear, tensor, _growth(model))


def left_alone(model: Model) -> list[str]:
    """Return the sites the coordinates leave as they are: spreads and horseshoe scales."""
    names = latent_sites(model).shapes
    moved = {f"{g.name}{end}" for g in model.groups for end in ("", "_population", "_offset")}
    return [name for name in names if name not in moved]


def to_sites(model: Model, fit: Pilot, coordinates: Parameters) -> tuple[Parameters, Array]:
    """Return unconstrained site values and the log Jacobian of the map from `coordinates`.

    ``coordinates`` holds the sites that are left alone (spreads, horseshoe scales) by name,
    `POPULATION` (member,) and `ANIMAL` (animal, member).
    """
    sites = latent_sites(model)
    hyper = {name: value for name, value in coordinates.items() if name in sites.shapes}
    values = constrain(sites, hyper)
    if model.spec.hierarchy == "none":
        spread = jnp.concatenate([jnp.ravel(g.scales) for g in model.groups])
        location, log_population = jnp.zeros_like(spread), jnp.zeros(())
        transport = partial(_animal, spread, location)
        deviations, log_animals = jax.vmap(transport)(fit, coordinates[ANIMAL])
        return split_groups(model, spread * deviations), log_animals.sum() + _log_size(model)
    spread = jnp.concatenate([jnp.ravel(values[f"{g.name}_spread"]) for g in model.groups])
    prior = jnp.concatenate([jnp.ravel(population_scale(g, values)) for g in model.groups])
    location, log_population = _population(spread, prior, fit, coordinates[POPULATION])
    transport = partial(_animal, spread, location)
    deviations, log_animals = jax.vmap(transport)(fit, coordinates[ANIMAL])
    out = dict(hyper)
    out |= {f"{k}_population": v for k, v in split_groups(model, location).items()}
    out |= {f"{k}_offset": v for k, v in split_groups(model, deviations).items()}
    return out, log_population + log_animals.sum()


def transported_potential(model: Model, fit: Pilot, coordinates: Parameters) -> Array:
    """Return minus the log density of the coordinates, in nats."""
    unconstrained, log_jacobian = to_sites(model, fit, coordinates)
    return potential(model, unconstrained) - log_jacobian


def model_values(model: Model, fit: Pilot, coordinates: Parameters) -> Parameters:
    """Return the latent sites on the model's scale, and each animal's values by group name in
    place of its offsets."""
    values = constrain(latent_sites(model), to_sites(model, fit, coordinates)[0])
    named = {k: v for k, v in values.items() if not k.endswith("_offset")}
    return {**named, **animal_values(model, values)}


def _log_size(model: Model) -> float:
    """Log Jacobian of the prior scales, constant: of no effect, kept so that densities agree."""
    size = sum(float(np.log(g.scales).sum()) for g in model.groups)
    return model.sessions.n_animals * size


def _factor(spread: Array, information: Array) -> Array:
    """Return the lower Cholesky factor of Q = 1 + S I S."""
    return jnp.linalg.cholesky(
        spread[:, None] * information * spread + jnp.eye(spread.shape[0], dtype=spread.dtype)
    )


def _animal(spread: Array, location: Array, fit: Pilot, z: Array) -> tuple[Array, Array]:
    """Return one animal's e (member,) and the log Jacobian de/dz."""
    factor = _factor(spread, fit.information)
    mean = solve_triangular(factor, spread * (fit.linear - fit.information @ location), lower=True)
    directions = spread[:, None] * solve_triangular(
        factor, jnp.eye(spread.shape[0]), lower=True, trans="T"
    )
    bend = jnp.einsum("ijk,il,jl,kl->l", fit.third, directions, directions, directions) / 3.0
    z, log_bend = _bend(z, bend)
    e = solve_triangular(factor, mean + z, lower=True, trans="T")
    log_linear = -jnp.log(jnp.diagonal(factor)).sum()
    # phi = mu + (level(mu + s e) - level(mu)) / slope: no deviation stays none, and near the pilot
    # fit the map is linear with slope one.
    log_slope = _level(fit.growth, fit.centre)[1]
    there, log_there = _level(fit.growth, location + spread * e)
    here, log_here = _level(fit.growth, location)
    tiny = spread < 1e-12
    moved = jnp.where(tiny, jnp.exp(log_here) * e, (there - here) / jnp.where(tiny, 1.0, spread))
    return moved * jnp.exp(-log_slope), log_linear + (log_bend + log_there - log_slope).sum()


def _population(spread: Array, prior: Array, fit: Pilot, u: Array) -> tuple[Array, Array]:
    """Return mu (member,) and the log Jacobian dmu/du."""

    def share(information: Array, linear: Array) -> tuple[Array, Array]:
        """One animal's precision and linear term of mu, its own deviation integrated out."""
        factor = _factor(spread, information)
        a = solve_triangular(factor, spread[:, None] * information, lower=True)
        b = solve_triangular(factor, spread * linear, lower=True)
        return information - a.T @ a, linear - a.T @ b

    precisions, linears = jax.vmap(share)(fit.information, fit.linear)
    factor = jnp.linalg.cholesky(precisions.sum(0) + jnp.diag(prior**-2.0))
    mean = solve_triangular(factor, linears.sum(0), lower=True)
    mu = solve_triangular(factor, mean + u, lower=True, trans="T")
    return mu, -jnp.log(jnp.diagonal(factor)).sum()


def _bend(z: Array, bend: Array) -> tuple[Array, Array]:
    """Return z + b c (sqrt(1 + (z/c)^2) - 1) and its log slope, with curvature ``bend`` at zero.

    A likelihood with a cliff on one side (weights that start to grow) and a flat tail on the other
    is nearly symmetric in z once its third derivative is taken out.
    """
    size = MAX_BEND * jnp.tanh(WIDTH * bend / MAX_BEND)
    scaled = z / WIDTH
    root = jnp.sqrt(1.0 + scaled**2)
    return z + size * WIDTH * (root - 1.0), jnp.log1p(size * scaled / root)


def _growth(model: Model) -> Array:
    """Return k (animal, member): how fast the mean weight of a session grows with a coefficient.

    A term linear in w multiplies weights by 1 + theta x^a r^d / n_inputs in each trial, so that
    their mean over a session goes as exp(k theta) with k half the sum of x^a r^d / n_inputs. Zero
    for all else.
    """
    out = np.zeros((model.sessions.n_animals, sum(g.scales.size for g in model.groups)))
    if isinstance(model.rule, TaylorRule) and model.rule.terms:
        valid = np.asarray(model.design.valid)[..., None, None]
        sums = (np.asarray(model.design.drive) * valid).sum(1).mean(1)
        linear = np.array([e.weight == 1 and e.post == 0 for e in model.rule.exponents])
        out[:, : linear.size] = 0.5 * linear * np.abs(sums) / model.network.n_inputs
    return jnp.asarray(out)


def _level(growth: Array, phi: Array) -> tuple[Array, Array]:
    """Return phi - (p - log(1 + p)) / k with p = softplus(k phi), and its log slope.

    The identity left of zero, log(1 + k phi) / k right of it.
    """
    k = jnp.where(growth > 0, growth, 1.0)
    p, share = jax.nn.softplus(k * phi), jax.nn.sigmoid(k * phi)
    levelled = phi - (p - jnp.log1p(p)) / k
    log_slope = jnp.log1p(-share * p / (1.0 + p))
    return jnp.where(growth > 0, levelled, phi), jnp.where(growth > 0, log_slope, 0.0)
