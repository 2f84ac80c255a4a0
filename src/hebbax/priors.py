"""Priors of the coefficients, and the hierarchy of animals around a population.

For one named group of latent variables (the coefficients ``theta``, the innate ``preference``, ...)

    population_j ~ prior with scale s_j
    spread_j     ~ HalfNormal(s_j / 2)
    value_aj     = population_j + spread_j * offset_aj,    offset_aj ~ Normal(0, 1)

The offsets are written out (non-centred) so that the joint density has a mode and a spread of zero
is an ordinary point. Sites are ``<group>_population``, ``<group>_spread``, ``<group>_offset`` and
the deterministic ``<group>``.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from hebbax.errors import ModelError
from hebbax.typing import Array, Parameters

Prior = Literal["normal", "laplace", "regularised horseshoe"]
Hierarchy = Literal["animals", "none"]

SPREAD_FRACTION = 0.5
"""Scale of the spread between animals, as a fraction of the scale of the population value."""

LOCAL_DEGREES = 3.0
"""Degrees of freedom of the half-t local scales of the horseshoe; lighter tails than a half-Cauchy
sample twice as well and shrink as much."""


@dataclass(frozen=True)
class Group:
    """One named group of latent variables of every animal.

    ``scales`` holds the prior scale of each member; its shape is the shape of one animal's value,
    ``()`` or ``(member,)``. ``expected`` is the number of members expected to matter, for the
    horseshoe.
    """

    name: str
    scales: np.ndarray
    prior: Prior = "normal"
    hierarchy: Hierarchy = "animals"
    expected: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one animal's value."""
        return self.scales.shape


def horseshoe_global_scale(n_terms: int, expected: float) -> float:
    """Return tau_0 = p_0 / (D - p_0), the global scale for p_0 expected terms of D.

    Source: Piironen & Vehtari 2017, on coefficients scaled to unit information.
    """
    if not 0 < expected < n_terms:
        raise ModelError(
            f"expected_terms must lie between 0 and the number of terms ({n_terms}), "
            f"{expected:g} given."
        )
    return expected / (n_terms - expected)


def horseshoe_scale(group: Group, tau: Array, local: Array) -> Array:
    """Return s_j tau l_j with l_j^2 = local_j^2 / (1 + tau^2 local_j^2): a slab of width s_j."""
    return jnp.asarray(group.scales) * tau * local / jnp.sqrt(1.0 + (tau * local) ** 2)


def population_scale(group: Group, values: Parameters) -> Array:
    """Return the prior standard deviation of the group's population values, given its own scales.

    ``values`` holds the sampled sites; only the horseshoe reads them.
    """
    if group.prior == "regularised horseshoe":
        return horseshoe_scale(
            group, values[f"{group.name}_global_scale"], values[f"{group.name}_local_scale"]
        )
    return jnp.asarray(group.scales) * (np.sqrt(2.0) if group.prior == "laplace" else 1.0)


def value_prior(group: Group, values: Parameters) -> dist.Distribution:
    """Return the prior of one population value, or of one animal's where there is no population.

    ``values`` holds the scales of the horseshoe; nothing else is read.
    """
    if group.prior == "laplace":
        return dist.Laplace(0.0, group.scales)
    return dist.Normal(0.0, population_scale(group, values))


def scale_priors(group: Group) -> dict[str, dist.Distribution]:
    """Return the priors of what `value_prior` reads, by site: the scales of a horseshoe."""
    if group.prior != "regularised horseshoe":
        return {}
    half_t = dist.FoldedDistribution(dist.StudentT(LOCAL_DEGREES, 0.0, jnp.ones(group.shape)))
    return {
        f"{group.name}_global_scale": dist.HalfCauchy(
            horseshoe_global_scale(group.scales.size, group.expected)
        ),
        f"{group.name}_local_scale": half_t,
    }


def sample_scales(group: Group) -> Parameters:
    """Return what `value_prior` reads, as NumPyro sites."""
    events = {f"{group.name}_local_scale": len(group.shape)}
    return {
        site: numpyro.sample(site, prior.to_event(events.get(site, 0)))
        for site, prior in scale_priors(group).items()
    }


def sample_group(group: Group, n_animals: int) -> Array:
    """Return one group's values ``(animal, *shape)`` as NumPyro sites (see the module)."""
    event = len(group.shape)
    prior = value_prior(group, sample_scales(group))
    if group.hierarchy == "none":
        return numpyro.sample(
            group.name, prior.expand((n_animals, *group.shape)).to_event(event + 1)
        )
    population = numpyro.sample(f"{group.name}_population", prior.to_event(event))
    spread = numpyro.sample(
        f"{group.name}_spread", dist.HalfNormal(SPREAD_FRACTION * group.scales).to_event(event)
    )
    offset = numpyro.sample(
        f"{group.name}_offset",
        dist.Normal(0.0, 1.0).expand((n_animals, *group.shape)).to_event(event + 1),
    )
    return numpyro.deterministic(group.name, population + spread * offset)
