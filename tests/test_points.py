"""Points of an animal and p-hat, each against what no code of it made."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from small import AS_USERS_HAVE_IT, five_terms

from hebbax.inference.density import expansion as whole_expansion
from hebbax.inference.density import log_likelihood_by_animal, split_groups
from hebbax.inference.pseudo_marginal import (
    animal,
    candidates,
    mixture,
    moves,
    points,
    population,
)
from hebbax.inference.pseudo_marginal.population import Population
from hebbax.inference.pseudo_marginal.references import renewed
from hebbax.model.declared import read_spec

HATTORI = read_spec("hattori")
LEARNING = {
    key: getattr(HATTORI, key)
    for key in ("terms", "readout", "reward", "parameters", "coefficients")
}
VARIANTS = {
    "five terms": {},
    "a learning model": LEARNING | {"habit_scale": 1.0, "habit": "kernel", "lapse_scale": 1.0},
    "habit": {"terms": ("x r", "w"), "habit_scale": 1.0},
    "y and squares": {"terms": ("x r", "y w", "x y^2 r"), "initial_weight_scale": 0.3},
    "encounters": {"likelihood": "encounter"},
    "no learning": {"terms": ()},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_one_animal_is_the_model_to_second_order(changes):
    model = five_terms(**changes)
    frame, trials = animal.frame_of(model), animal.trials_of(model)
    phi = 0.4 * jax.random.normal(jax.random.PRNGKey(1), (3, frame.n_members))
    value = jax.jit(jax.vmap(partial(animal.log_likelihood, frame)))(trials, phi)
    found = jax.jit(jax.vmap(partial(animal.expansion, frame)))(trials, phi)
    expected = jax.jit(partial(whole_expansion, model))(phi)
    exact = jax.jit(partial(log_likelihood_by_animal, model))(split_groups(model, phi))
    np.testing.assert_allclose(value, exact, atol=2e-3)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3, rtol=2e-3)


def test_points_of_chains_are_computed_as_more_points_of_each_animal():
    model = five_terms()
    frame, trials = animal.frame_of(model), animal.trials_of(model)
    phi = 0.3 * jax.random.normal(jax.random.PRNGKey(2), (4, 3, 5, frame.n_members))
    many = jax.vmap(lambda phi: jax.vmap(animal.log_likelihoods(frame))(trials, phi))
    one = jax.jit(partial(animal.log_likelihood, frame))
    each = [jax.tree.map(lambda leaf, a=a: leaf[a], trials) for a in range(3)]
    expected = [
        [[one(each[a], phi[c, a, k]) for k in range(5)] for a in range(3)] for c in range(4)
    ]
    np.testing.assert_allclose(jax.jit(many)(phi), np.array(expected), atol=1e-4)


@pytest.fixture(scope="module")
def scene():
    """Three animals with references, and a population of which two spreads are small."""
    model = five_terms(lengths=(120, 90, 60))
    frame, trials = animal.frame_of(model), animal.trials_of(model)
    d = frame.n_members
    key = jax.random.PRNGKey(3)
    phi = 0.2 * jax.random.normal(key, (512, 3, d))
    references = renewed(key, frame, trials, phi, 0.1 * jax.random.normal(key, phi.shape))
    mean = 0.1 * jax.random.normal(jax.random.fold_in(key, 1), (d,))
    spread = jnp.array([0.3, -0.02, 0.2, 0.001, 0.1, 0.5])
    return model, frame, trials, references, mean, spread


def test_the_density_of_the_points_integrates_to_one(scene):
    """E_q[N / q] = 1: 3 x 4000 estimates, of which a false alarm at 4.5 sd is one in 10^5."""
    _, _, _, references, mean, spread = scene
    d = len(mean)

    def one(key, own):
        of = points.components(own, mean, spread)
        e = points.points(of, points.draw_noise(key, 32, d))
        normal, parts = jax.vmap(lambda e: points.densities(of, e))(e)
        return jnp.exp(normal - jax.scipy.special.logsumexp(parts, axis=-1)).mean()

    keys = jax.random.split(jax.random.PRNGKey(4), (3, 4000))
    every = jax.vmap(lambda own, keys: jax.vmap(lambda key: one(key, own))(keys))
    ratio = jax.jit(every, compiler_options=AS_USERS_HAVE_IT)(references, keys)
    error = np.asarray(ratio.std(1) / np.sqrt(4000))
    assert np.all(np.abs(np.asarray(ratio.mean(1)) - 1.0) < 4.5 * error), (ratio.mean(1), error)
    assert error.max() < 0.02


def test_densities_are_those_of_scipy(scene):
    _, _, _, references, mean, spread = scene
    own = jax.tree.map(lambda leaf: leaf[1], references)
    of = jax.jit(points.components)(own, mean, spread)
    e = np.random.default_rng(0).normal(size=(20, len(mean)))
    densities = jax.vmap(jax.vmap(lambda e: points.densities(of, e)))
    many = jax.jit(densities, compiler_options=AS_USERS_HAVE_IT)
    normal, parts = many(jnp.asarray(e, jnp.float32).reshape(4, 5, -1))
    parts = np.asarray(parts).reshape(20, -1)
    np.testing.assert_allclose(np.ravel(normal), stats.norm.logpdf(e).sum(-1), atol=1e-4)
    for c in range(len(of.share)):
        scale = np.linalg.inv(np.asarray(of.lower[c] @ of.lower[c].T))
        expected = stats.multivariate_t(np.asarray(of.centre[c]), scale, df=8).logpdf(e)
        share = 0.85 * float(of.share[c])
        np.testing.assert_allclose(parts[:, 1 + c], expected + np.log(share), atol=2e-3)
    assert float(of.share.sum()) == pytest.approx(1.0)


def test_p_hat_is_unbiased(scene):
    """Against plain Monte Carlo over the population in double precision: 5 sd of the difference."""
    model, frame, trials, references, mean, spread = scene
    d = len(mean)

    def one(key, own, trials):
        noise_key, key = jax.random.split(key)
        of = points.components(own, mean, spread)
        noise = points.draw_noise(noise_key, 16, d)
        return points.estimate(key, frame, trials, of, noise, mean, spread).log_p

    keys = jax.random.split(jax.random.PRNGKey(5), (3, 600))
    every = jax.vmap(lambda own, trials, keys: jax.vmap(lambda k: one(k, own, trials))(keys))
    found = jax.jit(every, compiler_options=AS_USERS_HAVE_IT)(references, trials, keys)
    e = jax.random.normal(jax.random.PRNGKey(6), (40_000, 3, d))
    exact = jax.lax.map(
        lambda e: log_likelihood_by_animal(model, split_groups(model, mean + spread * e)),
        e,
        batch_size=1000,
    )
    for values, plain in zip(np.asarray(found), np.asarray(exact).T, strict=True):
        means, errors = [], []
        for log_p in (values, plain):
            p = np.exp(log_p - plain.max())
            means.append(p.mean())
            errors.append(p.std() / np.sqrt(len(p)))
        assert abs(means[0] - means[1]) < 5 * np.hypot(*errors), (means, errors)
        assert errors[1] < 0.1 * means[1]


def test_retained_numbers_give_the_point_back(scene):
    _, frame, _, references, mean, spread = scene
    own = jax.tree.map(lambda leaf: leaf[0], references)
    of = points.components(own, mean, spread)

    def one(key):
        first, second, third = jax.random.split(key, 3)
        e = jax.random.normal(first, (frame.n_members,))
        fresh = points.draw_noise(second, 16, frame.n_members)
        noise, point = points.retained(third, of, fresh, e)
        return points.points(of, noise)[point] - e

    error = jax.jit(jax.vmap(one))(jax.random.split(jax.random.PRNGKey(7), 2000))
    assert float(jnp.abs(error).max()) < 2e-4


def test_conditional_importance_sampling_leaves_points_as_they_are_drawn(scene):
    """A point of q, and the numbers drawn to give it back: jointly as numbers and one of their
    points taken evenly. Shift, part and lambda are compared by Kolmogorov and Smirnov (p > 1e-4)."""
    _, frame, _, references, mean, spread = scene
    own = jax.tree.map(lambda leaf: leaf[2], references)
    of = points.components(own, mean, spread)
    d, k = frame.n_members, 8

    def one(key):
        first, second, third, fourth = jax.random.split(key, 4)
        noise = points.draw_noise(first, k, d)
        point = jax.random.randint(second, (), 0, k)
        e = points.points(of, noise)[point]
        again, where = points.retained(third, of, points.draw_noise(fourth, k, d), e)
        return (noise.shift, point, noise.scale[point]), (again.shift, where, again.scale[where])

    keys = jax.random.split(jax.random.PRNGKey(8), 20_000)
    straight, back = jax.device_get(jax.jit(jax.vmap(one))(keys))
    # Of the population's own points lambda plays no part: it stays as it was, or is 1.
    for a, b in zip(straight[:2], back[:2], strict=True):
        assert stats.ks_2samp(a, b).pvalue > 1e-4
    used = back[2] != 1.0
    assert stats.ks_2samp(straight[2][used], back[2][used]).pvalue > 1e-4


def test_a_step_from_anywhere_gives_numbers(scene):
    model, frame, trials, references, mean, spread = scene
    prior = population.prior_of(model)
    rng = np.random.default_rng(2)
    draws = np.abs(rng.normal(size=(100, 2 * frame.n_members + 1)))
    draws[:, -1] = 0.0
    known = candidates.Known(
        prior, trials, references, mixture.fit(rng, draws, draws, frame.n_members, 2, 1.0)
    )
    zero = jnp.zeros(())
    none = jnp.zeros(0)
    far = Population(30.0 * jnp.ones_like(mean), 1e-7 * jnp.ones_like(spread), none, zero)
    near = Population(mean, spread, none, zero), Population(0.0 * mean, 10.0 * spread, none, zero)
    for start in (far, *near):
        phi = start.mean + start.spread * jnp.ones((3, 1))
        state = candidates.init(start, phi, 8)
        run = jax.jit(partial(moves.step, frame=frame, known=known, n_proposals=2))
        for key in jax.random.split(jax.random.PRNGKey(1), 3):
            state, _ = run(key, state=state)
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state))
