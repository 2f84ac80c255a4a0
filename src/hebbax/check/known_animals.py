"""How well a model predicts animals that it knows, by LOO: a choice, or a session as a whole.

The draws phi_s of an animal's values saw the part y that is left out, a choice or all choices of a
session, with all others. Weighted by 1 / p(y | phi_s) they have not:

    elpd = sum over parts of log 1 / mean_s (1 / p(y | phi_s)),    p(y | phi_s) = prod_t P(y_t)

with Pareto-smoothed weights (PSIS; Vehtari, Gelman & Gabry 2017). What was recorded of the part
stays known: weights learn from it, in that session and in those after it. A session says more of an
animal than a choice, so that its k-hat is larger.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from hebbax.check.leave_one_out import Loo, leave_one_out, scored, waic
from hebbax.check.score import Predicted, Score, score_of
from hebbax.posterior.observed import site_of
from hebbax.posterior.verdict import Verdict

CHOICE = "a choice among known ones"
SESSION = "a session of a known animal"


def of_choices(posteriors: Mapping[str, xr.DataTree], verdicts: Mapping[str, Verdict]) -> Score:
    """Return models by LOO over trials. The table has ``elpd_loo``, its ``difference`` from the
    first with standard errors over trials and over animals, what says whether it can be trusted,
    ``elpd_waic``, the number of ``observations``, and the log evidence."""
    loo: dict[str, Loo] = {}
    more: dict[str, dict[str, float]] = {}
    for name, posterior in posteriors.items():
        data = scored(posterior, posterior.log_likelihood[site_of(posterior)])
        loo[name] = leave_one_out(data)
        n = data.log_likelihood.sizes["observation"]
        more[name] = {
            **_quality(loo[name]),
            "elpd_waic": waic(data),
            "observations": n,
            **_evidence(posterior),
        }
    known = next(iter(posteriors.values()))
    animal, names = known.constant_data["animal_index"], known.posterior["animal"]
    part = Predicted(CHOICE, np.asarray(animal), np.asarray(names), "elpd_loo", "difference_se")
    return score_of(part, _each(loo), verdicts, more)


def of_sessions(
    posteriors: Mapping[str, xr.DataTree], verdicts: Mapping[str, Verdict]
) -> Score | None:
    """Return models by LOO over sessions, the same but WAIC and evidence; None where no animal has
    two sessions with choices."""
    known = next(iter(posteriors.values()))
    animal, session = (np.asarray(known.constant_data[n]) for n in ("animal_index", "session"))
    units, place = np.unique(np.stack([animal, session]), axis=1, return_inverse=True)
    if units.shape[1] == len(np.unique(animal)):
        return None
    member = np.ravel(place) == np.arange(units.shape[1])[:, None]
    summed = xr.DataArray(member.astype(float), dims=("unit", "observation"))
    loo = {}
    for name, posterior in posteriors.items():
        each = posterior.log_likelihood[site_of(posterior)].astype(float).drop_vars("observation")
        loo[name] = leave_one_out(scored(posterior, each.dot(summed)))
    more = {name: {**_quality(found), "sessions": units.shape[1]} for name, found in loo.items()}
    names = np.asarray(known.posterior["animal"])
    part = Predicted(SESSION, units[0], names, "elpd_loo", "session_se")
    return score_of(part, _each(loo), verdicts, more)


def _each(loo: Mapping[str, Loo]) -> dict[str, np.ndarray]:
    """Return the LOO of each part ``(part,)`` by model."""
    return {name: found.each for name, found in loo.items()}


def _quality(loo: Loo) -> dict[str, float]:
    """Return what says whether LOO can be trusted."""
    return {
        "p_loo": loo.parameters,
        "worst_k": float(loo.k.max()),
        "bad_k": int((loo.k > loo.good_k).sum()),
        "good_k": loo.good_k,
    }


def _evidence(posterior: xr.DataTree) -> dict[str, float]:
    """Return the log marginal likelihood of a model and its error, NaN where it is not known."""
    names = "log_evidence", "log_evidence_error"
    return {name: float(posterior.attrs.get(name, np.nan)) for name in names}
