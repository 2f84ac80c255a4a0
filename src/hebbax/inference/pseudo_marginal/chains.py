"""The chains of pseudo-marginal Metropolis: how they start, run in blocks, and learn.

All chains share the references of every animal and the mixture that proposes populations: those of
the pilot at the start, those of the chains' own draws after each round of the warm-up.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.pseudo_marginal import candidates, mixture, moves
from hebbax.inference.pseudo_marginal import pilot as pilots
from hebbax.inference.pseudo_marginal.animal import COMPILER, Frame, Trials
from hebbax.inference.pseudo_marginal.candidates import Known, State
from hebbax.inference.pseudo_marginal.evidence import Evidence, Visited, log_evidence
from hebbax.inference.pseudo_marginal.mixture import Mixture
from hebbax.inference.pseudo_marginal.population import (
    Population,
    Prior,
    of_animals,
    whitened,
)
from hebbax.inference.pseudo_marginal.references import REMEMBERED, References, renewed
from hebbax.inference.pseudo_marginal.settings import Settings
from hebbax.typing import Array, Key


class Chains(NamedTuple):
    """All that a run goes on from: states by chain, references by animal, the mixture that proposes
    populations where there is one, how many times draws were ``spent`` on these, and how many
    iterations ``ran``."""

    state: State
    references: References
    mixture: Mixture | None
    spent: Array
    ran: Array

    @property
    def thinning(self) -> int:
        """Iterations a draw: of the first two sets of draws one, then twice as many each time."""
        return 1 << max(0, int(self.spent) - 1)


class Drawn(NamedTuple):
    """What is kept of an iteration; leading dimensions ``(iteration, chain)``."""

    mean: Array
    spread: Array
    effect: Array
    log_global: Array
    phi: Array
    log_p: Array
    moved: Array


class Length(NamedTuple):
    """How far a block of iterations goes: ``draws`` are kept, each after ``thinning``
    iterations."""

    draws: int
    thinning: int = 1


@partial(jax.jit, static_argnums=(1, 2, 3), compiler_options=COMPILER)
def run_block(
    key: Key,
    frame: Frame,
    room: int,
    n_proposals: int,
    prior: Prior,
    trials: Trials,
    chains: Chains,
    length: Length,
) -> tuple[State, Drawn]:
    """Return the states after some iterations of all chains, and what they drew: in the first
    ``length.draws`` of ``room`` rows. One program serves blocks of any length."""
    known = Known(prior, trials, chains.references, chains.mixture)
    step = partial(moves.step, frame=frame, known=known, n_proposals=n_proposals)
    n_chains = chains.state.phi.shape[0]

    def iteration(number: Array, carried: tuple[State, Drawn]) -> tuple[State, Drawn]:
        state, rows = carried
        keys = jax.random.split(jax.random.fold_in(key, number), n_chains)
        state, info = jax.vmap(lambda key, state: step(key, state=state))(keys, state)
        row = number // length.thinning  # its last iteration stays, and what moved in all of them
        moved = jnp.stack([info.proposals, info.non_centred, info.kept], axis=-1)
        moved = rows.moved[row] + moved / length.thinning
        new = Drawn(*state.population, state.phi, state.log_p, moved)
        return state, jax.tree.map(lambda rows, one: rows.at[row].set(one), rows, new)

    first = chains.state
    one = Drawn(*first.population, first.phi, first.log_p, jnp.zeros((n_chains, 3)))
    empty = jax.tree.map(lambda leaf: jnp.zeros((room, *leaf.shape), leaf.dtype), one)
    return jax.lax.fori_loop(0, length.draws * length.thinning, iteration, (first, empty))


class Setup(NamedTuple):
    """What does not change in a fit."""

    key: Key
    frame: Frame
    prior: Prior
    trials: Trials
    settings: Settings

    @property
    def whole(self) -> bool:
        """Whether a population is proposed as a whole, and not in blocks."""
        return self.frame.n_members <= mixture.WHOLE

    @property
    def n_proposals(self) -> int:
        """Populations, or blocks of one, that an iteration proposes."""
        return self.settings.proposals if self.whole else self.settings.block_proposals

    @property
    def n_points(self) -> int:
        """Points of an animal for each p-hat."""
        return self.settings.points if self.whole else self.settings.block_points

    def run(self, chains: Chains, draws: int, thinning: int = 1) -> tuple[Chains, Drawn]:
        """Return the chains after another block, and its draws: as many as one may have, at most
        ``draws``."""
        room = self.settings.chunk
        length = Length(min(draws, max(1, room // thinning)), thinning)
        # By the iterations that ran, whatever was kept of them: no block has the key of another.
        key = jax.random.fold_in(self.key, 2 * int(chains.ran))
        given = self.prior, self.trials, chains, length
        state, drawn = run_block(key, self.frame, room, self.n_proposals, *given)
        chains = chains._replace(state=state, ran=chains.ran + length.draws * thinning)
        return chains, Drawn._make(leaf[: length.draws] for leaf in jax.device_get(drawn))

    def evidence(self, key: Key, chains: Chains, visited: Visited) -> Evidence:
        """Return the evidence of the model, by what chains drew and what they propose from."""
        known = Known(self.prior, self.trials, chains.references, chains.mixture)
        sizes = self.n_points, self.settings.evidence
        return log_evidence(key, self.frame, known, visited, *sizes)

    def fitted(self, rng: np.random.Generator, populations: Population) -> Mixture | None:
        """Return the mixture of some populations (draw, member), where there are any."""
        if not self.frame.population:
            return None
        settings, draws = self.settings, np.asarray(_whitened(self.prior, populations))
        return mixture.fit(
            rng, draws, self.frame.n_members, settings.components, settings.inflation
        )

    def renewed(self, chains: Chains, drawn: list[Drawn]) -> Chains:
        """Return the chains with references and mixture of the later two thirds of some draws."""
        key, pick = jax.random.split(jax.random.fold_in(self.key, 2 * int(chains.ran) + 1))
        rng = np.random.default_rng(np.asarray(pick))
        whole = [np.concatenate(leaves) for leaves in zip(*drawn, strict=True)]
        late = Drawn._make(np.concatenate(leaf[len(leaf) // 3 :]) for leaf in whole)
        population = Population(late.mean, late.spread, late.effect, late.log_global)
        n = len(late.mean)
        own = rng.choice(n, REMEMBERED, replace=n < REMEMBERED)
        means = _means(self.prior, jax.tree.map(lambda leaf: leaf[own], population))
        return chains._replace(
            references=renewed(key, self.frame, self.trials, late.phi[own], means),
            mixture=self.fitted(rng, population) if n > 1 else chains.mixture,
        )


@jax.jit
def _whitened(prior: Prior, populations: Population) -> Array:
    return mixture.canonical(jax.vmap(partial(whitened, prior))(populations))


@jax.jit
def _means(prior: Prior, populations: Population) -> Array:
    """Return the mean of every animal under some populations ``(draw, animal, member)``."""
    return jax.vmap(partial(of_animals, prior))(populations)[0]


def _far_apart(key: Key, setup: Setup, found: pilots.Particles) -> np.ndarray:
    """Return which particles of the pilot chains start at ``(chain,)``: some that lie far apart."""
    rng = np.random.default_rng(np.asarray(key))
    particles = np.asarray(found.phi).reshape(len(found.phi), -1)
    if setup.frame.population:
        particles = np.asarray(_whitened(setup.prior, found.population))
    z = (particles - particles.mean(0)) / (particles.std(0) + 1e-9)
    chosen = [int(rng.integers(len(z)))]
    while len(chosen) < setup.settings.chains:
        nearest = ((z[:, None] - z[chosen]) ** 2).sum(-1).min(1)
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def started(key: Key, setup: Setup, found: pilots.Particles) -> Chains:
    """Return chains at particles of the pilot that lie far apart."""
    reference_key, pick, fit_key = jax.random.split(key, 3)
    own = _far_apart(pick, setup, found)
    rng = np.random.default_rng(np.asarray(fit_key))
    population = jax.tree.map(lambda leaf: jnp.asarray(leaf)[own], found.population)
    phi = jnp.asarray(found.phi)
    init = partial(candidates.init, n_points=setup.n_points)
    picked = rng.choice(len(phi), REMEMBERED)
    means = _means(setup.prior, jax.tree.map(lambda leaf: leaf[picked], found.population))
    return Chains(
        state=jax.vmap(init)(population, phi[own]),
        references=renewed(reference_key, setup.frame, setup.trials, phi[picked], means),
        mixture=setup.fitted(rng, found.population),
        spent=jnp.zeros((), int),
        ran=jnp.zeros((), int),
    )


def shapes(setup: Setup) -> Chains:
    """Return the shapes of `Chains`, for stored ones to be held against."""
    settings, d = setup.settings, setup.frame.n_members
    n_animals, n_effects = setup.prior.regression.covariates.shape
    n_coordinates = 2 * d + n_effects + 1

    def of(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, jnp.zeros(()).dtype)

    def parts(n: int) -> Mixture:
        wide = of(n, n_coordinates), of(n, n_coordinates, n_coordinates)
        return Mixture(of(n), *wide, of(d, d))

    init = jax.vmap(partial(candidates.init, n_points=setup.n_points))
    shape = (d,) if setup.frame.population else (n_animals, d)
    own = of(settings.chains, *shape)
    population = Population(own, own, of(settings.chains, n_effects), of(settings.chains))
    draws = of(REMEMBERED, n_animals, d)
    return Chains(
        state=jax.eval_shape(init, population, of(settings.chains, n_animals, d)),
        references=renewed.eval_shape(setup.key, setup.frame, setup.trials, draws, draws),
        mixture=parts(settings.components + 1) if len(shape) == 1 else None,
        spent=jnp.zeros((), int),
        ran=jnp.zeros((), int),
    )
