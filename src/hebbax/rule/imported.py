"""A function by its name, ``module:function``, and the text of what it computes.

The module is looked up as ``python -m`` does: in the folder one works in, then where Python looks
for modules. The text is that of the function, of the functions of its own module that it calls, and
of the numbers and words that it reads there: what has to be the same for it to compute the same.
"""

import ast
import functools
import importlib
import inspect
import itertools
import linecache
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, ModuleType
from typing import Any

import jax
import numpy as np

from hebbax.errors import ModelError
from hebbax.validation.quoting import plain

NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
"""How a function is named."""

LONGEST = 200
"""Characters that a sentence shows of what a module raised."""


def named(name: str) -> Callable[..., Any]:
    """Return the function ``name``; importing its module runs the code there.

    Raises `ModelError` where there is no such module or function, or the module cannot be imported.
    """
    module_name, _, function_name = name.partition(":")
    module = _module(module_name)
    function = getattr(module, function_name, None)
    if function is None:
        functions = inspect.getmembers(module, inspect.isfunction)
        own = [one for one, _ in functions if not one.startswith("_")]
        known = f"; it has {plain(', '.join(own), LONGEST)}" if own else ""
        raise ModelError(f'the module "{module_name}" has no function "{function_name}"{known}.')
    if not callable(function) or inspect.isclass(function):
        raise ModelError(f'"{function_name}" of the module "{module_name}" is no function.')
    return function


def text_of(function: Callable[..., Any]) -> str:
    """Return the text of a function, and of what it uses of its own module.

    Raises `ModelError` where it was not written in Python, or its text is not kept.
    """
    return "\n".join(_texts(function, set()))


def _module(name: str) -> ModuleType:
    try:
        with _working_folder_first():
            return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name is not None and f"{name}.".startswith(f"{problem.name}."):
            raise ModelError(
                f'there is no module "{name}" in this folder, or where Python looks for modules '
                "(PYTHONPATH)."
            ) from None
        raise _not_imported(name, problem) from problem
    except (Exception, SystemExit) as problem:  # whatever the code of a user raises
        raise _not_imported(name, problem) from problem


def _not_imported(name: str, problem: BaseException) -> ModelError:
    return ModelError(f'the module "{name}" cannot be imported ({told(problem)}).')


def told(problem: BaseException) -> str:
    """Return in one line what code of a user raised."""
    first = (str(problem).strip().splitlines() or [""])[0].rstrip(".")
    return plain(f"{type(problem).__name__}: {first}".removesuffix(": "), LONGEST)


@contextmanager
def _working_folder_first() -> Iterator[None]:
    importlib.invalidate_caches()
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _texts(function: Callable[..., Any], seen: set[str]) -> Iterator[str]:
    own = inspect.unwrap(function)
    try:
        source = textwrap.dedent(inspect.getsource(own))
    except (OSError, TypeError):
        raise ModelError("its text is not known; write it as a function in a file.") from None
    _check_current(own)
    yield source
    for name, value in sorted(_used(own).items()):
        if name in seen:
            continue
        seen.add(name)
        yield from _text_of_value(name, value, own.__module__, seen)


def _text_of_value(name: str, value: Any, module: str, seen: set[str]) -> Iterator[str]:
    """Return what a function reads under a name: numbers and words as they are, functions of its
    module by their text, those of others by name."""
    if isinstance(value, ModuleType):
        return
    if isinstance(value, functools.partial):
        parts = {"func": value.func, "args": value.args, **value.keywords}
        yield from _text_of_value(name, parts, module, seen)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _text_of_value(f"{name}[{key!r}]", part, module, seen)
    elif isinstance(value, list | tuple):
        for k, part in enumerate(value):
            yield from _text_of_value(f"{name}[{k}]", part, module, seen)
    elif isinstance(value, np.ndarray | np.generic | jax.Array):
        yield f"{name} = {np.asarray(value).tolist()}"
    elif isinstance(value, int | float | complex | str | None):
        yield f"{name} = {value!r}"
    elif callable(value) and getattr(value, "__module__", None) == module:
        yield from _texts(value, seen)
    elif callable(value):
        of = getattr(value, "__module__", None) or type(value).__module__
        yield f"{name} = {of}.{getattr(value, '__name__', type(value).__name__)}"
    else:
        raise ModelError(
            f'it reads "{name}", a {type(value).__name__}, which has no text to know it by; '
            "numbers, words, lists of these and functions are allowed."
        )


def _check_current(function: Callable[..., Any]) -> None:
    """Raise `ModelError` where a function was changed in its file since it was imported: what is
    computed would not be what is stored."""
    if not inspect.isfunction(function):
        return
    own, file = function.__code__, inspect.getsourcefile(function) or ""
    try:
        tree = ast.parse("".join(linecache.getlines(file)), file)
        # How a name is looked up depends on what is imported beside it: a module is compiled as a
        # whole, a cell of a notebook statement by statement.
        parts = [tree, *(ast.Module([statement], []) for statement in tree.body)]
        compiled = [compile(part, file, "exec") for part in parts]
    except (SyntaxError, ValueError):
        return
    codes = itertools.chain.from_iterable(map(_codes, compiled))
    now = [one for one in codes if one.co_qualname == own.co_qualname]
    if now and _meaning(own) not in map(_meaning, now):
        raise ModelError(
            f'the function "{own.co_name}" was changed in its file since it was imported; start '
            "Python anew."
        )


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def _meaning(code: CodeType) -> tuple[Any, ...]:
    """Return what a code computes, wherever it stands."""
    consts = [_meaning(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, tuple(consts)


def _used(function: Callable[..., Any]) -> dict[str, Any]:
    """Return what a function, and the functions within it, read from outside, and the defaults of
    its arguments."""
    if not inspect.isfunction(function):
        return {}
    known = function.__globals__
    used = {name: known[name] for name in _names(function.__code__) if name in known}
    arguments = inspect.signature(function).parameters.values()
    defaults = {f"argument {a.name}": a.default for a in arguments if a.default is not a.empty}
    return used | defaults | dict(inspect.getclosurevars(function).nonlocals)


def _names(code: CodeType) -> Iterator[str]:
    for one in _codes(code):
        yield from one.co_names
