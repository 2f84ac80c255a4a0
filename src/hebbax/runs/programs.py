"""Compiled programs: how many of them a process holds.

Linux gives a process 65 530 maps of memory (vm.max_map_count), and every compiled program holds
some: those of a fit a few thousand. A process that asks for more is ended by the compiler without a
word, so that a study of twenty models, or a notebook after a long day, would be lost.
"""

from pathlib import Path

import jax

MAPS = Path("/proc/self/maps")
"""The maps of memory of this process, a line each; on Linux alone, and no other system has a limit
that programs meet."""

MANY = 30_000
"""Maps of memory from which on programs are forgotten: a fit still has as many again."""


def forget_where_many(many: int = MANY) -> None:
    """Forget all programs that JAX has compiled where this process holds more than ``many`` maps of
    memory. What is called again is compiled again, or taken from the cache on disk."""
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > many:
        jax.clear_caches()
