"""What a NumPyro model is conditioned on when it is called: its record, other data, or nothing."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from hebbax.errors import ModelError
from hebbax.typing import Array


def shown(
    given: Mapping[str, Array | None], site: str, recorded: Array | np.ndarray
) -> Array | np.ndarray | None:
    """Return what the observed site of a model shows: what is ``given`` by its name, None for what
    is to be predicted, and without it what was ``recorded``.

    Raises `ModelError` for another name, and for data of another shape than was recorded.
    """
    for name in given:
        if name != site:
            raise ModelError(
                f"model({name}=...): there is no such observed site; it is {site}, and "
                f"model({site}=None) predicts it."
            )
    values = given.get(site, recorded)
    if values is not None and jnp.shape(values) != recorded.shape:
        raise ModelError(
            f"model({site}=...): shape {jnp.shape(values)} given; {recorded.shape} is needed, as "
            "was recorded."
        )
    return values
