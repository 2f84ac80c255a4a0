"""How well a model predicts the next trials of the same animals: fitted to the first, and scored.

Each model is fitted again to the first part of the trials of every animal, and predicts the rest
one step ahead, given the recorded trials before: the log predictive density of held-out trial t is
log mean_s P(trial_t | s) over draws s of that fit (`hebbax.check.heldout`). Nothing is
approximated: importance weights from the whole record would have to undo a large part of it
(Buerkner, Gabry & Vehtari 2020).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import xarray as xr

from hebbax.check.heldout import predict, trial_by_trial
from hebbax.check.new_animal import settings_of
from hebbax.check.score import Predicted, Score, score_of
from hebbax.errors import FitError
from hebbax.posterior import fitting
from hebbax.posterior.diagnostics import diagnose
from hebbax.posterior.inference_data import spec_of
from hebbax.posterior.recording import recording_of
from hebbax.typing import Progress

QUESTION = "the next trials of the same animals"

METHOD = "pseudo-marginal"


def check(posteriors: Mapping[str, xr.DataTree]) -> None:
    """Raise `FitError` for a posterior of another method than the one that is fitted again, and for
    two of one model, whose fits would lie in one file."""
    models: dict[str, str] = {}
    for name, posterior in posteriors.items():
        model = str(posterior.attrs["model"])
        if model in models:
            raise FitError(
                f"{models[model]} and {name}: are both of the model {model}; fits of the first "
                "trials have its name, so give one of them."
            )
        models[model] = name
        if (method := posterior.attrs["method"]) != METHOD:
            raise FitError(
                f"{name}: was fitted by {method}; the next trials are predicted by fits of the "
                "default method."
            )


def next_trials(
    posteriors: Mapping[str, xr.DataTree],
    fraction: float,
    folder: Path,
    progress: Callable[[str], Progress],
) -> Score:
    """Return models by what they predict of the trials after the first ``fraction`` of every
    animal's, those without a choice counted, whatever a model makes of these. The table has the sum
    of ``elpd``, and how many ``observations`` it is of. Prior scales that were found from the
    choices are found anew from the first ones.

    The fits lie in a folder of that fraction in ``folder``, and are taken from there. Their
    verdicts are those of the score. Raises `FitError` where a posterior is of another method.
    """
    check(posteriors)
    elpd, verdicts, more = {}, {}, {}
    for name, posterior in posteriors.items():
        sessions, spec = recording_of(posterior), spec_of(posterior)
        settings = replace(settings_of(posterior), evidence=0)
        first = fitting.obtain_from_first(
            sessions,
            fraction,
            spec if spec.scaling == "declared" else replace(spec, scales={}),
            folder,
            int(posterior.attrs["seed"]),
            settings,
            progress(name),
        )
        assert isinstance(first, xr.DataTree)  # the settings are those of a sampler
        verdicts[name] = diagnose(first)
        found = predict(first, sessions, "carried", verdict=verdicts[name])
        elpd[name] = trial_by_trial(found)
        more[name] = {"observations": len(found.animal)}
    part = Predicted(QUESTION, found.animal, found.animals, "elpd", "difference_se")
    return score_of(part, elpd, verdicts, more)
