"""What the keys of a model file may be: the types of their values, their bounds and their words."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

import pydantic

from hebbax.data.limits import MAX_REWARD
from hebbax.model.own import RULE
from hebbax.rule.imported import NAME as FUNCTION
from hebbax.rule.readout import Name
from hebbax.validation import limits
from hebbax.validation.schema import number, storable_name

Hierarchy = Literal["animals", "none"]
Scaling = Literal["declared", "information"]
Between = Literal["reset", "keep", "retain"]
Omitted = Literal["pass", "decay"]
PastChoice = Literal["last", "kernel"]

EFFECT = 0.3
"""Default size of one prior scale: with 2880 choices, the information of 12 animals x 240 trials
would tell a coefficient of that size from zero by 16 standard deviations, were it alone."""


class DefaultScales(NamedTuple):
    """Prior scale of a coefficient that is not given one: ``reward`` with r and without w, whose
    steps go up and down; ``drift`` without r and w, whose steps all have one sign; and ``weight``
    with w."""

    reward: float
    drift: float
    weight: float


DEFAULT_SCALES: dict[Name, DefaultScales] = {
    # Of a fly: 0.2 / 2 a trial carries a weight to saturation within thirty trials, and is a memory
    # of ten.
    "accept": DefaultScales(reward=0.5, drift=0.2, weight=0.2),
    # Of a rodent or a person: with two stimuli a learning rate of .5 is a coefficient of 1 of w,
    # and with an inverse temperature of 3 one of 4 of x r.
    "softmax": DefaultScales(reward=3.0, drift=1.0, weight=1.0),
}
"""Default prior scales by the readout."""

MIN_SCALE, MAX_SCALE = 1e-9, 5.0
"""Prior scales of a coefficient: beyond 5 nearly every prior draw explodes to the bound."""

TermName = Annotated[str, pydantic.Field(min_length=1, max_length=limits.MAX_NAME)]
ModelName = Annotated[
    str,
    pydantic.AfterValidator(storable_name),
    pydantic.Field(description=f"text of 1 to {limits.MAX_NAME} characters"),
]
Terms = Annotated[
    tuple[TermName, ...],
    pydantic.Field(
        max_length=limits.MAX_TERMS,
        description=f"a list of at most {limits.MAX_TERMS} term names (it may be empty)",
    ),
]
Scales = Annotated[
    Mapping[TermName, Annotated[float, pydantic.Field(ge=MIN_SCALE, le=MAX_SCALE)]],
    pydantic.Field(
        description=f"a table of prior scales from {MIN_SCALE:g} to {MAX_SCALE:g} (weights explode "
        'beyond it), as in { "x r" = 0.3 }'
    ),
]
Rewards = Annotated[
    tuple[Annotated[float, pydantic.Field(ge=-MAX_REWARD, le=MAX_REWARD)], ...],
    pydantic.Field(
        max_length=limits.MAX_TERMS,
        description="a list of rewards, as in [0, 1] (it may be empty: any)",
    ),
]
Formulas = Annotated[
    Mapping[TermName, Annotated[str, pydantic.Field(min_length=1, max_length=limits.MAX_RULE)]],
    pydantic.Field(
        max_length=limits.MAX_TERMS,
        description="a table of formulas over columns that are the same in all trials of an "
        'animal, as in { w = "group" }',
    ),
]
Function = Annotated[str, pydantic.Field(pattern=f"^({FUNCTION.pattern})?$", description=RULE)]
Fraction = Annotated[float, number(0.001, 0.999)]
"""The prior median of a parameter between 0 and 1."""
LogOdds = Annotated[float, number(0.001, 10.0)]
"""Its prior standard deviation, in log odds."""
