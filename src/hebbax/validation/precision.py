"""Whether JAX computes in double precision, which it does only where it was told to."""

import warnings

import jax
import numpy as np

from hebbax.errors import SinglePrecisionWarning


def is_double() -> bool:
    """Return whether numbers have double precision."""
    return bool(jax.dtypes.canonicalize_dtype(np.float64) == np.float64)


def warn_if_single() -> None:
    """Warn, once in a process, where numbers have single precision."""
    if is_double():
        return
    # The place is this line, whoever asks: Python then shows the warning once.
    warnings.warn(
        "JAX computes in single precision (float32), in which weights of long sessions and "
        "gradients of the posterior are not exact enough: call numpyro.enable_x64() before any "
        "array is made.",
        SinglePrecisionWarning,
        stacklevel=1,
    )
