"""Terms that recorded trials cannot tell apart, against what algebra says of them."""

import jax
import numpy as np
import pytest
from conftest import random_sessions

from hebbax.data import Record, from_animals
from hebbax.design.redundancy import combination, redundancy
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.rule.taylor import all_terms, parse_term


def found(spec, sessions=None):
    sessions = sessions or random_sessions(5, lengths=(40, 30))
    return redundancy(jax.random.PRNGKey(3), build_model(spec, sessions))


@pytest.fixture(scope="module")
def raw():
    return found(ModelSpec("all", all_terms("xrw"), reward="raw", rate=0.6))


def test_binary_inputs_and_rewards_leave_12_of_27_terms(raw):
    # x is 0 or 0.6 and r is 0 or 1, so that x^2 = 0.6 x and r^2 = r.
    assert len(raw.kept) == 12
    for term, parts in raw.merged.items():
        e = parse_term(term)
        kept = e._replace(pre=min(e.pre, 1), reward=min(e.reward, 1))
        [(name, factor)] = parts.items()
        assert parse_term(name) == kept
        assert factor == pytest.approx(0.6 ** max(e.pre - 1, 0), rel=1e-6)


def test_what_was_merged_in_words(raw):
    assert "x^2 is 0.6 x on these inputs." in raw.sentences
    assert "r^2 w is r w on these inputs." in raw.sentences
    assert raw.sentences[-1] == (
        "1 and r shift all stimuli alike under `choice`: the log odds feel it only where weights "
        "differ already."
    )


def test_expected_rewards_keep_r_squared():
    spec = ModelSpec("all", ("r", "r^2", "x", "x^2", "x r", "x r^2"))
    assert found(spec).kept == ("r", "r^2", "x", "x r", "x r^2")


def test_what_moves_both_stimuli_alike_and_nothing_else_is_no_information():
    got = found(ModelSpec("gauge", ("w", "1", "r")))
    assert got.kept == ()
    assert got.sentences == ["w, 1 and r cannot move the log odds of any recorded choice."]


def test_under_encounter_a_common_shift_is_seen():
    got = found(ModelSpec("seen", ("1", "r"), likelihood="encounter"))
    assert got.kept == ("1", "r")
    assert got.alike == ()


def test_a_reward_that_is_always_the_same_makes_two_terms_one():
    # R = 1 in every trial: raw, x r is x and r w is w.
    rng = np.random.default_rng(0)
    sessions = from_animals([Record("a", rng.integers(0, 2, 30), np.ones(30))], ("A", "B"), "ones")
    got = found(ModelSpec("ones", ("x r", "x", "w", "r w"), reward="raw"), sessions)
    assert got.merged == {"x r": {"x": pytest.approx(1.0)}, "r w": {"w": pytest.approx(1.0)}}


def test_a_sum_in_words():
    assert combination({"x": 0.75, "x r": -2.0, "1": 1.0, "w": 1.0}) == "0.75 x - 2 x r + 1 + w"
