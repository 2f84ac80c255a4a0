"""What a likelihood sees of a trial: the distributions by their names in a model file."""

from typing import TypeAlias

import jax.numpy as jnp
import numpy as np

from hebbax.model.choice_likelihood import Choice, Softmax
from hebbax.model.encounter_likelihood import Encounters
from hebbax.rule.readout import Name
from hebbax.typing import ArrayLike, Likelihood

Kind: TypeAlias = type[Choice] | type[Encounters]

KINDS: dict[Likelihood, Kind] = {
    "choice": Choice,
    "encounter": Encounters,
}
"""What each likelihood sees, with the readout "accept"."""

BY_READOUT: dict[tuple[Likelihood, Name], Kind] = {
    **{(likelihood, "accept"): kind for likelihood, kind in KINDS.items()},
    ("choice", "softmax"): Softmax,
}
"""The distribution that a likelihood and a readout stand for, where they go together."""


def chance(
    likelihood: Likelihood, value: ArrayLike, n_stimuli: int, offered: ArrayLike | None = None
) -> np.ndarray:
    """Return log P of each observation ``(...)`` for an animal to which all is even, in nats: one
    of ``n_stimuli`` alternatives at each choice, or of those ``offered`` (..., stimulus), a fair
    coin at each encounter."""
    if offered is not None:
        return -np.log(np.sum(offered, axis=-1))
    even = jnp.zeros(n_stimuli)
    return np.asarray(KINDS[likelihood](even, even).log_prob(jnp.asarray(value)))
