r"""Coordinates in which the posterior of a hierarchical model is nearly a standard normal.

Approximate each animal's likelihood of its values phi_a by a Gaussian factor with information I_a
and linear term h_a (`hebbax.inference.pilot`). Given the spreads S = diag(s) and prior scales
D = diag(d) of the population values mu, the model is then a linear mixed model whose conditionals
are Gaussian:

    phi_a = mu + S e_a,   e_a | mu, s ~ Normal(Q_a^-1 S (h_a - I_a mu), Q_a^-1),   Q_a = 1 + S I_a S
    mu | s ~ Normal(L^-1 sum_a (h_a - I_a S Q_a^-1 S h_a), L^-1),
             L = D^-2 + sum_a (I_a - I_a S Q_a^-1 S I_a)

`to_sites` maps standard normal u and z to mu and e by these, and leaves s alone. It is an exact
change of variables whatever the likelihood: only its usefulness rests on the approximation. Centred
(informed members) and non-centred (uninformed ones) parametrisations are its two limits, for each
animal and direction separately. Written for s -> 0 without dividing by s.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hebbax.inference.density import (
    animal_values,
    constrain,
    flatten_groups,
    latent_sites,
    potential,
    side_by_side,
    sites_of,
    split_groups,
)
from hebbax.inference.roots import Root, root_of
from hebbax.model.choices import Model
from hebbax.model.groups import population_scale
from hebbax.typing import Array, Parameters

POPULATION, ANIMAL = "population coordinates", "animal coordinates"


class Factors(NamedTuple):
    """Gaussian approximation of each animal's likelihood: exp(h_a phi - phi I_a phi / 2).

    ``information`` I_a (animal, member, member) and ``linear`` h_a (animal, member).
    """

    information: Array
    linear: Array


class Scales(NamedTuple):
    """Standard deviations that the hierarchy gives: ``spread`` s and ``prior`` d, (member,) each;
    ``prior`` is None where every animal stands on its own, its spread then being its prior."""

    spread: Array
    prior: Array | None


class Conditional(NamedTuple):
    """The animals given the population: ``spread`` and population values ``location`` (member,),
    the ``means`` of each animal's e (animal, member), the ``roots`` of its precision (animal,
    member, member), and the log Jacobian ``log_population`` of the location."""

    spread: Array
    location: Array
    means: Array
    roots: Root
    log_population: Array


def left_alone(model: Model) -> list[str]:
    """Return the sites the coordinates leave as they are: spreads and horseshoe scales."""
    moved = {f"{g.name}{end}" for g in model.groups for end in ("", "_population", "_offset")}
    return [name for name in latent_sites(model).shapes if name not in moved]


def shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the standard normal coordinates."""
    members = model.scales.size
    out: dict[str, tuple[int, ...]] = {ANIMAL: (model.sessions.n_animals, members)}
    if model.spec.population:
        out[POPULATION] = (members,)
    return out


def scales(model: Model, sites: Parameters) -> Scales:
    """Return spreads and prior scales from the unconstrained sites that are left alone."""
    if not model.spec.population:
        return Scales(jnp.asarray(model.scales), None)
    values = constrain(latent_sites(model), sites)
    prior = [jnp.ravel(population_scale(g, values)) for g in model.groups]
    return Scales(side_by_side(model, values, "spread"), jnp.concatenate(prior))


def around(model: Model, sites: Parameters) -> tuple[Scales, Array]:
    """Return the scales and the population values ``(member,)`` of unconstrained sites: zeros where
    every animal stands on its own."""
    found = scales(model, sites)
    if found.prior is None:
        return found, jnp.zeros_like(found.spread)
    return found, side_by_side(model, sites, "population")


def deviations(model: Model, sites: Parameters) -> Array:
    """Return each animal's deviations from the population in spreads ``(animal, member)``."""
    if not model.spec.population:
        return flatten_groups(model, sites) / jnp.asarray(model.scales)
    return flatten_groups(model, {g.name: sites[f"{g.name}_offset"] for g in model.groups})


def with_deviations(model: Model, sites: Parameters, e: Array) -> Parameters:
    """Return the sites with other deviations of the animals."""
    if not model.spec.population:
        return sites | split_groups(model, e * jnp.asarray(model.scales))
    return sites | sites_of(model, e, "offset")


def to_sites(model: Model, factors: Factors, coordinates: Parameters) -> tuple[Parameters, Array]:
    """Return unconstrained site values and the log Jacobian of the map from ``coordinates``.

    ``coordinates`` holds the sites that are left alone by name, `POPULATION` (member,) and `ANIMAL`
    (animal, member).
    """
    hyper = {name: coordinates[name] for name in left_alone(model)}
    given = conditional(model, factors, hyper, coordinates.get(POPULATION))
    return sites_given(model, given, coordinates)


def sites_given(
    model: Model, given: Conditional, coordinates: Parameters
) -> tuple[Parameters, Array]:
    """Return what `to_sites` does, where the `conditional` at the coordinates is known already."""
    offsets = given.means + unwhiten(given.roots, coordinates[ANIMAL])
    log_jacobian = given.log_population - given.roots.half_log_determinant.sum()
    if not model.spec.population:
        log_size = model.sessions.n_animals * jnp.log(given.spread).sum()
        return with_deviations(model, {}, offsets), log_jacobian + log_size
    sites = {name: coordinates[name] for name in left_alone(model)}
    sites |= sites_of(model, given.location, "population")
    return with_deviations(model, sites, offsets), log_jacobian


def conditional(
    model: Model, factors: Factors, hyper: Parameters, coordinate: Array | None
) -> Conditional:
    """Return the population values at their coordinate, or their mean without one, and the animals
    given them."""
    spread, prior = scales(model, hyper)
    location, log_population = jnp.zeros_like(spread), jnp.zeros(())
    if prior is not None:
        location, root = population(spread, prior, factors)
        log_population = -root.half_log_determinant
        if coordinate is not None:
            location += root.inverse.T @ coordinate
    means, roots = jax.vmap(partial(deviation, spread, location))(factors)
    return Conditional(spread, location, means, roots, log_population)


def unwhiten(roots: Root, normal: Array) -> Array:
    """Return Q^-1/2 times standard normal values ``(animal, member)``, Q = root root^T."""
    return jnp.einsum("aji,aj->ai", roots.inverse, normal)


def to_coordinates(model: Model, factors: Factors, unconstrained: Parameters) -> Parameters:
    """Return the coordinates of unconstrained site values, the inverse of `to_sites`."""
    (spread, prior), location = around(model, unconstrained)

    def one(factors: Factors, e: Array) -> Array:
        mean, root = deviation(spread, location, factors)
        return root.lower.T @ (e - mean)

    z = {ANIMAL: jax.vmap(one)(factors, deviations(model, unconstrained))}
    if prior is None:
        return z
    hyper = {name: unconstrained[name] for name in left_alone(model)}
    mean, root = population(spread, prior, factors)
    return hyper | z | {POPULATION: root.lower.T @ (location - mean)}


def transported_potential(model: Model, factors: Factors, coordinates: Parameters) -> Array:
    """Return minus the log density of the coordinates, in nats."""
    unconstrained, log_jacobian = to_sites(model, factors, coordinates)
    return potential(model, unconstrained) - log_jacobian


def model_values(model: Model, factors: Factors, coordinates: Parameters) -> Parameters:
    """Return the latent sites on the model's scale, and each animal's values by group name in
    place of its offsets."""
    values = constrain(latent_sites(model), to_sites(model, factors, coordinates)[0])
    named = {k: v for k, v in values.items() if not k.endswith("_offset")}
    return {**named, **animal_values(model, values)}


def deviation(spread: Array, location: Array, factors: Factors) -> tuple[Array, Root]:
    """Return the mean of one animal's e (member,), and the root of Q."""
    root = _root(spread, factors.information)
    pull = spread * (factors.linear - factors.information @ location)
    return root.solve(pull), root


def population(spread: Array, prior: Array, factors: Factors) -> tuple[Array, Root]:
    """Return the mean of mu (member,), and the root of its precision L."""
    precisions, linears, _ = jax.vmap(partial(share, spread))(factors)
    root = root_of(precisions.sum(0) + jnp.diag(prior**-2.0))
    return root.solve(linears.sum(0)), root


def share(spread: Array, factors: Factors) -> tuple[Array, Array, Array]:
    """Return what one animal says of mu, its own deviation integrated out.

    Its precision and linear term of mu, and the log of what is left: the factor's integral over e
    at mu = 0.
    """
    root = _root(spread, factors.information)
    a = root.inverse @ (spread[:, None] * factors.information)
    b = root.inverse @ (spread * factors.linear)
    constant = 0.5 * b @ b - root.half_log_determinant
    return factors.information - a.T @ a, factors.linear - a.T @ b, constant


def _root(spread: Array, information: Array) -> Root:
    """Return the root of Q = 1 + S I S."""
    return root_of(spread[:, None] * information * spread + jnp.eye(spread.shape[0]))
