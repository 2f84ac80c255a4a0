"""What a model may be called with: its observed site, of the recorded shape, or nothing."""

import jax
import numpy as np
import pytest
from conftest import random_sessions
from numpyro.handlers import seed, trace
from numpyro.infer import Predictive
from test_activity import LAYER, SCALES, small

from hebbax.errors import ModelError
from hebbax.model.activity import activity_model
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec

CHOICE = build_model(ModelSpec("m", ("x r",)), random_sessions(0))
ENCOUNTER = build_model(ModelSpec("m", ("x r",), likelihood="encounter"), random_sessions(0))


def test_a_misspelt_site_does_not_condition_in_silence():
    for model, site in ((CHOICE, "choice"), (ENCOUNTER, "encounter")):
        with pytest.raises(ModelError) as caught:
            Predictive(model, num_samples=2)(jax.random.key(0), choise=None)
        assert str(caught.value) == (
            f"model(choise=...): there is no such observed site; it is {site}, and "
            f"model({site}=None) predicts it."
        )
    with pytest.raises(ModelError) as caught:
        activity_model(small(), LAYER, SCALES)(activty=None)
    assert str(caught.value) == (
        "model(activty=...): there is no such observed site; it is activity, and "
        "model(activity=None) predicts it."
    )


@pytest.mark.parametrize("wrong", [np.zeros(3, int), np.zeros((19, 2), int), np.int64(1)])
def test_observations_of_another_shape_are_refused(wrong):
    assert CHOICE.observed.shape == (19,)
    with pytest.raises(ModelError) as caught:
        seed(CHOICE, jax.random.key(0))(choice=wrong)
    assert str(caught.value) == (
        f"model(choice=...): shape {wrong.shape} given; (19,) is needed, as was recorded."
    )


def test_other_choices_of_the_same_shape_are_conditioned_on():
    other = 1 - CHOICE.observed
    for given, seen in (({}, CHOICE.observed), ({"choice": other}, other)):
        site = trace(seed(CHOICE, jax.random.key(0))).get_trace(**given)["choice"]
        assert site["is_observed"]
        np.testing.assert_array_equal(site["value"], seen)
    predicted = trace(seed(CHOICE, jax.random.key(0))).get_trace(choice=None)["choice"]
    assert not predicted["is_observed"]
    assert predicted["value"].shape == (19,)
