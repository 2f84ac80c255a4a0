"""Declared models: every one loads, draws from its prior and has a finite density; what is none is
refused in one sentence, from whatever file."""

import datetime
import io
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from conftest import random_sessions
from hypothesis import given, settings
from hypothesis import strategies as st
from numpyro.handlers import seed, trace

from hebbax.errors import ModelError
from hebbax.inference.density import potential, start
from hebbax.model.choices import build_model
from hebbax.model.declared import declared_models, parse_spec, read_spec, stored_spec
from hebbax.model.spec import UNWRITTEN, ModelSpec
from hebbax.posterior.inference_data import spec_attribute


@pytest.mark.parametrize("name", declared_models())
def test_a_declared_model_has_a_reason_a_prior_and_a_finite_density(name):
    spec = read_spec(name)
    assert spec.reason.endswith(".")
    model = build_model(spec, random_sessions(2))
    drawn = trace(seed(model, jax.random.PRNGKey(0))).get_trace()
    assert all(np.isfinite(np.asarray(site["value"])).all() for site in drawn.values())
    value, gradient = jax.jit(jax.value_and_grad(partial(potential, model)))(start(model))
    assert np.isfinite(value)
    assert all(jnp.isfinite(g).all() for g in jax.tree.leaves(gradient))


def test_the_models_of_the_paper_are_declared():
    names = {"no-learning", "reward", "forgetting", "forgetting-raw", "rajagopalan",
             "rajagopalan-forgetting", "chosen-forgetting", "sparse"}  # fmt: skip
    assert names <= set(declared_models())


BAD = {
    "unknown key": (
        {"terms": ["w"], "likelyhood": "choice"},
        'mine.toml: unknown key "likelyhood" (did you mean "likelihood"?); known keys are name, terms, reason, likelihood, readout, reward, '
        "rewards, window, rate, hierarchy, prior, scales, scaling, effect, expected_terms, local_degrees, r2_mean, "
        "concentration, preference_scale, habit_scale, initial_weight_scale, habit, "
        "habit_rate_median, habit_rate_scale, reward_rate_median, reward_rate_scale, expected_start, "
        "between_sessions, retention_median, retention_scale, omitted, lapse_median, lapse_scale, "
        "session_sd_median, session_sd_scale, parameters, "
        "coefficients, by, spread_ratio_scale, rule.",
    ),
    "unknown term": (
        {"terms": ["xr"]},
        'mine.toml: unknown term "xr" (did you mean "x r"?): a term is "1" or factors x, y, r, w with exponents up to 2, '
        'such as "x r" or "x^2 r w".',
    ),
    "no terms": (
        {},
        'mine.toml: "terms" is missing; it must be a list of at most 100 term names (it may be empty).',
    ),
    "unknown likelihood": (
        {"terms": ["w"], "likelihood": "spikes"},
        'mine.toml: "likelihood" must be "choice" or "encounter", "spikes" given.',
    ),
    "exploding prior": (
        {"terms": ["w"], "scales": {"w": 50}},
        'mine.toml: "scales" must be a table of prior scales from 1e-09 to 5 (weights explode beyond '
        'it), as in { "x r" = 0.3 }, 50 given for "w".',
    ),
    "scale of another term": (
        {"terms": ["w"], "scales": {"x r": 1.0}},
        'mine.toml: "scales" names the term "x r", which is not among "terms" (w).',
    ),
    "window": (
        {"terms": ["w"], "window": 0},
        'mine.toml: "window" must be a whole number of past rewards from 1 to 1000, 0 given.',
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
        'mine.toml: "r2_mean" must be a number from 0.001 to 0.999, 1.5 given.',
    ),
    "all terms expected": (
        {"terms": ["w", "x"], "prior": "horseshoe", "expected_terms": 2},
        'mine.toml: "expected_terms" must be less than the number of terms (2), 2 given.',
    ),
    "unknown prior": (
        {"terms": ["w"], "prior": "spike"},
        'mine.toml: "prior" must be "normal" or "laplace" or "horseshoe" or "regularised horseshoe" or '
        '"r2d2", "spike" given.',
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
        'mine.toml: "habit_scale" must be a number from 0 to 100, nan given.',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_model_is_refused_in_one_sentence(case):
    table, sentence = BAD[case]
    with pytest.raises(ModelError) as error:
        parse_spec({"name": "mine", **table}, "mine.toml")
    assert str(error.value) == sentence


TERMS = '"terms" must be a list of at most 100 term names (it may be empty)'
SCALES = (
    '"scales" must be a table of prior scales from 1e-09 to 5 (weights explode beyond it), as in '
    '{ "x r" = 0.3 }'
)
FILES = {
    'terms = "w"': f'{TERMS}, "w" given.',
    "terms = 3": f"{TERMS}, 3 given.",
    "terms = [1, 2]": f"{TERMS}, 1 given in place 1.",
    'terms = ["w", ["x r"]]': f"{TERMS}, a list given in place 2.",
    f"terms = {['w'] * 101}": f"{TERMS}, a list given.",
    f'terms = ["{"x" * 5000}"]': f'{TERMS}, "{"x" * 57}..." given in place 1.',
    'terms = ["w", "w"]': '"terms" names the term "w" twice; each may stand once.',
    'terms = ["x r"]\nscales = [0.5]': f"{SCALES}, a list given.",
    'terms = ["x r"]\nscales = 0.5': f"{SCALES}, 0.5 given.",
    'terms = ["x r"]\nscales = ""': f'{SCALES}, "" given.',
    'terms = ["x r"]\nscales = { "x r" = "0.5" }': f'{SCALES}, "0.5" given for "x r".',
    'terms = ["x r"]\nscales = { "x r" = 0 }': f'{SCALES}, 0 given for "x r".',
    'terms = ["x r"]\n[scales]\n"x r" = 0.1\n"r x" = 0.3': (
        '"scales" names the term "x r" twice; each may stand once.'
    ),
    "terms = []\nwindow = true": (
        '"window" must be a whole number of past rewards from 1 to 1000, true given.'
    ),
    "terms = []\nwindow = 1_000_000_000": (
        '"window" must be a whole number of past rewards from 1 to 1000, 1000000000 given.'
    ),
    f"terms = []\nwindow = {10**399}": (
        '"window" must be a whole number of past rewards from 1 to 1000, a number of 400 digits given.'
    ),
    f"terms = []\nrate = 0x1{'0' * 9000}": (
        '"rate" must be a number from 0.01 to 10, a number of 10838 digits given.'
    ),
    "terms = []\nrate = true": '"rate" must be a number from 0.01 to 10, true given.',
    "terms = []\nrate = inf": '"rate" must be a number from 0.01 to 10, inf given.',
    "terms = []\nreason = 2026-01-02": '"reason" must be text of at most 1000 characters, 2026-01-02 given.',
    "terms = []\nprior = []": (
        '"prior" must be "normal" or "laplace" or "horseshoe" or "regularised horseshoe" or "r2d2", '
        "a list given."
    ),
    "terms = []\nname = 3": '"name" must be text of 1 to 100 characters, 3 given.',
    'terms = []\n"\\u001b[31m" = 1': (
        'unknown key "\\x1b[31m"; known keys are name, terms, reason, likelihood, readout, reward, rewards, window, rate, '
        "hierarchy, prior, scales, scaling, effect, expected_terms, local_degrees, r2_mean, "
        "concentration, preference_scale, habit_scale, initial_weight_scale, habit, "
        "habit_rate_median, habit_rate_scale, reward_rate_median, reward_rate_scale, expected_start, "
        "between_sessions, retention_median, retention_scale, omitted, lapse_median, lapse_scale, "
        "session_sd_median, session_sd_scale, parameters, "
        "coefficients, by, spread_ratio_scale, rule."
    ),
    f"terms = {'[' * 5000}": "not a readable TOML file (nested too deeply).",
    f"terms = []\nwindow = {'9' * 5000}": (
        "not a readable TOML file (Exceeds the limit (4300 digits) for integer string conver...)."
    ),
    f"terms = []  # {'x' * 100_000}": "a model file has at most 100000 bytes, and this one has 100014.",
}


@pytest.mark.parametrize("text", FILES, ids=lambda text: text[:40])
def test_a_bad_model_file_is_refused_in_one_sentence(text, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ModelError) as error:
        read_spec(str(path))
    assert str(error.value) == f"mine.toml: {FILES[text]}"


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda s: s.encode(errors="replace")))
def test_any_bytes_are_a_model_or_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(ModelError) as error:
        read_spec(str(path))
    assert str(error.value).startswith("mine.toml: ")
    assert str(error.value).endswith(".")
    assert str(error.value).isprintable()


WRONG = [True, -1, 10**400, 1e300, float("nan"), float("inf"), "", "text", "x" * 5000, [], [1], {},
         {"w": "1"}, None, datetime.date(2026, 1, 2), b"w", "\ud800", 16**9000]  # fmt: skip


@pytest.mark.parametrize("value", WRONG, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("key", [f for f in ModelSpec.__dataclass_fields__ if f not in UNWRITTEN])
def test_whatever_stands_for_a_key_is_a_model_or_a_sentence_that_names_the_key(key, value):
    whole = {"name": "mine", "terms": ["w"], key: value}
    right = {"name": ["text"], "reason": ["", "text"], "terms": [[]], "rule": [""]}.get(key, [])
    right = [[], [1]] if key == "rewards" else right
    right = [{}] if key in ("scales", "parameters", "coefficients") else right
    right = [{}, {"w": "1"}] if key == "by" else right  # a formula meets its table later
    if value in right and not isinstance(value, bool):
        assert parse_spec(whole).name
        return
    with pytest.raises(ModelError) as error:
        parse_spec(whole, "mine.toml")
    sentence = str(error.value)
    beside = {"coefficients": {"w": "1"}, "expected_start": -1}  # right, were it not for the others
    if key in beside and beside[key] == value:
        assert sentence.startswith(f'mine.toml: "{key}" ')
        assert "must be" not in sentence
        return
    assert sentence.startswith(f'mine.toml: "{key}" must be ')
    assert sentence.isprintable()
    assert len(sentence) < 300
    with pytest.raises(ModelError) as python:
        ModelSpec(**whole)
    assert str(python.value) == sentence.replace("mine.toml", "ModelSpec")
    with pytest.raises(ModelError):
        replace(ModelSpec("mine", ("w",)), **{key: value})


NAMES = {
    "": "text of 1 to 100 characters",
    "x" * 101: "text of 1 to 100 characters",
    "a\0b": "text without characters that cannot be seen, or broken UTF-8",
    "a\nb": "text without characters that cannot be seen, or broken UTF-8",
    "\x1b[31m": "text without characters that cannot be seen, or broken UTF-8",
    "\udce9": "text without characters that cannot be seen, or broken UTF-8",
    "漢" * 67: "text of at most 200 bytes in UTF-8",
    "a\u202eb": "text without characters that cannot be seen, or broken UTF-8",
    "#a": "text that does not begin with #, a sign of comments",
    " a": "text without blanks at its ends",
    "../escape": 'text without "/", "\\" or "..", because files carry it',
    "[/x]": 'text without "/", "\\" or "..", because files carry it',
    "a\\b": 'text without "/", "\\" or "..", because files carry it',
    "null": "text that no table reads as a number, as true or false, or as missing (NA, null, None, nan)",
    "NA": "text that no table reads as a number, as true or false, or as missing (NA, null, None, nan)",
    "007": "text that no table reads as a number, as true or false, or as missing (NA, null, None, nan)",
    "1e5": "text that no table reads as a number, as true or false, or as missing (NA, null, None, nan)",
    "True": "text that no table reads as a number, as true or false, or as missing (NA, null, None, nan)",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_an_output_cannot_carry_is_refused(name):
    with pytest.raises(ModelError) as error:
        ModelSpec(name, ())
    shown = name if len(name) < 60 else name[:57] + "..."
    for character in "\0\x1b\n\udce9\u202e":
        shown = shown.replace(character, repr(character)[1:-1])
    assert str(error.value) == f'ModelSpec: "name" must be {NAMES[name]}, "{shown}" given.'


@settings(deadline=None)
@given(st.text(min_size=1, max_size=100) | st.sampled_from(["reward-0.3", "v1.2", "a$b$", "<b>"]))
def test_a_name_that_is_taken_is_read_back_from_a_table_as_it_was(tmp_path_factory, name):
    try:
        spec = ModelSpec(name, ())
    except ModelError:
        return
    table = pd.DataFrame({"x": [1.5]}, index=pd.Index([spec.name], name="model"))
    text = table.to_csv()
    assert pd.read_csv(io.StringIO(text), index_col="model").index.tolist() == [name]
    path = tmp_path_factory.mktemp("names") / f"check_{name}_contingencies.unfinished.csv"
    path.write_text(text, encoding="utf-8")
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_model_is_stored_and_read_back_as_it_was():
    spec = ModelSpec("mine", ["x r", "bias"], scales={"bias": 2}, text="# as it was read")
    back = stored_spec(spec_attribute(spec), spec.text)
    assert (back, back.text, back.terms) == (spec, spec.text, ("x r", "bias"))
    assert hash(back) == hash(spec)


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        ("", "is not a readable table of keys."),
        ("[1]", "is not a readable table of keys."),
        ("[" * 9999, "is not a readable table of keys."),
        ('{"name": "m"}', f'{TERMS.replace("must be", "is missing; it must be")}.'),
        ('{"name": "m", "terms": [], "window": 1.5}',
         '"window" must be a whole number of past rewards from 1 to 1000, 1.5 given.'),
    ],
)  # fmt: skip
def test_what_a_posterior_stores_in_place_of_a_model_is_refused(stored, sentence):
    with pytest.raises(ModelError) as error:
        stored_spec(stored, "")
    assert str(error.value) == f"the model stored with this fit: {sentence}"


def test_a_model_file_with_a_mark_of_its_encoding_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('terms = ["x r", "w"]\n', encoding="utf-8-sig")
    spec = read_spec(str(path))
    assert (spec.terms, spec.text) == (("x r", "w"), 'terms = ["x r", "w"]\n')


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(
        ModelError,
        match=r'^unknown model "forget" \(did you mean "forgetting"\?\): declared models are choice-',
    ):
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
    sessions = replace(random_sessions(2), rejections=None)
    with pytest.raises(ModelError) as error:
        build_model(ModelSpec("mine", ("x r",), likelihood="encounter"), sessions)
    assert str(error.value) == (
        'mine: the "encounter" likelihood needs every encounter, and random has accepted choices '
        'only; use likelihood = "choice".'
    )


def test_the_default_scale_of_a_term_goes_by_its_factors():
    spec = ModelSpec("mine", ("1", "x", "r", "x r", "w", "x r w"), scales={"x r": 0.3})
    assert [spec.scale(term) for term in spec.terms] == [0.2, 0.2, 0.5, 0.3, 0.2, 0.2]


def test_scales_of_no_term_and_too_few_that_were_found_are_refused():
    sessions = random_sessions(2)
    with pytest.raises(ModelError, match=r'^m: "scales" names the term "x w", which is not among'):
        build_model(ModelSpec("m", ("x r", "w"), scales={"x w": 0.1}), sessions)
    few = ModelSpec("m", ("x r", "w"), scaling="information", scales={"w": 0.3})
    with pytest.raises(ModelError, match=r"^m: its prior scales come from the choices"):
        build_model(few, sessions)


def test_terms_have_one_name_however_they_are_written():
    spec = ModelSpec("mine", ("r x", "w x"), scales={"r x": 0.01})
    assert spec == ModelSpec("mine", ("x r", "x w"), scales={"x r": 0.01})
    assert spec.scale("x r") == 0.01


OWNED = {
    "habit": ("kernel", '"habit_scale" above 0'),
    "habit_rate_median": (0.2, 'habit = "kernel"'),
    "habit_rate_scale": (0.2, 'habit = "kernel"'),
    "reward_rate_median": (0.2, 'reward = "exponential"'),
    "reward_rate_scale": (0.2, 'reward = "exponential"'),
    "expected_start": (0.2, 'reward = "exponential"'),
    "retention_median": (0.2, 'between_sessions = "retain"'),
    "retention_scale": (0.2, 'between_sessions = "retain"'),
    "lapse_median": (0.2, '"lapse_scale" above 0'),
    "spread_ratio_scale": (0.5, '"by"'),
    "session_sd_median": (0.2, '"session_sd_scale" above 0'),
}


@pytest.mark.parametrize("key", OWNED)
def test_a_key_that_does_nothing_without_another_is_refused(key):
    value, needed = OWNED[key]
    with pytest.raises(ModelError) as error:
        parse_spec({"name": "mine", "terms": ["w"], key: value}, "mine.toml")
    assert str(error.value) == f'mine.toml: "{key}" belongs to {needed}.'


@pytest.mark.parametrize("terms", [["x r", "x w"], ["x r", "y w"], []])
def test_time_cannot_pass_where_every_term_needs_a_choice(terms):
    table = {"name": "mine", "terms": terms, "omitted": "decay"}
    with pytest.raises(ModelError) as error:
        parse_spec(table, "mine.toml")
    assert str(error.value) == (
        'mine.toml: "omitted" belongs to a term without x, y and r, such as "w".'
    )
    assert parse_spec({**table, "omitted": "pass"}).omitted == "pass"
    assert parse_spec({**table, "terms": [*terms, "w"]}).omitted == "decay"


def test_a_window_is_of_an_expectation_over_one():
    with pytest.raises(ModelError) as error:
        parse_spec({"name": "mine", "terms": ["w"], "reward": "raw", "window": 5}, "mine.toml")
    assert str(error.value) == 'mine.toml: "window" belongs to reward = "expected".'
