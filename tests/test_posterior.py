"""What a stored posterior holds, and what can be read back from it."""

import made
import numpy as np
import pytest
from conftest import random_sessions

from hebbax.data import compact, data_hash
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import read, sessions_of, spec_of, write


@pytest.fixture(scope="module", params=["choice", "encounter"])
def stored(request, tmp_path_factory):
    sessions = random_sessions(4)
    model = build_model(ModelSpec("m", ("x r",), likelihood=request.param), sessions)
    path = tmp_path_factory.mktemp("posterior") / "m.nc"
    write(made.posterior(model.spec, sessions), path)
    return sessions, model, read(path)


def test_the_recorded_trials_can_be_read_back(stored):
    sessions, _, posterior = stored
    again = sessions_of(posterior)
    likelihood = spec_of(posterior).likelihood
    expected = compact(sessions, likelihood)
    assert (again.animals, again.stimuli) == (expected.animals, expected.stimuli)
    for name in ("choices", "rewards", "blocks", "n_trials"):
        np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))
    if likelihood == "encounter":
        np.testing.assert_array_equal(again.rejections, expected.rejections)


def test_fits_of_either_likelihood_are_seen_to_be_of_one_recording(stored):
    sessions, _, posterior = stored
    assert posterior.attrs["data_hash"] == data_hash(sessions)
    np.testing.assert_array_equal(posterior.constant_data["n_trials"], sessions.n_trials)


def test_the_model_can_be_read_back(stored):
    _, model, posterior = stored
    assert spec_of(posterior) == model.spec


def test_observations_carry_the_trial_of_the_recording(stored):
    sessions, _, posterior = stored
    seen = sessions.choices >= 0
    if spec_of(posterior).likelihood == "encounter":
        seen |= sessions.rejections.sum(-1) > 0
    animal, trial = np.nonzero(seen)
    np.testing.assert_array_equal(posterior.constant_data["trial"], trial + 1)
    np.testing.assert_array_equal(posterior.constant_data["animal_index"], animal)
