"""A rule of one's own in a declared model: ``rule = "module:function"`` beside ``[parameters]``.

What is stored of it is its name and its text (`hebbax.rule.imported`): no posterior holds code that
runs. The function is looked up again where the rule is needed, and one of another text is refused.
"""

from collections.abc import Mapping
from typing import Any

from hebbax.errors import ModelError
from hebbax.model.learning import Declared, check_names, parameters_of
from hebbax.rule import function, imported
from hebbax.rule.function import FunctionRule
from hebbax.validation.quoting import plain

RULE = "a function as module:function, as in habits:change"


def is_named(name: str) -> bool:
    """Return whether a name is that of a function."""
    return imported.NAME.fullmatch(name) is not None


def own_rule(
    name: str, parameters: Mapping[str, Declared], n: int, rate: float, text: str = ""
) -> FunctionRule:
    """Return the rule of the function ``name`` for ``n`` stimuli.

    Raises `ModelError` where it cannot be found, does not read what it should, or has another text
    than the one that is given.
    """
    try:
        found = imported.named(name)
        if text and imported.text_of(found) != text:
            raise ModelError(
                "its text is not the one that was fitted; put that back, or fit the model again."
            )
        constants = (("n", float(n)), ("rate", rate))
        return FunctionRule(parameters_of(parameters), constants, found)
    except ModelError as problem:
        raise ModelError(f'the rule "{name}": {problem}') from problem


def checked_text(
    name: str, parameters: Mapping[str, Declared], rate: float, taken: tuple[str, ...]
) -> str:
    """Return the text of the function ``name``.

    Raises `ModelError` where it is no rule with these parameters; ``taken`` are names that mean
    something else.
    """
    check_names(parameters, (*function.SYNAPSE, *taken))
    rule = own_rule(name, parameters, 2, rate)
    try:
        function.check(rule)
        return imported.text_of(rule.function)
    except ModelError as problem:
        raise ModelError(f'the rule "{name}": {problem}') from problem


def table_of(name: str) -> Mapping[str, Any]:
    """Return what the function ``name`` says of its model in itself, as its attribute ``model``:
    keys and values of a model file. Raises `ModelError` where it says nothing."""
    try:
        found = imported.named(name)
    except ModelError as problem:
        raise ModelError(f'the rule "{name}": {problem}') from problem
    table, own = getattr(found, "model", None), name.partition(":")[2]
    if not isinstance(table, Mapping):
        raise ModelError(
            f'the rule "{name}": it says nothing of its parameters; give it keys of a model file, '
            f'as in {own}.model = {{"parameters": ...}}, or name it in one: rule = "{plain(name)}".'
        )
    return {"name": own, **table, "rule": name}
