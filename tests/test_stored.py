"""The door of stored fits: what is damaged, of another version or not a number is one sentence."""

import json
import random

import h5py
import made
import numpy as np
import pytest
import xarray as xr
from conftest import random_sessions

from hebbax.errors import FitError, HebbaxError
from hebbax.inference import map
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior import estimate
from hebbax.posterior import inference_data as posterior
from hebbax.posterior.forgetting import forgetting
from hebbax.posterior.stored import digest
from hebbax.posterior.summary import animal_table, population_table

AGAIN = "fit the model again with --force."


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "m.nc"
    posterior.write(described(made.posterior()), path)
    return path


def described(stored):
    """Return a posterior that says what was read and by which command it was made."""
    stored.attrs["data_description"] = posterior.description_of(stored).to_json()
    stored.attrs["command"] = "hebbax fit t.csv"
    stored.attrs["digest"] = digest(stored.attrs)
    return stored


@pytest.fixture(scope="module")
def point(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "m.map.nc"
    model = build_model(ModelSpec("m", ("x r",)), random_sessions(4))
    mode, info = map.fit(made.KEY, model, map.Settings(epochs=5, starts=1, polish=1))
    estimate.write(
        estimate.to_dataset(model, mode, info, made.PROVENANCE | {"method": "map"}), path
    )
    return path


def put(group, name, place, value):
    def change(stored):
        stored[group][name][place] = value

    return change


def without(group):
    def change(stored):
        del stored[group]

    return change


def replaced(group, change_of):
    def change(stored):
        stored[group] = xr.DataTree(change_of(stored[group].to_dataset()))

    return change


def attribute(name, value, *, signed=True):
    def change(stored):
        stored.attrs[name] = value
        if signed:
            stored.attrs["digest"] = digest(stored.attrs)

    return change


NOT_A_NUMBER = (
    "is stored where a finite number is needed, and there is no right answer with it; " + AGAIN
)
DAMAGES = {
    # animal1 has 14 trials, two of them omitted: its last observation is the 19th of all.
    "a log likelihood that is nan": (
        put("log_likelihood", "choice", (1, 3, 18), np.nan),
        f"m.nc, choice in log_likelihood, chain 1, draw 3, animal animal1, trial 14: nan {NOT_A_NUMBER}",
    ),
    "a log likelihood of minus infinity": (
        put("log_likelihood", "choice", (0, 0, 0), -np.inf),
        f"m.nc, choice in log_likelihood, chain 0, draw 0, animal animal0, trial 1: -inf {NOT_A_NUMBER}",
    ),
    "a coefficient that is nan": (
        put("posterior", "theta", (0, 2, 1, 1), np.nan),
        f"m.nc, theta in posterior, chain 0, draw 2, animal animal1, term w: nan {NOT_A_NUMBER}",
    ),
    "a statistic that is nan": (
        put("sample_stats", "energy", (1, 4), np.nan),
        f"m.nc, energy in sample_stats, chain 1, draw 4: nan {NOT_A_NUMBER}",
    ),
    "a reward that is infinite": (
        put("constant_data", "reward", 0, np.inf),
        f"m.nc, reward in constant_data, animal animal0, trial 1: inf {NOT_A_NUMBER}",
    ),
    **{
        f"no {group}": (
            without(group),
            f"m.nc: has no group {group}, without which nothing can be said of it; {AGAIN}",
        )
        for group in (
            "posterior", "sample_stats", "log_likelihood", "log_prior", "observed_data", "constant_data",
            "prior",
        )
    },
    "a variable that is missing": (
        replaced("sample_stats", lambda group: group.drop_vars("diverging")),
        f"m.nc, sample_stats: the variable diverging is missing; {AGAIN}",
    ),
    "values of the model that are missing": (
        replaced("posterior", lambda group: group.drop_vars("theta_population")),
        f"m.nc, posterior: the variable theta_population is missing; {AGAIN}",
    ),
    "a prior that is missing": (
        replaced("log_prior", lambda group: group.drop_vars("preference_spread")),
        f"m.nc, log_prior: the variable preference_spread is missing; {AGAIN}",
    ),
    "dimensions in another order": (
        replaced("log_likelihood", lambda group: group.transpose("observation", "chain", "draw")),
        "m.nc, log_likelihood: the variable choice lies along (observation, chain, draw), and must "
        f"along (chain, draw, observation); {AGAIN}",
    ),
    "draws that were cut off": (
        replaced("sample_stats", lambda group: group.isel(draw=slice(3))),
        f"m.nc: has 3 values of draw in sample_stats and 5 in posterior; {AGAIN}",
    ),
    "draws of another posterior": (
        replaced("log_likelihood", lambda group: group.assign_coords(draw=range(1, 6))),
        f"m.nc: has draw 5 in log_likelihood, which posterior has not; {AGAIN}",
    ),
    "observations that were cut off": (
        replaced("constant_data", lambda group: group.isel(observation=slice(3))),
        f"m.nc: has 3 values of observation in constant_data and 19 in log_likelihood; {AGAIN}",
    ),
    "a trial that no recording has": (
        replaced("constant_data", lambda group: group.assign(trial=group["trial"] + 1_000_000)),
        f"m.nc, trial in constant_data: must be whole numbers, 1 to 1000000; {AGAIN}",
    ),
    "text for numbers": (
        replaced("posterior", lambda group: group.assign(theta=group["theta"].astype(str))),
        f"m.nc, theta in posterior: holds no numbers; {AGAIN}",
    ),
    "an animal there is not": (
        put("constant_data", "animal_index", 3, 2),
        f"m.nc, animal_index in constant_data: must be whole numbers, 0 to 1; {AGAIN}",
    ),
    "a trial before the first": (
        put("constant_data", "trial", 0, 0),
        f"m.nc, trial in constant_data: must be whole numbers, 1 to 1000000; {AGAIN}",
    ),
    "another choice": (
        lambda stored: put("observed_data", "choice", 0, 1 - stored.observed_data["choice"][0])(stored),
        "m.nc: its observations are not those that it was fitted to, as its attribute "
        f'"observed" says; {AGAIN}',
    ),
    "an earlier version": (
        attribute("hebbax", 1),
        "m.nc: a fit of version 1, and this hebbax reads version 6; " + AGAIN,
    ),
    "a later version": (
        attribute("hebbax", 99),
        "m.nc: a fit of version 99, and this hebbax reads version 6; " + AGAIN,
    ),
    "a version in words": (
        attribute("hebbax", "two"),
        "m.nc: a fit of version two, and this hebbax reads version 6; " + AGAIN,
    ),
    "settings that are not JSON": (
        attribute("settings", "{"),
        'm.nc: its attribute "settings" is missing or damaged (invalid JSON: EOF while parsing an '
        f"object at line 1 column 1); {AGAIN}",
    ),
    "no seed": (
        lambda stored: stored.attrs.pop("seed"),
        f'm.nc: its attribute "seed" is missing or damaged (field required); {AGAIN}',
    ),
    "another seed": (
        attribute("seed", 7, signed=False),
        f"m.nc: its attributes are not those it was stored with; {AGAIN}",
    ),
    "another command": (
        attribute("command", "rm -r", signed=False),
        f"m.nc: its attributes are not those it was stored with; {AGAIN}",
    ),
    "other counts of what was read": (
        lambda stored: attribute(
            "data_description",
            stored.attrs["data_description"].replace("19", "91", 1),
            signed=False,
        )(stored),
        f"m.nc: its attributes are not those it was stored with; {AGAIN}",
    ),
    "counts that are no JSON": (
        attribute("data_description", "{"),
        'm.nc: its attribute "data_description" is missing or damaged (invalid JSON: EOF while '
        f"parsing an object at line 1 column 1); {AGAIN}",
    ),
    "counts that are none": (
        attribute("data_description", '{"source": "t.csv", "counts": {}, "notes": []}'),
        f'm.nc: its attribute "data_description" is missing or damaged (field required); {AGAIN}',
    ),
    "a model that is none": (
        attribute("spec", "[1]"),
        "m: the model stored with it is damaged; fit it again with --force.",
    ),
    "terms of another model": (
        replaced("posterior", lambda group: group.assign_coords(term=["x r", "y"])),
        f"m.nc, posterior: its terms are not those of its model; {AGAIN}",
    ),
    "a point estimate": (
        attribute("method", "map"),
        "m.nc: a point estimate, which has no posterior to speak of.",
    ),
    "not ours": (
        lambda stored: stored.attrs.pop("hebbax"),
        "m.nc: not a fit that hebbax stored.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_posterior_is_refused_in_one_sentence(name, tmp_path):
    change, sentence = DAMAGES[name]
    stored = described(made.posterior())
    change(stored)
    posterior.write(stored, tmp_path / "m.nc")
    with pytest.raises(HebbaxError) as error:
        posterior.read(tmp_path / "m.nc")
    assert str(error.value) == sentence


def test_what_is_no_netcdf_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "m.nc"
    for content in (b"", b"\x89HDF", b"animal,trial\n", bytes(1000)):
        path.write_bytes(content)
        for read, what in ((posterior.read, "posterior"), (estimate.read, "point estimate")):
            with pytest.raises(FitError) as error:
                read(path)
            assert str(error.value) == (
                f"m.nc: not a readable {what}; it is damaged, or no netCDF file."
            )


def contents(stored):
    """Everything that a stored fit holds, by name."""
    groups = {"": stored} if isinstance(stored, xr.Dataset) else dict(stored.children)
    values = {(g, n): v.values for g, group in groups.items() for n, v in group.variables.items()}
    return values | {name: np.asarray(value) for name, value in stored.attrs.items()}


@pytest.mark.parametrize("kind", ["posterior", "estimate"])
def test_a_flipped_byte_is_refused_or_changes_nothing(kind, whole, point, tmp_path):
    path, read = (whole, posterior.read) if kind == "posterior" else (point, estimate.read)
    raw, expected = path.read_bytes(), contents(read(path))
    places = random.Random(0)
    damaged = tmp_path / "m.nc"
    refused = 0
    for _ in range(30):
        flipped = bytearray(raw)
        flipped[places.randrange(len(raw))] ^= 1 << places.randrange(8)
        damaged.write_bytes(flipped)
        try:
            found = contents(read(damaged))
        except HebbaxError:
            refused += 1
            continue
        for name, value in expected.items():
            if name not in ("created_at", "arviz_version"):
                np.testing.assert_array_equal(found[name], value, err_msg=str(name))
    assert refused > 5


def test_an_estimate_is_checked_at_its_door(point, tmp_path):
    stored = estimate.read(point)
    path = tmp_path / "m.map.nc"
    stored["theta"][0, 0] = np.nan
    estimate.write(stored, path)
    with pytest.raises(FitError) as error:
        estimate.read(path)
    assert str(error.value) == f"m.map.nc, theta, animal animal0, term x r: nan {NOT_A_NUMBER}"
    estimate.write(estimate.read(point).drop_vars("preference"), path)
    with pytest.raises(FitError) as error:
        estimate.read(path)
    assert str(error.value) == f"m.map.nc: the variable preference is missing; {AGAIN}"
    slope = estimate.read(point)
    del slope.attrs["gradient_norm"]
    slope.attrs["digest"] = digest(slope.attrs)
    estimate.write(slope, path)
    with pytest.raises(FitError) as error:
        estimate.read(path)
    assert str(error.value) == f'm.map.nc: its attribute "gradient_norm" is not a number; {AGAIN}'


@pytest.mark.parametrize("table", [population_table, animal_table, forgetting])
def test_no_summary_is_given_of_a_draw_that_is_no_number(table):
    stored = made.posterior()
    for name, place in (("theta", (1, 2, 0, 1)), ("theta_population", (1, 2, 1))):
        stored.posterior[name][place] = np.nan
    with pytest.raises(FitError) as error:
        table(stored)
    at = (
        "chain 1, draw 2, term w"
        if table is population_table
        else "chain 1, draw 2, animal animal0, term w"
    )
    name = "theta_population" if table is population_table else "theta"
    assert str(error.value) == f"{name} in the posterior, {at}: nan {NOT_A_NUMBER}"


def test_what_was_observed_is_stored_in_words(whole):
    seen = json.loads(posterior.read(whole).attrs["observed"])
    assert (seen["likelihood"], seen["unit"], seen["number"]) == (
        "choice",
        "the choice of a trial",
        19,
    )


def test_a_provenance_says_how_a_fit_was_made():
    model = build_model(ModelSpec("m", ()), random_sessions(4))
    with pytest.raises(FitError) as error:
        posterior.to_inference_data(made.KEY, model, {}, {}, {"method": "mine", "seed": 0})
    assert str(error.value) == (
        'm: the provenance has no "settings"; method, seed and settings are needed.'
    )


@pytest.mark.parametrize("reader", [posterior, estimate])
def test_a_small_file_that_asks_for_terabytes_is_refused(tmp_path, reader):
    path = tmp_path / "m.nc"
    with h5py.File(path, "w") as file:
        shape = (10**7, 10**6)
        file.create_dataset("posterior/theta", shape, "f8", chunks=(1000, 1000), compression="gzip")
    assert path.stat().st_size < 100_000
    with pytest.raises(FitError) as error:
        reader.read(path)
    assert str(error.value) == (
        "m.nc: its arrays would take 80000.0 GB of memory; at most 10 GB are allowed."
    )
