"""Prior scales of the coefficients from what the recorded choices can tell of each.

With ``scaling = "information"`` the prior scale of a term is s_j = effect / sqrt(F_j), F_j the
Fisher information that a choice carries of coefficient j on average (`told`): one prior
scale of any term then changes a choice as much, in units of what a choice can tell. A posterior
stores the scales that were found, so that it is opened again without looking for them.
"""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from hebbax.data import Sessions
from hebbax.errors import ModelError
from hebbax.inference import evidence
from hebbax.inference.climbs import Climb, weight
from hebbax.inference.density import expansion
from hebbax.inference.submodels import paths
from hebbax.model import Model, build_model
from hebbax.spec import ModelSpec
from hebbax.typing import Progress, silent

MAX_SCALE = 2.0
"""No coefficient is given a wider prior, however little information the choices carry of it."""


class Told(NamedTuple):
    """What a choice tells: the ``information`` (term,) that it carries of each coefficient on
    average at the sub-model of most evidence on two paths, with its number ``code`` and its
    ``solution``."""

    information: np.ndarray
    code: int
    solution: evidence.Solution


def scaled(spec: ModelSpec, sessions: Sessions, progress: Progress = silent) -> ModelSpec:
    """Return the model with the prior scales of its terms as numbers, in 1/trial.

    A model with declared scales is returned as it is, and so is one whose scales were found.
    """
    if spec.scaling == "declared" or spec.scales or not spec.terms:
        return spec
    model = candidate_model(sessions, replace(spec, scaling="declared"))
    found = information_scales(model, told(model, progress=progress).information, spec.effect)
    return replace(spec, scales=dict(zip(spec.terms, map(float, found), strict=False)))


def candidate_model(sessions: Sessions, spec: ModelSpec) -> Model:
    """Return the model of all candidates; raise `ModelError` where they cannot be weighed."""
    if not spec.terms:
        raise ModelError(f"{spec.name}: has no terms to choose from; name some with --terms.")
    if spec.hierarchy == "none":
        raise ModelError(
            f'{spec.name}: terms are weighed in a population of animals; use hierarchy = "animals".'
        )
    return build_model(replace(spec, prior="normal", scaling="declared"), sessions)


def told(model: Model, climb: evidence.Settings | None = None, progress: Progress = silent) -> Told:
    """Return what a choice tells of each coefficient of a model of all candidates.

    It is taken where the sub-model of most evidence has its mode, of those on paths that add or
    take out terms one by one under the scales of the model: with all terms in, some animals sit
    where weights run away and a choice's information is without bound.
    """
    known = paths(Climb(model, model.scales, climb or evidence.Settings()), progress)
    code = max(known, key=lambda code: weight(known[code]))
    information = np.asarray(expansion(model, jnp.asarray(known[code].phi)).information).sum(0)
    each = np.diagonal(information)[: len(model.rule.parameters)]
    return Told(each / model.sessions.n_observations, code, known[code])


def information_scales(model: Model, information: np.ndarray, effect: float) -> np.ndarray:
    """Return the prior scale of every member ``(member,)``: effect / sqrt(F_jj) for a term, F_jj
    the ``information`` that a choice carries (`told`), and at most `MAX_SCALE`."""
    with np.errstate(divide="ignore"):
        scaled = np.minimum(effect / np.sqrt(information), MAX_SCALE)
    return np.concatenate([scaled, model.scales[information.size :]])
