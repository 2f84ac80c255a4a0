"""The vocabulary of shapes.

Dimensions are named everywhere by these words: ``animal``, ``trial``, ``stimulus`` (an alternative
the animal can choose), ``input`` (a presynaptic unit), ``hidden`` (a postsynaptic unit), ``term``
(a coefficient of the plasticity rule), ``observation`` (a trial that a likelihood sees,
over all animals: one with a choice, or with an encounter).
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
"""A JAX array; its dimensions are written beside it, as in ``(trial, stimulus)``."""

Key: TypeAlias = jax.Array
"""A JAX random key, always the first argument."""

ArrayLike: TypeAlias = jax.Array | np.ndarray | float

Numbers: TypeAlias = Sequence[ArrayLike]
"""One number ``(...)`` a stimulus, or one a member of a group of values."""

Parameters: TypeAlias = dict[str, jax.Array]
"""Values of a model's latent variables by site name."""

Likelihood = Literal["choice", "encounter"]
"""What a model sees of a trial: the accepted stimulus alone, or every encounter."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called as ``progress(task, done, total)`` while something long runs."""


def silent(task: str, done: int, total: int) -> None:
    """Report nothing; the default `Progress`."""
