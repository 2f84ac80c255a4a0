"""Clouds find where an animal's values may lie, and moves between trajectories leave what is sampled
as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions
from scipy.stats import kstest

from hebbax.inference import clouds, hops, pilot
from hebbax.inference.coordinates import Factors, conditional
from hebbax.inference.density import (
    constrain,
    fisher_information,
    latent_sites,
    log_likelihood_by_animal,
    split_groups,
)
from hebbax.inference.interweave import interweave
from hebbax.inference.jumps import Known, jump
from hebbax.inference.moments import moments_of, widened
from hebbax.inference.places import Place, log_likelihood_at
from hebbax.model import build_model
from hebbax.prior_predictive import as_sessions, generator, template
from hebbax.rehearsal import Task
from hebbax.spec import ModelSpec, parse_spec

FORGETS = {"name": "forgets", "terms": ["x r", "w"]}
TASK = Task(80, 1, (0.2, 0.8), "baited")


@pytest.fixture(scope="module")
def cohort():
    """Four animals of the prior, spreads that they may have, and their clouds."""
    model = template(parse_spec(FORGETS), 4, TASK)
    lived = generator(model, TASK)(jax.random.PRNGKey(3))
    model = model.recorded(*seen(model, lived))
    hyper = {"theta_spread": jnp.log(jnp.array([0.3, 0.1])), "preference_spread": jnp.log(0.5)}
    gathered = jax.jit(lambda key: clouds.mixture(model, clouds.gather(key, model)))
    return model, hyper, gathered(jax.random.PRNGKey(5))


def seen(model, lived):
    """Design and observed choices of what animals lived through (animal, trial, ...)."""
    built = build_model(model.spec, as_sessions(lived.choices, lived.rewards, lived.rejections))
    return built.design, jnp.asarray(built.observed)


def reference(model, location, spread, seed=1):
    """Mean and covariance of each animal's deviations, by 40 000 weighted draws of the prior."""
    e = jax.random.normal(jax.random.PRNGKey(seed), (40_000, 4, 3))
    phi = location + spread * e
    log_w = jax.lax.map(lambda p: log_likelihood_by_animal(model, split_groups(model, p)), phi)
    weight = jax.nn.softmax(log_w, axis=0)
    mean = jnp.einsum("sa,sai->ai", weight, e)
    return mean, jnp.einsum("sa,sai,saj->aij", weight, e - mean, e - mean)


@pytest.mark.parametrize("location", [(0.0, 0.0, 0.0), (0.5, -0.2, 0.3), (-0.3, 0.2, 0.0)])
def test_a_cloud_has_the_moments_of_the_likelihood_around_any_population(cohort, location):
    model, hyper, cloud = cohort
    spread = jnp.exp(jnp.append(hyper["theta_spread"], hyper["preference_spread"]))
    means, covariances = moments_of(cloud, spread, jnp.array(location))
    mean, covariance = reference(model, jnp.array(location), spread)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    found = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    # It says where to jump, not what is so: about a standard deviation is enough.
    assert (np.abs(means - mean) < 1.25 * sd).all()
    assert (found > 0.6 * sd).all()
    assert (found < 2.0 * sd).all()


def test_too_narrow_a_factor_becomes_as_wide_as_the_cloud(cohort):
    model, hyper, cloud = cohort
    information = fisher_information(model, jnp.full((4, 3), 0.05))
    narrow = Factors(400.0 * (information + jnp.eye(3)), jnp.zeros((4, 3)))
    start = pilot.Pilot(narrow, hyper, jnp.zeros(()))
    found = widened(model, cloud, start, pilot.Settings(steps=0))
    given = conditional(model, found.factors, hyper, None)
    lower = given.roots.lower
    precision = jnp.einsum("aij,akj->aik", lower, lower)
    sd = np.sqrt(np.diagonal(np.linalg.inv(precision), axis1=1, axis2=2))
    mean, covariance = reference(model, given.location, given.spread)
    true = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    assert (sd > 0.6 * true).all()
    assert (sd < 2.0 * true).all()
    assert (np.abs(np.asarray(given.means) - mean) < 1.0 * true).all()


def test_a_factor_that_fits_is_left(cohort):
    model, hyper, cloud = cohort
    nothing = Factors(jnp.zeros((4, 3, 3)), jnp.zeros((4, 3)))  # no wider than the prior
    start = pilot.Pilot(nothing, hyper, jnp.zeros(()))
    found = widened(model, cloud, start, pilot.Settings(steps=0))
    np.testing.assert_array_equal(found.factors.information, nothing.information)


@pytest.mark.parametrize(
    "prior",
    ["normal", "regularised horseshoe", pytest.param("r2d2", marks=pytest.mark.slow)],
)
def test_moves_leave_the_posterior_as_it_is(cohort, prior):
    # Truth and choices drawn together; then moves given the choices. Were the posterior not kept,
    # what they end at would not have the prior distribution that it began with (Geweke 2004).
    # The cloud is one of other choices: any will do.
    short = Task(20, 1, (0.2, 0.8), "baited")
    expected = {"expected_terms": 1} if "horseshoe" in prior else {}
    model = template(parse_spec({**FORGETS, "prior": prior, **expected}), 4, short)
    cloud, sites = cohort[2], latent_sites(model)
    known = Known(jax.tree.map(lambda leaf: leaf[:1], cloud.factors), cloud)
    factors = Factors(jnp.broadcast_to(20.0 * jnp.eye(3), (4, 3, 3)), jnp.ones((4, 3)))
    steps = hops.Steps(jnp.array([0.2, 0.1, 0.5]), jnp.array([0.5, 0.8, 0.5]))
    n = 800

    def one(key, truth, design, observed):
        own = model.recorded(design, observed)
        start = dict(truth)
        for group in model.groups:
            away = truth[group.name] - truth[f"{group.name}_population"]
            start[f"{group.name}_offset"] = away / truth[f"{group.name}_spread"]
        start = {name: sites.transforms[name].inv(start[name]) for name in sites.shapes}

        def move(place, key):
            keys = jax.random.split(key, 3)
            place = place._replace(sites=interweave(keys[0], own, place.sites))
            place = jump(keys[1], own, known, place)
            return hops.hop(keys[2], own, factors, steps, place), None

        place = Place(start, log_likelihood_at(own, start))
        end, _ = jax.lax.scan(move, place, jax.random.split(key, 6))
        return constrain(sites, end.sites), end.log_likelihood, log_likelihood_at(own, end.sites)

    lived = jax.jit(jax.vmap(generator(model, short)))(jax.random.split(jax.random.PRNGKey(4), n))
    lived = jax.device_get(lived)
    together = [leaf.reshape(-1, *leaf.shape[2:]) for leaf in lived[1:]]
    design, observed = seen(model, lived._make([lived.truth, *together]))
    each = jax.tree.map(lambda leaf: leaf.reshape(n, 4, *leaf.shape[1:]), design)
    keys = jax.random.split(jax.random.PRNGKey(6), n)
    after, carried, there = jax.jit(jax.vmap(one))(keys, lived.truth, each, observed.reshape(n, -1))
    np.testing.assert_allclose(carried, there, atol=1e-3)
    moved = 0
    for name in sites.shapes:
        if name.endswith("_offset"):
            continue
        old, new = (np.asarray(v[name]).reshape(n, -1) for v in (lived.truth, after))
        for member in range(old.shape[1]):
            assert kstest(old[:, member], new[:, member]).pvalue > 1e-3, (name, member)
            assert np.mean(old[:, member] != new[:, member]) > 0.9
            moved += 1
    assert moved == (6 if prior == "normal" else 9)


def test_a_solution_that_left_the_range_of_numbers_is_not_kept():
    # With a prior of this width weights grow a thousandfold a trial, and the first start is at none.
    spec = ModelSpec("wild", ("x r", "w"), scales={"x r": 1.0, "w": 2000.0})
    model = build_model(spec, random_sessions(11, lengths=(200, 150)))
    settings = pilot.Settings(rounds=4, hold=2, samples=4, starts=4, jitter=5.0)
    found = pilot.fit(jax.random.PRNGKey(0), model, settings)
    assert np.isfinite(found.evidence).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
