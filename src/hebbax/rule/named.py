r"""A learning model of the field: a Taylor rule whose coefficients are functions of parameters.

Q-learning with learning rate alpha and inverse temperature beta is, for weights w = beta Q,

    theta(x r) = n alpha beta / rate,    theta(x w) = -n alpha / rate,

n the number of stimuli and ``rate`` that of an active presynaptic unit. A parameter p has its own
range; what is inferred is where it lies beside its prior median m,

    z = link(p) - link(m) ~ N(0, scale^2),    link = logit (unit), log (positive), identity (any)

in the population, and around it in every animal. `NamedRule` is a rule of z as any other is of
theta: samplers know nothing of it.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from hebbax.errors import ModelError
from hebbax.rule.expression import Expression
from hebbax.rule.taylor import TaylorRule
from hebbax.typing import Array, ArrayLike

Range = Literal["unit", "positive", "any"]
"""Where a parameter lies: from 0 to 1, above 0, or anywhere."""

BOUNDS: dict[Range, tuple[float, float, str]] = {
    "unit": (0.0, 1.0, "between 0 and 1"),
    "positive": (0.0, math.inf, "above 0"),
    "any": (-math.inf, math.inf, "at a number"),
}
"""What each range leaves out at either end, and how it is told."""

CONSTANTS = ("n", "rate")
"""Names that an expression may read beside the parameters: the number of stimuli, and the rate of
an active presynaptic unit."""


class Parameter(NamedTuple):
    """A parameter of a learning model, with its range, and the median of its prior."""

    name: str
    range: Range
    median: float

    def value(self, z: Array) -> Array:
        """Return the parameter at a value of the latent variable (...)."""
        if self.range == "unit":
            # A number of Python, so that single precision stays single.
            return jax.nn.sigmoid(math.log(self.median / (1.0 - self.median)) + z)
        if self.range == "positive":
            return self.median * jnp.exp(z)
        return self.median + z

    def latent(self, value: float) -> float:
        """Return the latent variable of a value, the inverse of `value`."""
        low, high, where = BOUNDS[self.range]
        if not low < value < high:
            raise ModelError(f'the parameter "{self.name}" lies {where}, {value:g} given.')
        if self.range == "unit":
            return math.log(value / (1.0 - value)) - math.log(self.median / (1.0 - self.median))
        return math.log(value / self.median) if self.range == "positive" else value - self.median

    def check(self) -> None:
        """Raise `ModelError` for a median that does not lie in the range."""
        low, high, where = BOUNDS[self.range]
        if not low < self.median < high:
            raise ModelError(
                f'the parameter "{self.name}" lies {where}, and its median is {self.median:g}.'
            )


@dataclass(frozen=True)
class Parametrised:
    """A rule whose own values are latent variables of the ``named`` parameters."""

    named: tuple[Parameter, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return tuple(parameter.name for parameter in self.named)

    def values(self, z: ArrayLike) -> dict[str, Array]:
        """Return each parameter by name, (...) each, from latent variables ``(..., parameter)``."""
        z = jnp.asarray(z)
        return {one.name: one.value(z[..., j]) for j, one in enumerate(self.named)}


@dataclass(frozen=True)
class NamedRule(Parametrised):
    """Taylor terms whose coefficients, ``expressions`` by term, are functions of parameters.

    ``constants`` gives the numbers of `CONSTANTS`. Raises `ModelError` for an expression that reads
    another name, and for a parameter that no expression reads.
    """

    expressions: tuple[tuple[str, Expression], ...]
    constants: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        known = {parameter.name for parameter in self.named} | set(CONSTANTS)
        read: set[str] = set()
        for term, expression in self.expressions:
            for name in sorted(expression.names - known):
                raise ModelError(
                    f'the coefficient of "{term}" reads "{name}", which is no parameter '
                    f"({', '.join(sorted(known))})."
                )
            read |= expression.names
        for parameter in self.named:
            parameter.check()
            if parameter.name not in read:
                raise ModelError(f'no coefficient reads the parameter "{parameter.name}".')

    @cached_property
    def taylor(self) -> TaylorRule:
        """The rule without its constraints."""
        return TaylorRule(tuple(term for term, _ in self.expressions))

    @property
    def uses_post(self) -> bool:
        """Whether any term has a factor y."""
        return self.taylor.uses_post

    def coefficients(self, own: ArrayLike) -> Array:
        """Return the Taylor coefficients ``(..., term)`` of variables ``(..., parameter)``."""
        known = {**dict(self.constants), **self.values(own)}
        each = [expression(known) for _, expression in self.expressions]
        return jnp.stack(jnp.broadcast_arrays(*each), axis=-1)

    def drive(self, x: Array, r: Array) -> Any:
        """Return what depends on data alone, at one synapse in one trial."""
        return self.taylor.drive(x, r)

    def hoist(self, theta: Array, drive: Any) -> Any:
        """Return what coefficients and data give the loop over trials."""
        return self.taylor.hoist(theta, drive)

    def change(self, theta: Array, hoisted: Any, y: Array, w: Array) -> Array:
        """Return g, the change of the weight before the learning rate."""
        return self.taylor.change(theta, hoisted, y, w)
