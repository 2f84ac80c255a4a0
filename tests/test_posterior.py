"""What a stored posterior holds, and what can be read back from it."""

import jax
import numpy as np
import pytest
from conftest import random_sessions

from hebbax.data import compact, data_hash
from hebbax.model import build_model
from hebbax.posterior import read, sessions_of, spec_of, to_inference_data, write
from hebbax.spec import ModelSpec


@pytest.fixture(scope="module", params=["choice", "encounter"])
def stored(request, tmp_path_factory):
    sessions = random_sessions(4)
    model = build_model(ModelSpec("m", ("x r",), likelihood=request.param), sessions)
    rng = np.random.default_rng(0)
    draws = {g.name: rng.normal(size=(2, 5, 2, *g.shape)) for g in model.groups}
    provenance = {"method": "test", "seed": 0}
    path = tmp_path_factory.mktemp("posterior") / "m.nc"
    write(to_inference_data(jax.random.PRNGKey(0), model, draws, {}, provenance), path)
    return sessions, model, read(path)


def test_the_recorded_trials_can_be_read_back(stored):
    sessions, _, posterior = stored
    again = sessions_of(posterior)
    expected = compact(sessions)
    assert (again.animals, again.stimuli) == (expected.animals, expected.stimuli)
    for name in ("choices", "rewards", "blocks", "n_trials"):
        np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))
    if spec_of(posterior).likelihood == "encounter":
        assert data_hash(again) == posterior.attrs["data_hash"]


def test_the_model_can_be_read_back(stored):
    _, model, posterior = stored
    assert spec_of(posterior) == model.spec


def test_observations_carry_the_trial_of_the_recording(stored):
    sessions, _, posterior = stored
    animal, trial = np.nonzero(sessions.choices >= 0)
    np.testing.assert_array_equal(posterior.constant_data["trial"], trial + 1)
    np.testing.assert_array_equal(posterior.constant_data["animal_index"], animal)
