"""Compiled programs: what one run compiled the next one takes from disk, and none holds too many.

JAX's persistent compilation cache lies in the user's cache folder, in a folder for each kind of
processor, since a program that was compiled on one may not run on another; the oldest programs go
when it is full. JAX's own variables hold: JAX_COMPILATION_CACHE_DIR moves it, and
JAX_ENABLE_COMPILATION_CACHE=0 turns it off.

Linux gives a process 65 530 maps of memory (vm.max_map_count), and every compiled program holds
some: those of a fit a few thousand. A process that asks for more is ended by the compiler without a
word, so that a study of twenty models, or a notebook after a long day, would be lost.
"""

import hashlib
import os
import platform
from pathlib import Path

import jax
from platformdirs import user_cache_path

MOST_BYTES = 512 * 2**20
"""Size of the folder, above which what was used longest ago is removed."""

LEAST_SECONDS = 0.05
"""What compiles faster is not kept."""

PROCESSORS = Path("/proc/cpuinfo")
"""Where Linux says what instructions a processor knows."""

MAPS = Path("/proc/self/maps")
"""The maps of memory of this process, a line each; on Linux alone, and no other system has a limit
that programs meet."""

MANY = 30_000
"""Maps of memory from which on programs are forgotten: a fit still has as many again."""


def keep_compiled() -> None:
    """Let JAX keep what it compiles, unless a folder is set already, or none can be made."""
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    folder = user_cache_path("hebbax") / f"compiled-{_processor()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)


def forget_where_many(many: int = MANY) -> None:
    """Forget all programs that JAX has compiled where this process holds more than ``many`` maps of
    memory. What is called again is compiled again, or taken from the cache on disk."""
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > many:
        jax.clear_caches()


def _processor() -> str:
    """Return a name of this kind of processor."""
    known = [platform.machine(), platform.processor()]
    if PROCESSORS.is_file():
        lines = PROCESSORS.read_text(encoding="utf-8", errors="replace").splitlines()
        known += sorted({line for line in lines if line.startswith(("model name", "flags"))})
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]
