"""Compiled programs that factor many small matrices: each of them on one core.

A batch of triangular systems is shared out among the threads of XLA's pool by one of them, which
waits for the others. Where two batches are at work at once and the pool has as many threads, all
wait and nobody works: of twelve animals with a dozen terms, a fit never ended on two cores. The
matrices here are too small for several cores to be of use.
"""

from collections.abc import Callable
from typing import Any

import jax

ONE_CORE = {"xla_cpu_multi_thread_eigen": False}
"""Compiler options of these programs; they say nothing to an accelerator."""


def compiled(function: Callable, **options: Any) -> Any:
    """Return `jax.jit` of a function, on one core; it cannot be traced within another program."""
    return jax.jit(function, compiler_options=ONE_CORE, **options)
