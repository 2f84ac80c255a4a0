"""Held-out choices: the density of a slow loop, exact mixtures, and refusals in one sentence."""

import jax
import numpy as np
import pytest
from conftest import random_sessions
from scipy.special import logsumexp
from slow_reference import choice_log_likelihood, session

from hebbax.data import first_trials, select, split
from hebbax.errors import DataError, FitError
from hebbax.heldout import Heldout, gain, predict, predict_from, scores
from hebbax.model import build_model
from hebbax.posterior import to_inference_data
from hebbax.spec import ModelSpec

TERMS = ("x r", "w", "1")
SPEC = ModelSpec("test", TERMS, habit_scale=1.0)
CHAINS, DRAWS = 2, 3


@pytest.fixture(scope="module")
def sessions():
    return random_sessions(3, lengths=(11, 16))


@pytest.fixture(scope="module")
def values(sessions):
    rng = np.random.default_rng(0)
    shape = (CHAINS, DRAWS, sessions.n_animals)
    return {
        "theta": rng.normal(0.0, 0.5, (*shape, len(TERMS))),
        "preference": rng.normal(size=shape),
        "habit": rng.normal(size=shape),
    }


@pytest.fixture(scope="module")
def posterior(sessions, values):
    part = split(sessions, first_trials(sessions, 0.5))[0]
    provenance = {"method": "test", "seed": 0}
    return to_inference_data(jax.random.PRNGKey(0), build_model(SPEC, part), values, {}, provenance)


def slowly(values, chain, draw, animal, choices, rewards):
    """log P of every choice of a session, in order."""
    theta = values["theta"][chain, draw, animal]
    offers = [0.0, values["preference"][chain, draw, animal]]
    trials = session(TERMS, theta, choices, rewards, raw=False, n_stimuli=2)
    return choice_log_likelihood(offers, values["habit"][chain, draw, animal], trials)


@pytest.mark.parametrize("weights", ["carried", "reset"])
def test_held_out_density_is_that_of_a_slow_loop(sessions, values, posterior, weights):
    found = predict(posterior, sessions, weights)
    seen = first_trials(sessions, 0.5)
    for chain, draw in np.ndindex(CHAINS, DRAWS):
        expected = []
        for a, n in enumerate(sessions.n_trials):
            choices, rewards = sessions.choices[a, :n], sessions.rewards[a, :n]
            begin = seen[a] if weights == "reset" else 0
            density = slowly(values, chain, draw, a, choices[begin:], rewards[begin:])
            held = (choices[seen[a] :] >= 0).sum()
            expected += density[-held:]
        np.testing.assert_allclose(found.log_p[chain, draw], expected, rtol=1e-10)
    held = [(sessions.choices[a, seen[a] :] >= 0).sum() for a in range(sessions.n_animals)]
    assert np.bincount(found.animal).tolist() == held


def test_carried_weights_are_those_of_the_whole_session(sessions, values):
    """Only what was learned before the split tells the two kinds apart: without learning and
    habit they are the same."""
    seen = first_trials(sessions, 0.5)
    still = {**values, "theta": 0.0 * values["theta"], "habit": 0.0 * values["habit"]}
    for given, same in ((still, True), (values, False)):
        carried, reset = (
            predict_from(SPEC, sessions, given, seen, weights) for weights in ("carried", "reset")
        )
        assert np.allclose(carried.log_p, reset.log_p) is same


def test_a_group_can_be_left_out_of_the_prediction(sessions, values, posterior):
    seen = first_trials(sessions, 0.5)
    still = {**values, "habit": 0.0 * values["habit"]}
    expected = predict_from(SPEC, sessions, still, seen, "carried").log_p
    found = predict(posterior, sessions, "carried", without=("habit",)).log_p
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    with pytest.raises(FitError) as refused:
        predict(posterior, sessions, "carried", without=("choice",))
    assert str(refused.value) == (
        'test: no group "choice" to leave out; it has theta, preference, habit.'
    )


def test_scores_are_mixtures_over_draws():
    # Animal a has two choices that two draws see in opposite ways, animal b one choice.
    log_p = np.log([[[0.9, 0.1, 0.5], [0.1, 0.9, 0.25]]])
    held = Heldout(log_p, np.array([0, 0, 1]), ("a", "b"), 2)
    table = scores(held)
    np.testing.assert_allclose(table["trial by trial"], np.log([0.5 * 0.5, 0.375]))
    np.testing.assert_allclose(table["jointly"], np.log([0.09, 0.375]))
    np.testing.assert_allclose(table["coin"], -np.log(2) * np.array([2, 1]))
    percent = [0.0, 100 * (1 + np.log(0.375) / np.log(2))]
    np.testing.assert_allclose(table["percent"], percent, atol=1e-12)
    assert list(table["choices"]) == [2, 1]
    one = held.chains[0]
    np.testing.assert_array_equal(one.log_p, log_p)


def test_pooled_chains_cost_at_most_the_logarithm_of_their_number(sessions, posterior):
    held = predict(posterior, sessions, "carried")
    pooled = scores(held)["jointly"].to_numpy()
    alone = np.stack([scores(chain)["jointly"] for chain in held.chains])
    np.testing.assert_allclose(pooled, logsumexp(alone, axis=0) - np.log(CHAINS))
    assert (pooled >= alone.max(axis=0) - np.log(CHAINS) - 1e-9).all()


def test_a_gain_counts_animals():
    found = gain(np.array([3.0, 1.0, -2.0, 6.0]), np.array([1.0, 1.0, 0.0, 2.0]))
    assert (found.total, found.median, found.better) == (4.0, 1.0, 2)
    assert found.total_se == pytest.approx(np.sqrt(4 * np.var([2, 0, -2, 4], ddof=1)))
    assert -2.0 <= found.low < 1.0 < found.high <= 4.0


def test_other_sessions_than_those_of_the_training_are_refused(sessions, posterior):
    sentence = (
        "test: was not fitted to the first trials of random; give the whole sessions of the same "
        "animals."
    )
    first, last = split(sessions, first_trials(sessions, 0.5))
    for other in (last, first, random_sessions(4, lengths=(11, 16))):
        with pytest.raises(FitError) as refused:
            predict(posterior, other, "carried")
        assert str(refused.value) == sentence
    with pytest.raises(FitError):
        predict(posterior, select(sessions, sessions.animals[:1]), "carried")


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.8])
def test_the_parts_of_a_split_are_the_whole(sessions, fraction):
    counts = first_trials(sessions, fraction)
    assert counts.tolist() == [round(fraction * n) for n in sessions.n_trials]
    first, last = split(sessions, counts)
    np.testing.assert_array_equal(first.n_trials + last.n_trials, sessions.n_trials)
    for a, (n, before) in enumerate(zip(sessions.n_trials, counts, strict=True)):
        for field in ("choices", "rewards", "blocks", "rejections"):
            parts = getattr(first, field)[a, :before], getattr(last, field)[a, : n - before]
            np.testing.assert_array_equal(
                np.concatenate(parts), getattr(sessions, field)[a, :n], err_msg=field
            )
    for part in (first, last):
        assert part.max_trials == part.n_trials.max()
        assert (part.valid.sum(axis=1) > 0).all()


def test_a_split_without_choices_on_one_side_is_refused(sessions):
    for trials, side in ((np.array([0, 8]), "first"), (np.array([5, 16]), "last")):
        row = int(side == "last")
        with pytest.raises(DataError) as refused:
            split(sessions, trials)
        assert str(refused.value) == (
            f"random, animal animal{row}: a split after trial {trials[row]} of "
            f"{sessions.n_trials[row]} leaves no choice in the {side} part."
        )
