r"""A quick Gaussian fit of the whole hierarchy: where chains start, and in which coordinates.

Each animal's likelihood is replaced by the Gaussian factor (information I, linear term h) that is
best *on average* over the current approximate posterior q = Normal(m, V) of the animal's values,
not at one point of it (variational Gaussian approximation: Opper & Archambeau 2009):

    I = E_q[Fisher information],    h = E_q[gradient of the log likelihood] + I m.

An average sees a cliff, or a second bump, where the curvature at a mode would not. With the animals
Gaussian, the marginal density of the spreads is known in closed form; they sit at its mode, the
population at its mean given them, and the three are iterated. The joint mode would not do: it puts
the spreads far too high, because wide spreads cost the animals' deviations nothing while their
volume is not counted.

Several starts are iterated side by side: a rule with terms that imitate each other has several such
solutions, and chains must start in each that matters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hebbax.inference.coordinates import (
    Factors,
    conditional,
    left_alone,
    scales,
    share,
    unwhiten,
)
from hebbax.inference.density import (
    expansion,
    hyper_log_prior,
    latent_sites,
    log_likelihood_by_animal,
    split_groups,
)
from hebbax.inference.roots import root_of
from hebbax.model.choices import Model
from hebbax.typing import Array, Key, Parameters
from hebbax.validation.keys import words


@dataclass(frozen=True)
class Settings:
    """Settings of the pilot fit.

    ``rounds`` of averaging over ``samples`` draws a round, the factors moving by ``damping`` of the
    way; in each round after the first ``hold`` (whose factors still know one point only) ``steps``
    of Adam at ``learning_rate`` move the log spreads. ``starts`` population values: zero, and
    normal ones of ``jitter`` prior scales.
    """

    rounds: int = 40
    hold: int = 10
    samples: int = 32
    damping: float = 0.5
    steps: int = 40
    learning_rate: float = 0.1
    starts: int = 4
    jitter: float = 0.3


class Pilot(NamedTuple):
    """One solution.

    Its ``factors``, the unconstrained sites ``hyper`` (spreads, horseshoe scales), and the log
    ``evidence`` in nats at those, by importance sampling of each animal.
    """

    factors: Factors
    hyper: Parameters
    evidence: Array


def fit(key: Key, model: Model, settings: Settings | None = None) -> Pilot:
    """Return the solutions of all starts, with a leading dimension ``start``, best first; the best
    again for one that ended where weights left the range of numbers."""
    key = words(key)
    settings = settings or Settings()
    keys = jax.random.split(key, settings.starts)
    jitters = settings.jitter * (jnp.arange(settings.starts) > 0)
    found = jax.jit(jax.vmap(partial(_solve, model, settings)))(keys, jitters)
    sound = jnp.isfinite(found.evidence)
    order = jnp.argsort(jnp.where(sound, -found.evidence, jnp.inf))
    order = jnp.where(sound[order], order, order[0])
    return jax.tree.map(lambda leaf: leaf[order], found)


def best(pilots: Pilot) -> Pilot:
    """Return the solution of most evidence."""
    return jax.tree.map(lambda leaf: leaf[0], pilots)


def _solve(model: Model, settings: Settings, key: Key, jitter: Array) -> Pilot:
    """Return the solution reached from one start."""
    start_key, rounds_key, end_key = jax.random.split(key, 3)
    hyper = {name: _first(model, name, shape) for name, shape in _hyper_shapes(model).items()}
    size = jnp.asarray(model.scales)
    location = jitter * size * jax.random.normal(start_key, size.shape)
    phi = jnp.broadcast_to(location, (model.sessions.n_animals, size.shape[0]))
    factors = _average(model, phi[None], phi)

    def one_round(state: tuple, step: tuple) -> tuple[tuple, None]:
        (factors, hyper), (held, key) = state, step
        settled = settle(model, factors, hyper, settings)
        hyper = jax.tree.map(partial(jnp.where, held), hyper, settled)
        mean, spread_draws = _posterior(model, factors, hyper)
        half = jax.random.normal(key, (settings.samples // 2, *mean.shape))
        new = _average(model, spread_draws(jnp.concatenate([half, -half])), mean)
        moved = jax.tree.map(lambda a, b: a + settings.damping * (b - a), factors, new)
        return (moved, hyper), None

    held = jnp.arange(settings.rounds) < settings.hold
    keys = jax.random.split(rounds_key, settings.rounds)
    (factors, hyper), _ = jax.lax.scan(one_round, (factors, hyper), (held, keys))
    return Pilot(factors, hyper, _evidence(model, factors, hyper, end_key, 4 * settings.samples))


def _first(model: Model, name: str, shape: tuple[int, ...]) -> Array:
    """Return where a scale starts: a spread at a quarter of the prior scale, others at one."""
    for group in model.groups:
        if name == f"{group.name}_spread":
            return jnp.log(0.25 * jnp.asarray(group.scales))
    return jnp.zeros(shape)


def _hyper_shapes(model: Model) -> dict[str, tuple[int, ...]]:
    return {name: latent_sites(model).shapes[name] for name in left_alone(model)}


def _average(model: Model, draws: Array, mean: Array) -> Factors:
    """Return the factors averaged over draws ``(sample, animal, member)`` around their mean."""

    each = jax.lax.map(partial(expansion, model), draws)
    slope, information = each.slope.mean(0), each.information.mean(0)
    return Factors(information, slope + jnp.einsum("aij,aj->ai", information, mean))


def _posterior(
    model: Model, factors: Factors, hyper: Parameters
) -> tuple[Array, Callable[[Array], Array]]:
    """Return the mean of each animal's values ``(animal, member)``, and what turns standard normal
    draws ``(sample, animal, member)`` into draws of them."""
    spread, location, means, roots, _ = conditional(model, factors, hyper, None)

    def draws(normal: Array) -> Array:
        e = jax.vmap(lambda z: means + unwhiten(roots, z))(normal)
        return location + spread * e

    return location + spread * means, draws


def _marginal(model: Model, factors: Factors, hyper: Parameters) -> Array:
    """Return minus the log marginal density of the spreads, animals and population integrated."""
    spread, prior = scales(model, hyper)
    if prior is None:
        return jnp.zeros(())
    precisions, linears, constants = jax.vmap(partial(share, spread))(factors)
    root = root_of(precisions.sum(0) + jnp.diag(prior**-2.0))
    pull = root.inverse @ linears.sum(0)
    log_population = 0.5 * pull @ pull - root.half_log_determinant - jnp.log(prior).sum()
    return -(constants.sum() + log_population + hyper_log_prior(model, hyper))


def _evidence(model: Model, factors: Factors, hyper: Parameters, key: Key, samples: int) -> Array:
    """Return the log marginal likelihood at a solution: animals by importance sampling from their
    Gaussian posteriors, the population by its Gaussian volume."""
    spread, location, means, roots, log_population = conditional(model, factors, hyper, None)
    prior = scales(model, hyper).prior
    log_volume = -roots.half_log_determinant

    def log_weight(normal: Array) -> Array:
        e = means + unwhiten(roots, normal)
        values = split_groups(model, location + spread * e)
        gaussians = 0.5 * (normal**2 - e**2).sum(-1)
        return log_likelihood_by_animal(model, values) + gaussians + log_volume

    normal = jax.random.normal(key, (samples, *means.shape))
    weights = jax.lax.map(log_weight, normal)
    total = (jax.nn.logsumexp(weights, axis=0) - np.log(samples)).sum()
    if prior is None:
        return total
    log_prior = -0.5 * ((location / prior) ** 2).sum() - jnp.log(prior).sum()
    return total + log_prior + log_population + hyper_log_prior(model, hyper)


def settle(model: Model, factors: Factors, hyper: Parameters, settings: Settings) -> Parameters:
    """Return the unconstrained scales moved towards the mode of their marginal density."""
    return _descend(partial(_marginal, model, factors), hyper, settings)


def _descend(
    loss: Callable[[Parameters], Array], start: Parameters, settings: Settings
) -> Parameters:
    """Return the point after a short descent by Adam."""
    if not start:
        return start
    adam = optax.adam(settings.learning_rate)

    def step(state: tuple, _: None) -> tuple[tuple, None]:
        point, memory = state
        update, memory = adam.update(jax.grad(loss)(point), memory)
        return (optax.apply_updates(point, update), memory), None

    return jax.lax.scan(step, (start, adam.init(start)), None, settings.steps)[0][0]
