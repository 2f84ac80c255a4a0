"""Without double precision a model says so, once; where it was asked for nothing is said."""

import subprocess
import sys
import warnings

import jax
import pytest
from command import LIMIT
from conftest import random_sessions
from test_activity import LAYER, SCALES, small

from hebbax.errors import SinglePrecisionWarning
from hebbax.model.activity import activity_model
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec

SENTENCE = (
    "JAX computes in single precision (float32), in which weights of long sessions and gradients of "
    "the posterior are not exact enough: call numpyro.enable_x64() before any array is made."
)
DOORS = {
    "choices": lambda: build_model(ModelSpec("m", ("x r",)), random_sessions(0)),
    "activity": lambda: activity_model(small(), LAYER, SCALES),
}

SCRIPT = """
import sys
import numpy as np
import numpyro
from hebbax import ModelSpec, build_model
from hebbax.data import Record, from_animals

if "x64" in sys.argv:
    numpyro.enable_x64()
record = Record("a", np.array([0, 1, 1, 0]), np.ones(4))
for name in "one", "two":
    build_model(ModelSpec(name, ("x r",)), from_animals([record], ["A", "B"], "made"))
"""


@pytest.mark.parametrize("door", DOORS)
def test_single_precision_is_said(door):
    with jax.enable_x64(False), pytest.warns(SinglePrecisionWarning) as caught:
        DOORS[door]()
    assert [str(warning.message) for warning in caught] == [SENTENCE]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DOORS[door]()


@pytest.mark.parametrize(("argument", "times"), [("x64", 0), ("float32", 1)])
def test_it_is_said_once_in_a_process(argument, times):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, argument],
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
    )
    assert done.stderr.count("SinglePrecisionWarning") == times
    assert done.stderr.count(SENTENCE) == times
