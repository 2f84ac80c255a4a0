"""Population and spreads take steps of their own, all animals carried along: Metropolis steps.

Where animals differ little and their choices say little of a coefficient, all of them and their
population may move together, far and to one side: no trajectory of a few steps crosses that. Here
population values and spreads are offered steps whose sizes differ by orders, one member after the
other and in all `hebbax.inference.ways`; with the animals' *values* kept is one more
(`hebbax.inference.interweave`). Each step costs the likelihoods of where it goes.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from hebbax.inference import coordinates, pilot, ways
from hebbax.inference.coordinates import Factors, left_alone
from hebbax.inference.density import prior_potential, side_by_side
from hebbax.inference.places import Place, log_likelihood_at
from hebbax.inference.ways import Move, Steps, Way, shrinking
from hebbax.model import Model
from hebbax.typing import Array, Key

LOG_SIZE, SIZE_SPREAD = -0.3, 1.2
"""Mean and standard deviation of the log of a step's size, in posterior standard deviations."""

FLOOR = 0.05
"""Part of the variance that was expected which a step has at least, however still a chain stood."""


def first_steps(model: Model, solution: pilot.Pilot) -> Steps:
    """Return the steps that fit a solution of the pilot fit."""
    spread, prior = coordinates.scales(model, solution.hyper)
    assert prior is not None, "there is a population"
    root = coordinates.population(spread, prior, solution.factors)[1]
    names = left_alone(model)
    _, unravel = ravel_pytree([solution.hyper[name] for name in names])
    sd = jnp.sqrt(jnp.diagonal(pilot.hyper_covariance(model, solution)))
    sites = dict(zip(names, unravel(sd), strict=True))
    return Steps(jnp.sqrt((root.inverse**2).sum(0)), side_by_side(model, sites, "spread"))


def learnt_steps(expected: Steps, populations: Array, log_spreads: Array) -> Steps:
    """Return the steps that fit draws of the population values and log spreads, (draw, member)
    each, and at least some of those ``expected``."""

    def learnt(expected: Array, draws: Array) -> Array:
        return jnp.sqrt(draws.var(0) + FLOOR * expected**2)

    return Steps(*map(learnt, expected, (populations, log_spreads)))


def hop(key: Key, model: Model, factors: Factors, steps: Steps, place: Place) -> Place:
    """Return the place after population and spreads were offered steps in every way."""
    table = _ways(model, factors, steps)
    keys = jax.random.split(key, len(table))
    for (way, shifted, stretched), own in zip(table, keys, strict=True):
        shifts = jnp.concatenate([shifted, jnp.zeros_like(stretched)])
        stretches = jnp.concatenate([jnp.zeros_like(shifted), stretched])
        each = Move(jax.random.split(own, len(shifts)), shifts, stretches)
        place, _ = jax.lax.scan(partial(_step, model, way), place, each)
    return place


def _ways(model: Model, factors: Factors, steps: Steps) -> list[tuple[Way, Array, Array]]:
    """Return every way with what it shifts and what it stretches, one after the other: masks
    ``(step, member)``."""
    each = jnp.eye(model.scales.size)
    whole, none, shrinks = jnp.ones_like(each[:1]), each[:0], shrinking(model)
    terms, others = each[shrinks], each[~shrinks]
    deviations = partial(ways.keep_deviations, model, steps)
    table: list[tuple[Way, Array, Array]] = [
        (partial(ways.keep_coordinates, model, factors, steps), whole, others),
        (deviations, others, others),
    ]
    if shrinks.any():
        one_or_all = jnp.concatenate([terms.sum(0, keepdims=True), terms])
        table += [
            (partial(ways.with_scale, model, deviations), terms, terms),
            (partial(ways.with_scale, model, partial(ways.grow, model)), none, terms),
            (partial(ways.grow_apart, model, factors), none, one_or_all),
        ]
    if shrinks.sum() > 1:
        table.append((partial(ways.lean, model, factors, steps), terms, none))
    return table


def _step(model: Model, way: Way, place: Place, which: Move) -> tuple[Place, None]:
    """Return the place after one step of a size of its own, with masks of what it shifts and what
    it stretches in ``which``."""
    shift_key, stretch_key, size_key, way_key, accept_key = jax.random.split(which.key, 5)
    size = jnp.exp(LOG_SIZE + SIZE_SPREAD * jax.random.normal(size_key))
    shift = size * jax.random.normal(shift_key, which.shift.shape) * which.shift
    stretch = size * jax.random.normal(stretch_key) * which.stretch
    sites, log_volume = way(place.sites, Move(way_key, shift, stretch))
    there = Place(sites, log_likelihood_at(model, sites))
    log_ratio = _log_density(model, there) - _log_density(model, place) + log_volume
    taken = jnp.log(jax.random.uniform(accept_key)) < log_ratio
    return jax.tree.map(lambda new, old: jnp.where(taken, new, old), there, place), None


def _log_density(model: Model, place: Place) -> Array:
    return place.log_likelihood.sum() - prior_potential(model, place.sites)
