"""Declared models: every one loads, draws from its prior and has a finite density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from numpyro.handlers import seed, trace

from hebbax.errors import ModelError
from hebbax.inference.density import potential, start
from hebbax.model import build_model
from hebbax.spec import ModelSpec, declared_models, parse_spec, read_spec


@pytest.mark.parametrize("name", declared_models())
def test_a_declared_model_has_a_reason_a_prior_and_a_finite_density(name):
    spec = read_spec(name)
    assert spec.reason.endswith(".")
    model = build_model(spec, random_sessions(2))
    drawn = trace(seed(model, jax.random.PRNGKey(0))).get_trace()
    assert all(np.isfinite(np.asarray(site["value"])).all() for site in drawn.values())
    value, gradient = jax.value_and_grad(lambda p: potential(model, p))(start(model))
    assert np.isfinite(value)
    assert all(jnp.isfinite(g).all() for g in jax.tree.leaves(gradient))


def test_the_models_of_the_paper_are_declared():
    names = {"null", "reward", "forgetting", "forgetting-raw", "rajagopalan",
             "rajagopalan-forgetting", "chosen-forgetting", "sparse"}  # fmt: skip
    assert names <= set(declared_models())


BAD = {
    "unknown key": (
        {"terms": ["w"], "likelyhood": "choice"},
        'mine.toml: unknown key "likelyhood"; known keys are name, terms, reason, likelihood, reward, '
        "window, rate, hierarchy, prior, scales, scaling, effect, expected_terms, local_degrees, r2_mean, "
        "concentration, preference_scale, habit_scale, initial_weight_scale.",
    ),
    "unknown term": (
        {"terms": ["xr"]},
        'mine.toml: unknown term "xr": a term is "1" or factors x, y, r, w with exponents up to 2, '
        'such as "x r" or "x^2 r w".',
    ),
    "no terms": ({}, 'mine.toml: "terms" must be a list of term names (it may be empty).'),
    "unknown likelihood": (
        {"terms": ["w"], "likelihood": "spikes"},
        'mine.toml: "likelihood" is "spikes"; it may be choice or encounter.',
    ),
    "exploding prior": (
        {"terms": ["w"], "scales": {"w": 50}},
        'mine.toml: the prior scale 50 of "w" makes the weights explode; it may be at most 5.',
    ),
    "scale of another term": (
        {"terms": ["w"], "scales": {"x r": 1.0}},
        'mine.toml: "scales" names the term "x r", which is not among "terms" (w).',
    ),
    "window": (
        {"terms": ["w"], "window": 0},
        'mine.toml: "window" must be a whole number of trials from 1, 0 given.',
    ),
    "key of another prior": (
        {"terms": ["w"], "prior": "laplace", "expected_terms": 0.5},
        'mine.toml: "expected_terms" belongs to the prior "horseshoe" or "regularised horseshoe", and '
        '"prior" is "laplace".',
    ),
    "slab of another prior": (
        {"terms": ["w", "x"], "prior": "horseshoe", "expected_terms": 1, "local_degrees": 4},
        'mine.toml: "local_degrees" belongs to the prior "regularised horseshoe", and "prior" is '
        '"horseshoe".',
    ),
    "effect of nothing": (
        {"terms": ["w"], "effect": 0.2},
        'mine.toml: "effect" belongs to scaling = "information" or to the prior "horseshoe" or '
        '"regularised horseshoe" or "r2d2", and "prior" is "normal".',
    ),
    "share of everything": (
        {"terms": ["w"], "prior": "r2d2", "r2_mean": 1.5},
        'mine.toml: "r2_mean" must be less than 1, 1.5 given.',
    ),
    "all terms expected": (
        {"terms": ["w", "x"], "prior": "horseshoe", "expected_terms": 2},
        'mine.toml: "expected_terms" must be less than the number of terms (2), 2 given.',
    ),
    "unknown prior": (
        {"terms": ["w"], "prior": "spike"},
        'mine.toml: "prior" is "spike"; it may be normal or laplace or horseshoe or regularised '
        "horseshoe or r2d2.",
    ),
    "scales twice": (
        {"terms": ["w"], "scaling": "information", "scales": {"w": 0.1}},
        'mine.toml: with scaling = "information" the scales come from the choices; leave out "scales".',
    ),
    "scales of animals on their own": (
        {"terms": ["w"], "scaling": "information", "hierarchy": "none"},
        'mine.toml: scaling = "information" needs a population of animals; use hierarchy = "animals" '
        'or give "scales".',
    ),
    "NaN": (
        {"terms": ["w"], "habit_scale": float("nan")},
        'mine.toml: "habit_scale" must be zero or a positive number, nan given.',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_model_is_refused_in_one_sentence(case):
    table, sentence = BAD[case]
    with pytest.raises(ModelError) as error:
        parse_spec({"name": "mine", **table}, "mine.toml")
    assert str(error.value) == sentence


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ModelError, match=r'^unknown model "forget": declared models are chosen-'):
        read_spec("forget")


def test_a_model_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('terms = ["r x", "w"]\nscales = { "r x" = 0.3 }\n')
    spec = read_spec(str(path))
    assert (spec.name, spec.terms, spec.scale("x r")) == ("mine", ("x r", "w"), 0.3)
    path.write_text("terms = [")
    with pytest.raises(ModelError, match=r"^mine.toml: not a readable TOML file"):
        read_spec(str(path))


def test_encounters_need_rejections():
    from dataclasses import replace

    sessions = replace(random_sessions(2), rejections=None)
    with pytest.raises(ModelError) as error:
        build_model(ModelSpec("mine", ("x r",), likelihood="encounter"), sessions)
    assert str(error.value) == (
        'mine: the "encounter" likelihood needs every encounter, and random has accepted choices '
        'only; use likelihood = "choice".'
    )


def test_the_default_scale_of_a_term_goes_by_its_factors():
    spec = ModelSpec("mine", ("1", "x", "r", "x r", "w", "x r w", "bias"), scales={"x r": 0.3})
    assert [spec.scale(term) for term in spec.terms[:-1]] == [0.2, 0.2, 0.5, 0.3, 0.2, 0.2]
    with pytest.raises(ModelError) as error:
        spec.scale("bias")
    assert str(error.value) == (
        'mine: "bias" is not a Taylor term; give its prior scale in "scales".'
    )


def test_a_rule_of_ones_own_is_a_plain_function():
    from hebbax.inference.density import log_likelihood

    def decay(theta, x, y, w, r):
        return theta[0] * x * r + theta[1] * w

    spec = ModelSpec("mine", ("x r", "w"))
    sessions = random_sessions(2)
    values = {"theta": jnp.array([[0.4, -0.1], [0.2, 0.05]]), "preference": jnp.array([0.1, -0.3])}
    own = log_likelihood(build_model(spec, sessions, decay), values)
    np.testing.assert_allclose(own, log_likelihood(build_model(spec, sessions), values), atol=1e-13)
