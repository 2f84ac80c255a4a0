"""A declared model: which terms or parameters, which priors, which likelihood.

What is declared is a Taylor rule, ``terms`` with coefficients of their own, a learning model,
whose coefficients are functions of ``parameters`` (`hebbax.model.learning`), or a ``rule`` of one's
own, a function of parameters (`hebbax.model.own`). The group ``theta`` of an animal holds what is
inferred of the rule: `ModelSpec.members`. Files are read by `hebbax.model.declared`.
"""

from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Annotated, Any, TypeAlias, get_args

import pydantic

from hebbax.data.limits import MAX_REWARD
from hebbax.display import Displayed, Part
from hebbax.errors import ModelError
from hebbax.model import equation
from hebbax.model.keys import (
    DEFAULT_SCALES,
    EFFECT,
    Between,
    Formulas,
    Fraction,
    Function,
    Hierarchy,
    LogOdds,
    ModelName,
    Omitted,
    PastChoice,
    Rewards,
    Scales,
    Scaling,
    Terms,
)
from hebbax.model.learning import (
    COEFFICIENTS,
    PARAMETERS,
    Coefficients,
    Parameters,
    learning_rule,
)
from hebbax.model.likelihood import BY_READOUT, Kind
from hebbax.model.own import own_rule
from hebbax.model.priors import (
    PRIORS,
    R2D2,
    Horseshoe,
    Prior,
    RegularisedHorseshoe,
)
from hebbax.rule import function
from hebbax.rule.function import FunctionRule
from hebbax.rule.named import NamedRule
from hebbax.rule.readout import Name
from hebbax.rule.reward import RewardSignal
from hebbax.rule.taylor import TaylorRule, parse_term, term_name
from hebbax.typing import Likelihood
from hebbax.validation import limits
from hebbax.validation.schema import (
    STRICT,
    check,
    choice,
    key_of,
    number,
    text,
    whole,
)

Declared: TypeAlias = TaylorRule | NamedRule | FunctionRule
"""The plasticity rules that models declare."""


@dataclass(frozen=True, repr=False)
class ModelSpec(Displayed):
    """One declared model.

    Attributes:
        name: name used in tables, figures and file names.
        terms: Taylor terms of the rule, those of ``coefficients`` where these are given; of a rule
            of one's own those that are told of it (`hebbax.rule.function.TERMS`).
        reason: one line, why this model exists.
        likelihood: ``choice`` (accepted stimuli only) or ``encounter`` (accepts and rejects).
        readout: ``accept`` (each stimulus is accepted or not) or ``softmax`` (one of them is
            chosen, by log odds), see `hebbax.rule.readout`.
        rewards: the rewards that its parameters have their meaning for; without them any.
        reward: ``expected`` for R - E[R] over a window, ``exponential`` for the same with an
            average whose rate is a parameter, ``raw`` for R.
        window: number of past rewards E[R] averages.
        rate: presynaptic rate of a stimulus.
        hierarchy: ``animals`` (each animal around a population) or ``none`` (each on its own).
        prior: of the population coefficients, one of those of `hebbax.model.priors`.
        scales: prior scale of each term's population coefficient; its spread has half that scale.
        scaling: ``declared`` for these scales, ``information`` for those that give every term the
            size ``effect`` on the recorded choices (`hebbax.submodels.scaling`).
        effect: size of one prior scale, in units of what one choice can tell of a coefficient.
        expected_terms: number of terms expected to matter (the horseshoes).
        local_degrees: degrees of freedom of the local scales (regularised horseshoe).
        r2_mean: prior mean of R^2, of R2D2 (`hebbax.model.priors.R2D2`).
        concentration: of the Dirichlet distribution that divides R^2 among the terms.
        preference_scale: prior scale of the innate preference, in log odds.
        habit_scale: prior scale of the habit (log odds of the last choice); 0 leaves it out.
        habit: whether it is of the ``last`` choice, or of a trace of choices (``kernel``).
        initial_weight_scale: prior scale of latent starting weights; 0 starts all at zero.
        habit_rate_median: of the rate at which a trace follows choices, whose prior is a logistic
            normal.
        habit_rate_scale: standard deviation of the log odds of that rate.
        reward_rate_median: of the rate at which an ``exponential`` expected reward follows rewards.
        reward_rate_scale: standard deviation of the log odds of that rate.
        expected_start: the expected reward before the first trial.
        between_sessions: whether weights, expectation and trace of choices are set back (``reset``)
            when a session begins, kept (``keep``), or kept in part (``retain``; a window of rewards
            and the last choice are then kept whole).
        retention_median: of the part that is kept under ``retain``.
        retention_scale: standard deviation of the log odds of that part.
        omitted: whether a trial without a choice goes by (``pass``), or terms without x, y and r
            act in it (``decay``).
        lapse_median: of the probability of a choice that has nothing to do with the stimuli.
        lapse_scale: standard deviation of its log odds; 0 leaves lapses out.
        session_sd_median: of the standard deviation over sessions of an animal's preference
            between two alternatives, in log odds.
        session_sd_scale: standard deviation of its logarithm; 0 leaves it out.
        parameters: of a learning model or of a rule of one's own, by name, each with its range,
            prior median and prior scale.
        coefficients: of a learning model, the expression of each Taylor term.
        by: formula over covariates of animals for each value that depends on them, as in
            { alpha = "group" } (`hebbax.model.effects`).
        spread_ratio_scale: prior scale of the logarithm of the ratio of spreads between animals
            that the same columns make; 0 gives the animals of all groups one spread.
        rule: a rule of one's own, a function as "module:function".
        source: the text of that function, by which it is known again; no key of the file.
        text: the model file as it was read, stored with every posterior; no key of the file.
    """

    name: ModelName
    terms: Terms
    reason: Annotated[str, text(limits.MAX_REASON)] = ""
    likelihood: Annotated[Likelihood, choice(get_args(Likelihood))] = "choice"
    readout: Annotated[Name, choice(get_args(Name))] = "accept"
    reward: Annotated[RewardSignal, choice(get_args(RewardSignal))] = "expected"
    rewards: Rewards = ()
    window: Annotated[int, whole(1, limits.MAX_WINDOW, "past rewards")] = 10
    rate: Annotated[float, number(0.01, 10.0)] = 0.75
    hierarchy: Annotated[Hierarchy, choice(get_args(Hierarchy))] = "animals"
    prior: Annotated[str, key_of(PRIORS), choice(tuple(PRIORS))] = "normal"
    scales: Scales = field(default_factory=dict, hash=False)
    scaling: Annotated[Scaling, choice(get_args(Scaling))] = "declared"
    effect: Annotated[float, number(0.001, 100.0)] = EFFECT
    expected_terms: Annotated[float, number(0.1, limits.MAX_TERMS)] = Horseshoe.expected_terms
    local_degrees: Annotated[float, number(1.0, 100.0)] = RegularisedHorseshoe.local_degrees
    r2_mean: Annotated[float, number(0.001, 0.999)] = R2D2.r2_mean
    concentration: Annotated[float, number(0.1, 10.0)] = R2D2.concentration
    preference_scale: Annotated[float, number(0.001, 100.0)] = 1.0
    habit_scale: Annotated[float, number(0.0, 100.0)] = 0.0
    initial_weight_scale: Annotated[float, number(0.0, 5.0)] = 0.0
    habit: Annotated[PastChoice, choice(get_args(PastChoice))] = "last"
    habit_rate_median: Fraction = 0.3
    habit_rate_scale: LogOdds = 1.5
    reward_rate_median: Fraction = 0.1
    reward_rate_scale: LogOdds = 2.0
    expected_start: Annotated[float, number(-MAX_REWARD, MAX_REWARD)] = 0.0
    between_sessions: Annotated[Between, choice(get_args(Between))] = "reset"
    retention_median: Fraction = 0.5
    retention_scale: LogOdds = 1.5
    omitted: Annotated[Omitted, choice(get_args(Omitted))] = "pass"
    lapse_median: Fraction = 0.05
    lapse_scale: Annotated[float, number(0.0, 10.0)] = 0.0
    session_sd_median: Annotated[float, number(0.01, 10.0)] = 0.3
    session_sd_scale: Annotated[float, number(0.0, 3.0)] = 0.0
    parameters: Annotated[Parameters, pydantic.Field(description=PARAMETERS)] = field(
        default_factory=dict, hash=False
    )
    coefficients: Annotated[Coefficients, pydantic.Field(description=COEFFICIENTS)] = field(
        default_factory=dict, hash=False
    )
    by: Formulas = field(default_factory=dict, hash=False)
    spread_ratio_scale: Annotated[float, number(0.0, 3.0)] = 0.0
    rule: Function = ""
    source: str = ""
    text: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Raise `ModelError` for a value that is not allowed; terms and rewards may be given as
        lists."""
        for key in ("terms", "rewards"):
            if isinstance(getattr(self, key), list):
                object.__setattr__(self, key, tuple(getattr(self, key)))
        check(SCHEMA, {key: getattr(self, key) for key in _KEYS}, "ModelSpec", ModelError)
        object.__setattr__(self, "rewards", tuple(map(float, self.rewards)))
        if not (self.rule or self.coefficients):
            object.__setattr__(self, "terms", tuple(map(_named, self.terms)))
            scales = {_named(term): scale for term, scale in self.scales.items()}
            if len(scales) == len(self.scales):  # else one is given twice, which is refused
                object.__setattr__(self, "scales", scales)
        if self.rule:
            if self.coefficients or not self.parameters or self.terms != function.TERMS:
                raise ModelError(
                    f'{self.name}: a rule of one\'s own has "parameters" and no "coefficients", '
                    f"and its terms are {', '.join(function.TERMS)}."
                )
        elif (self.parameters or self.coefficients) and (
            not self.parameters or self.terms != tuple(self.coefficients)
        ):
            raise ModelError(
                f'{self.name}: a learning model has "parameters" and "coefficients", and these '
                "name its terms."
            )
        if (self.likelihood, self.readout) not in BY_READOUT:
            raise ModelError(
                f'{self.name}: the readout "{self.readout}" is of choices, and the likelihood is '
                f'"{self.likelihood}"; use likelihood = "choice".'
            )
        if self.by and not self.population:
            raise ModelError(
                f'{self.name}: "by" needs a population of animals; use hierarchy = "animals".'
            )
        if self.session_sd_scale and self.likelihood != "choice":
            raise ModelError(
                f'{self.name}: a preference that varies by session ("session_sd_scale" '
                f'above 0) is of choices, and the likelihood is "{self.likelihood}"; use '
                'likelihood = "choice".'
            )

    def with_terms(self, terms: tuple[str, ...]) -> "ModelSpec":
        """Return the Taylor rule of other terms, or of the same without the constraints of a
        learning model, keeping the scales of those it has.

        Raises `ModelError` for a rule of one's own, which is no sum of terms.
        """
        if self.rule:
            raise ModelError(
                f'{self.name}: its rule "{self.rule}" is a function, and no sum of terms to choose '
                "among; give a model with terms."
            )
        scales = {term: scale for term, scale in self.scales.items() if term in terms}
        gone = set(self.members) - set(terms)
        by = {name: formula for name, formula in self.by.items() if name not in gone}
        return replace(
            self, terms=terms, scales=scales, by=by, rewards=(), parameters={}, coefficients={}
        )

    def shown(self) -> list[Part]:
        """Return name and reason, equation, words and priors."""
        lines = [*equation.equation(self), *equation.words(self), equation.priors(self)]
        return [f"{self.name}: {self.reason}".rstrip(": "), *filter(None, lines)]

    @property
    def members(self) -> tuple[str, ...]:
        """Names of what is inferred of the rule, parameters where it has any, else terms."""
        return tuple(self.parameters) or self.terms

    def plasticity(self, n_stimuli: int) -> Declared:
        """Return the plasticity rule of a task with so many stimuli.

        Raises `ModelError` where a rule of one's own cannot be found, or has another text.
        """
        if self.rule:
            try:
                return own_rule(self.rule, self.parameters, n_stimuli, self.rate, self.source)
            except ModelError as problem:
                raise ModelError(f"{self.name}: {problem}") from problem
        if not self.parameters:
            return TaylorRule(self.terms)
        return learning_rule(self.parameters, self.coefficients, n_stimuli, self.rate)

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
        """Return the prior scale of the population value of one of `members`."""
        if self.parameters:
            return self.parameters[term]["scale"]
        if term in self.scales:
            return self.scales[term]
        exponents = parse_term(term)
        default = DEFAULT_SCALES[self.readout]
        if exponents.weight:
            return default.weight
        return default.reward if exponents.reward else default.drift


def _named(term: str) -> str:
    """Return the one name of a term, "x w" for "w x"; what is no term is refused with the file that
    names it, or where the rule is made."""
    with suppress(ModelError):
        return term_name(parse_term(term))
    return term


def _default(key: Field) -> Any:
    """Return the default of a key as pydantic takes it: ``...`` where it must be given."""
    if key.default_factory is not MISSING:
        return pydantic.Field(default_factory=key.default_factory)
    return ... if key.default is MISSING else key.default


UNWRITTEN = ("source", "text")
"""Fields that are no keys of a model file."""

_KEYS: dict[str, Any] = {
    key.name: (key.type, _default(key)) for key in fields(ModelSpec) if key.name not in UNWRITTEN
}
SCHEMA = pydantic.create_model("ModelFile", __config__=STRICT, **_KEYS)
"""The keys of a model file with their types and bounds: the fields of `ModelSpec`."""
