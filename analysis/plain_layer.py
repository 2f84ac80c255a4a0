"""A wide layer without hebbax: 27 terms at every synapse, by vmap, differentiated as it stands.

This is how published code computes it, and what `fig2_oja.py` measures against. It shares nothing
with hebbax on purpose, so that agreement of the two means something.

    g = sum_abc theta_abc x^a y^b w^c,    w <- w + g,    y = sigmoid(x . w)
"""

import jax
import jax.numpy as jnp

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
