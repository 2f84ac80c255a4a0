"""What an experiment can say of each candidate term, before anybody samples a posterior.

The candidates that the trials cannot tell apart are merged (`hebbax.design.redundancy`). To the
others the hierarchy is fitted quickly (`hebbax.inference.variational`); then every animal is given
the population's rule, with its own preference, and the Fisher information of its choices there says
how well the population values would be known (`hebbax.design.information`), with the spreads
between animals of that fit and, as a weak prior, the model's own scales.

The information is taken at one rule, not averaged over each animal's values: that average is ruled
by the few draws at which weights run away, and gave half the standard deviation that fits of
simulated cohorts have (tests/test_identifiability.py).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from hebbax.data import Sessions
from hebbax.design.detection import LEVEL, POWER, detectable, largest
from hebbax.design.information import (
    coefficient_covariance,
    correlation,
    direction,
    information_under,
    known_otherwise,
    weakest,
)
from hebbax.design.redundancy import Redundancy, listed, redundancy
from hebbax.errors import HebbaxError, ModelError
from hebbax.inference import variational
from hebbax.model.choices import Model, build_model
from hebbax.model.spec import ModelSpec
from hebbax.rule.fading import memory, percent
from hebbax.rule.taylor import all_terms, parse_term, term_name
from hebbax.runs import files
from hebbax.typing import Array, Key, Progress, silent
from hebbax.validation.keys import words

FORGETTING = "w"
"""The term that lets every weight decay."""

DRAWS = 16
"""Pairs of opposite draws of the population's rule, over which the answer may vary."""

SILENT = 0.8
"""A standard deviation above this part of the prior's: the choices say next to nothing."""


@dataclass(frozen=True)
class Identifiability:
    """What an experiment can say of candidate terms.

    Attributes:
        spec: the model with the terms that were kept.
        redundancy: what was merged.
        terms: one row a kept term, coefficients before the learning rate 1 / n_inputs:
            ``estimate``, the quick fit's population value; ``prior sd``; ``spread`` between
            animals; ``sd``, the expected standard deviation of the population value, and ``sd,
            5 %`` and ``sd, 95 %`` over rules the animals may have; ``sd, one rule`` were all
            animals alike; ``sd, others known`` were the other terms known; ``detectable`` and
            ``detectable, others known``, the smallest that the choices would show
            (`hebbax.design.detection`), infinite where they would show none; and what a weight
            loses in a trial by them, in per cent, ``loss (%)`` by the estimate, ``loss, sd (%)``
            and ``loss, detectable (%)``, missing for a term that fades no weight.
        correlation: ``(term, term)`` of the estimates.
        directions: one row a direction, weakest first (`hebbax.design.information.weakest`).
        animals, choices, inputs: size of the experiment.
    """

    spec: ModelSpec
    redundancy: Redundancy
    terms: pd.DataFrame
    correlation: pd.DataFrame
    directions: pd.DataFrame
    animals: int
    choices: int
    inputs: int

    @property
    def sentence(self) -> str:
        """The answer in words."""
        given = len(self.terms) + len(self.redundancy.merged)
        rank = (
            f"{self.animals} animal{'s' if self.animals > 1 else ''} and {self.choices} "
            f"choice{'s' if self.choices > 1 else ''} can tell apart "
            f"{min(self.choices, len(self.terms))} of {given} candidate terms."
        )
        return " ".join([rank, *self._forgetting(), *self._unknown(), self._weakest])

    def _forgetting(self) -> list[str]:
        if FORGETTING not in self.terms.index:
            return []
        row = self.terms.loc[FORGETTING].astype(float).to_dict()
        if FORGETTING in self._silent or np.isinf(row["detectable"]):
            return [
                "They say next to nothing of forgetting: the prior knows what a weight loses in a "
                f"trial to {self._share(row['prior sd'])}, and with the choices it would be "
                f"{self._share(row['sd'])}."
            ]
        free, known = row["detectable"], row["detectable, others known"]
        out = [
            "The smallest forgetting they could detect is a weight that loses "
            f"{self._percent(free):.1f} % of itself in a trial, |theta(w)| = {free:.3f} "
            f"({POWER:.0%} power, two-sided {LEVEL:.0%}: of a standard deviation of "
            f"{row['prior sd']:.3f} before the choices they leave {row['sd']:.3f}, which may be "
            f"{row['sd, 5 %']:.3f} to {row['sd, 95 %']:.3f}), a memory of "
            f"{memory(free / self.inputs):.0f} trials"
        ]
        others = self.correlation[FORGETTING].drop(FORGETTING)
        if others.empty:
            return [f"{out[0]}."]
        nearest = str(others.abs().idxmax())
        return [
            f"{out[0]}; were the other terms known, {self._share(known)}, a memory of "
            f"{memory(known / self.inputs):.0f} trials.",
            f"The nearest look-alike of w is {nearest}: their estimates correlate by "
            f"{others[nearest]:.2f}.",
        ]

    def _share(self, coefficient: float) -> str:
        """Return the loss in a trial that a coefficient of w stands for, with it in brackets."""
        return f"{self._percent(coefficient):.1f} % (theta(w): {coefficient:.3f})"

    def _percent(self, coefficient: float) -> float:
        return float(percent(FORGETTING, coefficient, self.spec.rate, self.inputs))

    def _unknown(self) -> list[str]:
        names = self._silent
        return [f"Next to nothing would be known of {listed(names)}."] if names else []

    @property
    def _silent(self) -> list[str]:
        silent = self.terms["sd"] > SILENT * self.terms["prior sd"]
        return [str(name) for name in self.terms.index[silent]]

    @property
    def _weakest(self) -> str:
        return f"Least is known along {self.weak_directions[0]} (one standard deviation)."

    @property
    def weak_directions(self) -> list[str]:
        """The weakest directions as sums of terms, weakest first."""
        known = self.terms["sd, others known"]
        moves = self.directions.drop(columns="inflation")
        return [direction(row, known) for _, row in moves.iterrows()]


def candidates(spec: ModelSpec, terms: str) -> ModelSpec:
    """Return the model with other candidate terms, under normal priors of a hierarchy of animals.

    ``terms`` is a list separated by commas, ``all`` for the 27 of x, r, w, or ``model`` for those
    of the model. Raises `ModelError` for an unknown term, one given twice, or none.
    """
    if terms == "model":
        names = spec.terms
    elif terms == "all":
        names = all_terms("xrw")
    else:
        names = tuple(term_name(parse_term(name.strip())) for name in terms.split(","))
    for k, name in enumerate(names):
        if name in names[:k]:
            raise ModelError(f'the term "{name}" is given twice; each candidate may stand once.')
    if not names:
        raise ModelError(f"{spec.name}: has no terms; name candidates with --terms.")
    if spec.by:
        raise ModelError(
            f"{spec.name}: which terms can be told apart is asked without covariates; leave out "
            '"by".'
        )
    return replace(spec.with_terms(names), prior="normal", hierarchy="animals", scaling="declared")


def identify(
    key: Key, sessions: Sessions, spec: ModelSpec, progress: Progress = silent
) -> Identifiability:
    """Return what the sessions can say of the terms of ``spec`` (see the module).

    Raises `ModelError` where no term can move the log odds of any recorded choice.
    """
    key = words(key)
    rank_key, fit_key, rule_key = jax.random.split(key, 3)
    progress("which terms are one", 0, 3)
    redundant = redundancy(rank_key, build_model(spec, sessions))
    if not redundant.kept:
        raise ModelError(
            f"{sessions.source}: {listed(spec.terms)} cannot move the log odds of any recorded "
            "choice; name other candidates with --terms."
        )
    progress("quick fit", 1, 3)
    kept = replace(spec.with_terms(redundant.kept), prior="normal", hierarchy="animals")
    model = build_model(kept, sessions)
    place = _place(fit_key, model)
    progress("information", 2, 3)
    table, covariance = _expected(rule_key, model, place)
    progress("done", 3, 3)
    return Identifiability(
        kept,
        redundant,
        table,
        correlation(covariance, kept.terms),
        weakest(covariance, kept.terms),
        sessions.n_animals,
        sessions.n_free,
        model.network.n_inputs,
    )


class Place(NamedTuple):
    """Where the information is looked at: the population's ``rule`` (term,), each animal's ``own``
    other values (animal, member - term), spreads and prior scales (member,)."""

    rule: Array
    own: Array
    spread: Array
    prior: Array


def _place(key: Key, model: Model) -> Place:
    found, n = variational.fit(key, model), len(model.spec.terms)
    spread, prior = jnp.exp(found.log_spread), jnp.asarray(model.scales)
    return Place(found.population[:n], found.animals[:, n:], spread, prior)


def _expected(key: Key, model: Model, place: Place) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of expected standard deviations, and the covariance of the coefficients."""
    n, spread, prior = place.rule.size, place.spread, place.prior
    [here] = information_under(model, place.rule[None], place.own)
    covariance = coefficient_covariance(here, spread, prior, n)
    alike = coefficient_covariance(here, spread.at[:n].set(0.0), prior, n)
    away = np.linalg.cholesky(covariance) @ np.asarray(jax.random.normal(key, (n, DRAWS)))
    rules = place.rule + jnp.concatenate([away.T, -away.T])
    others = [
        np.sqrt(np.diagonal(coefficient_covariance(information, spread, prior, n)))
        for information in information_under(model, rules, place.own)
    ]
    sd, known = np.sqrt(np.diagonal(covariance)), known_otherwise(covariance)
    prior_sd = np.asarray(prior[:n])
    most = largest(model.spec.terms, model.spec.rate, model.network)
    low, high = np.quantile(others, [0.05, 0.95], axis=0)
    columns = {
        "estimate": np.asarray(place.rule),
        "prior sd": prior_sd,
        "spread": np.asarray(spread[:n]),
        "sd": sd,
        # The range is of draws around the rule; it holds what is said of the rule itself.
        "sd, 5 %": np.minimum(low, sd),
        "sd, 95 %": np.maximum(high, sd),
        "sd, one rule": np.sqrt(np.diagonal(alike)),
        "sd, others known": known,
        "detectable": detectable(sd, prior_sd, most),
        "detectable, others known": detectable(known, prior_sd, most),
    }
    table = pd.DataFrame(columns, index=pd.Index(model.spec.terms, name="term"))
    for name, size in (
        ("loss (%)", -table["estimate"]),
        ("loss, sd (%)", table["sd"]),
        ("loss, detectable (%)", table["detectable"]),
    ):
        table[name] = [
            float(percent(str(term), each, model.spec.rate, model.network.n_inputs))
            for term, each in size.items()
        ]
    return table, covariance


def write_tables(found: Identifiability, folder: Path) -> None:
    """Write identify.csv, identify_correlation.csv, identify_directions.csv and
    identify_merged.csv."""
    merged = [
        {"term": term, "kept": kept, "factor": factor}
        for term, parts in found.redundancy.merged.items()
        for kept, factor in (parts or {"": 0.0}).items()
    ]
    tables = {
        "identify": found.terms,
        "identify_correlation": found.correlation.rename_axis("term"),
        "identify_directions": found.directions,
        "identify_merged": pd.DataFrame(merged, columns=["term", "kept", "factor"]).set_index(
            "term"
        ),
    }
    files.write_tables(tables, folder, HebbaxError, float_format="%.6g")
