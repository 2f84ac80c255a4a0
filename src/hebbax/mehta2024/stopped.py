"""The published point estimate: every animal alone, an L1 penalty, a descent that stops early.

For one animal of whose session the trials up to some one are fitted,

    loss = -(1 / n) sum_t log P(trial t) + l1 sum_j |theta_j|,    n encounters in these trials

(under ``choice`` each choice is the one encounter that is known of its trial),

with plain Adam from next to zero for a fixed number of epochs, whether or not a minimum is reached
by then (Mehta et al. 2024: 250 epochs at 0.001, l1 = 0.01, no preference). It is kept to stand
beside a posterior. The minimum itself, stopped nowhere, is `hebbax.inference.map` with
``hierarchy = "none"`` and a Laplace prior of scale 1 / (n l1).
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hebbax.errors import FitError
from hebbax.inference.density import log_likelihood
from hebbax.inference.optimise import begun, descend
from hebbax.model.choices import Model
from hebbax.typing import Array, Key, Parameters
from hebbax.validation.keys import words


@dataclass(frozen=True)
class Settings:
    """Settings of the descent.

    ``epochs`` steps of Adam at a constant ``learning_rate``, penalty ``l1`` a unit of coefficient,
    coefficients from ``start`` times N(0, 1). Groups that are not ``fitted`` stay at zero; only
    ``theta`` is penalised.
    """

    epochs: int = 250
    learning_rate: float = 1e-3
    l1: float = 1e-2
    start: float = 1e-5
    fitted: tuple[str, ...] = ("theta",)


class Info(NamedTuple):
    """How the descent went: ``loss`` (part, epoch, animal) before each step, in nats an
    encounter, and the ``final`` loss (part, animal) after the last."""

    loss: Array
    final: Array


def fit(
    key: Key, model: Model, settings: Settings | None = None, *, parts: np.ndarray | None = None
) -> tuple[Parameters, Info]:
    """Return each animal's values by group name ``(part, animal, ...)``, and how they were reached.

    ``parts`` (part, animal) are the last trials to fit (from 1, all counted), all parts
    side by side in one compiled descent; without it there is one part, with all of them. Raises
    `FitError` for a group that the model does not have, and for a part that says nothing.
    """
    key = words(key)
    settings = settings or Settings()
    names = [group.name for group in model.groups]
    for name in settings.fitted:
        if name not in names:
            known = ", ".join(names)
            raise FitError(f'{model.spec.name}: no group "{name}" to fit; it has {known}.')
    animal, _ = model.index
    last = np.full((1, len(model.sessions.animals)), np.inf) if parts is None else parts
    used = model.trials <= last[:, animal]
    events = used * model.kind.events(model.observed)
    counts = np.stack([np.bincount(animal, row, minlength=last.shape[1]) for row in events])
    if (counts == 0).any():
        row = int(np.argwhere(counts == 0)[0, 1])
        what = model.kind.event
        raise FitError(
            f"{model.sessions.source}, animal {model.sessions.animals[row]}: a part without {what} "
            "cannot be fitted."
        )
    weight = used / counts[:, animal]
    strength = jnp.full(len(weight), settings.l1)
    return jax.block_until_ready(_fit(model, settings, key, jnp.asarray(weight), strength))


def path(
    key: Key, model: Model, strengths: tuple[float, ...], settings: Settings | None = None
) -> Parameters:
    """Return each animal's values by group name ``(strength, animal, ...)`` under each of some
    penalties, all in one compiled descent; ``settings.l1`` is not read."""
    key = words(key)
    settings = settings or Settings()
    animal, _ = model.index
    encounters = model.kind.events(model.observed)
    weight = 1.0 / np.bincount(animal, encounters)[animal]
    weights = jnp.broadcast_to(weight, (len(strengths), weight.size))
    return jax.block_until_ready(_fit(model, settings, key, weights, jnp.array(strengths))[0])


@partial(jax.jit, static_argnums=(0, 1))
def _fit(
    model: Model, settings: Settings, key: Key, weight: Array, l1: Array
) -> tuple[Parameters, Info]:
    return jax.vmap(partial(_descend, model, settings, key))(weight, l1)


def _descend(
    model: Model, settings: Settings, key: Key, weight: Array, l1: Array
) -> tuple[Parameters, Info]:
    """Return the values of all animals after the descent on one part, in which each trial has the
    ``weight`` (observation,) 1 / n or none; animals do not meet in it."""
    animal, n = model.index[0], model.sessions.n_animals
    values = {g.name: jnp.zeros((n, *g.shape)) for g in model.groups}
    first = {name: values[name] for name in settings.fitted}
    if "theta" in first:
        first["theta"] = settings.start * jax.random.normal(key, first["theta"].shape)

    def losses(free: Parameters, _: None) -> Array:
        surprise = -weight * log_likelihood(model, {**values, **free})
        each = jax.ops.segment_sum(surprise, animal, n)
        size = jnp.abs(free["theta"]).sum(-1) if "theta" in free else 0.0
        return each + l1 * size

    adam = optax.adam(settings.learning_rate)
    (point, _), loss = descend(losses, adam, begun(adam, first), steps=settings.epochs)
    return {**values, **point}, Info(loss, losses(point, None))
