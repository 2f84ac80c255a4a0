"""What lies around a call: double precision, compiled programs, progress."""

import logging
import operator
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import jax
import numpy as np
from tqdm.std import tqdm

from hebbax.errors import FitError
from hebbax.runs.compiled import keep_compiled
from hebbax.typing import Progress, silent
from hebbax.validation import limits
from hebbax.validation.precision import is_double
from hebbax.validation.quoting import plain

PRECISION = "JAX_ENABLE_X64"
"""The variable by which a user decides on the precision of JAX."""

LOG = logging.getLogger("hebbax")

BAR = "{desc} {bar:30} {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
"""How a bar looks."""

WATCHED, LOGGED = 0.5, 15.0
"""Seconds between two looks of a bar that somebody watches, and of one in a log."""


def prepare() -> None:
    """Let JAX compute in double precision, with a word, where the user has not decided otherwise,
    and keep what it compiles."""
    if not is_double() and PRECISION not in os.environ:
        jax.config.update("jax_enable_x64", True)
        LOG.warning(
            "JAX computes in double precision from here on (jax_enable_x64), as posteriors need."
        )
    keep_compiled()


def seeded(seed: int) -> int:
    """Return a seed; raise `FitError` for what is none."""
    try:
        number = -1 if isinstance(seed, bool | np.bool_) else operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number <= limits.MAX_SEED:
        raise FitError(
            f"seed {plain(repr(seed))}: must be a whole number from 0 to {limits.MAX_SEED}."
        )
    return number


@contextmanager
def bars(*, shown: bool) -> Iterator[Callable[[str], Progress]]:
    """Give what makes the progress of a named task: a bar, which is gone at the end; nothing unless
    it is ``shown``."""
    with ExitStack() as opened:

        def add(name: str) -> Progress:
            if not shown:
                return silent
            bar = opened.enter_context(
                tqdm(desc=name, leave=False, mininterval=_interval(), bar_format=BAR)
            )

            def tell(doing: str, done: int, total: int) -> None:
                bar.set_description_str(f"{name}: {doing}", refresh=False)
                bar.total = total
                bar.update(done - bar.n)

            return tell

        yield add


def _interval() -> float:
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    return WATCHED if watched else LOGGED
