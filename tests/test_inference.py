"""MAP and NUTS against what they should give, and a fit that goes on where it was cut off."""

from dataclasses import replace
from functools import partial

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from numpyro.distributions import HalfNormal, Normal
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import log_density

from hebbax.errors import FitError
from hebbax.inference import clouds, map, nuts, pilot
from hebbax.inference.coordinates import (
    ANIMAL,
    POPULATION,
    Factors,
    to_coordinates,
    to_sites,
    transported_potential,
)
from hebbax.inference.density import (
    constrain,
    fisher_information,
    flatten_groups,
    hyper_log_prior,
    latent_sites,
    log_likelihood_by_animal,
    potential,
    split_groups,
    start,
)
from hebbax.inference.force import steered_potential
from hebbax.inference.jumps import Known, jump
from hebbax.inference.places import Place, log_likelihood_at
from hebbax.model import build_model
from hebbax.spec import ModelSpec

SMALL = nuts.Settings(chains=2, warmup=40, draws=40, chunk=20)


@pytest.fixture(scope="module")
def model():
    return build_model(ModelSpec("m", ("x r", "w")), random_sessions(11, lengths=(60, 50, 40)))


def test_the_mode_is_one(model):
    mode, info = map.fit(jax.random.PRNGKey(0), model)
    assert info.gradient_norm < 1e-3
    away = {k: v + 0.05 for k, v in mode.items()}
    assert potential(model, mode) < potential(model, away)


@pytest.mark.parametrize("hierarchy", ["animals", "none"])
def test_the_coordinates_are_a_change_of_variables(hierarchy):
    sessions = random_sessions(11, lengths=(30, 40))
    model = build_model(ModelSpec("m", ("x r", "w"), hierarchy=hierarchy), sessions)
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(2, 3, 3))
    factors = Factors(jnp.asarray(roots @ np.swapaxes(roots, 1, 2)), jnp.asarray(roots[..., 0]))
    names = latent_sites(model).shapes
    key = jax.random.PRNGKey(3)
    u = {ANIMAL: jax.random.normal(key, (2, 3))}
    if hierarchy == "animals":
        u[POPULATION] = jax.random.normal(key, (3,))
        u |= {n: jnp.full(s, -0.7) for n, s in names.items() if n.endswith("_spread")}
    flat, unravel = jax.flatten_util.ravel_pytree(u)

    def moved(flat):
        return jax.flatten_util.ravel_pytree(to_sites(model, factors, unravel(flat))[0])[0]

    sites, stated = to_sites(model, factors, u)
    assert stated == pytest.approx(
        float(jnp.linalg.slogdet(jax.jacobian(moved)(flat))[1]), abs=1e-9
    )
    for name, value in to_coordinates(model, factors, sites).items():
        np.testing.assert_allclose(value, u[name], atol=1e-9)


@pytest.mark.parametrize("likelihood", ["choice", "encounter"])
def test_the_fisher_information_is_the_mean_product_of_scores(likelihood):
    sessions = random_sessions(11, lengths=(12,))
    model = build_model(ModelSpec("m", ("x r", "w"), likelihood=likelihood), sessions)
    phi = jnp.array([[0.4, -0.1, 0.3, 0.2][: 3 if likelihood == "choice" else 4]])

    def score(drawn):
        def total(p):
            return model.distribution(split_groups(model, p)).log_prob(drawn).sum()

        return jax.grad(total)(phi)[0]

    distribution = model.distribution(split_groups(model, phi))
    drawn = distribution.sample(jax.random.PRNGKey(0), (20_000,))
    scores = jax.jit(jax.vmap(score))(drawn)
    products = scores[:, :, None] * scores[:, None, :]
    error = products.std(0) / np.sqrt(len(products))
    # Under `encounter` the information is that of the encounters met: average over those drawn.
    mean = model
    if likelihood == "encounter":
        n_stimuli = drawn.shape[-1] - 1
        chosen = (drawn[..., -1:] == jnp.arange(n_stimuli)).mean(0)
        met = drawn[..., :-1].mean(0) + chosen - jnp.eye(n_stimuli)[0]
        mean = replace(model, observed=np.column_stack([met, np.zeros(len(met))]))
    stated = fisher_information(mean, phi)[0]
    assert (jnp.abs(products.mean(0) - stated) < 4 * error).all()


def on_a_grid(model, grid):
    """The preference alone: log joint (value, animal), posterior mean and sd (animal,)."""
    joint = jax.vmap(
        lambda p: (
            log_likelihood_by_animal(model, {"preference": jnp.full(2, p)})
            + Normal(0, 1).log_prob(p)
        )
    )(grid)
    weight = jax.nn.softmax(joint, axis=0)
    mean = (weight * grid[:, None]).sum(0)
    sd = jnp.sqrt((weight * (grid[:, None] - mean) ** 2).sum(0))
    return joint, mean, sd


def test_the_pilot_of_a_gaussian_animal_is_its_posterior():
    # A model without learning has one number an animal: its posterior can be integrated on a grid.
    model = build_model(ModelSpec("m", (), hierarchy="none"), random_sessions(11, lengths=(60, 50)))
    found = jax.tree.map(lambda leaf: leaf[0], pilot.fit(jax.random.PRNGKey(0), model))
    grid = jnp.linspace(-4, 4, 2001)
    joint, mean, sd = on_a_grid(model, grid)
    precision = found.factors.information[:, 0, 0] + 1.0
    np.testing.assert_allclose(found.factors.linear[:, 0] / precision, mean, atol=0.05)
    np.testing.assert_allclose(precision**-0.5, sd, rtol=0.05)
    evidence = (jax.nn.logsumexp(joint, axis=0) + jnp.log(grid[1] - grid[0])).sum()
    assert found.evidence[()] == pytest.approx(float(evidence), abs=0.05)


def by_jumps_alone(model, n, steps):
    """Each animal's values (draw, animal, member) after many jumps from a wrong start."""
    solutions = pilot.fit(jax.random.PRNGKey(0), model).factors
    points = clouds.gather(jax.random.PRNGKey(4), model)
    known = Known(solutions, clouds.mixture(model, points))
    size = sum(group.scales.size for group in model.groups)
    shape = (n, model.sessions.n_animals, size)
    wrong = model.scales * (jax.random.normal(jax.random.PRNGKey(1), shape) + 1.0)
    start = split_groups(model, wrong)
    start = Place(start, jax.vmap(partial(log_likelihood_at, model))(start))

    def step(place, key):
        keys = jax.random.split(key, n)
        return jax.vmap(lambda k, place: jump(k, model, known, place))(keys, place), None

    keys = jax.random.split(jax.random.PRNGKey(2), steps)
    ends, _ = jax.jit(lambda place: jax.lax.scan(step, place, keys))(start)
    return jax.vmap(partial(flatten_groups, model))(ends.sites)


def test_jumps_alone_leave_the_posterior_as_it_is():
    # One number an animal: its posterior is known on a grid, and jumps must converge to it.
    model = build_model(ModelSpec("m", (), hierarchy="none"), random_sessions(11, lengths=(12, 30)))
    drawn = by_jumps_alone(model, 4000, 60)[..., 0]
    _, mean, sd = on_a_grid(model, jnp.linspace(-5, 5, 2001))
    assert (jnp.abs(drawn.mean(0) - mean) < 4 * sd / np.sqrt(len(drawn))).all()
    np.testing.assert_allclose(drawn.std(0), sd, rtol=4 / np.sqrt(2 * len(drawn)))


def test_jumps_know_the_prior_of_animals_on_their_own():
    # A Laplace prior, against draws from it weighted by the likelihood.
    spec = ModelSpec("m", ("x r",), hierarchy="none", prior="laplace", scales={"x r": 0.3})
    model = build_model(spec, random_sessions(12, lengths=(12, 30)))
    drawn = by_jumps_alone(model, 4000, 60)
    keys = jax.random.split(jax.random.PRNGKey(3))
    offered = {
        "theta": 0.3 * jax.random.laplace(keys[0], (100_000, 2, 1)),
        "preference": jax.random.normal(keys[1], (100_000, 2)),
    }
    weights = jax.nn.softmax(
        jax.lax.map(lambda v: log_likelihood_by_animal(model, v), offered, batch_size=2000), axis=0
    )
    values = jnp.concatenate([offered["theta"], offered["preference"][..., None]], -1)
    mean = jnp.einsum("na,nam->am", weights, values)
    sd = jnp.sqrt(jnp.einsum("na,nam->am", weights, (values - mean) ** 2))
    assert (jnp.abs(drawn.mean(0) - mean) < 5 * sd / np.sqrt(len(drawn))).all()
    np.testing.assert_allclose(drawn.std(0), sd, rtol=0.07)


def test_a_bounded_force_leaves_the_posterior_as_it_is():
    # Bounded at a slope that half of the draws exceed, so that the bound acts all the time.
    model = build_model(ModelSpec("m", (), hierarchy="none"), random_sessions(11, lengths=(12, 30)))
    factors = pilot.best(pilot.fit(jax.random.PRNGKey(0), model)).factors
    steered = partial(steered_potential, model, factors, largest=0.5)
    there = {ANIMAL: jnp.array([[0.1], [30.0]])}
    exact = partial(transported_potential, model, factors)
    assert steered(there) == pytest.approx(float(exact(there)), rel=1e-12)
    force, slope = (jax.grad(f)(there)[ANIMAL][:, 0] for f in (steered, exact))
    assert force[0] == pytest.approx(float(slope[0]), rel=1e-9)
    assert abs(force[1]) < 0.6 * abs(slope[1])
    sampler = MCMC(
        NUTS(potential_fn=steered, target_accept_prob=0.6),
        num_warmup=200,
        num_samples=4000,
        progress_bar=False,
    )
    sampler.run(jax.random.PRNGKey(1), init_params={ANIMAL: jnp.zeros((2, 1))})
    drawn = jax.vmap(lambda z: to_sites(model, factors, z)[0]["preference"])(sampler.get_samples())
    _, mean, sd = on_a_grid(model, jnp.linspace(-5, 5, 2001))
    for animal in range(2):
        one = np.asarray(drawn[:, animal])
        assert abs(one.mean() - mean[animal]) < 4 * az.mcse(one)
        assert one.std() == pytest.approx(float(sd[animal]), abs=4 * az.mcse(one, method="sd"))


def test_the_log_prior_of_the_scales_is_that_of_the_model(model):
    hyper = {k: v + 0.3 for k, v in start(model).items() if k.endswith("_spread")}
    expected = sum(
        float((HalfNormal(0.5 * scale).log_prob(jnp.exp(u)) + u).sum())
        for scale, u in (
            (jnp.array([0.5, 0.2]), hyper["theta_spread"]),
            (jnp.array(1.0), hyper["preference_spread"]),
        )
    )
    assert hyper_log_prior(model, hyper) == pytest.approx(expected, abs=1e-10)


def test_the_potential_is_the_density_of_the_numpyro_model(model):
    point = {k: v + 0.1 for k, v in start(model).items()}
    sites = latent_sites(model)
    values = constrain(sites, point)
    joint = log_density(model, (), {}, values)[0]
    for name, transform in sites.transforms.items():
        joint += transform.log_abs_det_jacobian(point[name], values[name]).sum()
    assert potential(model, point) == pytest.approx(float(-joint), abs=1e-9)


def test_a_fit_that_was_cut_off_goes_on_bit_for_bit(model, tmp_path):
    key = jax.random.PRNGKey(5)
    whole, info = nuts.fit(key, model, SMALL)

    class CutError(Exception):
        pass

    def cut(task, done, total):
        if task == "sampling" and done >= 60:
            raise CutError

    state = tmp_path / "m.state.npz"
    with pytest.raises(CutError):
        nuts.fit(key, model, SMALL, store=state, progress=cut)
    resumed, info_resumed = nuts.fit(key, model, SMALL, store=state)
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value)
    np.testing.assert_array_equal(info_resumed.energy, info.energy)

    with pytest.raises(FitError) as error:
        nuts.fit(jax.random.PRNGKey(6), model, SMALL, store=state)
    assert str(error.value) == (
        "m.state.npz: the unfinished fit has other data, model, seed or settings; resume with the "
        "same ones, or start anew with --force."
    )
    state.write_bytes(b"not a state")
    with pytest.raises(FitError, match=r"^m.state.npz: not a readable state of a fit; remove it"):
        nuts.fit(key, model, SMALL, store=state)


@pytest.mark.slow
def test_nuts_agrees_with_importance_sampling_on_one_animal():
    # One animal without a population has three latent variables: draws of the prior, weighted by
    # the likelihood, are an independent way to the posterior.
    spec = ModelSpec("m", ("x r", "w"), hierarchy="none")
    model = build_model(spec, random_sessions(11, lengths=(60,)))
    key = jax.random.PRNGKey(0)
    n = 100_000
    scales = {"theta": jnp.array([0.5, 0.2]), "preference": jnp.array(1.0)}
    draws = {
        "theta": scales["theta"] * jax.random.normal(key, (n, 1, 2)),
        "preference": jax.random.normal(jax.random.PRNGKey(1), (n, 1)),
    }
    from hebbax.inference.density import log_likelihood

    weight = jax.nn.softmax(
        jax.lax.map(lambda v: log_likelihood(model, v).sum(), draws, batch_size=5000)
    )
    effective = 1.0 / float((weight**2).sum())
    assert effective > 1000
    settings = nuts.Settings(warmup=300, draws=300)
    sampled, _ = nuts.fit(key, model, settings)
    for name, drawn in draws.items():
        flat = drawn.reshape(n, -1)
        mean = weight @ flat
        sd = jnp.sqrt(weight @ (flat - mean) ** 2)
        got = sampled[name].reshape(4, 300, -1)
        for j in range(flat.shape[1]):
            error = sd[j] * np.sqrt(1 / effective + 1 / float(az.ess(got[..., j])))
            assert abs(got[..., j].mean() - mean[j]) < 4 * error
