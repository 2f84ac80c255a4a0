r"""What an animal keeps of its past: the delta rule of ONE remembered value m, and the night.

    m_t+1 = m_t + rate (v_t - m_t)        after a trial with a choice; any other leaves it
    m     = m_1 + kept (m - m_1)          where a new session begins

With v = R it is the exponential average that is the expected reward, with v = 1 for the chosen
stimulus and 0 for every other the trace of choices (a choice kernel), which at rate 1 is the last
choice. Weights are kept between sessions alike. Source: Lau & Glimcher 2005 (kernel of choices).
"""

import jax
import jax.numpy as jnp

from hebbax.typing import Array, ArrayLike


def towards(value: ArrayLike, rate: ArrayLike, remembered: Array) -> Array:
    """Return what is remembered after a trial that showed a value."""
    return remembered + rate * (value - remembered)


def resumed(start: ArrayLike, kept: ArrayLike, remembered: Array) -> Array:
    """Return what is left at the beginning of a session."""
    return jnp.asarray(start + kept * (remembered - start))


def followed(
    values: Array,
    rate: ArrayLike,
    seen: Array,
    nights: tuple[Array, ArrayLike] | None,
    start: Array,
) -> Array:
    """Return what is remembered *before* each trial ``(trial, ...)`` of the ``values`` in them.

    ``seen`` (trial,) says which trials showed one, and ``nights`` which begin a session (trial,),
    with the part that is kept; None where none does.
    """

    def step(remembered: Array, trial: tuple) -> tuple[Array, Array]:
        value, shown, begins = trial
        if nights is not None:
            remembered = jnp.where(begins, resumed(start, nights[1], remembered), remembered)
        return jnp.where(shown, towards(value, rate, remembered), remembered), remembered

    begins = None if nights is None else nights[0]
    return jax.lax.scan(step, start, (values, seen, begins))[1]
