"""Random keys at the doors: both kinds that JAX makes are taken, and one is used inside.

`jax.random.key` makes a typed key, `jax.random.PRNGKey` an array of words with the same bits.
Samplers of NumPyro, files and digests take the words.
"""

import jax
import numpy as np

from hebbax.errors import HebbaxError
from hebbax.typing import Key


def words(key: Key) -> Key:
    """Return a random key of either kind as its words; raise `HebbaxError` for anything else."""
    if isinstance(key, jax.Array) and jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key):
        given, used = jax.random.key_impl(key), jax.random.key_impl(jax.random.key(0))
        if given != used:
            raise HebbaxError(
                f"a random key of {given} was given; give one of {used}, as jax.random.key(0) "
                "makes it."
            )
        return jax.random.key_data(key)
    if not (isinstance(key, jax.Array | np.ndarray) and key.dtype == np.uint32):
        raise HebbaxError(
            f"{type(key).__name__} given in place of a random key; jax.random.key(0) makes one."
        )
    return key
