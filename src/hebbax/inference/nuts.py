"""The posterior by NUTS: vectorised chains, overdispersed starts, in whitened coordinates.

`hebbax.inference.pilot` gives the starts and the Gaussian factors, `hebbax.inference.coordinates`
the coordinates. Warm-up and sampling advance in compiled chunks; after each the whole state can be
stored, so that a fit that was killed goes on bit for bit.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import NUTS

from hebbax.data import data_hash
from hebbax.inference import checkpoint, clouds, pilot
from hebbax.inference.coordinates import (
    ANIMAL,
    POPULATION,
    Factors,
    left_alone,
    model_values,
    shapes,
    to_coordinates,
    to_sites,
)
from hebbax.inference.force import steered_potential
from hebbax.inference.jumps import Known, jump
from hebbax.inference.places import Place, place_at
from hebbax.model import Model
from hebbax.typing import Array, Key, Parameters, Progress, silent

CHECKED = ("num_steps", "diverging", "accept_prob", "potential_energy", "energy")


@dataclass(frozen=True)
class Settings:
    """Settings of the sampler, stored with every posterior.

    ``draws`` are kept per chain after ``warmup``; ``chunk`` iterations run between two stored
    states; chains start ``overdispersion`` posterior standard deviations around the solutions of
    the pilot fit whose evidence is within ``margin`` nats of the best. In whitened coordinates
    trajectories are short, so warm-up caps them early
    (``warmup_tree_depth``) instead of paying for the long ones of an unadapted step size.
    """

    chains: int = 4
    warmup: int = 500
    draws: int = 1000
    chunk: int = 50
    target_accept: float = 0.95
    max_tree_depth: int = 8
    warmup_tree_depth: int = 6
    first_step_size: float = 0.3
    overdispersion: float = 1.2
    margin: float = 7.0
    search: pilot.Settings = field(default_factory=pilot.Settings)


QUICK = Settings(warmup=300, draws=600)
"""Few draws of an easy posterior, for a demonstration in a minute."""


class Info(NamedTuple):
    """What the sampler says of itself, each ``(chain, draw)``, under ArviZ's names.

    ``n_steps`` counts gradients of a trajectory and ``tree_depth`` its doublings; ``energy`` and
    ``lp`` are in nats.
    """

    diverging: np.ndarray
    n_steps: np.ndarray
    tree_depth: np.ndarray
    reached_max_treedepth: np.ndarray
    acceptance_rate: np.ndarray
    energy: np.ndarray
    lp: np.ndarray
    step_size: np.ndarray


def fit(
    key: Key,
    model: Model,
    settings: Settings | None = None,
    *,
    store: Path | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, np.ndarray], Info]:
    """Return posterior draws ``{site: (chain, draw, ...)}`` on the model's scale, and `Info`.

    ``store`` names a file that holds the state after each chunk; if it is there already, the fit
    goes on from it, and gives the draws of an unbroken one. Raises `FitError` if it belongs to
    other settings, data or model.
    """
    settings = settings or Settings()
    pilot_key, cloud_key, start_key, run_key = jax.random.split(key, 4)
    progress("finding the starts", 0, 1)
    pilots = pilot.fit(pilot_key, model, settings.search)
    cloud = jax.jit(lambda key: clouds.mixture(model, clouds.gather(key, model)))(cloud_key)
    known = Known(pilots.factors, cloud)
    factors = pilot.best(pilots).factors
    starts = jax.jit(partial(starting_points, model=model, settings=settings))(
        start_key, pilots=pilots
    )
    progress("finding the starts", 1, 1)
    kernel = kernel_of(model, factors, settings)
    keys = jax.random.split(run_key, settings.chains)
    move = jax.vmap(partial(jumped, model, factors, known))
    state = jax.jit(lambda keys, z: kernel.init(keys, settings.warmup, z, (), {}))(keys, starts)
    label = _fingerprint(key, model, settings)
    kept = _advance(kernel, move, state, settings, store, label, progress)
    return _collect(model, factors, kept, settings)


def kernel_of(model: Model, factors: Factors, settings: Settings, **metric: Any) -> NUTS:
    """Return NumPyro's kernel in the coordinates of ``factors``; ``metric`` are its arguments about
    the mass matrix, which is dense for what the coordinates leave alone."""
    return NUTS(
        potential_fn=partial(steered_potential, model, factors),
        target_accept_prob=settings.target_accept,
        max_tree_depth=(settings.warmup_tree_depth, settings.max_tree_depth),
        step_size=settings.first_step_size,
        dense_mass=[tuple(hyper)] if (hyper := left_alone(model)) else False,
        **metric,
    )


def starting_points(key: Key, model: Model, pilots: pilot.Pilot, settings: Settings) -> Parameters:
    """Return one starting point a chain ``(chain, ...)``, in the coordinates of the best pilot.

    Chains take the solutions whose evidence counts in turn. In a solution's own coordinates the
    population starts uniform within ``overdispersion`` times sqrt(3), as wide as that many
    posterior standard deviations, and log scales are jittered likewise. Animals start uniform
    within one: of a dozen, farther out, one starts where its weights run away.
    """
    counts = (pilots.evidence > pilots.evidence[0] - settings.margin).sum()
    own = jnp.arange(settings.chains) % jnp.maximum(counts, 1)
    best = pilot.best(pilots).factors
    chosen = jax.tree.map(lambda leaf: leaf[own], pilots)

    def one(key: Key, solution: pilot.Pilot) -> Parameters:
        around = _around(key, model, solution.hyper, settings.overdispersion)
        return to_coordinates(model, best, to_sites(model, solution.factors, around)[0])

    return jax.vmap(one)(jax.random.split(key, settings.chains), chosen)


def _around(key: Key, model: Model, hyper: Parameters, overdispersion: float) -> Parameters:
    """Return a random point around a solution, in its own coordinates."""
    keys = iter(jax.random.split(key, 2 + len(hyper)))
    reach = {POPULATION: np.sqrt(3.0) * overdispersion, ANIMAL: 1.0}
    out = {
        name: reach[name] * jax.random.uniform(next(keys), shape, minval=-1.0, maxval=1.0)
        for name, shape in shapes(model).items()
    }
    for name, value in hyper.items():
        out[name] = value + 0.3 * overdispersion * jax.random.normal(next(keys), value.shape)
    return out


def jumped(model: Model, factors: Factors, known: Known, state: Any) -> Any:
    """Return the sampler's state after a jump of the animals (`hebbax.inference.jumps`)."""
    key, own = jax.random.split(state.rng_key)
    place = jump(own, model, known, place_at(model, factors, state.z))
    return moved_to(model, factors, state, place, key)


def moved_to(model: Model, factors: Factors, state: Any, place: Place, key: Key) -> Any:
    """Return the sampler's state at another place, to go on with ``key``."""
    z = to_coordinates(model, factors, place.sites)
    force = partial(steered_potential, model, factors)
    potential, slope = jax.value_and_grad(force)(z)
    return state._replace(z=z, potential_energy=potential, z_grad=slope, rng_key=key)


def _advance(
    kernel: NUTS,
    move: Callable[[Any], Any],
    state: Any,
    settings: Settings,
    store: Path | None,
    label: str,
    progress: Progress,
) -> dict[str, np.ndarray]:
    """Run all iterations in chunks and return what is kept of the draws, ``(chain, draw, ...)``.

    Animals jump after the warm-up only: it tunes the step to the solution where a chain started,
    not to a narrow second mode of one animal, which jumps would visit meanwhile.
    """

    @partial(jax.jit, static_argnums=(1, 2))
    def chunk(state: Any, length: int, jumping: bool) -> tuple[Any, dict[str, Array]]:
        def iteration(state: Any, _: None) -> tuple[Any, dict[str, Array]]:
            state = kernel.sample(state, (), {})
            state = move(state) if jumping else state
            kept = {name: getattr(state, name) for name in CHECKED}
            return state, {**state.z, **kept, "step_size": state.adapt_state.step_size}

        return jax.lax.scan(iteration, state, None, length=length)

    total = settings.warmup + settings.draws
    done = 0
    kept: list[dict[str, np.ndarray]] = []
    if store is not None and store.is_file():
        state, kept, done = checkpoint.load(store, label, state)
    while done < total:
        end = settings.warmup if done < settings.warmup else total
        length = min(settings.chunk, end - done)
        state, drawn = jax.device_get(chunk(state, length, done >= settings.warmup))
        if done >= settings.warmup:
            kept.append(drawn)
        done += length
        if done == settings.warmup:
            state = share_step_size(state)
        if store is not None:
            checkpoint.save(store, label, state, kept, done)
        progress("warming up" if done <= settings.warmup else "sampling", done, total)
    joined = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
    return {name: np.swapaxes(value, 0, 1) for name, value in joined.items()}


def share_step_size(state: Any) -> Any:
    """Return the state with the median step size of all chains: one that ended its warm-up at a
    cliff would go on with steps a tenth of what the posterior needs."""
    adapted = state.adapt_state
    shared = jnp.full_like(adapted.step_size, jnp.median(adapted.step_size))
    return state._replace(adapt_state=adapted._replace(step_size=shared))


def _collect(
    model: Model, factors: Factors, kept: dict[str, np.ndarray], settings: Settings
) -> tuple[dict[str, np.ndarray], Info]:
    """Return draws on the model's scale, with the deterministic sites, and `Info`."""
    coordinates = {k: v for k, v in kept.items() if k not in (*CHECKED, "step_size")}

    one = partial(model_values, model, factors)
    draws = jax.device_get(jax.jit(jax.vmap(jax.vmap(one)))(coordinates))
    depth = np.ceil(np.log2(kept["num_steps"] + 1)).astype(int)
    info = Info(
        diverging=kept["diverging"],
        n_steps=kept["num_steps"],
        tree_depth=depth,
        reached_max_treedepth=depth >= settings.max_tree_depth,
        acceptance_rate=kept["accept_prob"],
        energy=kept["energy"],
        lp=-kept["potential_energy"],
        step_size=kept["step_size"],
    )
    return draws, info


def _fingerprint(key: Key, model: Model, settings: Settings) -> str:
    """Return what identifies a fit: key, model, data and settings."""
    parts = (np.asarray(key).tolist(), model.spec, data_hash(model.sessions), asdict(settings))
    return hashlib.sha256(repr(parts).encode()).hexdigest()
