"""Prior scales of the coefficients from what the recorded choices can tell of each.

With ``scaling = "information"`` the prior scale of a term is s_j = effect / sqrt(F_j), F_j the
Fisher information that a choice carries of coefficient j on average (`choice_information`): one
prior scale of any term then changes a choice as much, in units of what a choice can tell. No scale
is wider than the readout lets weights use (`widest`). A posterior stores the scales that were
found, so that it is opened again without looking for them.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from hebbax.data import Sessions
from hebbax.errors import ModelError
from hebbax.model.choices import Model, build_model
from hebbax.model.keys import MAX_SCALE as WIDEST_DECLARED
from hebbax.model.spec import ModelSpec
from hebbax.rule.readout import MAX_WEIGHT
from hebbax.submodels import batches, laplace
from hebbax.submodels.climbs import Climb, Solutions, log_evidence
from hebbax.submodels.search import paths
from hebbax.typing import Progress, silent

MAX_SCALE = 2.0
"""Where weights are at most `MAX_WEIGHT` no coefficient is given a wider prior, however little
information the choices carry of it."""

LEAST = 1e-4
"""A choice is said to carry at least this much information of any coefficient: a rule that keeps
every weight at zero says nothing of their decay, and is no more than one of the rules there are."""


class Information(NamedTuple):
    """What a choice tells: the Fisher information ``per_choice`` (term,) that it carries of each
    coefficient on average; and the sub-model of most evidence of those that were asked, with its
    number ``code`` and its ``solution``."""

    per_choice: np.ndarray
    code: int
    solution: laplace.Solution


def scaled(spec: ModelSpec, sessions: Sessions, progress: Progress = silent) -> ModelSpec:
    """Return the model with the prior scales of its terms as numbers.

    A model with declared scales is returned as it is, and so is one whose scales were found.
    """
    if spec.scaling == "declared" or spec.scales or not spec.terms:
        return spec
    model = candidate_model(sessions, replace(spec, scaling="declared", by={}))
    information = choice_information(model, progress=progress).per_choice
    found = information_scales(information, spec.effect, widest(model))
    return replace(spec, scales=dict(zip(spec.terms, map(float, found), strict=True)))


def candidate_model(sessions: Sessions, spec: ModelSpec) -> Model:
    """Return the model of all candidates; raise `ModelError` where they cannot be weighed."""
    if not spec.terms:
        raise ModelError(f"{spec.name}: has no terms to choose from; name some with --terms.")
    if not spec.population:
        raise ModelError(
            f'{spec.name}: terms are weighed in a population of animals; use hierarchy = "animals".'
        )
    if spec.by:
        raise ModelError(f'{spec.name}: terms are weighed without covariates; leave out "by".')
    return build_model(replace(spec, prior="normal", scaling="declared"), sessions)


def choice_information(
    model: Model, climb: laplace.Settings | None = None, progress: Progress = silent
) -> Information:
    """Return what a choice tells of each coefficient of a model of all candidates.

    It is taken where the sub-model of most evidence has its mode, of those on paths that add or
    take out terms one by one under the scales of the model: with all terms in, some animals sit
    where weights run away and a choice's information is without bound.
    """
    climb = climb or laplace.Settings()
    known = paths(Climb(model, model.scales, climb), progress)
    best = max(known, key=lambda code: log_evidence(known[code]))
    return typical(model, {best: known[best]}, np.zeros(1), climb.batch)


def typical(model: Model, known: Solutions, log_prior: np.ndarray, batch: int) -> Information:
    """Return what a choice tells of each coefficient of a model of all candidates, over sub-models
    by their posterior probability p_k: exp(sum_k p_k log F_jk), F_jk the information of
    coefficient j at the mode of sub-model k. Which one of equals is best does not matter to it.

    Args:
        model: the model of all candidate terms.
        known: solutions of sub-models.
        log_prior: prior log probability of each ``(sub-model,)``, up to a constant.
        batch: sub-models side by side.
    """
    probability = softmax([log_evidence(one) for one in known.values()] + log_prior)
    n, best = len(model.rule.parameters), list(known)[int(probability.argmax())]
    phi = np.array([one.phi for one in known.values()])
    of_all = batches.information(model, phi, batch)[:, :n]
    each = np.maximum(of_all / model.sessions.n_free, LEAST)
    return Information(np.exp(probability @ np.log(each)), best, known[best])


def widest(model: Model) -> float:
    """Return the widest prior scale that a coefficient is given: `MAX_SCALE` times as much as the
    weights of the readout may be larger, and no more than a model may declare."""
    return min(MAX_SCALE * model.network.readout.most / MAX_WEIGHT, WIDEST_DECLARED)


def information_scales(information: np.ndarray, effect: float, most: float) -> np.ndarray:
    """Return the prior scale of every term ``(term,)``: effect / sqrt(F_jj), F_jj the
    ``information`` (term,) that a choice carries, and at most ``most``."""
    return np.minimum(effect / np.sqrt(information), most)


def member_scales(model: Model, scales: np.ndarray) -> np.ndarray:
    """Return the prior scale of every member ``(member,)``: ``scales`` (term,) of the terms, and
    the model's own of what is no term."""
    return np.concatenate([scales, model.scales[scales.size :]])
