"""Learning models as they are declared: parameters with their priors, coefficients in words.

    z_p = link(p) - link(median_p) ~ Normal(0, scale_p^2)      of the population
    theta(term) = expression of the parameters, n and rate     (`hebbax.rule.named`)

n is the number of stimuli and ``rate`` that of an active presynaptic unit, so that one file serves
any number of alternatives.
"""

import keyword
from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pydantic
from typing_extensions import TypedDict  # that of `typing` is no schema before Python 3.12

from hebbax.errors import ModelError
from hebbax.rule.expression import Expression
from hebbax.rule.named import BOUNDS, CONSTANTS, NamedRule, Parameter, Range
from hebbax.validation import limits
from hebbax.validation.quoting import plain
from hebbax.validation.schema import STRICT

MIN_SCALE, MAX_SCALE = 0.01, 5.0
"""Prior scales of a parameter, on the scale of its link."""

PARAMETERS = (
    f"a table of at most {limits.MAX_TERMS} parameters, each with a range "
    f"({', '.join(BOUNDS)}), a median and a scale from {MIN_SCALE:g} to {MAX_SCALE:g}, as in "
    'alpha = { range = "unit", median = 0.4, scale = 1.0 }'
)
COEFFICIENTS = (
    f"a table of at most {limits.MAX_TERMS} Taylor terms, each with the expression of its "
    'coefficient, as in { "x r" = "n * alpha * beta / rate" }'
)


class Declared(TypedDict):
    """A parameter of a model file: where it lies, and the median and scale of its prior."""

    __pydantic_config__ = STRICT  # type: ignore[misc]

    range: Range
    median: float
    scale: Annotated[float, pydantic.Field(ge=MIN_SCALE, le=MAX_SCALE)]


Parameters = Annotated[Mapping[str, Declared], pydantic.Field(max_length=limits.MAX_TERMS)]
Coefficients = Annotated[Mapping[str, str], pydantic.Field(max_length=limits.MAX_TERMS)]
"""What a model file says of a learning model, as it stands there."""


def parameters_of(declared: Mapping[str, Declared]) -> tuple[Parameter, ...]:
    """Return the parameters of a rule."""
    return tuple(Parameter(name, one["range"], one["median"]) for name, one in declared.items())


def learning_rule(
    parameters: Mapping[str, Declared], coefficients: Mapping[str, str], n: int, rate: float
) -> NamedRule:
    """Return the rule of ``n`` stimuli; raise `ModelError` where names do not meet, or an
    expression is none."""
    return NamedRule(
        parameters_of(parameters),
        tuple((term, _expression(term, text)) for term, text in coefficients.items()),
        (("n", float(n)), ("rate", rate)),
    )


def check_rule(
    parameters: Mapping[str, Declared],
    coefficients: Mapping[str, str],
    rate: float,
    taken: tuple[str, ...],
) -> None:
    """Raise `ModelError` for parameters and coefficients that make no rule; ``taken`` are names
    that mean something else."""
    check_names(parameters, taken)
    rule = learning_rule(parameters, coefficients, 2, rate)
    known = {**dict(rule.constants), **{one.name: one.median for one in rule.named}}
    for term, expression in rule.expressions:
        try:
            fine = bool(np.isfinite(expression(known)))
        except (ArithmeticError, RecursionError, TypeError):
            fine = False
        if not fine:
            raise ModelError(
                f'the coefficient of "{term}" is no finite number where the parameters have their '
                "medians."
            )


def check_names(parameters: Mapping[str, Declared], taken: tuple[str, ...]) -> None:
    """Raise `ModelError` for what is no name of a parameter, or is ``taken`` or a constant."""
    for name in parameters:
        if not name.isidentifier() or keyword.iskeyword(name) or len(name) > limits.MAX_NAME:
            raise ModelError(
                f'"{plain(name)}" is no name of a parameter; use letters, digits and "_".'
            )
        if name in (*CONSTANTS, *taken):
            raise ModelError(f'"{name}" is no name of a parameter; it stands for something else.')


def _expression(term: str, text: str) -> Expression:
    try:
        return Expression(text)
    except ModelError as problem:
        raise ModelError(f'the coefficient of "{term}": {problem}') from problem
