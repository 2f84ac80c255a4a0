"""Plasticity rules at ONE synapse, and the names of their terms.

A rule gives the change of a weight from presynaptic activity x, postsynaptic activity y, the weight
w and the reward signal r. The Taylor rule is

    g(x, y, w, r) = sum over terms of theta_term * x^a y^b w^c r^d,    exponents 0, 1, 2,

and its terms are *named*: ``"x r"``, ``"w"``, ``"x^2 r w"``, ``"1"``. Nothing here knows of trials,
units or animals; `hebbax.rule.network` maps a rule over them.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np

from hebbax.errors import ModelError
from hebbax.typing import Array, ArrayLike
from hebbax.validation.limits import MAX_COEFFICIENT, MAX_RULE
from hebbax.validation.quoting import plain

_FACTOR = re.compile(r"^([xyrw])(?:\^([012]))?$")
_OTHERWISE = re.compile(r"(?:[xyrw](?:\^?[12])?[ *:_.·]*)+", re.IGNORECASE)
"""Factors with nothing, or with another sign than a blank, between them."""

_HOW_TO_NAME = (
    'a term is "1" or factors x, y, r, w with exponents up to 2, such as "x r" or "x^2 r w"'
)


class Exponents(NamedTuple):
    """Exponents of one Taylor term, each 0, 1 or 2."""

    pre: int
    post: int
    reward: int
    weight: int


def parse_term(name: str) -> Exponents:
    """Return the exponents a term name stands for; raise `ModelError` for a name that is none."""
    exponents = dict.fromkeys("xyrw", 0)
    factors = name.split()
    if factors != ["1"]:
        for factor in factors or [""]:
            match = _FACTOR.match(factor)
            if match is None or exponents[match[1]]:
                raise ModelError(f'unknown term "{plain(name)}"{_meant(name)}: {_HOW_TO_NAME}.')
            exponents[match[1]] = int(match[2] or 1)
    return Exponents(*exponents.values())


def _meant(name: str) -> str:
    """Return a question after the term whose factors are written in another way, as in "xr", "x*r"
    or "x x", to stand behind the name in a sentence; nothing where the name has others."""
    if not _OTHERWISE.fullmatch(name):
        return ""
    powers = dict.fromkeys("xyrw", 0)
    for factor, power in re.findall(r"([xyrw])\^?([12]?)", name.lower()):
        powers[factor] += int(power or 1)
    if max(powers.values()) > 2:
        return ""
    return f' (did you mean "{term_name(Exponents(*powers.values()))}"?)'


def term_name(exponents: Exponents) -> str:
    """Return the one canonical name of a term, the inverse of `parse_term`: factors x y r w."""
    factors = [
        symbol if power == 1 else f"{symbol}^{power}"
        for symbol, power in zip("xyrw", exponents, strict=True)
        if power
    ]
    return " ".join(factors) or "1"


def all_terms(factors: str = "xywr", degree: int = 2) -> tuple[str, ...]:
    """Return every term of some factors with exponents up to ``degree``: 81 of x, y, w, r.

    >>> all_terms("xw", degree=1)
    ('1', 'w', 'x', 'x w')
    """
    powers = itertools.product(range(degree + 1), repeat=len(factors))
    named = [dict(zip(factors, power, strict=True)) for power in powers]
    return tuple(term_name(Exponents(*(one.get(f, 0) for f in "xyrw"))) for one in named)


def distinct_terms(terms: tuple[str, ...]) -> tuple[str, ...]:
    """Return the terms that stay apart where an input is either silent or at one rate: those
    without x^2, because there x^2 = rate * x.

    The coefficient of ``"x r"`` then stands for the slope theta(x r) + rate * theta(x^2 r), which
    is all that recordings at one rate can say.
    """
    return tuple(term for term in terms if parse_term(term).pre < 2)


def coefficients(terms: tuple[str, ...], named: Mapping[str, float]) -> np.ndarray:
    """Return ``(term,)`` coefficients by name, zero for the other terms.

    Raises `ModelError` for a name that is not among ``terms``.
    """
    values = np.zeros(len(terms))
    for name, value in named.items():
        if term_name(parse_term(name)) not in terms:
            raise ModelError(f'the term "{name}" is not one of {", ".join(terms)}.')
        values[terms.index(term_name(parse_term(name)))] = value
    return values


def parse_rule(text: str) -> dict[str, float]:
    """Return the coefficients of a rule in words by term name; a term given twice is summed.

    Raises `ModelError` for what is no sum of terms, and for a coefficient without bound.

    >>> parse_rule("x r - 0.05 w")
    {'x r': 1.0, 'w': -0.05}
    """
    if len(text) > MAX_RULE:
        raise ModelError(f"a rule in words has at most {MAX_RULE} characters, {len(text)} given.")
    text = text.strip()
    signed = text if text.startswith(("+", "-")) else f"+ {text}"
    pieces = re.split(r"(?:^|\s+)([+-])\s*", signed)[1:]
    rule: dict[str, float] = {}
    for sign, piece in zip(pieces[::2], pieces[1::2], strict=True):
        number = re.match(r"^(\d+\.\d+|\d+(?=\s))\s*", piece)
        name = term_name(parse_term(piece[number.end() :] or "1" if number else piece))
        size = float(number[1]) if number else 1.0
        rule[name] = rule.get(name, 0.0) + (size if sign == "+" else -size)
        if not abs(rule[name]) <= MAX_COEFFICIENT:
            raise ModelError(
                f'the rule gives "{name}" the coefficient {rule[name]:g}; from '
                f"{-MAX_COEFFICIENT:g} to {MAX_COEFFICIENT:g} per trial is allowed."
            )
    return rule


class Rule(Protocol):
    """What the network asks of a plasticity rule.

    ``drive`` holds what one synapse meets in one trial and no parameter touches, so that it is
    computed once from the data; ``coefficients`` and ``hoist`` bring in the parameters before the
    loop over trials; ``change`` is all that is left inside the loop.
    """

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of an animal's own values, in the order that ``coefficients`` takes them."""

    @property
    def uses_post(self) -> bool:
        """Whether the change depends on postsynaptic activity."""

    def coefficients(self, own: Array) -> Array:
        """Return ``theta``, what ``hoist`` and ``change`` read, from an animal's own values."""

    def drive(self, x: Array, r: Array) -> Any:
        """Return what depends on data alone, at one synapse in one trial."""

    def hoist(self, theta: Array, drive: Any) -> Any:
        """Return what depends on data and coefficients but not on the weight."""

    def change(self, theta: Array, hoisted: Any, y: Array, w: Array) -> Array:
        """Return g, the change of the weight before the learning rate."""


@dataclass(frozen=True)
class TaylorRule:
    """g = sum_j theta_j x^a_j y^b_j w^c_j r^d_j over named terms.

    >>> TaylorRule(("r x", "w")).terms
    ('x r', 'w')

    Inside the loop the rule is a polynomial in w and y whose coefficients, sums of
    theta_j x^a_j r^d_j, are known beforehand. Terms without x and r are the same in every trial:
    they are left to the loop, which then has less to read.
    """

    terms: tuple[str, ...]

    def __post_init__(self) -> None:
        names = tuple(term_name(parse_term(term)) for term in self.terms)
        for k, name in enumerate(names):
            if name in names[:k]:
                raise ModelError(f'the term "{name}" is given twice; each term may stand once.')
        object.__setattr__(self, "terms", names)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The term names."""
        return self.terms

    @cached_property
    def exponents(self) -> tuple[Exponents, ...]:
        """Exponents of each term, in order."""
        return tuple(parse_term(term) for term in self.terms)

    @cached_property
    def powers(self) -> tuple[tuple[int, int], ...]:
        """The distinct powers (of y, of w) that occur with a factor x or r."""
        return tuple(sorted({(e.post, e.weight) for e in self.exponents if e.pre or e.reward}))

    @property
    def uses_post(self) -> bool:
        """Whether any term has a factor y."""
        return any(e.post for e in self.exponents)

    def __call__(
        self, theta: Array, x: ArrayLike, y: ArrayLike, w: ArrayLike, r: ArrayLike
    ) -> Array:
        """Return g at one synapse, written as the formula; the reference for the hoisted form."""
        total: ArrayLike = 0.0
        for coefficient, e in zip(theta, self.exponents, strict=True):
            total = total + coefficient * x**e.pre * y**e.post * w**e.weight * r**e.reward
        return jnp.asarray(total)

    def coefficients(self, own: Array) -> Array:
        """Return the values as they are."""
        return own

    def drive(self, x: Array, r: Array) -> Array:
        """Return x^a_j r^d_j for every term: ``(term,)``."""
        return jnp.array([x**e.pre * r**e.reward for e in self.exponents])

    def hoist(self, theta: Array, drive: Array) -> tuple[Array, ...]:
        """Return the coefficient of each y^b w^c in `powers`."""
        totals: dict[tuple[int, int], ArrayLike] = dict.fromkeys(self.powers, 0.0)
        # Once over the terms: taking an entry of an array apart costs tracing more than its sum.
        for coefficient, factor, e in zip(theta, drive, self.exponents, strict=True):
            if e.pre or e.reward:
                power = e.post, e.weight
                totals[power] = totals[power] + coefficient * factor
        return tuple(jnp.asarray(total) for total in totals.values())

    def change(self, theta: Array, hoisted: tuple[Array, ...], y: Array, w: Array) -> Array:
        """Return g as a polynomial in y and w."""
        total: ArrayLike = 0.0
        for (post, weight), coefficient in zip(self.powers, hoisted, strict=True):
            total = total + coefficient * y**post * w**weight
        for j, e in enumerate(self.exponents):
            if not (e.pre or e.reward):
                total = total + theta[j] * y**e.post * w**e.weight
        return jnp.asarray(total)
