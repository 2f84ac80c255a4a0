"""The front door in Python: one object a fit, the same numbers as the command line."""

import functools
import logging
import os
import subprocess
import sys
from dataclasses import replace

import jax
import made
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from command import SHORT, run
from conftest import random_sessions
from numpyro import handlers

import hebbax
from hebbax import data
from hebbax.api.fit import spec_of
from hebbax.api.session import prepare
from hebbax.data import Record, from_animals
from hebbax.errors import FitError, HebbaxError, ModelError
from hebbax.inference import pseudo_marginal, svi
from hebbax.model.declared import declared_models, read_spec
from hebbax.model.equation import greek
from hebbax.model.spec import ModelSpec
from hebbax.posterior import summary

FEW = {"warmup": int(SHORT[1]), "draws": int(SHORT[3])}
"""The same short fit as that of `SHORT`."""


@pytest.fixture(scope="module")
def fit():
    """A posterior made without a fit, which passes its diagnostics."""
    return hebbax.Fit(made.posterior(read_spec("forgetting"), random_sessions(4), shape=(4, 200)))


@pytest.fixture(scope="module")
def failed():
    """One whose chains lie apart."""
    return hebbax.Fit(made.posterior(ModelSpec("m", ("x r",)), shape=(2, 50), shift=3.0))


def test_the_public_names_are_listed_and_there():
    for name in hebbax.__all__:
        assert getattr(hebbax, name) is not None, name
    assert dir(hebbax) == hebbax.__all__
    with pytest.raises(AttributeError, match="module 'hebbax' has no attribute 'nuts'"):
        _ = hebbax.nuts


def test_a_fit_is_the_one_of_the_command_line(tmp_path):
    path = tmp_path / "flies.csv"
    data.write_table(random_sessions(0, lengths=(30, 30)), path)
    table = hebbax.read(pd.read_csv(path), name="flies.csv")
    made = hebbax.fit(table, "no-learning", out=tmp_path / "results", progress=False, **FEW)
    ended = run("fit", path, "--model", "no-learning", "--out", tmp_path / "results", *SHORT)
    assert ended.returncode == 0
    assert "no-learning.nc is finished, and taken as it is." in ended.stdout
    stored = hebbax.load(tmp_path / "results" / "no-learning.nc")
    pd.testing.assert_frame_equal(stored.summary(), made.summary())
    again = hebbax.load(made.save(tmp_path / "copy.nc"))
    pd.testing.assert_frame_equal(again.animals(), stored.animals())


def test_a_mode_without_a_folder_is_the_one_that_is_kept(tmp_path):
    sessions = random_sessions(0, lengths=(30, 30))
    mode = hebbax.fit(sessions, "reward", method="map", progress=False)
    assert isinstance(mode, hebbax.Mode)
    assert repr(mode).startswith("reward: ")
    kept = hebbax.fit(sessions, "reward", method="map", out=tmp_path, progress=False)
    stored = hebbax.load(mode.save(tmp_path / "mode.nc"))
    for other in (kept, stored):
        pd.testing.assert_frame_equal(other.summary(), mode.summary())


def test_a_fit_shows_its_verdict_before_its_numbers(fit, failed):
    first, verdict, *_ = repr(fit).split("\n")
    assert first == f"forgetting, {fit.sessions.shown()[0]}"
    assert verdict.startswith("The posterior passed its diagnostics: R-hat at most")
    assert "theta w" in repr(fit)
    assert "In the population a weight loses" in repr(fit)
    assert "<table" in fit._repr_html_()
    assert "must not be summarised" in repr(failed)
    assert "theta x r" not in repr(failed)
    assert "<table" not in failed._repr_html_()


def test_tables_of_a_fit(fit):
    pd.testing.assert_frame_equal(
        fit.summary(), summary.population_table(fit.posterior, fit.verdict)
    )
    losses = fit.losses()
    assert list(losses.index.names) == ["animal", "weight"]
    assert list(losses.index.get_level_values(0)) == ["population", *fit.sessions.animals]
    assert fit.latents().sizes["trial"] == int(fit.sessions.n_trials.sum())
    assert fit.groups().empty
    assert fit.differences().empty


def test_pictures_are_axes_and_one_figure_each(fit, failed):
    before = len(plt.get_fignums())
    for k, plot in enumerate(
        (fit.plot_forest, fit.plot_forgetting, fit.plot_weights, fit.plot_chains), start=1
    ):
        panels = np.ravel(plot())
        assert {ax.figure.number for ax in panels} == {plt.get_fignums()[-1]}
        assert len(plt.get_fignums()) == before + k
    with pytest.raises(FitError, match="m: no term of its rule fades weights"):
        failed.plot_forgetting()


def test_what_is_asked_wrongly_is_one_sentence(fit):
    sessions, mode = fit.sessions, "method"
    for options, sentence in (
        ({mode: "nut"}, 'method nut: must be one of pseudo-marginal, nuts, svi, map.'),
        ({"draw": 3}, 'draw: no option of the method pseudo-marginal, which has chains, warmup, draws.'),
        ({mode: "map", "draws": 3}, 'draws: no option of the method map, which has none of its own.'),
        ({"draws": -3}, "draws -3: must be a whole number from 4 to 100000."),
        ({"by": 3}, "by 3: must be a formula in text, as in 'group'."),
        ({"seed": -1}, "seed -1: must be a whole number from 0 to 4294967295."),
        ({"seed": True}, "seed True: must be a whole number from 0 to 4294967295."),
        ({"seed": "x"}, "seed 'x': must be a whole number from 0 to 4294967295."),
        ({"settings": 3}, "int given as settings; those of a method are needed."),
        ({"model": "forgeting"}, 'unknown model "forgeting" (did you mean "forgetting"?)'),
    ):  # fmt: skip
        with pytest.raises(HebbaxError) as problem:
            hebbax.fit(sessions, progress=False, **options)
        assert str(problem.value).startswith(sentence)
    with pytest.raises(FitError, match=r"^int given; the path of a stored fit is needed\."):
        hebbax.load(3)
    with pytest.raises(HebbaxError, match=r"^baiting foo: must be auto, baited or independent\."):
        hebbax.run(sessions, "forgetting", baiting="foo", out=os.devnull + "x")
    for fits, sentence in (
        ([], "no fit given."),
        ([fit, fit], 'forgetting: two fits of one name given; name them, as in {"a": fit}.'),
        ([sessions], "Sessions given; fits of a posterior are needed."),
    ):
        with pytest.raises(FitError) as problem:
            hebbax.compare(fits)
        assert str(problem.value) == sentence


def test_options_beside_settings_are_refused(fit):
    settings = pseudo_marginal.Settings(draws=10)
    with pytest.raises(FitError, match=r"draws: given beside settings, which hold all of them\."):
        hebbax.fit(fit.sessions, settings=settings, draws=5)
    with pytest.raises(FitError, match=r'^method "map" is given beside settings of "pseudo-marg'):
        hebbax.fit(fit.sessions, method="map", settings=settings)
    with pytest.raises(FitError, match="give settings of a sampler"):
        hebbax.run(fit.sessions, settings=svi.Settings())
    with pytest.raises(ModelError, match=r"no model given\."):
        hebbax.run(fit.sessions, [], out=os.devnull + "x")


def test_models_are_compared_under_the_names_they_are_given(fit):
    other = hebbax.Fit(made.posterior(read_spec("reward"), random_sessions(4), shape=(4, 200)))
    models = hebbax.compare({"with w": fit, "without": other})
    assert set(models.fits) == {"with w", "without"}
    assert models.best is models.fits[models.comparison.ranking[0]]
    assert models.comparison.ranking[0] in repr(models)
    assert models.answer.startswith("That weights")
    assert repr(models).startswith(models.answer)
    assert len(models.plot()) == 2
    assert len(np.ravel(models.plot_fading())) == 1
    with pytest.raises(FitError, match="with w and without were fitted to different data"):
        hebbax.compare(
            {"with w": fit, "without": hebbax.Fit(made.posterior(sessions=random_sessions(5)))}
        )


@pytest.mark.slow
def test_a_run_is_that_of_the_command_line(tmp_path):
    sessions = random_sessions(0, lengths=(30, 30))
    models = hebbax.run(sessions, ["no-learning", "reward"], out=tmp_path, progress=False, **FEW)
    assert set(models.fits) == {"no-learning", "reward"}
    assert (tmp_path / "report.html").is_file()
    again = hebbax.report(models.fits.values(), tmp_path / "again", progress=False)
    for name in ("comparison.csv", "population.csv"):
        assert (tmp_path / name).read_text() == (again.parent / name).read_text()


def test_simulated_animals_have_the_values_that_the_truth_says():
    simulated = hebbax.simulate("q-learning", animals=400, trials_per_block=2, seed=3)
    alpha = simulated.truth["alpha"]
    own = read_spec("q-learning").parameters["alpha"]
    logit = np.log(alpha / (1 - alpha))
    assert abs(alpha.median() - own["median"]) < 0.05
    assert logit.std() == pytest.approx(own["scale"] / 4, rel=0.15)
    assert list(simulated.truth.index) == list(simulated.sessions.animals)
    flies = hebbax.simulate(animals=3, population={"w": -0.1}, spread={"w": 0.0})
    assert (flies.truth["w"] == -0.1).all()
    with pytest.raises(ModelError, match="rajagopalan: its terms are"):
        hebbax.simulate("rajagopalan")


@pytest.mark.parametrize(
    ("design", "sentence"),
    [
        ({"animals": 2.5}, "animals 2.5: must be a whole number of 1 or more."),
        ({"baiting": "x"}, "baiting x: must be baited or independent."),
        ({"reward_probability": ((2, 0.5),)}, "reward_probability ((2, 0.5),): must be probabilities from 0 to 1"),
        ({"nanimals": 3}, "nanimals: no part of a design, which has preference, animals, "),
    ],
)  # fmt: skip
def test_a_design_that_cannot_be_is_one_sentence(design, sentence):
    with pytest.raises(ModelError) as problem:
        hebbax.simulate(**design)
    assert str(problem.value).startswith(sentence)


def test_double_precision_is_switched_on_with_a_word_unless_decided(monkeypatch, caplog):
    jax.config.update("jax_enable_x64", False)
    try:
        monkeypatch.setenv("JAX_ENABLE_X64", "0")
        prepare()
        assert not jax.config.jax_enable_x64
        monkeypatch.delenv("JAX_ENABLE_X64")
        with caplog.at_level(logging.WARNING, "hebbax"):
            prepare()
            prepare()
        assert jax.config.jax_enable_x64
        assert [record.message for record in caplog.records] == [
            "JAX computes in double precision from here on (jax_enable_x64), as posteriors need."
        ]
    finally:
        jax.config.update("jax_enable_x64", True)


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, hebbax; print([n for n in ('jax', 'pandas', 'arviz_stats', 'matplotlib') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, timeout=60)  # fmt: skip
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["forgetting", "q-learning", "forgetting-kernel", "no-learning"])
def test_a_model_shows_its_equation_and_priors(name):
    spec = read_spec(name)
    said = repr(spec)
    assert said.startswith(f"{name}: ")
    assert "Δw = " in said
    assert said.count("prior: ") == (name != "no-learning")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (read_spec("forgetting"), "prior: normal of scale θ(x r) 0.5, θ(w) 0.2"),
        (
            read_spec("q-learning"),
            "prior: normal around α 0.4 (median; scale 1 of its logit), β 3 (median; scale 0.8 of "
            "its logarithm)",
        ),
        (
            read_spec("win-stay-lose-shift"),
            "prior: normal around win 1 (median; scale 1.5), lose 0 (median; scale 1.5)",
        ),
        (
            ModelSpec("found", ("x r", "w"), scaling="information"),
            "prior: normal, its scales found from the choices",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, ModelSpec) else "",
)
def test_a_model_tells_the_scale_that_its_prior_is_on(spec, said):
    assert said in repr(spec)


def test_a_product_after_a_quotient_is_not_in_its_divisor():
    assert greek("n * alpha / rate") == "n α / rate"
    assert greek("n / rate * alpha") == "n / rate · α"


def test_sessions_are_told_in_a_sentence():
    simulated = hebbax.simulate(animals=2, trials_per_block=10).sessions
    assert repr(simulated) == (
        "simulated by forgetting: 2 animals, 60 choices of A and B, rewards 0 and 1, rejections "
        "recorded"
    )
    assert repr(simulated) in simulated._repr_html_()
    records = [
        Record(name, np.zeros(n, int), np.zeros(n), session=np.arange(n))
        for name, n in (("a", 2), ("b", 3))
    ]
    assert "2 animals x 2 to 3 sessions" in repr(from_animals(records, ("A", "B"), "s"))


@pytest.mark.parametrize("name", [*declared_models(), "a prior that shrinks", "each animal alone"])
def test_every_site_of_a_numpyro_model_has_named_dimensions(name):
    """As `arviz.from_numpyro` reads them: plates, then what a site says of its event."""
    others = {
        "a prior that shrinks": ModelSpec("m", ("x r",), prior="horseshoe", expected_terms=0.5),
        "each animal alone": ModelSpec("m", ("x r",), hierarchy="none"),
    }
    spec = others.get(name) or replace(read_spec(name), scaling="declared")
    model = hebbax.build_model(spec, random_sessions(0))
    sizes = {"animal": 2, "observation": len(model.trials), "term": len(spec.members)}
    for site in handlers.trace(handlers.seed(model, 0)).get_trace().values():
        if site["type"] == "plate":
            continue
        plates = sorted(site["cond_indep_stack"], key=lambda frame: frame.dim)
        dims = [frame.name for frame in plates] + list(site.get("infer", {}).get("event_dims", []))
        shape = np.shape(site["value"])
        assert len(dims) == len(shape), site["name"]
        assert all(sizes.get(dim, size) == size for dim, size in zip(dims, shape, strict=True))


def delta(x, w, r, n, alpha):
    """A delta rule with a learning rate."""
    return n * alpha * x * (r - w)


delta.model = {
    "readout": "softmax",
    "reward": "raw",
    "parameters": {"alpha": {"range": "unit", "median": 0.3, "scale": 1.0}},
}


delta_of_before = delta


def test_a_function_that_a_module_does_not_hold_is_refused(monkeypatch):
    monkeypatch.setitem(globals(), "delta", lambda x: x)
    for model in (delta_of_before, functools.partial(delta_of_before), None):
        with pytest.raises(ModelError, match=r"given as a model; give a name, a \.toml file"):
            spec_of(model)


def test_a_function_is_a_model():
    named = read_spec(f"{__name__}:delta")
    assert spec_of(delta) == named
    simulated = hebbax.simulate(delta, animals=2, trials_per_block=5)
    assert simulated.truth.columns[0] == "alpha"
    mode = hebbax.fit(simulated.sessions, delta, method="map", progress=False)
    assert "delta" in repr(mode)
