"""The published point estimate of one shared rule: Adam on a penalised cross entropy.

The loss of one trajectory is

    sum of its cross entropies / (trials * longest trial) + l1 * sum_j |theta_j|,

because the published code averages over the zero-padded (trial, encounter) array, as long as the
longest trial of the experiment: how hard the penalty shrinks depends on that one trial. Adam takes
one trajectory a step, in turn, and stops after a fixed number of epochs. Source: Mehta et al.
(2024) and their released code.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import optax

from hebbax.inference.optimise import State, begun, descend
from hebbax.mehta2024.pooled import Pooled, Recorded, counts, log_likelihood
from hebbax.typing import Array, Key


@dataclass(frozen=True)
class Settings:
    """Settings of the descent, the published ones: ``epochs`` over the trajectories, Adam's
    ``learning_rate``, starting coefficients ``first`` * N(0, 1), strength ``l1`` of the penalty."""

    epochs: int = 351
    learning_rate: float = 1e-3
    first: float = 1e-5
    l1: float = 1e-2


@partial(jax.jit, static_argnames=("pooled", "epochs"))
def _descend(
    pooled: Pooled, data: Recorded, start: Array, l1: Array, rate: Array, epochs: int
) -> Array:
    """Return the coefficients after each epoch ``(epoch, parameter)``."""
    size = data.r.shape[1] * counts(data).sum(axis=-1).max()
    adam = optax.adam(rate)

    def loss(theta: Array, one: Recorded) -> Array:
        alone = jax.tree.map(lambda leaf: leaf[None], one)
        entropy = -log_likelihood(pooled, theta, alone).sum() / size
        return entropy + l1 * jnp.abs(theta).sum()

    def epoch(state: State, _: None) -> tuple[State, Array]:
        state = descend(loss, adam, state, data)[0]
        return state, state[0]

    return jax.lax.scan(epoch, begun(adam, start), None, epochs)[1]


def fit(key: Key, pooled: Pooled, data: Recorded, settings: Settings, *, l1: Array) -> Array:
    """Return the coefficients after each epoch ``(problem, epoch, parameter)``.

    Many problems are solved side by side: ``data`` has a leading dimension ``problem`` before
    ``trajectory``, and ``l1`` (problem,) is the strength of each one's penalty.
    """
    shape = (len(l1), len(pooled.rule.parameters))
    starts = settings.first * jax.random.normal(key, shape)
    descend = partial(
        _descend, pooled, rate=jnp.asarray(settings.learning_rate), epochs=settings.epochs
    )
    return jax.vmap(lambda data, start, l1: descend(data, start, l1))(data, starts, l1)
