"""Latents of every trial, against a loop over draws and trials in plain Python."""

import math

import made
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import test_effects
from command import run
from conftest import random_sessions
from scipy.special import expit, logit, logsumexp
from slow_reference import bound, factors, sigmoid
from test_choice_model import TERMS, N, recording

import hebbax
from hebbax import figures
from hebbax.data import NO_CHOICE
from hebbax.errors import DataError, FitError
from hebbax.model.spec import ModelSpec
from hebbax.posterior.diagnostics import diagnose
from hebbax.posterior.inference_data import write
from hebbax.posterior.latents import latents, of_animal, table, typical_animal

RETAINED = {
    "reward": "exponential", "expected_start": 0.2, "between_sessions": "retain",
    "omitted": "decay", "readout": "softmax", "lapse_scale": 1.0,
}  # fmt: skip
CASES = {
    "an expected reward with a rate": RETAINED,
    "the mean of a window": {"reward": "expected", "window": 4},
}
BEFORE = ("weight", "expected_reward")
"""What is known of trials without a choice too."""


def fraction(draw, spec, name):
    """A parameter between 0 and 1 of one animal."""
    median = getattr(spec, f"{name}_median")
    return float(expit(draw[name] + logit(median)))


def slow(spec, sessions, a, draw):
    """The latents of one animal under one draw, each (trial, ...); P is zero where not offered."""
    softmax, rated = spec.readout == "softmax", spec.reward == "exponential"
    keep = fraction(draw, spec, "retention") if rated else 0.0
    lapse = fraction(draw, spec, "lapse") if rated else 0.0
    w, past, expected = [0.0] * N, [], spec.expected_start
    out = {name: [] for name in (*BEFORE, "signal", "change", "probability")}
    for t in range(sessions.n_trials[a]):
        choice, reward = sessions.choices[a, t], sessions.rewards[a, t]
        if t and sessions.session[a, t] != sessions.session[a, t - 1]:
            w = [keep * one for one in w]
            expected = spec.expected_start + keep * (expected - spec.expected_start)
            past = []
        e = expected if rated else sum(past[-4:]) / 4
        r = reward - e if choice >= 0 else 0.0
        shown = np.flatnonzero(sessions.offered[a, t])
        size = dict.fromkeys(range(N), 0.0)
        for k in shown:
            preference = [0.0, *draw["preference"]][k]
            strength = math.exp(w[k]) if softmax else sigmoid(5 * math.tanh(0.75 * w[k]))
            size[k] = math.exp(preference) * strength
        p = [(1 - lapse) * one / sum(size.values()) for one in size.values()]
        out["weight"].append(w)
        out["expected_reward"].append(e)
        out["signal"].append(r)
        out["probability"].append([p[k] + lapse / len(shown) * (k in shown) for k in range(N)])
        before, w = w, []
        for i in range(N):
            x, change = 0.75 if i == choice else 0.0, 0.0
            for term, coefficient in zip(TERMS, draw["theta"], strict=True):
                power = factors(term)
                change += coefficient * x ** power["x"] * before[i] ** power["w"] * r ** power["r"]
            moved = before[i] + change / N
            w.append(10 * bound(moved / 10) if softmax else bound(moved))
        out["change"].append(w[choice] - before[choice])
        if choice >= 0:
            past.append(reward)
            expected += fraction(draw, spec, "reward_rate") * (reward - e) if rated else 0.0
    return {name: np.array(values) for name, values in out.items()}


@pytest.mark.parametrize("name", CASES)
def test_latents_are_those_of_a_loop_over_draws_and_trials(name):
    spec = ModelSpec("m", TERMS, **CASES[name])
    fit = made.posterior(spec, recording("choice", omitted=spec.omitted == "decay"))
    found = latents(fit)
    sessions = hebbax.posterior.inference_data.sessions_of(fit)
    assert (sessions.choices[sessions.session >= 0] == NO_CHOICE).any() == (spec.omitted == "decay")
    drawn = {key: np.concatenate(list(values.to_numpy())) for key, values in fit.posterior.items()}
    for a, animal in enumerate(sessions.animals):
        n = sessions.n_trials[a]
        own, choices = of_animal(found, animal), sessions.choices[a, :n]
        each = [
            slow(spec, sessions, a, {key: values[s, a] for key, values in drawn.items()
                                     if not key.endswith(("population", "spread"))})
            for s in range(10)
        ]  # fmt: skip
        made_one = choices >= 0
        for key in each[0]:
            values = np.stack([one[key] for one in each])
            told = np.stack([values.mean(0), *np.quantile(values, (0.05, 0.95), axis=0)], axis=-1)
            if "statistic" not in own[key].dims:
                np.testing.assert_allclose(told[..., 0], told[..., 2], atol=1e-12)
                told = told[..., 0]
            where = made_one if key in ("signal", "change", "expected_reward") else slice(None)
            np.testing.assert_allclose(own[key].to_numpy()[where], told[where], atol=1e-9)
        for key in ("signal", "change", "log_probability"):
            assert np.isnan(own[key].to_numpy()[~made_one]).all()
        chosen = np.mean([one["probability"] for one in each], axis=0)[np.arange(n), choices]
        log_p = own["log_probability"].to_numpy()
        np.testing.assert_allclose(log_p[made_one], np.log(chosen[made_one]), atol=1e-9)
        one_offered = sessions.offered[a, :n].sum(1) == 1
        np.testing.assert_array_equal(own["forced"], one_offered & made_one)
        assert own["forced"].any()
        np.testing.assert_allclose(log_p[own["forced"].to_numpy()], 0.0, atol=1e-12)
        np.testing.assert_array_equal(own["session"], sessions.session[a, :n] + 1)
        names = [*sessions.stimuli, ""]
        assert own["choice"].to_numpy().tolist() == [names[k] for k in choices]
        np.testing.assert_array_equal(own["reward"][made_one], sessions.rewards[a, :n][made_one])
    if spec.omitted == "decay":
        assert not np.isnan(found["expected_reward"]).any()


def test_of_q_learning_the_change_is_the_learning_rate_times_the_prediction_error():
    """In log odds: beta Q is the weight, and alpha beta (R - Q) what happens to the chosen one."""
    fit = made.posterior(hebbax.read_spec("q-learning"))
    sessions = hebbax.posterior.inference_data.sessions_of(fit)
    parameters = fit.posterior["parameters"].stack(sample=("chain", "draw"))
    own = of_animal(latents(fit), sessions.animals[1])
    alpha, beta = parameters.isel(animal=1).sel(parameter=["alpha", "beta"]).to_numpy()
    value, weights, changes = np.zeros((2, len(alpha))), [], []
    for t in range(sessions.n_trials[1]):
        chosen, reward = sessions.choices[1, t], sessions.rewards[1, t]
        error = reward - value[chosen]
        weights.append((beta * value).mean(-1))
        changes.append((alpha * beta * error).mean())
        value[chosen] += alpha * error
    told = own.sel(statistic="mean")
    np.testing.assert_allclose(told["weight"], weights, atol=1e-9)
    np.testing.assert_allclose(told["change"], changes, atol=1e-9)


@pytest.fixture(scope="module")
def fit():
    return made.posterior(sessions=random_sessions(4, lengths=(9, 14, 12)))


def test_few_draws_are_spread_over_the_chains_and_animals_are_numbered_by_the_recording(fit):
    found = latents(fit, draws=2, animals=["animal2"])
    assert found.attrs["draws"] == 2
    ends = fit.posterior["theta"].to_numpy().reshape(10, 3, 2)[[0, 9]]
    assert found["change"].dims == ("trial", "statistic")
    first = found.isel(trial=0)
    moved = ends[:, 2, 0] * 0.75 * first["signal"].item() / 2
    np.testing.assert_allclose(first["change"].sel(statistic="mean").item(), moved.mean())
    numbers = fit.constant_data["trial"].to_numpy()[fit.constant_data["animal_index"] == 2]
    np.testing.assert_array_equal(found["trial"], numbers)


def test_what_cannot_be_told_is_one_sentence(fit):
    with pytest.raises(FitError) as error:
        latents(fit, draws=0)
    assert str(error.value) == "0 draws asked for; latents need 1 or more."
    with pytest.raises(DataError) as error:
        latents(fit, animals=["rat"])
    assert str(error.value) == ("random: no animal rat; there are animal0, animal1, animal2.")


def test_two_columns_of_one_name_are_refused(fit):
    found = latents(fit).assign_coords(stimulus=["a", "a, 5 %"])
    with pytest.raises(FitError) as error:
        table(found)
    assert str(error.value) == (
        'random: two columns would be called "weight of a, 5 %"; rename one of the alternatives.'
    )


@pytest.fixture(scope="module")
def told(fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("latents")
    write(fit, folder / "m.nc")
    done = run("latents", folder / "m.nc", "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_command_writes_a_row_a_trial_and_a_picture(fit, told):
    folder, done = told
    said = " ".join(done.stdout.split())
    assert "FAILED its diagnostics" in said
    assert said.endswith(
        f"29 trials in {folder / 'out' / 'latents_m.csv'}, a picture of some in "
        f"{folder / 'out' / 'latents_m.png'}"
    )
    written = pd.read_csv(folder / "out" / "latents_m.csv")
    assert written.columns.tolist() == [
        "animal", "session", "trial", "choice", "reward", "forced",
        *(f"weight of odour{k}{end}" for k in (0, 1) for end in ("", ", 5 %", ", 95 %")),
        "expected reward E[R]", "reward signal r",
        *(f"change of the chosen weight{end}" for end in ("", ", 5 %", ", 95 %")),
        *(f"P(odour{k}){end}" for k in (0, 1) for end in ("", ", 5 %", ", 95 %")),
        "log P of the choice", "diagnostics",
    ]  # fmt: skip
    assert set(written["diagnostics"]) == {"FAILED"}
    pd.testing.assert_frame_equal(written, table(latents(fit)), check_dtype=False)
    assert (folder / "out" / "latents_m.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("--out", "{0}/out"), "{0}/out/latents_m.csv: exists already; --force replaces it."),
        (
            ("--out", "{0}/new", "--animal", "rat"),
            "random: no animal rat; there are animal0, animal1, animal2.",
        ),
    ],
)  # fmt: skip
def test_the_command_refuses_in_a_sentence_and_writes_nothing(told, args, sentence):
    folder, _ = told
    before = (folder / "out" / "latents_m.csv").read_bytes()
    done = run("latents", folder / "m.nc", *(arg.format(folder) for arg in args))
    assert (done.returncode, done.stderr) == (2, f"hebbax: {sentence.format(folder)}\n")
    assert {path.name for path in folder.iterdir()} == {"m.nc", "out"}
    assert (folder / "out" / "latents_m.csv").read_bytes() == before


def test_a_typical_animal_has_the_median_number_of_trials(fit):
    assert typical_animal(fit) == "animal2"


def test_the_picture_shows_whole_sessions_and_where_they_begin(fit):
    """Two sessions of 150 trials fit, the third does not; of one of 1000 the first 800 are shown."""
    own = latents(fit, animals=["animal1"])
    long = own.isel(trial=np.arange(1000) % own.sizes["trial"]).assign_coords(
        trial=np.arange(1, 1001), session=("trial", np.repeat([1, 2, 3, 4], (150, 150, 150, 550)))
    )
    verdict = diagnose(fit)
    parted = figures.session(long, verdict)
    assert parted.get_suptitle().startswith("m: animal1, sessions 1 to 2 of 4 (mean")
    one = figures.session(long.assign_coords(session=("trial", np.ones(1000, int))), verdict)
    assert one.get_suptitle().startswith("m: animal1, the first 800 trials (mean")
    for figure, drawn, dotted in (
        (parted, [(1, 150), (151, 300)], [150.5, 150.5]),
        (one, [(1, 800)], []),
    ):
        last = drawn[-1][1]
        weights = figure.axes[1]
        blue = [
            one.get_xdata() for one in weights.lines if one.get_color() == figures.style.PALETTE[0]
        ]
        assert [(own[0], own[-1]) for own in blue] == drawn
        assert [label for ax in figure.axes for label in [ax.get_ylabel()]] == [
            "choice", "weight", "P(odour1)",
        ]  # fmt: skip
        starts = [one.get_xdata()[0] for ax in figure.axes[:2] for one in ax.lines
                  if one.get_color() == "0.5" and len(set(one.get_xdata())) == 1]  # fmt: skip
        assert starts == dotted
        ticks = sum(len(one.get_segments()) for one in figure.axes[0].collections)
        assert ticks == last - (long["choice"][:last] == "").sum()
        assert "the posterior FAILED its diagnostics" in [one.get_text() for one in figure.texts]
    plt.close("all")


def test_trials_that_were_all_forced_have_a_picture_without_probabilities(fit):
    own = latents(fit, animals=["animal1"])
    forced = own.assign(forced=own["forced"] | True)
    figure = figures.session(forced, diagnose(fit))
    assert [line for line in figure.axes[-1].lines if len(line.get_xdata()) > 2] == []
    plt.close("all")


def test_a_model_that_learns_nothing_has_no_weights_to_show():
    fit = made.posterior(ModelSpec("m", ()))
    found = latents(fit)
    assert not found["weight"].any()
    assert "change" not in found
    figure = figures.session(of_animal(found, "animal0"), diagnose(fit))
    assert [ax.get_ylabel() for ax in figure.axes] == ["choice", "P(odour1)"]
    plt.close("all")


def test_what_was_chosen_has_the_probability_that_is_stored_of_it_with_effects_of_covariates():
    """Of one group of the animals, whose effects are those of the whole cohort."""
    fit = made.posterior(test_effects.SPEC, test_effects.sessions())
    animals = ["animal0", "animal2"]
    found = latents(fit, animals=animals)
    stored = fit.log_likelihood["choice"].stack(sample=("chain", "draw")).to_numpy()
    own = np.isin(fit.constant_data["animal_index"], (0, 2))
    expected = logsumexp(stored[own], axis=1) - np.log(stored.shape[1])
    np.testing.assert_allclose(found["log_probability"], expected, atol=1e-6)
