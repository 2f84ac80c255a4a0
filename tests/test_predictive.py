"""Predictive checks: the truth passes, what cannot learn fails, the same key gives the same."""

from dataclasses import replace

import jax
import made
import numpy as np
import pandas as pd
import pytest
from conftest import random_sessions
from scipy.stats import chi2, kstest

from hebbax import figures
from hebbax.api.fit import Fit
from hebbax.check.discrepancy import ANIMAL, COHORT, distances, p_value, tables
from hebbax.check.predictive import FREE, ONE_STEP, Check, Settings, check, check_replicates
from hebbax.check.replicates import RecordedTask, free_runs, own_past_trials
from hebbax.data import Record, from_animals
from hebbax.errors import FitError
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import to_inference_data
from hebbax.posterior.recording import recording_of
from hebbax.posterior.verdict import Verdict
from hebbax.simulation.cohort import Cohort, simulate
from hebbax.simulation.contingency import Contingencies

COHORT_OF_LEARNERS = Cohort(
    population={"x r": 0.8, "w": -0.1},
    animals=16,
    trials_per_block=50,
    reward_probability=((0.1, 0.8), (0.8, 0.1)),
)


def posterior_of(spec, sessions, values):
    """A posterior whose draws are ``values``, (draw, animal, ...) each, in one chain."""
    model = build_model(spec, sessions)
    draws = {name: np.asarray(drawn, float)[None] for name, drawn in values.items()}
    stats = made.statistics(draws["preference"].shape[:2])
    return to_inference_data(jax.random.PRNGKey(0), model, draws, stats, made.PROVENANCE)


def write_contingencies(path, cohort, sessions):
    rows = [
        (animal, b + 1, sessions.stimuli[k], p)
        for animal in sessions.animals
        for b, block in enumerate(cohort.reward_probability)
        for k, p in enumerate(block)
    ]
    names = ["animal", "block", "stimulus", "probability"]
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def learners(tmp_path_factory):
    """Sessions, a check of the truth, and a check of animals that do not learn."""
    spec = read_spec("forgetting")
    sessions, truth = simulate(jax.random.PRNGKey(4), COHORT_OF_LEARNERS, spec)
    folder = tmp_path_factory.mktemp("learners")
    path = write_contingencies(folder / "known.csv", COHORT_OF_LEARNERS, sessions)
    known = {"theta": truth["theta"][None], "preference": truth["preference"][None, :, 0]}
    settings = Settings(replicates=39, contingencies=path)
    right = check(jax.random.PRNGKey(5), posterior_of(spec, sessions, known), settings)
    chosen = (sessions.choices == 1).mean(1)
    idle = {"preference": np.log(chosen / (1 - chosen))[None]}
    null = posterior_of(read_spec("no-learning"), sessions, idle)
    settings = Settings(replicates=39)
    return sessions, right, check(jax.random.PRNGKey(6), null, settings)


def test_p_values_of_the_truth_are_uniform_over_animals(learners):
    _, right, _ = learners
    each = right.table[right.table["of"] == ANIMAL]
    assert len(each.groupby(["kind", "statistic"])) == 33
    for label, rows in each.groupby(["kind", "statistic"]):
        assert kstest(rows["p"].dropna(), "uniform").pvalue > 1e-3, label


def test_one_step_ahead_the_truth_is_calibrated(learners):
    _, right, _ = learners
    curve = right.curves[
        (right.curves["of"] == COHORT) & (right.curves["statistic"] == "calibration")
    ]
    z = (curve["observed"] - curve["mean"]) / ((curve["95 %"] - curve["5 %"]) / 3.29)
    assert len(curve.dropna()) == 10
    assert (z**2).sum() < chi2.ppf(0.999, 10)


def test_animals_that_learn_are_told_from_a_model_that_does_not(learners):
    _, right, wrong = learners
    for kind in (ONE_STEP, FREE):
        row = wrong.cohort.loc[(kind, "win-stay")]
        assert row["p"] < 0.05
        assert row["observed"] > row["95 %"]
        assert wrong.cohort.loc[(kind, "choices of B"), "p"] > 0.05
        missed = [(result.cohort.loc[kind, "p"] < 0.05).sum() for result in (right, wrong)]
        assert missed[0] < missed[1]
    assert wrong.sentence.startswith(  # it has one chain
        "no-learning (this posterior FAILED its diagnostics): one step ahead it misses "
    )
    assert "of 14 statistics of the cohort (predicted too low: win-stay, " in wrong.sentence
    assert "), and free running it misses " in wrong.sentence


def test_a_free_run_earns_its_own_rewards(learners):
    _, right, _ = learners
    assert (ONE_STEP, "rewarded choices") not in right.cohort.index
    assert right.cohort.loc[(FREE, "rewarded choices"), "p"] > 0.01
    curves = right.curves[right.curves["statistic"] == "choice curve"]
    assert set(curves.groupby(["animal", "kind"]).size()) == {100}


def test_pictures_are_drawn_of_every_check(learners):
    _, right, _ = learners
    figures.use_file_backend()
    drawn = {kind: draw() for kind, draw in figures.predictive(right).items()}
    assert set(drawn) == {"choice curves", "checks"}
    assert len(drawn["choice curves"].axes) == 16
    for axes in (figure.axes for figure in drawn.values()):
        for figure in {ax.figure for ax in axes}:
            figure.canvas.draw()
    titles = [ax.get_title().split("\n")[0] for ax in drawn["checks"].axes]
    assert titles == [
        "matching slope", "win-stay", "lose-switch", "run lengths", "around a change",
        "choice kernel", "reward kernel", "residual choice kernel", "residual reward kernel",
        "calibration",
    ]  # fmt: skip


def random_posterior(seed, sessions=None, **changes):
    """A posterior of random trials and random draws: what is checked is not how well it fits."""
    sessions = sessions or random_sessions(seed, lengths=(40, 33))
    spec = replace(ModelSpec("m", ("x r",)), **changes)
    rng = np.random.default_rng(seed)
    values = {
        g.name: rng.normal(size=(7, sessions.n_animals, *g.shape))
        for g in build_model(spec, sessions).groups
    }
    return posterior_of(spec, sessions, values)


def test_the_same_key_gives_the_same_check():
    posterior = random_posterior(1, habit_scale=0.5, initial_weight_scale=0.5)
    settings = Settings(replicates=5, trials_per_block=20)
    one, two = (check(jax.random.PRNGKey(0), posterior, settings) for _ in range(2))
    pd.testing.assert_frame_equal(one.table, two.table)
    pd.testing.assert_frame_equal(one.curves, two.curves)
    assert one.notes == (one.decision.sentence,)
    # Trials are those of the recording, of which the posterior does not hold the omitted ones.
    starts = one.contingencies.groupby("animal")["first trial"].unique()
    curves = one.curves[one.curves["statistic"] == "choice curve"]
    sessions = random_sessions(1, lengths=(40, 33))
    for a, animal in enumerate(sessions.animals):
        np.testing.assert_array_equal(starts[animal], [1, 21])
        made = np.flatnonzero(sessions.choices[a] >= 0) + 1
        for _, own in curves[curves["animal"] == animal].groupby("kind"):
            np.testing.assert_array_equal(own["at"], made)


@pytest.mark.parametrize(
    "likelihood", ["choice", pytest.param("encounter", marks=pytest.mark.slow)]
)
def test_three_alternatives_leave_only_the_kernels_empty(likelihood):
    sessions = random_sessions(3, 3, (40, 33))
    posterior = random_posterior(3, sessions, likelihood=likelihood)
    result = check(jax.random.PRNGKey(0), posterior, Settings(replicates=5))
    empty = result.table[result.table["observed"].isna()]["statistic"]
    assert set(empty) == {
        *(f"{kind} kernel{end}" for kind in ("choice", "reward")
          for end in (" lag 1", " lags 2+", " (distance)")),
        "matching slope", "around a change (distance)",
    }  # fmt: skip
    assert np.isfinite(result.cohort.loc[(FREE, "matching slope"), "p"])
    assert result.notes == (
        result.decision.sentence,
        "Each session was taken as one block of constant reward probabilities.",
        "History kernels of free runs are those of two alternatives and stay empty; residual kernels are "
        "of odour1 against all others.",
    )


def test_too_few_replicates_miss_nothing_and_say_so():
    posterior = random_posterior(1)
    result = check(jax.random.PRNGKey(0), posterior, Settings(replicates=5, trials_per_block=20))
    assert result.table["p"].min() >= 1 / 6
    assert result.sentence.endswith(
        ": 5 replicates are too few to miss a statistic by; 20 or more say whether one is missed."
    )


def test_sessions_without_blocks_are_blocks_and_the_second_alternative_has_its_name():
    rng = np.random.default_rng(0)
    records = [
        Record(f"a{a}", rng.integers(0, 2, 30), rng.integers(0, 2, 30).astype(float),
               session=np.repeat([0, 1], 15))
        for a in range(2)
    ]  # fmt: skip
    sessions = from_animals(records, ("B", "C"), "two")
    result = check(jax.random.PRNGKey(0), random_posterior(3, sessions), Settings(replicates=5))
    assert "Each session was taken as one block of constant reward probabilities." in result.notes
    named = result.table[result.table["statistic"].str.contains(" of ")]
    assert set(named["statistic"]) == {
        "choices of C", "choices of C by block (distance)", "rewards of C by block (distance)"
    }  # fmt: skip
    assert {"choices of C by block", "rewards of C by block"} <= set(result.curves["statistic"])
    observed = named[(named["of"] == "cohort") & (named["statistic"] == "choices of C")]["observed"]
    assert observed.to_numpy() == pytest.approx((sessions.choices == 1).mean())


def test_rewards_that_cannot_be_armed_are_checked_one_step_ahead_only():
    sessions = random_sessions(3)
    posterior = random_posterior(3, replace(sessions, rewards=0.5 * sessions.rewards))
    result = check(jax.random.PRNGKey(0), posterior, Settings(replicates=5, trials_per_block=5))
    assert set(result.table["kind"]) == {ONE_STEP}
    assert result.decision is None
    assert result.notes == (
        "Rewards other than 0 and 1 were recorded, so that there is no free run.",
    )
    figures.use_file_backend()
    drawn = {kind: draw() for kind, draw in figures.predictive(result).items()}
    assert set(drawn) == {"choice curves", "checks"}


def counterbalanced():
    """Two animals with sessions of their own, forced trials, omitted ones, and blocks in opposite
    orders, of which one always rewards and the other never does."""
    rng = np.random.default_rng(0)
    session, blocks = np.repeat([0, 1], [14, 10]), np.repeat([1, 0, 2], [8, 6, 10])
    records = []
    for name, own in (("a", blocks), ("b", 1 - np.clip(blocks, 0, 1) + 2 * (blocks == 2))):
        choices = rng.integers(0, 2, 24)
        offered = np.ones((24, 2), bool)
        offered[3::5] = np.arange(2) == choices[3::5, None]
        choices[[6, 8, 15]] = -1
        rewards = np.where((own == 1) & (choices >= 0), 1.0, 0.0)
        records.append(Record(name, choices, rewards, own, session=session, offered=offered))
    return from_animals(records, ["A", "B"], "counterbalanced")


@pytest.mark.parametrize("omitted", ["pass", "decay"])
def test_free_runs_live_in_the_recorded_blocks_sessions_and_offers(omitted):
    """A model that weights decay in and one that goes by them have one task, but for an omitted
    trial that opens a block."""
    sessions = counterbalanced()
    spec = replace(ModelSpec("m", ("x r", "w")), omitted=omitted)
    model = build_model(spec, sessions)
    values = {g.name: np.zeros((7, 2, *g.shape)) for g in model.groups}
    recording = recording_of(posterior_of(spec, sessions, values))
    for field in ("choices", "rewards", "session", "n_trials"):
        np.testing.assert_array_equal(getattr(recording, field), getattr(sessions, field))
    later = np.delete(
        np.arange(24), 8
    )  # of which only the decaying model saw that it begins a block
    np.testing.assert_array_equal(recording.blocks[:, later], sessions.blocks[:, later])
    np.testing.assert_array_equal(
        recording.offered[recording.valid], sessions.offered[sessions.valid]
    )
    log_odds = np.tile(np.array([-40.0, 40.0, 0.0])[:, None], (2, 1, 2))
    known = Contingencies(log_odds, np.zeros((2, 2, 3, 3)))
    task = RecordedTask(recording, sessions.blocks, known, "independent")
    choices, rewards = free_runs(jax.random.PRNGKey(0), model, values, task)
    assert ((choices >= 0) == sessions.valid).all()
    forced = sessions.valid & ~sessions.free
    assert (choices[:, forced] == sessions.choices[forced]).all()
    assert (
        choices[:, ~forced & sessions.valid] != sessions.choices[~forced & sessions.valid]
    ).any()
    certain = sessions.valid & (sessions.blocks < 2)
    assert (rewards[:, certain] == (sessions.blocks == 1)[certain]).all()
    for a, own in enumerate(own_past_trials(task, choices, rewards)):
        made = sessions.valid[a]
        np.testing.assert_array_equal(own.numbers, np.flatnonzero(made) + 1)
        np.testing.assert_array_equal(own.free, sessions.free[a, made])
        np.testing.assert_array_equal(own.session, sessions.session[a, made])


def test_blocks_in_which_no_animal_chose_keep_the_numbers_of_the_others():
    sessions = counterbalanced()
    nothing = np.where(sessions.blocks == 1, -1, sessions.choices)
    rewards = np.where(nothing < 0, 0.0, sessions.rewards)
    sessions = replace(sessions, choices=nothing, rewards=rewards)
    spec = ModelSpec("m", ("x r", "w"))
    values = {g.name: np.zeros((3, 2, *g.shape)) for g in build_model(spec, sessions).groups}
    posterior = posterior_of(spec, sessions, values)
    recording = recording_of(posterior)
    np.testing.assert_array_equal(recording.blocks[sessions.valid], sessions.blocks[sessions.valid])
    numbers = np.concatenate([np.flatnonzero(made) + 1 for made in sessions.observed("choice")])
    fitted = Fit(posterior, Verdict((), {}, ""))
    np.testing.assert_array_equal(fitted.model.trials, numbers)


def test_the_best_stimulus_pays_most_and_not_most_often():
    """A always pays 1; B pays 5, and in the second block the other way round. C pays as A and is not
    chosen in the second."""
    choices = np.array([0, 0, 0, 1, 2] * 4 + [0, 0, 0, 1] * 5)
    blocks = np.repeat([0, 1], 20)
    rewards = np.where((choices == 1) == (blocks == 0), 5.0, 1.0)
    recording = from_animals([Record("a", choices, rewards, blocks)], "ABC", "paid")
    known = Contingencies(np.zeros((1, 2, 3)), np.zeros((1, 3, 2, 2)))
    task = RecordedTask(recording, recording.blocks, known, "independent")
    np.testing.assert_array_equal(task.payoffs, [[[1, 5, 1], [5, 1, np.nan]]])
    (own,) = own_past_trials(task, recording.choices, recording.rewards)
    np.testing.assert_array_equal(own.best, [1, -1])
    sized = replace(
        task, recording=replace(recording, rewards=np.where(rewards > 1, 5.0, 0.0)[None])
    )
    np.testing.assert_array_equal(sized.payoffs, known.log_odds)
    certain = np.array([[[np.inf, 1.0, -np.inf], [-np.inf, -np.inf, np.inf]]])
    sized = replace(sized, contingencies=Contingencies(certain, known.factor))
    (own,) = own_past_trials(sized, recording.choices, recording.rewards)
    np.testing.assert_array_equal(own.best, [0, 2])
    # Of rewards that are all alike estimates say how often each alternative was chosen.
    alike = replace(task, recording=replace(recording, rewards=np.ones((1, len(choices)))))
    estimated = Contingencies(np.random.default_rng(0).normal(size=(1, 2, 3)), known.factor + 0.1)
    assert not replace(alike, contingencies=estimated).payoffs.any()
    # What was not at hand in a block is no better than what was.
    offered = np.ones((1, len(choices), 3), bool)
    offered[0, blocks == 1, 2] = False
    pairs = replace(sized, recording=replace(sized.recording, offered=offered))
    unknown = replace(pairs, contingencies=estimated).payoffs
    assert unknown[0, 1, 2] == -np.inf
    assert not np.isnan(unknown).any()
    # An estimate of what was never chosen is its prior.
    unknown = np.isnan(replace(sized, contingencies=estimated).payoffs)
    np.testing.assert_array_equal(unknown, [[[0, 0, 0], [0, 0, 1]]])


def test_animals_run_free_in_the_task_that_they_are_said_to_live_in():
    posterior = random_posterior(4)
    rewarded = {}
    for baiting in ("baited", "independent"):
        settings = Settings(replicates=5, trials_per_block=20, baiting=baiting)
        result = check(jax.random.PRNGKey(0), posterior, settings)
        assert result.notes[0].startswith(f"Rewards were taken as {baiting}, as was asked: ")
        rewarded[baiting] = result.contingencies["probability"].mean()
    assert rewarded["baited"] < rewarded["independent"]


def test_p_value_is_the_middle_rank_at_both_ends():
    replicates = np.array([1.0, 2.0, 2.0, 3.0, np.nan])
    assert p_value(np.array(0.0), replicates) == 2 * 0.5 / 5
    assert p_value(np.array(4.0), replicates) == pytest.approx(2 * 0.5 / 5)
    assert p_value(np.array(2.0), replicates) == 1.0
    assert np.isnan(p_value(np.array(np.nan), replicates))


def test_a_distance_counts_standard_deviations_from_the_mean_of_all():
    predicted = np.random.default_rng(0).normal([1.0, 5.0, 0.0], [0.1, 3.0, 0.0], (400, 3))
    far = distances(np.array([1.5, 5.0, 0.0]), predicted)
    every = np.vstack([[1.5, 5.0, 0.0], predicted])[:, :2]
    z = (every - every.mean(0)) / every.std(0)
    np.testing.assert_allclose(far, (z**2).mean(1))


def test_blocks_that_contradict_the_recording_are_refused(learners):
    posterior = random_posterior(2)
    with pytest.raises(FitError) as error:
        check(jax.random.PRNGKey(0), posterior, Settings(trials_per_block=0))
    assert str(error.value) == "0 trials per block given; a block has 1 or more."
    posterior.constant_data["block"][:] = posterior.constant_data["trial"] > 5
    with pytest.raises(FitError) as error:
        check(jax.random.PRNGKey(0), posterior, Settings(trials_per_block=20))
    assert str(error.value) == (
        "random: its blocks are recorded; leave out the number of trials per block."
    )


def test_a_task_that_is_not_known_is_said_where_free_runs_miss_something(tmp_path):
    """Reversals that are in no column, and blocks so short that little is known of each."""
    sessions, _ = simulate(jax.random.PRNGKey(4), COHORT_OF_LEARNERS, read_spec("forgetting"))
    chosen = (sessions.choices == 1).mean(1)
    idle = {"preference": np.log(chosen / (1 - chosen))[None]}

    def said(blocks):
        own = replace(sessions, blocks=np.where(sessions.valid, blocks, -1))
        posterior = posterior_of(read_spec("no-learning"), own, idle)
        return check(jax.random.PRNGKey(6), posterior, Settings(replicates=39)).sentence

    trial = np.arange(sessions.max_trials)
    one, short, known = (said(blocks) for blocks in (0 * trial, trial // 8, sessions.blocks))
    start = "Free runs may live in another task than was recorded, since "
    assert f"{start}no change of reward probabilities inside a session is recorded: what" in one
    assert f"{start}reward probabilities rest on few choices (in the middle block " in short
    assert "Free runs may live" not in known


def test_an_animal_called_cohort_is_not_mixed_with_the_cohort(tmp_path):
    names = ["cohort", "animal"]
    observed = [{"win-stay": np.array(v)} for v in (0.0, 0.5, 1.0)]
    predicted = [{"win-stay": np.full(9, v)} for v in (0.0, 0.5, 1.0)]
    none = dict.fromkeys(names, np.array([]))
    numbers, _ = tables(none, ONE_STEP, observed, predicted)
    checked = Check(
        "reward",
        ("A", "B"),
        numbers,
        pd.DataFrame(),
        pd.DataFrame(),
        None,
        9,
        (),
        "",
        Verdict((), {}, ""),
    )
    assert checked.cohort["observed"].tolist() == [1.0]
    assert numbers[["of", "animal", "observed"]].to_numpy().tolist()[:2] == [
        ["animal", "cohort", 0.0],
        ["animal", "animal", 0.5],
    ]
    numbers.to_csv(tmp_path / "check.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "check.csv"), numbers)


def test_the_replicates_of_a_check_are_bounded():
    """Three animals, of which the longest lived 2000 trials: 12 000 probabilities each."""
    posterior = made.tree(
        posterior={"preference": np.zeros((1, 1, 3))},
        constant_data={
            "trial": np.concatenate([np.arange(501, 2001), np.arange(60), np.arange(40)]),
            "animal_index": np.repeat([0, 1, 2], [1500, 60, 40]),
        },
        dims={"preference": ["animal"]},
        attrs={"model": "m", "n_stimuli": 2},
    )
    check_replicates(posterior, 41_666)
    with pytest.raises(FitError) as error:
        check_replicates(posterior, 41_667)
    assert str(error.value) == (
        "m: 41667 replicates of 3 animals with up to 2000 trials of 2 alternatives are 500004000 "
        "probabilities; at most 500000000 are allowed, so ask for at most 41666 replicates."
    )
