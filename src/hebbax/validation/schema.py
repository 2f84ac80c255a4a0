"""Declared schemas of what people write, by pydantic: types as they stand, bounds, one sentence.

Nothing is converted: a number in quotes is text, and ``true`` is no number. Every field says in its
description what is allowed, in words that end the sentence "must be ...".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from hebbax.errors import HebbaxError
from hebbax.validation.names import file_flaw, flaw
from hebbax.validation.quoting import meant, shown

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""How a schema is read: no conversions, no unknown keys, no infinite numbers."""


def number(low: float, high: float) -> Any:
    """Return the field of a number from ``low`` to ``high``."""
    return Field(ge=low, le=high, description=f"a number from {low:g} to {high:g}")


def whole(low: int, high: int, of: str) -> Any:
    """Return the field of a whole number ``of`` something from ``low`` to ``high``."""
    return Field(ge=low, le=high, description=f"a whole number of {of} from {low} to {high}")


def text(longest: int) -> Any:
    """Return the field of text that is at most so many characters long."""
    return Field(max_length=longest, description=f"text of at most {longest} characters")


def choice(allowed: Sequence[str]) -> Any:
    """Return the field of one of a few words."""
    return Field(description=" or ".join(f'"{word}"' for word in allowed))


def key_of(known: Mapping[str, Any]) -> Any:
    """Return the validator of one of the names that are ``known`` when it is asked."""

    def one(name: str) -> str:
        if name not in known:
            allowed = " or ".join(f'"{word}"' for word in known)
            raise PydanticCustomError("allowed", "{allowed}", {"allowed": allowed})
        return name

    return AfterValidator(one)


def storable_name(name: str) -> str:
    """Return a name that every output can carry: a file name, a netCDF attribute, a cell of a table
    that is read back as it was written. Raises the error of a schema for any other."""
    broken = file_flaw(name) or flaw(name)
    if broken:
        raise PydanticCustomError("allowed", "{allowed}", {"allowed": broken.allowed})
    return name


def check(
    schema: type[BaseModel], table: Mapping[str, Any], source: str, error: type[HebbaxError]
) -> None:
    """Raise ``error`` where a table does not meet a schema: one sentence that names the source, the
    key, what is allowed and what was found."""
    try:
        schema.model_validate(table)
    except ValidationError as problem:
        first = min(problem.errors(include_url=False), key=_urgency)
        raise error(f"{source}: {_sentence(schema, first)}") from None


def _urgency(error: ErrorDetails) -> int:
    """Sort a misspelt key before the key that it leaves missing."""
    return 0 if error["type"] == "extra_forbidden" else 1


def _sentence(schema: type[BaseModel], error: ErrorDetails) -> str:
    key, inside = str(error["loc"][0]), error["loc"][1:]
    known = list(schema.model_fields)
    if error["type"] == "extra_forbidden" and not inside:
        return f"unknown key {shown(key)}{meant(key, known)}; known keys are {', '.join(known)}."
    field = schema.model_fields[key]
    allowed = error["ctx"]["allowed"] if error["type"] == "allowed" else field.description
    if error["type"] == "missing":
        lost = (
            f'"{key}"'
            if not inside
            else f"{shown(inside[-1])} of {'.'.join((key, *map(str, inside[:-1])))}"
        )
        return f"{lost} is missing; {'it' if not inside else key} must be {allowed}."
    return f'"{key}" must be {allowed}, {shown(error["input"])} given{_place(inside)}.'


def _place(inside: Sequence[int | str]) -> str:
    """Return where in a list or a table something was found, in words."""
    if not inside:
        return ""
    if isinstance(inside[0], int):
        return f" in place {inside[0] + 1}"
    return f" for {' of '.join(shown(name) for name in reversed(inside) if name != '[key]')}"
