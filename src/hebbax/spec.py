"""A declared model, read from a TOML file: which terms, which priors, which likelihood.

An unknown key answers with the known ones. The files in ``models/`` are part of the package, so
``"forgetting"`` names one after an install; a path to a file of one's own works the same.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from hebbax.environment import Likelihood
from hebbax.errors import ModelError
from hebbax.plasticity import parse_term, term_name
from hebbax.priors import SHRINKING, Hierarchy, Prior
from hebbax.reward import RewardSignal
from hebbax.sparsity import Sparsity

Scaling = Literal["declared", "information"]

EFFECT = 0.3
"""Default size of one prior scale: with 2880 choices, the information of 12 animals x 240 trials
would tell a coefficient of that size from zero by 16 standard deviations, were it alone."""

DEFAULT_REWARD_SCALE = 0.5
"""Prior scale of a coefficient with r and without w: its steps go up and down with the reward."""

DEFAULT_DRIFT_SCALE = 0.2
"""Prior scale of a coefficient without r and w: its steps all have one sign, and 0.2 / 2 a trial
carries a weight to saturation within thirty trials."""

DEFAULT_WEIGHT_SCALE = 0.2
"""Prior scale of a coefficient with w: 0.2 / 2 a trial is a memory of ten trials."""


@dataclass(frozen=True)
class ModelSpec:
    """One declared model.

    Attributes:
        name: name used in tables, figures and file names.
        terms: coefficient names; Taylor terms unless the model is built with a rule of one's own.
        reason: one line, why this model exists.
        likelihood: ``choice`` (accepted stimuli only) or ``encounter`` (accepts and rejects).
        reward: ``expected`` for R - E[R], ``raw`` for R.
        window: number of past rewards E[R] averages.
        rate: presynaptic rate of a stimulus.
        hierarchy: ``animals`` (each animal around a population) or ``none`` (each on its own).
        prior: of the population coefficients, one of those of `hebbax.priors`.
        scales: prior scale of each term's population coefficient; its spread has half that scale.
        scaling: ``declared`` for these scales, ``information`` for those that give every term the
            size ``effect`` on the recorded choices (`hebbax.scaling`).
        effect: size of one prior scale, in units of what one choice can tell of a coefficient.
        expected_terms: number of terms expected to matter (the horseshoes).
        local_degrees: degrees of freedom of the local scales (regularised horseshoe).
        r2_mean, concentration: of R2D2 (`hebbax.sparsity.Sparsity`).
        preference_scale: prior scale of the innate preference, in log odds.
        habit_scale: prior scale of the habit (log odds of the last choice); 0 leaves it out.
        initial_weight_scale: prior scale of latent starting weights; 0 starts all at zero.
        text: the model file as it was read, stored with every posterior; no key of the file.
    """

    name: str
    terms: tuple[str, ...]
    reason: str = ""
    likelihood: Likelihood = "choice"
    reward: RewardSignal = "expected"
    window: int = 10
    rate: float = 0.75
    hierarchy: Hierarchy = "animals"
    prior: Prior = "normal"
    scales: Mapping[str, float] = field(default_factory=dict, hash=False)
    scaling: Scaling = "declared"
    effect: float = EFFECT
    expected_terms: float = Sparsity.expected
    local_degrees: float = Sparsity.degrees
    r2_mean: float = Sparsity.r2_mean
    concentration: float = Sparsity.concentration
    preference_scale: float = 1.0
    habit_scale: float = 0.0
    initial_weight_scale: float = 0.0
    text: str = field(default="", repr=False, compare=False)

    def with_terms(self, terms: tuple[str, ...]) -> "ModelSpec":
        """Return the model with other terms, keeping the scales of those it has."""
        scales = {term: scale for term, scale in self.scales.items() if term in terms}
        return replace(self, terms=terms, scales=scales)

    def sparsity(self, choices: int) -> Sparsity:
        """Return the hyper-parameters of the priors that shrink, for a number of choices."""
        return Sparsity(
            self.expected_terms,
            self.local_degrees,
            self.r2_mean,
            self.concentration,
            self.effect,
            choices,
        )

    def scale(self, term: str) -> float:
        """Return the prior scale of a term's population coefficient.

        Raises `ModelError` for a term of one's own rule (`hebbax.build_model`) without a scale.
        """
        if term in self.scales:
            return self.scales[term]
        try:
            exponents = parse_term(term)
        except ModelError as problem:
            raise ModelError(
                f'{self.name}: "{term}" is not a Taylor term; give its prior scale in "scales".'
            ) from problem
        if exponents.weight:
            return DEFAULT_WEIGHT_SCALE
        return DEFAULT_REWARD_SCALE if exponents.reward else DEFAULT_DRIFT_SCALE


_CHOICES: dict[str, tuple[str, ...]] = {
    "likelihood": get_args(Likelihood),
    "reward": get_args(RewardSignal),
    "hierarchy": get_args(Hierarchy),
    "prior": get_args(Prior),
    "scaling": get_args(Scaling),
}
_OWNERS: dict[str, tuple[str, ...]] = {
    "expected_terms": ("horseshoe", "regularised horseshoe"),
    "local_degrees": ("regularised horseshoe",),
    "r2_mean": ("r2d2",),
    "concentration": ("r2d2",),
}
"""Priors that each hyper-parameter belongs to."""
_POSITIVE = ("rate", "effect", *_OWNERS, "preference_scale")
_NOT_NEGATIVE = ("habit_scale", "initial_weight_scale")
MAX_SCALE = 5.0
"""Largest prior scale of a coefficient: beyond it nearly every prior draw explodes to the bound."""


def declared_models() -> dict[str, Path]:
    """Return the declared models by name, with the file that declares each."""
    return {path.stem: path for path in sorted(_model_folder().glob("*.toml"))}


def read_spec(name: str) -> ModelSpec:
    """Return the declared model ``name``, or the one in the TOML file of that path.

    Raises `ModelError` for an unknown name, key, term or value, naming the file and the key.
    """
    path = Path(name)
    if path.suffix != ".toml":
        known = declared_models()
        if name not in known:
            raise ModelError(
                f'unknown model "{name}": declared models are {", ".join(known)}; '
                "a path to a .toml file works too."
            )
        path = known[name]
    if not path.is_file():
        raise ModelError(f"{path}: there is no such model file.")
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ModelError(f"{path.name}: not a readable TOML file ({problem}).") from problem
    return replace(parse_spec({"name": path.stem, **table}, path.name), text=text)


def parse_spec(table: Mapping[str, Any], source: str = "model") -> ModelSpec:
    """Return the model a TOML table declares; ``source`` names the file in errors."""
    known = [f.name for f in fields(ModelSpec) if f.name != "text"]
    for key in table:
        if key not in known:
            raise ModelError(f'{source}: unknown key "{key}"; known keys are {", ".join(known)}.')
    if not isinstance(table.get("terms"), list):
        raise ModelError(f'{source}: "terms" must be a list of term names (it may be empty).')
    spec = ModelSpec(**{**table, "terms": tuple(table["terms"])})
    check_spec(spec, source)
    _check_owners(spec, table, source)
    return replace(
        spec,
        terms=tuple(term_name(parse_term(term)) for term in spec.terms),
        scales={term_name(parse_term(term)): scale for term, scale in spec.scales.items()},
    )


def check_spec(spec: ModelSpec, source: str) -> None:
    """Raise `ModelError` for a value that is not allowed, naming the key and what is."""
    try:
        names = [term_name(parse_term(term)) for term in (*spec.terms, *spec.scales)]
    except ModelError as problem:
        raise ModelError(f"{source}: {problem}") from problem
    for term in names[len(spec.terms) :]:
        if term not in names[: len(spec.terms)]:
            raise ModelError(
                f'{source}: "scales" names the term "{term}", which is not among "terms" '
                f"({', '.join(spec.terms)})."
            )
    for key, allowed in _CHOICES.items():
        if getattr(spec, key) not in allowed:
            raise ModelError(
                f'{source}: "{key}" is "{getattr(spec, key)}"; it may be {" or ".join(allowed)}.'
            )
    if not isinstance(spec.window, int) or spec.window < 1:
        raise ModelError(
            f'{source}: "window" must be a whole number of trials from 1, {spec.window} given.'
        )
    for key in (*_POSITIVE, *_NOT_NEGATIVE):
        _check_number(source, key, getattr(spec, key), zero_allowed=key in _NOT_NEGATIVE)
    _check_hyper_parameters(spec, source)
    for term, scale in spec.scales.items():
        _check_number(source, f"scales.{term}", scale, zero_allowed=False)
        if scale > MAX_SCALE:
            raise ModelError(
                f'{source}: the prior scale {scale:g} of "{term}" makes the weights explode; '
                f"it may be at most {MAX_SCALE:g}."
            )


def _check_hyper_parameters(spec: ModelSpec, source: str) -> None:
    """Raise `ModelError` for a hyper-parameter outside its range."""
    if not spec.r2_mean < 1:
        raise ModelError(f'{source}: "r2_mean" must be less than 1, {spec.r2_mean:g} given.')
    few = spec.prior in _OWNERS["expected_terms"] and spec.terms
    if few and not spec.expected_terms < len(spec.terms):
        raise ModelError(
            f'{source}: "expected_terms" must be less than the number of terms '
            f"({len(spec.terms)}), {spec.expected_terms:g} given."
        )


def _check_owners(spec: ModelSpec, table: Mapping[str, Any], source: str) -> None:
    """Raise `ModelError` for a key that does nothing beside the others, naming those it needs."""
    for key, owners in _OWNERS.items():
        if key in table and spec.prior not in owners:
            raise ModelError(
                f'{source}: "{key}" belongs to the prior {_quoted(owners)}, and "prior" is '
                f'"{spec.prior}".'
            )
    informed = spec.scaling == "information"
    if "effect" in table and not informed and spec.prior not in SHRINKING:
        raise ModelError(
            f'{source}: "effect" belongs to scaling = "information" or to the prior '
            f'{_quoted(SHRINKING)}, and "prior" is "{spec.prior}".'
        )
    if informed and spec.scales:
        raise ModelError(
            f'{source}: with scaling = "information" the scales come from the choices; leave out '
            '"scales".'
        )
    if informed and spec.hierarchy == "none":
        raise ModelError(
            f'{source}: scaling = "information" needs a population of animals; use hierarchy = '
            '"animals" or give "scales".'
        )


def _quoted(names: tuple[str, ...]) -> str:
    return " or ".join(f'"{name}"' for name in names)


def _check_number(source: str, key: str, value: Any, *, zero_allowed: bool) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < float("inf") or (value == 0 and not zero_allowed):
        allowed = "zero or a positive number" if zero_allowed else "a positive number"
        raise ModelError(f'{source}: "{key}" must be {allowed}, {value} given.')


def _model_folder() -> Path:
    """Return the folder of declared models: in the installed package, or in the source tree."""
    here = Path(__file__).resolve()
    installed = here.parent / "models"
    return installed if installed.is_dir() else here.parents[2] / "models"
