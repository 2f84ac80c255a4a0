"""The posterior by NUTS: NumPyro's kernel on the model as it is declared, vectorised chains.

The density is that of the model's own sites in unconstrained space (`hebbax.inference.density`),
animals as offsets from their population. Chains start at draws of a short run of
`hebbax.inference.pseudo_marginal`: from anywhere else one in four ends on a plateau of some animal,
where its weights run away. It is a second opinion: it moves by gradients, computes no p-hat, and
fails its diagnostics where terms imitate each other. Warm-up and sampling advance in compiled
chunks; after each the whole state can be stored, so that a fit that was killed goes on bit for bit.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import NUTS

from hebbax.inference import checkpoint, pseudo_marginal
from hebbax.inference.density import animal_values, constrain, latent_sites, potential
from hebbax.model.choices import Model
from hebbax.typing import Array, Key, Parameters, Progress, silent
from hebbax.validation.keys import words

CHECKED = ("num_steps", "diverging", "accept_prob", "potential_energy", "energy")

SEARCH = pseudo_marginal.Settings(warmup=260, draws=20, most_thinning=1, evidence=0)
"""A run that is long enough to be where the posterior is."""


@dataclass(frozen=True)
class Settings:
    """Settings of the sampler, stored with every posterior.

    ``draws`` are kept per chain after ``warmup``; ``chunk`` iterations run between two stored
    states. Warm-up caps trajectories early (``warmup_tree_depth``), instead of paying for the long
    ones of an unadapted step size. ``search`` are the settings of the run that finds the starts.
    """

    chains: int = 4
    warmup: int = 500
    draws: int = 1000
    chunk: int = 50
    target_accept: float = 0.95
    max_tree_depth: int = 8
    warmup_tree_depth: int = 6
    search: pseudo_marginal.Settings = SEARCH

    @property
    def iterations(self) -> int:
        """Iterations of a chain, warm-up and all."""
        return self.warmup + self.draws


class Info(NamedTuple):
    """What the sampler says of itself, each ``(chain, draw)``, under ArviZ's names.

    ``n_steps`` counts gradients of a trajectory and ``tree_depth`` its doublings. In nats:
    ``energy`` is the Hamiltonian at the end of a trajectory, ``lp`` the log density of the draw.
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
    key = words(key)
    start_key, run_key = jax.random.split(key)
    if store is not None and store.is_file():
        starts = _shapes(model, settings)  # what is stored comes in its place
    else:
        starts = _starts(start_key, model, settings, progress)
    kernel = NUTS(
        potential_fn=partial(potential, model),
        target_accept_prob=settings.target_accept,
        max_tree_depth=(settings.warmup_tree_depth, settings.max_tree_depth),
    )
    keys = jax.random.split(run_key, settings.chains)
    state = jax.jit(lambda keys, z: kernel.init(keys, settings.warmup, z, (), {}))(keys, starts)
    made_of = checkpoint.fit_identity(key, model, settings)
    kept = _advance(kernel, state, settings, store, made_of, progress)
    return _collect(model, kept, settings)


def _starts(key: Key, model: Model, settings: Settings, progress: Progress) -> Parameters:
    """Return unconstrained values of all sites for each chain."""
    search = replace(settings.search, chains=settings.chains)
    values, _ = pseudo_marginal.fit(key, model, search, progress=progress)
    sites = latent_sites(model)
    last = {name: jnp.asarray(values[name][:, -1]) for name in sites.shapes}
    return {name: sites.transforms[name].inv(value) for name, value in last.items()}


def _shapes(model: Model, settings: Settings) -> Parameters:
    """Return zeros for unconstrained values of all sites for each chain."""
    shapes = latent_sites(model).shapes
    return {name: jnp.zeros((settings.chains, *shape)) for name, shape in shapes.items()}


def _advance(
    kernel: NUTS,
    state: Any,
    settings: Settings,
    store: Path | None,
    made_of: dict,
    progress: Progress,
) -> dict[str, np.ndarray]:
    """Run all iterations in chunks and return what is kept of the draws, ``(chain, draw, ...)``."""

    @partial(jax.jit, static_argnums=1)
    def chunk(state: Any, length: int) -> tuple[Any, dict[str, Array]]:
        def iteration(state: Any, _: None) -> tuple[Any, dict[str, Array]]:
            state = kernel.sample(state, (), {})
            kept = {name: getattr(state, name) for name in CHECKED}
            return state, {**state.z, **kept, "step_size": state.adapt_state.step_size}

        return jax.lax.scan(iteration, state, None, length=length)

    total = settings.warmup + settings.draws
    done = 0
    kept: list[dict[str, np.ndarray]] = []
    if store is not None and store.is_file():
        _, drawn = jax.eval_shape(lambda state: chunk(state, 1), state)
        one = {name: jax.ShapeDtypeStruct(v.shape[1:], v.dtype) for name, v in drawn.items()}
        expected = checkpoint.Expected(state, one, settings.warmup, total)
        state, kept, done = checkpoint.load(store, made_of, expected)
    while done < total:
        end = settings.warmup if done < settings.warmup else total
        length = min(settings.chunk, end - done)
        state, drawn = jax.device_get(chunk(state, length))
        if done >= settings.warmup:
            kept.append(drawn)
        done += length
        if done == settings.warmup:
            state = _share_step_size(state)
        if store is not None:
            checkpoint.save(store, made_of, state, kept, done)
        progress("warming up" if done <= settings.warmup else "sampling", done, total)
    joined = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
    return {name: np.swapaxes(value, 0, 1) for name, value in joined.items()}


def _share_step_size(state: Any) -> Any:
    """Return the state with the median step size of all chains: one that ended its warm-up at a
    cliff would go on with steps a tenth of what the posterior needs."""
    adapted = state.adapt_state
    shared = jnp.full_like(adapted.step_size, jnp.median(adapted.step_size))
    return state._replace(adapt_state=adapted._replace(step_size=shared))


def _collect(
    model: Model, kept: dict[str, np.ndarray], settings: Settings
) -> tuple[dict[str, np.ndarray], Info]:
    """Return draws on the model's scale, with the deterministic sites, and `Info`."""
    sites = latent_sites(model)

    def one(unconstrained: Parameters) -> Parameters:
        values = constrain(sites, unconstrained)
        return values | animal_values(model, values)

    unconstrained = {name: kept[name] for name in sites.shapes}
    draws = jax.device_get(jax.jit(jax.vmap(jax.vmap(one)))(unconstrained))
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
