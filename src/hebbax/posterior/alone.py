"""What each animal says by itself, beside what a hierarchy says of it.

The posterior of an animal in a hierarchy borrows strength from all the others, and many animals may
be sure of what none is by itself. Here each animal is sampled with its own prior and no population,
by the sampler of `hebbax.inference.pseudo_marginal`. Where the chains of an animal do not agree
nothing is known of it alone, and its numbers are missing.
"""

from dataclasses import replace

import numpy as np
import xarray as xr
from arviz_stats import ess, rhat

from hebbax.inference import pseudo_marginal
from hebbax.model.choices import Model
from hebbax.model.members import effects_of
from hebbax.posterior import learning
from hebbax.posterior.diagnostics import MAX_R_HAT_SHORT
from hebbax.rule.fading import losses
from hebbax.typing import Key, Progress, silent

GROUP = "alone"
"""Group of a stored posterior that holds what each animal says alone."""

STATISTICS = ("median", "5 %", "95 %", "P(< 0)")
"""What is stored of each value."""

SETTINGS = pseudo_marginal.Settings(
    warmup=130, draws=500, r_hat=1.02, effective=400.0, most_thinning=4, evidence=0
)
"""Enough draws for probabilities to two digits."""


def of_each(
    key: Key,
    model: Model,
    settings: pseudo_marginal.Settings = SETTINGS,
    progress: Progress = silent,
) -> xr.Dataset:
    """Return `STATISTICS` of each animal alone: of its coefficients, ``theta`` (animal, term,
    statistic), or of the ``parameters`` (animal, parameter, statistic) of a learning model, and of
    what its weights lose in a trial, ``loss`` (animal, weight, statistic), a fraction, where a term
    fades them; with ``r_hat`` (animal), the worst of the values that are told of an animal, and
    their least effective number of draws, ``ess`` (animal).

    A prior of the population value is taken as that of each animal's; priors with scales of their
    own, which all animals share, as normal ones of the declared scale.
    """

    def told(_: str, done: int, total: int) -> None:
        progress("each animal alone", done, total)

    draws, _ = pseudo_marginal.fit(key, without_population(model), settings, progress=told)
    theta = draws["theta"]
    natural = learning.derived(model, draws)
    name, dim, names = "theta", "term", list(model.rule.parameters)
    if learning.COEFFICIENTS in natural:  # else they are of the choice model
        name, dim, names = (
            learning.PARAMETERS,
            "parameter",
            learning.coordinates(model)["parameter"],
        )
    values = {**natural, "theta": theta}[name]
    stored = xr.Dataset({"value": (("chain", "draw", "animal", "member"), values)})
    r_hat = np.asarray(rhat(stored)["value"]).max(-1)
    known = r_hat <= MAX_R_HAT_SHORT
    out = xr.Dataset(
        {
            name: (("animal", dim, "statistic"), _statistics(values, known)),
            "r_hat": ("animal", r_hat),
            "ess": ("animal", np.asarray(ess(stored)["value"]).min(-1)),
        },
        coords={
            "animal": list(model.sessions.animals),
            dim: names,
            "statistic": list(STATISTICS),
        },
    )
    coefficients = natural.get(learning.COEFFICIENTS, theta)
    terms = learning.coordinates(model).get("coefficient", model.rule.parameters)
    lost = losses(terms, model.spec.rate, model.network.n_inputs)
    if not lost:
        return out
    shares = np.stack([loss.of(coefficients) for loss in lost], axis=-1)
    dims = ("animal", "weight", "statistic")
    return out.assign(loss=(dims, _statistics(shares, known))).assign_coords(
        weight=[loss.weight for loss in lost]
    )


def values_name(found: xr.Dataset) -> str:
    """Return the name of each animal's own values of the rule in what `stored` returns."""
    return learning.PARAMETERS if learning.PARAMETERS in found else "theta"


def without_population(model: Model) -> Model:
    """Return the model of the same animals, each with the prior for itself."""
    groups = tuple(replace(g, population=False, prior=g.prior.alone) for g in model.groups)
    spec = replace(model.spec, hierarchy="none", by={})
    return replace(model, spec=spec, groups=groups, effects=effects_of(spec, model.sessions))


def added(
    key: Key, model: Model, posterior: xr.DataTree, progress: Progress = silent
) -> xr.DataTree:
    """Return a posterior with what each animal says alone as the group `GROUP`; as it is where the
    model has no coefficients, or no population to share strength in."""
    if model.rule.parameters and model.spec.population:
        posterior[GROUP] = xr.DataTree(of_each(key, model, progress=progress))
    return posterior


def stored(posterior: xr.DataTree) -> xr.Dataset | None:
    """Return what was stored of each animal alone, or None where nothing was."""
    return posterior[GROUP].to_dataset() if GROUP in posterior.children else None


def _statistics(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return `STATISTICS` ``(animal, value, statistic)`` of ``values`` (chain, draw, animal,
    value), missing where the animal is not ``known`` (animal,)."""
    quantiles = np.quantile(values, (0.5, 0.05, 0.95), axis=(0, 1))
    out = np.stack([*quantiles, (values < 0).mean((0, 1))], axis=-1)
    return np.where(known[:, None, None], out, np.nan)
