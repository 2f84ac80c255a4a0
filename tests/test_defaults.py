"""The models that are compared where none is named: fair to each way of fading, and to none."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import random_sessions

from hebbax.model.declared import read_spec
from hebbax.model.defaults import KERNEL, default_models

SESSIONS = random_sessions(3)
KINDS = {
    "alternatives": replace(SESSIONS, rejections=None),
    "encounters": replace(SESSIONS, rejections=np.zeros((*SESSIONS.choices.shape, 2), int)),
}


def rule(name):
    """Return what is learnt under a declared model: all of it but its name and its words."""
    spec = read_spec(name)
    return replace(spec, name="rule", text="", reason="", habit="last", habit_scale=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_has_a_twin_with_a_choice_kernel(kind):
    names = default_models(KINDS[kind])
    twins = {name for name in names if name.endswith(KERNEL)}
    for name in set(names) - twins - {"no-learning"}:
        assert f"{name}{KERNEL}" in twins
        assert rule(f"{name}{KERNEL}") == rule(name)
        assert read_spec(f"{name}{KERNEL}").habit == "kernel"
        assert read_spec(name).habit_scale == 0.0
    assert len(names) == 2 * len(twins) + 1


@pytest.mark.parametrize("kind", KINDS)
def test_each_readout_of_the_task_has_fading_of_every_weight_and_of_the_chosen_one(kind):
    specs = [read_spec(name) for name in default_models(KINDS[kind])]
    readouts = {"alternatives": {"accept", "softmax"}, "encounters": {"accept"}}[kind]
    assert {spec.readout for spec in specs} == readouts
    for readout in readouts:
        terms = [set(spec.terms or spec.coefficients) for spec in specs if spec.readout == readout]
        assert any("w" in one for one in terms)
        assert any("x w" in one and "w" not in one for one in terms)
