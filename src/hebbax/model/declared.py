"""Model files: a `ModelSpec` read from TOML, checked in words that name the file and the key.

An unknown key answers with the known ones. The files in ``models/`` are part of the package, so
``"forgetting"`` names one after an install; a path to a file of one's own works the same, and so
does a function that says its parameters, as in ``"habits:change"`` (`hebbax.model.own`).
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hebbax.errors import ModelError
from hebbax.model.choice_parameters import PARAMETERS
from hebbax.model.learning import check_rule
from hebbax.model.own import checked_text, is_named, table_of
from hebbax.model.priors import Shrinking, with_key
from hebbax.model.spec import SCHEMA, ModelSpec
from hebbax.rule import function
from hebbax.rule.taylor import parse_term, term_name
from hebbax.runs.files import check_readable
from hebbax.validation import limits
from hebbax.validation.quoting import meant, plain
from hebbax.validation.schema import check


def declared_models() -> dict[str, Path]:
    """Return the declared models by name, with the file that declares each.

    >>> "q-learning" in declared_models()
    True
    """
    return {path.stem: path for path in sorted(_model_folder().glob("*.toml"))}


def read_spec(name: str) -> ModelSpec:
    """Return the declared model ``name``, the one in the TOML file of that path, or that of the
    function of that name (``module:function``).

    >>> read_spec("q-learning").members
    ('alpha', 'beta')

    Raises `ModelError` for an unknown name, key, term or value, naming the file and the key.
    """
    path = Path(name)
    if is_named(str(name)):
        return parse_spec(table_of(name), name)
    if path.suffix != ".toml":
        known = declared_models()
        if name not in known:
            raise ModelError(
                f'unknown model "{plain(name)}"{meant(name, known)}: declared models are '
                f"{', '.join(known)}; a path to a .toml file and a module:function work too."
            )
        path = known[name]
    text, table = _load(path)
    return replace(parse_spec({"name": path.stem, **table}, plain(path.name)), text=text)


def parse_spec(table: Mapping[str, Any], source: str = "model") -> ModelSpec:
    """Return the model a TOML table declares; ``source`` names the file in errors."""
    table = _fixed(table)
    spec = _declared(_with_terms(table, source), source)
    terms = _canonical(spec.terms, "coefficients" if spec.coefficients else "terms", source)
    scaled = _canonical(tuple(spec.scales), "scales", source)
    for term in scaled:
        if term not in terms:
            raise ModelError(
                f'{source}: "scales" names the term "{term}", which is not among "terms" '
                f"({', '.join(terms)})."
            )
    _check_owners(spec, table, source)
    if spec.parameters:
        spec = _checked_rule(spec, table, source)
    few = "expected_terms" in spec.prior_type.reads() and terms
    if few and not spec.expected_terms < len(terms):
        raise ModelError(
            f'{source}: "expected_terms" must be less than the number of terms ({len(terms)}), '
            f"{spec.expected_terms:g} given."
        )
    scales = dict(zip(scaled, spec.scales.values(), strict=True))
    expressions = spec.coefficients.values()
    coefficients = dict(zip(terms, expressions, strict=True)) if expressions else {}
    return replace(spec, terms=terms, scales=scales, coefficients=coefficients)


def with_formulas(specs: Sequence[ModelSpec], formula: str | None) -> list[ModelSpec]:
    """Return some models, and where a formula is given behind them each that has a rule with it."""
    if formula is None:
        return list(specs)
    return [*specs, *(with_formula(spec, formula) for spec in specs if spec.members)]


def with_formula(spec: ModelSpec, formula: str | None) -> ModelSpec:
    """Return a model in which every value of the rule depends on covariates by a formula, beside
    one of its own, under a name that says so; the model itself without one.

    Raises `ModelError` for a model without a rule.
    """
    if formula is None:
        return spec
    if not spec.members:
        raise ModelError(f'{spec.name}: has no rule that could differ by "{plain(formula)}".')
    if not isinstance(formula, str):
        raise ModelError(f"by {plain(repr(formula))}: must be a formula in text, as in 'group'.")
    words = "-".join(re.findall(r"\w+", formula))[:40]
    by = dict(spec.by)
    for member in spec.members:
        own = by.get(member, formula)
        by[member] = own if own == formula else f"{own} + {formula}"
    return replace(spec, name=f"{spec.name}-by-{words}", by=by)


def stored_spec(stored: str, text: str) -> ModelSpec:
    """Return the model that was stored as JSON with a fit, and the ``text`` of its file.

    Raises `ModelError` for what is no model.
    """
    try:
        table = json.loads(stored)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise ModelError("the model stored with this fit: is not a readable table of keys.")
    function_text = str(table.pop("source", ""))
    spec = _declared(_fixed(table), "the model stored with this fit")
    return replace(spec, source=function_text, text=text)


def _load(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a model file and its table; raise `ModelError` for what is none."""
    name = plain(path.name)
    try:
        if not path.is_file():
            raise ModelError(f"{plain(str(path))}: there is no such model file.")
        if (size := path.stat().st_size) > limits.MAX_MODEL_FILE:
            raise ModelError(
                f"{name}: a model file has at most {limits.MAX_MODEL_FILE} bytes, and this one has "
                f"{size}."
            )
        check_readable(path, ModelError, name)
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows put a mark in front
        return text, tomllib.loads(text)
    except OSError as problem:
        raise ModelError(f"{name}: cannot be read ({problem.strerror}).") from problem
    except RecursionError:
        raise ModelError(f"{name}: not a readable TOML file (nested too deeply).") from None
    except ModelError:
        raise
    except ValueError as problem:  # of TOML, of UTF-8, of a number with thousands of digits
        raise ModelError(f"{name}: not a readable TOML file ({plain(str(problem))}).") from problem


def _fixed(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with its lists as they are held."""
    return {k: tuple(value) if isinstance(value, list) else value for k, value in table.items()}


def _declared(table: Mapping[str, Any], source: str) -> ModelSpec:
    """Return the model of a table that meets the schema; its terms may be any names."""
    check(SCHEMA, table, source, ModelError)
    return ModelSpec(**table)


def _with_terms(table: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """Return the table of a file with the terms that its coefficients name or that are told of a
    rule of one's own, where it has these; raise `ModelError` for one that is half a learning model,
    or one and a Taylor rule."""
    if table.get("rule"):
        return _with_told_terms(table, source)
    coefficients = table.get("coefficients")
    named = tuple(coefficients) if isinstance(coefficients, Mapping) else ()
    whole = {"terms": named, **table} if "coefficients" in table else table
    given = [key for key in ("parameters", "coefficients") if table.get(key)]
    if not given:
        return whole
    check(SCHEMA, {**whole, "terms": ()}, source, ModelError)
    if "terms" in table:
        raise ModelError(
            f'{source}: "{given[0]}" stands beside "terms"; a learning model has "parameters" and '
            '"coefficients", and any other "terms".'
        )
    if len(given) < 2:
        raise ModelError(
            f'{source}: "{given[0]}" stands alone; a learning model has "parameters" and '
            '"coefficients".'
        )
    return whole


def _with_told_terms(table: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """Return the table of a rule of one's own with its terms; raise `ModelError` for one that has
    no parameters, or is another rule too."""
    check(SCHEMA, {**table, "terms": ()}, source, ModelError)
    for key in ("terms", "coefficients"):
        if key in table:
            raise ModelError(
                f'{source}: "{key}" stands beside "rule"; a rule of one\'s own has "parameters" '
                "alone."
            )
    if not table.get("parameters"):
        raise ModelError(
            f'{source}: "rule" stands alone; a rule of one\'s own has "parameters", at least one.'
        )
    return {**table, "terms": function.TERMS}


def _checked_rule(spec: ModelSpec, table: Mapping[str, Any], source: str) -> ModelSpec:
    """Return a model with parameters, of a rule of one's own with the text of its function; raise
    `ModelError` for keys that say nothing beside "parameters", and for what makes no rule."""
    for key in ("scales", "prior", "scaling"):
        if key in table:
            raise ModelError(
                f'{source}: "{key}" is of the coefficients of "terms", and stands beside '
                '"parameters"; the prior of a parameter is its "median" and its "scale".'
            )
    try:
        if spec.rule:
            found = checked_text(spec.rule, spec.parameters, spec.rate, tuple(PARAMETERS))
            return replace(spec, source=found)
        check_rule(spec.parameters, spec.coefficients, spec.rate, tuple(PARAMETERS))
        return spec
    except ModelError as problem:
        raise ModelError(f"{source}: {problem}") from problem


def _canonical(terms: tuple[str, ...], key: str, source: str) -> tuple[str, ...]:
    """Return Taylor terms by their one name each; raise `ModelError` for another or for two."""
    try:
        names = tuple(term_name(parse_term(term)) for term in terms)
    except ModelError as problem:
        raise ModelError(f"{source}: {problem}") from problem
    for k, name in enumerate(names):
        if name in names[:k]:
            raise ModelError(
                f'{source}: "{key}" names the term "{name}" twice; each may stand once.'
            )
    return names


class Needed(NamedTuple):
    """What a key of a model file does nothing without: a test of the model, and its words."""

    met: Callable[[ModelSpec], bool]
    words: str


_KERNEL = Needed(lambda spec: spec.habit == "kernel", 'habit = "kernel"')
_AVERAGE = Needed(lambda spec: spec.reward == "exponential", 'reward = "exponential"')
_RETAIN = Needed(lambda spec: spec.between_sessions == "retain", 'between_sessions = "retain"')


def _time_passes(spec: ModelSpec) -> bool:
    """Return whether a trial without a choice changes a weight, or is not asked to."""
    terms = map(parse_term, spec.terms)
    timed = any(term.pre == term.post == term.reward == 0 for term in terms)
    return spec.omitted == "pass" or bool(spec.rule) or timed


NEEDED = {
    "habit": Needed(lambda spec: spec.habit_scale > 0.0, '"habit_scale" above 0'),
    "habit_rate_median": _KERNEL,
    "habit_rate_scale": _KERNEL,
    "reward_rate_median": _AVERAGE,
    "reward_rate_scale": _AVERAGE,
    "expected_start": _AVERAGE,
    "window": Needed(lambda spec: spec.reward == "expected", 'reward = "expected"'),
    "retention_median": _RETAIN,
    "retention_scale": _RETAIN,
    "spread_ratio_scale": Needed(lambda spec: bool(spec.by), '"by"'),
    "session_sd_median": Needed(
        lambda spec: spec.session_sd_scale > 0.0, '"session_sd_scale" above 0'
    ),
    "omitted": Needed(_time_passes, 'a term without x, y and r, such as "w"'),
    "lapse_median": Needed(lambda spec: spec.lapse_scale > 0.0, '"lapse_scale" above 0'),
}
"""Keys that belong to others."""


def _check_owners(spec: ModelSpec, table: Mapping[str, Any], source: str) -> None:
    """Raise `ModelError` for a key that does nothing beside the others, naming those it needs."""
    for key in table:
        owners = with_key(key)
        if owners and spec.prior not in owners and key != "effect":
            raise ModelError(
                f'{source}: "{key}" belongs to the prior {_quoted(owners)}, and "prior" is '
                f'"{spec.prior}".'
            )
    for key, needed in NEEDED.items():
        if key in table and not needed.met(spec):
            raise ModelError(f'{source}: "{key}" belongs to {needed.words}.')
    informed = spec.scaling == "information"
    if "effect" in table and not informed and not issubclass(spec.prior_type, Shrinking):
        raise ModelError(
            f'{source}: "effect" belongs to scaling = "information" or to the prior '
            f'{_quoted(with_key("effect"))}, and "prior" is "{spec.prior}".'
        )
    if informed and spec.scales:
        raise ModelError(
            f'{source}: with scaling = "information" the scales come from the choices; leave out '
            '"scales".'
        )
    if informed and not spec.population:
        raise ModelError(
            f'{source}: scaling = "information" needs a population of animals; use hierarchy = '
            '"animals" or give "scales".'
        )


def _quoted(names: tuple[str, ...]) -> str:
    return " or ".join(f'"{name}"' for name in names)


def _model_folder() -> Path:
    """Return the folder of declared models: in the installed package, or in the source tree."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "declared"
    return installed if installed.is_dir() else package.parents[1] / "models"
