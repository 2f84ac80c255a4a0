"""The values of every animal that a model declares: groups of latent variables, and effects."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hebbax.data import Sessions
from hebbax.errors import ModelError
from hebbax.model.choice_model import ChoiceModel
from hebbax.model.effects import LINKS, MOST, Effect, Effects, design_at, design_of
from hebbax.model.groups import Group
from hebbax.model.learning import parameters_of
from hebbax.model.spec import ModelSpec
from hebbax.validation.quoting import plain


def effects_of(spec: ModelSpec, sessions: Sessions) -> Effects:
    """Return the effects of covariates that a model declares, with the covariates of the animals.
    Raises `ModelError` as `hebbax.model.effects.design_of`."""
    if not spec.by:
        return Effects((), np.zeros((sessions.n_animals, 0)))
    choices = ChoiceModel.of(spec)
    single = {one.name: one.scale for one in choices.parameters}
    named = (*parameters_of(spec.parameters), *(one.named for one in choices.ranged))
    links = {one.name: LINKS.get(one.range, "") for one in named}
    designs = design_of(spec.by, sessions, spec.name)
    effects = tuple(
        Effect(
            *place_of(spec, member, sessions.n_stimuli),
            member,
            str(column),
            single.get(member) or spec.scale(member),
            link=links.get(member, ""),
        )
        for member, design in designs.items()
        for column in design
    )
    if len(effects) > MOST:
        raise ModelError(
            f"{spec.name}: {len(effects)} effects of covariates; at most {MOST} are allowed."
        )
    if scale := spec.spread_ratio_scale:
        effects += tuple(replace(one, scale=scale, part="spread") for one in effects)
    return Effects(effects, _of_effects(spec, list(designs.values())))


def effects_at(
    spec: ModelSpec, sessions: Sessions, at: Mapping[str, Sequence[str | float]]
) -> Effects:
    """Return the effects with the covariates of animals that have other values ``at``, a sequence
    for each covariate that the model names."""
    designs = design_at(spec.by, sessions, at)
    return replace(effects_of(spec, sessions), covariates=_of_effects(spec, designs))


def _of_effects(spec: ModelSpec, designs: Sequence[pd.DataFrame]) -> np.ndarray:
    """Return the covariates ``(animal, effect)``, those of spreads beside those of means."""
    columns = np.concatenate([one.to_numpy(float) for one in designs], 1)
    return np.concatenate([columns, columns], 1) if spec.spread_ratio_scale else columns


def place_of(spec: ModelSpec, member: str, n_stimuli: int) -> tuple[str, int]:
    """Return group and place of a value that may have effects: one of the rule, or a single one of
    the choice model. Raises `ModelError` for another."""
    if member in spec.members:
        return "theta", spec.members.index(member)
    single = [p.name for p in ChoiceModel.of(spec).parameters if not p.dims(spec.kind, n_stimuli)]
    if member in single:
        return member, 0
    raise ModelError(
        f'{spec.name}: "by" names "{plain(member)}", which is none of '
        f"{', '.join((*spec.members, *single))}."
    )


def groups_of(spec: ModelSpec, n_stimuli: int, n_free: int) -> tuple[Group, ...]:
    """Return the latent variables of each animal that a model declares, for so many free
    choices."""
    groups = []
    if spec.members:
        scales = np.array([spec.scale(member) for member in spec.members])
        prior = spec.own_prior(n_free)
        groups.append(Group("theta", scales, prior, spec.population, ("term",)))
    sizes = {"stimulus": n_stimuli, "contrast": n_stimuli - 1}
    for one in ChoiceModel.of(spec).parameters:
        dims = one.dims(spec.kind, n_stimuli)
        scales = np.full([sizes[dim] for dim in dims], one.scale)
        groups.append(Group(one.name, scales, population=spec.population, dims=dims))
    return tuple(groups)
