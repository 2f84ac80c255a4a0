r"""Gaussian variational approximation of the hierarchy: where a guide begins, what `identify` sees.

Each animal's likelihood is replaced by the quadratic (information I, linear term h) that is best
*on average* over the approximate posterior q = Normal(m, V) of the animal's values, not at one
point of it (Opper & Archambeau 2009):

    I = E_q[Fisher information],    h = E_q[slope of the log likelihood] + I m.

An average sees a cliff, or a second bump, where the curvature at a mode would not. Given these the
model is the linear mixed one of `hebbax.inference.mixed`: the log spreads move towards the mode of
their marginal density, the population is at its mean given them, and the three are iterated. The
joint mode would not do: it puts the spreads far too high, because wide spreads cost the animals'
deviations nothing while their volume is not counted.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hebbax.inference.density import Expansion, expansion
from hebbax.inference.mixed import (
    Problem,
    conditional,
    deviations,
    gaussian,
    linear_term,
    uncorrelated,
)
from hebbax.model.choices import Model
from hebbax.typing import Array, Key
from hebbax.validation.keys import words

ROUNDS, HELD = 40, 10
"""Rounds, and in how many of them spreads are held: the first quadratics know one point only."""

DRAWS, DAMPING = 32, 0.5
"""Draws that are averaged over, in pairs of opposite sign, and how far a quadratic moves."""

STARTS, JITTER = 4, 0.3
"""Populations begun at, zero and normal ones of so many prior scales: a rule whose terms imitate
each other has several solutions."""

REACH = 0.6
"""The part of a Newton step of the log spreads that is taken, and the most of it."""


class Fit(NamedTuple):
    """The approximation: each animal's ``information`` (animal, member, member) and ``linear`` term
    (animal, member), the ``log_spread`` (member,) at its mode, ``population`` (member,) and
    ``animals`` (animal, member) at their means, and its log ``evidence`` in nats."""

    information: Array
    linear: Array
    log_spread: Array
    population: Array
    animals: Array
    evidence: Array


def fit(key: Key, model: Model) -> Fit:
    """Return the solution of most evidence from several starts.

    Animals without a population have the prior scales for spreads around zero. Priors are taken for
    normal ones of the same scales.
    """
    keys = jax.random.split(words(key), STARTS)
    found = jax.jit(jax.vmap(partial(_climb, model)))(keys, JITTER * (jnp.arange(STARTS) > 0))
    best = jnp.argmax(jnp.nan_to_num(found.evidence, nan=-jnp.inf))
    return jax.tree.map(lambda leaf: leaf[best], found)


def _climb(model: Model, key: Key, jitter: Array) -> Fit:
    """Return the solution reached from one start."""
    start_key, key = jax.random.split(key)
    scales, alone = jnp.asarray(model.scales), not model.spec.population
    problem = Problem(jnp.ones(scales.shape, bool), scales, 0.0 * scales if alone else None)
    location = jitter * scales * jax.random.normal(start_key, scales.shape)
    phi = jnp.broadcast_to(location, (model.sessions.n_animals, scales.size))
    there = expansion(model, phi)
    first = there.information, linear_term(there, phi), jnp.log(scales if alone else 0.25 * scales)

    def one_round(state: tuple, given: tuple[Array, Key]) -> tuple[tuple, Fit]:
        (information, linear, log_spread), (held, key) = state, given
        quadratic = Expansion(jnp.zeros(len(linear)), linear, information)
        newton = gaussian(problem, 0.0 * linear, quadratic, log_spread).newton
        step = jnp.clip(REACH * newton, -REACH, REACH)
        log_spread = log_spread + jnp.where(held, 0.0, step)
        mean, average, population = _average(key, model, problem, (information, linear, log_spread))
        whole = gaussian(problem, mean, average, log_spread)
        evidence = whole.log_density + whole.spread_volume
        new = average.information, linear_term(average, mean)
        information += DAMPING * (new[0] - information)
        linear += DAMPING * (new[1] - linear)
        found = Fit(information, linear, log_spread, population, mean, evidence)
        return (information, linear, log_spread), found

    held = (jnp.arange(ROUNDS) < HELD) | alone
    _, found = jax.lax.scan(one_round, first, (held, jax.random.split(key, ROUNDS)))
    return jax.tree.map(lambda leaf: leaf[-1], found)


def _average(
    key: Key, model: Model, problem: Problem, state: tuple[Array, Array, Array]
) -> tuple[Array, Expansion, Array]:
    """Return the means of the animals' values ``(animal, member)``, the expansion there that is
    best on average over their posterior given population and spreads, and the population."""
    information, linear, log_spread = state
    spread = jnp.exp(log_spread)
    given = conditional(spread, problem.width, information, linear)
    means = deviations(given.own, spread, information, linear, given.population)
    half = jax.random.normal(key, (DRAWS // 2, *linear.shape))
    e = jax.vmap(partial(uncorrelated, given.own))(jnp.concatenate([half, -half]))
    each = jax.lax.map(partial(expansion, model), given.population + spread * (means + e))
    value, slope, average = (leaf.mean(0) for leaf in each)
    # On average the quadratic lies lower than at its middle.
    value += 0.5 * jnp.einsum("kai,aij,kaj->a", spread * e, average, spread * e) / DRAWS
    middle = given.population + spread * means
    return middle, Expansion(value, slope, average), given.population
