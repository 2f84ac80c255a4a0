"""The fast baseline: the mode of the model's own density, by gradient descent.

All animals are fitted in one call and the whole descent is one compiled scan. Adam takes the long
way from no plasticity, `hebbax.inference.polish` the last steps to the mode. With
``hierarchy = "none"`` and a Laplace prior this is the L1-penalised point estimate of Mehta et al.
(2024), with a Normal prior the L2-penalised one.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from hebbax.inference import checkpoint
from hebbax.inference.density import animal_values, constrain, latent_sites, potential, start
from hebbax.inference.optimise import begun, descend
from hebbax.inference.polish import polish
from hebbax.model.choices import Model
from hebbax.typing import Array, Key, Parameters, Progress, silent
from hebbax.validation.keys import words


@dataclass(frozen=True)
class Settings:
    """Settings of the descent.

    ``epochs`` Adam steps at ``learning_rate`` (cosine decay) from ``starts`` points: no plasticity,
    and the same with every variable jittered by ``jitter`` times its prior scale. Then up to
    ``polish`` Newton steps from the best of them.
    """

    epochs: int = 600
    learning_rate: float = 0.02
    polish: int = 60
    starts: int = 4
    jitter: float = 0.2

    @property
    def iterations(self) -> int:
        """Adam steps from each point."""
        return self.epochs


class Info(NamedTuple):
    """How the descent went.

    ``loss`` (start, epoch) in nats; ``final`` is the loss of the best start after polishing, and
    ``gradient_norm`` its slope there: near zero at a mode, the kinks of a Laplace prior included.
    """

    loss: Array
    final: Array
    gradient_norm: Array


def fit(
    key: Key,
    model: Model,
    settings: Settings | None = None,
    *,
    store: Path | None = None,
    progress: Progress = silent,
) -> tuple[Parameters, Info]:
    """Return the unconstrained variables at the best mode found, and how it was reached.

    ``store`` names a file that holds both at the end; if it is there already, they are taken from
    it. Raises `FitError` if it belongs to other settings, data or model.
    """
    settings = settings or Settings()
    key = words(key)
    first = start(model)
    if store is not None and store.is_file():
        empty = Info(jnp.zeros((settings.starts, settings.epochs)), jnp.zeros(()), jnp.zeros(()))
        made_of = checkpoint.fit_identity(key, model, settings)
        stored = checkpoint.load_result(store, made_of, (first, empty), settings.iterations)
        return jax.tree.map(jnp.asarray, stored)
    keys = jax.random.split(key, settings.starts)
    jitters = settings.jitter * (jnp.arange(settings.starts) > 0)
    starts = jax.vmap(partial(_jittered, first, model))(keys, jitters)
    progress("descending", 0, 2)
    ends, loss = jax.jit(jax.vmap(partial(_descend, model, settings)))(starts)
    best = jnp.nanargmin(loss[:, -1])
    progress("polishing", 1, 2)
    mode, final, gradient_norm = jax.jit(partial(polish, model, settings.polish))(
        jax.tree.map(lambda leaf: leaf[best], ends)
    )
    found = jax.block_until_ready((mode, Info(loss, final, gradient_norm)))
    if store is not None:
        made_of = checkpoint.fit_identity(key, model, settings)
        checkpoint.save(store, made_of, found, [], settings.iterations)
    progress("polishing", 2, 2)
    return found


def estimates(model: Model, unconstrained: Parameters) -> Parameters:
    """Return each animal's point estimates by group name."""
    return animal_values(model, constrain(latent_sites(model), unconstrained))


def _jittered(first: Parameters, model: Model, key: Key, size: Array) -> Parameters:
    scales = {g.name: jnp.asarray(g.scales) for g in model.groups}
    keys = dict(zip(first, jax.random.split(key, len(first)), strict=True))
    out = {}
    for name, value in first.items():
        group = name.removesuffix("_population")
        scale = scales.get(group, jnp.ones(())) if group in scales else 1.0
        out[name] = value + size * scale * jax.random.normal(keys[name], value.shape)
    return out


def _descend(model: Model, settings: Settings, first: Parameters) -> tuple[Parameters, Array]:
    schedule = optax.cosine_decay_schedule(settings.learning_rate, settings.epochs, alpha=0.05)
    adam = optax.adam(schedule)

    def loss(point: Parameters, _: None) -> Array:
        return potential(model, point)

    (point, _), values = descend(loss, adam, begun(adam, first), steps=settings.epochs)
    return point, values
