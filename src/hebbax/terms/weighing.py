"""Sub-models weighed: how the record of `hebbax.terms.inclusion` is found.

The scales of the coefficients come first, from the sub-model that a short search finds best
(`hebbax.submodels.scaling.choice_information`); then all sub-models under these and the effect that
is likeliest there. What a choice tells depends on the rule, and of rules that are as good as each
other the search finds one. Scales are therefore taken again, over all sub-models by their
probability, until they are those of the sub-models that they give. Under them all sub-models are
solved once more, and those that count under the other effects too.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp, softmax

from hebbax.data import Sessions
from hebbax.inference.mixed import Problem
from hebbax.model.choices import Model
from hebbax.model.spec import ModelSpec
from hebbax.submodels import laplace
from hebbax.submodels.climbs import (
    Climb,
    Solutions,
    log_evidence,
    members,
    most_evidence,
    near_best,
)
from hebbax.submodels.reweighting import animals_part
from hebbax.submodels.scaling import (
    Information,
    candidate_model,
    choice_information,
    information_scales,
    member_scales,
    typical,
    widest,
)
from hebbax.submodels.search import MANY_TERMS, enumerate_all, exchange, search
from hebbax.terms.inclusion import SETTLED, Inclusion, Settings, log_prior
from hebbax.typing import Progress, silent

JOINED, ALONE, NO_TERM = " + ", " alone", "no term"
"""What stands between the terms in the name of a sub-model, and the name of that without any."""

ROUNDS = 12
"""How often scales are found again at most."""


def weigh(
    sessions: Sessions,
    spec: ModelSpec,
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Inclusion:
    """Return the evidence of the sub-models of a declared model on recorded sessions.

    Args:
        sessions: recorded trials.
        spec: the model of all candidate terms; its prior scales are replaced by scaled ones unless
            the settings say otherwise, and its preference, habit and initial weights are in every
            sub-model.
        settings: what is asked.
        progress: called after each batch of sub-models.

    Raises:
        ModelError: there is no candidate, or no population of animals.
    """
    settings = settings or Settings()
    model = candidate_model(sessions, spec)
    declared = settings.scaling == "declared"
    pilot = None
    if not declared or len(settings.effects) > 1:
        pilot = choice_information(model, settings.climb, progress)
    climbs = _climbs(model, pilot, settings)
    first = next(iter(climbs.values()))
    if len(spec.terms) > MANY_TERMS:
        known = search(first, settings.breadth, progress, settings.most)
    else:
        known = enumerate_all(first, progress, settings.most)
    exchange(first, known, progress)
    if pilot is None or declared:
        return _collect(climbs, known, settings, progress)
    pilot, moved = _settled(pilot, climbs, known, settings, progress)
    climbs = _climbs(model, pilot, settings)
    first = next(iter(climbs.values()))
    known = first.again(known, known, progress)
    exchange(first, known, progress)
    return replace(_collect(climbs, known, settings, progress), unsettled_scales=moved)


def _climbs(model: Model, pilot: Information | None, settings: Settings) -> dict[float, Climb]:
    """Return how sub-models are solved under each effect, the likeliest first; those that the
    sessions exclude at the best sub-model of the ``pilot`` are left out."""
    climbs = {effect: _climb(model, pilot, effect, settings) for effect in settings.effects}
    if pilot is None:
        return climbs
    begun = {pilot.code: pilot.solution}
    known = {e: log_evidence(climb.again(begun, begun)[pilot.code]) for e, climb in climbs.items()}
    order = sorted(climbs, key=lambda effect: -known[effect])
    return {e: climbs[e] for e in order if known[e] >= known[order[0]] - settings.within}


def _climb(model: Model, pilot: Information | None, effect: float, settings: Settings) -> Climb:
    """Return how sub-models are solved under an effect."""
    if settings.scaling == "declared" or pilot is None:
        scales = effect * model.scales[: len(model.rule.parameters)]
    else:
        scales = information_scales(pilot.per_choice, effect, widest(model))
    return Climb(model, member_scales(model, scales), settings.climb)


def _settled(
    pilot: Information,
    climbs: dict[float, Climb],
    known: Solutions,
    settings: Settings,
    progress: Progress,
) -> tuple[Information, float]:
    """Return what a choice tells at sub-models that were solved under the scales which that gives,
    and the largest fraction by which a scale still moves, zero where that is less than `SETTLED`.

    Begins with what a ``pilot`` found. Sub-models too far behind to count are not asked. Where the
    weights of animals run away, information does too, and the scales would follow it to where no
    sub-model is as good as before: they stay then.
    """
    effect, climb = next(iter(climbs.items()))
    model = climb.model
    for _ in range(ROUNDS):
        near = {code: known[code] for code in near_best(known, settings.within)}
        prior = log_prior(_included(model, near), settings.inclusion)
        found = typical(model, near, prior, settings.climb.batch)
        before, climb = climb.scales, _climb(model, found, effect, settings)
        moved = float(np.abs(np.log(climb.scales / before)).max())
        if moved < SETTLED:
            return found, 0.0
        known = climb.again(near, near, progress)
        if most_evidence(known) < most_evidence(near) - settings.within:
            break
        pilot = found
    return pilot, moved


def _included(model: Model, codes: Iterable[int]) -> np.ndarray:
    """Return which terms are in numbered sub-models ``(sub-model, term)``."""
    return np.array([members(model, code)[: len(model.rule.parameters)] for code in codes])


def _collect(
    climbs: dict[float, Climb], known: Solutions, settings: Settings, progress: Progress
) -> Inclusion:
    """Return the record of sub-models ``known`` under the first effect, and solved under the
    others; scales and animals are those of the effect that is likeliest over all sub-models."""
    first, *others = climbs.values()
    model, n = first.model, len(first.model.rule.parameters)
    codes = sorted(code for code in known if np.isfinite(log_evidence(known[code])))
    near = near_best(known, settings.within)
    solved = [known, *(climb.again(known, near, progress) for climb in others)]
    by_effect = {
        effect: np.array([log_evidence(own[code]) if code in own else -np.inf for code in codes])
        for effect, own in zip(climbs, solved, strict=True)
    }
    moments = [_moments([own[code] for own in solved if code in own], n) for code in codes]
    included = _included(model, codes)
    prior = log_prior(included, settings.inclusion)
    likeliest = max(by_effect, key=lambda effect: float(logsumexp(by_effect[effect] + prior)))
    by_effect = {likeliest: by_effect[likeliest], **by_effect}
    # Sub-models that are too far behind to be solved again are as they were under the first.
    best, under = climbs[likeliest], known | solved[list(climbs).index(likeliest)]
    found = [under[code] for code in codes]
    return Inclusion(
        terms=model.rule.parameters,
        scales=best.scales[:n],
        included=included,
        population=np.array([mean for mean, _ in moments]),
        covariance=np.array([covariance for _, covariance in moments]),
        by_effect=by_effect,
        phi=np.array([one.phi for one in found]),
        animals_part=_animals_parts(best, under, codes, settings.checked),
        unsettled=np.array([float(one.shortfall) for one in found]),
        settings=settings,
        everything=len(known) == _possible(n, settings.most),
    )


def _moments(solutions: list[laplace.Solution], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean ``(term,)`` and covariance of the population coefficients of a sub-model over the
    effects under which it was solved."""
    solutions = [one for one in solutions if np.isfinite(log_evidence(one))]
    weights = softmax([log_evidence(one) for one in solutions])
    means = np.array([one.population[:n] for one in solutions])
    mean = weights @ means
    covariance = sum(
        w * (np.asarray(one.covariance)[:n, :n] + np.outer(m - mean, m - mean))
        for w, one, m in zip(weights, solutions, means, strict=True)
    )
    return mean, np.asarray(covariance)


def _possible(n_terms: int, most: int | None) -> int:
    """Return the number of sub-models of at most ``most`` terms."""
    most = n_terms if most is None else min(most, n_terms)
    return sum(math.comb(n_terms, k) for k in range(most + 1))


def _animals_parts(climb: Climb, known: Solutions, codes: list[int], checked: int) -> np.ndarray:
    """Return the animals' part of the error of the leading sub-models ``(sub-model, 2)``, NaN for
    the others."""
    out = np.full((len(codes), 2), np.nan)
    key = jax.random.PRNGKey(0)
    for code in sorted(codes, key=lambda code: -log_evidence(known[code]))[:checked]:
        included = jnp.asarray(members(climb.model, code))
        problem = Problem(included, jnp.asarray(climb.scales))
        out[codes.index(code)] = animals_part(key, climb.model, problem, known[code])
    return out


def leading(inclusion: Inclusion, spec: ModelSpec, size: int) -> list[ModelSpec]:
    """Return the most probable sub-models as declared models, with the scales of the likeliest
    effect; ``spec`` is the model of all candidates."""
    scales = dict(zip(inclusion.terms, map(float, inclusion.scales), strict=True))
    chosen = (inclusion.terms_of(k) for k in inclusion.order()[:size])
    return [sub_model(spec, {name: scales[name] for name in names}) for names in chosen]


def named(terms: tuple[str, ...]) -> str:
    """Return the name of a sub-model: its terms, which no table may read as a number."""
    joined = JOINED.join(terms) or NO_TERM
    return joined + ALONE if joined == "1" else joined


def terms_named(name: str) -> tuple[str, ...]:
    """Return the terms of the sub-model of a name."""
    return () if name == NO_TERM else tuple(name.removesuffix(ALONE).split(JOINED))


def sub_model(spec: ModelSpec, scales: Mapping[str, float]) -> ModelSpec:
    """Return the sub-model of the terms in ``scales``, which has their prior scales, as a declared
    model; ``spec`` is the model of all candidates."""
    return replace(
        spec,
        name=named(tuple(scales)),
        terms=tuple(scales),
        scales=dict(scales),
        scaling="declared",
        prior="normal",
        text="",
    )
