"""The rule of a model as an equation, and in words.

    dw = (1 / n) (theta(x r) x r + theta(w) w),    n the number of stimuli,

of a learning model with its coefficients as functions of parameters, of a rule of one's own by its
name. Values are medians of the population.
"""

import re

import arviz as az
import pandas as pd

from hebbax.model.spec import ModelSpec
from hebbax.posterior import summary
from hebbax.posterior.inference_data import spec_of
from hebbax.posterior.verdict import Verdict
from hebbax.rule.taylor import parse_term

POWERS = {"^2": "²", "^1": "", "^0": ""}

GREEK = {"theta": "θ", "alpha": "α", "beta": "β", "gamma": "γ", "lambda": "λ", "kappa": "κ"}


def equation(posterior: az.InferenceData, verdict: Verdict) -> str:
    """Return the equation of the change of a weight in a trial, and below it what its coefficients
    are: in the population by the median, where the posterior did not fail its diagnostics."""
    spec, n = spec_of(posterior), int(posterior.attrs["n_inputs"])
    if not spec.members:
        return "Δw = 0"
    if spec.rule:
        return f"Δw = {spec.rule}({', '.join(['x', 'y', 'w', 'r', *spec.parameters])}) / {n}"
    each = [_written(term) for term in spec.terms]
    terms = " + ".join(f"θ({term}) {term}".removesuffix(" 1") for term in each)
    lines = [f"Δw = [ {terms} ] / {n}"]
    if spec.parameters:
        lines += [
            f"θ({_written(term)}) = {_greek(str(expression))}"
            for term, expression in spec.coefficients.items()
        ]
        lines[-1] += f"    (n = {n}, rate = {spec.rate:g})"
    if verdict.usable and spec.population:
        table = summary.population_table(posterior, verdict)
        names = [*spec.parameters] or [f"theta {term}" for term in spec.terms]
        lines.append("in the population: " + ", ".join(_value(name, table) for name in names))
    return "\n".join(lines)


def words(spec: ModelSpec) -> list[str]:
    """Return what the parts of a model mean, a sentence each: terms, reward, choice."""
    terms = [] if spec.rule else [f"{_written(term)}: {term_words(term)}." for term in spec.terms]
    symbols = (
        "w is the weight of a stimulus, what the animal has learned of it; "
        f"x is {spec.rate:g} for the chosen stimulus and 0 for every other; {_reward(spec)}"
    )
    said = [*terms, f"{symbols}."] if spec.members else ["No weight changes: nothing is learned."]
    return [*said, *_choice(spec)]


def term_words(term: str) -> str:
    """Return what a term of a rule does to weights, in words."""
    pre, post, reward, weight = parse_term(term)
    whose = "the weight of the chosen stimulus" if pre else "every weight"
    by_reward = "the square of the reward signal" if reward == 2 else "the reward signal"
    if weight and reward:
        does = f"changes by a part of itself that follows {by_reward}"
    elif weight == 2:
        does = "changes by its square"
    elif weight:
        does = "loses a part of itself (with a negative coefficient, which is forgetting) or grows"
    elif reward:
        does = f"changes with {by_reward}"
    else:
        does = "changes by the same step, whatever the reward"
    return f"{whose} {does}" + (", in proportion to the response y" if post else "")


def _reward(spec: ModelSpec) -> str:
    if spec.reward == "raw":
        return "r is the reward itself"
    if spec.reward == "exponential":
        return "r is the reward less an average of past rewards that follows at a rate of its own"
    return f"r is the reward less the mean of the last {spec.window} rewards"


def _choice(spec: ModelSpec) -> list[str]:
    """Return how weights become choices."""
    if spec.readout == "softmax":
        said = ["An alternative is chosen by log odds: its weight and an innate preference."]
    else:
        said = [
            "A stimulus that is met is accepted with log odds 5 tanh(x w), beside an innate "
            "preference."
        ]
    if spec.habit_scale > 0:
        past = "the last choice" if spec.habit == "last" else "a fading trace of past choices"
        said.append(f"A habit repeats {past}, whatever it brought.")
    if spec.lapse_scale > 0:
        said.append("With a small probability, a lapse, the choice has nothing to do with stimuli.")
    if spec.between_sessions != "reset":
        kept = "kept" if spec.between_sessions == "keep" else "kept in part"
        said.append(f"What was learned is {kept} from one session to the next.")
    return said


def _written(term: str) -> str:
    for power, sign in POWERS.items():
        term = term.replace(power, sign)
    return term


def _greek(text: str) -> str:
    for name, sign in GREEK.items():
        text = re.sub(rf"\b{name}\b", sign, text)
    return text.replace("**", "^").replace(" * ", " ")


def _value(name: str, table: pd.DataFrame) -> str:
    row = table.loc[name]
    term = name.removeprefix("theta ")
    shown = _greek(name) if term == name else f"θ({_written(term)})"
    return f"{shown} = {row['median']:.3f} ({row['5 %']:.3f} to {row['95 %']:.3f})".replace(
        "-", "−"
    )
