"""Which terms are in the rule: the posterior probability of every sub-model, term and pair.

A term is in or out, each in with a prior probability of its own accord; sub-models are weighed by
their Laplace evidence (`hebbax.inference.evidence`):

    P(sub-model | choices) ~ evidence * inclusion^(terms in) * (1 - inclusion)^(terms out)

Evidence depends on how large coefficients are expected to be. They are scaled by information: F_jj,
the Fisher information that a choice carries of coefficient j on average at a pilot fit, makes
theta_j sqrt(F_jj) a number that means the same for every term (the size of the change that the
term makes to a choice's log odds, in units of what one choice can tell), and

    theta_j sqrt(F_jj) ~ Normal(0, effect^2),    evidence = mean over effects of evidence given one.

How large an effect is, the same for all terms, the sessions say: `Settings.effects` are equally
likely beforehand (as g in a mixture of g-priors: Liang et al. 2008). Who knows how large the
coefficients are declares their scales (`Settings.scaling`).
"""

import itertools
import math
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp, softmax

from hebbax.data import Sessions
from hebbax.inference import evidence
from hebbax.inference.climbs import Climb, Solutions, members, most_evidence, weight
from hebbax.inference.mixed import Problem
from hebbax.inference.reweighting import correction
from hebbax.inference.submodels import MANY_TERMS, Breadth, enumerate_all, search
from hebbax.model import Model
from hebbax.scaling import candidate_model, information_scales, told
from hebbax.spec import ModelSpec, Scaling
from hebbax.typing import Progress, silent

LIKELY = 0.01
"""Posterior probability from which an effect is another prior that one may have."""


@dataclass(frozen=True)
class Settings:
    """What is asked, and how an answer is read.

    Attributes:
        effects: prior standard deviations of scaled coefficients, equally likely beforehand.
        scaling: whether coefficients are scaled by ``information``, or by the scales that the model
            of all candidates has ``declared``.
        inclusion: prior probability that a term is in.
        most: the most terms that may be in together; as many as there are without it.
        other_inclusions: prior probabilities for the sensitivity.
        absent: a term of smaller posterior probability is said to be out.
        present: a term of larger posterior probability is said to be in; between the two, the data
            cannot tell.
        within: effects and sub-models this many nats below the best are left out: an effect as a
            whole, a sub-model under all effects but the likeliest.
        climb: settings of the pass over sub-models.
        checked: leading sub-models whose evidence is measured by importance sampling.
        breadth: how far the search goes where there are more than twelve terms.
    """

    effects: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    scaling: Scaling = "information"
    inclusion: float = 0.5
    most: int | None = None
    other_inclusions: tuple[float, ...] = (0.2, 0.8)
    absent: float = 0.1
    present: float = 0.9
    within: float = 15.0
    climb: evidence.Settings = field(default_factory=evidence.Settings)
    checked: int = 10
    breadth: Breadth = field(default_factory=Breadth)


@dataclass(frozen=True)
class Inclusion:
    """The weighed sub-models.

    Attributes:
        terms: candidate terms.
        scales: prior scale of each coefficient ``(term,)`` under the likeliest effect, in 1/trial.
        included: ``(sub-model, term)`` which terms are in.
        population: ``(sub-model, term)`` mean of the population coefficient, over effects.
        covariance: ``(sub-model, term, term)`` of it.
        by_effect: log evidence ``(sub-model,)`` in nats under each effect that the sessions do not
            exclude, minus infinity where a sub-model was too far behind to be solved again.
        phi: ``(sub-model, animal, member)`` each animal's values at the mode, likeliest effect.
        correction: ``(sub-model, 2)`` what importance sampling adds to the log evidence of the
            leading ones, and its standard error (`hebbax.inference.reweighting`); NaN elsewhere.
        unsettled: ``(sub-model,)`` nats by which a climb did not arrive.
        settings: what was asked.
        everything: whether these are all sub-models that may be, or those a search visited.
    """

    terms: tuple[str, ...]
    scales: np.ndarray
    included: np.ndarray
    population: np.ndarray
    covariance: np.ndarray
    by_effect: dict[float, np.ndarray]
    phi: np.ndarray
    correction: np.ndarray
    unsettled: np.ndarray
    settings: Settings
    everything: bool = True

    @property
    def log_evidence(self) -> np.ndarray:
        """Log evidence of each sub-model ``(sub-model,)`` in nats, the mean over effects."""
        each = np.array(list(self.by_effect.values()))
        return logsumexp(each, axis=0) - np.log(len(self.settings.effects))

    def weights(self, inclusion: float | None = None, effect: float | None = None) -> np.ndarray:
        """Return the posterior probability of each sub-model, under the settings' prior or that
        given."""
        log_weight = self.log_weights(inclusion, effect)
        return np.exp(log_weight - logsumexp(log_weight))

    def log_weights(
        self, inclusion: float | None = None, effect: float | None = None
    ) -> np.ndarray:
        """Return log evidence plus log prior probability of each sub-model; their log sum is the
        log evidence of all of them together."""
        inclusion = self.settings.inclusion if inclusion is None else inclusion
        log_evidence = self.log_evidence if effect is None else self.by_effect[effect]
        n = self.included.sum(1)
        log_prior = n * np.log(inclusion) + (len(self.terms) - n) * np.log1p(-inclusion)
        return log_evidence + log_prior

    def effects(self) -> dict[float, float]:
        """Return the posterior probability of each effect that the sessions do not exclude."""
        total = [logsumexp(self.log_weights(effect=value)) for value in self.by_effect]
        return dict(zip(self.by_effect, softmax(total), strict=True))

    def under_other_priors(self) -> dict[tuple[str, float], np.ndarray]:
        """Return the posterior probabilities of the sub-models under other priors, by what these
        change: ``effect``, each one that is not improbable by itself, or ``prior`` probability."""
        likely = [value for value, p in self.effects().items() if p > LIKELY]
        alone = likely if len(likely) > 1 else []
        effects = {("effect", value): self.weights(effect=value) for value in alone}
        others = self.settings.other_inclusions
        return effects | {("prior", value): self.weights(value) for value in others}

    def probability(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the posterior probability of each term ``(term,)``."""
        return (self.weights() if weights is None else weights) @ self.included

    def place(self, terms: tuple[str, ...]) -> int | None:
        """Return the place of the sub-model of exactly these terms, or None where there is none."""
        if not set(terms) <= set(self.terms):
            return None
        (places,) = np.nonzero((self.included == np.isin(self.terms, terms)).all(1))
        return int(places[0]) if places.size else None

    def terms_of(self, place: int) -> tuple[str, ...]:
        """Return the terms that are in a sub-model."""
        return tuple(itertools.compress(self.terms, self.included[place]))

    def any_of(self, terms: tuple[str, ...], weights: np.ndarray | None = None) -> float:
        """Return the posterior probability that at least one of some terms is in."""
        places = [self.terms.index(term) for term in terms]
        known = self.weights() if weights is None else weights
        return float(known @ self.included[:, places].any(1))


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
    climbs = _climbs(model, settings, progress)
    first = next(iter(climbs.values()))
    if len(spec.terms) > MANY_TERMS:
        known = search(first, settings.breadth, progress, settings.most)
    else:
        known = enumerate_all(model, first.scales, settings.climb, progress, settings.most)
    return _collect(climbs, known, settings, progress)


def _climbs(model: Model, settings: Settings, progress: Progress) -> dict[float, Climb]:
    """Return how sub-models are solved under each effect, the likeliest first; those that the
    sessions exclude at the best sub-model of `told` are left out."""
    declared, alone = settings.scaling == "declared", len(settings.effects) == 1
    if declared and alone:
        return {e: _climb(model, None, e, settings) for e in settings.effects}
    found = told(model, settings.climb, progress)
    information = None if declared else found.information
    climbs = {e: _climb(model, information, e, settings) for e in settings.effects}
    if alone:
        return climbs
    begun = {found.code: found.solution}
    known = {e: weight(climb.again(begun, begun)[found.code]) for e, climb in climbs.items()}
    order = sorted(climbs, key=lambda effect: -known[effect])
    return {e: climbs[e] for e in order if known[e] >= known[order[0]] - settings.within}


def _climb(
    model: Model, information: np.ndarray | None, effect: float, settings: Settings
) -> Climb:
    """Return how sub-models are solved under an effect, of declared scales where there is no
    information."""
    if information is None:
        n = len(model.rule.parameters)
        scales = np.concatenate([effect * model.scales[:n], model.scales[n:]])
    else:
        scales = information_scales(model, information, effect)
    return Climb(model, scales, settings.climb)


def _collect(
    climbs: dict[float, Climb], known: Solutions, settings: Settings, progress: Progress
) -> Inclusion:
    """Return the record of sub-models solved under the first effect, and under the others."""
    first, *others = climbs.values()
    model, n = first.model, len(first.model.rule.parameters)
    codes = sorted(code for code in known if np.isfinite(weight(known[code])))
    floor = most_evidence(known) - settings.within
    near = [code for code in codes if weight(known[code]) > floor]
    solved = [known, *(climb.again(known, near, progress) for climb in others)]
    by_effect = {
        effect: np.array([weight(own[code]) if code in own else -np.inf for code in codes])
        for effect, own in zip(climbs, solved, strict=True)
    }
    moments = [_moments([own[code] for own in solved if code in own], n) for code in codes]
    found = [known[code] for code in codes]
    return Inclusion(
        terms=model.rule.parameters,
        scales=first.scales[:n],
        included=np.array([members(model, code)[:n] for code in codes]),
        population=np.array([mean for mean, _ in moments]),
        covariance=np.array([covariance for _, covariance in moments]),
        by_effect=by_effect,
        phi=np.array([one.phi for one in found]),
        correction=_corrections(first, known, codes, settings.checked),
        unsettled=np.array([float(one.shortfall) for one in found]),
        settings=settings,
        everything=len(known) == _possible(n, settings.most),
    )


def _moments(solutions: list[evidence.Solution], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean ``(term,)`` and covariance of the population coefficients of a sub-model over the
    effects under which it was solved."""
    solutions = [one for one in solutions if np.isfinite(weight(one))]
    weights = softmax([weight(one) for one in solutions])
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


def _corrections(climb: Climb, known: Solutions, codes: list[int], checked: int) -> np.ndarray:
    """Return ``(sub-model, 2)`` corrections of the leading sub-models, NaN for the others."""
    out = np.full((len(codes), 2), np.nan)
    key = jax.random.PRNGKey(0)
    for code in sorted(codes, key=lambda code: -weight(known[code]))[:checked]:
        included = jnp.asarray(members(climb.model, code))
        problem = Problem(included, jnp.asarray(climb.scales))
        out[codes.index(code)] = correction(key, climb.model, problem, known[code])
    return out


def leading(inclusion: Inclusion, spec: ModelSpec, size: int) -> list[ModelSpec]:
    """Return the most probable sub-models as declared models, with the scales of the likeliest
    effect; ``spec`` is the model of all candidates."""
    scales = dict(zip(inclusion.terms, map(float, inclusion.scales), strict=True))
    out = []
    for k in np.argsort(-inclusion.weights(), kind="stable")[:size]:
        names = inclusion.terms_of(k)
        own = {name: scales[name] for name in names}
        out.append(
            replace(
                spec,
                name=" + ".join(names) or "no term",
                terms=names,
                scales=own,
                prior="normal",
                text="",
            )
        )
    return out
