r"""How well a model predicts a new animal: leave-one-animal-out, the animals integrated out.

The chains of `hebbax.inference.pseudo_marginal` draw the population theta together with the random
numbers u_a of each animal's p-hat_a, from a density proportional to

    p(theta) prod_b p-hat_b(theta, u_b) q(u_b).

Weighted by 1 / p-hat_a this is the same without the factor p-hat_a: u_a is then integrated out by
itself, and theta has exactly the posterior given all other animals. So the noise of p-hat does no
harm, and with draws s

    p(y_a | y_b, b != a) = 1 / mean_s (1 / p-hat_a(theta_s, u_as)).

The weights are smoothed by a Pareto tail (PSIS; Vehtari, Gelman & Gabry 2017); where its shape
k-hat is over 0.7 the draws say too little of the posterior without the animal. Then the model is
fitted again without it. Draws of the one posterior and of the other, whose ratio is p-hat_a,
give log p(y_a | others) by bridge sampling (`hebbax.inference.pseudo_marginal.bridge`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import TypeAdapter

from hebbax.check.leave_one_out import either, leave_one_out, scored
from hebbax.check.score import Predicted, Score, score_of, standard_error
from hebbax.data import Sessions, select
from hebbax.errors import FitError
from hebbax.inference import pseudo_marginal
from hebbax.inference.convergence import convergence
from hebbax.inference.pseudo_marginal.bridge import LEAST_EFFECTIVE, Ratio, bridge
from hebbax.inference.pseudo_marginal.marginal import of_new_animal
from hebbax.model.choices import Model, build_model
from hebbax.model.effects import NAME as EFFECT
from hebbax.posterior.diagnostics import MAX_R_HAT_SHORT
from hebbax.posterior.inference_data import sessions_of, spec_of
from hebbax.posterior.observed import ANIMALS, BY_ANIMAL
from hebbax.posterior.verdict import Verdict
from hebbax.typing import Key, Progress, silent

QUESTION = "a new animal"

INTEGRATED = 2000
"""Draws of each of the two posteriors, at most, under which a left-out animal is integrated."""


@dataclass(frozen=True)
class LeftOut:
    """What one model predicts of each of its animals with a choice, when it is left out.

    Attributes:
        animals: their names.
        elpd: log p(choices of the animal | the others) ``(animal,)`` in nats.
        k: Pareto k-hat ``(animal,)`` of the importance weights; missing where the model was fitted
            again without the animal.
        error: Monte Carlo standard error ``(animal,)`` of a refit in nats; missing of all others,
            for which k-hat speaks.
        good_k: the k-hat above which a value is uncertain.
    """

    animals: tuple[str, ...]
    elpd: np.ndarray
    k: np.ndarray
    error: np.ndarray
    good_k: float

    @property
    def uncertain(self) -> list[str]:
        """Names of the animals whose k-hat is too large."""
        return [name for name, k in zip(self.animals, self.k, strict=True) if k > self.good_k]


def lacking(posterior: xr.DataTree) -> str:
    """Return why a posterior says nothing of a new animal, in words; nothing where it does."""
    if not any(str(name).endswith("_population") for name in posterior.posterior.data_vars):
        return "has no population that another animal could be of"
    if BY_ANIMAL not in posterior.children:
        method = posterior.attrs.get("method", "another method")
        return f"was fitted by {method}, which does not integrate the animals out"
    return ""


def leave_one_animal_out(posterior: xr.DataTree) -> LeftOut:
    """Return what a posterior predicts of each animal left out, by importance sampling.

    Raises `FitError` where it has no log likelihood of animals: NUTS and SVI draw the animals
    themselves, and without a population there is none that a new one could be of.
    """
    if why := lacking(posterior):
        raise FitError(f"{posterior.attrs.get('model', 'a posterior')}: {why}.")
    seen = np.unique(posterior.constant_data["animal_index"])
    each = posterior[BY_ANIMAL].to_dataset()[ANIMALS].isel(animal=seen)
    loo = leave_one_out(scored(posterior, each))
    names = tuple(map(str, posterior.posterior["animal"].to_numpy()[seen]))
    return LeftOut(names, loo.each, loo.k, np.full_like(loo.k, np.nan), loo.good_k)


def refitted(
    key: Key,
    posterior: xr.DataTree,
    found: LeftOut,
    animals: Sequence[str],
    progress: Progress = silent,
) -> LeftOut:
    """Return the same with the model fitted again without each of some animals: those that are
    uncertain, or all of them, as a check.

    An animal whose refit does not converge, whose two posteriors hardly meet, or that is the only
    one with a choice, stays as it was, as uncertain as it was.
    """
    if len(found.animals) == 1:
        return found
    spec, sessions = spec_of(posterior), sessions_of(posterior)
    model = build_model(spec, sessions)
    elpd, k, error = found.elpd.copy(), found.k.copy(), found.error.copy()
    for done, animal in enumerate(animals):
        progress(f"without {animal}", done, len(animals))
        exact = _without(key, posterior, model, sessions, sessions.animals.index(animal))
        if exact is not None:
            a = found.animals.index(animal)
            elpd[a], k[a], error[a] = exact.log_ratio, np.nan, exact.error
    progress("refits", len(animals), len(animals))
    return replace(found, elpd=elpd, k=k, error=error)


def _without(
    key: Key, posterior: xr.DataTree, model: Model, sessions: Sessions, animal: int
) -> Ratio | None:
    """Return log p(choices of an animal | the others) by a fit of the others; None where that did
    not converge, or few draws of either posterior decide."""
    settings = replace(settings_of(posterior), evidence=0)
    draws, _ = pseudo_marginal.fit(key, of_others(model, sessions, animal), settings)
    population = {
        name: v
        for name, v in draws.items()
        if name.endswith(("_population", "_spread")) or name == EFFECT
    }
    flat = [v.reshape(*v.shape[:2], -1) for v in population.values()]
    if not convergence(np.concatenate(flat, axis=-1))["r_hat"] <= MAX_R_HAT_SHORT:
        return None
    names = [*population, *(group.name for group in model.groups)]
    stored = {name: posterior.posterior[name].to_numpy() for name in names}
    within, without = _thinned(stored), _thinned(population)
    log_p = of_new_animal(key, model, animal, within, without, settings.points)
    # Both by chain again: the effective numbers of draws are those of chains.
    found = bridge(*(own.reshape(settings.chains, -1) for own in log_p))
    return found if found.effective >= LEAST_EFFECTIVE else None


def of_others(model: Model, sessions: Sessions, animal: int) -> Model:
    """Return the model of all animals but one: under the same prior, and with the same columns of
    covariates, whatever number of choices, levels and means the others have."""
    others = [name for a, name in enumerate(sessions.animals) if a != animal]
    part = build_model(replace(model.spec, by={}), select(sessions, others))
    effects = model.effects.without(animal)
    return replace(part, spec=model.spec, groups=model.groups, effects=effects)


def _thinned(draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return draws (chain, draw, ...) as ``(draw, ...)``, chain by chain, at most `INTEGRATED` or
    so."""
    n_chains, n_draws = next(iter(draws.values())).shape[:2]
    step = -(-n_chains * n_draws // INTEGRATED)
    return {name: v[:, ::step].reshape(-1, *v.shape[2:]) for name, v in draws.items()}


def settings_of(posterior: xr.DataTree) -> pseudo_marginal.Settings:
    """Return the settings that a posterior was sampled with."""
    return TypeAdapter(pseudo_marginal.Settings).validate_json(posterior.attrs["settings"])


def score(left_out: Mapping[str, LeftOut], verdicts: Mapping[str, Verdict]) -> Score:
    """Return models by what they predict of left-out animals.

    The table has the sum of ``elpd`` over animals and its standard error, the ``difference`` from
    the first with its own, the number of animals in which a model is better than the first
    (missing for the first itself), the worst k-hat, how many animals are uncertain (``bad_k``,
    above ``good_k``), how many were left out by a refit, and the ``diagnostics``.
    """
    more = {}
    for name, own in left_out.items():
        known = own.k[~np.isnan(own.k)]
        more[name] = {
            "elpd_se": standard_error(own.elpd),
            "worst_k": known.max(initial=-np.inf) if known.size else np.nan,
            "bad_k": len(own.uncertain),
            "good_k": own.good_k,
            "refitted": int(np.isnan(own.k).sum()),
        }
    animals = next(iter(left_out.values())).animals
    part = Predicted(QUESTION, np.arange(len(animals)), animals, "elpd")
    return score_of(part, {name: own.elpd for name, own in left_out.items()}, verdicts, more)


def uncertain_sentence(left_out: Mapping[str, LeftOut]) -> str:
    """Return which animals are uncertain and what to do, or nothing where none is."""
    bad = {name: found for name, found in left_out.items() if found.uncertain}
    if not bad:
        return ""
    of = "; ".join(f"{', '.join(found.uncertain)} under {name}" for name, found in bad.items())
    then = "`hebbax compare --refit` fits the model again without each of them"
    if all(len(found.animals) == 1 for found in bad.values()):
        then = "there is no other animal to fit the model to"
    limits = either(found.good_k for found in bad.values())
    return f"Left out, these are uncertain (Pareto k above {limits}): {of}; {then}."


def animal_table(
    left_out: Mapping[str, LeftOut], by_animal: pd.DataFrame, verdicts: Mapping[str, Verdict]
) -> pd.DataFrame:
    """Return a row a model and animal: log p(choices | the others), its difference from the first
    model's, k-hat or, of a refit, the Monte Carlo error, and the diagnostics of the model."""
    each = []
    for name in map(str, by_animal.index):
        own = left_out[name]
        columns = {
            "model": name,
            "animal": own.animals,
            "elpd": own.elpd,
            "difference": by_animal.loc[name].to_numpy(),
            "k": own.k,
            "error": own.error,
            "diagnostics": verdicts[name].word,
        }
        each.append(pd.DataFrame(columns))
    return pd.concat(each, ignore_index=True)
