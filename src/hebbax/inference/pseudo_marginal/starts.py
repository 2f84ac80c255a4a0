"""The starts of chains: the solutions that many short runs of the same moves end in.

A posterior may have several solutions: terms of a rule that imitate each other change sign
together. A run begins with a narrow population around one draw of one animal alone
(`hebbax.inference.pseudo_marginal.pilot`). Nothing is proposed but from the prior, so that it ends
in the solution nearest to there. The chains go on where runs ended that lie far apart, and what was
found stays among what they propose.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.pseudo_marginal import candidates
from hebbax.inference.pseudo_marginal.candidates import State
from hebbax.inference.pseudo_marginal.chains import (
    Chains,
    Drawn,
    Found,
    Setup,
    canonical,
    joined,
    late,
    taken,
)
from hebbax.inference.pseudo_marginal.population import Population, without
from hebbax.inference.pseudo_marginal.references import REMEMBERED, renewed
from hebbax.typing import Array, Key, Progress

NARROW = 0.2
"""Spreads in prior scales of the populations that the runs begin with."""


def started(key: Key, setup: Setup, phi: Array, progress: Progress) -> Chains:
    """Return chains in solutions that short runs end in, from animals ``phi`` (draw, animal,
    member) of the pilot.

    A run begins with a narrow population around one draw of one animal, and ends in the solution
    nearest to it, since nothing is proposed yet but from the prior: of four runs, none may meet one
    that is as likely as all others. The chains go on where runs ended that lie far apart.
    """
    reference_key, start_key, pick = jax.random.split(key, 3)
    rng = np.random.default_rng(np.asarray(pick))
    begin = _narrow(start_key, setup, phi, setup.n_starts * setup.settings.chains)
    own = rng.choice(len(phi), REMEMBERED)
    means = jnp.zeros_like(phi[own])
    if setup.frame.population:
        means += phi[own, rng.choice(phi.shape[1], REMEMBERED)][:, None]
    chains = Chains(
        state=begin,
        references=renewed(reference_key, setup.frame, setup.trials, phi[own], means),
        mixture=setup.of_prior(),
        found=Found(begin.population, begin.phi),
        spent=jnp.zeros((), int),
        ran=jnp.zeros((), int),
    )
    chains, drawn = _run(setup, chains, progress)
    reached = late(drawn)
    n = len(reached.phi)
    found = taken(reached, rng.choice(n, REMEMBERED, replace=n < REMEMBERED))
    ends = Found(chains.state.population, chains.state.phi)
    state = taken(chains.state, _far_apart(rng, setup, ends))
    return setup.renewed(chains._replace(state=state, found=found), drawn)


def _run(setup: Setup, chains: Chains, progress: Progress) -> tuple[Chains, Drawn]:
    """Return all runs, a chain each, where they ended, and what they drew, side by side."""
    length, n = setup.settings.rounds[0], setup.n_starts
    begin, ends, drawn = chains.state, [], []
    for k, own in enumerate(np.split(np.arange(len(begin.phi)), n)):

        def beat(done: int, before: int = k * length) -> None:
            progress("finding the starts", (before + done) // n, setup.settings.iterations)

        chains, new = setup.round(chains._replace(state=taken(begin, own)), length, beat)
        ends.append(chains.state)
        drawn.append(new)
    state = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *ends)
    return chains._replace(state=state), joined(drawn, axis=1)


def _narrow(key: Key, setup: Setup, phi: Array, n: int) -> State:
    """Return states ``(run,)`` with a narrow population around one of the animals ``phi`` (draw,
    animal, member) each; where there is no population, at one draw of every animal."""
    draw_key, animal_key, key = jax.random.split(key, 3)
    own = jax.random.randint(draw_key, (n,), 0, len(phi))
    init = partial(candidates.init, n_points=setup.n_points)
    if not setup.frame.population:
        begin = jax.vmap(partial(without, setup.prior, phi.shape[1]))(jnp.zeros(n))
        return jax.vmap(init)(begin, phi[own])
    mean = phi[own, jax.random.randint(animal_key, (n,), 0, phi.shape[1])]
    spread = jnp.broadcast_to(NARROW * setup.prior.spread, mean.shape)
    effect = jnp.zeros((n, *setup.prior.regression.scale.shape))
    e = jax.random.normal(key, (n, *phi.shape[1:]))
    begin = Population(mean, spread, effect, jnp.zeros(n))
    return jax.vmap(init)(begin, mean[:, None] + spread[:, None] * e)


def _far_apart(rng: np.random.Generator, setup: Setup, found: Found) -> np.ndarray:
    """Return where chains go on ``(chain,)``, of what was found: at a random one, and each next
    where it is farthest from these, in standard deviations."""
    places = np.asarray(found.phi).reshape(len(found.phi), -1)
    if setup.frame.population:
        places = np.asarray(canonical(setup.prior, found.population))
    z = (places - places.mean(0)) / (places.std(0) + 1e-9)
    chosen = [int(rng.integers(len(z)))]
    while len(chosen) < setup.settings.chains:
        nearest = ((z[:, None] - z[chosen]) ** 2).sum(-1).min(1)
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)
