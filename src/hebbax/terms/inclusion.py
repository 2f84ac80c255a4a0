"""Which terms are in the rule: the posterior probability of every sub-model, term and pair.

A term is in or out, each in with a prior probability of its own accord; sub-models are weighed by
their Laplace evidence (`hebbax.submodels.laplace`):

    P(sub-model | choices) ~ evidence * inclusion^(terms in) * (1 - inclusion)^(terms out)

Evidence depends on how large coefficients are expected to be. They are scaled by information: F_jj,
the Fisher information that a choice carries of coefficient j on average over the choices and, by
their probability, over the sub-models (`hebbax.terms.weighing`), makes theta_j sqrt(F_jj) a number
that means the same for every term (the size of the change that the term makes to a choice's log
odds, in units of what one choice can tell), and

    theta_j sqrt(F_jj) ~ Normal(0, effect^2),    evidence = mean over effects of evidence given one.

How large an effect is, the same for all terms, the sessions say: `Settings.effects` are equally
likely beforehand (as g in a mixture of g-priors: Liang et al. 2008). Who knows how large the
coefficients are declares their scales (`Settings.scaling`).
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logsumexp, softmax

from hebbax.model.keys import Scaling
from hebbax.submodels import laplace
from hebbax.submodels.search import Breadth

SETTLED = 0.01
"""Scales have settled where none moves by more than this fraction when they are found again."""

LIKELY = 0.01
"""Posterior probability from which an effect is another prior that one may have."""


@dataclass(frozen=True)
class Settings:
    """What is asked, and how an answer is read.

    Attributes:
        effects: prior standard deviations of scaled coefficients, equally likely beforehand; of
            declared scales multiples, so that ``(1.0,)`` takes these as they are.
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
        checked: leading sub-models of which importance sampling says how far each animal's
            likelihood is from its expansion.
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
    climb: laplace.Settings = field(default_factory=laplace.Settings)
    checked: int = 10
    breadth: Breadth = field(default_factory=Breadth)


def log_prior(included: np.ndarray, inclusion: float) -> np.ndarray:
    """Return the log prior probability of sub-models ``(sub-model,)`` whose terms are ``included``
    (sub-model, term), each with probability ``inclusion``."""
    n = included.sum(1)
    return n * np.log(inclusion) + (included.shape[1] - n) * np.log1p(-inclusion)


@dataclass(frozen=True)
class Inclusion:
    """The weighed sub-models.

    Attributes:
        terms: candidate terms.
        scales: prior scale of each coefficient ``(term,)`` under the likeliest effect.
        included: ``(sub-model, term)`` which terms are in.
        population: ``(sub-model, term)`` mean of the population coefficient, over effects.
        covariance: ``(sub-model, term, term)`` of it.
        by_effect: log evidence ``(sub-model,)`` in nats under each effect that the sessions do not
            exclude, minus infinity where a sub-model was too far behind to be solved again.
        phi: ``(sub-model, animal, member)`` each animal's values at the mode, likeliest effect.
        animals_part: ``(sub-model, 2)`` what importance sampling of each animal adds to the log
            evidence of the leading ones with population and spreads held at their mode, and its
            standard error (`hebbax.submodels.reweighting`: a part of the error, no correction);
            NaN elsewhere.
        unsettled: ``(sub-model,)`` nats by which a climb did not arrive.
        settings: what was asked.
        everything: whether these are all sub-models that may be, or those a search visited.
        unsettled_scales: largest fraction by which a prior scale moved when all were last found
            again, zero where they have settled.
    """

    terms: tuple[str, ...]
    scales: np.ndarray
    included: np.ndarray
    population: np.ndarray
    covariance: np.ndarray
    by_effect: dict[float, np.ndarray]
    phi: np.ndarray
    animals_part: np.ndarray
    unsettled: np.ndarray
    settings: Settings
    everything: bool = True
    unsettled_scales: float = 0.0

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
        return log_evidence + log_prior(self.included, inclusion)

    def order(self) -> np.ndarray:
        """Return the places of the sub-models, the most probable first ``(sub-model,)``."""
        return np.argsort(-self.log_weights(), kind="stable")

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
