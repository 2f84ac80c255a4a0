"""NUTS as one program without a Python step in it, for fits that repeat (`jax.jit` the whole).

The density, coordinates, starts, jumps and kernel are those of `hebbax.inference.nuts`. What it
tunes during the warm-up is known here beforehand: coordinates have unit scale, and the scales of
the spreads are read off the curvature of the pilot fit, so that a short warm-up for the step size
is all that is left. Between two trajectories population and animals are offered new values.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hebbax.inference import nuts, pilot
from hebbax.inference.coordinates import left_alone, model_values
from hebbax.inference.force import steered_potential
from hebbax.inference.interweave import interweave
from hebbax.inference.jumps import jump
from hebbax.inference.moments import widened
from hebbax.model import Model
from hebbax.typing import Array, Key, Parameters

SETTINGS = nuts.Settings(
    chains=2,
    warmup=60,
    draws=240,
    target_accept=0.8,
    max_tree_depth=4,
    warmup_tree_depth=4,
    search=pilot.Settings(rounds=20, hold=6, samples=16, starts=2),
)
"""Few draws, nearly independent where the coordinates fit; ``chunk`` has no effect."""


OFFERS = 3
"""Offers to the population and jumps of the animals between two trajectories."""


class Sampled(NamedTuple):
    """What came of one fit.

    Draws ``values`` (chain, draw, ...) on the model's scale by site, each animal's values by group;
    ``diverging`` and ``steps`` (gradients) of each draw, (chain, draw); the solutions of the pilot
    fit.
    """

    values: Parameters
    diverging: Array
    steps: Array
    pilots: pilot.Pilot


def sample(key: Key, model: Model, settings: nuts.Settings = SETTINGS) -> Sampled:
    """Return posterior draws; may be traced with the recorded trials of the model as arguments."""
    pilot_key, widen_key, start_key, run_key = jax.random.split(key, 4)
    pilots = pilot.fit(pilot_key, model, settings.search)
    keys = jax.random.split(widen_key, settings.search.starts)
    pilots = jax.vmap(lambda key, one: widened(key, model, one, settings.search))(keys, pilots)
    best = pilot.best(pilots)
    starts = nuts.starting_points(start_key, model, pilots, settings)
    metric: dict[str, Any] = {"adapt_mass_matrix": False}
    if hyper := tuple(left_alone(model)):
        metric["inverse_mass_matrix"] = {hyper: pilot.hyper_covariance(model, best)}
    kernel = nuts.kernel_of(model, best.factors, settings, **metric)
    keys = jax.random.split(run_key, settings.chains)
    state = kernel.init(keys, settings.warmup, starts, (), {})

    def move(state: Any) -> Any:
        key, *own = jax.random.split(state.rng_key, 1 + OFFERS)

        def offer(z: Parameters, key: Key) -> tuple[Parameters, None]:
            weave_key, jump_key = jax.random.split(key)
            woven = interweave(weave_key, model, best.factors, z)
            return jump(jump_key, model, pilots.factors, woven), None

        z, _ = jax.lax.scan(offer, state.z, jnp.stack(own))
        force = partial(steered_potential, model, best.factors)
        potential, slope = jax.value_and_grad(force)(z)
        return state._replace(z=z, potential_energy=potential, z_grad=slope, rng_key=key)

    moves = jax.vmap(move)

    def iteration(state: Any, done: Array) -> tuple[Any, tuple]:
        # One body for warm-up and sampling: compiling it is what a repeated fit pays once.
        state = jax.lax.cond(done == settings.warmup, nuts.share_step_size, lambda s: s, state)
        state = kernel.sample(state, (), {})
        state = jax.lax.cond(done >= settings.warmup, moves, lambda s: s, state)
        return state, (state.z, state.diverging, state.num_steps)

    total = jnp.arange(settings.warmup + settings.draws)
    _, kept = jax.lax.scan(iteration, state, total)
    coordinates, diverging, steps = jax.tree.map(
        lambda leaf: jnp.swapaxes(leaf[settings.warmup :], 0, 1), kept
    )
    one = partial(model_values, model, best.factors)
    values = jax.lax.map(lambda chain: jax.lax.map(one, chain), coordinates)
    return Sampled(values, diverging, steps, pilots)
