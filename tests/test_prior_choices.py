"""What a prior expects of choices: the picture, the command, and scales found from choices."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from command import run
from conftest import random_sessions

from hebbax import figures
from hebbax.check.prior_choices import PriorChoices, prior_choices
from hebbax.errors import ModelError
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.simulation.environment import Task
from hebbax.submodels.scaling import scaled

SHORT = Task(60, 2, (0.2, 0.8), "baited")
KEY = jax.random.PRNGKey(0)


def test_animals_that_cannot_learn_choose_by_preference_alone():
    spec = ModelSpec("no-learning", (), preference_scale=0.01)
    expected = prior_choices(KEY, spec, 300, SHORT)
    assert expected.effective is None
    # Fair coins: 300 x 60 choices, blocks of equal length.
    assert expected.better.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(300 * 60))
    assert not expected.stuck.any()


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (SHORT, "60 trials in 2 blocks with baited rewards of 0.2/0.8"),
        (Task(9, 1, (0.25, 0.5, 1.0), "independent"),
         "9 trials with independent rewards of 0.25/0.5/1"),
    ],
)  # fmt: skip
def test_the_sentence_says_in_which_task(task, words):
    held = np.full((4, task.trials), 0.5)
    stuck = np.array([True, False, False, False])
    expected = PriorChoices("m", task, held, np.full(4, 0.5), stuck, None)
    assert expected.sentence == (
        "m: animals of the prior choose the better stimulus in 50% of the trials (90 % of them in "
        f"50% to 50%), and 25% end on one stimulus for good, in a task of {words}."
    )


def test_where_nothing_is_better_nothing_is_said_of_the_better_stimulus():
    """And of a task of four stimuli a block begins where any chance changes."""
    expected = prior_choices(
        KEY, ModelSpec("no-learning", ()), 20, Task(40, 4, (0.5, 0.5), "baited")
    )
    assert expected.better is None
    assert expected.sentence.startswith(
        "no-learning: animals of the prior find no stimulus better than another, and "
    )
    assert [ax.get_xlabel() for ax in figures.prior_choices(expected).axes] == ["trial"]
    many = Task(40, 4, (0.1, 0.1, 0.8, 0.1), "baited")
    shown = figures.prior_choices(prior_choices(KEY, ModelSpec("no-learning", ()), 20, many)).axes[
        0
    ]
    dotted = [line.get_xdata()[0] for line in shown.lines if line.get_linestyle() == ":"]
    assert dotted == [10.5, 20.5, 30.5]


def test_a_prior_that_shrinks_shows_its_number_of_terms():
    spec = ModelSpec("reward", ("x r", "w"), prior="r2d2", scales={"x r": 0.5, "w": 0.05})
    expected = prior_choices(KEY, spec, 200, SHORT)
    assert expected.curves.shape == (200, 60)
    # Some learn, or learn the wrong way: more varied than coins (preferences cancel over blocks).
    assert expected.better.std() > np.sqrt(0.25 / 60)
    assert ((expected.effective >= 0) & (expected.effective <= 2)).all()
    assert expected.sentence.endswith(
        "The prior is that of a recording of 60 choices: of more of them coefficients are smaller."
    )
    figure = figures.prior_choices(expected)
    assert [ax.get_xlabel() for ax in figure.axes] == [
        "trial", "choices of the better stimulus (fraction)", "effective number of terms",
    ]  # fmt: skip


def test_scales_that_are_to_come_from_choices_are_found_before_the_model_is_built():
    sessions = random_sessions(3, lengths=(40, 40, 40))
    spec = ModelSpec("mine", ("x r", "w"), scaling="information", effect=0.2)
    with pytest.raises(ModelError) as error:
        build_model(spec, sessions)
    assert str(error.value) == (
        "mine: its prior scales come from the choices; hebbax.submodels.scaling.scaled finds them."
    )
    found = scaled(spec, sessions)
    assert set(found.scales) == {"x r", "w"}
    assert scaled(found, sessions) == found
    shrinking = build_model(replace(found, prior="r2d2"), sessions).groups[0].prior
    assert shrinking.root_information == pytest.approx(0.2 * np.sqrt(114))
    # Twice the effect is twice the scale, up to the widest allowed.
    wider = scaled(replace(spec, effect=0.4), sessions)
    for term, scale in found.scales.items():
        assert wider.scales[term] == pytest.approx(min(2 * scale, 2.0))


def test_the_command_draws_what_a_prior_expects(tmp_path):
    asked = ("--animals", "20", "--baiting", "independent")
    done = run("models", "--model", "reward", *asked, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "reward: animals of the prior choose the better stimulus in" in said
    assert "in a task of 240 trials in 3 blocks with independent rewards of 0.2/0.8." in said
    assert (tmp_path / "prior_reward.png").is_file()
    table = pd.read_csv(tmp_path / "prior_reward.csv", index_col="trial")
    assert len(table) == 240
    assert (table["5 %"] <= table["95 %"]).all()
    again = run("models", "--model", "reward", "--out", tmp_path)
    assert again.returncode == 2
    assert (
        again.stderr
        == f"hebbax: {tmp_path / 'prior_reward.png'}: exists already; --force replaces it.\n"
    )
    few = run("models", "--model", "reward", "--animals", "1", "--out", tmp_path / "bad")
    assert few.stderr == "hebbax: --animals 1: must be a whole number from 2 to 10000.\n"
    assert not (tmp_path / "bad").exists()
