"""Prior scales of the coefficients from what the recorded choices can tell of each.

With ``scaling = "information"`` the prior scale of a term is s_j = effect / sqrt(F_j), F_j the
Fisher information that a choice carries of coefficient j on average (`hebbax.inclusion`): one prior
scale of any term then changes a choice as much, in units of what a choice can tell. A posterior
stores the scales that were found, so that it is opened again without looking for them.
"""

from dataclasses import replace

from hebbax.data import Sessions
from hebbax.inclusion import Settings, candidate_model, information_scales
from hebbax.spec import ModelSpec
from hebbax.typing import Progress, silent


def scaled(spec: ModelSpec, sessions: Sessions, progress: Progress = silent) -> ModelSpec:
    """Return the model with the prior scales of its terms as numbers, in 1/trial.

    A model with declared scales is returned as it is, and so is one whose scales were found.
    """
    if spec.scaling == "declared" or spec.scales or not spec.terms:
        return spec
    model = candidate_model(sessions, replace(spec, scaling="declared"))
    found = information_scales(model, Settings(effect=spec.effect), progress)
    return replace(spec, scales=dict(zip(spec.terms, map(float, found), strict=False)))
