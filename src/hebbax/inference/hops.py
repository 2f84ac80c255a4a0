r"""Population and spreads take steps of their own, all animals carried along: Metropolis steps.

Where animals differ little and their choices say little of a coefficient, all of them and their
population may move together, far and to one side: no trajectory of a few steps crosses that. Here
population values and spreads are offered steps whose sizes differ by orders, in two ways. With each
animal's *deviations* e kept,

    phi_a = mu' + s' e_a,

one member after the other, which suits what the choices say little of. And with its *coordinates*
kept (`hebbax.inference.coordinates`), which suits what they tell well: the population as a whole,
and each spread. With its *values* kept is the third way (`hebbax.inference.interweave`). Under a
prior that shrinks, a term also comes in or goes out as a whole, animals and all: its population
value, its spread and its local scale grow together. Each step costs the likelihoods of where it
goes.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import solve_triangular

from hebbax.inference import coordinates, pilot
from hebbax.inference.coordinates import POPULATION, Factors, left_alone
from hebbax.inference.density import prior_potential, side_by_side, sites_of, split_groups
from hebbax.inference.places import Place, log_likelihood_at
from hebbax.model import Model
from hebbax.priors import SHRINKING, scale_powers, scale_priors
from hebbax.typing import Array, Key, Parameters

LOG_SIZE, SIZE_SPREAD = -0.3, 1.2
"""Mean and standard deviation of the log of a step's size, in posterior standard deviations."""

FLOOR = 0.05
"""Part of the variance that was expected which a step has at least, however still a chain stood."""


class Steps(NamedTuple):
    """How far to go: the standard deviations of the ``populations`` values and of the log
    ``spreads``, (member,) each."""

    populations: Array
    spreads: Array


Way = Callable[[Parameters, Array, Array], tuple[Parameters, Array]]
"""Sites, a step of the population and one of the log spreads, in standard deviations -> new sites,
and the log of how much volume grows."""


def first_steps(model: Model, solution: pilot.Pilot) -> Steps:
    """Return the steps that fit a solution of the pilot fit."""
    spread, prior = coordinates.scales(model, solution.hyper)
    assert prior is not None, "there is a population"
    precision_root = coordinates.population(spread, prior, solution.factors)[1]
    root = solve_triangular(precision_root, jnp.eye(spread.size), lower=True, trans="T")
    names = left_alone(model)
    _, unravel = ravel_pytree([solution.hyper[name] for name in names])
    sd = jnp.sqrt(jnp.diagonal(pilot.hyper_covariance(model, solution)))
    sites = dict(zip(names, unravel(sd), strict=True))
    return Steps(jnp.sqrt((root**2).sum(-1)), side_by_side(model, sites, "spread"))


def learnt_steps(expected: Steps, populations: Array, log_spreads: Array) -> Steps:
    """Return the steps that fit draws of the population values and log spreads, (draw, member)
    each, and at least some of those ``expected``."""

    def learnt(expected: Array, draws: Array) -> Array:
        return jnp.sqrt(draws.var(0) + FLOOR * expected**2)

    return Steps(*map(learnt, expected, (populations, log_spreads)))


def hop(key: Key, model: Model, factors: Factors, steps: Steps, place: Place) -> Place:
    """Return the place after population and spreads were offered steps in every way."""
    each = jnp.eye(model.scales.size)
    whole = jnp.ones_like(each[:1])
    ways = [
        (partial(_keep_coordinates, model, factors, steps), whole, each),
        (partial(_keep_deviations, model, steps), each, each),
    ]
    shrinking = np.concatenate([np.full(g.scales.size, g.prior in SHRINKING) for g in model.groups])
    if shrinking.any():
        ways.append((partial(_grow, model), each[:0], each[shrinking]))
    for (way, moved, grown), own in zip(ways, jax.random.split(key, len(ways)), strict=True):
        shifted = jnp.concatenate([moved, jnp.zeros_like(grown)])
        stretched = jnp.concatenate([jnp.zeros_like(moved), grown])
        keys = jax.random.split(own, len(shifted))
        step = partial(_step, model, way)
        place, _ = jax.lax.scan(step, place, (keys, shifted, stretched))
    return place


def _step(
    model: Model, way: Way, place: Place, step: tuple[Key, Array, Array]
) -> tuple[Place, None]:
    """Return the place after one ``step``, with which members it shifts and which it stretches."""
    key, shifted, stretched = step
    normal_key, size_key, accept_key = jax.random.split(key, 3)
    size = jnp.exp(LOG_SIZE + SIZE_SPREAD * jax.random.normal(size_key))
    move = size * jax.random.normal(normal_key, shifted.shape)
    sites, log_volume = way(place.sites, move * shifted, move * stretched)
    there = Place(sites, log_likelihood_at(model, sites))
    log_ratio = _log_density(model, there) - _log_density(model, place) + log_volume
    taken = jnp.log(jax.random.uniform(accept_key)) < log_ratio
    return jax.tree.map(lambda new, old: jnp.where(taken, new, old), there, place), None


def _log_density(model: Model, place: Place) -> Array:
    return place.log_likelihood.sum() - prior_potential(model, place.sites)


def _keep_deviations(
    model: Model, steps: Steps, sites: Parameters, shift: Array, stretch: Array
) -> tuple[Parameters, Array]:
    location = side_by_side(model, sites, "population") + steps.populations * shift
    moved = sites_of(model, location, "population") | _stretched(model, steps, sites, stretch)
    return sites | moved, jnp.zeros(())


def _keep_coordinates(
    model: Model, factors: Factors, steps: Steps, sites: Parameters, shift: Array, stretch: Array
) -> tuple[Parameters, Array]:
    z = coordinates.to_coordinates(model, factors, sites)
    before = coordinates.to_sites(model, factors, z)[1]
    z = {**z, **_stretched(model, steps, z, stretch), POPULATION: z[POPULATION] + shift}
    moved, after = coordinates.to_sites(model, factors, z)
    return moved, after - before


def _grow(
    model: Model, sites: Parameters, shift: Array, stretch: Array
) -> tuple[Parameters, Array]:
    """Members grow by exp(stretch) as a whole, in every animal; ``shift`` is nothing here."""
    location = side_by_side(model, sites, "population") * jnp.exp(stretch) + shift
    log_spreads = side_by_side(model, sites, "spread") + stretch
    moved = sites_of(model, location, "population") | sites_of(model, log_spreads, "spread")
    growth = split_groups(model, stretch)
    for group in model.groups:
        if group.prior in SHRINKING:
            _, local = scale_priors(group)
            moved[local] = sites[local] + 2.0 / scale_powers(group)[1] * growth[group.name]
    return sites | moved, stretch.sum()


def _stretched(model: Model, steps: Steps, sites: Parameters, stretch: Array) -> Parameters:
    log_spreads = side_by_side(model, sites, "spread") + steps.spreads * stretch
    return sites_of(model, log_spreads, "spread")
