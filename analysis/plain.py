"""The same likelihood without hebbax: one animal at a time, the rule's powers built in the loop.

This is how published code for the method computes it, and what `benchmark.py` measures against. It
shares nothing with hebbax on purpose, so that agreement of the two means something.

    g = sum_abc theta_abc x^a r^b w^c,   w <- bound(w + g / 2) at both synapses
    P(k) = q_k p_k / sum_j q_j p_j,      p_k = sigmoid(5 tanh(0.75 w_k)),  log q = (0, preference)
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax

RATE, GAIN, WINDOW = 0.75, 5.0, 10
FREE, ROOM = 4.0, 1.0
SCALES = np.array([0.5, 0.2, 1.0])
"""Prior scales of the population values of x r, w and the preference."""

Array = jax.Array
Change = Callable[[Array, Array, Array, Array], Array]


def change_27_terms(theta: Array, x: Array, r: Array, w: Array) -> Array:
    """Return g at one synapse from coefficients ``theta`` (3, 3, 3) of x^a r^b w^c."""
    powers = jnp.array([0, 1, 2])
    tensor = jnp.einsum("a,b,c->abc", x**powers, r**powers, w**powers)
    return (theta * tensor).sum()


def change_2_terms(theta: Array, x: Array, r: Array, w: Array) -> Array:
    """Return g at one synapse from coefficients ``theta`` (2,) of x r and w."""
    return theta[0] * x * r + theta[1] * w


def in_27_terms(theta: np.ndarray) -> np.ndarray:
    """Return coefficients (3, 3, 3) of the same rule as those of x r and w (2,)."""
    out = np.zeros((3, 3, 3))
    out[1, 1, 0], out[0, 0, 1] = theta
    return out


def bound(w: Array) -> Array:
    """Return w, its size beyond 4 bounded below 5."""
    excess = jnp.maximum(jnp.abs(w) - FREE, 0.0)
    beyond = FREE + excess / jnp.sqrt(1.0 + (excess / ROOM) ** 2)
    return jnp.where(excess > 0.0, jnp.sign(w) * beyond, w)


def signals(rewards: np.ndarray) -> np.ndarray:
    """Return R - E[R] of one animal (trial,), E[R] the mean of the last 10 rewards, zeros first."""
    past = np.concatenate([np.zeros(WINDOW), rewards])
    expected = [past[t : t + WINDOW].mean() for t in range(len(rewards))]
    return rewards - np.array(expected)


def log_likelihood(
    change: Change, theta: Array, preference: Array, choices: Array, signal: Array
) -> Array:
    """Return log P of one animal's choices (trial,) of two stimuli; -1 is padding."""

    def step(w: Array, trial: tuple[Array, Array]) -> tuple[Array, Array]:
        choice, r = trial
        logits = GAIN * jnp.tanh(RATE * w)
        log_p = jax.nn.log_softmax(jnp.array([0.0, preference]) + jax.nn.log_sigmoid(logits))
        x = RATE * jax.nn.one_hot(choice, 2)
        learned = bound(w + jax.vmap(change, (None, 0, None, 0))(theta, x, r, w) / 2)
        recorded = choice >= 0
        return jnp.where(recorded, learned, w), jnp.where(recorded, log_p[choice], 0.0)

    return jax.lax.scan(step, jnp.zeros(2), (choices, signal))[1].sum()


class Data(NamedTuple):
    """Choices (animal, trial), -1 in padding, and reward signals (animal, trial)."""

    choices: np.ndarray
    signal: np.ndarray


def data(choices: np.ndarray, rewards: np.ndarray) -> Data:
    """Return what the likelihood needs of recorded choices and rewards, each (animal, trial)."""
    return Data(choices, np.stack([signals(one) for one in rewards]))


def gradient(
    change: Change, theta: np.ndarray, preference: np.ndarray, data: Data
) -> Callable[[], tuple[Array, Array, Array]]:
    """Return a call that gives log P of all choices and its slopes along ``theta`` (animal, ...)
    and ``preference`` (animal,): one compiled function, called for one animal after the other."""
    one = jax.jit(jax.value_and_grad(partial(log_likelihood, change), argnums=(0, 1)))
    animals = [tuple(map(jnp.asarray, row)) for row in zip(theta, preference, *data, strict=True)]

    def call() -> tuple[Array, Array, Array]:
        found = [one(*animal) for animal in animals]
        values, slopes = zip(*jax.block_until_ready(found), strict=True)
        return np.sum(values), *(np.stack(slope) for slope in zip(*slopes, strict=True))

    return call


TRAINED = ((0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (0, 0, 1))
"""Exponents of x, r, w of the five terms of the published fit: 1, r, x, x r, w."""


def published_fit(
    start: np.ndarray, data: Data, epochs: int, learning_rate: float, l1: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients (animal, 5) and loss (animal,) of the published descent: one animal after
    the other, one compiled gradient of all 27 terms an epoch, from ``start`` (animal, 5)."""
    trained = tuple(np.array(TRAINED).T)
    mask = jnp.zeros((3, 3, 3)).at[trained].set(1.0)
    adam = optax.adam(learning_rate)

    def loss(theta: Array, choices: Array, signal: Array) -> Array:
        theta = theta * mask
        surprise = -log_likelihood(change_27_terms, theta, jnp.zeros(()), choices, signal)
        return surprise / (choices >= 0).sum() + l1 * jnp.abs(theta).sum()

    slope, advance = jax.jit(jax.value_and_grad(loss)), jax.jit(adam.update)
    thetas, losses = [], []
    for first, choices, signal in zip(start, *data, strict=True):
        theta = jnp.zeros((3, 3, 3)).at[trained].set(first)
        memory = adam.init(theta)
        for _ in range(epochs):
            update, memory = advance(slope(theta, choices, signal)[1], memory)
            theta = optax.apply_updates(theta, update)
        thetas.append(theta[trained])
        losses.append(slope(theta, choices, signal)[0])
    return np.array(thetas), np.array(losses)


def numpyro_model(data: Data) -> None:
    """State models/forgetting.toml plainly: animals around a population."""
    population = numpyro.sample("population", dist.Normal(0.0, SCALES).to_event(1))
    spread = numpyro.sample("spread", dist.HalfNormal(SCALES / 2).to_event(1))
    standard = dist.Normal(0.0, 1.0).expand((len(data.choices), 3)).to_event(2)
    value = numpyro.deterministic("value", population + spread * numpyro.sample("offset", standard))
    each = jax.vmap(lambda v, c, r: log_likelihood(change_2_terms, v[:2], v[2], c, r))
    numpyro.factor("choices", each(value, *map(jnp.asarray, data)).sum())
