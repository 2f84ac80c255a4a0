"""Effects of covariates: population values that depend on an animal's group, its age ...

    value_a ~ Normal(population value + sum_e covariate_ae * effect_e, spread_a^2),
    effect_e ~ Normal(0, scale_e^2)

by the columns e of a formula over covariates (Wilkinson notation, read by formulaic), such as
"group" or "sex + age"; the constant is the population value itself, that of the first level of each
factor and of zero of each number, of its mean with "center(age)". The animals of all groups have
one spread, or, where a model says so, one each (`spread_ratio_scale`):

    spread_a = spread * exp(sum_f covariate_af * effect_f),    effect_f ~ Normal(0, scale_f^2)

with an effect f beside each e: the logarithm of the ratio of two spreads.
"""

import ast
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd

from hebbax.data import Sessions
from hebbax.data.sessions import natural_order
from hebbax.errors import ModelError
from hebbax.model.groups import named
from hebbax.typing import Array, ArrayLike, Parameters
from hebbax.validation.quoting import plain

NAME = "effect"
"""The site of the effects ``(effect,)``."""

DIMENSION = "column"
"""Along which they lie: columns of the formulas. A variable called as its own dimension would be a
coordinate, and no part of a stored posterior."""

FUNCTIONS = ("C", "I", "center", "scale", "log", "exp", "poly", "bs")
"""What a formula may make of columns."""

ALLOWED = (
    ast.Name, ast.Constant, ast.Call, ast.keyword, ast.BinOp, ast.UnaryOp, ast.operator,
    ast.unaryop, ast.expr_context, ast.Tuple, ast.List,
)  # fmt: skip
"""What may stand in one, beside a kind of contrast (``contr.sum``)."""

LINKS = {"unit": "logit ", "positive": "log "}
"""How the link of a parameter is told, by its range."""

Part = Literal["mean", "spread"]
"""What of a value an effect is on."""

MOST = 40
"""Effects that a model may have."""


@dataclass(frozen=True)
class Effect:
    """An effect on one ``place`` of a ``group`` of values, the ``member``, by a ``column``, with a
    prior ``scale``: on its mean, or on the logarithm of its spread, both on the scale of its
    ``link``."""

    group: str
    place: int
    member: str
    column: str
    scale: float
    part: Part = "mean"
    link: str = ""

    @property
    def label(self) -> str:
        """The effect in words: "logit alpha by group ovx"."""
        spread = "" if self.part == "mean" else "log spread of "
        return f"{spread}{self.link}{self.member} by {self.column}"


def shifts(covariates: ArrayLike, effect: Array, onto: ArrayLike) -> Array:
    """Return what effects ``(..., effect)`` add to the means of every animal ``(..., animal,
    member)``, by the ``covariates`` (animal, effect) and the members that they are ``onto``
    (effect, member)."""
    return (jnp.asarray(covariates) * effect[..., None, :]) @ jnp.asarray(onto)


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects of a model, and the ``covariates`` (animal, effect) of its animals."""

    each: tuple[Effect, ...]
    covariates: np.ndarray

    @property
    def scales(self) -> np.ndarray:
        """Prior scale of every effect ``(effect,)``."""
        return np.array([effect.scale for effect in self.each])

    def without(self, animal: int) -> "Effects":
        """Return the same effects, on all animals but one."""
        return replace(self, covariates=np.delete(self.covariates, animal, axis=0))

    def sample(self) -> Parameters:
        """State the effects as a NumPyro site, and return it; nothing where there are none."""
        if not self.each:
            return {}
        density = dist.Normal(0.0, self.scales).to_event(1)
        return {NAME: numpyro.sample(NAME, density, infer=named(DIMENSION))}

    @property
    def own_spreads(self) -> bool:
        """Whether spreads depend on covariates."""
        return any(effect.part == "spread" for effect in self.each)

    def onto(self, group: str, size: int, part: Part = "mean") -> np.ndarray:
        """Return which effect is on that part of which of the values of a group ``(effect,
        member)``, 1 or 0."""
        out = np.zeros((len(self.each), size))
        for e, effect in enumerate(self.each):
            if (effect.group, effect.part) == (group, part):
                out[e, effect.place] = 1.0
        return out

    def shift(
        self, group: str, shape: tuple[int, ...], values: Parameters, part: Part = "mean"
    ) -> Array:
        """Return what the effects among ``values`` by site, ``(..., effect)``, add to the means of
        a group ``(..., animal, *shape)``, or to the logarithm of its spreads; zero where there are
        none."""
        if NAME not in values:
            return jnp.zeros(shape)
        onto = self.onto(group, int(np.prod(shape)), part)
        flat = shifts(self.covariates, jnp.asarray(values[NAME]), onto)
        return flat.reshape(*flat.shape[:-1], *shape)

    def factor(self, group: str, shape: tuple[int, ...], values: Parameters) -> ArrayLike:
        """Return by what the effects among ``values`` multiply the spreads of a group ``(...,
        animal, *shape)``; one where they are on none."""
        return jnp.exp(self.shift(group, shape, values, "spread")) if self.own_spreads else 1.0


def design_of(
    formulas: Mapping[str, str], sessions: Sessions, source: str
) -> dict[str, pd.DataFrame]:
    """Return the columns ``(animal, column)`` of each formula, without the constant.

    Raises `ModelError` for what is no formula, a covariate that was not recorded, and one that is
    missing of an animal.
    """
    table = _table(sessions)
    return {
        member: _columns(formula, table, member, source) for member, formula in formulas.items()
    }


def design_at(
    formulas: Mapping[str, str], sessions: Sessions, at: Mapping[str, Sequence[str | float]]
) -> list[pd.DataFrame]:
    """Return the columns ``(row, column)`` of each formula for other values ``at`` of the
    covariates, with the centres and codings of those recorded."""
    table = _table(sessions)
    new = pd.DataFrame(
        {
            name: pd.Categorical(list(map(str, values)), categories=table[name].cat.categories)
            if isinstance(table[name].dtype, pd.CategoricalDtype)
            else np.array(values, dtype=float)
            for name, values in at.items()
        }
    )
    found = []
    for formula in formulas.values():
        own = sorted(set(_names(_factors(formula))))
        coded = _matrix(formula, table[own]).model_spec.get_model_matrix(new[own])
        found.append(pd.DataFrame(coded).drop(columns="Intercept"))
    return found


def covariates_named(formulas: Mapping[str, str]) -> list[str]:
    """Return the covariates that formulas name, each once."""
    return sorted({name for formula in formulas.values() for name in _names(_factors(formula))})


def coded(formulas: Mapping[str, str]) -> set[str]:
    """Return the covariates that formulas take for codes of groups, as C(dose) does."""
    nodes = (
        node
        for formula in formulas.values()
        for factor in _factors(formula)
        for node in ast.walk(factor)
    )
    codes = [node for node in nodes if isinstance(node, ast.Call) and _is(node.func, "C")]
    return {name for code in codes for name in _names(code.args[:1])}


def _factors(formula: str) -> list[ast.expr]:
    """Return the factors of a formula; raise `ValueError` for what is none, or asks for more than
    columns and `FUNCTIONS`: a model file runs no code."""
    import formulaic  # a second and more, which only these models need

    found = formulaic.Formula(formula)
    if not isinstance(found, formulaic.SimpleFormula):
        raise ValueError("it has no left side and one part")
    return [ast.parse(factor.expr, mode="eval").body for term in found for factor in term.factors]


def _names(factors: Sequence[ast.expr]) -> list[str]:
    """Return the columns that factors name; raise `ValueError` for what is not allowed in one."""
    names = []
    for factor in factors:
        nodes = list(ast.walk(factor))
        for node in nodes:
            if not (isinstance(node, ALLOWED) or _is_contrast(node)):
                raise ValueError("columns, numbers and functions of them are allowed")
            if isinstance(node, ast.Call) and not (
                isinstance(node.func, ast.Attribute) or _is(node.func, *FUNCTIONS)
            ):
                raise ValueError(f"functions are {', '.join(FUNCTIONS)}")
        of_calls = {node.func for node in nodes if isinstance(node, ast.Call)}
        of_calls |= {node.value for node in nodes if isinstance(node, ast.Attribute)}
        # A column may be called as a function is: "center".
        names += [node.id for node in nodes if isinstance(node, ast.Name) and node not in of_calls]
    return names


def _is_contrast(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and not node.attr.startswith("_")
        and _is(node.value, "contr")
    )


def _is(node: ast.expr, *names: str) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _table(sessions: Sessions) -> pd.DataFrame:
    """Return covariates as a formula takes them: factors with their levels in natural order."""
    columns: dict[str, object] = {}
    for name, values in sessions.covariates.items():
        if isinstance(values[0], str):
            levels = sorted({str(value) for value in values} - {""}, key=natural_order)
            columns[name] = pd.Categorical([v or None for v in values], categories=levels)
        else:
            columns[name] = np.array(values, dtype=float)
    return pd.DataFrame(columns, index=list(sessions.animals))


def _columns(formula: str, table: pd.DataFrame, member: str, source: str) -> pd.DataFrame:
    import formulaic  # as in `_factors`

    where = f'{source}: the formula "{plain(formula)}" of "{member}"'
    try:
        needed = set(_names(_factors(formula)))
    except Exception as problem:
        raise ModelError(f"{where} cannot be read ({_first(problem)}).") from None
    for name in sorted(needed):
        if name not in table:
            known = ", ".join(map(str, table.columns)) or "none"
            raise ModelError(
                f'{where} names "{plain(name)}", which is no column that has one value for each '
                f"animal and not the same for all; there are: {known}."
            )
        for animal in table.index[table[name].isna()][:1]:
            raise ModelError(f'{where} needs "{plain(name)}", and animal {animal} has none.')
    try:
        # What is no finite number is told of below, and no level that is left out is another one.
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", formulaic.errors.DataMismatchWarning)
            own = table[sorted(needed)]  # no other column hides a function
            matrix = pd.DataFrame(_matrix(formula, own))
    except Exception as problem:
        raise ModelError(f"{where} cannot be computed ({_first(problem)}).") from None
    if "Intercept" not in matrix:
        raise ModelError(
            f"{where} takes out the constant, which is the population value; leave it in."
        )
    columns = matrix.drop(columns="Intercept").astype(float)
    if columns.empty:
        raise ModelError(f"{where} has no column but the constant; name a covariate in it.")
    for animal in table.index[~np.isfinite(columns.to_numpy()).all(axis=1)][:1]:
        raise ModelError(f"{where} gives animal {animal} no finite number.")
    for name in columns.columns[np.ptp(columns.to_numpy(), axis=0) == 0.0][:1]:
        raise ModelError(f"{where} has a column that is the same in all animals: {_words(name)}.")
    return columns.set_axis([_words(str(name)) for name in columns], axis=1)


def _matrix(formula: str, table: pd.DataFrame) -> Any:
    """Return the columns of a formula, with what it takes to make them of other rows."""
    import formulaic  # as in `_factors`

    return formulaic.model_matrix(formula, table, na_action="ignore")


def _first(problem: Exception) -> str:
    return plain(str(problem).strip().splitlines()[0] if str(problem).strip() else "no reason")


def _words(column: str) -> str:
    """Return a column in words: "group[T.ovx]" is "group ovx"."""
    return re.sub(r"\[(?:T\.)?([^\]]*)\]", r" \1", column)
