"""Settings by name, and where those that something was made with differ from those asked for."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from hebbax.validation.quoting import plain

LONGEST = 200
"""Characters of a value in a sentence."""


def flat(settings: object) -> dict[str, Any]:
    """Return settings by name, with those within settings beside them, as in ``search.rounds``.

    Settings are a mapping, a data class, or a tuple or list of them, in which a part that has no
    name, or one that an earlier part has, is called by its place, as in ``part 2``.
    """
    out: dict[str, Any] = {}
    if isinstance(settings, (tuple, list)):
        for place, part in enumerate(settings, start=1):
            own = flat(part) if _has_parts(part) else {}
            taken = not own or any(name in out for name in own)
            out |= _within(f"part {place}", part) if taken else own
        return out
    for name, value in _members(settings).items():
        out |= _within(name, value)
    return out


def difference(made: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """Return the first setting in which what was made differs from what is asked for, in words
    that follow what was made, or None where there is none."""
    for name in [*asked, *(name for name in made if name not in asked)]:
        if name not in made:
            return f"without {name}, and {_shown(asked[name])} is asked for"
        if name not in asked:
            return f"with {name} {_shown(made[name])}, and none is asked for"
        if made[name] != asked[name]:
            return f"with {name} {_shown(made[name])}, and {_shown(asked[name])} is asked for"
    return None


def _has_parts(value: object) -> bool:
    """Return whether a value is settings by itself, with at least one of them."""
    if isinstance(value, (tuple, list)):
        return any(_has_parts(part) for part in value)
    return bool(_members(value))


def _members(value: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return {str(name): inner for name, inner in value.items()}
    if is_dataclass(value):
        return {
            one.name: getattr(value, one.name) for one in fields(value) if one.repr and one.compare
        }
    return {}


def _within(name: str, value: object) -> dict[str, Any]:
    if _has_parts(value):
        return {f"{name}.{inner}": v for inner, v in flat(value).items()}
    return {name: value}


def _shown(value: Any) -> str:
    return plain(
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), LONGEST
    )
