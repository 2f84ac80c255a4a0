"""The libraries that commands compute with, set up: in double precision, with programs that were
compiled before, and drawing into files."""

import os

import jax

from hebbax import figures
from hebbax.errors import HebbaxError
from hebbax.runs.compiled import keep_compiled
from hebbax.validation.quoting import plain


def start() -> None:
    """Set the libraries up; raise `HebbaxError` where JAX cannot start on the device that the user
    asked for."""
    jax.config.update("jax_enable_x64", True)
    keep_compiled()
    figures.use_file_backend()
    asked = os.environ.get("JAX_PLATFORMS")
    if asked:
        try:
            jax.devices()
        except (RuntimeError, AssertionError) as problem:  # the latter of "cuda" without a GPU
            raise HebbaxError(
                f'JAX_PLATFORMS is "{plain(asked)}", and JAX does not start there; unset it, or '
                'set it to "cpu".'
            ) from problem
