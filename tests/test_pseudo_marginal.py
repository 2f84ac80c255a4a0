"""Pseudo-marginal Metropolis: each part against what no code of it made, and the whole against
quadrature."""

from dataclasses import replace
from functools import partial

import arviz as az
import coins
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from numpyro.handlers import seed, trace
from scipy import stats
from scipy.integrate import cumulative_trapezoid, simpson

from hebbax.data import from_animals
from hebbax.inference import pseudo_marginal
from hebbax.inference.convergence import converged, convergence
from hebbax.inference.density import expansion as whole_expansion
from hebbax.inference.density import log_likelihood_by_animal, split_groups
from hebbax.inference.pseudo_marginal import (
    animal,
    candidates,
    evidence,
    gibbs,
    mixture,
    moves,
    points,
    population,
    shrinkage,
)
from hebbax.inference.pseudo_marginal.pilot import Settings as PilotSettings
from hebbax.inference.pseudo_marginal.population import Population
from hebbax.inference.pseudo_marginal.references import renewed
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec
from hebbax.model.priors import Laplace, Normal, with_key
from hebbax.model.spec import ModelSpec

FIVE = ("1", "r", "x", "x r", "w")
SMALL = pseudo_marginal.Settings(
    chains=2,
    warmup=26,
    draws=40,
    points=8,
    most_thinning=1,
    evidence=0,
    pilot=PilotSettings(particles=32, points=8, rounds=2),
)


@pytest.fixture(autouse=True, scope="module")
def _compiled_as_users_have_it():
    """With all optimisations: it was one of these that took the wrong numbers (decisions)."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def _spec(**changes):
    return ModelSpec("five", **{"terms": FIVE, **changes})


def _model(seed=0, lengths=(30, 41, 17), **changes):
    return build_model(_spec(**changes), random_sessions(seed, lengths=lengths))


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
    model = _model(**changes)
    frame, trials = animal.frame_of(model), animal.trials_of(model)
    phi = 0.4 * jax.random.normal(jax.random.PRNGKey(1), (3, frame.n_members))
    value = jax.vmap(partial(animal.log_likelihood, frame))(trials, phi)
    found = jax.jit(jax.vmap(partial(animal.expansion, frame)))(trials, phi)
    expected = whole_expansion(model, phi)
    exact = log_likelihood_by_animal(model, split_groups(model, phi))
    np.testing.assert_allclose(value, exact, atol=2e-3)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3, rtol=2e-3)


def test_points_of_chains_are_computed_as_more_points_of_each_animal():
    model = _model()
    frame, trials = animal.frame_of(model), animal.trials_of(model)
    phi = 0.3 * jax.random.normal(jax.random.PRNGKey(2), (4, 3, 5, frame.n_members))
    many = jax.vmap(lambda phi: jax.vmap(animal.log_likelihoods(frame))(trials, phi))
    each = [
        [
            [
                animal.log_likelihood(
                    frame, jax.tree.map(lambda t, a=a: t[a], trials), phi[c, a, k]
                )
                for k in range(5)
            ]
            for a in range(3)
        ]
        for c in range(4)
    ]
    np.testing.assert_allclose(jax.jit(many)(phi), np.array(each), atol=1e-4)


@pytest.fixture(scope="module")
def scene():
    """Three animals with references, and a population of which two spreads are small."""
    model = _model(lengths=(120, 90, 60))
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
    ratio = jax.jit(jax.vmap(lambda own, keys: jax.vmap(lambda k: one(k, own))(keys)))(
        references, keys
    )
    error = np.asarray(ratio.std(1) / np.sqrt(4000))
    assert np.all(np.abs(np.asarray(ratio.mean(1)) - 1.0) < 4.5 * error), (ratio.mean(1), error)
    assert error.max() < 0.02


def test_densities_are_those_of_scipy(scene):
    _, _, _, references, mean, spread = scene
    own = jax.tree.map(lambda leaf: leaf[1], references)
    of = jax.jit(points.components)(own, mean, spread)
    e = np.random.default_rng(0).normal(size=(20, len(mean)))
    many = jax.jit(lambda e: jax.vmap(jax.vmap(lambda e: points.densities(of, e)))(e))
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
    found = jax.jit(
        jax.vmap(lambda own, trials, keys: jax.vmap(lambda k: one(k, own, trials))(keys))
    )(references, trials, keys)
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


@pytest.mark.parametrize("n_effects", [0, 3])
@pytest.mark.parametrize("n_members", [2, 10], ids=["whole", "block"])
def test_what_proposes_a_block_is_folded_and_normalised(n_members, n_effects):
    """E_q[test / q] = 1 given the other members, whatever the signs of the spreads; a false alarm
    is one in 10^5. Of ten members two are drawn, with two more places in their block, and of three
    effects the one that is on one of these."""
    rng = np.random.default_rng(1)
    size = 2 * n_members + n_effects + 1
    fitted = rng.normal(size=(400, size))
    fitted[:, 1] += 0.5 * fitted[:, 0]
    of = mixture.fit(rng, np.abs(fitted), 3, 1.2)
    now = jnp.asarray(np.abs(rng.normal(size=size)))
    taken = jnp.arange(n_effects) == 1
    block = mixture.Block(jnp.array([1, 0]), jnp.ones(2, bool), taken)
    if n_members > 2:
        taking = jnp.array([True, False, True, False])
        block = mixture.Block(jnp.array([3, 1, 7, 2]), taking, taken)
    own = jax.jit(mixture.given)(of, block, now)
    keys = jax.random.split(jax.random.PRNGKey(9), 100_000)
    drawn = jax.jit(jax.vmap(lambda key: mixture.draw(key, own, len(now))))(keys)
    log_q = jax.jit(jax.vmap(partial(mixture.log_density, own)))
    width = len(block.members)
    np.testing.assert_allclose(
        log_q(drawn), log_q(drawn.at[:, width : 2 * width].multiply(-1.0)), rtol=1e-9
    )
    mean, spread, effect = np.split(np.asarray(drawn)[:, block.drawn], [2, 4], axis=1)
    assert (mean.shape, effect.shape) == ((100_000, 2), (100_000, n_effects > 0))
    # The density is of |spread|: of its signs, all have the same.
    test = stats.norm(0.5, 0.5).logpdf(mean).sum(-1)
    test += stats.halfnorm(0, 0.7).logpdf(np.abs(spread)).sum(-1)
    test += stats.norm(0.5, 0.5).logpdf(effect).sum(-1)
    ratio = np.exp(test - np.asarray(log_q(drawn)))
    assert abs(ratio.mean() - 1.0) < 4.5 * ratio.std() / np.sqrt(100_000)
    assert ratio.std() / np.sqrt(100_000) < 0.02


def test_a_block_given_the_rest_is_the_conditional_of_scipy():
    """One t distribution: the ratio of joint densities is that of the conditional ones."""
    rng = np.random.default_rng(4)
    root = np.linalg.cholesky(np.cov(rng.normal(size=(6, 60)) + rng.normal(size=60)))
    centre = 600.0 + rng.normal(size=6)  # so far from zero that no reflection counts
    one = mixture.Mixture(jnp.zeros(1), jnp.asarray(centre)[None], jnp.linalg.inv(root)[None])
    block = mixture.draw_block(jax.random.PRNGKey(0), jnp.ones((1, 2)))
    block = block._replace(members=jnp.array([1, 0]), taken=jnp.array([True, False]))
    x = centre + rng.normal(size=6)
    own = mixture.given(one, block, jnp.asarray(x))
    # Without the part of the prior, which comes last.
    own = own._replace(log_share=jnp.array([0.0, -jnp.inf]))
    joint = stats.multivariate_t(centre, root @ root.T, df=mixture.DEGREES)
    found, expected = [], []
    for _ in range(4):
        y = x.copy()
        y[[1, 3, 4]] += rng.normal(size=3)
        found.append(float(mixture.log_density(own, jnp.asarray(y[[1, 0, 3, 2, 4]]))))
        expected.append(joint.logpdf(y))
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-6)


SHRINKING = with_key("effect")


def _shrunk(prior, terms=("x r", "w"), **changes):
    spec = ModelSpec("shrunk", terms, prior=prior, expected_terms=1.0, **changes)
    recorded = replace(random_sessions(2, lengths=(20, 30)), covariates={"age": (0.5, 2.0)})
    return build_model(spec, recorded)


@pytest.mark.parametrize("prior", [*SHRINKING, "laplace", "normal"])
def test_coordinates_are_those_in_which_the_prior_is_standard_normal(prior):
    """There and back, and the density with its Jacobian, which is that of the sum over cells."""
    own = population.prior_of(_shrunk(prior, by={"w": "age", "preference": "age"}))
    keys = jax.random.split(jax.random.PRNGKey(0), 500)
    drawn = jax.vmap(partial(population.draw_prior, prior=own))(keys)
    white = jax.vmap(partial(population.whitened, own))(drawn)
    back = jax.vmap(partial(population.coloured, own))(white)
    np.testing.assert_allclose(back.mean, drawn.mean, rtol=1e-9)
    np.testing.assert_allclose(back.spread, drawn.spread, rtol=1e-9)
    np.testing.assert_allclose(white.effect, drawn.effect / np.array([0.2, 1.0]), rtol=1e-12)
    np.testing.assert_allclose(back.effect, drawn.effect, rtol=1e-12)
    for one in (jax.tree.map(lambda leaf, k=k: leaf[k], drawn) for k in range(5)):

        def coordinates(x, one=one):
            parts = jnp.split(x, [one.mean.size, 2 * one.mean.size])
            moved = population.whitened(own, Population(*parts, one.log_global))
            return jnp.concatenate([moved.mean, moved.spread, moved.effect])

        x = jnp.concatenate([one.mean, one.spread, one.effect])
        y, slope = coordinates(x), jax.jacobian(coordinates)(x)
        expected = stats.norm.logpdf(y).sum() + np.linalg.slogdet(slope)[1]
        if own.shrinkage is not None:
            expected += shrinkage.log_prior_of_global(own.shrinkage, one.log_global)
        assert float(population.log_prior(own, one)) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("prior", SHRINKING)
def test_a_prior_with_its_local_scales_summed_out_is_the_one_that_numpyro_draws(prior):
    """Population values, spreads and global scales of the sites of the model itself (p > 1e-4)."""
    model = _shrunk(prior)

    def sites(key):
        drawn = trace(seed(model.latents, key)).get_trace()
        names = ("theta_population", "theta_spread", "theta_global_scale")
        return [drawn[name]["value"] for name in names]

    keys = jax.random.split(jax.random.PRNGKey(1), 20_000)
    mean, spread, whole = jax.jit(jax.vmap(sites))(keys)
    draw = partial(population.draw_prior, prior=population.prior_of(model))
    own = jax.jit(jax.vmap(lambda key: draw(key)))(jax.random.split(jax.random.PRNGKey(2), 20_000))
    pairs = [(mean[:, j], own.mean[:, j]) for j in range(2)]
    pairs += [(spread[:, j], jnp.abs(own.spread[:, j])) for j in range(2)]
    for theirs, ours in (*pairs, (whole, jnp.exp(own.log_global))):
        assert stats.ks_2samp(theirs, ours).pvalue > 1e-4


@pytest.mark.parametrize("laplace", [False, True])
def test_gibbs_given_no_animals_to_speak_of_is_the_prior(laplace):
    """Animals drawn anew from their population each time: mean, spread and effects, of which two
    are on one value, are of the prior."""
    shape = jnp.ones(2)
    laws = (Laplace() if laplace else Normal(),)
    regression = population.Regression(
        jnp.array([0.3, 0.2, 0.4]),
        jnp.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0], [1.0, 1.0, 0.5]]),
        jnp.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]),
    )
    prior = population.Prior(0.5 * shape, 0.25 * shape, jnp.zeros(2, int), laws, None, regression)

    def step(carry, key):
        one, two = jax.random.split(key)
        mean, spread = population.of_animals(prior, carry)
        phi = mean + spread * jax.random.normal(one, (3, 2))
        after = gibbs.centred(two, prior, carry, phi)
        return after, after

    start = population.draw_prior(jax.random.PRNGKey(0), prior)
    keys = jax.random.split(jax.random.PRNGKey(1), 60_000)
    drawn = jax.lax.scan(step, start, keys)[1]
    effect = np.asarray(drawn.effect)[::30]
    mean, spread = (np.asarray(leaf)[::30].ravel() for leaf in drawn[:2])
    of_mean = stats.laplace(0, 0.5) if laplace else stats.norm(0, 0.5)
    assert stats.kstest(mean, of_mean.cdf).pvalue > 1e-3
    assert stats.kstest(np.abs(spread), stats.halfnorm(0, 0.25).cdf).pvalue > 1e-3
    for e, scale in enumerate(regression.scale):
        assert stats.kstest(effect[:, e], stats.norm(0, float(scale)).cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(effect.T) - np.eye(3)).max() < 0.12


@pytest.mark.parametrize("spread", [0.8, 0.0])
def test_population_and_spread_are_those_of_quadrature(spread):
    """Without learning an animal is a coin: mean and spread of its log odds by a grid of both, each
    animal integrated by its own grid. Quantiles within five Monte Carlo errors."""
    records = coins.records(np.random.default_rng(5), 6, 60, 0.4, spread)
    model = build_model(ModelSpec("coins", terms=()), from_animals(records, ["A", "B"], "coins"))
    settings = pseudo_marginal.Settings(draws=2000, most_thinning=1, effective=1.0, r_hat=2.0)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(0), model, settings)

    means, spreads, log_p = coins.log_posterior(records)
    p, exact = np.exp(log_p - log_p.max()), coins.log_evidence(records)
    assert info.evidence.error < 0.03
    assert abs(info.evidence.log_evidence - exact) < 4 * info.evidence.error + 0.002
    for name, x, density in (
        ("population", means, simpson(p, x=spreads, axis=1)),
        ("spread", spreads, simpson(p, x=means, axis=0)),
    ):
        cumulated = cumulative_trapezoid(density, x, initial=0.0)
        cumulated /= cumulated[-1]
        sampled = draws[f"preference_{name}"]
        for part in (0.05, 0.25, 0.5, 0.75, 0.95):
            below = 1.0 * (sampled <= np.interp(part, cumulated, x))
            by_block = below.reshape(-1, 50).mean(-1)
            error = by_block.std() / np.sqrt(len(by_block))
            assert abs(below.mean() - part) < 5 * error + 0.004, (name, part, below.mean(), error)
    assert info.acceptance_rate.mean() > 0.2


def test_the_effect_of_a_group_is_that_of_quadrature():
    """Coins in two groups: mean, effect and spread by a grid of all three, and the evidence."""
    rng = np.random.default_rng(8)
    groups = [coins.records(rng, 5, 60, mean, 0.4) for mean in (0.3, -0.5)]
    records = [
        replace(one, animal=f"{g}{one.animal}", covariates={"group": str(g)})
        for g, own in enumerate(groups)
        for one in own
    ]
    spec = ModelSpec("coins", terms=(), by={"preference": "group"})
    model = build_model(spec, from_animals(records, ["A", "B"], "coins"))
    settings = pseudo_marginal.Settings(draws=2000, most_thinning=1, effective=1.0, r_hat=2.0)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(0), model, settings)

    values, p, exact = coins.two_groups(*groups)
    assert info.evidence.error < 0.03
    assert abs(info.evidence.log_evidence - exact) < 4 * info.evidence.error + 0.01
    sampled = {
        "mean": draws["preference_population"],
        "effect": draws["effect"][..., 0],
        "spread": draws["preference_spread"],
    }
    for name, x in values.items():
        step = 0.025 if name == "spread" else 0.05
        for where in np.quantile(sampled[name], (0.05, 0.25, 0.5, 0.75, 0.95)):
            at = (np.floor(where / step) + 0.5) * step  # between two cells
            below = 1.0 * (sampled[name] <= at)
            by_block = below.reshape(-1, 50).mean(-1)
            error = by_block.std() / np.sqrt(len(by_block))
            part = p[x <= at].sum()
            assert abs(below.mean() - part) < 5 * error + 0.006, (name, part, below.mean(), error)


def test_the_evidence_of_animals_without_a_population_is_the_product_of_their_integrals():
    records = coins.records(np.random.default_rng(6), 3, 40, 0.4, 0.5)
    spec = ModelSpec("coins", terms=(), hierarchy="none")
    model = build_model(spec, from_animals(records, ["A", "B"], "coins"))
    settings = replace(SMALL, draws=150, evidence=400)
    found = pseudo_marginal.fit(jax.random.PRNGKey(1), model, settings)[1].evidence
    phi, exact = np.linspace(-8.0, 8.0, 4001), 0.0
    for record in records:
        n, k = len(record.choices), int(np.sum(record.choices))
        log_p = k * phi - n * np.logaddexp(0.0, phi) + stats.norm.logpdf(phi)
        exact += np.log(simpson(np.exp(log_p), x=phi))
    assert found.error < 0.02
    assert abs(found.log_evidence - exact) < 4 * found.error


def _correlated(rng, n_chains, n_draws, rho):
    """Stationary autoregressive chains of a standard normal number."""
    x = rng.normal(size=(n_chains, n_draws))
    for t in range(1, n_draws):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * x[:, t]
    return x


@pytest.mark.parametrize("width", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_the_error_of_the_evidence_is_its_standard_deviation(width, rho):
    """A posterior exp(3) N(0, 1), chains with autocorrelation rho, and a density at 0.5 that may be
    narrower, where weights of importance sampling have no variance. Of 300 runs the mean is within 4
    of its own standard errors, the mean square in stated errors within 3.
    """
    rng, scores = np.random.default_rng(7), []
    for _ in range(300):
        chains, drawn = _correlated(rng, 4, 600, rho), rng.normal(0.5, width, 500)
        log_l = [
            3.0 + stats.norm.logpdf(x) - stats.norm.logpdf(x, 0.5, width) for x in (chains, drawn)
        ]
        found = evidence.bridged(*log_l)
        scores.append((found.log_evidence - 3.0) / found.error)
    assert abs(np.mean(scores)) < 4 * np.std(scores) / np.sqrt(300)
    assert abs(np.mean(np.square(scores)) - 1.0) < 3 * np.sqrt(2 / 300)


def test_no_evidence_is_given_where_chains_and_mixture_hardly_meet():
    rng = np.random.default_rng(1)
    chains, drawn = rng.normal(size=(4, 250)), rng.normal(9.0, 1.0, 1000)
    few = evidence.bridged(*(40.5 - 9.0 * x for x in (chains, drawn)))
    assert few.effective < 50
    assert np.isnan(few.log_evidence)
    assert not few.attributes


@pytest.mark.slow
def test_repeated_runs_differ_by_the_stated_error_of_their_evidence():
    """Twelve small runs against quadrature: chi^2, both tails at 5 in 10^4."""
    records = coins.records(np.random.default_rng(8), 4, 25, 0.4, 0.8)
    model = build_model(ModelSpec("coins", terms=()), from_animals(records, ["A", "B"], "coins"))
    settings = replace(SMALL, draws=150, evidence=100)
    exact = coins.log_evidence(records)
    found = [
        pseudo_marginal.fit(jax.random.PRNGKey(number), model, settings)[1].evidence
        for number in range(12)
    ]
    scores = np.array([(one.log_evidence - exact) / one.error for one in found])
    assert stats.chi2(12).ppf(5e-4) < (scores**2).sum() < stats.chi2(12).ppf(1 - 5e-4), scores
    assert max(one.error for one in found) < 0.15


@pytest.mark.parametrize(
    ("settings", "cut_at"),
    [(SMALL, 8), (replace(SMALL, r_hat=1.0, most_thinning=2), 17)],
    ids=["in its draws", "in draws after more warm-up"],
)
def test_a_cut_run_goes_on_bit_for_bit(tmp_path, settings, cut_at):
    model, key, store = _model(), jax.random.key(5), tmp_path / "state.npz"
    whole, info = pseudo_marginal.fit(key, model, settings)
    seen = []

    class CutError(Exception):
        pass

    def cut(task, done, total):
        seen.append(task)
        if seen.count("sampling") == cut_at:
            raise CutError

    with pytest.raises(CutError):
        pseudo_marginal.fit(key, model, settings, store=store, progress=cut)
    resumed, again = pseudo_marginal.fit(key, model, settings, store=store)
    for name, values in whole.items():
        np.testing.assert_array_equal(values, resumed[name])
    for one, other in zip(info, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_recording_of_the_same_shape_compiles_nothing_again():
    from hebbax.inference.pseudo_marginal.chains import run_block

    before = None
    for number in (1, 2):
        pseudo_marginal.fit(jax.random.PRNGKey(number), _model(number), SMALL)
        assert before in (None, run_block._cache_size())
        before = run_block._cache_size()


def test_converged_is_what_arviz_says():
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.5):
        for rho in (0.0, 0.9):
            noise = rng.normal(size=(4, 600, 2))
            for t in range(1, 600):
                noise[:, t] = rho * noise[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
            noise[0] += shift
            data = az.convert_to_dataset({"v": noise})
            r_hat = float(az.rhat(data)["v"].max())
            size = min(float(az.ess(data, method=m)["v"].min()) for m in ("bulk", "tail"))
            assert not converged(noise, r_hat - 0.002, 0.9 * size)
            assert not converged(noise, r_hat + 0.002, 1.1 * size)
            assert converged(noise, r_hat + 0.002, 0.9 * size)
            found, bulk = convergence(noise), float(az.ess(data)["v"].min())
            assert found["r_hat"] == pytest.approx(r_hat, abs=0.002)
            assert found["ess"] == pytest.approx(bulk, rel=0.1)


def test_a_step_from_anywhere_gives_numbers(scene):
    model, frame, trials, references, mean, spread = scene
    prior = population.prior_of(model)
    rng = np.random.default_rng(2)
    draws = np.abs(rng.normal(size=(100, 2 * frame.n_members + 1)))
    draws[:, -1] = 0.0
    known = candidates.Known(prior, trials, references, mixture.fit(rng, draws, 2, 1.0))
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


def test_chains_that_disagree_go_on_until_they_may_not():
    """Blocks of one iteration, thinned: what cannot be reached ends, with all draws asked for."""
    settings = replace(SMALL, warmup=13, draws=10, r_hat=1.0, most_thinning=4)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(1), _model(), settings)
    assert settings.block == 1
    assert draws["theta_population"].shape == (2, 10, 5)
    assert np.isfinite(info.lp).all()


def test_a_longer_warm_up_is_longer():
    for warmup, iterations in ((20, 26), (650, 650), (2600, 2600)):
        assert sum(pseudo_marginal.Settings(warmup=warmup).rounds) == iterations
