"""Which terms are in the rule: the posterior probability of every sub-model, term and pair.

A term is in or out, each in with a prior probability of its own accord; sub-models are weighed by
their Laplace evidence (`hebbax.inference.evidence`):

    P(sub-model | choices) ~ evidence * inclusion^(terms in) * (1 - inclusion)^(terms out)

Evidence depends on how large coefficients are expected to be. They are scaled by information: F_jj,
the Fisher information that a choice carries of coefficient j on average at a pilot fit, makes
theta_j sqrt(F_jj) a number that means the same for every term (the size of the change that the
term makes to a choice's log odds, in units of what one choice can tell), and

    theta_j sqrt(F_jj) ~ Normal(0, effect^2).

Who knows beforehand how large they are declares their scales (`Settings.scaling`).
"""

import itertools
import math
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from hebbax.data import Sessions
from hebbax.errors import ModelError
from hebbax.inference import evidence
from hebbax.inference.climbs import Climb, Solutions, members, weight
from hebbax.inference.density import expansion
from hebbax.inference.mixed import Problem
from hebbax.inference.reweighting import correction
from hebbax.inference.submodels import MANY_TERMS, Breadth, enumerate_all, paths, search
from hebbax.model import Model, build_model
from hebbax.spec import ModelSpec, Scaling
from hebbax.typing import Progress, silent

MAX_SCALE = 2.0
"""No coefficient is given a wider prior, however little information the choices carry of it."""


@dataclass(frozen=True)
class Settings:
    """What is asked, and how an answer is read.

    Attributes:
        effect: prior standard deviation of information-scaled coefficients.
        scaling: whether the scales come from this ``information``, or are those that the model of
            all candidates has ``declared``, which are used as they are.
        inclusion: prior probability that a term is in.
        most: the most terms that may be in together; as many as there are without it.
        other_effects: factors of ``effect`` for the sensitivity.
        other_inclusions: prior probabilities for the sensitivity.
        absent: a term of smaller posterior probability is said to be out.
        present: a term of larger posterior probability is said to be in; between the two, the data
            cannot tell.
        within: sub-models this many nats below the best are left out of the sensitivity to scale.
        climb: settings of the pass over sub-models.
        checked: leading sub-models whose evidence is measured by importance sampling.
        breadth: how far the search goes where there are more than twelve terms.
    """

    effect: float = 0.3
    scaling: Scaling = "information"
    inclusion: float = 0.5
    most: int | None = None
    other_effects: tuple[float, ...] = (1.0 / 3.0, 3.0)
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
        scales: prior scale of each coefficient ``(term,)``, in 1/trial.
        included: ``(sub-model, term)`` which terms are in.
        log_evidence: ``(sub-model,)`` in nats.
        population: ``(sub-model, term)`` mean of the population coefficient.
        covariance: ``(sub-model, term, term)`` of it.
        by_effect: log evidence ``(sub-model,)`` under other effects, minus infinity where a
            sub-model was too far behind to be solved again.
        phi: ``(sub-model, animal, member)`` each animal's values at the mode.
        correction: ``(sub-model, 2)`` what importance sampling adds to the log evidence of the
            leading ones, and its standard error (`hebbax.inference.reweighting`); NaN elsewhere.
        unsettled: ``(sub-model,)`` nats by which a climb did not arrive.
        settings: what was asked.
        everything: whether these are all sub-models that may be, or those a search visited.
    """

    terms: tuple[str, ...]
    scales: np.ndarray
    included: np.ndarray
    log_evidence: np.ndarray
    population: np.ndarray
    covariance: np.ndarray
    by_effect: dict[float, np.ndarray]
    phi: np.ndarray
    correction: np.ndarray
    unsettled: np.ndarray
    settings: Settings
    everything: bool = True

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

    def under_other_priors(self) -> dict[tuple[str, float], np.ndarray]:
        """Return the posterior probabilities of the sub-models under each other prior of the
        settings, by what it changes, ``effect`` or ``prior`` probability, and its value."""
        effects = {("effect", value): self.weights(effect=value) for value in self.by_effect}
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
    scales = model.scales
    if settings.scaling == "information":
        scales = information_scales(model, settings, progress)
    if len(spec.terms) > MANY_TERMS:
        climb = Climb(model, scales, settings.climb)
        known = search(climb, settings.breadth, progress, settings.most)
    else:
        known = enumerate_all(model, scales, settings.climb, progress, settings.most)
    return _collect(model, scales, known, settings, progress)


def candidate_model(sessions: Sessions, spec: ModelSpec) -> Model:
    """Return the model of all candidates; raise `ModelError` where they cannot be weighed."""
    if not spec.terms:
        raise ModelError(f"{spec.name}: has no terms to choose from; name some with --terms.")
    if spec.hierarchy == "none":
        raise ModelError(
            f'{spec.name}: terms are weighed in a population of animals; use hierarchy = "animals".'
        )
    return build_model(replace(spec, prior="normal", scaling="declared"), sessions)


def information_scales(model: Model, settings: Settings, progress: Progress = silent) -> np.ndarray:
    """Return the prior scale of every member ``(member,)``: effect / sqrt(F_jj) for a term.

    F_jj is taken where the sub-model of most evidence has its mode, of those on paths that add or
    take out terms one by one under the scales of the declared model: with all terms in, some
    animals sit where weights run away and a choice's information is without bound.
    """
    declared = model.scales
    known = paths(Climb(model, declared, settings.climb), progress)
    best = max(known.values(), key=weight)
    information = np.asarray(expansion(model, jnp.asarray(best.phi)).information).sum(0)
    n = len(model.rule.parameters)
    each = np.diagonal(information)[:n] / model.sessions.n_observations
    with np.errstate(divide="ignore"):
        scaled = np.minimum(settings.effect / np.sqrt(each), MAX_SCALE)
    return np.concatenate([scaled, declared[n:]])


def _collect(
    model: Model, scales: np.ndarray, known: Solutions, settings: Settings, progress: Progress
) -> Inclusion:
    """Return the record of solved sub-models, with their evidence under other scales."""
    n = len(model.rule.parameters)
    codes = sorted(code for code in known if np.isfinite(weight(known[code])))
    log_evidence = np.array([weight(known[code]) for code in codes])
    near = [
        c
        for c, v in zip(codes, log_evidence, strict=True)
        if v > log_evidence.max() - settings.within
    ]
    by_effect = {}
    for factor in settings.other_effects:
        stretched = np.concatenate([factor * scales[:n], scales[n:]])
        climb = Climb(model, stretched, settings.climb)
        again = climb.again(known, near, progress)
        by_effect[factor * settings.effect] = np.array(
            [weight(again[code]) if code in again else -np.inf for code in codes]
        )
    found = [known[code] for code in codes]
    return Inclusion(
        terms=model.rule.parameters,
        scales=scales[:n],
        included=np.array([members(model, code)[:n] for code in codes]),
        log_evidence=log_evidence,
        population=np.array([one.population[:n] for one in found]),
        covariance=np.array([one.covariance[:n, :n] for one in found]),
        by_effect=by_effect,
        phi=np.array([one.phi for one in found]),
        correction=_corrections(model, scales, known, codes, settings.checked),
        unsettled=np.array([float(one.shortfall) for one in found]),
        settings=settings,
        everything=len(known) == _possible(n, settings.most),
    )


def _possible(n_terms: int, most: int | None) -> int:
    """Return the number of sub-models of at most ``most`` terms."""
    most = n_terms if most is None else min(most, n_terms)
    return sum(math.comb(n_terms, k) for k in range(most + 1))


def _corrections(
    model: Model, scales: np.ndarray, known: Solutions, codes: list[int], checked: int
) -> np.ndarray:
    """Return ``(sub-model, 2)`` corrections of the leading sub-models, NaN for the others."""
    out = np.full((len(codes), 2), np.nan)
    key = jax.random.PRNGKey(0)
    for code in sorted(codes, key=lambda code: -weight(known[code]))[:checked]:
        problem = Problem(jnp.asarray(members(model, code)), jnp.asarray(scales))
        out[codes.index(code)] = correction(key, model, problem, known[code])
    return out


def leading(inclusion: Inclusion, spec: ModelSpec, size: int) -> list[ModelSpec]:
    """Return the most probable sub-models as declared models, with the scales they were weighed
    with; ``spec`` is the model of all candidates."""
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
