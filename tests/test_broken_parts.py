"""A table, check or picture that cannot be made leaves a sentence, and the answer stands."""

import html

import made
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from conftest import random_sessions

from hebbax import figures
from hebbax.check import predictive
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior import inference_data as posteriors
from hebbax.reporting import answer, study
from hebbax.reporting import sections as report
from hebbax.runs.attempts import DETAILS, Failed, attempt

# Of ArviZ, in the current Matplotlib.
pytestmark = pytest.mark.filterwarnings("ignore:Passing a dict or None as alias_mapping")

DRAWS = (2, 20)


def noise(model):
    """Draws of every site, which are noise."""
    rng = np.random.default_rng(1)
    draws = {}
    for group in model.groups:
        each = (*DRAWS, model.sessions.n_animals, *group.shape)
        draws[group.name] = 0.1 * rng.normal(size=each)
        draws[f"{group.name}_population"] = draws[group.name].mean(2)
        draws[f"{group.name}_spread"] = np.exp(rng.normal(size=(*DRAWS, *group.shape)))
    return draws


@pytest.fixture(scope="module")
def fits():
    """Posteriors of two models, one with a forgetting term."""
    out = {}
    for name, terms in {"decay": ("w",), "still": ()}.items():
        model = build_model(ModelSpec(name, terms), random_sessions(4, lengths=(12, 12)))
        stats = made.statistics(DRAWS)
        out[name] = posteriors.to_inference_data(
            made.KEY, model, noise(model), stats, made.PROVENANCE
        )
    return out


def changed(fit, **values):
    """Return a posterior with every draw of some variables the same."""
    out = fit.copy(deep=True)
    for name, value in values.items():
        out.posterior[name] = xr.full_like(out.posterior[name], value)
    return out


@pytest.mark.parametrize(
    ("n_stimuli", "terms", "likelihood"),
    [
        (2, (), "choice"), (2, ("x r", "w"), "encounter"), (4, ("x r", "w"), "choice"),
        (4, (), "encounter"),
    ],
)  # fmt: skip
def test_a_forest_has_a_panel_for_every_coefficient_and_preference(n_stimuli, terms, likelihood):
    spec = ModelSpec("m", terms, likelihood=likelihood)
    model = build_model(spec, random_sessions(4, n_stimuli, lengths=(12, 12)))
    stats = made.statistics(DRAWS)
    fit = posteriors.to_inference_data(made.KEY, model, noise(model), stats, made.PROVENANCE)
    figure = figures.forest(fit)
    preferences = n_stimuli - 1 if likelihood == "choice" else n_stimuli
    labels = [ax.get_xlabel() for ax in figure.axes]
    plt.close(figure)
    assert len(labels) == len(terms) + preferences
    assert len(set(labels)) == len(labels)


def assess(fits, folder):
    plan = study.Plan((), folder, 0, checks=predictive.Settings(replicates=4))
    result = study.assess(study.judge(fits), plan, lambda name: lambda *said: None)
    return result, report.write(result, folder)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_a_picture_that_fails_is_a_sentence_in_its_place(tmp_path, fits):
    in_the_way = tmp_path / "figures" / "decay_forgetting.svg"
    in_the_way.mkdir(parents=True)
    result, written = assess(fits, tmp_path)
    (failed,) = written.failures
    assert failed.sentence == (
        'The picture "decay forgetting" could not be made (decay_forgetting.svg: could not be '
        f"written to {tmp_path / 'figures'} (Is a directory); what was there before is kept)."
    )
    text = written.path.read_text()
    page = html.unescape(text)
    assert page.count(failed.sentence) == 2  # in its place, and where it is said what failed
    assert page.count("data:image/png;base64,") == len(list((tmp_path / "figures").glob("*.png")))
    assert "decay. Coefficients of each animal" in page
    assert answer.answer(result).startswith("Every posterior FAILED its diagnostics")
    assert (tmp_path / DETAILS).read_text().startswith(f"{failed.sentence}\n\nTraceback")
    assert not plt.get_fignums()
    in_the_way.rmdir()
    assert not assess(fits, tmp_path)[1].failures
    assert not (tmp_path / DETAILS).exists()


@pytest.mark.parametrize(
    "values",
    [
        {"theta": np.inf, "theta_population": np.inf},
        {"theta": np.nan, "theta_population": np.nan, "theta_spread": np.inf},
        {"preference": 1e300, "preference_population": np.nan},
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_impossible_draws_take_no_other_model_with_them(tmp_path, fits, values):
    result, written = assess({**fits, "decay": changed(fits["decay"], **values)}, tmp_path)
    page = html.unescape(written.path.read_text())
    assert not result.verdicts["decay"].passed
    for kind in ("forest", "choice-curves", "checks", "sampler"):
        assert (tmp_path / "figures" / f"still_{kind}.png").exists()
    assert "still. Coefficients of each animal" in page
    assert answer.answer(result)


def test_only_what_failed_is_caught():
    assert attempt("The sum", lambda: 1 + 1) == 2
    failed = attempt("The sum", lambda: 1 // 0)
    assert isinstance(failed, Failed)
    assert failed.sentence == (
        "The sum could not be made (ZeroDivisionError: integer division or modulo by zero)."
    )

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt("The sum", interrupted)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_what_was_read_may_fail_alone(tmp_path, fits):
    altered = {name: fit.copy(deep=True) for name, fit in fits.items()}
    for fit in altered.values():
        fit.attrs["data_description"] = '{"source": 3}'
    result, written = assess(altered, tmp_path)
    assert [failed.sentence for failed in written.failures] == [
        "What was read could not be made (not a description of a recording (source: input should "
        "be a valid string))."
    ]
    assert written.failures[0].sentence in html.unescape(written.path.read_text())
    page = html.unescape(written.path.read_text())
    assert [said for said in answer.answers(result).values() if said not in page] == []
