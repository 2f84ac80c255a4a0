"""What a report says in words: equations, tables of animals, the words that explain columns."""

from dataclasses import replace

import made
import numpy as np
import pandas as pd
import pytest
from conftest import random_sessions

from hebbax import figures
from hebbax.check.joint import Averaged, Joint
from hebbax.check.score import Score
from hebbax.model import equation
from hebbax.model.declared import declared_models, read_spec
from hebbax.model.spec import ModelSpec
from hebbax.posterior import latents, summary
from hebbax.posterior.forgetting import animal_losses, in_trials
from hebbax.posterior.verdict import Verdict
from hebbax.reporting import animals as tables_of_animals
from hebbax.reporting import first, model, sections
from hebbax.reporting import study as studies
from hebbax.reporting.cells import Interval, cells, joined
from hebbax.reporting.glossary import WORDS, listed, word
from hebbax.reporting.study import Study
from hebbax.reporting.trials import SCALE, trials
from hebbax.runs.attempts import Failed

PASSED, BAD = Verdict((), {}, ""), Verdict(("R-hat is 1.2",), {}, "")


def test_what_differs_between_posteriors_is_said_of_each():
    one = made.posterior(shape=(2, 5))
    other = one.copy()
    other.attrs = {**one.attrs, "seed": 7, "model": "other"}
    unknown = Failed("The comparison", ValueError("no"))
    said = sections._provenance(Study({"m": one, "other": other}, {}, unknown, {}))
    lines = said.split("\n")
    first, second = lines.index("# m"), lines.index("# other")
    assert f"data: {one.attrs['data']}" in lines[:first]
    assert [line for line in lines if line.startswith("seed:")] == ["seed: 0", "seed: 7"]
    assert first < lines.index("seed: 0") < second < lines.index("seed: 7")


def test_tables_of_an_earlier_study_are_removed(tmp_path):
    for name in ("losses.csv", "groups.csv", "comparison.csv", "answer.json", "mine.csv"):
        (tmp_path / name).write_text("of before")
    table = pd.DataFrame({"grade": ["passed"]})
    study = Study({}, {}, Failed("The comparison", ValueError("no")), {}, tables={"losses": table})
    assert studies._write(study, tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {"losses.csv", "mine.csv"}
    assert "passed" in (tmp_path / "losses.csv").read_text()


@pytest.fixture(scope="module")
def fit():
    return made.posterior(sessions=random_sessions(4, lengths=(9, 14, 12)), shape=(2, 50))


def test_the_rule_is_an_equation_with_the_values_of_the_population(fit):
    rule, values = model.rule(fit, PASSED).split("\n")
    assert rule == "Δw = [ θ(x r) x r + θ(w) w ] / 2"
    row = summary.population_table(fit, PASSED).loc["theta w"]
    ends = f"{row['median']:.3f} ({row['5 %']:.3f} to {row['95 %']:.3f})"
    assert values.startswith("in the population: θ(x r) = ")
    assert values.endswith(f"θ(w) = {ends}".replace("-", "−"))
    assert model.rule(fit, BAD) == rule  # of one that failed no values
    learning = made.posterior(read_spec("forgetting-q"), shape=(2, 50))
    lines = model.rule(learning, BAD).split("\n")
    assert lines[1:] == ["θ(x r) = n α β / rate", "θ(w) = -n α    (n = 2, rate = 0.75)"]
    nothing = made.posterior(ModelSpec("m", ()), shape=(2, 50))
    assert model.rule(nothing, PASSED) == "Δw = 0"


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ("1", "every weight changes by the same step, whatever the reward"),
        ("x r", "the weight of the chosen stimulus changes with the reward signal"),
        ("r^2", "every weight changes with the square of the reward signal"),
        ("w", "every weight loses a part of itself (with a negative coefficient, which is forgetting) or grows"),
        ("x w", "the weight of the chosen stimulus loses a part of itself (with a negative coefficient, by forgetting or as in a delta rule) or grows"),
        ("x y r", "the weight of the chosen stimulus changes with the reward signal, in proportion to the response y"),
        ("r w", "every weight changes by a part of itself that follows the reward signal"),
        ("w^2", "every weight changes by its square"),
    ],
)  # fmt: skip
def test_terms_are_told_in_words(term, said):
    assert equation.term_words(term) == said


def test_every_declared_model_has_words_for_its_rule_and_its_choice():
    for name in declared_models():
        spec = read_spec(name)
        said = equation.words(spec)
        assert ("A habit repeats" in " ".join(said)) == (spec.habit_scale > 0), name
        assert len(said) >= len(spec.terms) + 1, name


def test_a_middle_and_its_ends_are_one_column_and_numbers_are_written_alike():
    table = pd.DataFrame(
        {"a": [1.0, 2.0], "median": [-0.5, 12.25], "5 %": [-1.0, 11.0], "95 %": [0.0, 13.0],
         "loss in a trial (%)": [2.25, -1.0], "loss, 5 %": [1.0, -2.0], "loss, 95 %": [3.0, 0.04],
         "P(loss > 0)": [1.0, 0.25], "animals": [3, 4], "as_good": [True, False]},
        pd.Index(["theta w", "x"], name="value"),
    )  # fmt: skip
    assert joined(table)["median (90 %)"]["x"] == Interval(12.25, 11.0, 13.0)
    found = cells(table)
    assert [head.text for head in found.heads] == [
        "value", "a", "median (90 % interval)", "loss in a trial (%)", "P(loss > 0)", "animals",
        "not told apart from the best",
    ]  # fmt: skip
    assert [[cell.text for cell in row] for row in found.rows] == [
        ["theta w", "1", "−0.500 (−1.000 to 0.000)", "2.2 (1.0 to 3.0)", "> 0.999", "3", "yes"],
        ["x", "2", "12.250 (11.000 to 13.000)", "−1.0 (−2.0 to 0.0)", "0.250", "4", "no"],
    ]
    assert [cell.number for cell in found.rows[1][1:]] == [2.0, 12.25, -1.0, 0.25, 4.0, 0.0]


def test_words_are_those_of_tables_and_no_names_of_animals():
    assert word("preference B against A") is WORDS["preference"]
    assert word("median of something") is None
    table = pd.DataFrame({"p": [0.5]}, pd.Index(["habit"], name="animal"))
    assert not cells(table).rows[0][0].meaning
    assert cells(table.rename_axis("value")).rows[0][0].meaning == WORDS["habit"].meaning
    said = listed(["theta w", "theta x r", "p", "fly1", "grade", "diagnostics"])
    assert [one.called for one in said if not one.always] == [
        "diagnostics", "predictive p", "theta"
    ]  # fmt: skip
    assert [one.called for one in listed([])] == ["nats", "k-hat"]


@pytest.mark.parametrize(
    ("trials", "said"), [(0.4, "0.4"), (1.04, "1.0"), (2.4, "2.4"), (9.96, "10"), (37.6, "38")]
)
def test_a_memory_below_ten_trials_is_told_to_a_tenth(trials, said):
    assert in_trials(trials) == said


def test_a_forced_choice_is_known_to_be_one():
    sessions = random_sessions(3, lengths=(12, 9))
    offered = np.ones((*sessions.choices.shape, 2), dtype=bool)
    forced = np.flatnonzero(sessions.choices[0] >= 0)[[1, 3]]
    offered[0, forced, 1 - sessions.choices[0, forced]] = False
    posterior = made.posterior(
        ModelSpec("m", ("x r",)), replace(sessions, offered=offered, rejections=None)
    )
    held = trials(posterior, PASSED)["animals"]
    assert [own["forced"] for own in held.values()] == [forced.tolist(), []]


LOST = {"a": (2.0, 1.5, 2.5), "b": (5.0, 4.0, 6.0), "c": (1.0, 0.5, 1.5)}


def joint_of(unchosen, chosen):
    """What two models say together, by the probability that each gives either kind of weight."""
    rows = {"unchosen_probability": unchosen, "chosen_probability": chosen, "as_good": True}
    told = Averaged(0.97, 3.0, 2.0, 60.0), Averaged(0.99, 20.0, 10.0, 30.0)
    averaged = dict(zip(("unchosen", "chosen"), told, strict=True))
    return Joint("a new animal", pd.DataFrame(rows, ["near", "far"]), averaged, "", {})


def test_beside_the_answer_stand_trials_animals_and_how_far_models_are_behind():
    each = {name: Averaged(1.0, *own) for name, own in LOST.items()}
    animals = figures.Animals("near", {"unchosen": each, "chosen": {}})
    table = pd.DataFrame(
        {"difference": [0.0, -5.25], "animal_se": [0.0, 3.0]}, pd.Index(["near", "far"])
    )
    score = Score("a new animal", table, pd.DataFrame(), dict.fromkeys(table.index, PASSED))
    sure = joint_of([0.99, 0.96], [0.99, 0.999])
    assert first.rests_on(sure, animals, score, 3) == (
        "That is a memory of 33 trials (1.1 to 49) for stimuli not chosen and of 4.5 trials (2.8 to "
        "9.5) for the chosen stimulus, from 3 animals; weights of stimuli not chosen fade slowest in "
        "c (1.0 % a trial) and fastest in b (5.0 % a trial), by near; of the models taken together "
        "far is furthest behind the best, by 5.2 ± 3.0 nats."
    )
    each |= {"c": Averaged(0.9, 1.0, -0.5, 1.5)}
    unsure = "fade slowest in a (2.0 % a trial) and fastest in b (5.0 % a trial), and not surely in 1 of 3"
    assert unsure in first.rests_on(sure, animals, score, 3)
    each |= {"b": Averaged(0.9, 5.0, -0.5, 6.0)}
    assert "fade surely in a alone (2.0 % a trial), by" in first.rests_on(sure, animals, score, 3)
    each |= {"a": Averaged(0.9, 2.0, -0.5, 2.5)}
    assert "fade surely in no animal for itself, by" in first.rests_on(sure, animals, score, 3)
    # Of one kind a model is not sure: the answer says that it is open, whatever the average.
    assert first.rests_on(joint_of([0.99, 0.94], [0.99, 0.999]), animals, None, 3) == (
        "That is a memory of 4.5 trials (2.8 to 9.5) for the chosen stimulus, from 3 animals."
    )
    open_ = joint_of([0.6, 0.6], [0.6, 0.6])
    assert first.rests_on(open_, None, None, 3) == "This rests on 3 animals."


def test_tables_of_animals_have_a_row_each_and_losses_are_sorted(fit):
    values = tables_of_animals.coefficients(fit, PASSED)
    assert values.index.tolist() == ["animal0", "animal1", "animal2"]
    each = summary.animal_table(fit, PASSED)
    own = each.loc[("animal1", "theta w")]
    assert values["theta w"]["animal1"] == (own["median"], own["5 %"], own["95 %"])
    losses = tables_of_animals.losses(fit, PASSED)
    assert losses["loss in a trial (%)"].is_monotonic_increasing
    assert losses.loc[animal_losses(fit, PASSED).index].equals(animal_losses(fit, PASSED))


def test_how_far_animals_lie_apart_is_a_standard_deviation_in_every_draw(fit):
    theta = fit.posterior["theta"].sel(term="w").to_numpy()
    found = summary.between_animals(fit)
    assert found["theta w"] == pytest.approx(np.median(theta.std(axis=2, ddof=1)))
    assert found.index.tolist() == summary.population_table(fit, PASSED).index.tolist()
    alone = made.posterior(sessions=random_sessions(4, lengths=(9,)), shape=(2, 5))
    assert summary.between_animals(alone).isna().all()


def test_the_trials_of_each_animal_are_what_the_posterior_says_of_them(fit):
    held = trials(fit, PASSED)
    found = latents.latents(fit, verdict=PASSED)
    assert list(held["animals"]) == ["animal0", "animal1", "animal2"]
    for name, own in held["animals"].items():
        one = latents.of_animal(found, name)
        assert own["trial"] == one["trial"].to_numpy().tolist()
        named = ["" if k is None else held["stimuli"][k] for k in own["choice"]]
        assert named == one["choice"].to_numpy().tolist()
        for kind in ("weight", "probability"):
            for end, statistic in (("", "mean"), ("_low", "5 %"), ("_high", "95 %")):
                values = one[kind].sel(statistic=statistic).transpose("stimulus", "trial")
                np.testing.assert_allclose(
                    np.array(own[f"{kind}{end}"]) / SCALE, values, atol=0.5 / SCALE + 1e-9
                )


def test_of_three_alternatives_means_are_held_and_of_nothing_learned_no_weights():
    sessions = random_sessions(4, 3, lengths=(9, 14))
    held = trials(made.posterior(ModelSpec("m", ()), sessions, shape=(2, 5)), PASSED)
    assert held["animals"]["animal0"].keys() == {
        "trial", "starts", "forced", "choice", "reward", "probability",
    }  # fmt: skip
