"""Learning models in model files: read, refused, stored and read back."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from hebbax.check.prior_predictive import template
from hebbax.data import Record, from_animals
from hebbax.errors import ModelError
from hebbax.model.choices import build_model
from hebbax.model.declared import declared_models, parse_spec, read_spec, stored_spec
from hebbax.model.identity import comparable
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import spec_attribute
from hebbax.simulation.environment import Task

ALPHA = 'alpha = { range = "unit", median = 0.5, scale = 1.0 }'
BETA = 'beta = { range = "positive", median = 3.0, scale = 0.7 }'
PARAMETERS = f"[parameters]\n{ALPHA}\n{BETA}\n"
COEFFICIENTS = '[coefficients]\n"r x" = "n * alpha * beta / rate"\n"x w" = "-n * alpha / rate"\n'
Q = PARAMETERS + COEFFICIENTS
TABLE = (
    '"parameters" must be a table of at most 100 parameters, each with a range (unit, positive, any), '
    "a median and a scale from 0.01 to 5, as in alpha = "
    '{ range = "unit", median = 0.4, scale = 1.0 }'
)

REFUSED = {
    "unknown parameter": (
        Q.replace("beta /", "gamma /"),
        'the coefficient of "r x" reads "gamma", which is no parameter (alpha, beta, n, rate).',
    ),
    "unused parameter": (Q.replace("* beta ", ""), 'no coefficient reads the parameter "beta".'),
    "median at an end": (
        Q.replace("median = 0.5", "median = 1.0"),
        'the parameter "alpha" lies between 0 and 1, and its median is 1.',
    ),
    "no term": (
        Q.replace('"x w"', '"xw"'),
        'unknown term "xw" (did you mean "x w"?): a term is "1" or factors x, y, r, w with exponents up to 2, such as "x r" '
        'or "x^2 r w".',
    ),
    "a term twice": (
        Q + '"x r" = "alpha"\n',
        '"coefficients" names the term "x r" twice; each may stand once.',
    ),
    "terms beside them": (
        f'terms = ["x r"]\n{Q}',
        '"parameters" stands beside "terms"; a learning model has "parameters" and "coefficients", and '
        'any other "terms".',
    ),
    "parameters alone": (
        PARAMETERS,
        '"parameters" stands alone; a learning model has "parameters" and "coefficients".',
    ),
    "coefficients alone": (
        COEFFICIENTS,
        '"coefficients" stands alone; a learning model has "parameters" and "coefficients".',
    ),
    "scales": (
        f'{Q}[scales]\n"x r" = 0.3\n',
        '"scales" is of the coefficients of "terms", and stands beside "parameters"; the prior of a '
        'parameter is its "median" and its "scale".',
    ),
    "a prior that shrinks": (
        f'prior = "horseshoe"\n{Q}',
        '"prior" is of the coefficients of "terms", and stands beside "parameters"; the prior of a '
        'parameter is its "median" and its "scale".',
    ),
    "a constant": (
        Q.replace("alpha", "rate"),
        '"rate" is no name of a parameter; it stands for something else.',
    ),
    "no name": (
        Q.replace("alpha =", '"a b" ='),
        '"a b" is no name of a parameter; use letters, digits and "_".',
    ),
    "no arithmetic": (
        Q.replace("-n * alpha", "abs(alpha)"),
        'the coefficient of "x w": "abs(alpha) / rate" is no arithmetic of names and numbers: only + - '
        "* / ** and brackets are allowed.",
    ),
    "no number": (
        Q.replace("-n * alpha", "1 / (alpha - 0.5)"),
        'the coefficient of "x w" is no finite number where the parameters have their medians.',
    ),
    "no scale": (
        Q.replace(", scale = 0.7", ""),
        TABLE.replace('"parameters" must', '"scale" of parameters.beta is missing; parameters must')
        + ".",
    ),
    "another key": (
        Q.replace("scale = 0.7", "scale = 0.7, sd = 1.0"),
        f'{TABLE}, 1.0 given for "sd" of "beta".',
    ),
    "another range": (
        Q.replace('"unit"', '"logit"'),
        f'{TABLE}, "logit" given for "range" of "alpha".',
    ),
    "no expression": (
        Q.replace('"-n * alpha / rate"', "3"),
        '"coefficients" must be a table of at most 100 Taylor terms, each with the expression of its '
        'coefficient, as in { "x r" = "n * alpha * beta / rate" }, 3 given for "x w".',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_learning_model_is_refused_in_one_sentence(case, tmp_path):
    text, sentence = REFUSED[case]
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ModelError) as error:
        read_spec(str(path))
    assert str(error.value) == f"mine.toml: {sentence}"


@pytest.mark.parametrize("name", declared_models())
def test_a_declared_model_is_stored_and_read_back_as_it_was(name):
    spec = read_spec(name)
    back = stored_spec(spec_attribute(spec), spec.text)
    assert (back, hash(back), back.members) == (spec, hash(spec), spec.members)
    assert back.plasticity(3) == spec.plasticity(3)


def test_members_are_the_parameters_and_the_terms_those_of_the_taylor_rule(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(Q)
    spec = read_spec(str(path))
    assert (spec.members, spec.terms) == (("alpha", "beta"), ("x r", "x w"))
    assert (spec.scale("alpha"), spec.scale("beta")) == (1.0, 0.7)
    free = spec.with_terms(spec.terms)
    assert (free.members, free.plasticity(2)) == (spec.terms, spec.plasticity(2).taylor)
    with pytest.raises(ModelError, match="these name its terms"):
        ModelSpec("mine", ("w",), parameters=spec.parameters, coefficients=spec.coefficients)


def test_the_number_of_stimuli_is_that_of_the_task():
    spec = read_spec("forgetting-q")
    for n in (2, 5):
        named = spec.plasticity(n)
        x_r, w = named.coefficients([0.0, 0.0])
        assert (float(x_r), float(w)) == pytest.approx((n * 0.4 * 3.0 / 0.75, -n * 0.4))


def test_from_python_a_table_is_enough():
    spec = parse_spec(
        {
            "name": "mine",
            "parameters": {"drift": {"range": "any", "median": 0.0, "scale": 0.5}},
            "coefficients": {"1": "drift"},
        }
    )
    assert (spec.terms, spec.members) == (("1",), ("drift",))


def test_rewards_for_which_parameters_have_no_meaning_are_refused():
    """Rewards of -1 and 1 would make another rule of "after a reward" and "after none"."""
    choices, rewards = np.array([0, 1, 0]), np.array([1.0, 0.0, -1.0])
    sessions = from_animals([Record("s", choices, rewards)], ("A", "B"), "r.csv")
    with pytest.raises(ModelError) as error:
        build_model(read_spec("hattori"), sessions)
    assert str(error.value) == (
        "hattori: r.csv, animal s, trial 3: reward -1 given; the parameters of this model have a "
        'meaning for rewards of 0, 1 ("rewards" in its file).'
    )
    build_model(read_spec("hattori").with_terms(("x r", "w")), sessions)
    build_model(read_spec("gain-loss-q"), sessions)
    build_model(read_spec("forgetting-q"), sessions)
    with pytest.raises(ModelError, match="trial 1: reward -1 given"):
        template(read_spec("hattori"), 2, Task(20, 1, (0.2, 0.8), "baited", outcomes=(-1.0, 1.0)))
    without = replace(read_spec("hattori"), rewards=())
    assert comparable(asdict(without)) == comparable(asdict(read_spec("hattori")))
    assert ModelSpec("m", ("w",), rewards=[np.int64(0), 1]).rewards == (0.0, 1.0)
    assert stored_spec(spec_attribute(read_spec("hattori")), "").rewards == (0, 1)
