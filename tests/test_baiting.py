"""Baited or independent: the recorded rewards decide, by how much is said, and a word overrules."""

import numpy as np
import pytest
from conftest import random_sessions
from scipy.optimize import minimize
from scipy.special import expit
from test_contingency import live, slow_log_posterior

from hebbax.cli.commands import commands
from hebbax.data import Record, compact, from_animals
from hebbax.simulation.baiting import MISFIT, WAITS, Decision, Waited, decide
from hebbax.simulation.contingency import estimate

BAITINGS = ("baited", "independent")


def recording(baiting, n_animals, n_trials, truth=((0.2, 0.6), (0.6, 0.2)), seed=0):
    """Animals that choose at random and are rewarded by the environment in a loop."""
    rng = np.random.default_rng(seed)
    blocks = np.repeat(np.arange(len(truth)), n_trials // len(truth))
    records = [
        Record(f"{a}", *live(rng, np.array(truth), blocks, baiting), blocks)
        for a in range(n_animals)
    ]
    return from_animals(records, ["A", "B"], "known")


@pytest.mark.parametrize("truth", BAITINGS)
def test_a_large_recording_says_what_it_is(truth):
    sessions = recording(truth, 12, 200)
    decided = decide(sessions, sessions.blocks)
    assert decided.baiting == truth
    assert decided.margin > 50
    (other,) = set(BAITINGS) - {truth}
    asked = decide(sessions, sessions.blocks, other)
    assert (asked.baiting, asked.asked) == (other, True)
    assert asked.margin == pytest.approx(-decided.margin)


def test_independent_probabilities_of_a_fifth_are_estimated_as_a_fifth():
    sessions = recording("independent", 20, 150, ((0.2, 0.2),), seed=1)
    decision = decide(sessions, sessions.blocks)
    assert decision.baiting == "independent"
    found = estimate(sessions, sessions.blocks, decision.baiting)
    low, high = found.interval(1.645)
    covered = (low < 0.2) & (high > 0.2)
    # 40 intervals of 90 %: the number that covers is 36, give or take three standard deviations.
    assert abs(covered.sum() - 36) < 3 * np.sqrt(40 * 0.9 * 0.1)
    assert found.probability.mean() == pytest.approx(0.2, abs=0.02)
    wrong = estimate(sessions, sessions.blocks, "baited")
    assert wrong.probability[..., 1].mean() < 0.12  # the stimulus that is chosen less often


@pytest.mark.parametrize("seed", range(5))
def test_the_margin_is_that_of_a_slow_loop_over_all_animals(seed):
    sessions = compact(random_sessions(seed, lengths=(30, 44)), "choice")
    blocks = np.where(sessions.valid, np.arange(sessions.max_trials) // 20, -1)
    slow = {}
    for baiting in BAITINGS:
        slow[baiting] = 0.0
        for a, n in enumerate(sessions.n_trials):
            own = sessions.choices[a, :n], sessions.rewards[a, :n], blocks[a, :n]
            for k in (0, 1):

                def surprise(x, own=own, k=k, baiting=baiting):
                    prior = np.log(expit(x) * expit(-x)).sum()
                    return prior - slow_log_posterior(x, *own, k, baiting)

                slow[baiting] -= minimize(surprise, np.zeros(3), method="Nelder-Mead",
                    bounds=[(-12, 12)] * 3, options={"xatol": 1e-6, "fatol": 1e-9, "maxfev": 5000},
                ).fun  # fmt: skip
    decided = decide(sessions, blocks)
    assert decided.baiting == max(slow, key=slow.get)
    assert decided.margin == pytest.approx(np.ptp(list(slow.values())), abs=1e-3)


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (
            Decision("independent", 85.26, asked=False),
            "Rewards were taken as independent: as such the recorded ones are 85.3 nats more likely "
            "than as baited.",
        ),
        (
            Decision("baited", 2.96, asked=False),
            "The recording cannot tell whether its rewards are baited or independent: they were "
            "taken as baited, as which they are only 3.0 nats more likely than as independent (3 are "
            "asked for); --baiting says which they are.",
        ),
        (
            Decision("baited", -412.0, asked=True),
            "Rewards were taken as baited, as was asked: as such the recorded ones are 412.0 nats "
            "less likely than as independent.",
        ),
        (
            Decision("baited", 12.0, asked=True),
            "Rewards were taken as baited, as was asked: as such the recorded ones are 12.0 nats "
            "more likely than as independent.",
        ),
        (
            Decision(
                "baited",
                12.0,
                asked=True,
                waited=(
                    Waited("at once", 900, 0.5, 0.49, 0.6),
                    Waited("after 1 trial without it", 514, 0.428, 0.626, -12.2),
                ),
            ),
            "Rewards were taken as baited, as was asked: as such the recorded ones are 12.0 nats "
            "more likely than as independent. But they were not quite so: of 514 choices of a "
            "stimulus after 1 trial without it, 43% were rewarded where 63% are expected (12 "
            "standard deviations), so that animals run free in another task than was recorded.",
        ),
    ],
)
def test_the_decision_is_said_with_its_margin(decision, sentence):
    assert decision.sentence == sentence


@pytest.mark.parametrize("truth", BAITINGS)
def test_certain_rewards_tell_nothing_however_many(truth):
    sessions = recording(truth, 8, 40, ((1.0, 0.0),))
    decided = decide(sessions, sessions.blocks)
    assert abs(decided.margin) < 1e-3
    assert decided.sentence.startswith("The recording cannot tell whether its rewards are baited")


TASKS = [
    ((0.8, 0.2), (0.2, 0.8)), ((0.9, 0.9),), ((0.5, 0.05), (0.05, 0.5)), ((0.2, 0.2),),
    ((1.0, 0.0), (0.0, 1.0)), ((0.6, 0.4), (0.4, 0.6), (0.6, 0.4), (0.4, 0.6)),
]  # fmt: skip


@pytest.mark.parametrize("truth", BAITINGS)
@pytest.mark.parametrize("task", TASKS)
def test_short_sessions_of_many_animals_are_told_right_in_every_task(task, truth):
    """Where a cell has ten trials or so, a prior of p would decide; the right one still wins."""
    sessions = recording(truth, 16, 40, task)
    decided = decide(sessions, sessions.blocks)
    assert decided.baiting == truth
    assert "But they were not quite so" not in decided.sentence


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        *((name, ("auto", *BAITINGS)) for name in ("run", "report", "check")),
        *((name, BAITINGS) for name in ("simulate", "models", "calibrate", "design")),
    ],
)
def test_one_option_says_it_in_every_command(command, allowed):
    options = {name: p for p in commands.commands[command].params for name in p.opts}
    kind = options["--baiting"].type
    assert tuple(getattr(kind, "each", kind).choices) == allowed  # design takes several
    if command == "report":  # what the study was made with, unless it is given
        assert not options["--baiting"].required
        return
    default = options["--baiting"].default
    assert default == (
        "auto" if "auto" in allowed else [",".join(BAITINGS)] if command == "design" else "baited"
    )
    assert "--baited" not in options


def test_rewards_that_are_neither_are_told_from_both():
    """A stimulus is not armed in the trial in which an animal comes back to it."""
    rng, p, n = np.random.default_rng(3), 0.4, 150
    records, counted = [], np.zeros((3, 2))
    for animal in range(10):
        choices, rewards, last = rng.integers(0, 2, n), np.zeros(n), [-1, -1]
        for trial, choice in enumerate(choices):
            waited = trial - last[choice]
            rewards[trial] = rng.uniform() < 1 - (1 - p) ** max(1, waited - 1)
            if last[choice] >= 0:  # chosen again
                counted[min(waited, 3) - 1] += 1, rewards[trial]
            last[choice] = trial
        records.append(Record(f"{animal}", choices, rewards))
    sessions = from_animals(records, ["A", "B"], "neither")
    for asked in BAITINGS:
        decided = decide(sessions, sessions.blocks, asked)
        assert [own.wait for own in decided.waited] == list(WAITS)
        assert [own.choices for own in decided.waited] == counted[:, 0].tolist()
        rewarded = [own.rewarded for own in decided.waited]
        np.testing.assert_allclose(rewarded, counted[:, 1] / counted[:, 0])
        assert max(abs(own.z) for own in decided.waited) > MISFIT
        assert "But they were not quite so: of " in decided.sentence
