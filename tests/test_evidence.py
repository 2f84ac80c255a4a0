"""The Laplace evidence of sub-models, against quadrature over everything."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from scipy.special import logsumexp
from scipy.stats import halfnorm, norm
from slow_reference import session

from hebbax.data import Record, first_trials, from_animals, split
from hebbax.errors import ModelError
from hebbax.inference import mixed
from hebbax.inference.density import (
    expansion,
    log_likelihood_by_animal,
    padded_observed,
    split_groups,
)
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.rule.taylor import all_terms
from hebbax.submodels import climbs, laplace, search
from hebbax.submodels.reweighting import animals_part

SCALES = {"x r": 0.5, "w": 0.2, "x": 0.05}
TERMS = tuple(SCALES)


def animals(seed=5, lengths=(60, 45, 52)):
    """Animals that learn by x r = 0.8, generated in plain loops, ragged."""
    rng = np.random.default_rng(seed)
    records = []
    for a, n in enumerate(lengths):
        choices, rewards, w = [], [], np.zeros(2)
        for t in range(n):
            p = 1 / (1 + np.exp(-5 * np.tanh(0.75 * w)))
            choice = int(rng.random() < p[1] / p.sum())
            reward = int(rng.random() < (0.8 if (t < n / 2) == choice else 0.2))
            r = reward - sum(rewards[-10:]) / 10
            w[choice] += 0.8 * 0.75 * r / 2
            choices.append(choice)
            rewards.append(reward)
        records.append(Record(f"animal{a}", np.array(choices), np.array(rewards, float)))
    return from_animals(records, ["A", "B"], "looped")


@pytest.fixture(scope="module")
def model():
    return build_model(ModelSpec("candidates", TERMS, scales=SCALES), animals())


@pytest.fixture(scope="module")
def solved(model):
    scales = np.array([*SCALES.values(), 1.0])
    return search.enumerate_all(climbs.Climb(model, scales, laplace.Settings(batch=4)))


def quadrature(model, term):
    """log p(choices) of one term (or none) and the preference, every integral a sum: for each
    animal over its coefficient and preference, then over both population values and spreads."""
    theta = np.linspace(-3, 3, 151) if term else np.zeros(1)
    preference = np.linspace(-5, 5, 101)
    log_l = np.zeros((3, len(theta), len(preference)))
    for a, (choices, rewards) in enumerate(
        zip(model.sessions.choices, model.sessions.rewards, strict=True)
    ):
        n = model.sessions.n_trials[a]
        for k, value in enumerate(theta):
            trials = session(
                (term or "x",), (value,), choices[:n], rewards[:n], raw=False, n_stimuli=2
            )
            for _, choice, logits in trials:
                accept = [1 / (1 + np.exp(-z)) for z in logits]
                weights = np.array(
                    [np.full_like(preference, accept[0]), np.exp(preference) * accept[1]]
                )
                log_l[a, k] += np.log(weights[choice] / weights.sum(0))
    first = hyper_grid(theta, SCALES[term]) if term else (np.ones((1, 1)), np.ones(1))
    second = hyper_grid(preference, 1.0)
    top = log_l.max((1, 2))
    likelihoods = [first[0] @ np.exp(log_l[a] - top[a]) @ second[0].T for a in range(3)]
    return np.log(first[1] @ np.prod(likelihoods, axis=0) @ second[1]) + top.sum()


def hyper_grid(values, scale):
    """Mass of an animal's value in each cell, given population and spread ``(hyper, value)``, and
    the prior mass of these ``(hyper,)``."""
    mu, s = np.linspace(-3.5, 3.5, 71) * scale, (np.arange(24) + 0.5) / 24 * 2 * scale
    edges = np.concatenate([[-np.inf], (values[1:] + values[:-1]) / 2, [np.inf]])
    rows, weights = [], []
    for m, spread in itertools.product(mu, s):
        rows.append(np.diff(norm.cdf(edges, m, spread)))
        weights.append(norm.pdf(m, 0, scale) * halfnorm.pdf(spread, 0, scale / 2))
    return np.array(rows), np.array(weights) * (mu[1] - mu[0]) * (s[1] - s[0])


@pytest.mark.parametrize(("term", "within"), [(None, 0.4), ("x r", 0.4), ("w", 0.4), ("x", 0.9)])
def test_the_evidence_is_that_of_quadrature(model, solved, term, within):
    # A strong drift saturates both weights and predicts like none: a plateau no Gaussian sees.
    code = 0 if term is None else 1 << TERMS.index(term)
    found = float(solved[code].log_evidence)
    assert found == pytest.approx(quadrature(model, term), abs=within)


@pytest.mark.parametrize("n_stimuli", [2, 3])
@pytest.mark.parametrize("likelihood", ["choice", "encounter"])
def test_the_expansion_is_the_likelihood_its_slope_and_its_information(likelihood, n_stimuli):
    spec = ModelSpec("candidates", ("x r", "w"), likelihood=likelihood, habit_scale=1.0)
    model = build_model(spec, random_sessions(3, n_stimuli))
    size = sum(group.scales.size for group in model.groups)
    phi = jnp.asarray(np.random.default_rng(0).normal(0.0, 0.2, (2, size)))
    there = jax.jit(partial(expansion, model))(phi)

    @jax.jit
    def value(phi):
        return log_likelihood_by_animal(model, split_groups(model, phi))

    np.testing.assert_allclose(there.value, value(phi), rtol=1e-12)
    np.testing.assert_allclose(
        there.slope, jax.jit(jax.grad(lambda p: value(p).sum()))(phi), rtol=1e-9
    )
    observed = padded_observed(model)
    counts = jnp.ones((*model.sessions.choices.shape, 1))
    if likelihood == "encounter":
        counts = observed[..., :-1] + (observed[..., -1:] == jnp.arange(n_stimuli))
    np.testing.assert_allclose(there.information, information(model, phi, counts), 1e-9, 1e-12)


def information(model, phi, counts):
    """J^T W J, summed over trials: J the slopes of the natural parameters, W their information in
    ``counts`` choices (animal, trial, 1) or encounters (animal, trial, stimulus)."""

    @jax.jit
    def natural(phi):
        return model.padded_distribution(split_groups(model, phi)).natural

    slopes = jnp.einsum("atkai->atki", jax.jit(jax.jacfwd(natural))(phi))
    diagonal = jnp.eye(model.sessions.n_stimuli)
    if model.spec.likelihood == "choice":
        p = jax.nn.softmax(natural(phi))[..., None]
        weight = counts[..., None] * (p * diagonal - p * jnp.swapaxes(p, -1, -2))
    else:
        p = jax.nn.sigmoid(natural(phi))
        weight = (counts * p * (1.0 - p))[..., None] * diagonal
    weight = weight * model.design.valid[..., None, None]
    return jnp.einsum("atki,atkl,atlj->aij", slopes, weight, slopes)


def test_the_expansion_under_labels_is_that_of_choices_as_often_as_they_say():
    model = build_model(ModelSpec("candidates", ("x r", "w")), random_sessions(3, 3))
    rng = np.random.default_rng(0)
    phi = jnp.asarray(rng.normal(0.0, 0.2, (2, 4)))
    labels = jnp.asarray(rng.uniform(0.0, 2.0, (*model.sessions.choices.shape, 3)))
    there = jax.jit(partial(expansion, model))(phi, labels)

    @jax.jit
    def value(phi):
        distribution = model.padded_distribution(split_groups(model, phi))
        each = [labels[..., k] * distribution.log_prob(jnp.asarray(k)) for k in range(3)]
        return jnp.where(model.sessions.valid, sum(each), 0.0).sum(-1)

    np.testing.assert_allclose(there.value, value(phi), rtol=1e-12)
    np.testing.assert_allclose(
        there.slope, jax.jit(jax.grad(lambda p: value(p).sum()))(phi), rtol=1e-9
    )
    counts = labels.sum(-1, keepdims=True)
    np.testing.assert_allclose(there.information, information(model, phi, counts), 1e-9, 1e-12)


def test_the_expansion_of_an_excerpt_is_that_of_the_first_trials(model):
    phi = jnp.asarray(np.random.default_rng(0).normal(0.0, 0.2, (3, 4)))
    there = jax.jit(partial(expansion, climbs.excerpt(model, 1 / 3)))(phi)
    first, _ = split(model.sessions, first_trials(model.sessions, 1 / 3))
    alone = jax.jit(partial(expansion, build_model(model.spec, first)))(phi)
    np.testing.assert_allclose(there.value, alone.value, rtol=1e-12)
    np.testing.assert_allclose(there.slope, alone.slope, rtol=1e-9)
    np.testing.assert_allclose(there.information, alone.information, rtol=1e-9)


def test_an_animal_left_behind_starts_where_a_smaller_sub_model_found_it(model, solved):
    scales = np.array([*SCALES.values(), 1.0])
    climb = climbs.Climb(model, scales, laplace.Settings(batch=4, rounds=1, stretches=1))
    phi = np.array(solved[3].phi)
    phi[1] = [-1.0, 0.5, 0.0, 3.0]
    value = log_likelihood_by_animal(model, split_groups(model, jnp.asarray(phi)))
    lost = solved[3]._replace(phi=phi, log_likelihood=np.asarray(value), log_evidence=-1e3)
    known = {1: solved[1], 3: lost}
    climb.gather(known, [3])
    # One round from where {x r} put the animal, which is not far from its mode.
    assert float(known[3].log_evidence) == pytest.approx(float(solved[3].log_evidence), abs=3.0)
    np.testing.assert_allclose(known[3].phi[[0, 2]], solved[3].phi[[0, 2]], atol=0.1)


def test_a_sub_model_in_a_worse_mode_begins_where_its_neighbours_ended(model, solved):
    climb = climbs.Climb(model, np.array([*SCALES.values(), 1.0]), laplace.Settings(batch=4))
    best = max(solved, key=lambda code: climbs.log_evidence(solved[code]))
    worse = climbs.log_evidence(solved[best]) - 0.9 * search.NEAR
    known = solved | {code: solved[code]._replace(log_evidence=worse) for code in (3, 5)}
    search.exchange(climb, known)
    assert known.keys() == solved.keys()
    for code, one in solved.items():
        assert climbs.log_evidence(known[code]) >= climbs.log_evidence(one) - 0.05


def test_slope_and_hessian_of_the_log_spreads_are_those_of_the_density(model, solved):
    one = solved[7]
    problem = mixed.Problem(jnp.array([True, False, True, True]), jnp.array([0.5, 0.2, 0.05, 1.0]))
    phi = jnp.where(problem.included, one.phi, 0.0)
    there = jax.jit(partial(expansion, model))(phi)

    solve = jax.jit(mixed.gaussian)
    at = np.log([0.2, 0.1, 0.05, 0.4])
    given = solve(problem, phi, there, jnp.asarray(at))
    inside, h = np.flatnonzero(problem.included), 1e-3

    def density(moves):
        moved = jnp.asarray(at + h * np.asarray(moves))
        return float(solve(problem, phi, there, moved).log_density)

    units = np.eye(4)[inside]
    slope = np.array([density(u) - density(-u) for u in units]) / (2 * h)
    hessian = [
        [density(u + v) - density(u - v) - density(v - u) + density(-u - v) for v in units]
        for u in units
    ]
    hessian = np.array(hessian) / (4 * h**2)
    assert np.linalg.eigvalsh(-hessian).min() > 0
    np.testing.assert_allclose(given.newton[inside], np.linalg.solve(-hessian, slope), rtol=1e-4)
    np.testing.assert_allclose(
        given.spread_volume,
        1.5 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(-hessian)[1],
        rtol=1e-5,
    )


def test_importance_sampling_finds_what_the_expansion_of_the_animals_leaves_out(model, solved):
    """The animals' integrals at the mode of the rest, by sums over a grid."""
    one, included = solved[1], np.array([True, False, False, True])
    problem = mixed.Problem(jnp.asarray(included), jnp.array([*SCALES.values(), 1.0]))
    added, error = animals_part(jax.random.PRNGKey(0), model, problem, one)
    e = np.zeros((81 * 81, 4))
    e[:, 0], e[:, 3] = (g.ravel() for g in np.meshgrid(*2 * [np.linspace(-6, 6, 81)]))
    phi = one.population + np.where(included, np.exp(one.log_spread), 0.0) * e

    def both(phi):
        here = jnp.broadcast_to(phi, one.phi.shape)
        there, step = expansion(model, one.phi), here - one.phi
        expanded = there.value + (there.slope * step).sum(-1)
        expanded -= 0.5 * jnp.einsum("ai,aij,aj->a", step, there.information, step)
        return log_likelihood_by_animal(model, split_groups(model, here)), expanded

    true, expanded = jax.jit(lambda p: jax.lax.map(both, p, batch_size=64))(jnp.asarray(phi))
    prior = -0.5 * (e**2).sum(-1, keepdims=True)
    truth = (logsumexp(true + prior, axis=0) - logsumexp(expanded + prior, axis=0)).sum()
    assert 0 < error < 0.05
    assert abs(added - truth) < 3 * error


def test_a_term_that_is_out_is_not_there(model, solved):
    """A sub-model of the candidates is the same as a model declared with its terms alone."""
    alone = build_model(ModelSpec("alone", ("x r",), scales={"x r": 0.5}), model.sessions)
    own = search.enumerate_all(climbs.Climb(alone, np.array([0.5, 1.0]), laplace.Settings(batch=2)))
    assert float(own[1].log_evidence) == pytest.approx(float(solved[1].log_evidence), abs=0.02)
    assert not solved[1].phi[:, 1:3].any()
    assert not solved[1].population[1:3].any()


def test_a_path_shrinks_from_all_terms_and_another_grows_from_none(model, solved):
    climb = climbs.Climb(model, np.array([*SCALES.values(), 1.0]), laplace.Settings(batch=4))
    known = search.paths(climb)
    assert {0, 7} <= known.keys()
    # Both ways down and up, each sub-model with as much evidence as where all were solved.
    best = max(solved, key=lambda code: climbs.log_evidence(solved[code]))
    assert climbs.most_evidence(known) == pytest.approx(climbs.log_evidence(solved[best]), abs=0.05)


def test_more_terms_than_can_be_enumerated_are_refused():
    terms = all_terms("xrw")[:13]
    model = build_model(ModelSpec("many", terms), animals())
    with pytest.raises(ModelError) as caught:
        search.enumerate_all(climbs.Climb(model, np.ones(14), laplace.Settings()))
    assert str(caught.value) == "many: all sub-models are solved for at most 12 terms, 13 given."
