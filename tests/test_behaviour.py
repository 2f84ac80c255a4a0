"""Statistics of choices against slow loops, closed forms and scipy."""

import numpy as np
import pytest
from scipy.optimize import minimize

from hebbax.check.behaviour import (
    BIN_EDGES,
    PROBABILITY_EDGES,
    RUNS,
    WINDOW,
    around_change,
    block_fractions,
    calibration,
    choice_curve,
    given_past_statistics,
    lose_switch,
    matching_slope,
    mean_run,
    own_past_statistics,
    places,
    run_lengths,
    statistics,
    win_stay,
)
from hebbax.check.history_kernels import LAGS, kernels, residual_kernels
from hebbax.check.trials import Trials, only_best

N = 90


def of(choices, rewards, n_stimuli=2, **others):
    """Trials of one session and one block, all free, that make their own past."""
    n = np.shape(choices)[-1]
    known = {
        "history": choices,
        "blocks": np.zeros(n, int),
        "session": np.zeros(n, int),
        "offered": np.ones((n, n_stimuli), bool),
        "numbers": np.arange(1, n + 1),
        "best": np.array([0]),
    }
    return Trials(choices=choices, rewards=rewards, **(known | others))


def recording(seed, n_stimuli=2):
    rng = np.random.default_rng(seed)
    choices = rng.integers(0, n_stimuli, N)
    rewards = rng.integers(0, 2, N).astype(float)
    blocks, best = np.repeat([0, 1, 2], N // 3), np.array([0, 1, 1])
    return of(choices, rewards, n_stimuli, blocks=blocks, best=best)


def chosen_alone(choices, n_stimuli):
    """What forced trials offer."""
    return choices[:, None] == np.arange(n_stimuli)


def parted(seed, n_stimuli=2):
    """Three sessions, of which one begins with a forced trial; a third of all trials is forced; some
    were omitted; outcomes are -1 and 1; and numbers of blocks fall."""
    rng = np.random.default_rng(seed)
    session = np.repeat([0, 1, 2], [40, 12, N - 52])
    free = rng.uniform(size=N) > 1 / 3
    free[40] = False
    trials = recording(seed, n_stimuli)
    return trials._replace(
        rewards=rng.choice([-1.0, 1.0], N),
        blocks=np.repeat([3, 2, 1, 0, 4], [25, 15, 12, 20, N - 72]),
        session=session,
        offered=free[:, None] | chosen_alone(trials.choices, n_stimuli),
        numbers=np.sort(rng.choice(np.arange(1, 2 * N), N, replace=False)),
        best=np.array([1, 0, 1, -1, 0]),
    )


def offers(seed, n_stimuli=2):
    """Each alternative beside the chosen one is at hand in half of the trials."""
    trials = recording(seed, n_stimuli)
    beside = np.random.default_rng(seed).uniform(size=trials.offered.shape) < 0.5
    return trials._replace(offered=beside | chosen_alone(trials.choices, n_stimuli))


KINDS = {
    "one session": recording,
    "sessions, forced and omitted trials": parted,
    "partial offers": offers,
}


def ahead(trials, seed, replicates=4):
    choices = np.random.default_rng(seed).integers(0, trials.n_stimuli, (replicates, N))
    return trials._replace(choices=choices)


def before(trials, t, lag=1):
    """Whether a trial has one so many trials before it in its session."""
    return t >= lag and trials.session[t - lag] == trials.session[t]


def again(trials, t):
    """Whether what was chosen in the trial before is at hand."""
    return trials.offered[t, trials.history[t - 1]]


def slow_stay(trials, rewarded):
    total, stayed = 0, 0
    for t in range(N):
        if not trials.free[t] or not before(trials, t) or not again(trials, t):
            continue
        if bool(trials.rewards[t - 1] > 0) == rewarded:
            total += 1
            stayed += trials.choices[t] == trials.history[t - 1]
    return stayed / total


def slow_mean_run(trials):
    runs, seen = 0, set()
    for t in range(N):
        if not trials.free[t]:
            continue
        first = trials.session[t] not in seen
        runs += first or trials.choices[t] != trials.history[t - 1]
        seen.add(trials.session[t])
    return trials.free.sum() / runs


def slow_runs(trials):
    reached, ended = dict.fromkeys(range(1, N + 1), 0), dict.fromkeys(range(1, N + 1), 0)
    length = 0
    for t in range(N):
        if not before(trials, t):
            length = 0
            continue
        same = before(trials, t, 2) and trials.history[t - 1] == trials.history[t - 2]
        length = length + 1 if same else 1
        if trials.free[t] and again(trials, t):
            reached[length] += 1
            ended[length] += trials.choices[t] != trials.history[t - 1]
    lasting, out = 1.0, []
    for n in RUNS:
        out.append(lasting)
        lasting *= 1 - (ended[n] / reached[n] if reached[n] else 0)
    return out


def slow_around(trials):
    hits, count = np.zeros(len(BIN_EDGES) - 1), np.zeros(len(BIN_EDGES) - 1)
    for start in range(N):
        if not before(trials, start):
            continue
        old, new = trials.blocks[start - 1], trials.blocks[start]
        if old == new or trials.best[new] in (-1, trials.best[old]):
            continue
        for t in range(N):
            if trials.blocks[t] not in (old, new) or not trials.free[t]:
                continue
            if not trials.offered[t, trials.best[new]]:
                continue
            for j in range(len(BIN_EDGES) - 1):
                if BIN_EDGES[j] <= trials.numbers[t] - trials.numbers[start] < BIN_EDGES[j + 1]:
                    count[j] += 1
                    hits[j] += trials.choices[t] == trials.best[new]
    return [h / c if c else np.nan for h, c in zip(hits, count, strict=True)]


def slow_curve(trials):
    out = []
    for t in range(N):
        window = [
            s
            for s in range(max(0, t - WINDOW // 2), min(N, t + WINDOW // 2 + 1))
            if trials.session[s] == trials.session[t] and trials.free[s]
        ]
        out.append(np.mean([trials.choices[s] == 1 for s in window]))
    return out


def slow_fractions(trials):
    out = []
    for block in range(len(trials.best)):
        own = [t for t in range(N) if trials.blocks[t] == block and trials.free[t]]
        won = [t for t in own if trials.rewards[t] > 0]
        out.append(
            (
                np.mean([trials.choices[t] == 1 for t in own]),
                np.mean([trials.history[t] == 1 for t in won]),
            )
        )
    return np.transpose(out)


SLOW = {
    "win-stay": (win_stay, lambda t: slow_stay(t, True)),
    "lose-switch": (lose_switch, lambda t: 1 - slow_stay(t, False)),
    "mean run": (mean_run, slow_mean_run),
    "run lengths": (run_lengths, slow_runs),
    "around a change": (around_change, slow_around),
    "choice curve": (choice_curve, slow_curve),
    "fractions of a block": (block_fractions, slow_fractions),
    "choices of B": (
        lambda t: statistics(t)["choices of B"],
        lambda t: np.mean([t.choices[s] == 1 for s in range(N) if t.free[s]]),
    ),
    "rewarded choices": (
        lambda t: own_past_statistics(t)["rewarded choices"],
        lambda t: np.mean([t.rewards[s] > 0 for s in range(N) if t.free[s]]),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("n_stimuli", [2, 3])
def test_a_statistic_equals_its_loop(name, n_stimuli, kind):
    fast, slow = SLOW[name]
    trials = KINDS[kind](1, n_stimuli)
    np.testing.assert_allclose(fast(trials), slow(trials))
    predicted = ahead(trials, 2)
    each = [slow(trials._replace(choices=choices)) for choices in predicted.choices]
    together = fast(predicted)
    if name == "fractions of a block":
        chosen, rewarded = together
        together = np.stack([chosen, np.broadcast_to(rewarded, chosen.shape)], 1)
    np.testing.assert_allclose(together, each)


def test_an_animal_that_switches_only_between_its_sessions_never_switches():
    """Choices of 200 sessions of 5 trials, all rewarded: the runs of the animal are its sessions."""
    choices = np.repeat(np.random.default_rng(0).integers(0, 2, 200), 5)
    trials = of(choices, np.ones(1000), session=np.repeat(np.arange(200), 5))
    assert win_stay(trials) == 1.0
    assert mean_run(trials) == 5.0
    np.testing.assert_array_equal(run_lengths(trials), 1.0)


def test_forced_trials_are_a_past_and_nothing_that_is_counted():
    """A quarter is forced to either; every free choice repeats the last one, forced or not."""
    rng = np.random.default_rng(0)
    free, forced = rng.uniform(size=2000) > 0.25, rng.integers(0, 2, 2000)
    free[0] = True
    last = np.maximum.accumulate(np.where(free, 0, np.arange(2000)))
    choices = forced[last]
    offered = free[:, None] | chosen_alone(choices, 2)
    trials = of(choices, rng.integers(0, 2, 2000).astype(float), offered=offered)
    assert win_stay(trials) == 1.0
    assert lose_switch(trials) == 0.0
    probability = np.where(free, 0.5, forced)
    found = given_past_statistics(trials, probability)
    assert np.isfinite(found["calibration"]).tolist() == [k == 5 for k in range(10)]
    assert found["residual choice kernel"][0] == pytest.approx(0.5, abs=1e-3)


def test_an_animal_that_repeats_whatever_is_at_hand_again_always_stays():
    """Two of three alternatives are offered; the animal takes its last choice where it can."""
    rng = np.random.default_rng(0)
    offered = np.arange(3) != rng.integers(0, 3, 3000)[:, None]
    choices, last = np.zeros(3000, int), 0
    for t in range(3000):
        at_hand = np.flatnonzero(offered[t])
        choices[t] = last = last if last in at_hand else rng.choice(at_hand)
    trials = of(choices, rng.integers(0, 2, 3000).astype(float), 3, offered=offered)
    assert win_stay(trials) == 1.0
    assert lose_switch(trials) == 0.0
    np.testing.assert_array_equal(run_lengths(trials), 1.0)


def test_what_pays_most_is_alone_or_there_is_none():
    pays = np.array(
        [[0.2, 0.8, 0.1], [0.1 + 0.2, 0.3, 0.0], [5.0, np.nan, 1.0], [-4.0, -1.0, -2.0]]
    )
    np.testing.assert_array_equal(only_best(pays), [1, -1, -1, 1])


def test_the_place_of_a_point_of_a_choice_curve_is_the_number_of_its_trial():
    trials = parted(2)
    np.testing.assert_array_equal(places("choice curve", N, trials.numbers), trials.numbers)
    np.testing.assert_array_equal(places("choice kernel", 10, trials.numbers), LAGS)


def test_replicates_are_summarised_one_by_one():
    trials = recording(3)
    free = [recording(seed) for seed in (3, 4, 5)]
    together = trials._replace(
        choices=np.stack([t.choices for t in free]),
        history=np.stack([t.history for t in free]),
        rewards=np.stack([t.rewards for t in free]),
    )
    all_at_once = statistics(together) | own_past_statistics(together)
    for r, one in enumerate(free):
        for name, value in (statistics(one) | own_past_statistics(one)).items():
            np.testing.assert_allclose(all_at_once[name][r], value, err_msg=name, rtol=1e-6)


def test_runs_that_all_ended_have_their_own_distribution():
    lengths = [1, 3, 2, 1, 1, 4, 2, 2, 1]
    choices = np.concatenate([np.full(n, k % 2) for k, n in enumerate([*lengths, 1])])
    trials = of(choices, np.zeros(len(choices)))
    expected = [np.mean(np.array(lengths) >= n) for n in RUNS[:4]]
    np.testing.assert_allclose(run_lengths(trials)[:4], expected)


def test_the_matching_slope_is_least_squares_over_known_points():
    rng = np.random.default_rng(7)
    x, y = rng.uniform(size=(2, 5, 12))
    x[0, 3] = np.nan
    slopes = matching_slope(y, x)
    for i in range(5):
        known = np.isfinite(x[i])
        np.testing.assert_allclose(slopes[i], np.polyfit(x[i, known], y[i, known], 1)[0])
    assert np.isnan(matching_slope(y[0], np.full(12, 0.5)))


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_are_a_penalised_logistic_regression(kind):
    trials = KINDS[kind](8)
    sign = np.where(trials.history == 1, 1.0, -1.0)
    rows, chosen = [], []
    for t in range(LAGS[-1], N):
        if not trials.free[t] or not before(trials, t, LAGS[-1]):
            continue
        past = [sign[t - lag] for lag in LAGS]
        rows.append([1.0, *past, *(sign[t - lag] * trials.rewards[t - lag] for lag in LAGS)])
        chosen.append(trials.choices[t] == 1)
    rows, chosen = np.array(rows), np.array(chosen)

    def loss(beta):
        odds = rows @ beta
        return np.logaddexp(0.0, np.where(chosen, -odds, odds)).sum() + 0.5 * beta[1:] @ beta[1:]

    best = minimize(loss, np.zeros(rows.shape[1]), method="BFGS", options={"gtol": 1e-4}).x
    np.testing.assert_allclose(np.concatenate(kernels(trials)), best[1:], atol=1e-3)


def test_kernels_find_a_habit_and_the_effect_of_a_reward():
    rng = np.random.default_rng(9)
    n, habit, effect = 20_000, 0.4, 0.7
    choices, rewards = np.zeros(n, int), rng.integers(0, 2, n).astype(float)
    for t in range(1, n):
        last = 2 * choices[t - 1] - 1
        odds = 0.3 + last * (habit + effect * rewards[t - 1])
        choices[t] = rng.uniform() < 1 / (1 + np.exp(-odds))
    trials = of(choices, rewards)
    of_choices, of_rewards = kernels(trials)
    error = 4 / np.sqrt(n * 0.2 / 2)  # information of one coefficient: n p (1 - p) var(x | rest)
    np.testing.assert_allclose(of_choices, [habit] + [0.0] * 9, atol=error)
    np.testing.assert_allclose(of_rewards, [effect] + [0.0] * 9, atol=error)


def test_calibration_counts_in_bins():
    probability = np.array([0.02, 0.08, 0.55, 0.55, 0.58, 1.0])
    choices = np.array([[0, 1, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0]])
    frequency = calibration(probability, choices)
    assert frequency.shape == (2, len(PROBABILITY_EDGES) - 1)
    np.testing.assert_allclose(frequency[:, [0, 5, 9]], [[0.5, 2 / 3, 1.0], [0.0, 0.0, 0.0]])
    assert np.isnan(frequency[:, [1, 2, 3, 4, 6, 7, 8]]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_residual_kernels_equal_their_loop(kind):
    trials = ahead(KINDS[kind](12), 13)
    probability = np.random.default_rng(14).uniform(size=N)
    of_choices, of_rewards = residual_kernels(trials, probability)
    for r, choices in enumerate(trials.choices):
        for i, lag in enumerate(LAGS):
            total = np.zeros(2)
            for t in range(N):
                if not trials.free[t] or not before(trials, t, lag):
                    continue
                past = (1 if trials.history[t - lag] == 1 else -1) * (
                    (choices[t] == 1) - probability[t]
                )
                total += past, past * trials.rewards[t - lag]
            np.testing.assert_allclose(
                [of_choices[r, i], of_rewards[r, i]], total / trials.free.sum()
            )


def test_one_step_ahead_a_regression_is_biased_and_its_residual_is_not():
    rng = np.random.default_rng(16)
    coins = [rng.integers(0, 2, (2, 100)) for _ in range(200)]
    recorded = [of(own, np.zeros(100)) for own, _ in coins]
    predicted = [of(new, np.zeros(100), history=own) for own, new in coins]
    sums = [np.array([kernels(t)[0].sum() for t in trials]) for trials in (recorded, predicted)]
    gap = sums[0] - sums[1]
    assert gap.mean() < -4 * gap.std() / np.sqrt(200)
    half = np.full(100, 0.5)
    left = np.array([residual_kernels(t, half)[0].sum() for t in recorded])
    assert abs(left.mean()) < 3 * left.std() / np.sqrt(200)


def test_a_session_shorter_than_the_kernels_is_no_problem():
    trials = recording(15)
    short = of(trials.choices[:6], trials.rewards[:6])
    assert np.isnan(kernels(short)[0]).all()
    np.testing.assert_array_equal(residual_kernels(short, np.full(6, 0.5))[0][6:], 0.0)


def test_what_the_trials_do_not_determine_is_nan():
    three = statistics(recording(10, 3))
    assert np.isnan(own_past_statistics(recording(10, 3))["choice kernel"]).all()
    assert np.isfinite(three["run lengths"]).all()
    assert np.isfinite(three["matching slope"])
    trials = recording(11)
    assert np.isnan(win_stay(trials._replace(rewards=np.zeros(N))))
    constant = trials._replace(choices=np.zeros(N, int), history=np.zeros(N, int))
    assert np.isnan(kernels(constant)[0]).all()
    assert np.isnan(around_change(trials._replace(best=np.zeros(3, int)))).all()
