"""Priors of the coefficients, and the hierarchy of animals around a population.

For one named group of latent variables (the coefficients ``theta``, the innate ``preference``, ...)

    population_j ~ prior with scale s_j
    spread_j     ~ HalfNormal(d_j / 2)
    value_aj     = population_j + spread_j * offset_aj,    offset_aj ~ Normal(0, 1)

where d_j is s_j, and under a prior that shrinks the standard deviation of the population value
given its scales: a term that is out is out of every animal.

The offsets are written out (non-centred) so that the joint density has a mode and a spread of zero
is an ordinary point. Sites are ``<group>_population``, ``<group>_spread``, ``<group>_offset`` and
the deterministic ``<group>``. The priors, with ``told`` and ``effect`` of `hebbax.model.sparsity`:

    normal:                 Normal(0, s_j^2)
    laplace:                Laplace(0, s_j)
    horseshoe:              Normal(0, s_j^2 (tau l_j / told)^2)
    regularised horseshoe:  Normal(0, s_j^2 v_j / (1 + v_j)),   v_j = (tau l_j / told)^2
    r2d2:                   Normal(0, s_j^2 l_j / tau / effect^2)

    horseshoes:  tau ~ HalfCauchy(tau_0),  l_j ~ HalfCauchy(1), or half-t where regularised
    r2d2:        tau ~ Gamma(b, 1),        l_j ~ Gamma(concentration, 1)

Under R2D2 sum theta_j^2 F_j, F_j the information of a choice, is R^2 / (1 - R^2) on average, where
R^2 = sum l / (sum l + tau) ~ Beta(D concentration, b), of which the terms have the shares l / sum l
~ Dirichlet(concentration); b gives R^2 the mean asked for. All scales are independent.
Sources: Carvalho, Polson & Scott 2010; Piironen & Vehtari 2017; Zhang, Naughton, Bondell & Reich
2022.
"""

from dataclasses import dataclass, field
from typing import Literal

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from hebbax.model.sparsity import CAUCHY_DEGREES, Sparsity, global_scale, share
from hebbax.typing import Array, Parameters

Prior = Literal["normal", "laplace", "horseshoe", "regularised horseshoe", "r2d2"]
Hierarchy = Literal["animals", "none"]

SPREAD_FRACTION = 0.5
"""Scale of the spread between animals, as a fraction of the scale d of the population value."""

SHRINKING = ("horseshoe", "regularised horseshoe", "r2d2")
"""Priors with scales of their own, that say how many of the coefficients matter."""


@dataclass(frozen=True)
class Group:
    """One named group of latent variables of every animal.

    ``scales`` holds the prior scale of each member; its shape is the shape of one animal's value,
    ``()`` or ``(member,)``. ``sparsity`` is read by the priors of `SHRINKING`.
    """

    name: str
    scales: np.ndarray | Array
    prior: Prior = "normal"
    hierarchy: Hierarchy = "animals"
    sparsity: Sparsity = field(default_factory=Sparsity)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one animal's value."""
        return self.scales.shape


def relative_variance(group: Group, values: Parameters) -> Array:
    """Return the prior variance of each population value in squared prior scales, given the own
    scales of a prior of `SHRINKING` among the sampled ``values``."""
    sparsity = group.sparsity
    tau, local = (values[site] for site in scale_sites(group))
    if group.prior == "r2d2":
        return local / tau / sparsity.effect**2
    variance = (tau * local / sparsity.told) ** 2
    return variance if group.prior == "horseshoe" else variance / (1.0 + variance)


def scale_powers(group: Group) -> tuple[float, float]:
    """Return the powers of the global and of the local scale in `relative_variance`, the slab of
    the regularised horseshoe aside."""
    return (-1.0, 1.0) if group.prior == "r2d2" else (2.0, 2.0)


def effective_terms(group: Group, values: Parameters) -> Array:
    """Return the effective number of terms of a prior of `SHRINKING` (see `hebbax.model.sparsity`),
    given its scales among the sampled ``values``."""
    return share(relative_variance(group, values), group.sparsity.told).sum()


def population_scale(group: Group, values: Parameters) -> Array:
    """Return the prior standard deviation of the group's population values, given its own scales.

    ``values`` holds the sampled sites; only the priors of `SHRINKING` read them.
    """
    scales = jnp.asarray(group.scales)
    if group.prior in SHRINKING:
        return scales * jnp.sqrt(relative_variance(group, values))
    return scales * (np.sqrt(2.0) if group.prior == "laplace" else 1.0)


def value_prior(group: Group, values: Parameters) -> dist.Distribution:
    """Return the prior of one population value, or of one animal's where there is no population.

    ``values`` holds the scales of a prior of `SHRINKING`; nothing else is read.
    """
    if group.prior == "laplace":
        return dist.Laplace(0.0, group.scales)
    return dist.Normal(0.0, population_scale(group, values))


def spread_prior(group: Group, values: Parameters) -> dist.Distribution:
    """Return the prior of the spread between animals, given the scales of a prior of `SHRINKING`
    among the sampled ``values``."""
    shrinks = group.prior in SHRINKING
    scale = population_scale(group, values) if shrinks else jnp.asarray(group.scales)
    return dist.HalfNormal(SPREAD_FRACTION * scale)


def scale_priors(group: Group) -> dict[str, dist.Distribution]:
    """Return the priors of what `relative_variance` reads, by site name, one a member.

    Raises `ModelError` for an expected number of terms that cannot be.
    """
    if group.prior not in SHRINKING:
        return {}
    sparsity, n = group.sparsity, group.scales.size
    whole: dist.Distribution
    if group.prior == "r2d2":
        whole = dist.Gamma(sparsity.r2_beta(n))
    else:
        whole = dist.HalfCauchy(global_scale(n, sparsity.expected, degrees(group)))
    return dict(zip(scale_sites(group), (whole, local_prior(group)), strict=True))


def local_prior(group: Group) -> dist.Distribution:
    """Return the prior of the local scale of each member, under a prior of `SHRINKING`."""
    ones = jnp.ones(group.shape)
    if group.prior == "r2d2":
        return dist.Gamma(group.sparsity.concentration * ones)
    return dist.FoldedDistribution(dist.StudentT(degrees(group), 0.0, ones))


def degrees(group: Group) -> float:
    """Return the degrees of freedom of the half-t local scales of a horseshoe."""
    return CAUCHY_DEGREES if group.prior == "horseshoe" else group.sparsity.degrees


def scale_sites(group: Group) -> tuple[str, str]:
    """Return the sites of the global scale and of the local ones of a prior of `SHRINKING`."""
    return f"{group.name}_global_scale", f"{group.name}_local_scale"


def sample_scales(group: Group) -> Parameters:
    """Return what `relative_variance` reads, as NumPyro sites."""
    return {
        site: numpyro.sample(site, prior.to_event(len(prior.batch_shape)))
        for site, prior in scale_priors(group).items()
    }


def sample_group(group: Group, n_animals: int) -> Array:
    """Return one group's values ``(animal, *shape)`` as NumPyro sites (see the module)."""
    event = len(group.shape)
    scales = sample_scales(group)
    prior = value_prior(group, scales)
    if group.hierarchy == "none":
        return numpyro.sample(
            group.name, prior.expand((n_animals, *group.shape)).to_event(event + 1)
        )
    population = numpyro.sample(f"{group.name}_population", prior.to_event(event))
    spread = numpyro.sample(f"{group.name}_spread", spread_prior(group, scales).to_event(event))
    offset = numpyro.sample(
        f"{group.name}_offset",
        dist.Normal(0.0, 1.0).expand((n_animals, *group.shape)).to_event(event + 1),
    )
    return numpyro.deterministic(group.name, population + spread * offset)
