"""Groups of values that every animal has, and the hierarchy of animals around a population.

For one named group of latent variables (the coefficients ``theta``, the innate ``preference``, ...)

    population_j ~ prior with scale s_j (`hebbax.model.priors`)
    spread_j     ~ HalfNormal(d_j / 2)
    value_aj     = population_j + shift_aj + spread_j * factor_aj * offset_aj,
    offset_aj    ~ Normal(0, 1)

with the shift and the factor that covariates of the animal make (`hebbax.model.effects`), zero and
one in a model without;
d_j is s_j, and under a prior that shrinks the standard deviation of the population value
given its scales. Without a population the prior is that of every animal's value. The offsets are
written out (non-centred) so that the joint density has a mode and a spread of zero is an ordinary
point. Sites are ``<group>_population``, ``<group>_spread``, ``<group>_offset``, those of the
prior's own scales, and the deterministic ``<group>``.
"""

from contextlib import ExitStack
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from hebbax.model.priors import SPREAD_FRACTION, Normal, Prior
from hebbax.typing import Array, ArrayLike, Parameters

NORMAL = Normal()


@dataclass(frozen=True)
class Group:
    """One named group of latent variables of every animal.

    ``scales`` holds the prior scale of each member; its shape is the shape of one animal's value,
    ``()`` or ``(member,)``, its dimension one of the names ``dims``. ``population``: whether the
    animals lie around one.
    """

    name: str
    scales: np.ndarray | Array
    prior: Prior = NORMAL
    population: bool = True
    dims: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one animal's value."""
        return self.scales.shape

    @property
    def scale_sites(self) -> tuple[str, ...]:
        """Sites of the prior's own scales."""
        return tuple(f"{self.name}_{ending}" for ending in self.prior.sites)

    @property
    def value_site(self) -> str:
        """Site of what the prior is of: the population's values, or every animal's."""
        return f"{self.name}_population" if self.population else self.name

    @property
    def top_sites(self) -> tuple[str, ...]:
        """Sites whose prior depends on no other site: those of the prior's own scales where it has
        some, else those of value and spread."""
        spread = (f"{self.name}_spread",) if self.population else ()
        return self.scale_sites or (self.value_site, *spread)

    def own_scales(self, values: Parameters) -> tuple[Array, ...]:
        """Return the prior's own scales among sampled ``values``."""
        return tuple(values[site] for site in self.scale_sites)

    def animals(self, values: Parameters, shift: ArrayLike = 0.0, factor: ArrayLike = 1.0) -> Array:
        """Return each animal's values ``(animal, *shape)``, from the values of all sites, what
        effects add to the population's and by what they multiply its spread, ``(animal, *shape)``
        or the same for all."""
        if not self.population:
            return values[self.name]
        population, spread = (values[f"{self.name}_{end}"] for end in ("population", "spread"))
        return population + shift + spread * factor * values[f"{self.name}_offset"]


def population_scale(group: Group, values: Parameters) -> Array:
    """Return the prior standard deviation of the group's population values, given its own scales
    among the sampled ``values``."""
    return jnp.asarray(group.scales) * group.prior.deviation(*group.own_scales(values))


def sample_scales(group: Group) -> tuple[Array, ...]:
    """Return the prior's own scales as NumPyro sites.

    Raises `ModelError` for an expected number of terms that cannot be.
    """
    priors = group.prior.own_priors(group.shape)
    return tuple(
        numpyro.sample(
            site,
            prior.to_event(len(prior.batch_shape)),
            infer=named(*(group.dims if prior.batch_shape else ())),
        )
        for site, prior in zip(group.scale_sites, priors, strict=True)
    )


def named(*dims: str) -> dict[str, tuple[str, ...]]:
    """Return what says to ArviZ how the dimensions of a site are called."""
    return {"event_dims": dims}


def sample_group(
    group: Group, n_animals: int, shift: ArrayLike = 0.0, factor: ArrayLike = 1.0
) -> Array:
    """Return one group's values ``(animal, *shape)`` as NumPyro sites (see the module)."""
    event, every = len(group.shape), (n_animals, *group.shape)
    own = sample_scales(group)
    prior = group.prior.value(group.scales, *own)
    if not group.population:
        density = prior.expand(every).to_event(event + 1)
        return numpyro.sample(group.name, density, infer=named("animal", *group.dims))
    scale = SPREAD_FRACTION * (jnp.asarray(group.scales) * group.prior.spread_scale(*own))
    offset = dist.Normal(0.0, 1.0).expand(every).to_event(event + 1)
    priors = {
        f"{group.name}_population": (prior.to_event(event), group.dims),
        f"{group.name}_spread": (dist.HalfNormal(scale).to_event(event), group.dims),
        f"{group.name}_offset": (offset, ("animal", *group.dims)),
    }
    values = {
        site: numpyro.sample(site, of, infer=named(*dims)) for site, (of, dims) in priors.items()
    }
    with ExitStack() as plates:  # they name the dimensions of what is no sample
        for k, (dim, size) in enumerate(zip(("animal", *group.dims), every, strict=False)):
            plates.enter_context(numpyro.plate(dim, size, dim=k - len(every)))
        return numpyro.deterministic(group.name, group.animals(values, shift, factor))
