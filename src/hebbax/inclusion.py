"""Which terms are in the rule: the posterior probability of every sub-model, term and pair.

A term is in or out, each in with a prior probability of its own accord; sub-models are weighed by
their Laplace evidence (`hebbax.inference.evidence`):

    P(sub-model | choices) ~ evidence * inclusion^(terms in) * (1 - inclusion)^(terms out)

Evidence depends on how large coefficients are expected to be. They are scaled by information: F_jj,
the Fisher information that a choice carries of coefficient j on average at a pilot fit, makes
theta_j sqrt(F_jj) a number that means the same for every term (the size of the change that the
term makes to a choice's log odds, in units of what one choice can tell), and

    theta_j sqrt(F_jj) ~ Normal(0, effect^2).
"""

import itertools
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import logsumexp

from hebbax.data import Sessions
from hebbax.errors import ModelError
from hebbax.inference import evidence
from hebbax.inference.density import expansion
from hebbax.inference.evidence import Problem
from hebbax.inference.reweighting import correction
from hebbax.inference.submodels import (
    MANY_TERMS,
    Breadth,
    Climb,
    Solutions,
    enumerate_all,
    grow,
    members,
    search,
    weight,
)
from hebbax.model import Model, build_model
from hebbax.spec import ModelSpec
from hebbax.typing import Progress, silent

MAX_SCALE = 2.0
"""No coefficient is given a wider prior, however little information the choices carry of it."""

LINKED = 0.5
"""Terms that are absent together less often than this times chance stand for each other."""

DRAWS = 20_000
"""Draws of the mixture of sub-models behind the intervals of coefficients."""


@dataclass(frozen=True)
class Settings:
    """What is asked, and how an answer is read.

    Attributes:
        effect: prior standard deviation of information-scaled coefficients.
        inclusion: prior probability that a term is in.
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
    inclusion: float = 0.5
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
        everything: whether these are all sub-models, or those a search visited.
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
        inclusion = self.settings.inclusion if inclusion is None else inclusion
        log_evidence = self.log_evidence if effect is None else self.by_effect[effect]
        n = self.included.sum(1)
        log_prior = n * np.log(inclusion) + (len(self.terms) - n) * np.log1p(-inclusion)
        log_weight = log_evidence + log_prior
        return np.exp(log_weight - logsumexp(log_weight))

    def probability(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the posterior probability of each term ``(term,)``."""
        return (self.weights() if weights is None else weights) @ self.included

    def any_of(self, terms: tuple[str, ...]) -> float:
        """Return the posterior probability that at least one of some terms is in."""
        places = [self.terms.index(term) for term in terms]
        return float(self.weights() @ self.included[:, places].any(1))


def weigh(
    sessions: Sessions,
    spec: ModelSpec,
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Inclusion:
    """Return the evidence of the sub-models of a declared model on recorded sessions.

    Args:
        sessions: recorded trials.
        spec: the model of all candidate terms; its prior scales are replaced by scaled ones, and
            its preference, habit and initial weights are in every sub-model.
        settings: what is asked.
        progress: called after each batch of sub-models.

    Raises:
        ModelError: there is no candidate, or no population of animals.
    """
    settings = settings or Settings()
    model = candidate_model(sessions, spec)
    scales = information_scales(model, settings, progress)
    if len(spec.terms) > MANY_TERMS:
        known = search(Climb(model, scales, settings.climb), settings.breadth, progress)
    else:
        known = enumerate_all(model, scales, settings.climb, progress)
    return _collect(model, scales, known, settings, progress)


def candidate_model(sessions: Sessions, spec: ModelSpec) -> Model:
    """Return the model of all candidates; raise `ModelError` where they cannot be weighed."""
    if not spec.terms:
        raise ModelError(f"{spec.name}: has no terms to choose from; name some with --terms.")
    if spec.hierarchy == "none":
        raise ModelError(
            f'{spec.name}: terms are weighed in a population of animals; use hierarchy = "animals".'
        )
    return build_model(replace(spec, prior="normal"), sessions)


def information_scales(model: Model, settings: Settings, progress: Progress = silent) -> np.ndarray:
    """Return the prior scale of every member ``(member,)``: effect / sqrt(F_jj) for a term.

    F_jj is taken where the sub-model of most evidence has its mode, on a path that adds terms one
    by one under the scales of the declared model: with all terms in, some animals sit where weights
    run away and a choice's information is without bound.
    """
    declared = np.concatenate([np.ravel(group.scales) for group in model.groups])
    known = grow(Climb(model, declared, settings.climb), progress)
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
        everything=len(known) == 2**n,
    )


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


def draws(inclusion: Inclusion, seed: int = 0) -> np.ndarray:
    """Return draws of the population coefficients ``(draw, term)`` of the mixture of sub-models;
    those of terms that are out are zero."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(inclusion.included), DRAWS, p=inclusion.weights())
    out = np.zeros((DRAWS, len(inclusion.terms)))
    for k in np.unique(chosen):
        rows, inside = np.flatnonzero(chosen == k), np.flatnonzero(inclusion.included[k])
        if inside.size:
            out[np.ix_(rows, inside)] = rng.multivariate_normal(
                inclusion.population[k][inside],
                inclusion.covariance[k][np.ix_(inside, inside)],
                size=len(rows),
                method="cholesky",
            )
    return out


def term_table(inclusion: Inclusion) -> pd.DataFrame:
    """Return one row a term: its probability with what is said of it, that under each other prior,
    and mean and 90 % interval of its coefficient where it is in (1/trial)."""
    probability = inclusion.probability()
    table = pd.DataFrame(index=pd.Index(inclusion.terms, name="term"))
    table["P(in)"] = probability
    table["verdict"] = [verdict(inclusion.settings, p) for p in probability]
    for effect in inclusion.by_effect:
        table[f"P(in), effect {effect:.2g}"] = inclusion.probability(
            inclusion.weights(effect=effect)
        )
    for prior in inclusion.settings.other_inclusions:
        table[f"P(in), prior {prior:.2g}"] = inclusion.probability(inclusion.weights(prior))
    sampled = draws(inclusion)
    for j, term in enumerate(inclusion.terms):
        inside = sampled[sampled[:, j] != 0.0, j]
        if inside.size:
            low, high = np.quantile(inside, [0.05, 0.95])
            table.loc[term, ["mean", "5 %", "95 %"]] = inside.mean(), low, high
    table["prior scale"] = inclusion.scales
    return table


def verdict(settings: Settings, probability: float) -> str:
    """Return what is said of a term of some posterior probability."""
    if probability > settings.present:
        return "in"
    return "out" if probability < settings.absent else "the data cannot tell"


def pair_table(inclusion: Inclusion) -> pd.DataFrame:
    """Return the probability that at least one of two terms is in; on the diagonal, of the one."""
    included = inclusion.included
    either = np.einsum("k,kij->ij", inclusion.weights(), included[:, :, None] | included[:, None])
    index = pd.Index(inclusion.terms, name="term")
    return pd.DataFrame(either, index=index, columns=list(inclusion.terms))


def submodel_table(inclusion: Inclusion) -> pd.DataFrame:
    """Return one row a sub-model, the most probable first: its probability and log evidence (nats)
    below the best, and its coefficients (empty where a term is out)."""
    weights = inclusion.weights()
    order = np.argsort(-weights, kind="stable")
    names = [rule_name(inclusion, k) for k in order]
    table = pd.DataFrame(index=pd.Index(names, name="sub-model"))
    table["P"] = weights[order]
    table["log evidence"] = inclusion.log_evidence[order] - inclusion.log_evidence.max()
    table["correction"], table["its SE"] = inclusion.correction[order].T
    table["not arrived"] = inclusion.unsettled[order]
    values = np.where(inclusion.included, inclusion.population, np.nan)[order]
    return table.join(pd.DataFrame(values, index=table.index, columns=list(inclusion.terms)))


def leading(inclusion: Inclusion, spec: ModelSpec, size: int) -> list[ModelSpec]:
    """Return the most probable sub-models as declared models, with the scales they were weighed
    with; ``spec`` is the model of all candidates."""
    scales = dict(zip(inclusion.terms, map(float, inclusion.scales), strict=True))
    out = []
    for k in np.argsort(-inclusion.weights(), kind="stable")[:size]:
        names = tuple(
            t for t, there in zip(inclusion.terms, inclusion.included[k], strict=True) if there
        )
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


def rule_name(inclusion: Inclusion, k: int) -> str:
    """Return the name of a sub-model: its terms, separated by commas."""
    inside = [t for t, there in zip(inclusion.terms, inclusion.included[k], strict=True) if there]
    return ", ".join(inside) or "no term"


def joint(inclusion: Inclusion) -> list[tuple[tuple[str, ...], float]]:
    """Return sets of terms that stand for each other, with the probability that at least one is in.

    They are the smallest sets of two or three terms of which at least one is said to be in, and all
    are out together less than half as often as if each were out of its own accord.
    """
    single = dict(zip(inclusion.terms, inclusion.probability(), strict=True))
    present = inclusion.settings.present
    unsure = [term for term, p in single.items() if p <= present]
    found: list[tuple[tuple[str, ...], float]] = []
    for size in (2, 3):
        for group in itertools.combinations(unsure, size):
            together = inclusion.any_of(group)
            alone = np.prod([1.0 - single[term] for term in group])
            smaller = max(map(inclusion.any_of, itertools.combinations(group, size - 1)))
            if 1.0 - together < LINKED * alone and smaller <= present < together:
                found.append((group, together))
    return found


def sentences(inclusion: Inclusion) -> list[str]:
    """Return the answer in words: what is in, what is out, what cannot be told, and jointly."""
    groups: dict[str, list[str]] = {}
    for term, p in zip(inclusion.terms, inclusion.probability(), strict=True):
        named = f"{term} ({p:.2f})"
        groups.setdefault(verdict(inclusion.settings, p), []).append(named)
    out = []
    for said, begin in {
        "in": "In the rule",
        "out": "Out of it",
        "the data cannot tell": "The data cannot tell of",
    }.items():
        if said in groups:
            out.append(f"{begin}: {', '.join(groups[said])}.")
    for group, p in joint(inclusion):
        names = f"{', '.join(group[:-1])} and {group[-1]}"
        out.append(
            f"At least one of {names} is in the rule (probability {p:.2f}), and the data cannot "
            "tell which."
        )
    if not inclusion.everything:
        out.append(
            f"These are {len(inclusion.included)} sub-models of 2^{len(inclusion.terms)}, those a "
            "search visited; what it missed is not counted."
        )
    checked = inclusion.correction[np.isfinite(inclusion.correction[:, 0]), 0]
    if checked.size:
        out.append(
            f"Importance sampling moves the log evidence of the {checked.size} leading sub-models "
            f"by {checked.min():+.1f} to {checked.max():+.1f} nats."
        )
    moved = sensitive(inclusion)
    if moved:
        out.append(f"With another prior the answer changes for {', '.join(moved)}.")
    return out


def sensitive(inclusion: Inclusion) -> list[str]:
    """Return the terms of which another prior of the settings says something else."""
    others = [inclusion.weights(effect=effect) for effect in inclusion.by_effect]
    others += [inclusion.weights(prior) for prior in inclusion.settings.other_inclusions]
    probabilities = np.array([inclusion.probability(w) for w in (inclusion.weights(), *others)])
    return [
        term
        for term, each in zip(inclusion.terms, probabilities.T, strict=True)
        if len({verdict(inclusion.settings, p) for p in each}) > 1
    ]
