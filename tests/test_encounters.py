"""Trials without a choice: what their rejections say, and that nothing is learnt in them."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import made
import numpy as np
import pytest
import scipy.io
from conftest import random_sessions
from slow_reference import bound, sigmoid

from hebbax.check.comparison import deviances, explained
from hebbax.check.heldout import predict, predict_from, scores
from hebbax.check.predictive import FREE, ONE_STEP, Settings, check
from hebbax.data import Record, compact, from_animals, read, split
from hebbax.inference.density import log_likelihood, log_likelihood_by_animal
from hebbax.model.choice_model import ChoiceModel, animal_of
from hebbax.model.choices import build_model
from hebbax.model.likelihood import Choice, Encounters, chance
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import to_inference_data
from hebbax.rule.network import Network
from hebbax.rule.stimulus import one_hot
from hebbax.rule.taylor import TaylorRule
from hebbax.simulation.cohort import Cohort, simulate
from hebbax.simulation.environment import Environment, generate

EVERYWHERE = ("1", "x r", "w")
"""A rule that would act on every weight in a trial without a choice too."""

# (trial, stimulus, accepted, reward): rejections only in trials 1, 3 and 6, which is the last.
MET = [
    (1, 1, 0, 0), (1, 0, 0, 0),
    (2, 1, 0, 0), (2, 0, 1, 1),
    (3, 0, 0, 0), (3, 0, 0, 0), (3, 1, 0, 0),
    (4, 1, 1, 0),
    (5, 0, 0, 0), (5, 1, 1, 1),
    (6, 1, 0, 0), (6, 0, 0, 0),
]  # fmt: skip


def encounter_by_encounter(met, theta, preference, habit):
    """log P of the encounters, one after the other, of an animal that learns by `EVERYWHERE` at each
    acceptance, from the reward less the mean of the last two."""
    w, last, past, total = [0.0, 0.0], None, [0.0, 0.0], 0.0
    for _, stimulus, accepted, reward in met:
        logit = 5 * math.tanh(0.75 * w[stimulus]) + preference[stimulus]
        p = sigmoid(logit + habit * (stimulus == last))
        total += math.log(p if accepted else 1 - p)
        if accepted:
            r = reward - sum(past[-2:]) / 2
            for k in range(2):
                x = 0.75 * (k == stimulus)
                w[k] = bound(w[k] + (theta[0] + theta[1] * x * r + theta[2] * w[k]) / 2)
            past.append(reward)
            last = stimulus
    return total


def as_table(folder):
    rows = [
        f"m,{t},{'AB'[k]},{accepted},{reward if accepted else ''}" for t, k, accepted, reward in MET
    ]
    path = folder / "met.csv"
    path.write_text("\n".join(["animal,trial,stimulus,accepted,reward", *rows]))
    return path


def as_matlab(folder):
    (folder / "met").mkdir()
    stimulus, accepted, rewards = (np.array([row[j] for row in MET]) for j in (1, 2, 3))
    content = {"X": np.eye(2)[stimulus], "Y": accepted, "R": rewards[accepted == 1]}
    scipy.io.savemat(folder / "met" / "m.mat", content)
    return folder / "met"


@pytest.mark.parametrize("save", [as_table, as_matlab])
def test_every_recorded_encounter_counts(tmp_path, save):
    # A MATLAB file has no trials without a choice but the last: elsewhere their rejections stand
    # before the next acceptance, and say the same.
    spec = ModelSpec("m", EVERYWHERE, likelihood="encounter", habit_scale=1.0, window=2)
    model = build_model(spec, read(save(tmp_path)))
    theta, preference, habit = (0.3, 0.8, -0.2), (0.4, -0.7), 0.5
    values = {
        "theta": jnp.array([theta]),
        "preference": jnp.array([preference]),
        "habit": jnp.array([habit]),
    }
    expected = encounter_by_encounter(MET, theta, preference, habit)
    assert log_likelihood_by_animal(model, values)[0] == pytest.approx(expected, abs=1e-12)
    assert log_likelihood(model, values).sum() == pytest.approx(expected, abs=1e-12)


def test_no_weight_changes_in_a_trial_without_a_choice():
    sessions = random_sessions(2, lengths=(9, 14))
    spec = ModelSpec("m", EVERYWHERE, likelihood="encounter")
    model = build_model(spec, sessions)
    values = {"theta": jnp.array([[0.3, 0.8, -0.2]] * 2), "preference": jnp.zeros((2, 2))}
    weights = np.asarray(model.weights(values))
    same = (weights[:, 1:] == weights[:, :-1]).all(-1)
    made = np.asarray(model.design.accepted)
    assert (model.sessions.n_trials > made.sum(1)).any()
    np.testing.assert_array_equal(same, ~made[:, :-1])  # in padding none changes either
    alone = build_model(replace(spec, likelihood="choice"), sessions).weights(values)
    for a in range(2):
        n = made[a].sum()
        np.testing.assert_allclose(weights[a][made[a]], alone[a, :n], rtol=1e-12)


def test_to_the_choice_likelihood_such_a_trial_says_nothing():
    sessions = random_sessions(2, lengths=(9, 14))
    spec = ModelSpec("m", EVERYWHERE, habit_scale=1.0)
    whole, packed = (build_model(spec, one) for one in (sessions, compact(sessions, "choice")))
    values = {
        "theta": jnp.array([[0.3, 0.8, -0.2]] * 2),
        "preference": jnp.array([0.4, -0.7]),
        "habit": jnp.array([0.5, -0.1]),
    }
    np.testing.assert_array_equal(log_likelihood(whole, values), log_likelihood(packed, values))
    assert len(whole.observed) == sessions.n_choices


def lived(p, most, n_trials):
    """One session of an animal that accepts either stimulus with probability p, whatever befalls
    it, in trials of at most so many encounters."""
    spec = ModelSpec("m", (), reward="raw", likelihood="encounter")
    values = {"preference": jnp.full(2, math.log(p / (1 - p)))}
    made = generate(
        jax.random.PRNGKey(0),
        TaylorRule(()),
        Network(one_hot(2)),
        animal_of(ChoiceModel.of(spec), values, 2),
        Environment(np.full((n_trials, 2), 0.5), most_encounters=most),
        spec,
    )
    made = jax.device_get(made)
    record = Record("a", made.choices, made.rewards, rejections=made.rejections.astype(int))
    return from_animals([record], "AB", "lived")


def test_acceptance_is_not_estimated_given_acceptance():
    # At a true 0.30 and at most four encounters, the trials with a choice alone say 0.48: they are
    # those of P(accepted at the j-th) = 0.3 0.7^(j-1) / (1 - 0.7^4), with 2.07 encounters each.
    sessions = lived(0.3, 4, 1500)
    model = build_model(ModelSpec("m", (), likelihood="encounter"), sessions)
    accepted = (sessions.choices[0][:, None] == [0, 1]).sum(0)
    met = accepted + sessions.rejections[0].sum(0)
    for p in accepted / met:
        assert abs(p - 0.3) < 4 * math.sqrt(0.3 * 0.7 / met.min())
    kept = sessions.valid[0]
    dropped = kept.sum() / (kept.sum() + sessions.rejections[0][kept].sum())
    assert dropped == pytest.approx(
        (1 - 0.7**4) / sum(0.3 * 0.7 ** (j - 1) * j for j in range(1, 5)), abs=0.03
    )

    def total(preference):
        return log_likelihood(model, {"preference": preference[None]}).sum()

    best = jnp.log(accepted / (met - accepted))  # log sigmoid is concave: the one maximum
    np.testing.assert_allclose(jax.grad(total)(best), 0.0, atol=1e-8)


def test_a_trial_has_at_most_as_many_encounters_as_the_task_allows():
    cohort = Cohort(population={}, spread={}, animals=5, trials_per_block=40, most_encounters=2)
    sessions, _ = simulate(
        jax.random.PRNGKey(0), cohort, ModelSpec("m", (), likelihood="encounter")
    )
    omitted = sessions.choices < 0
    refused = sessions.rejections.sum(-1)
    assert omitted.any()
    np.testing.assert_array_equal(refused[omitted], 2)
    assert (refused[~omitted] < 2).all()
    np.testing.assert_array_equal(sessions.rewards[omitted], 0)


def test_a_prediction_ends_where_the_recorded_trial_did():
    # P(no acceptance in m encounters) = (1 - mean p)^m; of two stimuli at 0.2 and 0.6 it is 0.6^m.
    logits = jnp.log(jnp.array([0.2 / 0.8, 0.6 / 0.4]))
    most = jnp.array([1.0, 3.0, jnp.inf])
    n = 20_000
    seen = Encounters(jnp.tile(logits, (3, 1)), jnp.zeros((3, 2)), most)
    drawn = np.asarray(seen.sample(jax.random.PRNGKey(1), (n,)))
    refused, choice = drawn[..., :2].sum(-1), drawn[..., 2]
    for j, m in enumerate((1, 3)):
        ended = choice[:, j] == -1
        error = 4 * math.sqrt(0.6**m * (1 - 0.6**m) / n)
        assert abs(ended.mean() - 0.6**m) < error
        assert (refused[ended, j] == m).all()
        assert (refused[~ended, j] < m).all()
    assert (choice[:, 2] >= 0).all()
    # Rejections fall on either as 0.8 to 0.4, whether or not the trial ended without a choice.
    assert abs(drawn[:, 1, 0].sum() / refused[:, 1].sum() - 2 / 3) < 0.01


def test_a_model_predicts_each_trial_with_its_own_end():
    sessions = random_sessions(2, lengths=(9, 14))
    model = build_model(ModelSpec("m", (), likelihood="encounter"), sessions)
    values = {"preference": jnp.full((2, 2), -1.0)}
    drawn = np.asarray(model.distribution(values).sample(jax.random.PRNGKey(0), (200,)))
    recorded = model.observed
    without = recorded[:, -1] == -1
    assert without.any()
    assert (drawn[:, ~without, -1] >= 0).all()
    assert (drawn[:, without, :-1].sum(-1) <= recorded[without, :-1].sum(-1)).all()


@pytest.mark.parametrize("n_stimuli", [2, 3])
def test_even_odds_are_one_coin_an_encounter_or_one_die_a_choice(n_stimuli):
    sessions = random_sessions(2, n_stimuli)
    coins = {"choice": sessions.n_choices * math.log(n_stimuli)}
    coins["encounter"] = (sessions.n_choices + sessions.rejections.sum()) * math.log(2)
    for likelihood, expected in coins.items():
        observed = build_model(ModelSpec("m", (), likelihood=likelihood), sessions).observed
        found = chance(likelihood, observed, n_stimuli)
        assert found.shape == (len(observed),)
        assert -found.sum() == pytest.approx(expected)


def test_even_odds_are_among_what_was_offered():
    offered = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1]], dtype=bool)
    found = chance("choice", np.array([0, 2, 2]), 3, offered)
    np.testing.assert_allclose(found, np.log([1 / 2, 1 / 3, 1.0]))


@pytest.mark.parametrize("n_stimuli", [2, 3])
def test_without_learning_encounters_explain_next_to_nothing(n_stimuli):
    # 400 encounters accepted or not by a coin, in trials of at most three.
    rng = np.random.default_rng(n_stimuli)
    choices, rejections = np.full(200, -1), np.zeros((200, n_stimuli), int)
    for t in range(200):
        for k in rng.integers(0, n_stimuli, 3):
            if rng.random() < 0.5:
                choices[t] = k
                break
            rejections[t, k] += 1
    names = "ABC"[:n_stimuli]
    sessions = from_animals(
        [Record("a", choices, np.where(choices < 0, np.nan, 1.0), rejections=rejections)],
        names,
        "s",
    )
    model = build_model(ModelSpec("m", (), likelihood="encounter", hierarchy="none"), sessions)
    accepted, refused = (choices[:, None] == np.arange(n_stimuli)).sum(0), rejections.sum(0)
    draws = {"preference": np.log(accepted / refused)[None, None, None]}
    posterior = to_inference_data(made.KEY, model, draws, {}, made.PROVENANCE)
    deviance = deviances(posterior)
    percent = explained(deviance["model"], deviance["chance"]).item()
    p = accepted / (accepted + refused)
    density = (accepted * np.log(p) + refused * np.log(1 - p)).sum()
    expected = 100 * (1 + density / ((accepted + refused).sum() * math.log(2)))
    assert percent == pytest.approx(expected, abs=1e-5)
    # At the maximum, twice its gain in nats is chi squared with a degree of freedom a stimulus.
    assert 0 <= percent < 100 * 10 / (2 * len(choices) * math.log(2))


@pytest.mark.parametrize("weights", ["carried", "reset"])
def test_held_out_scores_take_a_coin_at_every_encounter(weights):
    sessions = random_sessions(4, 3)
    spec = ModelSpec("m", (), likelihood="encounter")
    values = {"preference": np.zeros((1, 1, 2, 3))}
    rest = split(sessions, np.array([4, 7]))[1]
    table = scores(predict_from(spec, sessions, values, np.array([4, 7]), weights)).table
    met = rest.valid.sum(1) + rest.rejections.sum((1, 2))
    np.testing.assert_allclose(table["coin"], -np.log(2) * met)
    np.testing.assert_allclose(table["percent"], 0.0, atol=1e-10)
    np.testing.assert_array_equal(table["choices"], rest.valid.sum(1))


def test_a_choice_distribution_leaves_out_trials_without_one():
    even = Choice(jnp.zeros(2), jnp.zeros(2))
    np.testing.assert_allclose(
        even.log_prob(jnp.array([0, -1, 1])), [-math.log(2), 0, -math.log(2)]
    )


def posterior_of(spec, sessions):
    """A posterior of random draws: what is asked is not how well it fits."""
    model = build_model(spec, sessions)
    rng = np.random.default_rng(0)
    draws = {g.name: rng.normal(size=(1, 4, 2, *g.shape)) for g in model.groups}
    return to_inference_data(made.KEY, model, draws, made.statistics((1, 4)), made.PROVENANCE)


def test_a_check_is_of_the_trials_with_a_choice():
    sessions = random_sessions(1, lengths=(40, 33))
    posterior = posterior_of(ModelSpec("m", ("x r",), likelihood="encounter"), sessions)
    assert (posterior.constant_data["chosen"] < 0).any()
    settings = Settings(replicates=3, trials_per_block=20)
    found = check(jax.random.PRNGKey(0), posterior, settings)
    starts = found.contingencies.groupby("animal")["first trial"].unique()
    table = found.table.set_index(["kind", "animal", "statistic"])["observed"]
    for a, animal in enumerate(sessions.animals):
        made = sessions.choices[a][sessions.valid[a]]
        for kind in (ONE_STEP, FREE):
            assert table[kind, animal, "choices of odour1"] == pytest.approx((made == 1).mean())
        # Blocks are counted in trials of the recording, with a choice or without.
        np.testing.assert_array_equal(starts[animal], [1, 21])


def test_a_first_part_may_end_without_a_choice():
    sessions = random_sessions(3, lengths=(11, 16))
    trials = np.array([5, 7])
    choices = sessions.choices.copy()
    choices[[0, 1], trials - 1] = -1
    rewards = np.where(choices >= 0, sessions.rewards, 0.0)
    sessions = replace(sessions, choices=choices, rewards=rewards)
    posterior = posterior_of(ModelSpec("m", ()), split(sessions, trials)[0])
    held = predict(posterior, sessions, "carried")
    left = [sessions.valid[a, n:].sum() for a, n in enumerate(trials)]
    np.testing.assert_array_equal(np.bincount(held.animal), left)
