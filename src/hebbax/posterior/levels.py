"""What a posterior says of groups of animals: population values of each, and their differences.

    value of a group = population value + sum over effects of covariate_e * effect_e

in natural units, at every distinct combination of the covariates that the formulas of a model name
(`hebbax.model.effects`), and their spreads where these depend on them, on the scale that is
sampled. Beside parameters and coefficients stand the losses that these make. A difference is that
of the draws, so that what two groups share drops out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from hebbax.data import Sessions
from hebbax.data.sessions import natural_order
from hebbax.model.effects import NAME as EFFECT
from hebbax.model.effects import Effects, coded, covariates_named
from hebbax.model.members import effects_at
from hebbax.model.spec import ModelSpec
from hebbax.posterior import diagnostics, learning
from hebbax.posterior.forgetting import MIDDLE, SURE
from hebbax.posterior.inference_data import covariates_of, sessions_of, spec_of
from hebbax.posterior.summary import INTERVAL, probability, samples_of
from hebbax.posterior.verdict import Verdict
from hebbax.rule.fading import PERCENT, losses
from hebbax.typing import Parameters

MOST = 12
"""Combinations of covariates that are told apart."""

LOSS = "loss of"
"""How the name of what a weight loses begins."""

MOST_TOLD = 4
"""Differences that a sentence tells of; the table has all."""


@dataclass(frozen=True)
class Levels:
    """Population values of groups of animals.

    ``names`` of the groups, ``animals`` in each, and draws ``(sample, group)`` of each value by its
    name, those only that the covariates have an effect on; and the numbers that are ``held`` at
    their mean over all animals.
    """

    names: tuple[str, ...]
    animals: tuple[int, ...]
    draws: dict[str, np.ndarray]
    held: Mapping[str, float]


def levels(posterior: xr.DataTree) -> Levels | None:
    """Return the population values of each combination of covariates that animals have, in natural
    order. Where there are more than `MOST` they are those of the factors, with every number at its
    mean. None for a model without effects, and where there are no factors, or too many groups of
    them."""
    spec = spec_of(posterior)
    draws = posterior.posterior
    if EFFECT not in draws:
        return None
    sessions, covariates = sessions_of(posterior), covariates_named(spec.by)
    labels, places = _labels(sessions, covariates)
    held = _means(spec, sessions, covariates) if len(set(labels)) > MOST else {}
    if held and (factors := [name for name in covariates if name not in held]):
        labels, places = _labels(sessions, factors)
    names = sorted(set(labels), key=lambda name: places[labels.index(name)])
    if len(names) > MOST:
        return None
    first = [labels.index(name) for name in names]
    at = {n: [held.get(n, sessions.covariates[n][a]) for a in first] for n in covariates}
    of_levels, values = effects_at(spec, sessions, at), {}
    sizes = {EFFECT: jnp.asarray(_drawn(draws[EFFECT]))}
    for group in dict.fromkeys(effect.group for effect in of_levels.each):
        drawn = _drawn(draws[f"{group}_population"])[:, None]
        values[group] = np.asarray(drawn + of_levels.shift(group, drawn.shape[2:], sizes))
    found = _told(spec, sessions.n_stimuli, values) | _spreads(of_levels, draws, sizes)
    differing = {name: drawn for name, drawn in found.items() if np.ptp(drawn, axis=1).any()}
    return Levels(tuple(names), tuple(labels.count(name) for name in names), differing, held)


def _means(spec: ModelSpec, sessions: Sessions, covariates: Sequence[str]) -> dict[str, float]:
    """Return the mean over animals of each covariate that is a number, and no code of groups."""
    codes = coded(spec.by)
    return {
        name: float(np.mean(np.array(sessions.covariates[name], float)))
        for name in covariates
        if not isinstance(sessions.covariates[name][0], str) and name not in codes
    }


def _spreads(effects: Effects, draws: xr.Dataset, sizes: Parameters) -> dict[str, np.ndarray]:
    """Return the spreads ``(sample, group)`` that depend on covariates, by their names: that of a
    parameter is of its logit or logarithm."""
    found = {}
    places = {(one.group, one.place): one for one in effects.each if one.part == "spread"}
    for (group, place), one in places.items():
        drawn = _drawn(draws[f"{group}_spread"])[:, None]
        own = np.asarray(drawn * effects.factor(group, drawn.shape[2:], sizes))
        found[f"spread of {one.link}{one.member}"] = own.reshape(*own.shape[:2], -1)[..., place]
    return found


def _drawn(values: xr.DataArray) -> np.ndarray:
    return np.asarray(samples_of(values).transpose("sample", ...))


def _told(spec: ModelSpec, n_stimuli: int, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what is told of values by group ``(sample, group, member)``, by its name."""
    natural = learning.natural(spec, spec.plasticity(n_stimuli), values)
    found = {}
    if learning.PARAMETERS in natural:
        for j, name in enumerate(learning.names_of(spec, values)):
            found[name] = natural[learning.PARAMETERS][..., j]
    if "theta" in values:
        coefficients = natural.get(learning.COEFFICIENTS, values["theta"])
        if not spec.parameters:
            found |= {f"theta {term}": coefficients[..., j] for j, term in enumerate(spec.terms)}
        for loss in losses(spec.terms, spec.rate, n_stimuli):
            found[f"{LOSS} {loss.weight} in a trial (%)"] = PERCENT * loss.of(coefficients)
    told = ("theta", *learning.RANGED)
    return found | {name: own for name, own in values.items() if name not in told}


def _labels(sessions: Sessions, covariates: Sequence[str]) -> tuple[list[str], list[tuple]]:
    """Return the combination of covariates of each animal in words, and its place in their natural
    order."""
    columns = {name: sessions.covariates[name] for name in covariates}
    one = len(columns) == 1
    labels = [
        ", ".join(
            str(values[a]) if one and isinstance(values[a], str) else f"{name} {_shown(values[a])}"
            for name, values in columns.items()
        )
        for a in range(sessions.n_animals)
    ]
    return labels, list(zip(*([_place(v) for v in own] for own in columns.values()), strict=True))


def _place(value: str | float) -> list[float | str]:
    return natural_order(value) if isinstance(value, str) else [value]


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"


@diagnostics.marks
def level_table(posterior: xr.DataTree) -> pd.DataFrame:
    """Return one row a value and group: number of animals, median and ends of the 90 % interval;
    empty where no groups are told apart."""
    found, rows = levels(posterior), {}
    for value, drawn in (found.draws if found else {}).items():
        assert found is not None
        for g, group in enumerate(found.names):
            low, middle, high = np.quantile(drawn[:, g], MIDDLE)
            rows[value, group] = (found.animals[g], middle, low, high)
    return _table(rows, ["animals", "median", "5 %", "95 %"], ["value", "group"])


@diagnostics.marks
def difference_table(posterior: xr.DataTree) -> pd.DataFrame:
    """Return one row a value and pair of groups: the median of the difference, the ends of its 90 %
    interval and its probability of being above zero, where they can differ; empty where no groups
    are told apart."""
    rows = {
        (value, f"{one} less {other}"): (*np.quantile(d, (0.5, *INTERVAL)), (d > 0).mean())
        for value, one, other, d in _differences(levels(posterior))
    }
    return _table(rows, ["median", "5 %", "95 %", "P(> 0)"], ["value", "difference"])


def _differences(found: Levels | None) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Give the draws of each value's difference of two groups, where its formula lets them differ:
    a covariate of another value's formula makes groups, too."""
    for value, drawn in (found.draws if found else {}).items():
        assert found is not None
        for one, other in combinations(range(len(found.names)), 2):
            difference = drawn[:, other] - drawn[:, one]
            if difference.any():
                yield value, found.names[other], found.names[one], difference


def _table(rows: dict, columns: list[str], names: list[str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(list(rows), names=names) if rows else None
    if index is None:
        index = pd.MultiIndex.from_arrays([[], []], names=names)
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def sentence(posterior: xr.DataTree, verdict: Verdict | None = None) -> str:
    """Return which groups differ in what, and how sure that is; empty where none are told apart. It
    begins with what the ``verdict``, made where it is not known, is of a posterior that did not
    pass."""
    found = levels(posterior)
    if found is None:
        return ""
    verdict = diagnostics.verdict_of(posterior, verdict)
    mark = verdict.before(posterior.attrs["model"])
    held = [f"{name} at its mean of {value:.3g}" for name, value in found.held.items()]
    where = f"Groups are compared with {' and '.join(held)}." if held else ""
    return " ".join(filter(None, [mark, _told_of(found), where, _slope(posterior)]))


def _slope(posterior: xr.DataTree) -> str:
    """Return that groups lie on one line and differ all or none, where all formulas are of one
    covariate, a number as it stands."""
    formulas = spec_of(posterior).by.values()
    plain = {re.sub(r"\s|^center\(|\)$", "", formula) for formula in formulas}
    name, recorded = next(iter(plain)), covariates_of(posterior)
    if len(plain) > 1 or name not in recorded or isinstance(recorded[name][0], str):
        return ""
    return (
        f"{name} is a number, with one slope, so that what holds of two groups holds of all; where "
        f"it is a code of groups, C({name}) gives each a value of its own."
    )


def _told_of(found: Levels) -> str:
    """Return which groups differ in what, and how sure that is. A loss that is a multiple of a
    value, as of w or of a learning rate, is no other difference than that of the value."""
    sure, pairs = [], 0
    own = {name: drawn for name, drawn in found.draws.items() if not name.startswith(LOSS)}
    for value, one, other, difference in _differences(found):
        if value not in own and any(_multiple(found.draws[value], x) for x in own.values()):
            continue
        pairs += 1
        above = float((difference > 0).mean())
        if max(above, 1.0 - above) > SURE:
            sure.append((max(above, 1.0 - above), _told_apart(value, one, other, difference)))
    told = [said for _, said in sorted(sure, key=lambda one: -one[0])]
    if not told:
        return (
            f"No group differs from another with probability over {SURE}, in any of {pairs} "
            "differences."
        )
    if pairs == 1:
        return f"The one difference of groups is more than {SURE:.0%} probable: {told[0]}."
    which = f", the first {MOST_TOLD}" if len(told) > MOST_TOLD else ""
    return (
        f"Of {pairs} differences of groups {len(told)} are more than {SURE:.0%} probable{which}: "
        f"{'; '.join(told[:MOST_TOLD])}."
    )


def _multiple(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether draws ``(sample, group)`` are a multiple of others."""
    factor = (one * other).sum() / max((other**2).sum(), np.finfo(float).tiny)
    return np.allclose(one, factor * other, rtol=1e-5, atol=1e-9 * np.abs(one).max())


def _told_apart(value: str, one: str, other: str, difference: np.ndarray) -> str:
    low, middle, high = np.quantile(difference, MIDDLE)
    above = float((difference > 0).mean())
    how = "higher" if above > 0.5 else "lower"
    return (
        f"{value} is {how} in {one} than in {other} with probability "
        f"{probability(max(above, 1.0 - above))} (difference {middle:.3g}, 90 % interval {low:.3g} "
        f"to {high:.3g})"
    )
