"""A rule of one's own: a function of one synapse is the model that it writes, to every command."""

import ast
import linecache
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import made
import numpy as np
import pytest
from command import run
from conftest import random_sessions
from scipy.special import expit, logit

from hebbax.data import write_table
from hebbax.errors import ModelError
from hebbax.inference.density import log_likelihood
from hebbax.inference.pseudo_marginal import animal
from hebbax.model.choices import build_model
from hebbax.model.declared import declared_models, parse_spec, read_spec, stored_spec
from hebbax.model.identity import difference, identity
from hebbax.posterior.forgetting import forgetting, forgetting_sentence
from hebbax.posterior.inference_data import read, spec_attribute, write
from hebbax.posterior.summary import population_table
from hebbax.posterior.verdict import Verdict
from hebbax.rule.imported import named, text_of

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
SESSIONS = random_sessions(2)


def q_learning(x, w, r, n, rate, alpha, beta):
    return n * x / rate * alpha * (beta * r - w)


def forgetting_q(alpha, beta, w, x, r, n, rate):
    return n * alpha * (beta * r * x / rate - w)


def hattori(x, w, r, n, rate, alpha_win, alpha_loss, beta, forget):
    own = jnp.where(r > 0, alpha_win * (beta * r - w), -alpha_loss * w)
    return n * jnp.where(x > 0, own, -forget * w)


def decaying(x, y, w, r, gain, fade, post):
    return gain * x * r - fade * w + post * x * y


POST = {
    "name": "decaying",
    "parameters": {
        "gain": {"range": "any", "median": 0.4, "scale": 0.3},
        "fade": {"range": "unit", "median": 0.1, "scale": 1.0},
        "post": {"range": "any", "median": 0.3, "scale": 0.3},
    },
}
TERMS = {"x r": "gain", "w": "-fade", "x y": "post"}
MODELS = {
    "q_learning": read_spec("q-learning"),
    "forgetting_q": read_spec("forgetting-q"),
    "hattori": read_spec("hattori"),
    "decaying": parse_spec({**POST, "coefficients": TERMS}),
}
"""Functions of this file, and the declared model that each is."""


def own(name):
    declared = MODELS[name]
    kept = {key: getattr(declared, key) for key in ("readout", "reward", "parameters")}
    return parse_spec({"name": name, "rule": f"{__name__}:{name}", **kept})


@pytest.mark.parametrize("name", MODELS)
def test_a_function_has_the_density_of_the_model_that_it_writes(name):
    """In the NumPyro model to 1e-12, and in the sampler value, slope and information."""
    models = [build_model(spec, SESSIONS) for spec in (own(name), MODELS[name])]
    rng = np.random.default_rng(3)
    theta = jnp.asarray(0.5 * rng.normal(size=(2, len(own(name).members))))
    values = {"theta": theta, "preference": jnp.array([0.1, -0.3])}
    of_function, of_terms = (jax.jit(partial(log_likelihood, own))(values) for own in models)
    np.testing.assert_allclose(of_function, of_terms, atol=1e-12)
    phi = jnp.column_stack([theta, values["preference"]])
    one, other = (
        jax.jit(jax.vmap(partial(animal.expansion, animal.frame_of(model))))(
            animal.trials_of(model), phi
        )
        for model in models
    )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("name", MODELS)
def test_what_a_weight_loses_is_that_of_the_terms(name):
    z = np.random.default_rng(4).normal(size=(3, 5, len(own(name).members)))
    for n in (2, 3):
        rule = MODELS[name].plasticity(n)
        known = dict(zip(rule.taylor.terms, np.moveaxis(rule.coefficients(z), -1, 0), strict=True))
        expected = [known.get(term, np.zeros(z.shape[:-1])) for term in ("w", "x w")]
        found = own(name).plasticity(n).fading(z)
        np.testing.assert_allclose(found, np.stack(expected, -1), atol=1e-12)


def test_a_function_that_fades_weights_by_the_reward_says_so():
    steady = {name: own(name).plasticity(2).steady for name in MODELS}
    assert [name for name, alike in steady.items() if not alike] == ["hattori"]
    for name in ("hattori", "q_learning", "decaying"):
        said = forgetting_sentence(made.posterior(own(name), shape=(2, 100)), Verdict((), {}, ""))
        assert ("depends on the reward signal, and this loss is that of a trial in" in said) == (
            name == "hattori"
        )
        assert ("what y makes of a weight is no part of this loss" in said) == (name == "decaying")


def test_a_posterior_tells_its_parameters_and_losses_and_comes_back(tmp_path):
    stored = made.posterior(own("q_learning"), shape=(2, 100))
    table = population_table(stored, Verdict((), {}, ""))
    assert list(table.index) == ["alpha", "beta", "theta w", "theta x w", "preference"]
    z = stored.posterior["theta_population"].sel(term="alpha").to_numpy().ravel()
    alpha = expit(logit(0.4) + z)
    assert table.loc["alpha", "median"] == pytest.approx(np.median(alpha))
    chosen, other = forgetting(stored)
    np.testing.assert_allclose(chosen.population, alpha, rtol=1e-12)
    assert other.sentence == (
        "In the population every other weight loses 0.0 % of itself in a trial (90 % interval 0.0 "
        "to 0.0 %)."
    )
    write(stored, tmp_path / "mine.nc")
    back = stored_spec(read(tmp_path / "mine.nc").attrs["spec"], "")
    assert (back, back.source) == (own("q_learning"), own("q_learning").source)
    assert back.plasticity(2) == own("q_learning").plasticity(2)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write the module habits into the working folder, and forget it afterwards."""
    monkeypatch.chdir(tmp_path)
    # Bytecode is known by size and second of its file: too little for files changed at once.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def written(text):
        sys.modules.pop("habits", None)
        (tmp_path / "habits.py").write_text(text)

    yield written
    sys.modules.pop("habits", None)


GOOD = "def change(x, w, r, alpha):\n    return alpha * x * (r - w)\n"
IS = 'mine.toml: the rule "habits:change": '
REFUSED = {
    "another function": (
        GOOD.replace("change", "learn"),
        'the module "habits" has no function "change"; it has learn.',
    ),
    "no function": ("change = 3", '"change" of the module "habits" is no function.'),
    "no module": ("import absent", "the module \"habits\" cannot be imported (ModuleNotFoundError: No module named 'absent')."),
    "no Python": (
        "def change(:",
        'the module "habits" cannot be imported (SyntaxError: invalid syntax (habits.py, line 1)).',
    ),
    "an end": ("raise SystemExit", 'the module "habits" cannot be imported (SystemExit).'),
    "another name": (
        GOOD.replace("alpha", "beta"),
        'it reads "beta", which is none of what a synapse knows (x, y, w, r, n, rate, alpha).',
    ),
    "a parameter unread": (
        GOOD.replace(", alpha", "").replace("alpha", "0.1"),
        'it does not read the parameter "alpha".',
    ),
    "no names": (
        "def change(*synapse): return 0.0",
        'its argument "synapse" cannot be given by name.',
    ),
    "an if": (
        GOOD.replace("return", "return 0.0 if r < 0 else"),
        "JAX cannot compute it (TracerBoolConversionError); write it with jax.numpy, and jnp.where in place of if.",
    ),
    "a mistake": (
        GOOD.replace("(r - w)", "(r - v)"),
        "JAX cannot compute it (NameError: name 'v' is not defined); write it with jax.numpy, and jnp.where in place "
        "of if.",
    ),
    "two numbers": (
        "import jax.numpy as jnp\ndef change(x, w, alpha): return alpha * jnp.array([x, w])",
        "it returns shape (2,) for one synapse; one number is needed.",
    ),
    "a pair": ("def change(x, alpha): return x, alpha", "it returns a tuple; one number is needed."),
    "nothing": ("def change(x, alpha): pass", "it returns nothing; one number is needed."),
    "a complex one": (
        "def change(x, alpha): return alpha * 1j",
        "it returns a complex number; a real one is needed.",
    ),
    "no number": (
        "import jax.numpy as jnp\ndef change(w, alpha): return jnp.log(alpha * w)",
        "its value is -inf at x = 0, w = 0, r = 0, where the parameters have their medians; a finite number is needed.",
    ),
    "no slope": (
        "import jax.numpy as jnp\ndef change(w, alpha): return alpha * jnp.sqrt(w * w)",
        'its slope by "w" is nan at x = 0, w = 0, r = 0, where the parameters have their medians; a finite number is needed.',
    ),
    "no text": (
        "exec('def change(x, alpha): return alpha * x')",
        "its text is not known; write it as a function in a file.",
    ),
}  # fmt: skip

FILE = (
    'rule = "habits:change"\n[parameters]\nalpha = { range = "unit", median = 0.2, scale = 1.0 }\n'
)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_rule_is_refused_in_one_sentence(case, module):
    text, sentence = REFUSED[case]
    module(text)
    Path("mine.toml").write_text(FILE)
    with pytest.raises(ModelError) as error:
        read_spec("mine.toml")
    assert str(error.value) == IS + sentence


FILES = {
    "no module:function": (
        FILE.replace("habits:change", "habits.py"),
        '"rule" must be a function as module:function, as in habits:change, "habits.py" given.',
    ),
    "terms beside it": (
        f'terms = ["w"]\n{FILE}',
        '"terms" stands beside "rule"; a rule of one\'s own has "parameters" alone.',
    ),
    "alone": (
        'rule = "habits:change"',
        '"rule" stands alone; a rule of one\'s own has "parameters", at least one.',
    ),
    "a name that is taken": (
        FILE.replace("alpha", "r"),
        '"r" is no name of a parameter; it stands for something else.',
    ),
    "scales": (
        f"scales = {{ w = 0.3 }}\n{FILE}",
        '"scales" is of the coefficients of "terms", and stands beside "parameters"; the prior of a '
        'parameter is its "median" and its "scale".',
    ),
    "nowhere": (
        FILE.replace("habits", "habits_of_nobody"),
        'the rule "habits_of_nobody:change": there is no module "habits_of_nobody" in this folder, or where Python '
        "looks for modules (PYTHONPATH).",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_names_no_rule_is_refused_in_one_sentence(case, module):
    text, sentence = FILES[case]
    module(GOOD)
    Path("mine.toml").write_text(text)
    with pytest.raises(ModelError) as error:
        read_spec("mine.toml")
    assert str(error.value) == f"mine.toml: {sentence}"


def test_a_function_without_parameters_of_its_own_is_no_model(module):
    module(GOOD)
    with pytest.raises(ModelError) as error:
        read_spec("habits:change")
    assert str(error.value) == (
        'the rule "habits:change": it says nothing of its parameters; give it keys of a model file, as in '
        'change.model = {"parameters": ...}, or name it in one: rule = "habits:change".'
    )


HELPED = """import jax
import jax.numpy as jnp

BASE = 0.5
SHARES = jnp.array([0.5, 0.25])
WORDS = "no matter"


@jax.jit
def fade(w):
    return jnp.sum(jax.vmap(lambda share: rest(share) * w)(SHARES))


def rest(share):
    return BASE - share


def change(x, w, r, alpha):
    return alpha * x * (r - fade(w))
"""
CHANGED = {
    "itself": (("(r -", "(2 * r -"), True),
    "what it calls": (("jnp.sum", "jnp.prod"), True),
    "what that calls": (("BASE -", "BASE +"), True),
    "a number that it reads": (("BASE = 0.5", "BASE = 0.6"), True),
    "numbers that it reads": (("0.25", "0.2"), True),
    "what it does not use": (('"no matter"', '"none"\n\n\ndef other():\n    pass\n'), False),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_function_is_known_again_by_its_text(case, module):
    change, other = CHANGED[case]
    module(HELPED)
    Path("mine.toml").write_text(FILE)
    spec = read_spec("mine.toml")
    back = stored_spec(spec_attribute(spec), spec.text)
    module(HELPED.replace(*change))
    again = read_spec("mine.toml")
    same = difference(identity(spec, "d", {}), identity(again, "d", {}))
    assert same == ("by another text of its rule" if other else None)
    if not other:
        assert back.plasticity(2).reads == ("x", "w", "r", "alpha")
        return
    with pytest.raises(ModelError) as error:
        back.plasticity(2)
    assert str(error.value) == (
        'mine: the rule "habits:change": its text is not the one that was fitted; put that back, or fit the '
        "model again."
    )


USED = """import functools
import jax.numpy as jnp
import numpy as np
K = np.float32(0.5)
SIZES = {"a": [0.1, 0.2], "f": jnp.tanh}
def times(a, b):
    return a * b
half = functools.partial(times, b=0.5)
def change(x, w, r, alpha, k=K):
    return half(SIZES["f"](x * r) * SIZES["a"][0] * alpha * k - w)
"""


def test_the_text_of_a_function_is_that_of_all_it_uses(module):
    """Defaults of arguments, numbers of NumPy, parts of lists, functions with some arguments given;
    of two processes it is the same."""
    module(USED)
    text = text_of(named("habits:change"))
    for line in ("argument k = 0.5", "SIZES['a'][0] = 0.1", "half['b'] = 0.5", "def times(a, b):"):
        assert line in text, text
    assert " at 0x" not in text
    assert "SIZES['f'] = " in text
    changed = (
        ("0.5)\nSIZES", "0.6)\nSIZES"), ("0.2]", "0.3]"), ("jnp.tanh", "jnp.sin"), ("b=0.5", "b=0.4"),
        ("a * b", "a - b"),
    )  # fmt: skip
    for old, new in changed:
        module(USED.replace(old, new))
        assert text_of(named("habits:change")) != text, (old, new)
    module(USED.replace("a * b", "a * Odd()") + "class Odd: pass\nodd = Odd()\n")
    assert "class Odd" in text_of(named("habits:change"))
    module(USED.replace("a * b", "a * odd.b") + "class Odd: pass\nodd = Odd()\n")
    with pytest.raises(
        ModelError, match='it reads "odd", a Odd, which has no text to know it by; '
    ):
        text_of(named("habits:change"))


def test_a_function_that_changed_since_it_was_imported_is_refused(module):
    module(GOOD)
    assert "(r - w)" in text_of(named("habits:change"))
    path = Path("habits.py")
    path.write_text(
        path.read_text().replace("alpha", "2 * alpha", 2).replace("2 * alpha", "alpha", 1)
    )
    with pytest.raises(ModelError) as error:
        text_of(named("habits:change"))
    assert str(error.value) == (
        'the function "change" was changed in its file since it was imported; start Python anew.'
    )


def test_a_function_in_a_cell_of_a_notebook_is_what_its_text_says():
    # IPython compiles a cell statement by statement, so that no import is seen beside a function.
    cell = "import jax.numpy as jnp\ndef change(x, w):\n    return jnp.where(x > 0.0, x - w, 0.0)\n"
    file, space = "<a cell>", {"__name__": "notebook"}
    linecache.cache[file] = len(cell), None, cell.splitlines(keepends=True), file
    for statement in ast.parse(cell).body:
        exec(compile(ast.Module([statement], []), file, "exec"), space)
    assert "jnp.where(x > 0.0, x - w, 0.0)" in text_of(space["change"])


def test_the_commands_about_terms_refuse_it(module):
    module(GOOD)
    Path("mine.toml").write_text(FILE)
    write_table(SESSIONS, Path("few.csv"))
    sentence = (
        'hebbax: mine: its rule "habits:change" is a function, and no sum of terms to choose among; give a model '
        "with terms.\n"
    )
    for command in ("terms", "identify", "profile"):
        asked = ("--terms", "model") if command == "identify" else ()
        done = run(command, "few.csv", "--model", "mine.toml", *asked, "--out", command)
        assert (done.returncode, done.stderr) == (2, sentence), command


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The function of the page and its model file in the working folder, with few sessions."""
    monkeypatch.chdir(tmp_path)
    section = re.search(r"^## A rule of one's own\n(.*?)^## ", PAGE.read_text(), re.M | re.S)[1]
    function, model = re.findall(r"```python\n(.*?)```", section, re.S)
    (file,) = re.findall(r"```toml\n(.*?)```", section, re.S)
    Path("risk.py").write_text(function + "\n\n" + model)
    Path("risk.toml").write_text(file)
    sys.modules.pop("risk", None)
    write_table(SESSIONS, Path("few.csv"))
    yield function
    sys.modules.pop("risk", None)


def done(*command):
    ended = run(*command)
    assert ended.returncode == 0, ended.stderr
    return " ".join(ended.stdout.split())


def refused(*command):
    ended = run(*command)
    assert ended.returncode == 2
    return ended.stderr


def test_the_example_of_the_page_is_one_model_in_a_file_and_in_its_function(page):
    by_file, by_function = read_spec("risk.toml"), read_spec("risk:risk_sensitive")
    assert replace(by_file, name="m", reason="", text="") == replace(by_function, name="m")
    assert by_file.source == page.partition("\n\n\n")[2]


def test_the_example_of_the_page_goes_through_the_commands(page):
    """Without its function, and with another in its place, those that need it say so."""
    for name in ("risk.toml", "q-learning"):
        spec = read_spec(name)
        write(made.posterior(spec, SESSIONS, shape=(2, 20)), Path(f"{spec.name}.nc"))
    compare = ("compare", "risk.nc", "q-learning.nc")
    check = ("check", "risk.nc", "--replicates", 4, "--out", "checks")
    fit = ("fit", "few.csv", "--model", "risk.toml", "--method", "map", "--out", "fits")
    for command in (compare, check, fit, ("latents", "risk.nc", "--out", "trials")):
        done(*command)
    sys.modules.pop("risk")
    Path("risk.py").unlink()
    assert refused(*check, "--force") == (
        'hebbax: risk: the rule "risk:risk_sensitive": there is no module "risk" in this folder, or where Python '
        "looks for modules (PYTHONPATH).\n"
    )
    done(*compare)
    Path("risk.py").write_text(page.replace("loss)", "0.5 * loss)"))
    assert refused(*fit) == (
        "hebbax: risk.map.nc: a finished fit by another text of its rule; ask for the same, use --force to fit "
        "it again, or give another --out.\n"
    )


@pytest.mark.slow
def test_a_study_says_of_a_function_what_it_says_of_the_model_that_it_writes(page):
    """By the same random numbers: the same parameters and evidence to the precision
    of the sampler."""
    written = (Path(__file__).parent / "test_own_rule.py").read_text()
    (text,) = re.findall(r"(def q_learning\(.*?\n)\n", written, re.S)
    Path("risk.py").write_text(text)
    declared = declared_models()["q-learning"].read_text()
    Path("own.toml").write_text(f'rule = "risk:q_learning"\n{declared.partition("[coeff")[0]}')
    few = ("--warmup", 20, "--draws", 20, "--out", "out")
    done("run", "few.csv", "--model", "own.toml,q-learning", *few)
    assert Path("out/report.html").exists()
    one, other = (read(Path(f"out/{name}.nc")) for name in ("own", "q-learning"))
    for name in ("parameters", "parameters_population"):
        np.testing.assert_allclose(one.posterior[name], other.posterior[name], rtol=1e-4)
    assert one.attrs["log_evidence"] == pytest.approx(other.attrs["log_evidence"], abs=1e-2)
    done("calibrate", "--model", "own.toml", "--simulations", 1, "--animals", 2, "--trials", 20, "--warmup", 20,
         "--draws", 20, "--out", "ranks")  # fmt: skip
