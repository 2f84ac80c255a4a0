"""MAP and NUTS against what they should give, and a fit that goes on where it was cut off."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arviz_stats import ess
from conftest import random_sessions
from numpyro.distributions import Normal
from numpyro.infer.util import log_density

from hebbax.errors import FitError
from hebbax.inference import map, nuts, variational
from hebbax.inference.density import (
    constrain,
    fisher_information,
    latent_sites,
    log_likelihood_by_animal,
    potential,
    split_groups,
    start,
)
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec

SMALL = nuts.Settings(chains=2, warmup=40, draws=40, chunk=20)


@pytest.fixture(scope="module")
def model():
    return build_model(ModelSpec("m", ("x r", "w")), random_sessions(11, lengths=(60, 50, 40)))


@pytest.fixture(scope="module")
def whole(model):
    """Draws of an unbroken fit, and what it says of itself."""
    return nuts.fit(jax.random.key(5), model, SMALL)


def test_the_mode_is_one(model):
    mode, info = map.fit(jax.random.PRNGKey(0), model)
    assert info.gradient_norm < 1e-3
    away = {k: v + 0.05 for k, v in mode.items()}
    assert potential(model, mode) < potential(model, away)


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


def test_the_quick_fit_of_one_number_is_its_posterior():
    # A model without learning has one number an animal: its posterior can be integrated on a grid.
    model = build_model(ModelSpec("m", (), hierarchy="none"), random_sessions(11, lengths=(60, 50)))
    found = variational.fit(jax.random.PRNGKey(0), model)
    grid = jnp.linspace(-4, 4, 2001)

    @jax.vmap
    def joint(value):
        each = log_likelihood_by_animal(model, {"preference": jnp.full(2, value)})
        return each + Normal(0, 1).log_prob(value)

    weight = jax.nn.softmax(joint(grid), axis=0)
    mean = (weight * grid[:, None]).sum(0)
    sd = jnp.sqrt((weight * (grid[:, None] - mean) ** 2).sum(0))
    precision = found.information[:, 0, 0] + 1.0
    np.testing.assert_allclose(found.linear[:, 0] / precision, mean, atol=0.05)
    np.testing.assert_allclose(found.animals[:, 0], mean, atol=0.05)
    np.testing.assert_allclose(precision**-0.5, sd, rtol=0.05)


def test_the_potential_is_the_density_of_the_numpyro_model(model):
    point = {k: v + 0.1 for k, v in start(model).items()}
    sites = latent_sites(model)
    values = constrain(sites, point)
    joint = log_density(model, (), {}, values)[0]
    for name, transform in sites.transforms.items():
        joint += transform.log_abs_det_jacobian(point[name], values[name]).sum()
    assert potential(model, point) == pytest.approx(float(-joint), abs=1e-9)


def test_the_stored_energy_is_that_at_the_end_of_a_trajectory(model, whole):
    """Less the potential there, it is the kinetic energy of a momentum of one degree of freedom a
    value: half a chi-squared."""
    _, info = whole
    kinetic = info.energy + info.lp
    values = sum(int(np.prod(shape)) for shape in latent_sites(model).shapes.values())
    assert (kinetic > 0.0).all()
    assert kinetic.mean() == pytest.approx(
        0.5 * values, abs=5 * np.sqrt(0.5 * values / kinetic.size)
    )
    assert kinetic.std() == pytest.approx(np.sqrt(0.5 * values), rel=0.4)


def test_a_fit_that_was_cut_off_goes_on_bit_for_bit(model, whole, tmp_path):
    """Nor does it matter of which kind the random key was, before or after."""
    key = jax.random.PRNGKey(5)
    unbroken, info = whole

    class CutError(Exception):
        pass

    def cut(task, done, total):
        if task == "sampling" and done >= 60:
            raise CutError

    state = tmp_path / "m.state.npz"
    with pytest.raises(CutError):
        nuts.fit(jax.random.key(5), model, SMALL, store=state, progress=cut)
    resumed, info_resumed = nuts.fit(key, model, SMALL, store=state)
    for name, value in unbroken.items():
        np.testing.assert_array_equal(resumed[name], value)
    np.testing.assert_array_equal(info_resumed.energy, info.energy)

    with pytest.raises(FitError) as error:
        nuts.fit(jax.random.PRNGKey(6), model, SMALL, store=state)
    assert str(error.value) == (
        "m.state.npz: an unfinished fit with another random seed; ask for the same, use --force to "
        "start anew, or give another --out."
    )


def test_nuts_agrees_with_importance_sampling_on_one_animal():
    # One animal without a population has three latent variables: draws of the prior, weighted by
    # the likelihood, are an independent way to the posterior. Weights that cannot run away leave it
    # one solution: with two, few draws of NUTS do not know how few they are worth.
    spec = ModelSpec("m", ("x r", "w"), hierarchy="none", scales={"w": 0.05})
    model = build_model(spec, random_sessions(11, lengths=(60,)))
    key = jax.random.PRNGKey(0)
    n = 100_000
    scales = {"theta": jnp.array([0.5, 0.05]), "preference": jnp.array(1.0)}
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
            error = sd[j] * np.sqrt(1 / effective + 1 / float(ess(got[..., j])))
            assert abs(got[..., j].mean() - mean[j]) < 4 * error
