"""The chains of pseudo-marginal Metropolis: how they run in blocks, and learn.

All chains share the references of every animal and the mixture that proposes populations. Both are
taken anew, after each round of the warm-up, from what the chains drew in it and from what was found
at the start (`hebbax.inference.pseudo_marginal.starts`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.pseudo_marginal import candidates, mixture, moves
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

Tree = TypeVar("Tree")

ONE_FOUND = 8
"""Draws for every one that was found at the start, of those that references are taken from."""


class Found(NamedTuple):
    """Draws of populations, and of their animals ``phi`` (draw, animal, member)."""

    population: Population
    phi: Array


class Chains(NamedTuple):
    """All that a run goes on from: states by chain, references by animal, the mixture that proposes
    populations where there is one, some draws of the solutions that were ``found`` at the start,
    how many times draws were ``spent`` on these, and how many iterations ``ran``."""

    state: State
    references: References
    mixture: Mixture | None
    found: Found
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
    known: Known,
    first: State,
    length: Length,
) -> tuple[State, Drawn]:
    """Return the states after some iterations of all chains, and what they drew: in the first
    ``length.draws`` of ``room`` rows. One program serves blocks of any length."""
    step = partial(moves.step, frame=frame, known=known, n_proposals=n_proposals)
    n_chains = first.phi.shape[0]

    def iteration(number: Array, carried: tuple[State, Drawn]) -> tuple[State, Drawn]:
        state, rows = carried
        keys = jax.random.split(jax.random.fold_in(key, number), n_chains)
        state, info = jax.vmap(lambda key, state: step(key, state=state))(keys, state)
        row = number // length.thinning  # its last iteration stays, and what moved in all of them
        moved = jnp.stack([info.proposals, info.non_centred, info.kept], axis=-1)
        moved = rows.moved[row] + moved / length.thinning
        new = Drawn(*state.population, state.phi, state.log_p, moved)
        return state, jax.tree.map(lambda rows, one: rows.at[row].set(one), rows, new)

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
        return mixture.as_whole(self.frame.n_members)

    @property
    def n_starts(self) -> int:
        """Short runs for each chain: one where animals are drawn alone, as by the pilot."""
        return self.settings.starts if self.frame.population else 1

    @property
    def n_proposals(self) -> int:
        """Populations, or blocks of one, that an iteration proposes."""
        return self.settings.proposals if self.whole else self.settings.block_proposals

    @property
    def n_points(self) -> int:
        """Points of an animal for each p-hat."""
        return self.settings.points if self.whole else self.settings.block_points

    def known(self, chains: Chains) -> Known:
        """Return what the moves of some chains need beside their states."""
        return Known(self.prior, self.trials, chains.references, chains.mixture)

    def run(self, chains: Chains, draws: int, thinning: int = 1) -> tuple[Chains, Drawn]:
        """Return the chains after another block, and its draws: as many as one may have, at most
        ``draws``."""
        room = self.settings.chunk
        length = Length(min(draws, max(1, room // thinning)), thinning)
        # By the iterations that ran, whatever was kept of them: no block has the key of another.
        key = jax.random.fold_in(self.key, 2 * int(chains.ran))
        static = self.frame, room, self.n_proposals
        state, drawn = run_block(key, *static, self.known(chains), chains.state, length)
        chains = chains._replace(state=state, ran=chains.ran + length.draws * thinning)
        return chains, Drawn._make(leaf[: length.draws] for leaf in jax.device_get(drawn))

    def evidence(self, key: Key, chains: Chains, visited: Visited) -> Evidence:
        """Return the evidence of the model, by what chains drew and what they propose from."""
        sizes = self.n_points, self.settings.evidence
        return log_evidence(key, self.frame, self.known(chains), visited, *sizes)

    def of_prior(self) -> Mixture | None:
        """Return the mixture before anything was drawn, where there is a population."""
        if not self.frame.population:
            return None
        d, n_effects = self.frame.n_members, self.prior.regression.scale.size
        return mixture.of_prior(2 * d + n_effects + 1, d, self.settings.components)

    def fitted(self, rng: np.random.Generator, own: Found, found: Found) -> Mixture | None:
        """Return the mixture of what chains drew and of what was found at the start, where there
        are populations."""
        if not self.frame.population:
            return None
        settings, d = self.settings, self.frame.n_members
        drawn, start = (np.asarray(canonical(self.prior, each.population)) for each in (own, found))
        return mixture.fit(rng, drawn, start, d, settings.components, settings.inflation)

    def round(
        self, chains: Chains, draws: int, beat: Callable[[int], None]
    ) -> tuple[Chains, Drawn]:
        """Return the chains after as many blocks as some draws take, and these; ``beat`` is told
        how many there are before each block."""
        blocks: list[Drawn] = []
        while (done := sum(len(block.mean) for block in blocks)) < draws:
            beat(done)
            chains, drawn = self.run(chains, draws - done)
            blocks.append(drawn)
        return chains, joined(blocks, axis=0)

    def renewed(self, chains: Chains, drawn: Drawn) -> Chains:
        """Return the chains with references and mixture of the later two thirds of some draws, and
        of what was found at the start."""
        key, pick = jax.random.split(jax.random.fold_in(self.key, 2 * int(chains.ran) + 1))
        rng = np.random.default_rng(np.asarray(pick))
        own, found = late(drawn), chains.found
        n, n_found = len(own.phi), REMEMBERED // ONE_FOUND
        remembered = jax.tree.map(
            lambda *leaves: np.concatenate(leaves),
            taken(own, rng.choice(n, REMEMBERED - n_found, replace=n < REMEMBERED)),
            taken(found, rng.choice(REMEMBERED, n_found, replace=False)),
        )
        means = means_of(self.prior, remembered.population)
        return chains._replace(
            references=renewed(key, self.frame, self.trials, remembered.phi, means),
            mixture=self.fitted(rng, own, found) if n > 1 else chains.mixture,
        )


def late(drawn: Drawn) -> Found:
    """Return the later two thirds of some draws (iteration, chain), side by side."""
    each = Drawn._make(np.concatenate(leaf[len(leaf) // 3 :]) for leaf in drawn)
    return Found(Population(*each[:4]), each.phi)


def taken(tree: Tree, own: np.ndarray) -> Tree:
    """Return some rows of every leaf."""
    return jax.tree.map(lambda leaf: leaf[own], tree)


def joined(drawn: list[Drawn], axis: int) -> Drawn:
    """Return some draws behind each other (axis 0), or side by side (1)."""
    return Drawn._make(np.concatenate(leaves, axis) for leaves in zip(*drawn, strict=True))


@jax.jit
def canonical(prior: Prior, populations: Population) -> Array:
    """Return the coordinates of the mixture of some populations ``(draw, coordinate)``."""
    return mixture.canonical(jax.vmap(partial(whitened, prior))(populations))


@jax.jit
def means_of(prior: Prior, populations: Population) -> Array:
    """Return the mean of every animal under some populations ``(draw, animal, member)``."""
    return jax.vmap(partial(of_animals, prior))(populations)[0]


def shapes(setup: Setup) -> Chains:
    """Return the shapes of `Chains`, for stored ones to be held against."""
    d, n_effects = setup.frame.n_members, setup.prior.regression.scale.size
    n_animals = len(setup.trials.accepted)

    def of(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, jnp.zeros(()).dtype)

    def found(n: int) -> Found:
        own = of(n, d) if setup.frame.population else of(n, n_animals, d)
        return Found(Population(own, own, of(n, n_effects), of(n)), of(n, n_animals, d))

    draws = of(REMEMBERED, n_animals, d)
    init = jax.vmap(partial(candidates.init, n_points=setup.n_points))
    return Chains(
        state=jax.eval_shape(init, *found(setup.settings.chains)),
        references=renewed.eval_shape(setup.key, setup.frame, setup.trials, draws, draws),
        mixture=jax.eval_shape(setup.of_prior),
        found=found(REMEMBERED),
        spent=jnp.zeros((), int),
        ran=jnp.zeros((), int),
    )
