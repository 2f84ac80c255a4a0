"""The rule of a model as an equation, and in words.

    dw = (1 / n) (theta(x r) x r + theta(w) w),    n the number of stimuli,

of a learning model with its coefficients as functions of parameters, of a rule of one's own by its
name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hebbax.rule.taylor import parse_term

if TYPE_CHECKING:
    from hebbax.model.spec import ModelSpec

POWERS = {"^2": "²", "^1": "", "^0": ""}

LINKED = {"unit": " of its logit", "positive": " of its logarithm", "any": ""}
"""On which scale the prior of a parameter of a range is normal."""

GREEK = {"theta": "θ", "alpha": "α", "beta": "β", "gamma": "γ", "lambda": "λ", "kappa": "κ"}


def equation(spec: ModelSpec, n: int | None = None) -> list[str]:
    """Return the equation of the change of a weight in a trial, and of a learning model what its
    coefficients are, a line each; without the number ``n`` of stimuli for any."""
    shown = "n" if n is None else f"{n}"
    if not spec.members:
        return ["Δw = 0"]
    if spec.rule:
        return [f"Δw = {spec.rule}({', '.join(['x', 'y', 'w', 'r', *spec.parameters])}) / {shown}"]
    each = [written(term) for term in spec.terms]
    terms = " + ".join(f"θ({term}) {term}".removesuffix(" 1") for term in each)
    lines = [f"Δw = [ {terms} ] / {shown}"]
    if spec.parameters:
        lines += [
            f"θ({written(term)}) = {greek(str(expression))}"
            for term, expression in spec.coefficients.items()
        ]
        stimuli = "" if n is None else f"n = {n}, "
        lines[-1] += f"    ({stimuli}rate = {spec.rate:g})"
    return lines


def priors(spec: ModelSpec) -> str:
    """Return the prior of the population's values in a sentence."""
    if not spec.members:
        return ""
    if spec.parameters:
        each = [
            f"{greek(name)} {own['median']:g} (median; scale {own['scale']:g}"
            f"{LINKED[own['range']]})"
            for name, own in spec.parameters.items()
        ]
    elif spec.scaling == "information" and not spec.scales:
        return f"prior: {spec.prior}, its scales found from the choices"
    else:
        each = [f"θ({written(term)}) {spec.scale(term):g}" for term in spec.terms]
    kind = "around" if spec.parameters else "of scale"
    return f"prior: {spec.prior} {kind} " + ", ".join(each)


def words(spec: ModelSpec) -> list[str]:
    """Return what the parts of a model mean, a sentence each: terms, reward, choice."""
    terms = [] if spec.rule else [f"{written(term)}: {term_words(term)}." for term in spec.terms]
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
    elif weight and pre:
        does = (
            "loses a part of itself (with a negative coefficient, by forgetting or as in a delta "
            "rule) or grows"
        )
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
    if spec.session_sd_scale > 0:
        said.append("The preference varies by session around that of the animal.")
    if spec.between_sessions != "reset":
        kept = "kept" if spec.between_sessions == "keep" else "kept in part"
        said.append(f"What was learned is {kept} from one session to the next.")
    return said


def written(term: str) -> str:
    """Return a term as it is written in an equation."""
    for power, sign in POWERS.items():
        term = term.replace(power, sign)
    return term


def greek(text: str) -> str:
    """Return an expression with Greek letters, as it is written in an equation."""
    for name, sign in GREEK.items():
        text = re.sub(rf"\b{name}\b", sign, text)
    # A product after a quotient is none of its divisor.
    return text.replace("**", "^").replace(" * ", " · " if re.search(r"/.*\*", text) else " ")
