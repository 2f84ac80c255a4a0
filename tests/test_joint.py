"""What models say together of fading: losses of any rule, weights of models, sentences, the file."""

import json
from dataclasses import replace

import jax.numpy as jnp
import made
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import random_sessions

import hebbax
from hebbax import figures
from hebbax.check import joint
from hebbax.check.comparison import compare
from hebbax.check.joint import Averaged
from hebbax.check.model_weights import probabilities, stacked
from hebbax.check.score import Score
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec
from hebbax.model.spec import ModelSpec
from hebbax.posterior.fading import Fading, Signals, fading, fading_of_animals, losses, signals
from hebbax.posterior.forgetting import forgetting
from hebbax.posterior.inference_data import spec_attribute
from hebbax.posterior.observed import BY_ANIMAL, of_each_animal
from hebbax.posterior.verdict import Verdict
from hebbax.rule import fading as exact
from hebbax.rule.taylor import TaylorRule

PASSED, BAD = Verdict((), {}, ""), Verdict(("R-hat is 1.6",), {}, "")


def test_losses_of_a_taylor_rule_are_those_of_its_terms():
    """Where they are the same in every trial; and by hand where the reward is a factor, and where
    the postsynaptic activity is: y = tanh(x w) has the slope x."""
    terms, theta = ("x r", "w", "x w", "x^2 w", "w^2"), np.random.default_rng(0).normal(size=(5, 5))
    at = Signals(jnp.array([-0.5, 0.0, 1.0]), jnp.array([0.2, 0.3, 0.5]))
    chosen, every = exact.losses(terms, 0.75, 3)
    found = losses(TaylorRule(terms), jnp.asarray(theta), 0.75, 3, at)
    np.testing.assert_allclose(found[:, 0], every.of(theta), atol=1e-12)
    np.testing.assert_allclose(found[:, 1], chosen.of(theta), atol=1e-12)
    mean, square = 0.4, 0.2 * 0.25 + 0.5
    found = losses(TaylorRule(("r w", "x y r^2")), jnp.array([[0.6, 0.8]]), 0.5, 2, at)
    expected = [-0.6 * mean / 2, -(0.6 * mean + 0.8 * 0.5 * 0.5 * square) / 2]
    np.testing.assert_allclose(found[0], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["forgetting", "q-learning", "hattori", "no-learning"])
def test_losses_of_a_posterior_are_those_of_its_population(name):
    """Of declared models against the losses by terms, with the population's coefficients."""
    spec = read_spec(name)
    posterior = made.posterior(spec)
    found = fading(posterior)
    assert found.unchosen.shape == found.chosen.shape == (10,)
    if not spec.terms:
        assert not found.unchosen.any()
        assert not found.chosen.any()
        return
    name = "coefficients_population" if spec.parameters else "theta_population"
    theta = posterior.posterior[name].to_numpy().reshape(10, -1)
    by_weight = {loss.weight: loss.of(theta) for loss in exact.losses(spec.terms, 0.75, 2)}
    alike = by_weight.get("a weight")
    chosen = by_weight.get("the chosen weight", alike)
    every = by_weight.get("every other weight", np.zeros(10) if alike is None else alike)
    if "x r w" in spec.terms:  # of which a trial with a reward has more
        model = build_model(spec, random_sessions(4))
        mean = model.sessions.rewards[model.sessions.valid].mean()
        chosen = chosen - 0.75 * mean * theta[:, spec.terms.index("x r w")] / 2
    np.testing.assert_allclose(found.chosen, chosen, atol=1e-9)
    np.testing.assert_allclose(found.unchosen, every, atol=1e-9)


def test_a_population_with_covariates_is_taken_at_their_mean():
    sessions = replace(random_sessions(4), covariates={"age": (1.0, 4.0)})
    posterior = made.posterior(ModelSpec("m", ("w",), by={"w": "age"}), sessions)
    effect = xr.DataArray(np.full((2, 5, 1), 0.3), dims=("chain", "draw", "column"))
    posterior.posterior["effect"] = effect
    theta = posterior.posterior["theta_population"].to_numpy().ravel()
    np.testing.assert_allclose(fading(posterior).unchosen, -(theta + 2.5 * 0.3) / 2, atol=1e-12)


def test_reward_signals_are_those_of_the_trials():
    sessions = random_sessions(4, lengths=(30, 41))
    posterior = made.posterior(ModelSpec("m", ("r w",), reward="raw"), sessions)
    found = signals(build_model(hebbax.ModelSpec("m", ("r w",), reward="raw"), sessions), posterior)
    assert found.value.tolist() == [0.0, 1.0]
    assert float(found.part[1]) == pytest.approx(sessions.rewards[sessions.valid].mean())
    spec = ModelSpec("m", ("r w",), reward="exponential", expected_start=0.5)
    posterior = made.posterior(spec, sessions)
    found = signals(build_model(spec, sessions), posterior)
    assert len(found.value) == 64
    rewards, rates = sessions.rewards, posterior.posterior["reward_rate"].mean(("chain", "draw"))
    by_hand = []
    for a, n in enumerate(sessions.n_trials):
        z = float(rates[a]) + np.log(spec.reward_rate_median / (1 - spec.reward_rate_median))
        rate, expected = 1.0 / (1.0 + np.exp(-z)), 0.5
        for reward in rewards[a, :n]:
            by_hand.append(reward - expected)
            expected += rate * (reward - expected)
    assert float(found.value @ found.part) == pytest.approx(np.mean(by_hand), abs=0.01)


def test_stacking_is_the_best_mixture():
    """Against a grid of weights of three models for six animals."""
    elpd = np.random.default_rng(3).normal(-100.0, 2.0, (3, 6))
    found = stacked(dict(zip("abc", elpd, strict=True)))
    assert sum(found.values()) == pytest.approx(1.0)
    grid = np.array(
        [(a, b, 1 - a - b) for a in np.linspace(0, 1, 201) for b in np.linspace(0, 1 - a, 201)]
    )

    def score(weights):
        return np.log(np.clip(weights, 0, 1) @ np.exp(elpd - elpd.max(0))).sum(-1)

    assert score(np.array(list(found.values()))) >= score(grid).max() - 1e-9
    one = stacked({"a": np.full(4, -10.0), "b": np.full(4, -30.0)})
    assert one["a"] == pytest.approx(1.0, abs=1e-6)


def test_probabilities_of_models_and_their_errors():
    """The error against draws of the evidences."""
    known, error = (
        {"a": -10.0, "b": -10.5, "d": -12.0},
        {"a": 0.1, "b": 0.2, "d": 0.1},
    )
    found = probabilities(known, error)
    p = np.exp([-10.0, -10.5, -12.0])
    np.testing.assert_allclose([found[m][0] for m in "abd"], p / p.sum())
    # One whose evidence is not known may be the likeliest.
    unknown = probabilities(known | {"c": np.nan}, error | {"c": np.nan})
    assert np.isnan(list(unknown.values())).all()
    drawn = np.random.default_rng(0).normal([-10.0, -10.5, -12.0], [0.1, 0.2, 0.1], (100_000, 3))
    drawn = np.exp(drawn) / np.exp(drawn).sum(1, keepdims=True)
    np.testing.assert_allclose([found[m][1] for m in "abd"], drawn.std(0), rtol=0.05)


YES, NO, NONE = (
    Averaged(0.99, 2.6, 1.9, 3.4),
    Averaged(0.6, 0.3, -1.0, 2.0),
    Averaged(0.0, 0.0, 0.0, 0.0),
)
SAID = {
    "all": (
        {"a": YES, "b": Averaged(0.9995, 3.0, 2.0, 4.0)},
        "Weights fade by 2.6 % a trial (1.9 to 3.4), with probability 0.990 in the 2 models that "
        "predict a new animal best and are not told apart.",
    ),
    "one model": (
        {"a": YES},
        "Weights fade by 2.6 % a trial (1.9 to 3.4), with probability 0.990 in a, which predicts a "
        "new animal best.",
    ),
    "one of two": (
        {"a": YES, "b": NONE},
        "Whether weights fade is open: of the 2 models that predict a new animal best and are not "
        "told apart, they do in a, and not surely in b.",
    ),
    "none surely": (
        {"a": NO, "b": NONE},
        "That weights fade is not shown: it has probability 0.600 at most in the 2 models that "
        "predict a new animal best and are not told apart.",
    ),
    "none": (
        {"a": NONE, "b": NONE},
        "Weights do not fade in the 2 models that predict a new animal best and are not told apart.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_nothing_is_said_that_a_model_as_good_does_not_share(case):
    models, expected = SAID[case]
    best = "a, which predicts a new animal best"
    alike = "the 2 models that predict a new animal best and are not told apart"
    told = best if len(models) == 1 else alike
    assert joint.sentence("weights", models, YES, told) == expected


@pytest.mark.parametrize(
    ("declaring", "end"),
    [
        (["a"], "with probability 0.990 in the 2 models that predict a new animal best and are not told apart (a declares it)."),
        (["a", "b"], "in the 2 models that predict a new animal best and are not told apart, which all declare that they do: c, the best in which they stay, is 9.0 nats behind (± 2.0 over animals)."),
    ],
)  # fmt: skip
def test_that_a_model_declares_a_fading_is_no_probability(declaring, end):
    without = "c, the best in which they stay, is 9.0 nats behind (± 2.0 over animals)"
    alike = "the 2 models that predict a new animal best and are not told apart"
    sure = joint.Declared(declaring, without)
    said = joint.sentence(
        "weights", {"a": Averaged(1.0, 3.0, 2.0, 4.0), "b": YES}, YES, alike, sure
    )
    assert said.startswith("Weights fade by 2.6 % a trial (1.9 to 3.4)")
    assert said.endswith(end)


@pytest.mark.parametrize(
    ("model", "declared"),
    [
        ("forgetting", set()),
        ("no-learning", set()),
        ("q-learning", {"chosen"}),
        ("forgetting-q", {"chosen", "unchosen"}),
    ],
)
def test_a_model_declares_what_fades_wherever_its_parameters_may_be(model, declared):
    assert fading(made.posterior(read_spec(model))).declared == declared


def test_what_a_prior_hardly_allows_is_not_declared():
    """That weights grow has a prior probability of 0.6 %: of 200 draws there may be none."""
    anywhere = {"a": {"range": "any", "median": 0.5, "scale": 0.2}}
    spec = ModelSpec("m", ("w",), parameters=anywhere, coefficients={"w": "-n * a"})
    fit = made.posterior(spec)
    assert fading(fit).declared == frozenset()
    assert not forgetting(fit)[0].declared


def test_models_as_good_as_the_best_are_those_too_near_to_choose_by():
    table = pd.DataFrame(
        {"difference": [0.0, -3.0, -9.0, -11.0, 2.0], "animal_se": [0.0, 0.1, 5.0, 5.0, 1.0]},
        list("abcde"),
    )
    verdicts = dict.fromkeys("abcd", PASSED) | {"e": BAD}
    assert Score("q", table, pd.DataFrame(), verdicts).as_good == ["a", "b", "c"]


def test_one_animal_leaves_its_models_even_weights():
    """The best at its choices would take all the weight, however uncertain that is."""
    table = pd.DataFrame(
        {"difference": [0.0, -57.0], "animal_se": np.nan, "elpd": [-1.0, -58.0]}, ["a", "b"]
    )
    by_animal = pd.DataFrame({"m": [0.0, -57.0]}, ["a", "b"])
    score = Score("a new animal", table, by_animal, {"a": PASSED, "b": PASSED})
    assert joint.stacking(score, left_out=True) == {"a": 0.5, "b": 0.5}


def test_draws_of_one_model_are_taken_as_they_are():
    drawn = {"a": np.arange(601.0), "b": np.zeros(3)}
    np.testing.assert_array_equal(joint.mixed(drawn, {"a": 1.0, "b": 0.0}), drawn["a"])


def test_the_best_in_which_weights_not_chosen_stay_is_named_where_both_kinds_are_told():
    """In q-learning the chosen value moves, and it is nearer than the model without learning."""
    loss = {"forgetting": (0.5, 0.5), "q-learning": (0.0, 0.4), "null": (0.0, 0.0)}
    found = {
        name: Fading(np.full(9, unchosen), np.full(9, chosen), {"unchosen", "chosen"})
        for name, (unchosen, chosen) in loss.items()
    }
    table = pd.DataFrame(
        {"difference": [0.0, -7.7, -22.4], "animal_se": 2.0, "elpd": [-1.0, -8.7, -23.4]}, [*loss]
    )
    verdicts = dict.fromkeys(loss, PASSED)
    score = Score("a new animal", table, pd.DataFrame(np.zeros((3, 3)), [*loss]), verdicts)
    said = joint.answer(score, found, {"forgetting": 1.0}).sentence
    assert said.endswith(
        "q-learning, the best in which those that were not chosen stay, is 7.7 nats behind "
        "(± 2.0 over animals)."
    )


def test_an_answer_is_written_with_numbers_of_every_model(tmp_path):
    """Two models of one recording; the better one by every animal has all the weight."""
    sessions, fits = replace(random_sessions(4), covariates={"age": (1.0, 4.0)}), {}
    for name, log_p in (("forgetting", -20.0), ("reward", -40.0)):
        fit = made.posterior(read_spec(name), sessions, shape=(2, 200))
        fit.attrs |= {"log_evidence": 2 * log_p, "log_evidence_error": 0.1}
        each = log_p + 0.01 * np.random.default_rng(1).normal(size=(2, 200, 2))
        fit[BY_ANIMAL] = xr.DataTree(of_each_animal(fit.posterior, each))
        fits[name] = fit
    verdicts = {"forgetting": PASSED, "reward": PASSED}
    found = joint.joint(compare(fits, verdicts), fits)
    assert found.sentence.startswith(
        "That weights, of the chosen stimulus and of every other alike, fade is not shown: "
    )
    joint.write(found, tmp_path)
    held = json.loads((tmp_path / "answer.json").read_text())
    assert set(held) == {
        "version",
        "sentence",
        "question",
        "unchosen_fades",
        "chosen_fades",
        "models",
    }
    assert held["question"] == "a new animal"
    own = held["models"]["forgetting"]
    theta = fits["forgetting"].posterior["theta_population"].sel(term="w").to_numpy()
    assert own["unchosen_median"] == pytest.approx(-50 * np.median(theta))
    assert own["weight"] == pytest.approx(1.0, abs=1e-4)
    assert own["log_evidence"] == -40.0
    assert own["left_out_animals"] == pytest.approx(-40.0, abs=0.1)
    assert held["unchosen_fades"]["median"] == pytest.approx(own["unchosen_median"], abs=0.5)
    assert held["models"]["reward"]["as_good"] is False
    assert held["models"]["reward"]["chosen_high"] == 0.0
    assert list(pd.read_csv(tmp_path / "fading.csv")["model"]) == ["forgetting", "reward"]
    drawn = figures.fading(found)
    (ax,) = drawn.axes  # no model tells chosen and not chosen apart
    assert [t.get_text() for t in ax.get_xticklabels()] == ["average", "forgetting", "reward"]
    assert ax.get_ylabel() == "loss in a trial (%)\nof weights"
    each = fading_of_animals(fits["forgetting"])
    own = {name: joint.averaged(one.of("unchosen")) for name, one in each.items()}
    animals = figures.Animals("forgetting", {"unchosen": own, "chosen": own})
    of_models, of_animals = figures.fading(found, animals, {"unchosen": 3.0}).axes
    shown = [t.get_text() for t in of_animals.get_xticklabels()]
    assert sorted(shown) == sorted(own)
    medians = [own[name].median for name in shown]
    assert medians == sorted(medians)
    assert [t.get_text() for t in of_models.get_legend().get_texts()] == ["truth of the population"]
    one = joint.joint(compare(fits, {"forgetting": PASSED, "reward": BAD}), fits)
    assert "forgetting, the only model that did not fail its diagnostics" in one.sentence
    alone = {"forgetting": fits["forgetting"]}
    assert "forgetting, the only model that was fitted" in (
        joint.joint(compare(alone, {"forgetting": PASSED}), alone).sentence
    )
    assert one.models["probability"].to_dict() == pytest.approx(
        {"forgetting": 1.0, "reward": np.nan}, nan_ok=True
    )
    joint.remove(tmp_path)
    assert not list(tmp_path.iterdir())
    fits["forgetting"].attrs["spec"] = spec_attribute(
        replace(read_spec("forgetting"), by={"w": "age"})
    )
    groups = joint.joint(compare(fits, verdicts), fits)
    assert groups.sentence == f"{found.sentence} {joint.OF_WHOM}"
    declaring = {"q-learning": made.posterior(read_spec("q-learning"), sessions, shape=(2, 200))}
    told = joint.joint(compare(declaring, {"q-learning": PASSED}), declaring).models.loc[
        "q-learning"
    ]
    assert np.isnan(told["chosen_probability"])
    assert told["unchosen_probability"] == 0.0
    failed = joint.joint(compare(fits, dict.fromkeys(fits, BAD)), fits)
    assert (failed.sentence, dict(failed.averaged)) == ("", {})
    alone = {
        "m": made.posterior(ModelSpec("m", ("w",), hierarchy="none"), sessions, shape=(2, 200))
    }
    assert joint.joint(compare(alone, {"m": PASSED}), alone) is None


def test_of_a_model_in_which_weights_stay_it_is_said_that_it_failed():
    table = pd.DataFrame({"difference": [0.0, -3.0], "animal_se": [0.0, 1.0]}, ["free", "still"])
    score = Score("q", table, pd.DataFrame(), {"free": PASSED, "still": BAD})
    assert (
        joint._without(score, ["still"], "they")
        == "still, in which they stay, FAILED its diagnostics"
    )
    assert joint._without(score, [], "they") == "no model in which they stay was compared"


def test_an_answer_says_which_posteriors_are_imprecise():
    table = pd.DataFrame({"difference": [0.0, -1.0], "animal_se": [0.0, 1.0]}, ["a", "b"])
    imprecise = Verdict(("few draws",), {}, "", grave=False)
    one = Score("q", table, pd.DataFrame(), {"a": PASSED, "b": imprecise})
    assert joint._imprecise(one) == "By the diagnostics the posterior is imprecise: b."
    both = Score("q", table, pd.DataFrame(), {"a": imprecise, "b": imprecise})
    assert joint._imprecise(both) == "By the diagnostics the posteriors are imprecise: a, b."
    assert joint._imprecise(Score("q", table, pd.DataFrame(), {"a": PASSED, "b": PASSED})) == ""


def test_the_second_sentence_does_not_say_again_which_models():
    apart = {"unchosen": YES, "chosen": NO}
    said = joint._said(
        {"a": apart, "b": apart},
        apart,
        "the 2 models",
        joint.SUBJECTS,
        dict.fromkeys(apart, joint.NOTHING),
    )
    first, second = said.split(". ", 1)
    assert first.endswith("in the 2 models")
    assert second.endswith("in the same 2 models.")
