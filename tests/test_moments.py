"""A factor that is too narrow for an animal's likelihood is widened, one that fits is left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.inference import pilot
from hebbax.inference.coordinates import Factors, conditional
from hebbax.inference.density import fisher_information, log_likelihood_by_animal, split_groups
from hebbax.inference.moments import widened
from hebbax.prior_predictive import draw_truth, generator, template
from hebbax.rehearsal import Task
from hebbax.spec import parse_spec

SPREADS = {"theta_spread": [0.3, 0.1], "preference_spread": 0.5}


@pytest.fixture(scope="module")
def cohort():
    task = Task(80, 1, (0.2, 0.8), "baited")
    spec = parse_spec({"name": "two", "terms": ["x r", "w"]})
    model = template(spec, 4, task)
    lived = generator(model, task)(jax.random.PRNGKey(3))
    assert set(draw_truth(jax.random.PRNGKey(0), model)) == set(lived.truth)
    hyper = {name: jnp.log(jnp.array(value)) for name, value in SPREADS.items()}
    return model, hyper


def moments(model, factors, hyper):
    """Mean and standard deviation of each animal's deviations under its factor."""
    given = conditional(model, factors, hyper, None)
    precision = np.asarray(jnp.einsum("aij,akj->aik", given.roots, given.roots))
    covariance = np.linalg.inv(precision)
    return given, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))


def reference(model, given):
    """The same by 20 000 draws of the prior, weighted with the likelihood."""
    e = jax.random.normal(jax.random.PRNGKey(1), (20_000, *given.means.shape))
    phi = given.location + given.spread * e
    log_w = jax.lax.map(lambda p: log_likelihood_by_animal(model, split_groups(model, p)), phi)
    weight = jax.nn.softmax(log_w, axis=0)
    mean = jnp.einsum("sa,sai->ai", weight, e)
    return mean, jnp.sqrt(jnp.einsum("sa,sai->ai", weight, (e - mean) ** 2))


def test_too_narrow_a_factor_becomes_as_wide_as_the_likelihood(cohort):
    model, hyper = cohort
    n = model.sessions.n_animals
    information = fisher_information(model, jnp.zeros((n, 3)) + 0.05)
    narrow = Factors(400.0 * (information + jnp.eye(3)), jnp.zeros((n, 3)))
    start = pilot.Pilot(narrow, hyper, jnp.zeros(()))
    still = pilot.Settings(steps=0)
    found = jax.jit(lambda key: widened(key, model, start, still))(jax.random.PRNGKey(0))
    given, sd = moments(model, found.factors, hyper)
    before = moments(model, narrow, hyper)[1]
    mean, true = (np.asarray(v) for v in reference(model, given))
    assert (before < 0.5 * true).any(axis=1).all()
    assert (sd > 0.6 * true).all()
    assert (sd < 1.7 * true).all()
    assert (np.abs(np.asarray(given.means) - mean) < 1.0 * true).all()


def test_a_factor_that_fits_is_left(cohort):
    model, hyper = cohort
    n = model.sessions.n_animals
    # No wider than the prior of a deviation, whatever the choices say.
    nothing = Factors(jnp.zeros((n, 3, 3)), jnp.zeros((n, 3)))
    start = pilot.Pilot(nothing, hyper, jnp.zeros(()))
    found = widened(jax.random.PRNGKey(0), model, start, pilot.Settings(steps=0))
    np.testing.assert_array_equal(found.factors.information, nothing.information)
