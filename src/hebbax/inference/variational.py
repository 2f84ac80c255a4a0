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

Solutions are told apart by a lower bound on the log density of choices, population and spreads,

    sum_a { E_q[log p(y_a | phi_a)] - KL(q_a | prior) } + log prior(population, spreads),

with the volume of the population. The evidence of the quadratics is no such bound: where weights
run away at a few of the draws it is of any size. A step that lowers the bound is taken back, and
one of half its length tried.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hebbax.errors import ModelError
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
from hebbax.model.priors import SPREAD_FRACTION
from hebbax.typing import Array, Key
from hebbax.validation.keys import words

ROUNDS, HELD = 40, 10
"""Rounds, and in how many of them spreads are held: the first quadratics know one point only."""

DRAWS, DAMPING = 32, 0.5
"""Draws that are averaged over, in pairs of opposite sign, and how far a quadratic moves."""

STARTS, JITTER = 8, 0.3
"""Populations begun at, zero and normal ones of so many prior scales: a rule whose terms imitate
each other has several solutions."""

REACH = 0.6
"""The part of a Newton step of the log spreads that is taken, and the most of it."""

FIRST = 0.1
"""Spreads in prior scales at the start."""

SLACK = 3.0
"""Nats by which a bound may seem lower by the chance of its draws."""


class Fit(NamedTuple):
    """The approximation: each animal's ``information`` (animal, member, member) and ``linear`` term
    (animal, member), the ``log_spread`` (member,) at its mode, ``population`` (member,) and
    ``animals`` (animal, member) at their means, and the ``bound`` in nats that tells solutions
    apart."""

    information: Array
    linear: Array
    log_spread: Array
    population: Array
    animals: Array
    bound: Array


def fit(key: Key, model: Model) -> Fit:
    """Return the solution of the highest bound from several starts.

    Animals without a population have the prior scales for spreads around zero. Priors are taken for
    normal ones of the same scales. Raises `ModelError` where no start leads to finite numbers.
    """
    keys = jax.random.split(words(key), STARTS)
    found = jax.jit(jax.vmap(partial(_climb, model)))(keys, JITTER * (jnp.arange(STARTS) > 0))
    best = jnp.argmax(found.bound)
    if not jnp.isfinite(found.bound[best]):
        raise ModelError(
            f"{model.spec.name}: no quick fit of the choices was found from {STARTS} starts: "
            "weights run away from all of them; give narrower prior scales, or fewer terms."
        )
    return jax.tree.map(lambda leaf: leaf[best], found)


class _Place(NamedTuple):
    """A place of a climb: its quadratics and spreads, a ``fit``; ``information`` and ``linear``
    term of the quadratics that are best on average there; the Newton ``step`` of the log
    spreads."""

    fit: Fit
    information: Array
    linear: Array
    step: Array


def _climb(model: Model, key: Key, jitter: Array) -> Fit:
    """Return the solution reached from one start."""
    start_key, key = jax.random.split(key)
    scales, alone = jnp.asarray(model.scales), not model.spec.population
    problem = Problem(jnp.ones(scales.shape, bool), scales, 0.0 * scales if alone else None)
    location = jitter * scales * jax.random.normal(start_key, scales.shape)
    phi = jnp.broadcast_to(location, (model.sessions.n_animals, scales.size))
    there = expansion(model, phi)
    log_spread = jnp.log(scales if alone else FIRST * scales)

    def at(key: Key, information: Array, linear: Array, log_spread: Array) -> _Place:
        there = _average(key, model, problem, (information, linear, log_spread))
        found = Fit(information, linear, log_spread, there.population, there.animals, there.bound)
        fine = jax.tree.reduce(
            jnp.logical_and, jax.tree.map(lambda x: jnp.isfinite(x).all(), found)
        )
        found = found._replace(bound=jnp.where(fine, there.bound, -jnp.inf))
        quadratic = Expansion(jnp.zeros(len(linear)), linear, information)
        newton = gaussian(problem, 0.0 * linear, quadratic, log_spread).newton
        step = jnp.clip(REACH * newton, -REACH, REACH)
        return _Place(found, there.at.information, linear_term(there.at, there.animals), step)

    def one_round(state: tuple[_Place, Array], given: tuple[Array, Key]) -> tuple[Any, None]:
        (here, length), (held, key) = state, given
        old = here.fit
        new = at(
            key,
            old.information + length * DAMPING * (here.information - old.information),
            old.linear + length * DAMPING * (here.linear - old.linear),
            old.log_spread + jnp.where(held, 0.0, length * here.step),
        )
        better = new.fit.bound >= old.bound - SLACK
        here = jax.tree.map(lambda new, old: jnp.where(better, new, old), new, here)
        return (here, jnp.where(better, jnp.minimum(1.0, 2.0 * length), 0.5 * length)), None

    first_key, key = jax.random.split(key)
    first = at(first_key, there.information, linear_term(there, phi), log_spread)
    held = (jnp.arange(ROUNDS) < HELD) | alone
    state = (first, jnp.ones(())), (held, jax.random.split(key, ROUNDS))
    return jax.lax.scan(one_round, *state)[0][0].fit


class Average(NamedTuple):
    """The means of the ``animals``' values (animal, member), the expansion ``at`` them that is best
    on average over their posterior given population and spreads, the ``population`` (member,), and
    the ``bound`` in nats."""

    animals: Array
    at: Expansion
    population: Array
    bound: Array


def _average(
    key: Key, model: Model, problem: Problem, state: tuple[Array, Array, Array]
) -> Average:
    """Return what a quadratic and spreads give on average over draws of the animals."""
    information, linear, log_spread = state
    spread = jnp.exp(log_spread)
    given = conditional(spread, problem.width, information, linear)
    means = deviations(given.own, spread, information, linear, given.population)
    half = jax.random.normal(key, (DRAWS // 2, *linear.shape))
    e = jax.vmap(partial(uncorrelated, given.own))(jnp.concatenate([half, -half]))
    each = jax.lax.map(partial(expansion, model), given.population + spread * (means + e))
    at = Expansion(*(leaf.mean(0) for leaf in each))
    # Of the animals' deviations from the prior, in closed form.
    divergence = 0.5 * ((given.own.inverse**2).sum((-1, -2)) + (means**2 - 1.0).sum(-1))
    divergence += given.own.half_log_determinant
    relative = jnp.exp(log_spread) / (SPREAD_FRACTION * problem.scales)
    width = jnp.where(problem.width > 0.0, problem.width, 1.0)
    prior = jnp.log(relative) - 0.5 * relative**2 - 0.5 * (given.population / width) ** 2
    bound = (at.value - divergence).sum() + prior.sum() - given.whole.half_log_determinant
    return Average(given.population + spread * means, at, given.population, bound)
