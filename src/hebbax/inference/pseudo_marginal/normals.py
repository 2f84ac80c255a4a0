"""Standard normal numbers, many in one call.

XLA compiles every call of a random generator anew, and longer where its shape has two dimensions
under `jax.vmap`: here they are drawn in one row. They are drawn in single precision, at any of the
steps of 2^-23 in probability: in double precision the inverse of Phi alone was half of a program.
Uniform numbers are Phi of a normal.
"""

import math
from typing import Any

import jax

from hebbax.inference.pseudo_marginal.animal import SINGLE
from hebbax.typing import Array, Key


def normals(key: Key, shape: tuple[int, ...], dtype: Any = float) -> Array:
    """Return standard normal numbers of a shape; none is farther from zero than 5.5."""
    row = jax.random.normal(key, (math.prod(shape),), SINGLE)
    return jax.lax.optimization_barrier(row).astype(dtype).reshape(shape)
