"""Chains start in the solutions that many short runs end in, and keep proposing these."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.check import sbc
from hebbax.inference.pseudo_marginal import mixture
from hebbax.inference.pseudo_marginal.animal import frame_of, trials_of
from hebbax.inference.pseudo_marginal.chains import Setup
from hebbax.inference.pseudo_marginal.pilot import pilot
from hebbax.inference.pseudo_marginal.population import prior_of
from hebbax.inference.pseudo_marginal.starts import started
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec
from hebbax.typing import silent

TWO_SOLUTIONS = 133
"""A simulation of `hebbax calibrate` whose rule has its truth, with "1" and "r" below zero, in a
solution of half the posterior; short runs that are left to themselves end there in 7 to 11 of 32."""


def cohort(simulation):
    """Return the model of one simulated cohort, its settings and its key."""
    spec, settings = read_spec("rajagopalan-forgetting"), sbc.Settings()
    key = jax.random.fold_in(jax.random.PRNGKey(settings.seed), simulation)
    live_key, key = jax.random.split(key)
    lived = jax.device_get(sbc.program(spec, settings).live(live_key))
    model = build_model(spec, sbc.recorded(lived.session, settings.task, spec))
    return model, settings.sampler, key


def test_short_runs_find_both_solutions_and_chains_begin_in_both():
    """The key is one where populations of the pilot led one of 32 runs to the truth."""
    model, settings, key = cohort(TWO_SOLUTIONS)
    key, run_key = jax.random.split(jax.random.fold_in(key, 3))
    setup = Setup(run_key, frame_of(model), prior_of(model), trials_of(model), settings)
    chains = started(key, setup, pilot(key, *setup[1:4], settings.pilot), silent)
    below = (chains.found.population.mean[:, :2] < 0).all(-1)
    above = chains.found.population.mean[:, 1] > 0
    assert 0.1 < below.mean() < 0.6
    assert above.mean() > 0.3
    components = np.asarray(chains.mixture.mean[:-1, :2])
    assert (components < 0).all(-1).any()
    assert (components[:, 1] > 0).any()
    starts = np.asarray(chains.state.population.mean[:, 1])
    assert starts.min() < 0 < starts.max()


@pytest.mark.parametrize("runs", [2, 4, 8])
@pytest.mark.parametrize("n_own", [500, 2700])
def test_a_solution_that_few_runs_met_is_proposed(runs, n_own):
    """Of 32 runs some ended four standard deviations away, in two coordinates, and the chains have
    left it: its density under the mixture is that of a normal one but for its share."""
    d, share = 6, runs / 32 * mixture.FOUND_SHARE
    away = np.zeros(2 * d + 1)
    away[:2] = 4.0

    @jax.jit
    def log_density(fitted, x):
        block = mixture.whole(jnp.zeros((0, d)))
        given = mixture.given(fitted, block, jnp.zeros(2 * d + 1))
        return jax.vmap(partial(mixture.log_density, given))(x)

    def population(rng, n):
        drawn = rng.normal(size=(n, 2 * d + 1))
        drawn[:, d : 2 * d] = np.abs(drawn[:, d : 2 * d])
        return drawn * ([1.0] * 2 * d + [0.0])  # no global scale

    lost = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        own, found, there = (population(rng, n) for n in (n_own, 512, 50))
        found[: 16 * runs] += away
        fitted = mixture.fit(rng, own, found, d, 5, 1.2)
        normal = d * np.log(2.0) - 0.5 * (there[:, :-1] ** 2 + np.log(2.0 * np.pi)).sum(-1)
        density = np.asarray(log_density(fitted, (there + away)[:, :-1]))
        lost.append(np.median(normal + np.log(share) - density))
    assert max(lost) < 2.0


def test_the_mixture_of_the_prior_is_standard():
    n_members, n_coordinates = 3, 7
    prior = mixture.of_prior(n_coordinates, n_members, 4)
    everything = mixture.whole(jnp.zeros((0, n_members)))
    own = mixture.given(prior, everything, jnp.zeros(n_coordinates))
    values = np.random.default_rng(0).normal(size=(20_000, 2 * n_members))
    drawn = jax.vmap(lambda key: mixture.draw(key, own, n_coordinates))(
        jax.random.split(jax.random.PRNGKey(1), 20_000)
    )
    # A t of eight degrees at least: of the same centre, and wider by 8 / 6 at most.
    assert np.abs(np.asarray(drawn).mean(0)).max() < 5 * 1.2 / np.sqrt(len(values))
    variance = np.asarray(drawn).var(0)
    assert (variance > 0.95).all()
    assert (variance < 1.45).all()
