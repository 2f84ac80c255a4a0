"""A preference that varies by session: density, slopes and simulation against the sum over levels
of models in which it does not vary."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_expit, logsumexp

from hebbax.data import Record, from_animals
from hebbax.errors import ModelError
from hebbax.inference.density import expansion, log_likelihood, log_likelihood_by_animal
from hebbax.inference.pseudo_marginal import animal as sampler
from hebbax.model.choices import build_model
from hebbax.model.session_preference import LEVELS, prior
from hebbax.model.spec import ModelSpec
from hebbax.simulation.environment import Environment, generate

SD = 0.7
PLAIN = ModelSpec("m", ("x r", "w"), readout="softmax", reward="raw")
MEMORY = {"reward": "exponential", "habit_scale": 1.0, "habit": "kernel"}
CASES = {
    "by acceptance": {"readout": "accept"},
    "with lapses": {"lapse_scale": 1.0},
    "weights kept": {"between_sessions": "keep"},
    "weights and memory kept in part": {"between_sessions": "retain", **MEMORY},
    "time passes in omitted trials": {"omitted": "decay"},
}


def recording():
    """Two animals of three sessions, with omitted and forced trials."""
    rng = np.random.default_rng(5)
    records = []
    for a, n in enumerate((60, 48)):
        choices = np.where(rng.random(n) < 0.1, -1, rng.integers(0, 2, n))
        offered = np.ones((n, 2), bool)
        forced = (rng.random(n) < 0.15) & (choices >= 0)
        offered[forced] = np.eye(2, dtype=bool)[choices[forced]]
        rewards = np.where(choices >= 0, rng.random(n) < 0.5, np.nan)
        session = np.arange(n) * 3 // n
        records.append(Record(f"m{a}", choices, rewards, None, None, session, offered))
    return from_animals(records, ["left", "right"], "made")


def varying(case):
    """A case with a preference that varies, its model, and values of its animals (animal, ...)."""
    spec = replace(PLAIN, **CASES[case], session_sd_scale=0.5)
    model = build_model(spec, recording())
    made = {
        group.name: jnp.linspace(0.3, -0.2, 2 * group.scales.size).reshape(2, *group.shape)
        for group in model.groups
    }
    return spec, model, made | {"session_sd": jnp.full(2, jnp.log(SD / 0.3))}


def by_levels(spec, sessions, values):
    """log P of each animal's choices: in every session the sum over levels of what the model
    without levels says at the preference of the level."""
    plain = build_model(replace(spec, session_sd_scale=0.0), sessions)
    own = {name: value for name, value in values.items() if name != "session_sd"}
    sd = 0.3 * np.exp(np.asarray(values["session_sd"]))
    of_trials = jax.jit(lambda own: plain.padded_distribution(own).log_prob(padded(plain)))
    log_p = []
    for level in LEVELS:
        each = of_trials(own | {"preference": own["preference"] + level * sd})
        session = plain.sessions.session
        log_p.append([[each[a, session[a] == s].sum() for s in range(3)] for a in range(2)])
    weight = np.log(prior())[:, None, None]
    return logsumexp(np.array(log_p) + weight, axis=0).sum(-1)


def padded(model):
    sessions = model.sessions
    return jnp.where(sessions.observed("choice"), sessions.choices, -1)


def flat(model, values):
    return jnp.concatenate([values[g.name].reshape(2, -1) for g in model.groups], axis=-1)


@pytest.mark.parametrize("case", CASES)
def test_the_density_is_the_sum_over_levels_in_every_session(case):
    spec, model, values = varying(case)
    found = jax.jit(partial(log_likelihood_by_animal, model))(values)
    np.testing.assert_allclose(found, by_levels(spec, recording(), values), rtol=1e-10)


@pytest.mark.parametrize("case", ["with lapses", "weights and memory kept in part"])
def test_the_sampler_has_the_same_density_slopes_and_information(case):
    spec, model, values = varying(case)
    phi = flat(model, values)
    whole = jax.jit(partial(expansion, model))(phi)
    expected = by_levels(spec, recording(), values)
    frame, trials = sampler.frame_of(model), sampler.trials_of(model)
    for a in range(2):
        own = jax.tree.map(lambda leaf, a=a: leaf[a], trials)
        found = sampler.expansion(frame, own, phi[a])
        assert float(found.value) == pytest.approx(expected[a], abs=2e-3)
        np.testing.assert_allclose(found.slope, whole.slope[a], rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(found.information, whole.information[a], rtol=3e-3, atol=3e-3)


def test_a_level_that_seemed_lost_comes_back_in_single_precision_too():
    """A session of 300 choices of one side and then 300 of the other, without learning."""
    spec = ModelSpec("m", (), readout="softmax", reward="raw", session_sd_scale=0.5)
    choices = np.repeat([1, 0, 1], (300, 300, 10))
    session = np.repeat([0, 1], (600, 10))
    record = Record("m", choices, np.zeros(610), None, None, session)
    model = build_model(spec, from_animals([record], ["left", "right"], "made"))
    values = {"preference": jnp.zeros(1), "session_sd": jnp.full(1, jnp.log(1.5 / 0.3))}
    whole = float(log_likelihood_by_animal(model, values)[0])
    z = 1.5 * LEVELS
    exact = logsumexp(300 * log_expit(z) + 300 * log_expit(-z), b=prior())
    exact += logsumexp(10 * log_expit(z), b=prior())
    assert whole == pytest.approx(exact, rel=1e-9)
    own = jax.tree.map(lambda leaf: leaf[0], sampler.trials_of(model))
    phi = jnp.concatenate([values["preference"], values["session_sd"]])
    single = sampler.log_likelihood(sampler.frame_of(model), own, phi)
    assert float(single) == pytest.approx(exact, abs=5e-3)


def test_levels_are_those_of_a_normal_distribution():
    """Their variance, and the probability of 400 choices with a part to the right, against
    quadrature of the normal prior: the levels are finer than what a session tells."""
    assert prior() @ LEVELS**2 == pytest.approx(1.0, abs=0.01)
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)

    def log_p(right, z):
        return right * log_expit(z) + (400 - right) * log_expit(-z)

    for right in np.arange(120, 281, 10):
        for sd in (0.5, 1.0):
            exact = logsumexp(log_p(right, sd * nodes), b=weights / weights.sum())
            assert logsumexp(log_p(right, sd * LEVELS), b=prior()) == pytest.approx(exact, abs=0.1)


def test_more_than_two_alternatives_are_refused():
    spec = replace(PLAIN, session_sd_scale=0.5)
    record = Record("a", np.array([0, 1, 2]), np.zeros(3), None, None, np.array([0, 0, 1]))
    with pytest.raises(ModelError) as caught:
        build_model(spec, from_animals([record], ["A", "B", "C"], "made"))
    assert str(caught.value) == (
        "m: the preference varies by session, which is a preference between two alternatives, and "
        'made has 3; leave out "session_sd_scale".'
    )


def test_encounters_are_refused():
    with pytest.raises(ModelError) as caught:
        replace(PLAIN, readout="accept", likelihood="encounter", session_sd_scale=0.5)
    assert str(caught.value) == (
        'm: a preference that varies by session ("session_sd_scale" above 0) is of '
        'choices, and the likelihood is "encounter"; use likelihood = "choice".'
    )


def test_an_animal_that_lives_chooses_by_the_density_of_its_model():
    """The generator's own log probabilities are those that the model gives what it made, and the
    parts of choices to the right differ between sessions as by a preference of that spread."""
    spec, model, values = varying("with lapses")
    own = {name: value[0] for name, value in values.items()}
    own["session_sd"] = jnp.log(1.5 / 0.3)
    n, sessions = 4000, 80
    session = np.arange(n) * sessions // n
    begins = jnp.asarray(np.diff(session, prepend=0) > 0)
    environment = Environment(np.full((n, 2), 0.5), "independent", np.inf, begins, None)
    made = generate(
        jax.random.PRNGKey(1), model.rule, model.network, model.animal(own), environment, spec
    )
    choices, rewards = np.asarray(made.choices), np.asarray(made.rewards)
    record = Record("m", choices, rewards, None, None, session)
    lived = build_model(spec, from_animals([record], ["left", "right"], "lived"))
    given = log_likelihood(lived, {name: jnp.asarray(value)[None] for name, value in own.items()})
    np.testing.assert_allclose(given, made.log_probability, rtol=1e-9)
    plain = replace(spec, session_sd_scale=0.0)
    same = build_model(plain, from_animals([record], ["left", "right"], "lived"))
    own.pop("session_sd")
    other = log_likelihood(same, {name: jnp.asarray(value)[None] for name, value in own.items()})
    assert given.sum() - other.sum() > 100.0
