"""Posteriors of learning models in natural units: parameters, and the coefficients they make.

A posterior of a learning model (`hebbax.rule.named`) has ``theta`` along ``term``, the names of its
parameters: what was sampled, each on the scale of its link beside its prior median. Beside it are
stored, as functions of it,

    parameters    (..., animal, parameter)      alpha, beta ... themselves
    coefficients  (..., animal, coefficient)    the coefficient of each Taylor term
    parameters_population, coefficients_population    those of the population's theta

so that whoever asks for coefficients or losses finds them as of any other rule.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from hebbax.model.choices import Model
from hebbax.model.spec import ModelSpec
from hebbax.rule.expression import Expression
from hebbax.rule.named import NamedRule

PARAMETERS, COEFFICIENTS = "parameters", "coefficients"
DIMS = {PARAMETERS: "parameter", COEFFICIENTS: "coefficient"}
"""The dimension of each, beside that of animals."""

POPULATION = "_population"


def derived(model: Model, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return parameters and coefficients, of every animal and of the population, from values by
    site ``(..., member)``; nothing for a model without parameters."""
    rule = model.rule
    if not isinstance(rule, NamedRule):
        return {}
    out = {}
    for end in ("", POPULATION):
        if f"theta{end}" in values:
            theta = np.asarray(values[f"theta{end}"])
            out[f"{PARAMETERS}{end}"] = np.stack(list(rule.values(theta).values()), axis=-1)
            out[f"{COEFFICIENTS}{end}"] = np.asarray(rule.coefficients(theta))
    return out


def coordinates(model: Model) -> dict[str, list[str]]:
    """Return the labels of parameters and of coefficients."""
    if not isinstance(model.rule, NamedRule):
        return {}
    names = model.rule.parameters, model.rule.taylor.parameters
    return dict(zip(DIMS.values(), map(list, names), strict=True))


def dims(spec: ModelSpec) -> dict[str, tuple[str, ...]]:
    """Return the dimensions of what is stored beside the values of a model, by name."""
    if not spec.parameters:
        return {}
    out: dict[str, tuple[str, ...]] = {name: ("animal", dim) for name, dim in DIMS.items()}
    if spec.population:
        out |= {f"{name}{POPULATION}": (dim,) for name, dim in DIMS.items()}
    return out


def sampled(draws: xr.Dataset) -> xr.Dataset:
    """Return the values that were sampled, without functions of them."""
    return draws.drop_vars([f"{n}{end}" for n in DIMS for end in ("", POPULATION)], errors="ignore")


def told(draws: xr.Dataset) -> dict[str, str]:
    """Return what is told of each animal, by the name of the variable, and the words before the
    label of a member: parameters first, in place of the scale on which they were sampled."""
    names = [str(name) for name, values in draws.data_vars.items() if "animal" in values.dims]
    if PARAMETERS not in names:
        return {name: name for name in names}
    others = {name: name for name in names if name not in (*DIMS, "theta")}
    return {PARAMETERS: "", COEFFICIENTS: "theta", **others}


def taylor(draws: xr.Dataset) -> xr.Dataset:
    """Return values with the Taylor coefficients as ``theta`` along ``term``, of whatever model."""
    if COEFFICIENTS not in draws:
        return draws
    names = {f"{COEFFICIENTS}{end}": f"theta{end}" for end in ("", POPULATION)}
    known = {old: new for old, new in names.items() if old in draws}
    return draws.drop_dims("term").rename({**known, DIMS[COEFFICIENTS]: "term"})


def inferred(spec: ModelSpec) -> tuple[str, ...]:
    """Return the Taylor terms whose coefficient is not declared as a number."""
    known = set(spec.parameters)
    return tuple(
        term
        for term in spec.terms
        if not known or known & Expression(spec.coefficients[term]).names
    )
