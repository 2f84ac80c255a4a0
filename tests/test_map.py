"""The mode: that it is one, that another optimiser finds the same, and what a Laplace prior does."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from numpyro.infer.util import log_density
from scipy.optimize import minimize

from hebbax.inference import map
from hebbax.inference.density import (
    animal_values,
    constrain,
    latent_sites,
    likelihood_hessian,
    log_likelihood,
    potential,
    split_groups,
    start,
)
from hebbax.inference.polish import kinks, slope
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior import estimate

QUICK = map.Settings(epochs=200, starts=2)


@pytest.fixture(scope="module", params=["animals", "none"])
def fitted(request):
    spec = ModelSpec("m", ("x r", "w"), hierarchy=request.param)
    model = build_model(spec, random_sessions(11, lengths=(60, 50)))
    return model, *map.fit(jax.random.PRNGKey(0), model, QUICK)


def test_the_density_is_flat_at_the_mode_and_lower_around_it(fitted):
    model, mode, info = fitted
    density = jax.jit(lambda point: potential(model, point))
    gradient = jax.jit(jax.grad(density))(mode)
    assert max(float(jnp.abs(v).max()) for v in gradient.values()) < 1e-5
    assert info.gradient_norm < 1e-5
    for seed in range(20):
        keys = jax.random.split(jax.random.PRNGKey(seed), len(mode))
        away = {
            k: v + 0.03 * jax.random.normal(key, v.shape)
            for key, (k, v) in zip(keys, mode.items(), strict=True)
        }
        assert density(mode) < density(away)


def test_scipy_finds_the_same_mode_of_the_numpyro_density(fitted):
    model, mode, info = fitted
    sites = latent_sites(model)
    flat, unravel = jax.flatten_util.ravel_pytree(start(model))

    def loss(flat):
        point = unravel(flat)
        values = {name: sites.transforms[name](v) for name, v in point.items()}
        joint = log_density(model, (), {}, values)[0]
        for name, transform in sites.transforms.items():
            joint += transform.log_abs_det_jacobian(point[name], values[name]).sum()
        return -joint

    found = minimize(
        jax.jit(jax.value_and_grad(loss)), flat, jac=True, method="BFGS", options={"gtol": 1e-6}
    )
    assert found.fun == pytest.approx(float(info.final), abs=1e-6)
    np.testing.assert_allclose(found.x, jax.flatten_util.ravel_pytree(mode)[0], atol=1e-4)


@pytest.mark.parametrize("hierarchy", ["animals", "none"])
def test_a_laplace_prior_sets_what_the_data_do_not_need_to_exactly_zero(hierarchy):
    # Rewards are random, so that nothing was learned: the L1 optimum must satisfy its conditions.
    scales = {"1": 0.03, "x r": 0.03, "w": 0.03}
    spec = ModelSpec("m", ("1", "x r", "w"), hierarchy=hierarchy, prior="laplace", scales=scales)
    model = build_model(spec, random_sessions(3, lengths=(60, 50)))
    mode, info = map.fit(jax.random.PRNGKey(0), model, QUICK)
    ((site, scale),) = kinks(model).items()
    theta = np.asarray(mode[site])
    assert (theta == 0.0).any()
    assert info.gradient_norm < 1e-4
    # The conditions, from the smooth part alone: |slope| <= 1 / scale at zero, and equal to it
    # against the sign elsewhere.

    def rest(value):
        values = constrain(latent_sites(model), {**mode, site: value})
        return -log_likelihood(model, animal_values(model, values)).sum()

    smooth = np.asarray(jax.jit(jax.grad(rest))(mode[site]))
    zero = theta == 0.0
    bound = np.broadcast_to(1.0 / np.asarray(scale), theta.shape)
    assert (np.abs(smooth[zero]) <= bound[zero]).all()
    np.testing.assert_allclose(smooth[~zero], -(np.sign(theta) * bound)[~zero], atol=1e-4)


def test_the_slope_at_a_kink_is_the_least_subgradient():
    spec = ModelSpec("m", ("x r",), hierarchy="none", prior="laplace", scales={"x r": 0.01})
    model = build_model(spec, random_sessions(3))
    assert (slope(model, start(model))["theta"] == 0.0).all()
    spec = ModelSpec("m", ("x r",), hierarchy="none", prior="laplace", scales={"x r": 5.0})
    model = build_model(spec, random_sessions(3))
    point = start(model)
    smooth = jax.jit(
        jax.grad(lambda theta: -log_likelihood(model, {**point, "theta": theta}).sum())
    )(point["theta"])
    expected = np.sign(smooth) * np.maximum(np.abs(smooth) - 0.2, 0.0)
    assert (expected != 0.0).any()
    np.testing.assert_allclose(slope(model, point)["theta"], expected, atol=1e-12)


def test_the_hessian_by_animal_is_the_whole_one():
    model = build_model(ModelSpec("m", ("x r", "w")), random_sessions(3))
    phi = 0.1 * jax.random.normal(jax.random.PRNGKey(0), (2, 3))
    gradient, hessian = jax.jit(partial(likelihood_hessian, model))(phi)

    def whole(phi):
        return log_likelihood(model, split_groups(model, phi)).sum()

    np.testing.assert_allclose(gradient, jax.jit(jax.grad(whole))(phi), atol=1e-9)
    full = jax.jit(jax.hessian(whole))(phi)
    for a in range(2):
        np.testing.assert_allclose(hessian[a], full[a, :, a], atol=1e-8)
        np.testing.assert_allclose(full[a, :, 1 - a], 0.0, atol=1e-12)


def test_a_stored_estimate_is_named_as_a_posterior_is(fitted, tmp_path):
    model, mode, info = fitted
    path = tmp_path / "m.map.nc"
    estimate.write(
        estimate.to_dataset(model, mode, info, {"method": "map", "seed": 0, "settings": {}}), path
    )
    stored = estimate.read(path)
    assert stored["theta"].dims == ("animal", "term")
    values = map.estimates(model, mode)
    np.testing.assert_array_equal(stored["theta"], values["theta"])
    assert stored.attrs["loss"] == float(info.final)
    table = estimate.table(stored)
    lost = "loss of a weight (%)"
    assert set(table.columns) == {"theta x r", "theta w", "preference", lost}
    np.testing.assert_array_equal(table["theta w"], values["theta"][:, 1])
    np.testing.assert_allclose(table[lost], -50.0 * values["theta"][:, 1])
    assert estimate.sentence(stored).startswith("A mode of the joint density: loss ")
    stored.attrs["gradient_norm"] = 0.5
    assert estimate.sentence(stored) == (
        "The descent did NOT reach a mode: its slope is 5.0e-01 (below 0.001 at one); the loss so "
        f"far is {float(info.final):.2f} nats. More steps, or a rule without collinear terms."
    )
