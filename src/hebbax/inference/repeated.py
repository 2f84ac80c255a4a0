"""NUTS as one program without a Python step in it, for fits that repeat (`jax.jit` the whole).

The density, coordinates, jumps and kernel are those of `hebbax.inference.nuts`. What it tunes
during the warm-up is known here beforehand: coordinates have unit scale, and the scales of the
spreads are read off the curvature of the pilot fit, so that a short warm-up for the step size is
all that is left. Truths of a prior are harder than most recordings: chains start from the animals'
clouds (`hebbax.inference.clouds`), and between two trajectories population, spreads and animals are
offered new values in every way there is (`interweave`, `jumps`, `hops`).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hebbax.inference import clouds, hops, nuts, pilot
from hebbax.inference.coordinates import (
    left_alone,
    model_values,
    to_coordinates,
    with_deviations,
)
from hebbax.inference.density import latent_sites, side_by_side, sites_of
from hebbax.inference.interweave import interweave
from hebbax.inference.jumps import Known, jump
from hebbax.inference.moments import widened
from hebbax.inference.places import Place, log_likelihood_at, place_at
from hebbax.model import Model
from hebbax.priors import SHRINKING, Prior
from hebbax.typing import Array, Key, Parameters

SETTINGS = nuts.Settings(
    chains=2,
    warmup=60,
    draws=360,
    target_accept=0.8,
    max_tree_depth=2,
    warmup_tree_depth=3,
    search=pilot.Settings(rounds=20, hold=6, samples=16, starts=1),
)
"""Few draws, nearly independent where the coordinates fit; ``chunk`` has no effect."""

DEEPER = replace(SETTINGS, max_tree_depth=5, warmup_tree_depth=5)
"""For priors that shrink, under which terms that imitate each other leave long ridges."""

OFFERS = 2
"""Rounds of offers between two trajectories."""

BATCH = 16
"""Draws that are looked at side by side."""

SETTLING = 50
"""Rounds of offers before the warm-up, twice: each tells how far the next ones may step."""


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


def settings_for(prior: Prior) -> nuts.Settings:
    """Return the settings of repeated fits under a prior of the coefficients."""
    return DEEPER if prior in SHRINKING else SETTINGS


class Tools(NamedTuple):
    """What the moves of a fit share: the ``solution`` in whose coordinates it samples, what is
    ``known`` of each animal's likelihood, and the ``steps`` of population and spreads."""

    solution: pilot.Pilot
    known: Known
    steps: hops.Steps | None


def sample(key: Key, model: Model, settings: nuts.Settings = SETTINGS) -> Sampled:
    """Return posterior draws; may be traced with the recorded trials of the model as arguments."""
    pilot_key, cloud_key, start_key, run_key = jax.random.split(key, 4)
    pilots = pilot.fit(pilot_key, model, settings.search)
    points = clouds.gather(cloud_key, model)
    cloud = clouds.mixture(model, points)
    pilots = jax.vmap(lambda one: widened(model, cloud, one, settings.search))(pilots)
    best, steps = pilot.best(pilots), None
    if model.spec.hierarchy == "animals":
        steps = hops.first_steps(model, best)
    tools = Tools(best, Known(pilots.factors, cloud), steps)
    tools, places = _settled(start_key, model, tools, points, settings.chains)
    kernel = _kernel(model, best, settings)
    starts = jax.vmap(partial(to_coordinates, model, best.factors))(places.sites)
    keys = jax.random.split(run_key, settings.chains)
    state = kernel.init(keys, settings.warmup, starts, (), {})

    def move(state: Any) -> Any:
        key, own = jax.random.split(state.rng_key)
        place = place_at(model, best.factors, state.z)
        place = _offered(model, tools, OFFERS, own, place)[0]
        return nuts.moved_to(model, best.factors, state, place, key)

    def iteration(state: Any, done: Array) -> tuple[Any, tuple]:
        # One body for warm-up and sampling: compiling it is what a repeated fit pays once.
        state = jax.lax.cond(done == settings.warmup, nuts.share_step_size, lambda s: s, state)
        state = jax.vmap(move)(kernel.sample(state, (), {}))
        return state, (state.z, state.diverging, state.num_steps)

    total = jnp.arange(settings.warmup + settings.draws)
    _, kept = jax.lax.scan(iteration, state, total)
    z, diverging, gradients = jax.tree.map(
        lambda leaf: jnp.swapaxes(leaf[settings.warmup :], 0, 1), kept
    )
    values = each_draw(partial(model_values, model, best.factors), z)
    return Sampled(values, diverging, gradients, pilots)


def each_draw(function: Callable[[Parameters], Any], draws: Parameters) -> Any:
    """Return what a function gives of each draw, with leading dimensions (chain, draw)."""
    return jax.lax.map(lambda chain: jax.lax.map(function, chain, batch_size=BATCH), draws)


def _kernel(model: Model, best: pilot.Pilot, settings: nuts.Settings) -> Any:
    metric: dict[str, Any] = {"adapt_mass_matrix": False}
    if hyper := tuple(left_alone(model)):
        metric["inverse_mass_matrix"] = {hyper: pilot.hyper_covariance(model, best)}
    return nuts.kernel_of(model, best.factors, settings, **metric)


def _offered(
    model: Model, tools: Tools, rounds: int, key: Key, place: Place
) -> tuple[Place, Parameters]:
    """Return the place after some rounds of offers, and the sites after each of them."""

    def one(place: Place, key: Key) -> tuple[Place, Parameters]:
        weave_key, jump_key, hop_key = jax.random.split(key, 3)
        place = place._replace(sites=interweave(weave_key, model, place.sites))
        place = jump(jump_key, model, tools.known, place)
        if tools.steps is not None:
            place = hops.hop(hop_key, model, tools.solution.factors, tools.steps, place)
        return place, place.sites

    return jax.lax.scan(one, place, jax.random.split(key, rounds))


def _settled(
    key: Key, model: Model, tools: Tools, points: Array, chains: int
) -> tuple[Tools, Place]:
    """Return where each chain starts, leading dimension ``chain``: from points of the animals'
    clouds, after offers that also tell how far ``tools`` may step."""
    keys = jax.random.split(key, 3)

    def begin(key: Key) -> Place:
        sites = _scattered(key, model, points)
        return Place(sites, log_likelihood_at(model, sites))

    def settle(state: tuple[hops.Steps | None, Place], key: Key) -> tuple[tuple, None]:
        steps, places = state
        offered = jax.vmap(partial(_offered, model, tools._replace(steps=steps), SETTLING))
        places, visited = offered(jax.random.split(key, chains), places)
        if tools.steps is not None:
            steps = _learnt(model, tools.steps, visited)
        return (steps, places), None

    places = jax.vmap(begin)(jax.random.split(keys[0], chains))
    (steps, places), _ = jax.lax.scan(settle, (tools.steps, places), keys[1:])
    return tools._replace(steps=steps), places


def _learnt(model: Model, expected: hops.Steps, visited: Parameters) -> hops.Steps:
    """Return the steps that fit the sites visited (chain, round, ...), the first third left out."""
    late = jax.tree.map(lambda leaf: leaf[:, SETTLING // 3 :], visited)

    def draws(part: str) -> Array:
        each = jax.vmap(jax.vmap(partial(side_by_side, model, part=part)))(late)
        return each.reshape(-1, model.scales.size)

    return hops.learnt_steps(expected, draws("population"), draws("spread"))


def _scattered(key: Key, model: Model, points: Array) -> Parameters:
    """Return sites with each animal at a point of its cloud, the population and the spreads being
    the mean and the standard deviation of those."""
    n, animals = points.shape[:2]
    phi = points[jax.random.randint(key, (animals,), 0, n), jnp.arange(animals)]
    sites: Parameters = {name: jnp.zeros(s) for name, s in latent_sites(model).shapes.items()}
    scale = jnp.asarray(model.scales)
    if model.spec.hierarchy == "none":
        return with_deviations(model, sites, phi / scale)
    mean, spread = phi.mean(0), jnp.clip(phi.std(0), 1e-3 * scale, scale)
    sites |= sites_of(model, mean, "population") | sites_of(model, jnp.log(spread), "spread")
    return with_deviations(model, sites, (phi - mean) / spread)
