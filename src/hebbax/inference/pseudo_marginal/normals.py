"""Standard normal numbers, many in one call.

XLA compiles every call of a random generator anew, 0.8 seconds each, and 7 where its shape has two
dimensions under `jax.vmap`: here they are drawn once, in one row. Uniform numbers are Phi of a
normal.
"""

import math
from typing import Any

import jax

from hebbax.typing import Array, Key


def normals(key: Key, shape: tuple[int, ...], dtype: Any = float) -> Array:
    """Return standard normal numbers of a shape."""
    row = jax.random.normal(key, (math.prod(shape),), dtype)
    return jax.lax.optimization_barrier(row).reshape(shape)
