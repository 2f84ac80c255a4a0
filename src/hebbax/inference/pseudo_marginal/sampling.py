r"""The posterior by pseudo-marginal Metropolis within Gibbs: pilot, warm-up, chains.

`hebbax.inference.pseudo_marginal.pilot` gives starts, references and a first mixture. The first
round of the warm-up is run from many of the starts and ends in the solutions that are near these;
the chains go on from ends that lie far apart. After each round the references of every animal and
the mixture are taken from what was drawn in it.

Draws that are not what `Settings` ask of R-hat and effective sizes are one more round of the
warm-up, and are drawn anew. Where these do not suffice either, every second one is kept and the
chains go on to as many draws as before with twice as many iterations each, and so on up to
``most_thinning``. Before each continuation references and mixture are taken from the draws that
there are, so that what a chain found is proposed to all.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference import checkpoint
from hebbax.inference.convergence import converged
from hebbax.inference.density import split_groups
from hebbax.inference.pseudo_marginal import pilot as pilots
from hebbax.inference.pseudo_marginal.animal import frame_of, trials_of
from hebbax.inference.pseudo_marginal.chains import (
    Chains,
    Drawn,
    Length,
    Setup,
    run_block,
    shapes,
)
from hebbax.inference.pseudo_marginal.evidence import Evidence, Visited
from hebbax.inference.pseudo_marginal.gibbs import cells_alone, local_cells
from hebbax.inference.pseudo_marginal.population import (
    Population,
    Prior,
    log_prior,
    of_animals,
    prior_of,
)
from hebbax.inference.pseudo_marginal.settings import Settings
from hebbax.inference.pseudo_marginal.shrinkage import shrunk_group
from hebbax.inference.pseudo_marginal.starts import started
from hebbax.model.choices import Model
from hebbax.model.effects import NAME as EFFECT
from hebbax.typing import Array, Key, Progress, silent
from hebbax.validation.keys import words

MOST_EFFECTIVE = 0.4
"""Part of the draws that are asked to be effective at most: of few draws no more can be."""

SAVED_EVERY = 2.0
"""Seconds between two stored states: of a small cohort a block takes milliseconds."""


class Info(NamedTuple):
    """What the sampler says of itself, each ``(chain, draw)``.

    ``lp`` is log prior + log p-hat of the population, in nats. Of the iterations up to a draw:
    ``acceptance_rate`` is the part of the proposed populations that was accepted, ``non_centred``
    that of the non-centred steps, ``kept_animals`` the part of the animals that kept their values
    in conditional importance sampling. ``log_marginal`` (chain, draw, animal) is log p-hat of each
    animal's choices given the population, a log likelihood. ``evidence`` is of the model as a
    whole.
    """

    lp: np.ndarray
    acceptance_rate: np.ndarray
    non_centred: np.ndarray
    kept_animals: np.ndarray
    log_marginal: np.ndarray
    evidence: Evidence

    @property
    def statistics(self) -> dict[str, np.ndarray]:
        """What is said of each draw, by name."""
        others = "log_marginal", "evidence"
        return {name: leaf for name, leaf in self._asdict().items() if name not in others}


def fit(
    key: Key,
    model: Model,
    settings: Settings | None = None,
    *,
    store: Path | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, np.ndarray], Info]:
    """Return posterior draws ``{site: (chain, draw, ...)}`` on the model's scale, and `Info`.

    ``store`` names a file that holds the state after a block; if it is there already, the fit
    goes on from it, and gives the draws of an unbroken one. Raises `FitError` if it belongs to
    other settings, data or model.
    """
    settings = settings or Settings()
    key = words(key)
    made_of = checkpoint.fit_identity(key, model, settings)
    pilot_key, start_key, run_key = jax.random.split(key, 3)
    given = prior_of(model), trials_of(model), settings
    setup = Setup(run_key, frame_of(model), *given)

    saved = -np.inf

    def save(chains: Chains, kept: Kept, done: int) -> None:
        nonlocal saved
        ended = done == settings.iterations
        if store is not None and (ended or time.monotonic() > saved + SAVED_EVERY):
            checkpoint.save(store, made_of, chains, [kept] if kept else [], done)
            saved = time.monotonic()

    if store is not None and store.is_file():
        chains, kept, done = _loaded(store, made_of, setup)
    else:
        progress("finding the starts", 0, settings.iterations)
        phi = pilots.pilot(pilot_key, *setup[1:4], settings.pilot)
        chains = started(start_key, setup, phi, progress)
        kept, done = {}, settings.rounds[0]
        save(chains, kept, done)
    chains = _warmed(setup, chains, done, save, progress)
    chains, kept = _sampled(setup, chains, kept, save, progress)
    scale_key, evidence_key = jax.random.split(jax.random.fold_in(setup.key, 2**31))
    found = setup.evidence(evidence_key, chains, _visited(kept, chains))
    return _collect(scale_key, model, setup.prior, kept, found)


Kept = dict[str, np.ndarray]


def _loaded(store: Path, made_of: dict, setup: Setup) -> tuple[Chains, Kept, int]:
    """Return the chains, what was kept, and how far they are, as they were stored."""
    settings, chains = setup.settings, shapes(setup)
    static = setup.frame, settings.chunk, setup.n_proposals
    given = setup.known(chains), chains.state, Length(1)
    drawn = run_block.eval_shape(setup.key, *static, *given)[1]
    one = {
        name: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)
        for name, leaf in drawn._asdict().items()
    }
    expected = checkpoint.Expected(chains, one, settings.warmup, settings.iterations)
    stored, kept, done = checkpoint.load(store, made_of, expected)
    return jax.tree.map(jnp.asarray, stored), kept[0] if kept else {}, done


Save = Callable[[Chains, Kept, int], None]


def _warmed(setup: Setup, chains: Chains, done: int, save: Save, progress: Progress) -> Chains:
    """Return the chains after the rounds of the warm-up that are left, of all but the first."""
    settings = setup.settings
    start, *later = settings.rounds
    for length in later:
        if done < start + length:

            def beat(n: int, start: int = start) -> None:
                progress("warming up", start + n, settings.iterations)

            chains, drawn = setup.round(chains, length, beat)
            chains = setup.renewed(chains, drawn)
            save(chains, {}, start + length)
        start += length
    return chains


def _sampled(
    setup: Setup, chains: Chains, kept: Kept, save: Save, progress: Progress
) -> tuple[Chains, Kept]:
    """Return the chains and their kept draws, as many iterations apart as gives what the settings
    ask."""
    settings = setup.settings
    while True:
        thinning = chains.thinning
        while (rows := len(kept.get("mean", ()))) < settings.draws:
            progress("sampling", settings.warmup + rows, settings.iterations)
            chains, drawn = setup.run(chains, settings.draws - rows, thinning)
            new = drawn._asdict()
            kept = {k: np.concatenate([kept[k], v]) for k, v in new.items()} if kept else new
            save(chains, kept, settings.warmup + len(kept["mean"]))
        if thinning >= settings.most_thinning or _enough(kept, settings):
            progress("sampling", settings.iterations, settings.iterations)
            return chains, kept
        drawn = Drawn._make(kept[name] for name in Drawn._fields)
        chains = setup.renewed(chains, drawn)._replace(spent=chains.spent + 1)
        kept = _every_second(kept) if chains.thinning > thinning else {}
        save(chains, kept, settings.warmup + len(kept.get("mean", ())))


def _every_second(kept: Kept) -> Kept:
    """Return every second draw, the last among them, with what moved in the iterations up to it."""
    n = len(kept["mean"]) // 2
    late = {name: leaf[len(leaf) - 2 * n :] for name, leaf in kept.items()}
    pairs = {name: leaf.reshape(n, 2, *leaf.shape[1:]) for name, leaf in late.items()}
    return {k: v.mean(1) if k == "moved" else v[:, 1] for k, v in pairs.items()}


def _enough(kept: Kept, settings: Settings) -> bool:
    """Return whether population, spreads and animals are as well known as the settings ask."""
    draws = kept["phi"].reshape(*kept["phi"].shape[:2], -1)
    if kept["mean"].ndim == 3:  # not of each animal: a population
        spread = np.log(np.abs(kept["spread"]))
        draws = np.concatenate([kept["mean"], spread, kept["effect"], draws], axis=-1)
    draws = np.swapaxes(draws, 0, 1)
    effective = min(settings.effective, MOST_EFFECTIVE * draws.shape[0] * draws.shape[1])
    return converged(draws, settings.r_hat, effective)


def _visited(kept: Kept, chains: Chains) -> Visited:
    """Return populations and p-hat of the chains, (chain, draw) leading: of the draws those that
    the mixture was not fitted to."""
    fitted = len(kept["mean"]) // 2 if chains.thinning > 1 else 0
    by_chain = {name: jnp.asarray(np.swapaxes(leaf[fitted:], 0, 1)) for name, leaf in kept.items()}
    population = Population(*(by_chain[name] for name in Population._fields))
    return Visited(population, by_chain["log_p"])


def _collect(
    key: Key, model: Model, prior: Prior, kept: Kept, evidence: Evidence
) -> tuple[dict[str, np.ndarray], Info]:
    """Return draws on the model's scale, with the deterministic sites, and `Info`."""
    swapped = Drawn(*(jnp.asarray(np.swapaxes(kept[n], 0, 1)) for n in Drawn._fields))
    *population, phi, log_p, moved = swapped
    populations, lp = Population(*population), log_p.sum(-1)
    if model.spec.population:
        lp = lp + jax.jit(jax.vmap(jax.vmap(partial(log_prior, prior))))(populations)
    draws = _by_site(key, model, prior, populations, phi)
    accepted, non_centred, stayed = np.moveaxis(np.asarray(moved), -1, 0)
    return draws, Info(np.asarray(lp), accepted, non_centred, stayed, np.asarray(log_p), evidence)


def _by_site(
    key: Key, model: Model, prior: Prior, populations: Population, phi: Array
) -> dict[str, np.ndarray]:
    """Return populations and animals, leading dimensions (chain, draw), by site of the model."""
    by_site = {"": phi}
    if model.spec.population:
        means, spreads = jax.vmap(jax.vmap(partial(of_animals, prior)))(populations)
        by_site |= {
            "_population": populations.mean,
            "_spread": jnp.abs(populations.spread),
            "_offset": (phi - means) / jnp.abs(spreads),
        }
    draws = {
        f"{name}{end}": np.asarray(value)
        for end, values in by_site.items()
        for name, value in split_groups(model, values).items()
    }
    if model.effects.each:
        draws[EFFECT] = np.asarray(populations.effect)
    return draws | _scales(key, model, prior, populations)


def _scales(key: Key, model: Model, prior: Prior, populations: Population) -> dict[str, np.ndarray]:
    """Return draws of the global and local scales of a prior that shrinks, by site: a local scale
    is drawn given all else."""
    found, own = shrunk_group(model), prior.shrinkage
    if found is None or own is None:
        return {}
    group, _ = found
    width = own.log_local[1] - own.log_local[0]
    shape = (*populations.log_global.shape, len(own.shrinks))
    which, where = jax.random.uniform(key, (2, *shape))
    if model.spec.population:
        one = jax.vmap(jax.vmap(lambda uniform, at: local_cells(uniform, prior, at)))
        cells = jax.jit(one)(which, populations)
    else:
        cells = jax.vmap(jax.vmap(partial(cells_alone, prior)))(populations)
    log_local = own.log_local[cells] + width * (where - 0.5)
    members = np.flatnonzero(own.shrinks)
    local = np.exp(log_local)[..., members].reshape(*shape[:2], *group.shape)
    values = np.exp(populations.log_global), local
    return dict(zip(group.scale_sites, map(np.asarray, values), strict=True))
