"""Readouts: what the weights of a stimulus say of it, and how large weights may be.

    accept     logit_k = gain tanh(x_k . w), of accepting the stimulus that is met
    softmax    logit_k = sum of the weights of its inputs,    P(k) ~ exp(offset_k + logit_k)

Under `Accept` a weight is a synapse of a saturating unit, as in Mehta et al. (2024). Under
`Softmax` it is a log odds, as beta Q is in a learning model of the field: with one input a
stimulus these are Taylor rules exactly (`hebbax.rule.named`).

Weights move freely up to a size and are bounded smoothly beyond it, since a rule can let them
explode: over 240 trials (1 + a)^240 overflows. Of `Accept` a unit is saturated by 99.5 % there
(rate 0.75); of `Softmax` the log odds are 40, which no choice can tell from 50.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.typing import Array, ArrayLike

FREE_WEIGHT = 4.0
"""Weights up to this size move freely under `Accept`."""

MAX_WEIGHT = 5.0
"""No weight exceeds this size under `Accept`."""

WIDER = 10.0
"""Both are so many times as large under `Softmax`."""

Name = Literal["accept", "softmax"]


class Readout(Protocol):
    """What the network asks of a readout."""

    @property
    def most(self) -> float:
        """The size that no weight exceeds."""

    def rates(self, stimuli: np.ndarray) -> np.ndarray:
        """Return what each input adds to the drive of each stimulus ``(stimulus, input)``, from
        the presynaptic rates."""

    def logit(self, drive: ArrayLike) -> Array:
        """Return the logit of a stimulus, given its drive."""

    def bounded(self, w: Array) -> Array:
        """Return a weight as large as it may be."""


@dataclass(frozen=True)
class Accept:
    """Each stimulus is accepted or not, by a saturating unit of some ``gain``."""

    gain: float = 5.0
    most: ClassVar[float] = MAX_WEIGHT

    def rates(self, stimuli: np.ndarray) -> np.ndarray:
        """Return the presynaptic rates."""
        return stimuli

    def logit(self, drive: ArrayLike) -> Array:
        """Return gain tanh(drive)."""
        return self.gain * jnp.tanh(drive)

    def bounded(self, w: Array) -> Array:
        """Return a weight below ``most``."""
        return saturate(w)


@dataclass(frozen=True)
class Softmax:
    """One of the stimuli is chosen, by the sum of the weights of its inputs."""

    most: ClassVar[float] = WIDER * MAX_WEIGHT

    def rates(self, stimuli: np.ndarray) -> np.ndarray:
        """Return one for each active input."""
        return (stimuli > 0).astype(float)

    def logit(self, drive: ArrayLike) -> Array:
        """Return the drive as it is."""
        return jnp.asarray(drive)

    def bounded(self, w: Array) -> Array:
        """Return a weight below ``most``."""
        return WIDER * saturate(w / WIDER)


ACCEPT: Readout = Accept()
READOUTS: dict[Name, Readout] = {"accept": ACCEPT, "softmax": Softmax()}
"""Each readout by its name in a model file."""


@jax.custom_jvp
def saturate(w: Array) -> Array:
    """Return w, untouched up to `FREE_WEIGHT`, its size smoothly bounded below `MAX_WEIGHT`.

    Formula: with the excess e of |w| over free and the room b = max - free,
    sign(w) (free + e / sqrt(1 + (e/b)^2)); its slope is (1 + (e/b)^2)^(-3/2). A modelling choice:
    Taylor rules explode without a bound, and over 240 trials (1 + a)^240 overflows.
    """
    free, excess, shrink = _excess(w)
    return free + excess * shrink


def _excess(w: Array) -> tuple[Array, Array, Array]:
    """Return what of a weight is free, what exceeds it, and by what that is shrunk."""
    free = jnp.clip(w, -FREE_WEIGHT, FREE_WEIGHT)
    room = MAX_WEIGHT - FREE_WEIGHT
    return free, w - free, jax.lax.rsqrt(1.0 + ((w - free) / room) ** 2)


@saturate.defjvp
def _saturate_slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # Stated by hand so that the backward pass through the trials stores one number a weight.
    (w,), (dw,) = primals, tangents
    free, excess, shrink = _excess(w)
    return free + excess * shrink, shrink**3 * dw
