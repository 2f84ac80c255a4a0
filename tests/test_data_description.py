"""What is said of a recording before a fit: counts that can be checked by hand, and questions."""

import shlex
from dataclasses import replace

import numpy as np
import pytest
from conftest import random_sessions

from hebbax.data import Description, Record, describe, from_animals

TRIALS = [
    Record(
        "m",
        np.array([0, 1, -1, 0, 0]),
        np.array([1.0, 0.0, np.nan, 0.5, 1.0]),
        np.array([0, 0, 1, 1, 1]),
        np.array([[0, 2], [1, 0], [0, 0], [0, 0], [0, 0]]),
    ),
    Record(
        "n",
        np.array([1, 1]),
        np.array([0.0, 1.0]),
        np.array([0, 0]),
        np.array([[0, 0], [1, 0]]),
    ),
]


def test_counts_of_a_recording():
    sessions = from_animals(TRIALS, ["left", "right"], "s.csv", ["Columns are odd."])
    found = describe(sessions)
    assert (found.source, found.notes) == ("s.csv", ("Columns are odd.",))
    assert found.counts == {
        "animals": "2: m, n",
        "trials": "7, 2 to 5 an animal",
        "blocks": "2",
        "choices": "6: left 3 (50.0 %), right 3 (50.0 %)",
        "trials without a choice": "1 (14.3 %)",
        "rejections": "4: left 2 (50.0 %), right 2 (50.0 %)",
        "rewards": "0 in 2 (33.3 %), 0.5 in 1 (16.7 %), 1 in 3 (50.0 %)",
    }


def test_counts_of_sessions_and_of_forced_trials():
    """Choices made freely and forced ones are counted apart."""
    offered = np.ones((6, 3), dtype=bool)
    offered[0], offered[1], offered[5] = [1, 0, 0], [0, 1, 0], [1, 1, 0]
    records = [
        Record(
            "m",
            np.array([0, 1, -1, 0, 0, 1]),
            np.array([1.0, 0.0, np.nan, 0.0, 1.0, 1.0]),
            session=np.array([0, 0, 0, 1, 1, 2]),
            offered=offered,
        ),
        Record("n", np.array([1, 2]), np.array([0.0, 1.0])),
    ]
    assert describe(from_animals(records, "ABC", "s.csv")).counts == {
        "animals": "2: m, n",
        "sessions": "4, 1 to 3 an animal",
        "trials": "8, 2 to 6 an animal",
        "blocks": "3",
        "offering a part": "1 (12.5 %) of the trials",
        "choices": "5: A 2 (40.0 %), B 2 (40.0 %), C 1 (20.0 %)",
        "trials without a choice": "1 (12.5 %)",
        "rewards": "0 in 2 (40.0 %), 1 in 3 (60.0 %)",
        "forced trials": "2 (25.0 %), which teach and say nothing",
        "forced choices": "2: A 1 (50.0 %), B 1 (50.0 %), C 0 (0.0 %)",
        "rewards of these": "0 in 1 (50.0 %), 1 in 1 (50.0 %)",
    }


def test_animals_without_a_free_choice_are_asked_about():
    both = Record("m", np.tile([0, 1], 6), np.tile([1.0, 0, 0], 4))
    alone = np.array([[True, False]] * 3)
    forced = Record("n", np.zeros(3, int), np.ones(3), offered=alone)
    assert describe(from_animals([both, forced], "AB", "s")).questions == (
        "n made no choice freely: nothing says what was learnt; if free trials are missing, add "
        "them.",
    )


def test_many_values_are_summed_up():
    names = [f"a{k}" for k in range(15)]
    n = 60
    choices = np.arange(n) % 15
    records = [Record(f"m{k}", choices, np.arange(n) / 10) for k in range(14)]
    found = describe(from_animals(records, names, "s")).counts
    assert found["animals"] == ("14: m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11 and 2 more")
    assert found["choices"].startswith("840: a0 56 (6.7 %), ")
    assert found["choices"].endswith(" and 3 more")
    assert found["rewards"] == "60 different values from 0 to 5.9, mean 2.95"
    assert "rejections" not in found


def test_a_description_comes_back_from_text():
    found = describe(replace(random_sessions(3), notes=("A note.",)))
    assert Description.from_json(found.to_json()) == found


def asked(names, choices, rewards):
    """Return the questions about one animal that made these choices."""
    record = Record("m", np.array([names.index(c) for c in choices]), np.array(rewards, float))
    return describe(from_animals([record], names, "s")).questions


def test_an_animal_with_one_choice_is_asked_about():
    once = [Record(name, np.array([1, -1]), np.array([1.0, np.nan])) for name in ("n", "o")]
    both = Record("m", np.tile([0, 1], 6), np.tile([1.0, 0, 0], 4))
    assert describe(from_animals([both, *once], "AB", "s")).questions == (
        "n, o made one free choice: what an animal learns shows from its second on; if trials are "
        "missing, add them.",
    )


AB = ["A", "B"] * 6
ONES = [1, 0, 0, 1] * 3
NOT_CHOSEN = (
    '"{name}" was chosen in 4 trials; if it stands for no choice, read the table with '
    "--no-choice {typed}."
)


@pytest.mark.parametrize(
    "name", ["none", "Omit", "MISS", "no response", "no_response", "time-out", "?", "-"]
)
def test_a_name_that_means_no_choice_is_asked_about(name):
    rewards = [1, 0, 0, 1, 0, 1] * 2
    assert asked(["A", "B", name], ["A", "B", name] * 4, rewards) == (
        NOT_CHOSEN.format(name=name, typed=shlex.quote(name)),
    )


@pytest.mark.parametrize(
    ("name", "others"), [("-1", "01"), ("0", "12"), ("99", "12"), ("9", "123"), ("-9", "12")]
)
def test_a_number_that_may_be_a_code_is_asked_about(name, others):
    names = [name, *others]
    choices = names * 4
    rewards = [0 if c == name else k // len(names) % 2 for k, c in enumerate(choices)]
    assert asked(names, choices, rewards) == (NOT_CHOSEN.format(name=name, typed=name),)


@pytest.mark.parametrize("names", [("-1", "1"), ("0", "1"), ("8", "9", "10"), ("0", "1", "2")])
def test_numbers_that_are_alternatives_are_not(names):
    rewards = [k // len(names) % 2 for k in range(4 * len(names))]
    assert asked(list(names), list(names) * 4, rewards) == ()


QUESTIONS = {
    "capitals": (
        (["left", "LEFT", "right"], ["left", "LEFT", "right"] * 4, ONES),
        '"left" and "LEFT" look alike, and count as 2 alternatives; if they '
        "are one, give them one name.",
    ),
    "blanks": (
        (["box 1", "box1", "box2"], ["box 1", "box1", "box2"] * 4, ONES),
        '"box 1" and "box1" look alike, and count as 2 alternatives; if '
        "they are one, give them one name.",
    ),
    "rare": (
        (["A", "B", "rigth"], [*(AB * 10), "rigth"], [*(ONES * 10), 0]),
        '"rigth" was chosen in 1 of 121 trials; if it is a misprint, correct it.',
    ),
    "all rewards equal": (
        (["A", "B"], AB, [0] * 12),
        "Every reward is 0: of rewards that never differ nothing is learnt.",
    ),
    "rewards in per cent": (
        (["A", "B"], AB, [100 * one for one in ONES]),
        "Rewards are 0 to 100: prior scales are of rewards near 1, so divide them by a number like "
        "100.",
    ),
    "rewards of 0 and 99": (
        (["A", "B"], AB, [99 * one for one in ONES]),
        "Rewards are 0 to 99: prior scales are of rewards near 1, so divide them by a number like "
        "100.",
    ),
    "rewards in litres": (
        (["A", "B"], AB, [2e-6 * one for one in ONES]),
        "Rewards are 0 to 2e-06: prior scales are of rewards near 1, so divide them by a number "
        "like 1e-06.",
    ),
    "a code among rewards": (
        (["A", "B"], AB, [*ONES[:-1], 9]),
        "The reward 9 stands in 1 trials among 0 and 1; if it is a code for a missing value, leave "
        "choice and reward of these trials empty.",
    ),
    "minus one among rewards": (
        (["A", "B"], AB, [-1, -1, *ONES[2:]]),
        "The reward -1 stands in 2 trials among 0 and 1; if it is a code for a missing value, "
        "leave choice and reward of these trials empty.",
    ),
    "the reward names the side": (
        (["1", "2"], ["1", "2"] * 6, [1, 2] * 6),
        "Every alternative has a reward of its own (1 1, 2 2); if the column names the choice, "
        "give another as the reward.",
    ),
}


@pytest.mark.parametrize("values", [(-1, 0), (0, 9), (-1, 1), (0, 0.2)])
def test_rewards_of_a_size_near_one_are_not_asked_about(values):
    assert asked(["A", "B"], AB, [values[one] for one in ONES]) == ()


@pytest.mark.parametrize("case", QUESTIONS)
def test_what_looks_like_something_else_is_asked_about(case):
    arguments, sentence = QUESTIONS[case]
    assert asked(*arguments) == (sentence,)


@pytest.mark.parametrize("names", [("20240101", "20240102"), ("1,5", "2")])
def test_numbers_that_differ_are_not_asked_about(names):
    records = [Record(name, np.array([0, 1, 0, 1]), np.array([1.0, 0, 0, 1])) for name in names]
    assert describe(from_animals(records, ["A", "B"], "s")).questions == ()


@pytest.mark.parametrize("names", [("M1", "m1"), ("m 1", "m1")])
def test_animals_that_differ_in_capitals_or_blanks_are_asked_about(names):
    records = [Record(name, np.array([0, 1, 0, 1]), np.array([1.0, 0, 0, 1])) for name in names]
    (question,) = describe(from_animals(records, ["A", "B"], "s")).questions
    assert question == (
        f'"{names[0]}" and "{names[1]}" look alike, and count as 2 animals; '
        "if they are one, give them one name."
    )


def test_what_was_hardly_ever_met_is_counted_in_encounters():
    """Twelve trials with a choice, 120 rejections of A and B each; of C one choice, or one
    rejection, or two of each."""
    names = ["A", "B", "C"]

    def asked_of(chosen: int, rejected: int) -> tuple[str, ...]:
        choices = np.array([0, 1] * 6 + [2] * chosen + [0])
        rejections = np.zeros((len(choices), 3), dtype=int)
        rejections[:12, :2] = 10
        rejections[0, 2] = rejected
        rewards = np.array(ONES + [1, 0][:chosen] + [0], float)
        record = Record("m", choices, rewards, rejections=rejections)
        return describe(from_animals([record], names, "s")).questions

    sentence = '"C" was met in {} of {} encounters; if it is a misprint, correct it.'
    assert asked_of(1, 0) == (sentence.format(1, 240 + 13 + 1),)
    assert asked_of(0, 1) == (sentence.format(1, 240 + 13 + 1),)
    assert asked_of(1, 1) == (sentence.format(2, 240 + 13 + 2),)
    assert asked_of(2, 2) == ()  # 4 of 257 are more than one in a hundred


def test_a_name_of_nothing_among_encounters_is_not_to_be_read_as_no_choice():
    """``--no-choice`` is refused of such a table."""
    choices, rewards = np.array([0, 1, 2] * 4), np.array([1.0, 0, 0, 1, 0, 1] * 2)
    rejections = np.tile([1, 2, 3], (12, 1))
    record = Record("m", choices, rewards, rejections=rejections)
    assert describe(from_animals([record], ["A", "B", "none"], "s")).questions == (
        '"none" was met in 40 encounters; if it stands for none, leave these encounters out.',
    )


@pytest.mark.parametrize("rewards", [ONES, [1, -1, -1, 1] * 3, [0.2, 5, 9, 1] * 3])
def test_what_looks_like_itself_is_not(rewards):
    assert asked(["A", "B"], AB, rewards) == ()


def asked_of_all(records, stimuli=("A", "B")):
    return tuple(describe(from_animals(records, stimuli, "asked")).questions)


def of_choices(name, choices, **more):
    return Record(name, np.array(choices), np.arange(len(choices)) // 2 % 2 * 1.0, **more)


def test_two_codings_of_one_choice_in_two_sessions_are_asked_about():
    session = np.repeat([0, 1], 4)
    own = of_choices("a", [0, 1, 0, 1, 2, 3, 2, 3], session=session)
    (question,) = asked_of_all([own], ("A", "B", "0", "1"))
    assert question == (
        'No session has choices of "A" and "B" and of "0" and "1"; if they are two names of the '
        "same, give them one, and read another task by itself."
    )
    met = of_choices("b", [0, 1, 0, 1, 2, 0, 2, 3], session=session)
    assert asked_of_all([own, met], ("A", "B", "0", "1")) == ()


def test_animals_that_say_nothing_of_learning_are_asked_about():
    usual = [of_choices(f"{k}", [0, 1] * 30) for k in range(3)]
    assert asked_of_all(usual) == ()
    assert asked_of_all([*usual, of_choices("sided", [1] * 25)]) == (
        "sided chose B in all of 25 free choices: these say nothing of learning; if the column is "
        "another one's, or the animal did not work, leave it out.",
    )
    assert asked_of_all([*usual, of_choices("late", [0, 1, 1])]) == (
        "late made 3 free choices, where half of the animals made 60 or more: what is said of it is "
        "what is said of the others; if trials are missing, add them.",
    )


def test_levels_that_look_alike_are_asked_about():
    groups = ("control", "patient", "Control")
    records = [
        of_choices(f"{k}", [0, 1] * 6, covariates={"group": group})
        for k, group in enumerate(groups)
    ]
    assert asked_of_all(records) == (
        '"control" and "Control" look alike, and count as 2 levels of group; if they are one, give '
        "them one name.",
    )
