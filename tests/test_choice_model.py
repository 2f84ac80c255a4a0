"""Sessions, forced and omitted trials, parts of the stimuli offered, lapses, traces of choices and an expected reward with
a rate: model, sampler and generator against one loop over trials in plain Python."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from scipy.special import expit, logit
from slow_reference import bound, factors, sigmoid

from hebbax.data import Record, from_animals
from hebbax.inference.density import expansion, log_likelihood, log_likelihood_by_animal
from hebbax.inference.pseudo_marginal import animal as sampler
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import numbers_of, sessions_of, to_inference_data
from hebbax.simulation.environment import Environment, generate

N, TRIALS = 3, 40
TERMS = ("x r", "w", "x w")
DRAWN = {
    "theta": [0.9, -0.3, 0.1],
    "preference": [0.4, -0.5],
    "habit": 0.7,
    "habit_rate": 0.35,
    "reward_rate": 0.2,
    "retention": 0.6,
    "lapse": 0.15,
}
"""Values of one animal, rates and parts as they are."""

MEMORY = {"reward": "exponential", "expected_start": 0.2, "habit_scale": 1.0, "habit": "kernel"}
CASES = {
    "a lapse": {"lapse_scale": 1.0},
    "a lapse among log odds": {"lapse_scale": 1.0, "readout": "softmax"},
    "a lapse in encounters": {"lapse_scale": 1.0, "likelihood": "encounter"},
    "a trace of choices": {"habit_scale": 1.0, "habit": "kernel"},
    "an average": {"reward": "exponential", "expected_start": 0.3},
    "weights kept": {"between_sessions": "keep", "habit_scale": 1.0},
    "weights and memory kept in part": {"between_sessions": "retain", **MEMORY},
    "weights kept in part": {"between_sessions": "retain", "habit_scale": 1.0},
    "everything reset": MEMORY,
    "omitted trials": {"omitted": "decay", "reward": "exponential"},
    "all": {"omitted": "decay", "lapse_scale": 1.0, "readout": "softmax", **MEMORY},
    "all of encounters": {
        "between_sessions": "retain", "lapse_scale": 1.0, "likelihood": "encounter",
        "omitted": "decay", **MEMORY,
    },
}  # fmt: skip


def recording(likelihood, *, omitted=True):
    """Two animals of up to three sessions, one of them without a choice, with omitted trials, and
    without encounters with forced ones and parts of the stimuli offered."""
    rng = np.random.default_rng(3)
    records = []
    for a, n in enumerate((TRIALS, TRIALS - 7)):
        session = np.sort(rng.integers(0, 3 - a, n))
        session -= session[0]
        choices = rng.integers(0, N, n)
        offered = rng.random((n, N)) < 0.6
        offered[np.arange(n), choices] = True
        choices[rng.random(n) < 0.15] = -1 if omitted else choices[0]
        if omitted and a == 0:
            choices[session == 1] = -1
        offered[np.arange(n), np.maximum(choices, 0)] = True
        rewards = np.where(choices >= 0, rng.integers(-1, 2, n), np.nan)
        rejections = rng.integers(0, 3, (n, N)) if likelihood == "encounter" else None
        shown = None if likelihood == "encounter" else offered
        records.append(
            Record(
                f"m{a}",
                choices,
                rewards,
                None,
                rejections,
                np.unique(session, return_inverse=True)[1],
                shown,
            )
        )
    return from_animals(records, ["A", "B", "C"], "made")


def values_of(model):
    """The values `DRAWN` of every animal, as the model has them."""
    medians = {
        one.name: one.median for one in model.choice_model.parameters if hasattr(one, "median")
    }
    own = {}
    for group in model.groups:
        value = np.asarray(DRAWN[group.name])
        if group.name in medians:
            value = logit(value) - logit(medians[group.name])
        if group.name == "preference" and not model.kind.relative:
            value = np.array([0.1, 0.4, -0.5])
        own[group.name] = jnp.broadcast_to(value, (model.sessions.n_animals, *group.shape))
    return own


def slow(spec, sessions, a, *, hearing=None):
    """log P of each observation of one animal, in order."""
    keep = {"reset": 0.0, "keep": 1.0, "retain": DRAWN["retention"]}[spec.between_sessions]
    softmax, encounters = spec.readout == "softmax", spec.likelihood == "encounter"
    lapse = DRAWN["lapse"] if spec.lapse_scale else 0.0
    preference = [0.1, 0.4, -0.5] if encounters else [0.0, *DRAWN["preference"]]
    w, trace, last, past = [0.0] * N, [0.0] * N, None, []
    expected, out = spec.expected_start, []
    for t in range(sessions.n_trials[a]):
        choice, reward = sessions.choices[a, t], sessions.rewards[a, t]
        if t and sessions.session[a, t] != sessions.session[a, t - 1]:
            w = [keep * one for one in w]
            trace = [keep * one for one in trace]
            expected = spec.expected_start + keep * (expected - spec.expected_start)
            if spec.between_sessions == "reset":
                last, past = None, []
        habit = [0.0] * N
        if spec.habit_scale:
            kernel = [float(k == last) for k in range(N)] if spec.habit == "last" else trace
            habit = [DRAWN["habit"] * one for one in kernel]
        log_odds = [one if softmax else 5 * math.tanh(0.75 * one) for one in w]
        shown = range(N) if sessions.offered is None else np.flatnonzero(sessions.offered[a, t])
        if encounters:
            p = [sigmoid(log_odds[k] + preference[k] + habit[k]) for k in range(N)]
            p = [(1 - lapse) * one + lapse / 2 for one in p]
            counts = sessions.rejections[a, t]
            if counts.sum() or choice >= 0:
                log_p = sum(n * math.log(1 - q) for n, q in zip(counts, p, strict=True))
                out.append(log_p + (math.log(p[choice]) if choice >= 0 else 0.0))
        elif choice >= 0 and len(shown) > 1:
            size = {
                k: math.exp(preference[k] + habit[k])
                * (math.exp(log_odds[k]) if softmax else sigmoid(log_odds[k]))
                for k in shown
            }
            out.append(
                math.log((1 - lapse) * size[choice] / sum(size.values()) + lapse / len(shown))
            )
        if choice < 0 and spec.omitted == "pass":
            continue
        r = 0.0
        if choice >= 0:
            r = reward - (expected if spec.reward == "exponential" else sum(past[-10:]) / 10)
        new = []
        for i in range(N):
            x = 0.75 if i == choice else 0.0
            change = 0.0
            for term, coefficient in zip(TERMS, DRAWN["theta"], strict=True):
                p = factors(term)
                change += coefficient * x ** p["x"] * w[i] ** p["w"] * r ** p["r"]
            moved = w[i] + change / N
            new.append(10 * bound(moved / 10) if softmax else bound(moved))
        w = new
        if choice >= 0:
            past.append(reward)
            expected += DRAWN["reward_rate"] * (reward - expected)
            trace = [
                one + DRAWN["habit_rate"] * ((k == choice) - one) for k, one in enumerate(trace)
            ]
            last = choice
    return out


def case_of(name, **more):
    spec = ModelSpec("m", TERMS, **CASES[name])
    sessions = recording(spec.likelihood, **more)
    return spec, sessions, build_model(spec, sessions)


@pytest.mark.parametrize("name", CASES)
def test_the_model_has_the_density_of_a_loop_over_trials(name):
    spec, sessions, model = case_of(name)
    expected = [slow(spec, sessions, a) for a in range(2)]
    values = values_of(model)
    each, whole = (
        jax.jit(partial(of, model))(values) for of in (log_likelihood, log_likelihood_by_animal)
    )
    np.testing.assert_allclose(each, np.concatenate(expected), rtol=1e-10)
    np.testing.assert_allclose(whole, [sum(own) for own in expected], rtol=1e-10)


@pytest.mark.parametrize("name", ["all", "all of encounters", "weights and memory kept in part"])
def test_the_sampler_has_the_same_density_slopes_and_information(name):
    """Slopes and information against those of the model in double precision, and the slope of one
    against differences of the loop's density."""
    spec, sessions, model = case_of(name)
    values = values_of(model)
    phi = jnp.concatenate([values[g.name].reshape(2, -1) for g in model.groups], axis=-1)
    whole = jax.jit(partial(expansion, model))(phi)
    frame, trials = sampler.frame_of(model), sampler.trials_of(model)
    each = jax.jit(jax.vmap(partial(sampler.expansion, frame)))(trials, phi)
    for a in range(2):
        found = jax.tree.map(lambda leaf, a=a: leaf[a], each)
        assert float(found.value) == pytest.approx(sum(slow(spec, sessions, a)), abs=2e-3)
        np.testing.assert_allclose(found.slope, whole.slope[a], rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(found.information, whole.information[a], rtol=3e-3, atol=3e-3)
    total = jax.grad(lambda one: log_likelihood_by_animal(model, split(model, one)).sum())
    ahead = jax.jit(total)(phi)
    np.testing.assert_allclose(whole.slope, ahead, rtol=1e-7, atol=1e-9)


def test_the_error_of_single_precision_does_not_grow_with_the_trials():
    """Of 40 000 trials, summed in single precision, it would be a twentieth of a nat."""
    model = build_model(ModelSpec("m", ("x r", "w")), random_sessions(0, lengths=(40_000,)))
    phi = jnp.array([[0.3, -0.1, 0.2], [0.4, -0.05, -0.1]])
    trials = jax.tree.map(lambda leaf: leaf[0], sampler.trials_of(model))
    single = partial(sampler.log_likelihood, sampler.frame_of(model), trials)
    found = jax.jit(jax.vmap(single))(phi)
    groups = [(group.name, group.scales.size) for group in model.groups]
    assert groups == [("theta", 2), ("preference", 1)]
    whole = jax.jit(
        jax.vmap(
            lambda one: log_likelihood_by_animal(
                model, {"theta": one[None, :2], "preference": one[None, 2:]}
            )[0]
        )
    )(phi)
    np.testing.assert_allclose(found, whole, atol=4e-3)


def split(model, phi):
    out, first = {}, 0
    for group in model.groups:
        size = group.scales.size
        out[group.name] = phi[:, first : first + size].reshape(2, *group.shape)
        first += size
    return out


@pytest.mark.parametrize("name", [name for name in CASES if "encounters" not in name])
def test_an_animal_that_lives_chooses_by_the_density_of_its_model(name):
    """The generator's own log probabilities are those that the model gives what it made."""
    spec, sessions, model = case_of(name)
    values = {key: value[0] for key, value in values_of(model).items()}
    n = sessions.n_trials[0]
    begins = jnp.asarray(np.diff(sessions.session[0, :n], prepend=0) > 0)
    offered = sessions.offered[0, :n].copy()
    if spec.omitted == "decay":
        offered[sessions.choices[0, :n] < 0] = False
    chances = np.tile([0.2, 0.5, 0.8], (n, 1))
    environment = Environment(chances, "independent", np.inf, begins, jnp.asarray(offered))
    made = generate(
        jax.random.PRNGKey(1), model.rule, model.network, model.animal(values), environment, spec
    )
    choices = np.asarray(made.choices)
    if spec.omitted == "decay":
        assert (choices[~offered.any(1)] < 0).all()
        offered[~offered.any(1)] = True
    assert offered[np.arange(n), choices][choices >= 0].all()
    record = Record(
        "m", choices, np.asarray(made.rewards), None, None, sessions.session[0, :n], offered
    )
    lived = build_model(spec, from_animals([record], ["A", "B", "C"], "lived"))
    free = (choices >= 0) & (offered.sum(1) > 1)
    own = {key: jnp.asarray(value)[None] for key, value in values.items()}
    found = jax.jit(partial(log_likelihood, lived))(own)
    np.testing.assert_allclose(found, np.asarray(made.log_probability)[free], rtol=1e-9)


def test_a_stored_posterior_holds_the_trials_that_only_teach():
    spec, sessions, model = case_of("all")
    draws = {key: np.asarray(value)[None, None] for key, value in values_of(model).items()}
    for group in model.groups:
        for end in ("population", "spread"):
            draws[f"{group.name}_{end}"] = np.full((1, 1, *group.shape), 0.5)
    made = {"method": "test", "seed": 0, "settings": {}}
    stored = to_inference_data(jax.random.PRNGKey(0), model, draws, {}, made)
    again = sessions_of(stored)
    for field in ("choices", "rewards", "session", "offered", "n_trials"):
        np.testing.assert_array_equal(getattr(again, field), getattr(sessions, field))
    assert stored.constant_data.sizes["observation"] < sessions.n_choices
    for a, numbers in enumerate(numbers_of(stored)):
        np.testing.assert_array_equal(numbers, np.arange(1, sessions.n_trials[a] + 1))
    values = values_of(model)
    np.testing.assert_array_equal(
        log_likelihood(build_model(spec, again), values), log_likelihood(model, values)
    )
    assert float(expit(draws["lapse"][0, 0, 0] + logit(spec.lapse_median))) == pytest.approx(0.15)
