"""Chains start in the solutions that many short runs end in, and keep proposing these."""

import jax
import jax.numpy as jnp
import numpy as np
from small import SMALL, five_terms

from hebbax.check import sbc
from hebbax.inference.pseudo_marginal import mixture
from hebbax.inference.pseudo_marginal.animal import frame_of, trials_of
from hebbax.inference.pseudo_marginal.chains import Drawn, Setup
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


def test_what_was_found_is_proposed_though_the_chains_are_elsewhere():
    """Draws far from what was found give a mixture with a component at either."""
    model = five_terms()
    key = jax.random.PRNGKey(0)
    setup = Setup(key, frame_of(model), prior_of(model), trials_of(model), SMALL)
    chains = started(key, setup, pilot(key, *setup[1:4], SMALL.pilot), silent)
    away = 50.0 * np.asarray(setup.prior.mean)
    _, drawn = setup.round(chains, 40)
    moved = Drawn(drawn.mean + away, *drawn[1:])
    renewed = setup.renewed(chains, moved)
    at = np.asarray(renewed.mixture.mean)[:-1, 0]
    assert (at > 25).any()
    assert (at < 25).any()


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
