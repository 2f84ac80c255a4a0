"""Whatever shows a number of a posterior that failed its diagnostics says that it failed."""

from pathlib import Path

import made
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from hebbax import figures
from hebbax.check.comparison import compare
from hebbax.check.predictive import Settings, check
from hebbax.cli.posteriors import distinct_names, read_posteriors
from hebbax.errors import FitError, HebbaxError
from hebbax.posterior import forgetting, summary
from hebbax.posterior.diagnostics import diagnose
from hebbax.posterior.inference_data import write
from hebbax.posterior.verdict import Verdict
from hebbax.reporting.tables import deviance_table

MARK = "the posterior FAILED its diagnostics"
SHAPE = (4, 500)
PICTURES = {
    "forest": figures.forest,
    "forgetting_term": figures.forgetting_term,
    "pairs": figures.pairs,
    "sampler": figures.sampler,
}


@pytest.fixture(scope="module")
def fits():
    figures.use_file_backend()
    return {"good": made.posterior(shape=SHAPE), "lost": made.posterior(shape=SHAPE, shift=1.0)}


def texts(figure):
    return [text.get_text() for text in figure.texts]


@pytest.mark.filterwarnings("ignore:Passing a dict or None as alias_mapping")  # ArviZ 0.23
@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_of_a_posterior_that_failed_says_so(fits, name):
    assert MARK in texts(PICTURES[name](fits["lost"]))
    assert MARK not in texts(PICTURES[name](fits["good"]))
    plt.close("all")


@pytest.mark.parametrize(
    "table",
    [
        summary.population_table,
        summary.animal_table,
        forgetting.population_losses,
        forgetting.animal_losses,
    ],
)
def test_every_row_of_a_table_of_a_posterior_that_failed_says_so(fits, table):
    for name, word in {"lost": "FAILED", "good": "passed"}.items():
        found = table(fits[name])
        assert len(found)
        assert set(found["diagnostics"]) == {word}
        assert set(table(fits[name], Verdict(("it was said",), {}, ""))["diagnostics"]) == {
            "FAILED"
        }


def test_what_is_said_of_the_forgetting_of_a_posterior_that_failed_begins_with_it(fits):
    failed = forgetting.forgetting_sentence(fits["lost"])
    assert failed.startswith("m (this posterior FAILED its diagnostics): In the population a")
    assert forgetting.forgetting_sentence(fits["good"]).startswith("In the population a weight ")


def test_a_long_name_takes_no_mark_from_what_failed(fits):
    compared = compare({"good": fits["good"], "n" * 100: fits["lost"]})
    figure = figures.comparison(compared.choices)
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["good", f"{'n' * 20}…{'n' * 19}\n(FAILED its diagnostics)"]


def test_a_picture_of_held_out_choices_names_the_fractions_that_failed():
    numbers = dict.fromkeys(
        ("percent", "percent low", "percent high", "total over no-learning",
         "total se over no-learning"), 1.0,
    )  # fmt: skip
    rows = [
        {"method": method, "model": model, "fraction": fraction, "weights": "carried",
         "verdict": verdict, **numbers}
        for method, model, fraction, verdict in (
            ("L1", "m", 0.5, ""), ("posterior", "good", 0.5, "passed"),
            ("posterior", "lost", 0.7, "R-hat of a is 1.2"), ("posterior", "lost", 0.5, "passed"),
            ("posterior", "lost", 0.9, "R-hat of a is 1.1"),
        )
    ]  # fmt: skip
    (legend,) = figures.held_out(pd.DataFrame(rows), {0.5: 1.0}).legends
    assert [text.get_text() for text in legend.get_texts()][1:] == [
        "L1", "good", "lost\n(FAILED at 70%, 90%)",
    ]  # fmt: skip


def test_a_check_of_a_posterior_that_failed_says_so(fits):
    for name, found in fits.items():
        checked = check(made.KEY, found, Settings(replicates=20))
        failed = name == "lost"
        for draw in figures.predictive(checked).values():
            assert (MARK in texts(draw())) == failed
        assert checked.sentence.startswith(
            "m (this posterior FAILED its diagnostics): one" if failed else "m: one step ahead"
        )
    plt.close("all")


def test_a_comparison_marks_the_row_of_what_failed(fits):
    compared = compare(fits)
    assert compared.choices.table["diagnostics"].to_dict() == {"good": "passed", "lost": "FAILED"}
    labels = [t.get_text() for t in figures.comparison(compared.choices).axes[0].get_yticklabels()]
    assert labels == ["good", "lost\n(FAILED its diagnostics)"]
    plt.close("all")
    assert list(deviance_table(fits, compared.verdicts).columns) == [
        "good, against chance", "lost (FAILED its diagnostics), against chance",
    ]  # fmt: skip


def test_a_verdict_that_is_known_is_taken_and_what_is_no_number_refused_all_the_same(fits):
    """A passed posterior with the verdict of a failed one is marked: nothing is diagnosed again."""
    failed = diagnose(fits["lost"])
    assert MARK in texts(figures.forest(fits["good"], failed))
    assert (
        compare({"good": fits["good"]}, {"good": failed}).choices.table["diagnostics"]["good"]
        == "FAILED"
    )
    checked = check(made.KEY, fits["good"], Settings(replicates=20), verdict=failed)
    assert checked.verdict is failed
    broken = fits["good"].copy()
    broken.posterior["preference"] = broken.posterior["preference"].copy(deep=True)
    broken.posterior["preference"][0, 0, 0] = np.nan
    for answer in (
        lambda: figures.forest(broken, failed),
        lambda: compare({"m": broken}, {"m": failed}),
        lambda: check(made.KEY, broken, Settings(replicates=3), verdict=failed),
    ):
        with pytest.raises(FitError, match="preference in posterior, chain 0, draw 0, "):
            answer()
    plt.close("all")


def test_what_cannot_be_known_to_have_passed_is_not_drawn():
    found = made.posterior()
    del found["sample_stats"]
    with pytest.raises(FitError) as error:
        figures.forest(found)
    assert str(error.value) == (
        "m: has no group sample_stats, without which nothing can be said of it; fit the model again "
        "with --force."
    )


NAMES = {
    ("a/m.nc", "b/m.nc"): ["a/m", "b/m"],
    ("a/m.nc", "a/n.nc"): ["m", "n"],
    ("x/a/m.nc", "y/a/m.nc", "y/n.nc"): ["x/a/m", "y/a/m", "n"],
    ("m.nc", "a/m.nc"): [f"{Path.cwd().name}/m", "a/m"],
    ("a/v1.2.nc", "a/v1.3.nc", "a/r.svi.nc"): ["v1.2", "v1.3", "r.svi"],
    ("a/m.nc", "a/m.h5"): ["a/m.nc", "a/m.h5"],
}


@pytest.mark.parametrize("paths", NAMES)
def test_files_are_shown_under_names_that_tell_them_apart(paths):
    assert distinct_names([Path(path) for path in paths]) == NAMES[paths]


def test_a_file_given_twice_is_refused_however_it_is_written(tmp_path):
    path = tmp_path / "m.nc"
    write(made.posterior(), path)
    (tmp_path / "link.nc").symlink_to(path)
    (tmp_path / "a").mkdir()
    other = tmp_path / "a" / "m.nc"
    write(made.posterior(), other)
    assert list(read_posteriors([path, other])) == [f"{tmp_path.name}/m", "a/m"]
    for again in (path, tmp_path / "link.nc", tmp_path / "a" / ".." / "m.nc"):
        with pytest.raises(HebbaxError) as error:
            read_posteriors([path, again])
        assert str(error.value) == f"{again}: given twice; each posterior may stand once."
