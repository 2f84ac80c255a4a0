"""Fits in a folder: found by what is in them, whatever the model is called."""

import shutil
from dataclasses import asdict, replace

import h5py
import made
import numpy as np
import pytest
from command import run
from conftest import random_sessions

from hebbax import data
from hebbax.errors import FitError, HebbaxError
from hebbax.inference import map, nuts, svi
from hebbax.model.choices import build_model
from hebbax.model.identity import difference, identity
from hebbax.model.spec import ModelSpec
from hebbax.posterior import fits, fitting, methods
from hebbax.posterior import inference_data as posteriors
from hebbax.posterior.stored import digest
from hebbax.validation import limits

NAMES = ("reward-0.3", "v1.2", "a.svi", "a", "../escape", "no-learning", "a_curves", "100 %", "nul")
SETTINGS = nuts.Settings(chains=1, warmup=3, draws=5)


@pytest.fixture(scope="module")
def stored():
    sessions = random_sessions(4)
    model = build_model(ModelSpec("m", ()), sessions)
    draws = {"preference": np.zeros((1, 5, 2))}
    provenance = {"method": "nuts", "seed": 0, "settings": asdict(SETTINGS)}
    draws |= {"preference_population": np.zeros((1, 5)), "preference_spread": np.ones((1, 5))}
    statistics = made.statistics((1, 5))
    return posteriors.to_inference_data(made.KEY, model, draws, statistics, provenance)


def write(folder, stored, name, **attributes):
    path = fits.result_path(folder, name)
    renamed = stored.copy(deep=True)
    renamed.attrs = {**stored.attrs, "model": name, **attributes}
    renamed.attrs["digest"] = digest(renamed.attrs)
    posteriors.write(renamed, path)
    return path


def test_every_posterior_is_found_whatever_its_name(tmp_path, stored):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in NAMES:
        write(folder, stored, name)
    variational = write(folder, stored, "v", method="svi")
    variational.rename(fits.result_path(folder, "v", "svi"))
    data.write(random_sessions(4), folder / "sessions.nc")
    (folder / ".v.hebbax-unfinished.nc").write_bytes(b"half of")  # of a process that was killed
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(list(folder.iterdir())) == len(NAMES) + 3
    assert set(fits.posteriors_in(folder)) == set(NAMES)


def test_two_posteriors_of_one_model_and_a_damaged_one_are_refused(tmp_path, stored):
    path = write(tmp_path, stored, "v1.2")
    copy = tmp_path / "copy.nc"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(FitError) as error:
        fits.posteriors_in(tmp_path)
    assert str(error.value) == (
        "copy.nc and v1.2.nc: both are posteriors of v1.2; move one of them away."
    )
    copy.write_bytes(b"")
    with pytest.raises(FitError) as error:
        fits.posteriors_in(tmp_path)
    assert str(error.value) == (
        "copy.nc: not a readable netCDF file; it is damaged, or no netCDF file."
    )


ALTERED = "its attributes are not those it was stored with; fit the model again with --force."


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("method", "nuts2", ALTERED),
        ("method", "svi", ALTERED),
        ("method", None, 'its attribute "method" is missing or damaged (field required); fit the model again with --force.'),
        ("model", "v1.3", ALTERED),
        ("hebbax", None, "not a fit that hebbax stored."),
    ],
)  # fmt: skip
def test_no_damaged_posterior_is_left_out_in_silence(name, value, said, tmp_path, stored):
    path = write(tmp_path, stored, "v1.2")
    with h5py.File(path, "a") as file:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value
    with pytest.raises(FitError) as error:
        fits.posteriors_in(tmp_path)
    assert str(error.value) == f"v1.2.nc: {said}"


def test_no_file_of_a_fit_is_that_of_another(tmp_path):
    paths = {fits.result_path(tmp_path, n, m) for n in NAMES for m in methods.ENDINGS}
    paths |= {fits.state_path(tmp_path, n, m) for n in NAMES for m in methods.ENDINGS}
    assert len({str(path).casefold() for path in paths}) == 6 * len(NAMES)
    assert {path.parent for path in paths} == {tmp_path}


@pytest.mark.parametrize(
    ("spec", "seed", "settings", "said"),
    [
        (ModelSpec("m", ()), 1, SETTINGS, "with seed 0, and 1 is asked for"),
        (ModelSpec("m", ("w",)), 0, SETTINGS, 'with terms [], and ["w"] is asked for'),
        (
            ModelSpec("m", (), preference_scale=2.0),
            0,
            SETTINGS,
            "with preference_scale 1.0, and 2.0 is asked for",
        ),
        (
            ModelSpec("m", ()),
            0,
            nuts.Settings(chains=1, warmup=3, draws=7),
            "with draws 5, and 7 is asked for",
        ),
        (
            ModelSpec("m", ()),
            0,
            nuts.Settings(chains=1, warmup=3, draws=5, search=replace(SETTINGS.search, points=9)),
            f"with search.points {SETTINGS.search.points}, and 9 is asked for",
        ),
    ],
)
def test_what_differs_is_named_before_anything_is_fitted(
    tmp_path, stored, spec, seed, settings, said
):
    write(tmp_path, stored, "m")
    sessions = random_sessions(4)
    same = fits.standing(sessions, ModelSpec("m", (), reason="why"), tmp_path, 0, SETTINGS)
    assert same.sentence == "m.nc is finished, and taken as it is."
    with pytest.raises(FitError) as error:
        fits.prepare(sessions, [spec], tmp_path, seed, settings, anew=False)
    assert str(error.value) == (
        f"m.nc: a finished fit {said}; ask for the same, use --force to fit it again, or give "
        "another --out."
    )
    (anew,) = fits.prepare(sessions, [spec], tmp_path, seed, settings, anew=True)
    assert (anew.result, anew.sentence) == (None, "")
    with pytest.raises(FitError, match=r"^m.nc: a finished fit of other data; ask for the same"):
        fits.prepare(random_sessions(5), [spec], tmp_path, seed, settings, anew=False)


def test_scales_that_were_given_are_those_that_were_found():
    """Scales from the choices are found anew, and are the same; others make another fit."""
    plain = ModelSpec("m", ("x r", "w"), scaling="information")
    found = replace(plain, scales={"x r": 0.3, "w": 0.1})
    wide = replace(plain, scales={"x r": 3.0, "w": 1.0})
    each = [identity(spec, "data", {}, seed=0) for spec in (plain, found, wide)]
    assert difference(each[1], each[0]) is None
    assert difference(each[1], each[1]) is None
    assert difference(each[1], each[2]) is not None


def test_what_was_found_finished_is_not_read_again(tmp_path, stored):
    path = write(tmp_path, stored, "m")
    (found,) = fits.prepare(
        random_sessions(4), [ModelSpec("m", ())], tmp_path, 0, SETTINGS, anew=False
    )
    assert found.model.spec.name == "m"
    path.unlink()
    result = fitting.finish(found, tmp_path, 0, SETTINGS)
    assert result is found.result
    np.testing.assert_array_equal(result.posterior["preference"], stored.posterior["preference"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("attribute", ["seed", "settings", "spec", "data_hash"])
@pytest.mark.parametrize("value", [None, "neither number nor JSON"])
def test_a_posterior_that_does_not_say_what_it_is_of_is_refused(tmp_path, stored, attribute, value):
    damaged = stored.copy(deep=True)
    damaged.attrs = {k: v for k, v in stored.attrs.items() if k != attribute}
    if value is not None:
        damaged.attrs[attribute] = value
    posteriors.write(damaged, tmp_path / "m.nc")
    with pytest.raises(FitError) as error:
        fits.standing(random_sessions(4), ModelSpec("m", ()), tmp_path, 0, SETTINGS)
    assert str(error.value).startswith("m.nc: its attribute")
    assert str(error.value).endswith("; fit the model again with --force.")


def test_what_a_fit_takes_is_known_before(tmp_path, monkeypatch):
    sessions, few = random_sessions(4), nuts.Settings(draws=10)
    (found,) = fits.prepare(sessions, [ModelSpec("m", ())], tmp_path, 0, few, anew=False)
    assert (found.result, found.sentence) == (None, "")
    usage = shutil.disk_usage(tmp_path)._replace(free=300_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        FitError, match=r" 0.3 MB are free there, and what is to be fitted takes about "
    ):
        fits.prepare(sessions, [ModelSpec("m", ())], tmp_path, 0, few, anew=False)
    sizes = [
        fits.expected_bytes(sessions, ModelSpec("m", ()), settings)
        for settings in (map.Settings(), svi.Settings(draws=100), nuts.Settings(draws=100))
    ]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("anew", [False, True])
def test_a_fit_has_a_bound_that_counts_what_is_stored(tmp_path, stored, anew):
    """No stored posterior exceeds what is expected of it, so that one that may be made may be read;
    of many draws the bound is tight."""
    spec, sessions = ModelSpec("m", ()), random_sessions(4)
    fixed, one = (
        fits.expected_bytes(sessions, spec, replace(SETTINGS, draws=draws)) for draws in (0, 1)
    )
    groups = {name: group.nbytes for name, group in stored.children.items()}
    prior = groups["prior"] + groups["prior_predictive"]
    drawn = ("posterior", "sample_stats", "log_likelihood", "posterior_predictive")
    of_draws = sum(groups[name] for name in drawn) / 5
    assert prior < fixed
    assert 6 * sessions.n_choices < of_draws < one - fixed < 10 * of_draws
    long = random_sessions(4, lengths=(5000, 5000))
    fixed, one = (
        fits.expected_bytes(long, spec, replace(SETTINGS, draws=draws)) for draws in (0, 1)
    )
    # A log likelihood in 32 bits and a predicted choice in 16, of a thousand draws.
    assert one - fixed == pytest.approx(6 * long.n_choices, rel=0.01)
    thousand, more = (
        fits.expected_bytes(long, spec, replace(SETTINGS, draws=draws)) for draws in (1000, 1001)
    )
    assert 50 * (more - thousand) < one - fixed
    most = (limits.MAX_STORED - thousand) // (more - thousand) + 1000
    fits.check_size(long, spec, replace(SETTINGS, draws=most))
    full = random_sessions(4, lengths=(500_000, 500_000))  # no room for a thousand draws
    few = (limits.MAX_STORED - fits.expected_bytes(full, spec, replace(SETTINGS, draws=0))) // (
        fits.expected_bytes(full, spec, replace(SETTINGS, draws=1))
        - fits.expected_bytes(full, spec, replace(SETTINGS, draws=0))
    )
    if few < 1000:
        with pytest.raises(FitError, match=f"so ask for at most {few} draws"):
            fits.check_size(full, spec, replace(SETTINGS, draws=1000))
    asked = replace(SETTINGS, draws=2 * most)
    with pytest.raises(FitError) as error:
        fits.prepare(long, [spec], tmp_path, 0, asked, anew=anew)
    assert str(error.value) == (
        f"m: {2 * most} draws would store 19.9 GB; at most 10 GB are allowed, so ask for at most "
        f"{most} draws."
    )


def test_encounters_count_in_the_bound_of_a_command(tmp_path):
    """1000 animals of 100 trials, each with 2 encounters and 3 outcomes: 10 bytes a trial and draw that
    is stored of it, and so many values of animals in every draw."""
    rng = np.random.default_rng(0)
    records = [
        data.Record(f"m{k}", rng.integers(0, 2, 100), rng.integers(0, 2, 100) * 1.0,
                    rejections=np.ones((100, 2), int))
        for k in range(1000)
    ]  # fmt: skip
    data.write(data.from_animals(records, "AB", "s"), tmp_path / "t.nc")
    (tmp_path / "each.toml").write_text('likelihood = "encounter"\nterms = ["w"]\n')
    asked = ("--draws", "100000", "--out", tmp_path / "out")
    each = 8 * (1003 * 6 + 1020)
    fixed = 250_000 + 8 * each + 200 * (each + 6 * 100_000) + 72 * 100_000 + 10_000 * 100_000
    for command in (("run", "--model"), ("fit", "--model")):
        done = run(command[0], tmp_path / "t.nc", command[1], tmp_path / "each.toml", *asked)
        assert (done.returncode, done.stderr) == (
            2,
            f"hebbax: each: 100000 draws of 4 chains would store {(fixed + 400_000 * each) / 1e9:.1f} GB; "
            f"at most 10 GB are allowed, so ask for at most {(10**10 - fixed) // (4 * each)} draws.\n",
        )
        assert not (tmp_path / "out").exists()


def test_a_name_that_no_file_can_have_is_refused_before_the_fit(tmp_path):
    spec = ModelSpec("ж" * 100, ())
    with pytest.raises(HebbaxError, match="takes 200 bytes in the names of its files"):
        fits.prepare(random_sessions(4), [spec], tmp_path, 0, SETTINGS, anew=False)


@pytest.mark.parametrize("command", ["run", "fit"])
def test_two_models_of_one_file_are_refused_together(tmp_path, command):
    data.write_table(random_sessions(4), tmp_path / "t.csv")
    for name in ("Decay", "decay"):
        (tmp_path / f"{name}_.toml").write_text(f'name = "{name}"\nterms = ["w"]\n')
    option = "--model"
    models = [word for name in ("Decay", "decay") for word in (option, tmp_path / f"{name}_.toml")]
    done = run(command, tmp_path / "t.csv", *models, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr == (
        f"hebbax: {option}: Decay and decay would share their files; rename one of them.\n"
    )


def test_models_that_are_not_to_be_compared_are_refused_before_the_first_fit(tmp_path):
    data.write(random_sessions(4), tmp_path / "t.nc")
    (tmp_path / "each.toml").write_text('likelihood = "encounter"\nterms = ["w"]\n')
    models = ("--model", f"no-learning,{tmp_path / 'each.toml'}")
    done = run("run", tmp_path / "t.nc", *models, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr == (
        'hebbax: no-learning has the likelihood "choice" and each "encounter": what they predict is '
        "not to be compared; give each a run of its own.\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_simulation_replaces_neither_of_its_files(tmp_path):
    truth = tmp_path / "tr.truth.csv"
    truth.write_text("mine")
    done = run("simulate", tmp_path / "tr.csv", "--animals", "1", "--trials-per-block", "3")
    assert done.returncode == 2
    assert done.stderr == f"hebbax: {truth}: exists already; --force replaces it.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tr.truth.csv"]
    assert truth.read_text() == "mine"


SMALL = {
    "map": map.Settings(epochs=5, starts=2, polish=1),
    "svi": svi.Settings(guide="diagonal", steps=6, particles=1, draws=8, chunk=6),
}


@pytest.mark.parametrize("method", ["map", pytest.param("svi", marks=pytest.mark.slow)])
def test_a_fit_that_cannot_be_written_is_kept_and_not_made_again(tmp_path, method):
    sessions, spec, settings = random_sessions(4), ModelSpec("m", ()), SMALL[method]
    whole, out = tmp_path / "whole", tmp_path / "out"
    whole.mkdir()
    out.mkdir()
    unbroken = fitting.obtain(sessions, spec, whole, 3, settings)
    (out / f".m.{method}.hebbax-unfinished.nc").symlink_to("/dev/full")
    with pytest.raises(FitError) as error:
        fitting.obtain(sessions, spec, out, 3, settings)
    assert str(error.value) == (
        f"m.{method}.nc: could not be written to {out} (No space left on device); what was there "
        f"before is kept. What was found is kept in m.{method}.state.npz: free about 0.3 MB and "
        "give the same command again, which takes it from there."
    )
    assert [path.name for path in out.iterdir()] == [f"m.{method}.state.npz"]
    with pytest.raises(FitError) as error:
        fits.standing(sessions, spec, out, 4, settings)
    assert str(error.value) == (
        f"m.{method}.state.npz: an unfinished fit with another random seed; ask for the same, use "
        "--force to start anew, or give another --out."
    )
    found = fits.standing(sessions, spec, out, 3, settings)
    steps = {"map": 5, "svi": 6}[method]
    assert found.sentence == f"m.{method}.state.npz goes on after {steps} of {steps} iterations."
    told = set()
    fitting.finish(found, out, 3, settings, lambda what, done, total: told.add(what))
    assert not told & {"descending", "polishing", "finding the start", "climbing the ELBO"}
    assert [path.name for path in out.iterdir()] == [f"m.{method}.nc"]
    again = fits.standing(sessions, spec, out, 3, settings).result
    values = unbroken if method == "map" else unbroken.posterior
    same = again if method == "map" else again.posterior
    assert set(values.data_vars) == set(same.data_vars)
    for name in values.data_vars:
        np.testing.assert_array_equal(same[name], values[name])
