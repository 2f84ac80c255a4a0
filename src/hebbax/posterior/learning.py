"""Posteriors of parameters in natural units, and the coefficients that those of a rule make.

A posterior of a learning model (`hebbax.rule.named`), or of a rule of one's own
(`hebbax.rule.function`), has ``theta`` along ``term``, the names of its parameters: what was
sampled, each on the scale of its link beside its prior median. So are the parameters of a choice
that have a range (`hebbax.model.choice_parameters.Ranged`). Beside these are stored, as functions
of them,

    parameters    (..., animal, parameter)      alpha, beta, lapse ... themselves
    coefficients  (..., animal, coefficient)    the coefficient of each Taylor term
    parameters_population, coefficients_population    those of the population's theta

so that whoever asks for coefficients or losses finds them as of any other rule. Of a rule of one's
own they are those of w and x w that it amounts to.
"""

from collections.abc import Collection, Mapping

import jax.numpy as jnp
import numpy as np
import xarray as xr

from hebbax.model.choice_model import ChoiceModel
from hebbax.model.choice_parameters import PARAMETERS as CHOICE
from hebbax.model.choice_parameters import Ranged
from hebbax.model.choices import Model
from hebbax.model.spec import Declared, ModelSpec
from hebbax.rule.expression import Expression
from hebbax.rule.function import FunctionRule
from hebbax.rule.named import Parametrised

PARAMETERS, COEFFICIENTS = "parameters", "coefficients"
DIMS = {PARAMETERS: "parameter", COEFFICIENTS: "coefficient"}
"""The dimension of each, beside that of animals."""

POPULATION = "_population"

WIDER = 3.0
"""By how much draws of the prior are spread out where it is asked what a model declares: what holds
of a few hundred of these holds where a parameter has its range, and not because its prior hardly
goes elsewhere."""

RANGED = tuple(name for name, one in CHOICE.items() if issubclass(one, Ranged))
"""Names of the parameters of a choice that have a range."""


def derived(model: Model, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return parameters and coefficients, of every animal and of the population, from values by
    site ``(..., member)``; nothing for a model without parameters."""
    animals = {name: own for name, own in values.items() if not name.endswith(POPULATION)}
    shared = {
        name.removesuffix(POPULATION): own for name, own in values.items() if name not in animals
    }
    of_population = natural(model.spec, model.rule, shared)
    return natural(model.spec, model.rule, animals) | {
        f"{name}{POPULATION}": own for name, own in of_population.items()
    }


def natural(
    spec: ModelSpec, rule: Declared, values: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return parameters and coefficients of values by group ``(..., member)``."""
    out, each = {}, []
    if "theta" in values and spec.parameters:
        theta = jnp.asarray(values["theta"])
        made = rule.fading if isinstance(rule, FunctionRule) else rule.coefficients
        out[COEFFICIENTS] = np.asarray(made(theta))
        if isinstance(rule, Parametrised):
            each += list(rule.values(theta).values())
    each += [
        one.value([values[one.name]]) for one in ChoiceModel.of(spec).ranged if one.name in values
    ]
    if each:
        out[PARAMETERS] = np.stack(list(map(np.asarray, each)), axis=-1)
    return out


def names_of(spec: ModelSpec, among: Collection[str] | None = None) -> list[str]:
    """Return the names of the parameters in natural units, of those that values by group ``among``
    have."""
    rule = spec.parameters if among is None or "theta" in among else ()
    each = [one.name for one in ChoiceModel.of(spec).ranged if among is None or one.name in among]
    return [*rule, *each]


def coordinates(model: Model) -> dict[str, list[str]]:
    """Return the labels of parameters and of coefficients."""
    out, names = {}, names_of(model.spec)
    if model.spec.parameters:
        out[DIMS[COEFFICIENTS]] = list(model.spec.terms)
    return {**out, DIMS[PARAMETERS]: names} if names else out


def dims(spec: ModelSpec) -> dict[str, tuple[str, ...]]:
    """Return the dimensions of what is stored beside the values of a model, by name."""
    stored = {
        PARAMETERS: bool(spec.parameters or ChoiceModel.of(spec).ranged),
        COEFFICIENTS: bool(spec.parameters),
    }
    own = {name: dim for name, dim in DIMS.items() if stored[name]}
    out: dict[str, tuple[str, ...]] = {name: ("animal", dim) for name, dim in own.items()}
    if spec.population:
        out |= {f"{name}{POPULATION}": (dim,) for name, dim in own.items()}
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
    rule = COEFFICIENTS if COEFFICIENTS in names else "theta"
    first = {PARAMETERS: "", rule: "theta"} if rule in names else {PARAMETERS: ""}
    told_by_them = (*DIMS, "theta", *RANGED)
    return {**first, **{name: name for name in names if name not in told_by_them}}


def taylor(draws: xr.Dataset) -> xr.Dataset:
    """Return values with the Taylor coefficients as ``theta`` along ``term``, of whatever model."""
    if COEFFICIENTS not in draws:
        return draws
    names = {f"{COEFFICIENTS}{end}": f"theta{end}" for end in ("", POPULATION)}
    known = {old: new for old, new in names.items() if old in draws}
    return draws.drop_dims("term").rename({**known, DIMS[COEFFICIENTS]: "term"})


def inferred(spec: ModelSpec) -> tuple[str, ...]:
    """Return the Taylor terms whose coefficient is not declared as a number."""
    known, expressions = set(spec.parameters), spec.coefficients
    return tuple(
        term
        for term in spec.terms
        if term not in expressions or known & Expression(expressions[term]).names
    )
