"""A wide layer without hebbax: 27 terms at every synapse, by vmap, differentiated as it stands.

This is how published code computes it, and what `fig2_oja.py` measures against. It shares no
mathematics with hebbax on purpose, so that agreement of the two means something.

    g = sum_abc theta_abc x^a y^b w^c,    w <- w + g,    y = sigmoid(x . w)
"""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.errors import HebbaxError

Array = jax.Array


def change(theta: Array, x: Array, y: Array, w: Array) -> Array:
    """Return g at one synapse from coefficients ``theta`` (3, 3, 3) of x^a y^b w^c."""
    powers = jnp.array([0, 1, 2])
    return (theta * jnp.einsum("a,b,c->abc", x**powers, y**powers, w**powers)).sum()


def activity(theta: Array, initial: Array, inputs: Array) -> Array:
    """Return activity ``(step, neuron)``; ``initial`` (input, neuron), ``inputs`` (step, input)."""
    of_input = jax.vmap(change, (None, None, 0, 0))
    everywhere = jax.vmap(of_input, (None, 0, None, 0))

    def step(w: Array, x: Array) -> tuple[Array, Array]:
        y = jax.nn.sigmoid(x @ w)
        return w + everywhere(theta, x, y, w), y

    return jax.lax.scan(step, initial, inputs)[1]


def loss(theta: Array, initial: Array, inputs: Array, recorded: Array) -> Array:
    """Return half the squared error of one trajectory."""
    return 0.5 * ((activity(theta, initial, inputs) - recorded) ** 2).sum()


def race(
    fast: Callable[[], Array], theta: Array, initial: Array, inputs: Array, recorded: Array
) -> dict[str, float]:
    """Return seconds of the plain gradient and of ``fast``, medians of five paired rounds, and the
    median ratio. Raises `HebbaxError` where the two gradients ``(term,)`` differ by 1e-8."""
    slope = jax.jit(jax.grad(loss))

    def plain() -> Array:
        return slope(theta.reshape(3, 3, 3), initial, inputs, recorded)

    ours, theirs = np.asarray(fast()), np.ravel(plain())
    apart = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if apart > 1e-8:
        raise HebbaxError(f"the plain gradient differs by {apart:.1e} of its size.")
    rounds = np.array([(seconds(plain, 1), seconds(fast, 5)) for _ in range(5)])
    plain_s, fast_s = np.median(rounds, axis=0)
    ratio = float(np.median(rounds[:, 0] / rounds[:, 1]))
    return {"plain_s": plain_s, "hebbax_s": fast_s, "ratio": ratio, "apart": apart}


def seconds(call: Callable[[], Array], repeats: int) -> float:
    """Return wall-clock seconds a call."""
    begin = time.perf_counter()
    for _ in range(repeats):
        jax.block_until_ready(call())
    return (time.perf_counter() - begin) / repeats
