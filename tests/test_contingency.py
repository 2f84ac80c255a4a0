"""Reward probabilities from rewards: the likelihood again with the armed state, and recovery."""

import gzip

import hostile
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from conftest import random_sessions
from scipy.special import expit, logit

from hebbax.data import Record, compact, from_animals
from hebbax.errors import DataError
from hebbax.model.choice_model import ChoiceModel, animal_of
from hebbax.model.spec import ModelSpec
from hebbax.rule.network import Network
from hebbax.rule.stimulus import one_hot
from hebbax.rule.taylor import TaylorRule
from hebbax.simulation.contingency import (
    COLUMNS,
    collected,
    estimate,
    fit,
    highest,
    opportunities,
    read_contingencies,
)
from hebbax.simulation.environment import Environment, Task, generate


def slow_log_posterior(x, choices, rewards, blocks, stimulus, baiting, begins=()):
    """Trial by trial with the probability that the stimulus is armed; uniform prior of p."""
    p, armed, total = expit(np.asarray(x)), 0.0, 0.0
    for trial, (choice, reward, block) in enumerate(zip(choices, rewards, blocks, strict=True)):
        if trial in begins:
            armed = 0.0
        armed = 1 - (1 - (armed if baiting == "baited" else 0.0)) * (1 - p[block])
        if choice == stimulus:
            total += np.log(armed if reward else 1 - armed)
            armed = 0.0
    return total + np.log(p * (1 - p)).sum()


def live(rng, probability, blocks, baiting, begins=(), omitted=0.0):
    """Random choices, and rewards of the environment in a loop."""
    armed = np.zeros(probability.shape[1], bool)
    choices, rewards = [], []
    for trial, block in enumerate(blocks):
        waiting = armed if baiting == "baited" and trial not in begins else np.zeros_like(armed)
        armed = waiting | (rng.uniform(size=armed.size) < probability[block])
        if omitted and rng.uniform() < omitted:
            choices.append(-1)
            rewards.append(0.0)
            continue
        choice = rng.choice(armed.size, p=[0.7, 0.3])
        choices.append(choice)
        rewards.append(float(armed[choice]))
        armed[choice] = False
    return np.array(choices), np.array(rewards)


def test_what_is_armed_waits_through_a_change_of_block_until_it_is_chosen():
    choices = np.array([0, 1, 0, 0, 1, 1])
    blocks = np.array([0, 0, 0, 1, 1, 1])
    baited = opportunities(choices, blocks, 2, 1, "baited")
    np.testing.assert_array_equal(baited, [[2, 0], [1, 2], [0, 1]])
    independent = opportunities(choices, blocks, 2, 1, "independent")
    np.testing.assert_array_equal(independent, [[1, 0], [0, 1], [0, 1]])


@pytest.mark.parametrize("baiting", ["baited", "independent"])
def test_the_fit_is_the_mode_of_the_exact_posterior_with_its_curvature(baiting):
    blocks = np.repeat([0, 1, 2], 40)
    truth = np.array([[0.2, 0.8], [0.9, 0.1], [0.4, 0.4]])
    choices, rewards = live(np.random.default_rng(0), truth, blocks, baiting)
    m = opportunities(choices, blocks, 3, 1, baiting)
    fitted = fit(m, rewards[choices == 1] > 0)

    def posterior(x):
        return slow_log_posterior(x, choices, rewards, blocks, 1, baiting)

    step, unit = 1e-3, np.eye(3)
    hessian = np.empty((3, 3))
    for i in range(3):
        up, down = (posterior(fitted.log_odds + s * unit[i]) for s in (step, -step))
        assert abs(up - down) / (2 * step) < 1e-3
        for j in range(3):
            corners = [
                posterior(fitted.log_odds + a * step * unit[i] + b * step * unit[j]) * a * b
                for a in (1, -1)
                for b in (1, -1)
            ]
            hessian[i, j] = sum(corners) / (4 * step**2)
    np.testing.assert_allclose(fitted.covariance, np.linalg.inv(-hessian), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("baiting", ["baited", "independent"])
def test_the_highest_likelihood_is_that_of_a_slow_loop_over_a_grid(baiting):
    blocks, truth = np.zeros(60, int), np.array([[0.3, 0.7]])
    choices, rewards = live(np.random.default_rng(2), truth, blocks, baiting)
    for stimulus in (0, 1):
        m = opportunities(choices, blocks, 1, stimulus, baiting)
        p = np.linspace(0.0005, 0.9995, 1000)
        of = [
            slow_log_posterior([logit(own)], choices, rewards, blocks, stimulus, baiting)
            - np.log(own * (1 - own))
            for own in p
        ]
        found = highest(m, rewards[choices == stimulus] > 0)
        assert found.log_likelihood == pytest.approx(max(of), abs=2e-4)
        assert found.log_likelihood >= max(of) - 1e-9


def test_the_highest_likelihood_of_independent_rewards_is_that_of_their_fraction():
    rewarded = np.arange(200) < 60
    found = highest(np.ones((200, 1)), rewarded)
    assert found.log_likelihood == pytest.approx(60 * np.log(0.3) + 140 * np.log(0.7), abs=1e-6)
    np.testing.assert_allclose(found.chance, 0.3, atol=1e-5)


def test_independent_rewards_follow_the_rule_of_succession():
    rewarded = np.array([True, True, False, False, False, True, False])
    fitted = fit(np.ones((7, 1)), rewarded)
    np.testing.assert_allclose(expit(fitted.log_odds), (1 + 3) / (2 + 7), rtol=1e-5)


@pytest.mark.parametrize("baiting", ["baited", "independent"])
def test_known_probabilities_are_recovered_within_their_uncertainty(baiting):
    rng = np.random.default_rng(1)
    blocks = np.repeat([0, 1], 80)
    truth = rng.uniform(0.1, 0.9, (100, 2, 2))
    records = [Record(f"{a}", *live(rng, p, blocks, baiting), blocks) for a, p in enumerate(truth)]
    sessions = from_animals(records, ["A", "B"], "known")
    found = estimate(sessions, sessions.blocks, baiting)
    low, high = found.interval(1.645)
    covered = ((low < truth) & (truth < high)).mean()
    assert abs(covered - 0.9) < 3 * np.sqrt(0.9 * 0.1 / truth.size)
    sd = np.sqrt((found.factor**2).sum(-1)).swapaxes(1, 2)
    z = (found.log_odds - logit(truth)) / sd
    assert abs(z.mean()) < 0.2
    assert 0.85 < z.std() < 1.1


@pytest.mark.parametrize("baiting", ["baited", "independent"])
def test_sessions_and_trials_without_a_choice_have_the_likelihood_of_a_slow_loop(baiting):
    """What is armed is gone when a session begins, and is armed in a trial without a choice too."""
    blocks, begins = np.repeat([1, 0, 2], 30), (30, 60)
    rng = np.random.default_rng(5)
    truth = np.array([[0.2, 0.5], [0.6, 0.3], [0.4, 0.4]])
    choices, rewards = live(rng, truth, blocks, baiting, begins, omitted=0.4)
    record = Record("a", choices, rewards, blocks, session=np.repeat([0, 1, 2], 30))
    sessions = from_animals([record], ["A", "B"], "known")
    for stimulus in (0, 1):
        m, rewarded = collected(sessions, sessions.blocks, 0, stimulus, baiting)
        for x in rng.normal(size=(5, 3)):
            waited = m @ np.logaddexp(0.0, x)
            own = np.where(rewarded, np.log(-np.expm1(-waited)), -waited).sum()
            prior = np.log(expit(x) * expit(-x)).sum()
            slow = slow_log_posterior(x, choices, rewards, blocks, stimulus, baiting, begins)
            assert own == pytest.approx(slow - prior, abs=1e-9)


@pytest.mark.parametrize("sessions", [1, 400])
def test_what_the_environment_gives_is_estimated_as_what_it_was(sessions):
    """In 4000 trials in 1 or 400 sessions, of which 40 % go by without a choice."""
    n, truth, spec = 4000, np.array([0.2, 0.5]), ModelSpec("m", (), reward="raw")
    task = Task(n, 1, tuple(truth), "baited", sessions)
    offered = np.random.default_rng(0).uniform(size=(n, 1)) > np.array([0.4, 0.4])
    begins = jnp.asarray(np.diff(task.session, prepend=0) > 0)
    made = generate(
        jax.random.PRNGKey(0),
        TaylorRule(()),
        Network(one_hot(2)),
        animal_of(ChoiceModel.of(spec), {"preference": jnp.zeros(1)}, 2),
        Environment(task.chances, "baited", np.inf, begins, jnp.asarray(offered)),
        spec,
    )
    record = Record("a", np.asarray(made.choices), np.asarray(made.rewards), session=task.session)
    lived = from_animals([record], ["A", "B"], "lived")
    assert 0.35 < (~lived.valid).mean() < 0.45
    found = estimate(lived, np.zeros_like(lived.blocks), "baited")
    low, high = found.interval(3.0)
    assert ((low < truth) & (truth < high)).all()
    assert (high - low).max() < 0.12


def test_draws_have_the_stated_spread():
    sessions = compact(random_sessions(3, lengths=(60, 40)), "choice")
    blocks = np.where(sessions.valid, np.arange(sessions.max_trials) // 30, -1)
    found = estimate(sessions, blocks, "baited")
    drawn = logit(found.draw(jax.random.PRNGKey(0), 4000))
    assert drawn.shape == (4000, 2, 2, 2)
    sd = np.sqrt((found.factor**2).sum(-1)).swapaxes(1, 2)
    np.testing.assert_allclose(drawn.mean(0), found.log_odds, atol=5 * sd.max() / np.sqrt(4000))
    np.testing.assert_allclose(drawn.std(0), sd, rtol=0.06)


ROWS = [
    (f"animal{a}", b, f"odour{k}", round(0.1 + 0.2 * b + 0.4 * k, 1))
    for a in (0, 1)
    for b in (1, 2)
    for k in (0, 1)
]


@pytest.fixture
def session_blocks():
    sessions = compact(random_sessions(3, lengths=(30, 20)), "choice")
    return sessions, np.where(sessions.valid, np.arange(sessions.max_trials) // 15, -1)


def table(path, rows, header=COLUMNS):
    path.write_text("\n".join(",".join(map(str, row)) for row in (header, *rows)))
    return path


def test_given_contingencies_have_no_uncertainty(tmp_path, session_blocks):
    given = read_contingencies(table(tmp_path / "c.csv", ROWS), *session_blocks)
    np.testing.assert_allclose(given.probability[1], [[0.3, 0.7], [0.5, 0.9]])
    drawn = given.draw(jax.random.PRNGKey(0), 3)
    np.testing.assert_allclose(drawn, np.broadcast_to(given.probability, drawn.shape))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [("fly", 1, "odour0", 0.1)],
            "c.csv, row 2, animal: fly given; there are animal0, animal1.",
        ),
        ([("animal0", 3, "odour0", 0.1)], "c.csv, row 2, block: 3 given; there are 1, 2."),
        (
            [*ROWS[:2], ("animal0", 2, "odour0", 1.5)],
            "c.csv, row 4, probability: 1.5 given; it lies between 0 and 1.",
        ),
        (
            [*ROWS[:2], ("animal0", 2, "odour0", "likely")],
            'c.csv, row 4, probability: "likely" is not a number.',
        ),
        (
            [*ROWS[:2], ("animal0", 2, "odour0", "")],
            "c.csv, row 4, probability: nothing given; it lies between 0 and 1.",
        ),
        (
            [("animal0", 1.5, "odour0", 0.1)],
            "c.csv, row 2, block: 1.5 given; there are 1, 2.",
        ),
        (
            [("animal0", 1, "", 0.1)],
            "c.csv, row 2, stimulus: nothing given; there are odour0, odour1.",
        ),
        (
            [*ROWS[:2], ROWS[1]],
            "c.csv, row 4: this animal, block and stimulus were given before.",
        ),
        (
            ROWS[:-1],
            "c.csv, animal animal1, block 2, stimulus odour1: no probability given.",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(tmp_path, session_blocks, rows, sentence):
    with pytest.raises(DataError) as error:
        read_contingencies(table(tmp_path / "c.csv", rows), *session_blocks)
    assert str(error.value) == sentence


def text(rows, separator=",", comma=".", header=COLUMNS):
    cells = [[str(cell).replace(".", comma) for cell in row] for row in rows]
    return "\n".join(separator.join(row) for row in (header, *cells)) + "\n"


FORMS = {
    "c.csv": text(ROWS).encode(),
    "semicolons.csv": text(ROWS, ";", ",").encode(),
    "tabs.txt": text(ROWS, "\t").encode("utf-16"),
    "mark.csv": text(ROWS).encode("utf-8-sig"),
    "comment.csv": b"# known\n" + text(ROWS).encode(),
    "capitals.csv": text(ROWS, header=[name.title() for name in COLUMNS]).encode(),
    "packed.csv.gz": gzip.compress(text(ROWS).encode()),
    "more.csv": text([(*row, 7) for row in ROWS], header=(*COLUMNS, "first trial")).encode(),
}


@pytest.mark.parametrize("name", [*FORMS, "c.parquet"])
def test_known_probabilities_are_read_in_every_form_of_a_table(tmp_path, session_blocks, name):
    path = tmp_path / name
    if name in FORMS:
        path.write_bytes(FORMS[name])
    else:
        pd.DataFrame(ROWS, columns=COLUMNS).to_parquet(path)
    given = read_contingencies(path, *session_blocks)
    expected = [[[0.3, 0.7], [0.5, 0.9]]] * 2
    np.testing.assert_allclose(given.probability, expected)
    said = {
        "semicolons.csv": (
            "semicolons.csv: Columns are separated by semicolons.",
            'semicolons.csv: probability: "0,3" was read as 0.3.',
        ),
        "tabs.txt": ("tabs.txt: Columns are separated by tabs.",),
    }
    assert given.notes == said.get(name, ())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (text(ROWS, header=("animal", "block", "animal", "probability")),
         'c.csv: the column "animal" stands twice; each header may stand once.'),
        (",".join(map(str, range(10_001))) + "\n",
         "c.csv: 10001 columns given; at most 10000 are allowed."),
        ("", "c.csv: the file is empty."),
        (text([*ROWS, ("animal1", 2, "odour1")]),
         "c.csv, row 10: 3 cells given, the header has 4; put a cell that holds a separator in "
         "quotation marks, and leave an empty cell where nothing was recorded."),
    ],
)  # fmt: skip
def test_known_probabilities_come_by_the_door_of_all_tables(
    tmp_path, session_blocks, content, sentence
):
    (tmp_path / "c.csv").write_text(content)
    with pytest.raises(DataError) as error:
        read_contingencies(tmp_path / "c.csv", *session_blocks)
    assert str(error.value) == sentence


# The bomb of gzip is refused by the same door, after a second of work.
@pytest.mark.parametrize("kind", [kind for kind in hostile.tables() if "bomb" not in kind])
def test_any_table_of_known_probabilities_is_refused_in_a_sentence(tmp_path, session_blocks, kind):
    """None of them is one."""
    (tmp_path / "c.csv").write_bytes(hostile.tables()[kind])
    with pytest.raises(DataError) as error:
        read_contingencies(tmp_path / "c.csv", *session_blocks)
    said = str(error.value)
    assert said.startswith("c.csv")
    assert said.endswith(".")
    assert "\n" not in said


def test_a_table_needs_its_columns(tmp_path, session_blocks):
    path = table(tmp_path / "c.csv", [("animal0", 1)], ("animal", "block"))
    with pytest.raises(DataError) as error:
        read_contingencies(path, *session_blocks)
    assert str(error.value) == (
        "c.csv: no column stimulus, probability; needed are animal, stimulus, block, probability, and "
        "found animal, block."
    )
    with pytest.raises(DataError) as error:
        read_contingencies(tmp_path / "none.csv", *session_blocks)
    assert str(error.value).endswith("none.csv: there is no such table.")
