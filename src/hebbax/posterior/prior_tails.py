r"""Values that sit far out in their priors, and the key of the model file that would widen these.

A population value or effect does where its posterior median lies outside the central 99 % of its
prior, and a spread where its median lies beyond the 99 % point of its half-normal:

    |z| > 2.58,    z = Phi^-1(F(median)),    or of a spread    z = median / scale,

F the distribution function of the prior. A posterior median scatters less than the truth does: were
truths drawn from a normal prior, this would be said of one value in a hundred at most. Without a
population it is asked of the median over the animals. Priors that shrink are left out: their tails
are heavy so that a few values may lie far out, and their scale is inferred and no key of a file.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.stats import norm

from hebbax.model.choice_model import ChoiceModel
from hebbax.model.effects import NAME as EFFECT
from hebbax.model.groups import Group
from hebbax.model.learning import parameters_of
from hebbax.model.members import effects_of, groups_of
from hebbax.model.priors import SPREAD_FRACTION, Independent, Normal
from hebbax.model.spec import ModelSpec
from hebbax.posterior import diagnostics
from hebbax.posterior.inference_data import sessions_of, spec_of
from hebbax.posterior.summary import members, samples_of
from hebbax.posterior.verdict import Verdict
from hebbax.rule.named import Parameter

CENTRAL = 0.99
"""Part of a prior outside of which a posterior median is far out."""

FAR = float(norm.ppf(0.5 + 0.5 * CENTRAL))
"""The standard normal number that it ends at; that of a half-normal is the same."""


@dataclass(frozen=True)
class FarOut:
    """A value that sits far out: its name, its posterior median, both ends of the central part of
    its prior (the lower one of a spread is zero), and the key that widens it."""

    name: str
    median: float
    ends: tuple[float, float]
    key: str

    @property
    def sentence(self) -> str:
        """The value with its median and its prior."""
        part = "99 % of the prior" if self.ends[0] == 0.0 else "central 99 % of the prior"
        low, high = self.ends
        return f"{self.name} (posterior median {self.median:.3g}, {part} {low:.3g} to {high:.3g})"


def far_out(posterior: xr.DataTree) -> list[FarOut]:
    """Return the population values, spreads and effects that sit far out in their priors."""
    spec, draws = spec_of(posterior), posterior.posterior
    found = []
    for group in groups_of(spec, int(posterior.attrs["n_stimuli"]), 1):
        if isinstance(group.prior, Independent):
            found += list(_values(spec, group, group.prior, posterior))
            if group.population:
                found += list(_spreads(spec, group, draws.to_dataset()))
    if EFFECT in draws:
        found += list(_effects(spec, posterior))
    return found


def sentence(posterior: xr.DataTree, verdict: Verdict | None = None) -> str:
    """Return which values sit far out in their priors, and what to change; empty where none does.
    It begins with what the ``verdict``, made where it is not known, is of a posterior that
    failed."""
    verdict = diagnostics.verdict_of(posterior, verdict)
    found = far_out(posterior)
    if not found:
        return ""
    sits = "its prior sits" if len(found) == 1 else "their priors sit"
    values = ", ".join(value.sentence for value in found)
    keys = ", ".join(dict.fromkeys(value.key for value in found))
    said = f"Far out in {sits} {values}: in the model file raise {keys}."
    return f"{verdict.before(posterior.attrs['model'])} {said}".lstrip()


def _values(
    spec: ModelSpec, group: Group, prior: Independent, posterior: xr.DataTree
) -> Iterator[FarOut]:
    """Give the values of a group that sit far out, in natural units."""
    draws = posterior.posterior[group.value_site]
    medians = draws.median(("chain", "draw"))
    if not group.population:
        medians = medians.median("animal")
    scales, middle = np.ravel(group.scales), np.ravel(medians)
    z = np.asarray(prior.whitened(middle / scales))
    end = scales * np.asarray(prior.coloured(jnp.full(scales.shape, FAR)))
    links = _links(spec, group.name)
    for j, name in enumerate(members(_label(spec, group), medians)):
        if abs(z[j]) > FAR:
            told = jnp.array([middle[j], -end[j], end[j]])
            median, low, high = map(float, links[j].value(told) if links else told)
            whose = name if group.population else f"{name} of the middle animal"
            yield FarOut(whose, median, (low, high), _key(spec, group.name, j))


def _spreads(spec: ModelSpec, group: Group, draws: xr.Dataset) -> Iterator[FarOut]:
    """Give the spreads between animals that are far out, on the scale that they are sampled on."""
    medians = draws[f"{group.name}_spread"].median(("chain", "draw"))
    ends = FAR * SPREAD_FRACTION * np.ravel(group.scales)
    scale = " on the scale of its link" if _links(spec, group.name) else ""
    for j, (name, median) in enumerate(members(_label(spec, group), medians).items()):
        if float(median) > ends[j]:
            named = f"the spread of {name}{scale}"
            yield FarOut(named, float(median), (0.0, ends[j]), _key(spec, group.name, j))


def _effects(spec: ModelSpec, posterior: xr.DataTree) -> Iterator[FarOut]:
    """Give the effects of covariates that sit far out, on the scale that they are sampled on."""
    drawn = samples_of(posterior.posterior[EFFECT]).transpose("sample", ...)
    medians, normal = np.median(drawn, axis=0), Normal()
    for effect, median in zip(effects_of(spec, sessions_of(posterior)).each, medians, strict=True):
        if abs(normal.whitened(median / effect.scale)) > FAR:
            end = FAR * effect.scale
            own = effect.part == "spread"
            key = "spread_ratio_scale" if own else _key(spec, effect.group, effect.place)
            yield FarOut(f"the effect {effect.label}", float(median), (-end, end), key)


def _label(spec: ModelSpec, group: Group) -> str:
    """Return the words before the label of a member, as in the table of the population."""
    return "" if group.name == "theta" and spec.parameters else group.name


def _links(spec: ModelSpec, group: str) -> tuple[Parameter, ...]:
    """Return the parameters that the members of a group are of, none where they are of their own
    scale."""
    if group == "theta":
        return parameters_of(spec.parameters)
    return tuple(one.named for one in ChoiceModel.of(spec).ranged if one.name == group)


def _key(spec: ModelSpec, group: str, member: int) -> str:
    """Return the key that is the prior scale of a member of a group, in words."""
    if group != "theta":
        return f"{group}_scale{f' (or move {group}_median)' if _links(spec, group) else ''}"
    name = spec.members[member]
    if spec.parameters:
        return f'the scale of "{name}" in parameters (or move its median)'
    return "effect" if spec.scaling == "information" else f'"{name}" in scales'
