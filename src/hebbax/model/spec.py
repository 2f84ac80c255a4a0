"""A declared model, read from a TOML file: which terms, which priors, which likelihood.

An unknown key answers with the known ones. The files in ``models/`` are part of the package, so
``"forgetting"`` names one after an install; a path to a file of one's own works the same.
"""

import difflib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import pydantic
from pydantic import AfterValidator

from hebbax.data.limits import MAX_REWARD
from hebbax.errors import ModelError
from hebbax.model.likelihood import BY_READOUT, Kind
from hebbax.model.priors import (
    PRIORS,
    R2D2,
    Horseshoe,
    Prior,
    RegularisedHorseshoe,
    Shrinking,
    with_key,
)
from hebbax.rule.readout import Name
from hebbax.rule.reward import RewardSignal
from hebbax.rule.taylor import parse_term, term_name
from hebbax.run.files import check_readable
from hebbax.typing import Likelihood
from hebbax.validation import limits
from hebbax.validation.quoting import plain
from hebbax.validation.schema import (
    STRICT,
    check,
    choice,
    key_of,
    number,
    storable_name,
    text,
    whole,
)

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

NAME = f"text of 1 to {limits.MAX_NAME} characters"
TERMS = f"a list of at most {limits.MAX_TERMS} term names (it may be empty)"
SCALES = (
    f"a table of prior scales from {MIN_SCALE:g} to {MAX_SCALE:g} (weights explode beyond it), as "
    'in { "x r" = 0.3 }'
)
FRACTION = number(0.001, 0.999)
"""Bounds of the prior median of a parameter between 0 and 1."""
LOG_ODDS = number(0.001, 10.0)
"""Bounds of its prior standard deviation, in log odds."""
TermName = Annotated[str, pydantic.Field(min_length=1, max_length=limits.MAX_NAME)]
Scale = Annotated[float, pydantic.Field(ge=MIN_SCALE, le=MAX_SCALE)]


@dataclass(frozen=True)
class ModelSpec:
    """One declared model.

    Attributes:
        name: name used in tables, figures and file names.
        terms: coefficient names; Taylor terms unless the model is built with a rule of one's own.
        reason: one line, why this model exists.
        likelihood: ``choice`` (accepted stimuli only) or ``encounter`` (accepts and rejects).
        readout: ``accept`` (each stimulus is accepted or not) or ``softmax`` (one of them is
            chosen, by log odds), see `hebbax.rule.readout`.
        reward: ``expected`` for R - E[R] over a window, ``exponential`` for the same with an
            average whose rate is a parameter, ``raw`` for R.
        window: number of past rewards E[R] averages.
        rate: presynaptic rate of a stimulus.
        hierarchy: ``animals`` (each animal around a population) or ``none`` (each on its own).
        prior: of the population coefficients, one of those of `hebbax.model.priors`.
        scales: prior scale of each term's population coefficient; its spread has half that scale.
        scaling: ``declared`` for these scales, ``information`` for those that give every term the
            size ``effect`` on the recorded choices (`hebbax.inference.scaling`).
        effect: size of one prior scale, in units of what one choice can tell of a coefficient.
        expected_terms: number of terms expected to matter (the horseshoes).
        local_degrees: degrees of freedom of the local scales (regularised horseshoe).
        r2_mean, concentration: of R2D2 (`hebbax.model.priors.R2D2`).
        preference_scale: prior scale of the innate preference, in log odds.
        habit_scale: prior scale of the habit (log odds of the last choice); 0 leaves it out.
        habit: whether it is of the ``last`` choice, or of a trace of choices (``kernel``).
        initial_weight_scale: prior scale of latent starting weights; 0 starts all at zero.
        habit_rate_median, habit_rate_scale: prior of the rate at which a trace follows choices: a
            logistic normal, its median and the standard deviation of the log odds.
        reward_rate_median, reward_rate_scale: that of the rate at which an ``exponential`` expected
            reward follows rewards.
        expected_start: the expected reward before the first trial.
        between_sessions: whether weights, expectation and trace of choices are set back (``reset``)
            when a session begins, kept (``keep``), or kept in part (``retain``).
        retention_median, retention_scale: prior of that part.
        omitted: whether a trial without a choice goes by (``pass``), or terms without x and r act
            in it (``decay``).
        lapse_median, lapse_scale: prior of the probability of a choice that has nothing to do with
            the stimuli; a scale of 0 leaves it out.
        text: the model file as it was read, stored with every posterior; no key of the file.
    """

    name: Annotated[str, AfterValidator(storable_name), pydantic.Field(description=NAME)]
    terms: Annotated[
        tuple[TermName, ...], pydantic.Field(max_length=limits.MAX_TERMS, description=TERMS)
    ]
    reason: Annotated[str, text(limits.MAX_REASON)] = ""
    likelihood: Annotated[Likelihood, choice(get_args(Likelihood))] = "choice"
    readout: Annotated[Name, choice(get_args(Name))] = "accept"
    reward: Annotated[RewardSignal, choice(get_args(RewardSignal))] = "expected"
    window: Annotated[int, whole(1, limits.MAX_WINDOW, "past rewards")] = 10
    rate: Annotated[float, number(0.01, 10.0)] = 0.75
    hierarchy: Annotated[Hierarchy, choice(get_args(Hierarchy))] = "animals"
    prior: Annotated[str, key_of(PRIORS), choice(tuple(PRIORS))] = "normal"
    scales: Annotated[Mapping[TermName, Scale], pydantic.Field(description=SCALES)] = field(
        default_factory=dict, hash=False
    )
    scaling: Annotated[Scaling, choice(get_args(Scaling))] = "declared"
    effect: Annotated[float, number(0.001, 100.0)] = EFFECT
    expected_terms: Annotated[float, number(0.001, limits.MAX_TERMS)] = Horseshoe.expected_terms
    local_degrees: Annotated[float, number(0.5, 100.0)] = RegularisedHorseshoe.local_degrees
    r2_mean: Annotated[float, number(0.001, 0.999)] = R2D2.r2_mean
    concentration: Annotated[float, number(0.001, 100.0)] = R2D2.concentration
    preference_scale: Annotated[float, number(0.001, 100.0)] = 1.0
    habit_scale: Annotated[float, number(0.0, 100.0)] = 0.0
    initial_weight_scale: Annotated[float, number(0.0, 5.0)] = 0.0
    habit: Annotated[PastChoice, choice(get_args(PastChoice))] = "last"
    habit_rate_median: Annotated[float, FRACTION] = 0.3
    habit_rate_scale: Annotated[float, LOG_ODDS] = 1.5
    reward_rate_median: Annotated[float, FRACTION] = 0.1
    reward_rate_scale: Annotated[float, LOG_ODDS] = 2.0
    expected_start: Annotated[float, number(-MAX_REWARD, MAX_REWARD)] = 0.0
    between_sessions: Annotated[Between, choice(get_args(Between))] = "reset"
    retention_median: Annotated[float, FRACTION] = 0.5
    retention_scale: Annotated[float, LOG_ODDS] = 1.5
    omitted: Annotated[Omitted, choice(get_args(Omitted))] = "pass"
    lapse_median: Annotated[float, FRACTION] = 0.05
    lapse_scale: Annotated[float, number(0.0, 10.0)] = 0.0
    text: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise `ModelError` for a value that is not allowed; terms may be given as a list."""
        if isinstance(self.terms, list):
            object.__setattr__(self, "terms", tuple(self.terms))
        check(
            _SCHEMA,
            {key: getattr(self, key) for key in _KEYS},
            "ModelSpec",
            ModelError,
        )
        if (self.likelihood, self.readout) not in BY_READOUT:
            raise ModelError(
                f'{self.name}: the readout "{self.readout}" is of choices, and the likelihood is '
                f'"{self.likelihood}"; use likelihood = "choice".'
            )

    def with_terms(self, terms: tuple[str, ...]) -> "ModelSpec":
        """Return the model with other terms, keeping the scales of those it has."""
        scales = {term: scale for term, scale in self.scales.items() if term in terms}
        return replace(self, terms=terms, scales=scales)

    @property
    def kind(self) -> Kind:
        """The distribution of what an animal did in a trial, of logits and offsets."""
        return BY_READOUT[self.likelihood, self.readout]

    @property
    def prior_type(self) -> type[Prior]:
        """The prior of the population coefficients."""
        return PRIORS[self.prior]

    def own_prior(self, choices: int) -> Prior:
        """Return that prior by the keys of this model, for a number of choices."""
        return self.prior_type.declared(vars(self), choices)

    @property
    def population(self) -> bool:
        """Whether the animals lie around a population."""
        return self.hierarchy == "animals"

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
        default = DEFAULT_SCALES[self.readout]
        if exponents.weight:
            return default.weight
        return default.reward if exponents.reward else default.drift


def _default(key: Field) -> Any:
    """Return the default of a key as pydantic takes it: ``...`` where it must be given."""
    if key.default_factory is not MISSING:
        return pydantic.Field(default_factory=key.default_factory)
    return ... if key.default is MISSING else key.default


_KEYS: dict[str, Any] = {
    key.name: (key.type, _default(key)) for key in fields(ModelSpec) if key.name != "text"
}
_SCHEMA = pydantic.create_model("ModelFile", __config__=STRICT, **_KEYS)
"""The keys of a model file with their types and bounds: the fields of `ModelSpec`."""


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
            close = difflib.get_close_matches(name[: limits.MAX_NAME], known, n=1)
            meant = f' (did you mean "{close[0]}"?)' if close else ""
            raise ModelError(
                f'unknown model "{plain(name)}"{meant}: declared models are {", ".join(known)}; '
                "a path to a .toml file works too."
            )
        path = known[name]
    text, table = _load(path)
    return replace(parse_spec({"name": path.stem, **table}, plain(path.name)), text=text)


def parse_spec(table: Mapping[str, Any], source: str = "model") -> ModelSpec:
    """Return the model a TOML table declares; ``source`` names the file in errors."""
    spec = _declared(table, source)
    terms = _canonical(spec.terms, "terms", source)
    scaled = _canonical(tuple(spec.scales), "scales", source)
    for term in scaled:
        if term not in terms:
            raise ModelError(
                f'{source}: "scales" names the term "{term}", which is not among "terms" '
                f"({', '.join(terms)})."
            )
    _check_owners(spec, table, source)
    few = "expected_terms" in spec.prior_type.reads() and terms
    if few and not spec.expected_terms < len(terms):
        raise ModelError(
            f'{source}: "expected_terms" must be less than the number of terms ({len(terms)}), '
            f"{spec.expected_terms:g} given."
        )
    scales = dict(zip(scaled, spec.scales.values(), strict=True))
    return replace(spec, terms=terms, scales=scales)


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
    return replace(_declared(table, "the model stored with this fit"), text=text)


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


def _declared(table: Mapping[str, Any], source: str) -> ModelSpec:
    """Return the model of a table that meets the schema; its terms may be any names."""
    terms = table.get("terms")
    table = {**table, "terms": tuple(terms)} if isinstance(terms, list) else table
    check(_SCHEMA, table, source, ModelError)
    return ModelSpec(**table)


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
