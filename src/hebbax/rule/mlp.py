"""A plasticity rule without a formula: a small network of what a synapse meets.

    g(x, y, w, r) = tanh(b_2 + sum_k v_k leaky(b_1k + sum_f W_kf f)),    f in the rule's factors

with ``leaky`` the leaky ReLU of slope 0.01. With the factors x, y, w, r and ten hidden units it has
61 parameters (Mehta et al. 2024, "MLP"); with x, w, r 51.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from hebbax.errors import ModelError
from hebbax.typing import Array

FACTORS = ("x", "y", "w", "r")
"""What a synapse can meet: pre- and postsynaptic activity, its weight, the reward signal."""


@dataclass(frozen=True)
class MLPRule:
    """The change of a weight by a network of the ``factors`` with ``hidden`` units.

    Raises `ModelError` for a factor that is none or is given twice.
    """

    factors: tuple[str, ...] = FACTORS
    hidden: int = 10

    def __post_init__(self) -> None:
        if not self.factors or sorted(set(self.factors)) != sorted(self.factors):
            raise ModelError(f"the factors of an MLP rule are distinct, {self.factors} given.")
        unknown = [factor for factor in self.factors if factor not in FACTORS]
        if unknown:
            raise ModelError(
                f'unknown factor "{unknown[0]}" of an MLP rule: it may be {", ".join(FACTORS)}.'
            )

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the weights and biases: hidden units first, each with its factors."""
        units = range(self.hidden)
        inner = [f"{factor} to {k}" for k in units for factor in self.factors]
        return (*inner, *(f"bias {k}" for k in units), *(f"{k} out" for k in units), "bias out")

    @property
    def uses_post(self) -> bool:
        """Whether y is a factor."""
        return "y" in self.factors

    def coefficients(self, own: Array) -> Array:
        """Return the values as they are."""
        return own

    def drive(self, x: Array, r: Array) -> tuple[Array, Array]:
        """Return x and r as they are."""
        return x, r

    def hoist(self, theta: Array, drive: tuple[Array, Array]) -> Array:
        """Return what bias, x and r bring to each hidden unit: ``(hidden,)``."""
        inner, bias, _, _ = self._split(theta)
        known = dict(zip("xr", drive, strict=True))
        return bias + sum(inner[f] * known[f] for f in self.factors if f in known)

    def change(self, theta: Array, hoisted: Array, y: Array, w: Array) -> Array:
        """Return g from the hidden units' known part and y and w."""
        inner, _, outer, last = self._split(theta)
        known = {"y": y, "w": w}
        unit = hoisted + sum(inner[f] * known[f] for f in self.factors if f in known)
        return jnp.tanh(jax.nn.leaky_relu(unit, 0.01) @ outer + last)

    def _split(self, theta: Array) -> tuple[dict[str, Array], Array, Array, Array]:
        """Return weights of each factor (hidden,), biases, outgoing weights, outgoing bias."""
        size = len(self.factors) * self.hidden
        inner = theta[:size].reshape(self.hidden, len(self.factors))
        bias, outer = theta[size : size + self.hidden], theta[size + self.hidden : -1]
        columns = {factor: inner[:, j] for j, factor in enumerate(self.factors)}
        return columns, bias, outer, theta[-1]
