"""What is said of weighed sub-models: tables, sentences, the rule in symbols, rules with a name."""

import itertools

import numpy as np
import pandas as pd

from hebbax.rule.fading import percent
from hebbax.terms.inclusion import Inclusion, Settings

NAMED = {
    "reward learning (covariance of odour and reward)": ("x r",),
    "habit": ("x",),
    "reward learning and habit": ("x", "x r"),
    "forgetting": ("x r", "w"),
    "chosen-only forgetting, or the delta rule": ("x r", "x w"),
    "covariance with drift (Rajagopalan)": ("1", "r", "x", "x r"),
    "covariance with drift, and forgetting": ("1", "r", "x", "x r", "w"),
    "Oja": ("x y", "y^2 w"),
}
"""Rules with a name, by their terms. Some have the same terms: choices do not tell their stories
apart."""

LINKED = 0.5
"""Terms that are absent together less often than this times chance stand for each other."""

DRAWS = 20_000
"""Draws of the mixture of sub-models behind the intervals of coefficients."""

NORMAL_95 = 1.6449
"""The 95 % quantile of a standard normal."""


def draws(weighed: Inclusion, seed: int = 0) -> np.ndarray:
    """Return draws of the population coefficients ``(draw, term)`` of the mixture of sub-models;
    those of terms that are out are zero."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(weighed.included), DRAWS, p=weighed.weights())
    out = np.zeros((DRAWS, len(weighed.terms)))
    for k in np.unique(chosen):
        rows, inside = np.flatnonzero(chosen == k), np.flatnonzero(weighed.included[k])
        if inside.size:
            out[np.ix_(rows, inside)] = rng.multivariate_normal(
                weighed.population[k][inside],
                weighed.covariance[k][np.ix_(inside, inside)],
                size=len(rows),
                method="cholesky",
            )
    return out


def term_table(weighed: Inclusion, rate: float, n_inputs: int) -> pd.DataFrame:
    """Return one row a term: its probability with what is said of it, that under each other prior,
    median and 90 % interval of its coefficient where it is in, and the loss of a weight in a trial
    that these stand for, in per cent, empty for a term that fades none
    (`hebbax.rule.fading.percent`)."""
    probability = weighed.probability()
    table = pd.DataFrame(index=pd.Index(weighed.terms, name="term"))
    table["P(in)"] = probability
    table["verdict"] = [verdict(weighed.settings, p) for p in probability]
    for (changed, value), weights in weighed.under_other_priors().items():
        table[f"P(in), {changed} {value:g}"] = weighed.probability(weights)
    sampled = draws(weighed)
    numbers = ["median", "5 %", "95 %", "loss (%)", "loss, 5 %", "loss, 95 %"]
    table[numbers] = np.nan
    for j, term in enumerate(weighed.terms):
        inside = sampled[sampled[:, j] != 0.0, j]
        if inside.size:
            low, middle, high = np.quantile(inside, [0.05, 0.5, 0.95])
            lost = percent(term, -np.array([middle, high, low]), rate, n_inputs)
            table.loc[term, numbers] = middle, low, high, *lost
    table["prior scale"] = weighed.scales
    return table


def verdict(settings: Settings, probability: float) -> str:
    """Return what is said of a term of some posterior probability."""
    if probability > settings.present:
        return "in"
    return "out" if probability < settings.absent else "the data cannot tell"


def pair_table(weighed: Inclusion) -> pd.DataFrame:
    """Return the probability that at least one of two terms is in; on the diagonal, of the one."""
    included = weighed.included
    either = np.einsum("k,kij->ij", weighed.weights(), included[:, :, None] | included[:, None])
    index = pd.Index(weighed.terms, name="term")
    return pd.DataFrame(either, index=index, columns=list(weighed.terms))


def submodel_table(weighed: Inclusion) -> pd.DataFrame:
    """Return one row a sub-model, the most probable first: its probability and log evidence (nats)
    below the best, and its coefficients (empty where a term is out)."""
    # By logarithms: probabilities of the last ones are zero alike.
    order, weights = weighed.order(), weighed.weights()
    names = [", ".join(weighed.terms_of(k)) or "no term" for k in order]
    table = pd.DataFrame(index=pd.Index(names, name="sub-model"))
    table["P"] = weights[order]
    table["log evidence"] = weighed.log_evidence[order] - weighed.log_evidence.max()
    table["animals' part of the error"], table["its SE"] = weighed.animals_part[order].T
    table["not arrived"] = weighed.unsettled[order]
    values = np.where(weighed.included, weighed.population, np.nan)[order]
    return table.join(pd.DataFrame(values, index=table.index, columns=list(weighed.terms)))


def joint(weighed: Inclusion) -> list[tuple[tuple[str, ...], float]]:
    """Return sets of terms that stand for each other, with the probability that at least one is in.

    They are the smallest sets of two or three terms of which at least one is said to be in, and all
    are out together less than half as often as if each were out of its own accord.
    """
    single = dict(zip(weighed.terms, weighed.probability(), strict=True))
    present = weighed.settings.present
    unsure = [term for term, p in single.items() if p <= present]
    found: list[tuple[tuple[str, ...], float]] = []
    for size in (2, 3):
        for group in itertools.combinations(unsure, size):
            together = weighed.any_of(group)
            alone = np.prod([1.0 - single[term] for term in group])
            smaller = max(map(weighed.any_of, itertools.combinations(group, size - 1)))
            if 1.0 - together < LINKED * alone and smaller <= present < together:
                found.append((group, together))
    return found


def sentences(weighed: Inclusion) -> list[str]:
    """Return the answer in words: what is in, what is out, what cannot be told, and jointly."""
    groups: dict[str, list[str]] = {}
    for term, p in zip(weighed.terms, weighed.probability(), strict=True):
        named = f"{term} ({p:.2f})"
        groups.setdefault(verdict(weighed.settings, p), []).append(named)
    out = []
    for said, begin in {
        "in": "In the rule",
        "out": "Out of it",
        "the data cannot tell": "The data cannot tell of",
    }.items():
        if said in groups:
            out.append(f"{begin}: {', '.join(groups[said])}.")
    for group, p in joint(weighed):
        names = f"{', '.join(group[:-1])} and {group[-1]}"
        out.append(
            f"At least one of {names} is in the rule (probability {p:.2f}), and the data cannot "
            "tell which."
        )
    if not weighed.everything:
        out.append(
            f"These are {len(weighed.included)} sub-models of 2^{len(weighed.terms)}, those a "
            "search visited; what it missed is not counted."
        )
    checked = weighed.animals_part[np.isfinite(weighed.animals_part[:, 0]), 0]
    if checked.size:
        out.append(
            "With population and spreads held at their mode, importance sampling of each animal "
            f"moves the log evidence of the {checked.size} leading sub-models by "
            f"{checked.min():+.1f} to {checked.max():+.1f} nats; how wrong it is about population "
            "and spreads, this does not see."
        )
    if weighed.unsettled_scales:
        out.append(
            f"The scales of the prior did not settle: the last time, one still moved by "
            f"{weighed.unsettled_scales:.0%}. What hangs on them is not exact."
        )
    if len(weighed.settings.effects) > 1:
        effects = sorted(weighed.effects().items())
        said = ", ".join(f"{value:g} ({p:.2f})" for value, p in effects)
        out.append(f"Effect, in units of what a choice can tell: {said}.")
    moved = sensitive(weighed)
    if moved:
        out.append(f"With another prior the answer changes for {', '.join(moved)}.")
    return out


def sensitive(weighed: Inclusion) -> list[str]:
    """Return the terms of which another prior of the settings says something else."""
    others = weighed.under_other_priors().values()
    probabilities = np.array([weighed.probability(w) for w in (weighed.weights(), *others)])
    return [
        term
        for term, each in zip(weighed.terms, probabilities.T, strict=True)
        if len({verdict(weighed.settings, p) for p in each}) > 1
    ]


def in_symbols(weighed: Inclusion, terms: tuple[str, ...]) -> str:
    """Return a sub-model as a sum of terms, each with the 90 % interval of its population
    coefficient, before the learning rate 1 / n_inputs; of one that was not weighed its terms.

    A coefficient below zero is written with a minus, and its interval then counts downwards:
    "dw = 0.24 [0.17, 0.31] x r - 0.05 [0.03, 0.07] w" has w between -0.07 and -0.03.
    """
    if not terms:
        return "dw = 0"
    k = weighed.place(terms)
    if k is None:
        return f"dw of {', '.join(terms)}, which the search did not weigh"
    out = ""
    for term in terms:
        j = weighed.terms.index(term)
        mean, sd = weighed.population[k, j], np.sqrt(weighed.covariance[k, j, j])
        size, sign = abs(mean), "-" if mean < 0 else "+"
        low, high = (_rounded(size + side * NORMAL_95 * sd, sd) for side in (-1, 1))
        out += f" {sign} {_rounded(size, sd)} [{low}, {high}] {term}"
    return "dw = " + out.removeprefix(" + ").lstrip()


def _rounded(value: float, sd: float) -> str:
    """Return a number with two digits of its standard deviation."""
    digits = int(np.clip(1 - np.floor(np.log10(max(sd, 1e-6))), 0, 4))
    return f"{value:.{digits}f}"


def named_rules(weighed: Inclusion) -> pd.DataFrame:
    """Return one row a rule of `NAMED`: its terms, its log evidence above the best sub-model's
    (nats; empty where it was not weighed, with a note that says why), and its probability."""
    weights, rows = weighed.weights(), {}
    for name, terms in NAMED.items():
        k = weighed.place(terms)
        missing = [term for term in terms if term not in weighed.terms]
        note = f"{', '.join(missing)} not among the candidates" if missing else ""
        if k is None and not missing:
            note = "not among the sub-models that the search weighed"
        rows[name] = {
            "terms": ", ".join(terms),
            "log evidence": np.nan
            if k is None
            else weighed.log_evidence[k] - weighed.log_evidence.max(),
            "P": np.nan if k is None else weights[k],
            "note": note,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule")
