r"""A rule of one's own: a plain function of ONE synapse in one trial, written for JAX.

    def change(x, w, r, n, rate, alpha, beta):
        return n * x / rate * alpha * (beta * r - w)

is Q-learning: g of `hebbax.rule.taylor`, the change of a weight before the learning rate 1 / n. Its
arguments say what it reads, in any order: x, y, w, r of the synapse, the constants n and rate, and
the parameters, each in its own range (`hebbax.rule.named`).

What it makes of a weight in proportion to itself is read from its slope, at y = w = r = 0,

    theta(w) = dg/dw at x = 0,    theta(x w) = (dg/dw at x = rate - dg/dw at x = 0) / rate,

the coefficients of a Taylor rule that fades a small weight alike where the reward signal is zero.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.errors import ModelError
from hebbax.rule.imported import told
from hebbax.rule.named import Parametrised
from hebbax.typing import Array, ArrayLike

SYNAPSE = ("x", "y", "w", "r")
"""What a synapse shows: pre- and postsynaptic activity, its weight, the reward signal."""

TERMS = ("w", "x w")
"""Terms whose coefficients are told of any function."""

TRIED = (0.0, 0.5, -0.5)
"""Weights at which a function is tried before anything is made of it."""

SIGNALS = (0.0, 1.0, -1.0)
"""Reward signals at which it is tried."""

HOW = "write it with jax.numpy, and jnp.where in place of if"


@dataclass(frozen=True)
class FunctionRule(Parametrised):
    """The ``function`` with its named parameters and the numbers of `hebbax.rule.named.CONSTANTS`.

    Raises `ModelError` for a function that reads something else, or does not read a parameter.
    """

    constants: tuple[tuple[str, float], ...]
    function: Callable[..., Any]

    def __post_init__(self) -> None:
        known = (*SYNAPSE, *dict(self.constants), *self.parameters)
        for name, argument in inspect.signature(self.function).parameters.items():
            if argument.kind not in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY):
                raise ModelError(f'its argument "{name}" cannot be given by name.')
            if name not in known and argument.default is argument.empty:
                raise ModelError(
                    f'it reads "{name}", which is none of what a synapse knows '
                    f"({', '.join(known)})."
                )
        for parameter in self.named:
            parameter.check()
            if parameter.name not in self.reads:
                raise ModelError(f'it does not read the parameter "{parameter.name}".')

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The names of its arguments."""
        return tuple(inspect.signature(self.function).parameters)

    @property
    def uses_post(self) -> bool:
        """Whether it reads y."""
        return "y" in self.reads

    def __call__(self, own: Array, x: ArrayLike, y: ArrayLike, w: ArrayLike, r: ArrayLike) -> Any:
        """Return what the function returns, given the parameters ``own`` in natural units."""
        synapse = {"x": x, "y": y, "w": w, "r": r}
        given = {**synapse, **dict(self.constants), **dict(zip(self.parameters, own, strict=True))}
        return self.function(**{name: given[name] for name in self.reads if name in given})

    def coefficients(self, own: Array) -> Array:
        """Return the parameters in natural units."""
        return jnp.stack(list(self.values(own).values()), axis=-1)

    def drive(self, x: Array, r: Array) -> tuple[Array, Array]:
        """Return x and r as they are."""
        return x, r

    def hoist(self, theta: Array, drive: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return x and r: nothing is known of the function that could be computed early."""
        return drive

    def change(self, theta: Array, hoisted: tuple[Array, Array], y: Array, w: Array) -> Array:
        """Return g, in the precision of the weight."""
        x, r = hoisted
        return jnp.asarray(self(theta, x, y, w, r)).astype(jnp.result_type(w))

    def fading(self, own: ArrayLike) -> Array:
        """Return the coefficients of `TERMS` ``(..., term)`` that it amounts to for a small weight
        where the reward signal is zero, of latent variables ``(..., parameter)``."""
        rate = dict(self.constants)["rate"]

        def one(z: Array) -> Array:
            other, chosen = self._slopes(z, 0.0)
            return jnp.stack([other, (chosen - other) / rate]) + 0.0  # no -0

        return jnp.vectorize(one, signature="(p)->(t)")(jnp.asarray(own))

    @property
    def steady(self) -> bool:
        """Whether it makes the same of a small weight whatever the reward signal, where no two
        parameters are alike."""
        own = jnp.linspace(-1.0, 1.0, len(self.named))
        slopes = [self._slopes(own, r) for r in SIGNALS]
        return bool(np.allclose(slopes, slopes[0]))

    def _slopes(self, own: Array, r: float) -> Array:
        """Return dg/dw at y = w = 0 of a stimulus that was not chosen, and of the chosen one."""
        theta, zero = self.coefficients(own), jnp.zeros(())

        def change(w: Array, x: Array) -> Array:
            return self.change(theta, (x, jnp.asarray(r, zero.dtype)), zero, w)

        each = jnp.asarray([0.0, dict(self.constants)["rate"]], zero.dtype)
        return jnp.stack([jax.grad(change)(zero, x) for x in each])


def check(rule: FunctionRule) -> None:
    """Raise `ModelError` for a function that JAX cannot compute, that returns anything but one
    number, or whose value or slope is no finite number where the parameters have their medians."""
    z, one = jnp.zeros(len(rule.named)), jnp.zeros(())

    def tried(z: Array, w: Array, x: Array, y: Array, r: Array) -> Any:
        return rule(rule.coefficients(z), x, y, w, r)

    try:
        found = jax.eval_shape(tried, z, one, one, one, one)
    except Exception as problem:  # whatever the code of a user raises
        from_jax = isinstance(problem, jax.errors.JAXTypeError)
        why = type(problem).__name__ if from_jax else told(problem)
        raise ModelError(f"JAX cannot compute it ({why}); {HOW}.") from problem
    if not isinstance(found, jax.ShapeDtypeStruct):
        raise ModelError(f"it returns {_kind(found)}; one number is needed.")
    if found.shape != ():
        raise ModelError(f"it returns shape {found.shape} for one synapse; one number is needed.")
    if jnp.issubdtype(found.dtype, jnp.complexfloating):
        raise ModelError("it returns a complex number; a real one is needed.")

    def change(z: Array, w: Array, x: Array, r: Array) -> Array:
        return rule.change(rule.coefficients(z), (x, r), jnp.tanh(x * w), w)

    rate = dict(rule.constants)["rate"]
    w, x, r = (np.ravel(axis) for axis in np.meshgrid(TRIED, (0.0, rate), SIGNALS, indexing="ij"))
    slopes = jax.value_and_grad(change, argnums=(0, 1))
    value, by = jax.jit(jax.vmap(slopes, in_axes=(None, 0, 0, 0)))(z, w, x, r)
    names = [f'slope by "{name}"' for name in (*rule.parameters, "w")]
    each = np.column_stack([value, *map(np.asarray, by)])
    for what, column in zip(["value", *names], each.T, strict=True):
        for place in np.flatnonzero(~np.isfinite(column))[:1]:
            raise ModelError(
                f"its {what} is {column[place]} at x = {x[place]:g}, w = {w[place]:g}, "
                f"r = {r[place]:g}, where the parameters have their medians; a finite number is "
                "needed."
            )


def _kind(found: Any) -> str:
    return "nothing" if found is None else f"a {type(found).__name__}"
