"""Priors of the coefficients, one class each; `PRIORS` holds them by their name in a model file.

A prior is that of a population value and of the spread between animals beside it, for the members j
of a group, which have prior scales s_j:

    normal:                 Normal(0, s_j^2)
    laplace:                Laplace(0, s_j)
    horseshoe:              Normal(0, s_j^2 (tau l_j / f)^2)
    regularised horseshoe:  Normal(0, s_j^2 v_j / (1 + v_j)),   v_j = (tau l_j / f)^2
    r2d2:                   Normal(0, s_j^2 l_j / tau / effect^2)

    horseshoes:  tau ~ HalfCauchy(tau_0),  l_j ~ HalfCauchy(1), or half-t where regularised
    r2d2:        tau ~ Gamma(b, 1),        l_j ~ Gamma(concentration, 1)

with tau_0 and f of `hebbax.model.sparsity`. Under R2D2 sum theta_j^2 F_j, F_j the information of a
choice, is R^2 / (1 - R^2) on average, where R^2 = sum l / (sum l + tau) ~ Beta(D concentration, b),
of which the terms have the shares l / sum l ~ Dirichlet(concentration); b gives R^2 the mean asked
for. All scales are independent. Sources: Carvalho, Polson & Scott 2010; Piironen & Vehtari 2017;
Zhang, Naughton, Bondell & Reich 2022.

The fields of a class are keys of a model file, beside ``choices``. Every prior is a mixture of
normals, and a JAX pytree: its class is part of a compiled program, its numbers are arguments.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import log_ndtr, ndtr, ndtri

from hebbax.model.sparsity import CAUCHY_DEGREES, LOCAL_DEGREES, global_scale, share
from hebbax.typing import Array, ArrayLike

SPREAD_FRACTION = 0.5
"""Scale of the spread between animals, as a fraction of the scale d of the population value."""


@dataclass(frozen=True)
class Prior(ABC):
    """What every prior says; ``own`` are its own scales, which only `Shrinking` ones have."""

    kinked: ClassVar[bool] = False
    """Whether the density has a kink exp(-|value| / scale) at zero."""
    sites: ClassVar[tuple[str, ...]] = ()
    """Endings of the sites of its own scales."""

    @classmethod
    def reads(cls) -> tuple[str, ...]:
        """Return the keys of a model file that it reads."""
        return tuple(one.name for one in fields(cls) if one.name != "choices")

    @classmethod
    def declared(cls, values: Mapping[str, Any], choices: int) -> Self:
        """Return the prior by the values of its keys, for a number of choices."""
        known = {**values, "choices": choices}
        return cls(**{one.name: known[one.name] for one in fields(cls)})

    @property
    @abstractmethod
    def alone(self) -> "Independent":
        """The prior of one animal's value, where no scale is shared with others."""

    @abstractmethod
    def value(self, scales: ArrayLike, *own: Array) -> dist.Distribution:
        """Return the prior of population values of some prior scales."""

    @abstractmethod
    def deviation(self, *own: Array) -> ArrayLike:
        """Return the prior standard deviation of a population value, in prior scales."""

    def spread_scale(self, *own: Array) -> ArrayLike:
        """Return what the spread's prior is proportional to, in prior scales."""
        del own
        return 1.0

    def own_priors(self, shape: tuple[int, ...]) -> tuple[dist.Distribution, ...]:
        """Return the priors of its own scales, for members of some shape."""
        del shape
        return ()


class Independent(Prior):
    """A prior without scales that its members share; all below is in units of the prior scale."""

    @property
    def alone(self) -> "Independent":
        """Itself."""
        return self

    @abstractmethod
    def log_density(self, value: Array) -> Array:
        """Return the log density of values."""

    @abstractmethod
    def whitened(self, value: Array) -> Array:
        """Return the standard normal numbers that have the values' quantiles."""

    @abstractmethod
    def coloured(self, white: Array) -> Array:
        """Return the values at such numbers, the inverse of `whitened`."""

    @abstractmethod
    def precision(self, normal: Array, inverse: Array) -> ArrayLike:
        """Return draws of 1 / u^2 given values N(0, u^2), of which ``inverse`` is 1 / |value|, by
        two standard ``normal`` numbers each ``(2, ...)``."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Normal(Independent):
    """Normal(0, s^2)."""

    def value(self, scales: ArrayLike, *own: Array) -> dist.Distribution:
        """Return the normal distribution."""
        return dist.Normal(0.0, jnp.asarray(scales))

    def deviation(self, *own: Array) -> float:
        """Return 1."""
        return 1.0

    def log_density(self, value: Array) -> Array:
        """Return the log density of values."""
        return -0.5 * value**2 - 0.5 * np.log(2.0 * np.pi)

    def whitened(self, value: Array) -> Array:
        """Return the values."""
        return value

    def coloured(self, white: Array) -> Array:
        """Return the numbers."""
        return white

    def precision(self, normal: Array, inverse: Array) -> float:
        """Return 1."""
        return 1.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Laplace(Independent):
    """Laplace(0, s), a mixture of normals with u^2 ~ Exp(1 / 2) (Andrews & Mallows 1974)."""

    kinked = True

    def value(self, scales: ArrayLike, *own: Array) -> dist.Distribution:
        """Return the Laplace distribution."""
        return dist.Laplace(0.0, scales)

    def deviation(self, *own: Array) -> float:
        """Return the square root of 2."""
        return np.sqrt(2.0)

    def log_density(self, value: Array) -> Array:
        """Return the log density of values."""
        return -jnp.abs(value) - np.log(2.0)

    def whitened(self, value: Array) -> Array:
        """Return the standard normal numbers that have the values' quantiles, by their tails."""
        return -jnp.sign(value) * ndtri(jnp.exp(jnp.log(0.5) - jnp.abs(value)))

    def coloured(self, white: Array) -> Array:
        """Return the values at such numbers."""
        return -jnp.sign(white) * (log_ndtr(-jnp.abs(white)) + np.log(2.0))

    def precision(self, normal: Array, inverse: Array) -> Array:
        """Return draws of the inverse Gaussian of mean 1 / |value| and shape 1 (Michael, Schucany &
        Haas 1976)."""
        square = normal[0] ** 2
        # mean + mean^2 y / 2 - mean / 2 sqrt(4 mean y + mean^2 y^2), without its cancellation.
        root = jnp.sqrt(4.0 / inverse * square + square**2)
        least = 2.0 / (2.0 / inverse + square + root)
        smaller = ndtr(normal[1]) <= inverse / (inverse + least)
        return jnp.where(smaller, least, inverse**2 / least)


@dataclass(frozen=True)
class Shrinking(Prior):
    """Normal(0, s_j^2 V(tau, l_j)) given a global scale tau and a local one l_j of each member: it
    says how many of the coefficients matter. A term that is out is out of every animal, so that the
    spread shrinks alike. One prior scale has the size ``effect`` on each of the ``choices``."""

    effect: float = 1.0
    choices: int = 1

    sites = ("global_scale", "local_scale")
    local_power: ClassVar[float] = 2.0
    """Power of the local scale in V, a slab aside."""

    @property
    def root_information(self) -> ArrayLike:
        """f, posterior standard deviations in one prior scale (`hebbax.model.sparsity`)."""
        return self.effect * self.choices**0.5

    @abstractmethod
    def relative_variance(self, tau: Array, local: Array) -> Array:
        """Return V, the prior variance of population values in squared prior scales."""

    @abstractmethod
    def global_prior(self, n: int) -> dist.Distribution:
        """Return the prior of tau for n members; raise `ModelError` where there can be none."""

    @abstractmethod
    def local_prior(self) -> dist.Distribution:
        """Return the prior of the local scale of one member."""

    @property
    def alone(self) -> Independent:
        """The normal prior of the declared scale."""
        return Normal()

    def value(self, scales: ArrayLike, *own: Array) -> dist.Distribution:
        """Return the normal distribution given the scales."""
        return dist.Normal(0.0, scales * self.deviation(*own))

    def deviation(self, *own: Array) -> Array:
        """Return the prior standard deviation given the scales."""
        return jnp.sqrt(self.relative_variance(*own))

    def spread_scale(self, *own: Array) -> Array:
        """Return the same for the spread."""
        return self.deviation(*own)

    def own_priors(self, shape: tuple[int, ...]) -> tuple[dist.Distribution, ...]:
        """Return the priors of the global scale and of the local ones."""
        return self.global_prior(int(np.prod(shape))), self.local_prior().expand(shape)

    def effective_terms(self, tau: Array, local: Array) -> Array:
        """Return the effective number of terms (`hebbax.model.sparsity`)."""
        return share(self.relative_variance(tau, local), self.root_information).sum()


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Horseshoe(Shrinking):
    """The horseshoe: half-Cauchy local scales, ``expected_terms`` that matter."""

    expected_terms: float = 2.0

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the half-t local scales."""
        return CAUCHY_DEGREES

    def relative_variance(self, tau: Array, local: Array) -> Array:
        """Return (tau l / f)^2."""
        return (tau * local / self.root_information) ** 2

    def global_prior(self, n: int) -> dist.Distribution:
        """Return the half-Cauchy prior under which as many of n terms matter as are expected."""
        return dist.HalfCauchy(global_scale(n, self.expected_terms, self.degrees))

    def local_prior(self) -> dist.Distribution:
        """Return the half-t distribution."""
        return dist.FoldedDistribution(dist.StudentT(self.degrees))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RegularisedHorseshoe(Horseshoe):
    """The horseshoe with a slab of the prior scale, its local scales half-t of ``local_degrees``
    degrees of freedom."""

    local_degrees: float = LOCAL_DEGREES

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the half-t local scales."""
        return self.local_degrees

    def relative_variance(self, tau: Array, local: Array) -> Array:
        """Return v / (1 + v) of the horseshoe's v."""
        variance = super().relative_variance(tau, local)
        return variance / (1.0 + variance)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class R2D2(Shrinking):
    """R2D2: ``r2_mean`` is the prior mean of R^2, the part of a choice that is due to the rule, and
    ``concentration`` that of the Dirichlet that divides it among the terms; the smaller, the fewer
    get most of it."""

    r2_mean: float = 0.2
    concentration: float = 0.5

    local_power = 1.0

    def relative_variance(self, tau: Array, local: Array) -> Array:
        """Return l / tau / effect^2."""
        return local / tau / self.effect**2

    def global_prior(self, n: int) -> dist.Distribution:
        """Return Gamma(b) with b of R^2 ~ Beta(a, b) of the mean asked for, a = n concentration."""
        return dist.Gamma(n * self.concentration * (1.0 - self.r2_mean) / self.r2_mean)

    def local_prior(self) -> dist.Distribution:
        """Return Gamma(concentration)."""
        return dist.Gamma(self.concentration)


PRIORS: dict[str, type[Prior]] = {
    "normal": Normal,
    "laplace": Laplace,
    "horseshoe": Horseshoe,
    "regularised horseshoe": RegularisedHorseshoe,
    "r2d2": R2D2,
}
"""Every prior by its name in a model file."""


def with_key(key: str) -> tuple[str, ...]:
    """Return the names of the priors that read a key of a model file."""
    return tuple(name for name in PRIORS if key in PRIORS[name].reads())
