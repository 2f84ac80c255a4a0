"""One rule shared by all trajectories: its likelihood, scores, point estimates and function."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.errors import ModelError
from hebbax.mehta2024 import descent, scores
from hebbax.mehta2024 import mode as climb
from hebbax.mehta2024.experiment import Experiment, cohort
from hebbax.mehta2024.function_space import Points, change, features, project, visited
from hebbax.mehta2024.pooled import (
    Pooled,
    Recorded,
    counts,
    log_likelihood,
    logits,
    null_log_likelihood,
    preference_log_likelihood,
    recorded,
)
from hebbax.rule.network import Presented, drives, replay
from hebbax.rule.taylor import (
    TaylorRule,
    all_terms,
    coefficients,
    distinct_terms,
    parse_rule,
)

RULE = TaylorRule(("x r", "w"))
THETA = jnp.array([1.2, -0.08])
QUIET = Experiment(trials_per_block=12, hidden_units=2, initial_scale=0.0, noise=0.0)
PLAIN = Pooled(RULE, QUIET.network)


@cache
def lived():
    return cohort(jax.random.key(1), RULE, THETA, QUIET, size=5)


def written():
    return recorded(lived(), QUIET.network)


def test_replay_gives_the_generators_own_log_probability():
    # Equal starting weights and no noise: one hidden unit stands for all, and nothing is unknown.
    found = log_likelihood(PLAIN, THETA, written())
    np.testing.assert_allclose(found, lived().log_probability, rtol=1e-9)


def test_noise_is_integrated_out_of_encounters_and_of_weights():
    noise, trials, runs = 0.1, 40, 4000
    rng = np.random.default_rng(0)
    choice = rng.integers(0, 2, trials)
    r = rng.normal(0.3, 0.4, trials)
    data = Recorded(
        jnp.asarray(0.75 * np.eye(2)[choice])[None],
        jnp.asarray(r)[None],
        jnp.asarray(np.column_stack([np.zeros((trials, 2)), choice]))[None],
    )

    def noisy(key):
        learnt, met = jax.random.split(key)
        x = data.x[0] + noise * jax.random.normal(learnt, (trials, 2))
        w = replay(
            RULE, QUIET.network, THETA, jnp.zeros((2, 1)), Presented(x, drives(RULE, x, data.r[0]))
        )
        at = 0.75 * jnp.eye(2) + noise * jax.random.normal(met, (trials, 2, 2))
        return jax.nn.sigmoid(5 * jnp.tanh(jnp.einsum("tki,tih->tk", at, w)))

    sampled = jax.jit(jax.vmap(noisy))(jax.random.split(jax.random.key(0), runs)).mean(axis=0)
    integrated = jax.nn.sigmoid(logits(Pooled(RULE, QUIET.network, noise), THETA, data)[0])
    ignored = jax.nn.sigmoid(logits(PLAIN, THETA, data)[0])
    assert abs(ignored - sampled).max() > 0.03
    assert abs(integrated - sampled).max() < 0.01


def test_events_are_counted():
    data, made = written(), lived()
    accepted = np.asarray(made.choices)[..., None] == np.arange(2)
    np.testing.assert_array_equal(counts(data), made.rejections + accepted)


def test_the_null_flips_a_coin_and_the_preference_a_bent_one():
    data = written()
    n = np.asarray(counts(data))
    np.testing.assert_allclose(null_log_likelihood(data), n.sum(-1) * np.log(0.5))
    refused = np.asarray(data.events[..., :-1])
    share = ((n - refused).sum((0, 1)) + 0.5) / (n.sum((0, 1)) + 1)
    expected = (refused * np.log(1 - share) + (n - refused) * np.log(share)).sum(-1)
    np.testing.assert_allclose(preference_log_likelihood(data, data), expected)


def test_the_true_rule_has_perfect_scores():
    truth = scores.split(RULE, THETA, lived(), 2)
    found = scores.score(jax.random.key(0), truth, PLAIN, THETA, QUIET)
    known = scores.oracle(truth, PLAIN, QUIET)
    assert found["r2 weights"] == found["r2 activity"] == 1
    assert found["deviance"] == pytest.approx(known["oracle"])
    assert known["oracle"] == pytest.approx(known["oracle, noise known"])
    assert found["over preference"] > 0
    worse = scores.score(jax.random.key(0), truth, PLAIN, 0.5 * THETA, QUIET)
    assert worse["r2 weights"] < 1
    assert worse["deviance"] < found["deviance"]


def test_the_published_descent_is_adam_on_the_padded_mean():
    data, settings = written(), descent.Settings(epochs=2, learning_rate=0.01, first=0.3, l1=0.02)
    batch = jax.tree.map(lambda leaf: leaf[None], data)
    found = descent.fit(jax.random.key(4), PLAIN, batch, settings, l1=jnp.array([0.02]))[0]
    theta = np.asarray(0.3 * jax.random.normal(jax.random.key(4), (1, 2))[0])
    trials, longest = data.r.shape[1], np.asarray(counts(data)).sum(-1).max()

    @jax.jit
    @jax.grad
    def slope(theta, one):
        entropy = -log_likelihood(PLAIN, theta, jax.tree.map(lambda leaf: leaf[None], one)).sum()
        return entropy / (trials * longest) + 0.02 * abs(theta).sum()

    first, second = np.zeros(2), np.zeros(2)
    for step in range(2 * 5):
        g = np.asarray(slope(theta, jax.tree.map(lambda leaf, k=step % 5: leaf[k], data)))
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        scaled = (first / (1 - 0.9 ** (step + 1))) / (
            np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8
        )
        theta = theta - 0.01 * scaled
        if step % 5 == 4:
            np.testing.assert_allclose(found[step // 5], theta, rtol=1e-7)


def test_the_climb_ends_at_the_mode_whose_curvature_it_states():
    data, precision = written(), jnp.array([4.0, 25.0])
    found = climb.fit(PLAIN, data, precision, jnp.zeros(2), climb.Settings(tolerance=1e-9))
    density = jax.jit(lambda theta: climb.log_posterior(PLAIN, data, precision, theta))
    sd = 1 / np.sqrt(np.diag(found.precision))
    np.testing.assert_allclose(jax.grad(density)(found.mean) * sd, 0.0, atol=1e-3)
    assert found.density == pytest.approx(float(density(found.mean)))
    # The evidence against a sum over a fine grid: nearly Gaussian, so Laplace is close.
    axes = [np.linspace(m - 6 * s, m + 6 * s, 61) for m, s in zip(found.mean, sd, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    values = np.asarray(jax.lax.map(density, jnp.asarray(grid), batch_size=61))
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    assert float(found.evidence) == pytest.approx(
        np.logaddexp.reduce(values) + np.log(cell), abs=0.2
    )


def test_draws_have_the_stated_precision():
    precision = jnp.array([[4.0, 1.0], [1.0, 2.0]])
    gaussian = climb.Gaussian(jnp.array([1.0, -1.0]), precision, *3 * [jnp.zeros(())])
    drawn = np.asarray(climb.draws(jax.random.key(0), gaussian, 40000))
    np.testing.assert_allclose(drawn.mean(0), gaussian.mean, atol=0.02)
    np.testing.assert_allclose(np.cov(drawn.T), np.linalg.inv(precision), atol=0.02)


def test_the_best_mode_comes_first():
    data, precision = written(), jnp.ones(2)
    stuck = climb.Settings(steps=0)
    starts = jnp.array([[0.1, 0.0], THETA, [-1.0, 0.5]])
    found = climb.modes(PLAIN, data, precision, starts, stuck)
    np.testing.assert_array_equal(found.mean[0], THETA)
    assert (np.diff(found.density) <= 0).all()


def test_a_rule_is_what_it_changes_where_synapses_have_been():
    points = visited(PLAIN, THETA, written())
    assert points.x.shape == points.r.shape == (5 * 36 * 2,)
    np.testing.assert_allclose(
        change(RULE, THETA[None], points)[0], 1.2 * points.x * points.r - 0.08 * points.w
    )
    found = project(("1", "x r", "w"), points, np.asarray(change(RULE, THETA[None], points)))
    np.testing.assert_allclose(found, [[0.0, 1.2, -0.08]], atol=1e-9)


def test_terms_that_are_one_share_what_they_explain():
    points = visited(PLAIN, THETA, written())
    found = project(("x r", "x^2 r"), points, np.asarray(points.x * points.r)[None])[0]
    # x^2 = 0.75 x: of all splits of the slope 1, that of least norm.
    np.testing.assert_allclose(found, np.array([1.0, 0.75]) / (1 + 0.75**2), rtol=1e-6)


def test_features_are_the_written_terms():
    points = Points(*(jnp.array([v]) for v in (0.5, -0.3, 2.0, 0.7)))
    expected = [[1.0, 0.5 * 0.7, 4.0 * -0.3]]
    np.testing.assert_allclose(features(("1", "x r", "y w^2"), points), expected)


def test_all_terms_and_those_that_one_rate_can_tell_apart():
    every = all_terms()
    assert len(every) == len(set(every)) == 81
    assert len(all_terms("xyw")) == 27
    distinct = distinct_terms(every)
    assert len(distinct) == 54
    x = np.array([0.0, 0.75])
    rest = np.random.default_rng(0).uniform(0.2, 1.0, (3, 400))
    points = Points(jnp.asarray(np.resize(x, 400)), *map(jnp.asarray, rest))
    assert np.linalg.matrix_rank(features(every, points)) == 54
    assert np.linalg.matrix_rank(features(distinct, points)) == 54


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("x r", {"x r": 1.0}),
        ("x r - 0.05 w", {"x r": 1.0, "w": -0.05}),
        ("y^2 r^2 - 0.05", {"y^2 r^2": 1.0, "1": -0.05}),
        ("- 0.05 x r", {"x r": -0.05}),
        ("x r - 0.05 r x", {"x r": 0.95}),
        ("2 w + 1", {"w": 2.0, "1": 1.0}),
        ("-x r + 0.05 w", {"x r": -1.0, "w": 0.05}),
        (" +0.35 x r -0.06 w", {"x r": 0.35, "w": -0.06}),
        ("-1", {"1": -1.0}),
    ],
)
def test_a_rule_in_words(text, rule):
    assert parse_rule(text) == pytest.approx(rule)


@pytest.mark.parametrize("text", ["x q", "x r - -", "", "-", "x r-w", "x r--w"])
def test_what_is_no_rule(text):
    with pytest.raises(ModelError, match=r'^unknown term ".*": a term is "1" or factors'):
        parse_rule(text)


def test_coefficients_by_name():
    terms = ("1", "x r", "w")
    np.testing.assert_array_equal(coefficients(terms, {"r x": 2.0, "w": -1.0}), [0.0, 2.0, -1.0])
    with pytest.raises(ModelError, match=r'^the term "x" is not one of 1, x r, w\.$'):
        coefficients(terms, {"x": 1.0})
