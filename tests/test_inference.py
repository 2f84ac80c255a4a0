"""MAP and NUTS against what they should give, and a fit that goes on where it was cut off."""

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from numpyro.infer.util import log_density

from hebbax.errors import FitError
from hebbax.inference import map, nuts
from hebbax.inference.coordinates import ANIMAL, POPULATION, pilot, to_sites
from hebbax.inference.density import constrain, latent_sites, potential, start
from hebbax.model import build_model
from hebbax.spec import ModelSpec

SMALL = nuts.Settings(
    chains=2, warmup=40, draws=40, chunk=20, pilot=map.Settings(epochs=100, starts=2, polish=10)
)


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
    fitted = pilot(model, start(model))
    names = latent_sites(model).shapes
    key = jax.random.PRNGKey(3)
    u = {ANIMAL: jax.random.normal(key, (2, 3))}
    if hierarchy == "animals":
        u[POPULATION] = jax.random.normal(key, (3,))
        u |= {n: jnp.full(s, -0.7) for n, s in names.items() if n.endswith("_spread")}
    flat, unravel = jax.flatten_util.ravel_pytree(u)

    def moved(flat):
        return jax.flatten_util.ravel_pytree(to_sites(model, fitted, unravel(flat))[0])[0]

    stated = to_sites(model, fitted, u)[1]
    assert stated == pytest.approx(
        float(jnp.linalg.slogdet(jax.jacobian(moved)(flat))[1]), abs=1e-9
    )


def test_a_gaussian_model_is_standard_normal_in_its_coordinates(model):
    # The posterior curvature along every coordinate is near 1 at the pilot, whatever the data.
    mode, _ = map.fit(jax.random.PRNGKey(0), model)
    fitted = pilot(model, mode)

    from hebbax.inference.coordinates import transported_potential

    hyper = {k: v for k, v in mode.items() if k.endswith("_spread")}

    def along(z):
        u = {**hyper, POPULATION: z[:3], ANIMAL: z[3:].reshape(3, 3)}
        return transported_potential(model, fitted, u)

    curvature = jnp.linalg.eigvalsh(jax.hessian(along)(jnp.zeros(12)))
    assert curvature.min() > 0.3
    assert curvature.max() < 3.0


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
