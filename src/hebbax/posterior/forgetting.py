"""What a posterior says of forgetting, in sentences and tables.

It is told by what a weight loses of itself in a trial (`hebbax.rule.fading`), in per cent, and by
the memory in trials. A coefficient alone does not say it: the same one is another loss where there
are more stimuli. The value of a loss is the median of its draws. Tables and sentences say how far
the posterior can be trusted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from hebbax.model.effects import covariates_named
from hebbax.model.spec import Declared
from hebbax.posterior import alone, diagnostics, learning
from hebbax.posterior.inference_data import covariates_of, sessions_of, spec_of
from hebbax.posterior.summary import INTERVAL, population_table, probability, samples_of
from hebbax.posterior.verdict import Verdict
from hebbax.rule.equivalent import TEMPERATURE, equivalent
from hebbax.rule.fading import CHOSEN, PERCENT, Loss, losses, memory, unsteady
from hebbax.rule.function import FunctionRule
from hebbax.rule.taylor import parse_term

COLUMNS = [
    "loss in a trial (%)",
    "loss, 5 %",
    "loss, 95 %",
    "memory (trials)",
    "memory, 5 %",
    "memory, 95 %",
    "P(loss > 0)",
]
"""Columns of a table of losses."""

MIDDLE = (INTERVAL[0], 0.5, INTERVAL[1])
"""Ends and middle of the interval that every table gives."""

SURE = 0.95
"""Probability from which an animal is counted, and a difference told."""


@dataclass(frozen=True)
class Forgetting:
    """The posterior of what a weight loses of itself in a trial, a fraction.

    Attributes:
        loss: whose weight, and how its loss follows from the coefficients.
        population: draws ``(sample,)`` of the population's loss, or None where there is none.
        animals: draws ``(sample, animal)`` of each animal's.
        names: of the animals.
        alone: probability ``(animal,)`` that each animal's weights lose by what it says alone,
            missing where that is not known; None where it was not stored
            (`hebbax.posterior.alone`).
        declared: whether a learning model declares that weights fade, wherever its parameters may
            be, so that only how fast is inferred.
    """

    loss: Loss
    population: np.ndarray | None
    animals: np.ndarray
    names: tuple[str, ...]
    alone: np.ndarray | None = None
    declared: bool = False

    @property
    def sentence(self) -> str:
        """How much is lost, how sure that is, and in how many animals."""
        return " ".join(filter(None, [self._of_population, self._of_animals]))

    @property
    def _of_population(self) -> str:
        if self.population is None:
            return ""
        low, middle, high = np.quantile(self.population, MIDDLE)
        growth = "; a negative loss is growth" if low < 0 else ""
        shares = f"{PERCENT * low:z.1f} to {PERCENT * high:z.1f} %{growth}"
        kept = remembered(low, middle, high)
        said = (
            f"In the population {self.loss.weight} loses {PERCENT * middle:z.1f} % of itself in a "
            f"trial (90 % interval {shares}){f', a memory of {kept}' if kept else ''}"
        )
        if self.declared:
            return f"{said}."
        sure = probability(float((self.population > 0).mean()))
        # What the chosen weight alone loses a delta rule takes from it too.
        only_chosen = self.loss.weight == CHOSEN
        what = "by forgetting or as in a delta rule" if only_chosen else "which is forgetting"
        return f"{said}; that it loses, {what}, has probability {sure}."

    @property
    def _of_animals(self) -> str:
        if self.declared:
            return ""
        sure = int(((self.animals > 0).mean(0) > SURE).sum())
        where = "" if self.population is None else ", in the hierarchy, where they share strength"
        return (
            f"That {self.loss.weight} loses is more than {SURE:.0%} probable in {sure} of "
            f"{len(self.names)} animals{where}{self._by_themselves}."
        )

    @property
    def _by_themselves(self) -> str:
        if self.alone is None:
            return ""
        known = np.isfinite(self.alone)
        sure = int((self.alone[known] > SURE).sum())
        said = f", and in {sure} of {known.sum()} by their own choices alone"
        missing = [name for name, is_known in zip(self.names, known, strict=True) if not is_known]
        if missing:
            said += f" (not known of {', '.join(missing)}, whose chains did not agree)"
        return said


def remembered(low: float, middle: float, high: float) -> str:
    """Return the memory of a loss and of the ends of its interval in words, none for growth."""
    sooner, fading, later = (float(memory(loss)) for loss in (high, middle, low))
    if not np.isfinite(fading):
        return ""
    end = f"to {in_trials(later)}" if np.isfinite(later) else "or more"
    return f"{in_trials(fading)} trials ({in_trials(sooner)} {end})"


def in_trials(memory: float) -> str:
    """Return a number of trials in words, with a digit behind the point where it is below ten."""
    return f"{memory:.0f}" if memory >= 9.95 else f"{memory:z.1f}"


def fades(posterior: xr.DataTree) -> bool:
    """Return whether any term of the rule that is inferred fades weights by the same share in every
    trial."""
    return bool(losses(learning.inferred(spec_of(posterior)), 1.0, 1))


def forgetting(posterior: xr.DataTree) -> list[Forgetting]:
    """Return the posterior of each loss of the rule (`hebbax.rule.fading.losses`), none where no
    term fades weights, or its loss is declared and not inferred."""
    draws = learning.taylor(posterior.posterior.to_dataset())
    if "theta" not in draws:
        return []
    spec = spec_of(posterior)
    terms = [str(term) for term in draws["term"].to_numpy()]
    inferred = np.isin(terms, learning.inferred(spec))
    animals = samples_of(draws["theta"]).transpose("sample", "animal", "term").to_numpy()
    population = None
    if "theta_population" in draws:
        population = samples_of(draws["theta_population"]).transpose("sample", "term").to_numpy()
    names = tuple(str(name) for name in draws["animal"].to_numpy())
    found = alone.stored(posterior)
    out = []
    for loss in losses(terms, spec.rate, int(posterior.attrs["n_inputs"])):
        if not loss.factors[inferred].any():  # a number in the model file
            continue
        by_itself = None
        if found is not None:
            by_itself = _alone_above(found["loss"].sel(weight=loss.weight))
        shared = None if population is None else loss.of(population)
        declared = bool(spec.parameters) and _is_declared(posterior, loss)
        out.append(Forgetting(loss, shared, loss.of(animals), names, by_itself, declared))
    return out


def _alone_above(lost: xr.DataArray) -> np.ndarray:
    """Return the probability ``(animal,)`` of each animal alone that its weights lose anything:
    none where the rule lets them lose nothing."""
    low, high, below = (lost.sel(statistic=s).to_numpy() for s in ("5 %", "95 %", "P(< 0)"))
    return np.where((low == 0) & (high == 0), 0.0, 1.0 - below)


def _rule(posterior: xr.DataTree) -> Declared:
    return spec_of(posterior).plasticity(int(posterior.attrs["n_inputs"]))


def _is_declared(posterior: xr.DataTree, loss: Loss) -> bool:
    """Return whether weights of animals fade, or stay, wherever a learning model's parameters may
    be."""
    drawn = {"theta": learning.WIDER * posterior.prior["theta"].to_numpy()}
    found = learning.natural(spec_of(posterior), _rule(posterior), drawn)
    coefficients = found[learning.COEFFICIENTS]
    return bool((loss.of(coefficients) >= 0).all())


def forgetting_sentence(posterior: xr.DataTree, verdict: Verdict | None = None) -> str:
    """Return the answer to: is there active forgetting, how large, how sure; beside it the
    coefficients, and the terms that are no part of it. Empty for a rule without it. It begins with
    what the ``verdict``, made where it is not known, is of a posterior that failed."""
    said = [term.sentence for term in forgetting(posterior)]
    if not said:
        return ""
    verdict = diagnostics.verdict_of(posterior, verdict)
    said.insert(0, verdict.before(posterior.attrs["model"]))
    terms = [
        str(term) for term in learning.taylor(posterior.posterior.to_dataset())["term"].to_numpy()
    ]
    if "theta_population" in posterior.posterior:
        table = population_table(posterior, verdict)
        said.append(_parameters(posterior, table) or _beside(table, terms))
        said += _read_as_learning(posterior, terms)
    said += _reference(posterior)
    said += _of_function(posterior)
    if others := unsteady(terms):
        said.append(
            f"What {' and '.join(others)} make{'s' if len(others) == 1 else ''} of a weight is not "
            f"the same in every trial, and no part of this loss{_at_no_reward(posterior, others)}."
        )
    return " ".join(filter(None, said))


def _of_function(posterior: xr.DataTree) -> list[str]:
    """Return what the loss under a rule of one's own leaves out: what the response y makes of a
    weight, and the reward signal where the loss is another with one."""
    rule = _rule(posterior) if spec_of(posterior).rule else None
    if not isinstance(rule, FunctionRule):
        return []
    said = []
    if not rule.steady:
        said.append(
            "What its rule makes of a weight depends on the reward signal, and this loss is that "
            "of a trial in which that is zero; what models say together is of all trials."
        )
    if rule.uses_post:
        said.append(
            "Its rule reads the response y, which depends on weights: what y makes of a weight is "
            "no part of this loss, and is counted in by what models say together."
        )
    return said


def _reference(posterior: xr.DataTree) -> list[str]:
    """Return which animals the population is of, where animals differ by covariates."""
    formulas = spec_of(posterior).by
    if not formulas:
        return []
    if any("(" in formula for formula in formulas.values()):  # a contrast, center(age) ...
        return ["The population is that of animals of which every effect is zero."]
    recorded = covariates_of(posterior)
    named = covariates_named(formulas)
    numbers = [name for name in named if not isinstance(recorded[name][0], str)]
    parts = ["the first level of every factor"] if len(numbers) < len(named) else []
    parts += [f"{name} zero (center({name}) makes that its mean)" for name in numbers]
    return [f"The population is that of animals at {' and '.join(parts)}."]


def _at_no_reward(posterior: xr.DataTree, others: Sequence[str]) -> str:
    """Return that a loss is that of trials with a reward of zero, where only the reward changes
    it."""
    only = all(parse_term(term).reward > 0 for term in others)
    if not only or spec_of(posterior).reward != "raw":
        return ""
    sessions = sessions_of(posterior)
    none = "" if (sessions.rewards[sessions.valid] == 0).any() else ", of which there is none"
    return f", which is that of a trial with a reward of zero{none}"


def _parameters(posterior: xr.DataTree, table: pd.DataFrame) -> str:
    """Return the population's parameters of a learning model in words; nothing for another."""
    each = [
        f"{name} = {row['median']:.3g} ({row['5 %']:.3g} to {row['95 %']:.3g})"
        for name, row in ((one, table.loc[one]) for one in spec_of(posterior).parameters)
    ]
    return f"Parameters in the population: {', '.join(each)}." if each else ""


def _read_as_learning(posterior: xr.DataTree, terms: list[str]) -> list[str]:
    """Return learning rate and inverse temperature of the population in words, where a rule without
    constraints is a learning model (`hebbax.rule.equivalent`) by nearly every draw."""
    spec, draws = spec_of(posterior), posterior.posterior["theta_population"]
    if (spec.readout, spec.reward) != ("softmax", "raw") or spec.parameters:
        return []
    theta = samples_of(draws).transpose("sample", "term").to_numpy()
    found = equivalent(terms, theta, spec.rate, int(posterior.attrs["n_inputs"]))
    if not found or np.isfinite(found[TEMPERATURE]).mean() < SURE:
        return []
    each = []
    for name, drawn in found.items():
        low, middle, high = np.nanquantile(drawn, MIDDLE)
        each.append(f"{name} {middle:.3g} ({low:.3g} to {high:.3g})")
    return [f"Read as a learning model, the population has {' and '.join(each)}."]


def _beside(table: pd.DataFrame, terms: list[str]) -> str:
    """Return the population coefficients that losses are made of, in words."""
    fading = [term for term in terms if losses([term], 1.0, 1)]
    each = [
        f"theta({term}) = {row['median']:.3f} ({row['5 %']:.3f} to {row['95 %']:.3f})"
        for term, row in ((term, table.loc[f"theta {term}"]) for term in fading)
    ]
    return f"Coefficients in the population: {', '.join(each)}."


@diagnostics.marks
def population_losses(posterior: xr.DataTree) -> pd.DataFrame:
    """Return one row a weight that loses: the population's loss in a trial and memory, medians and
    90 % intervals, and the probability of a loss; empty where there is no population."""
    rows = {
        term.loss.weight: loss_row(term, term.population)
        for term in forgetting(posterior)
        if term.population is not None
    }
    return pd.DataFrame(list(rows.values()), pd.Index(rows, name="weight"), COLUMNS, dtype=float)


@diagnostics.marks
def animal_losses(posterior: xr.DataTree) -> pd.DataFrame:
    """Return the same of each animal, one row an animal and weight, and beside it the loss by the
    animal's own choices alone (`hebbax.posterior.alone`) where that is stored."""
    terms = forgetting(posterior)
    rows = {
        (name, term.loss.weight): loss_row(term, term.animals[:, k])
        for term in terms
        for k, name in enumerate(term.names)
    }
    index = pd.MultiIndex.from_arrays(
        [[animal for animal, _ in rows], [weight for _, weight in rows]], names=["animal", "weight"]
    )
    table = pd.DataFrame(list(rows.values()), index, COLUMNS, dtype=float)
    found = alone.stored(posterior)
    if found is not None:
        for statistic in ("median", "5 %", "95 %"):
            each = [
                found["loss"].sel(weight=term.loss.weight, statistic=statistic) for term in terms
            ]
            table[f"alone: {statistic}"] = PERCENT * np.ravel(each)
        known = ~np.ravel([np.full(len(term.names), term.declared) for term in terms])
        table["alone: P(loss > 0)"] = np.where(known, np.ravel([t.alone for t in terms]), np.nan)
    return table


def loss_row(term: Forgetting, drawn: np.ndarray) -> dict[str, float]:
    """Return `COLUMNS` of draws ``(sample,)`` of a loss; of one that is declared no probability."""
    low, middle, high = np.quantile(drawn, MIDDLE)
    shares = [PERCENT * loss for loss in (middle, low, high)]
    trials = [float(memory(loss)) for loss in (middle, high, low)]
    above = np.nan if term.declared else float((drawn > 0).mean())
    return dict(zip(COLUMNS, [*shares, *trials, above], strict=True))
