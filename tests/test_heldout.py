"""Held-out choices: the density of a slow loop, exact mixtures, and refusals in one sentence."""

from dataclasses import replace

import jax
import made
import numpy as np
import pytest
from conftest import random_sessions
from scipy.special import logsumexp
from slow_reference import choice_log_likelihood, session

from hebbax.check.heldout import Heldout, gain, predict, predict_from, scores
from hebbax.data import Record, first_trials, from_animals, select, split
from hebbax.errors import DataError, FitError
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import to_inference_data
from hebbax.posterior.observed import observed
from hebbax.posterior.verdict import Verdict

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
    model, stats = build_model(SPEC, part), made.statistics((CHAINS, DRAWS))
    return to_inference_data(jax.random.PRNGKey(0), model, values, stats, made.PROVENANCE)


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


def test_scores_of_a_posterior_that_failed_say_so(sessions, posterior):
    lost = predict(posterior, sessions, "carried")  # of so few draws that it fails
    good = replace(lost, verdict=Verdict((), {}, ""))
    found = {"FAILED": scores(lost), "passed": scores(good)}
    for word, one in found.items():
        assert set(one.table["diagnostics"]) == {word}
        assert one.over_coin.diagnostics == one.gain(one).diagnostics == word
    failed, passed = found.values()
    assert passed.gain(failed).diagnostics == failed.gain(passed).diagnostics == "FAILED"
    assert set(scores(lost.chains[0]).table["diagnostics"]) == {"FAILED"}
    # A point estimate has no posterior, and nothing to be diagnosed.
    estimate = scores(replace(lost, verdict=None))
    assert "diagnostics" not in estimate.table
    assert estimate.gain(estimate).diagnostics == ""


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
    # Animal a has two choices that two draws see in opposite ways, animal b one trial.
    log_p = np.log([[[0.9, 0.1, 0.5], [0.1, 0.9, 0.25]]])
    # Its last trial has rejections only, two of them.
    coin = np.log([0.5, 0.5, 0.25])
    chosen, animal = np.array([True, True, False]), np.array([0, 0, 1])
    held = held_out(log_p, coin, chosen, animal, "encounter")
    table = scores(held).table
    np.testing.assert_allclose(table["trial by trial"], np.log([0.5 * 0.5, 0.375]))
    np.testing.assert_allclose(table["jointly"], np.log([0.09, 0.375]))
    np.testing.assert_allclose(table["coin"], -np.log(2) * np.array([2, 2]))
    percent = [0.0, 100 * (1 - np.log(0.375) / np.log(0.25))]
    np.testing.assert_allclose(table["percent"], percent, atol=1e-12)
    assert list(table["choices"]) == [2, 0]
    one = held.chains[0]
    np.testing.assert_array_equal(one.log_p, log_p)


def test_pooled_chains_cost_at_most_the_logarithm_of_their_number(sessions, posterior):
    held = predict(posterior, sessions, "carried")
    pooled = scores(held).table["jointly"].to_numpy()
    alone = np.stack([scores(chain).table["jointly"] for chain in held.chains])
    np.testing.assert_allclose(pooled, logsumexp(alone, axis=0) - np.log(CHAINS))
    assert (pooled >= alone.max(axis=0) - np.log(CHAINS) - 1e-9).all()


def test_a_gain_counts_animals():
    found = gain(np.array([3.0, 1.0, -2.0, 6.0]), np.array([1.0, 1.0, 0.0, 2.0]))
    assert (found.total, found.median, found.better) == (4.0, 1.0, 2)
    assert found.total_se == pytest.approx(np.sqrt(4 * np.var([2, 0, -2, 4], ddof=1)))
    assert -2.0 <= found.low < 1.0 < found.high <= 4.0
    alone = gain(np.array([3.0]), np.array([1.0]))
    assert (alone.total, alone.median, alone.better) == (2.0, 2.0, 1)
    assert np.isnan([alone.total_se, alone.low, alone.high]).all()


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


def held_out(log_p, coin, chosen, animal, kind="choice", values=None, names=("a", "b"), data="d"):
    """A prediction of two animals; what was observed is one value a trial unless others are given."""
    values = np.zeros(len(coin)) if values is None else np.array(values)
    return Heldout(log_p, coin, chosen, animal, names, observed(kind, values, animal, names), data)


def evenly(n=3, of_a=2, **given):
    """Scores of ``n`` trials, ``of_a`` of them of the first animal, each predicted by a half."""
    log_p, coin = np.log(np.full((1, 2, n), 0.5)), np.log([0.5] * n)
    animal = np.repeat([0, 1], [of_a, n - of_a])
    return scores(held_out(log_p, coin, np.ones(n, bool), animal, **given))


def test_predicted_choices_and_encounters_have_no_gain_over_each_other():
    ours = evenly()
    assert ours.gain(ours).total == 0.0
    # Half of each trial is predicted: two choices of a and one of b, as a coin does.
    assert ours.table["trial by trial"].tolist() == pytest.approx([2 * np.log(0.5), np.log(0.5)])
    assert ours.over_coin.total == pytest.approx(0.0)
    with pytest.raises(FitError) as error:
        ours.gain(evenly(kind="encounter"))
    assert str(error.value) == (
        "one score is a density of the choice of a trial (3 observations) and the other a density "
        "of the encounters of a trial (3 observations): they cannot be compared; give predictions "
        'of models with the same "likelihood".'
    )


OTHER_TRIALS = {
    "another number": {"n": 4},
    "another number of each": {"of_a": 1},
    "other choices": {"values": [0, 1, 0]},
    "other animals": {"names": ("a", "c")},
    "another recording": {"data": "e"},
}


@pytest.mark.parametrize("kind", OTHER_TRIALS)
def test_predictions_of_other_trials_have_no_gain_over_each_other(kind):
    other = evenly(**OTHER_TRIALS[kind])
    n = 4 if kind == "another number" else 3
    with pytest.raises(FitError) as error:
        evenly().gain(other)
    assert str(error.value) == (
        "one score is a density of the choice of a trial (3 observations) and the other a density "
        f"of the choice of a trial ({n} observations), of other trials or another recording: they "
        "cannot be compared; give predictions of the same trials."
    )


def test_both_kinds_of_weights_and_every_model_predict_the_same_trials(sessions, values):
    seen = first_trials(sessions, 0.5)
    bare = {"preference": values["preference"]}
    one, two, other = (
        scores(predict_from(spec, sessions, given, held, weights))
        for spec, given, held, weights in (
            (SPEC, values, seen, "carried"),
            (ModelSpec("no-learning", ()), bare, seen, "reset"),
            (ModelSpec("no-learning", ()), bare, seen + 1, "reset"),
        )
    )
    assert one.observed == two.observed
    assert one.observed.number == one.table["choices"].sum()
    assert np.isfinite(one.gain(two).total)
    with pytest.raises(FitError, match="give predictions of the same trials"):
        one.gain(other)


def test_a_value_that_is_no_number_predicts_nothing(sessions, posterior):
    broken = posterior.copy(deep=True)
    broken.posterior["theta"][1, 2, 0, 1] = np.nan
    with pytest.raises(FitError) as error:
        predict(broken, sessions, "carried")
    assert str(error.value) == (
        "test, theta in posterior, chain 1, draw 2, animal animal0, term w: nan is stored where a "
        "finite number is needed, and there is no right answer with it; fit the model again with "
        "--force."
    )


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


def test_the_blocks_of_a_part_are_counted_anew():
    record = Record("a", np.array([0, 1, 0, 1]), np.ones(4), np.array([0, 1, 1, 2]))
    first, last = split(from_animals([record], "AB", "s"), np.array([1]))
    np.testing.assert_array_equal(first.blocks, [[0]])
    np.testing.assert_array_equal(last.blocks, [[0, 0, 1]])


def test_a_split_needs_a_number_of_trials_for_each_animal(sessions):
    for trials, sentence in {
        0: "random, trials of a split: int given; a NumPy array is needed.",
        (3,): "random, trials of a split: shape (1,) given; (2,) is needed.",
        (0.5, 0.5): "random, trials of a split: float64 given; integers are needed.",
    }.items():
        given = trials if trials == 0 else np.array(trials)
        with pytest.raises(DataError) as refused:
            split(sessions, given)
        assert str(refused.value) == sentence


def test_a_split_without_choices_on_one_side_is_refused(sessions):
    for trials, side in ((np.array([0, 8]), "first"), (np.array([5, 16]), "last")):
        row = int(side == "last")
        with pytest.raises(DataError) as refused:
            split(sessions, trials)
        assert str(refused.value) == (
            f"random, animal animal{row}: a split after trial {trials[row]} of "
            f"{sessions.n_trials[row]} leaves no choice in the {side} part."
        )
