"""Where chains start: spreads at the mode of their marginal density, animals at their modes there.

The mode of the joint density puts the spreads too high: wide spreads cost the animals' deviations
nothing, while with their volume counted they would. Chains that start there throw animals over the
cliff where weights run away, and some stay. So the deviations are integrated out, by the Gaussian
approximation whose coordinates (`hebbax.inference.coordinates`) hold them as standard normals:
their density at zero, as a function of the spreads, *is* the marginal one.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from hebbax.inference import map
from hebbax.inference.coordinates import (
    ANIMAL,
    POPULATION,
    Pilot,
    left_alone,
    pilot,
    to_sites,
    transported_potential,
)
from hebbax.model import Model
from hebbax.typing import Array, Key, Parameters, Progress

ROUNDS = 8
"""Times that animals and spreads are settled in turn, the best being kept: two terms need two,
rules with collinear terms, whose first rounds jump about, more."""

STEPS = 60
LEARNING_RATE = 0.1


class Settled(NamedTuple):
    """Unconstrained ``sites``, the Gaussian approximation ``fit`` there, and the marginal
    ``potential`` of the spreads after each round, in nats."""

    sites: Parameters
    fit: Pilot
    potential: Array


def settled_mode(key: Key, model: Model, settings: map.Settings, progress: Progress) -> Settled:
    """Return where a fit starts: the joint mode, found and settled."""
    progress("finding the mode", 0, 1)
    mode, _ = map.fit(key, model, settings)
    settled = jax.jit(partial(settle, model))(mode)
    progress("finding the mode", 1, 1)
    return settled


def settle(model: Model, mode: Parameters) -> Settled:
    """Return the starting point reached from the joint mode (`hebbax.inference.map`)."""
    names = left_alone(model)

    def settle_spreads(fit: Pilot, hyper: Parameters) -> tuple[Parameters, Array]:
        def marginal(hyper: Parameters) -> Array:
            return transported_potential(model, fit, {**hyper, **centre(model)})

        return _descend(marginal, hyper)

    def settle_animals(fit: Pilot, hyper: Parameters) -> Parameters:
        def conditional(moved: Parameters) -> Array:
            return transported_potential(model, fit, {**hyper, **moved})

        moved, _ = _descend(conditional, centre(model))
        return to_sites(model, fit, {**hyper, **moved})[0]

    def one_round(sites: Parameters, _: None) -> tuple[Parameters, tuple[Parameters, Array]]:
        fit = pilot(model, sites)
        hyper, value = settle_spreads(fit, {name: sites[name] for name in names})
        settled = settle_animals(fit, hyper)
        return settled, (settled, value)

    _, (all_rounds, potentials) = jax.lax.scan(one_round, mode, None, ROUNDS)
    best = jnp.nanargmin(potentials)
    sites = jax.tree.map(lambda leaf: leaf[best], all_rounds)
    return Settled(sites, pilot(model, sites), potentials)


def centre(model: Model) -> Parameters:
    """Return the centre of the standard normal coordinates."""
    members = sum(g.scales.size for g in model.groups)
    out = {ANIMAL: jnp.zeros((model.sessions.n_animals, members))}
    if model.spec.hierarchy == "animals":
        out[POPULATION] = jnp.zeros(members)
    return out


def _descend(loss: Callable[[Parameters], Array], start: Parameters) -> tuple[Parameters, Array]:
    """Return the point after a short descent by Adam, and the loss before its last step."""
    adam = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, STEPS, alpha=0.05))

    def step(state: tuple, _: None) -> tuple[tuple, Array]:
        point, memory = state
        value, gradient = jax.value_and_grad(loss)(point)
        update, memory = adam.update(gradient, memory)
        return (optax.apply_updates(point, update), memory), value

    (point, _), values = jax.lax.scan(step, (start, adam.init(start)), None, STEPS)
    return point, values[-1]
