"""Arithmetic in words: ``"n * alpha * beta / rate"`` as a function of named numbers.

Names, numbers, ``+ - * / **`` and brackets are read, and nothing else: a model file runs no code.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hebbax.errors import ModelError
from hebbax.validation.limits import MAX_RULE
from hebbax.validation.quoting import plain

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_UNARY: dict[type, Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


@dataclass(frozen=True)
class Expression:
    """An expression as it was written.

    Raises `ModelError` for what is more than arithmetic of names and numbers.
    """

    text: str

    def __post_init__(self) -> None:
        for node in self._nodes:
            if not _allowed(node):
                raise ModelError(
                    f'"{plain(self.text)}" is no arithmetic of names and numbers: only + - * / ** '
                    "and brackets are allowed."
                )

    @cached_property
    def _tree(self) -> ast.expr:
        if len(self.text) > MAX_RULE:
            raise ModelError(
                f"an expression has at most {MAX_RULE} characters, {len(self.text)} given."
            )
        try:
            return ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ModelError(f'"{plain(self.text)}" cannot be read as an expression.') from None

    @property
    def _nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self._tree)

    @property
    def names(self) -> frozenset[str]:
        """The names that it reads."""
        return frozenset(node.id for node in self._nodes if isinstance(node, ast.Name))

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Return its value, given one of each name: a number, or an array of JAX."""
        return _value(self._tree, values)


def _allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.BinOp):
        return type(node.op) in _BINARY
    if isinstance(node, ast.UnaryOp):
        return type(node.op) in _UNARY
    return isinstance(node, ast.Name | ast.operator | ast.unaryop | ast.expr_context)


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](_value(node.operand, values))
    assert isinstance(node, ast.BinOp)
    return _BINARY[type(node.op)](_value(node.left, values), _value(node.right, values))
