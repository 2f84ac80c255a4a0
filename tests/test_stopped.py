"""The published fit, stopped early: what its parts are, and what its penalty does."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from conftest import random_sessions

from hebbax.data import first_trials, split
from hebbax.errors import FitError
from hebbax.inference.density import log_likelihood_by_animal
from hebbax.mehta2024 import stopped
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec

KEY = jax.random.PRNGKey(0)
SETTINGS = stopped.Settings(epochs=40, learning_rate=0.01, fitted=("theta", "preference"))


@pytest.fixture(scope="module")
def sessions():
    return random_sessions(5, lengths=(20, 30))


@pytest.fixture(scope="module")
def model(sessions):
    return build_model(ModelSpec("test", ("x r", "w", "1")), sessions)


@pytest.fixture(scope="module")
def found(sessions, model):
    parts = np.stack([first_trials(sessions, fraction) for fraction in (0.5, 1.0)])
    return stopped.fit(KEY, model, SETTINGS, parts=parts)


def test_a_part_is_fitted_as_a_recording_that_ends_there(sessions, model, found):
    values, info = found
    part = split(sessions, first_trials(sessions, 0.5))[0]
    alone, its_info = stopped.fit(KEY, build_model(model.spec, part), SETTINGS)
    np.testing.assert_allclose(values["theta"][0], alone["theta"][0], rtol=1e-9)
    np.testing.assert_allclose(values["preference"][0], alone["preference"][0], rtol=1e-9)
    np.testing.assert_allclose(info.loss[0], its_info.loss[0], rtol=1e-12)


def test_the_loss_is_surprise_a_choice_and_a_penalty(model, found):
    values, info = found
    whole = {name: value[1] for name, value in values.items()}
    surprise = -log_likelihood_by_animal(model, whole) / model.sessions.n_trials
    penalty = 0.01 * np.abs(whole["theta"]).sum(-1)
    np.testing.assert_allclose(info.final[1], surprise + penalty, rtol=1e-12)
    assert (np.asarray(info.final) < np.asarray(info.loss[:, 0])).all()
    np.testing.assert_allclose(info.loss[:, 0], np.log(2), rtol=1e-4)  # next to no plasticity


def test_a_strong_penalty_leaves_nothing_and_what_is_not_fitted_stays(model):
    values, _ = stopped.fit(KEY, model, replace(SETTINGS, l1=10.0, fitted=("theta",)))
    assert np.abs(values["theta"]).max() < 2 * SETTINGS.learning_rate
    assert not np.any(values["preference"])


def test_an_unknown_group_and_an_empty_part_are_refused(model):
    with pytest.raises(FitError) as refused:
        stopped.fit(KEY, model, replace(SETTINGS, fitted=("habit",)))
    assert str(refused.value) == 'test: no group "habit" to fit; it has theta, preference.'
    with pytest.raises(FitError) as refused:
        stopped.fit(KEY, model, SETTINGS, parts=np.array([[20, 0]]))
    assert str(refused.value) == (
        "random, animal animal1: a part without a choice cannot be fitted."
    )


def test_encounters_are_averaged_one_by_one(sessions):
    model = build_model(ModelSpec("test", ("x r",), likelihood="encounter"), sessions)
    _, info = stopped.fit(KEY, model, replace(SETTINGS, epochs=1, l1=0.0))
    # Without plasticity every encounter is a coin flip, however many a trial has.
    np.testing.assert_allclose(info.loss[0, 0], np.log(2), rtol=1e-4)
