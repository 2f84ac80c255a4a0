r"""The posterior approximated by a guide: NumPyro's SVI, in whitened coordinates.

With each animal's likelihood a quadratic (`hebbax.inference.variational`) the model is a linear
mixed one (`hebbax.inference.mixed`), in which standard normal u and z_a give

    mu = E[mu | s] + D L^-1/2 u,    e_a = E[e_a | mu, s] + Q_a^-1/2 z_a.

That is an exact change of variables whatever the likelihood; centred and non-centred
parametrisations are its two limits, for each animal and direction separately. Where the quadratics
are good the posterior is nearly a standard normal in it, so that a guide of unit scale is close
before the first step. How close it came is measured and not assumed: importance weights

    log w = log p(choices, values) - log q(values)

of draws from the guide q give the Pareto k-hat of `hebbax.posterior.diagnostics` (Yao et al. 2018),
and their mean is the ELBO, in nats. The draws are the guide's own and are not reweighted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import optax
from jax.flatten_util import ravel_pytree
from jax.scipy.special import erf, erfc, erfinv, ndtr, ndtri
from numpyro import distributions as dist
from numpyro.infer import SVI, Trace_ELBO, autoguide, init_to_value

from hebbax.errors import FitError
from hebbax.inference import checkpoint, variational
from hebbax.inference.density import (
    animal_values,
    constrain,
    latent_sites,
    potential,
    split_groups,
)
from hebbax.inference.mixed import conditional, deviations, uncorrelated
from hebbax.model.choices import Model
from hebbax.model.effects import NAME as EFFECT
from hebbax.model.groups import population_scale
from hebbax.model.priors import SPREAD_FRACTION
from hebbax.typing import Array, Key, Parameters, Progress, silent
from hebbax.validation.keys import words

GUIDES: dict[str, type[autoguide.AutoContinuous]] = {
    "diagonal": autoguide.AutoDiagonalNormal,
    "full": autoguide.AutoMultivariateNormal,
    "low-rank": autoguide.AutoLowRankMultivariateNormal,
    "laplace": autoguide.AutoLaplaceApproximation,
}
"""Families of normal distributions by name: without correlations, with all of them, with those of a
few directions, and the curvature at the mode."""

SPREAD_SCALE = 0.5
"""Scale of the coordinate of a spread: about its posterior standard deviation with a dozen animals,
in normal scores of its prior and on a log scale alike."""

MEDIAN_OF = 999
"""Draws of a prior's own scales that their medians are taken of."""

BATCH = 100
"""Draws whose log density is computed at once."""

SITE = "coordinates"


@dataclass(frozen=True)
class Settings:
    """Settings of the approximation, stored with every fit.

    Adam climbs the ELBO for ``steps`` at ``learning_rate`` (cosine decay), averaging ``particles``
    draws of the ``guide`` in each; ``chunk`` steps run between two reports of progress. ``draws``
    are then taken from the guide.
    """

    guide: str = "full"
    steps: int = 1000
    learning_rate: float = 0.01
    particles: int = 16
    chunk: int = 100
    draws: int = 4000

    @property
    def iterations(self) -> int:
        """Steps of the climb."""
        return self.steps


class Info(NamedTuple):
    """What the fit says of itself, in nats.

    ``elbo`` (step,) is its estimate at each step, and the log joint density at the point reached
    for the guide "laplace"; ``log_weights`` (1, draw) are log p - log q and ``lp`` (1, draw) log p
    of the coordinates at each draw.
    """

    elbo: np.ndarray
    log_weights: np.ndarray
    lp: np.ndarray


def fit(
    key: Key,
    model: Model,
    settings: Settings | None = None,
    *,
    store: Path | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, np.ndarray], Info]:
    """Return draws of the guide ``{site: (1, draw, ...)}`` on the model's scale, and `Info`.

    ``store`` names a file that holds both at the end; if it is there already, they are taken from
    it. Raises `FitError` if it belongs to other settings, data or model, and for an unknown guide.
    """
    settings = settings or Settings()
    if settings.guide not in GUIDES:
        raise FitError(f'unknown guide "{settings.guide}"; the known ones are {", ".join(GUIDES)}.')
    key = words(key)
    if store is not None and store.is_file():
        made_of = checkpoint.fit_identity(key, model, settings)
        expected = _shapes(model, settings)
        draws, info = checkpoint.load_result(store, made_of, expected, settings.iterations)
        return draws, info
    start_key, climb_key, draw_key = jax.random.split(key, 3)
    progress("finding the start", 0, 1)
    target = _target(model, _start(start_key, model))
    progress("finding the start", 1, 1)
    guide, parameters, elbo = _climb(climb_key, target, settings, progress)
    progress("drawing", 0, 1)
    flat, log_p, log_q = _draw(draw_key, target, guide, parameters, settings.draws)
    values = jax.jit(jax.vmap(lambda z: _values(model, target.sites(z))))(flat)
    draws = {name: np.asarray(value)[None] for name, value in values.items()}
    found = draws, Info(elbo, np.asarray(log_p - log_q)[None], np.asarray(log_p)[None])
    if store is not None:
        made_of = checkpoint.fit_identity(key, model, settings)
        checkpoint.save(store, made_of, found, [], settings.iterations)
    progress("drawing", 1, 1)
    return found


def _values(model: Model, unconstrained: Parameters) -> Parameters:
    """Return the latent sites on the model's scale, and each animal's values by group name in
    place of its offsets."""
    values = constrain(latent_sites(model), unconstrained)
    named = {k: v for k, v in values.items() if not k.endswith("_offset")}
    return named | animal_values(model, values)


def _shapes(model: Model, settings: Settings) -> tuple[dict[str, Any], Info]:
    """Return what `fit` returns as shapes and types, for what is stored to be held against."""
    sites = {name: jnp.zeros(shape) for name, shape in latent_sites(model).shapes.items()}
    one = jax.eval_shape(partial(_values, model), sites)
    each, number = (1, settings.draws), jnp.zeros(()).dtype
    draws = {k: jax.ShapeDtypeStruct((*each, *v.shape), v.dtype) for k, v in one.items()}
    return draws, Info(
        jax.ShapeDtypeStruct((settings.steps,), number),  # type: ignore[arg-type]
        jax.ShapeDtypeStruct(each, number),  # type: ignore[arg-type]
        jax.ShapeDtypeStruct(each, number),  # type: ignore[arg-type]
    )


class _Start(NamedTuple):
    """Each animal's likelihood, ``information`` (animal, member, member) and ``linear`` (animal,
    member), and the unconstrained ``scales`` by site: spreads, and those of a prior that
    shrinks."""

    information: Array
    linear: Array
    scales: Parameters


def _start(key: Key, model: Model) -> _Start:
    """Return where the guide begins; the own scales of a prior at their prior medians."""
    fit_key, key = jax.random.split(key)
    found, sites = variational.fit(fit_key, model), latent_sites(model)
    scales = {}
    for group in model.groups:
        priors = group.prior.own_priors(group.shape)
        for name, prior in zip(group.scale_sites, priors, strict=True):
            median = jnp.median(prior.sample(key, (MEDIAN_OF,)), axis=0)
            scales[name] = sites.transforms[name].inv(median)
    if model.spec.population:
        spreads = split_groups(model, found.log_spread)
        scales |= {f"{name}_spread": value for name, value in spreads.items()}
    return _Start(found.information, found.linear, scales)


class _Target(NamedTuple):
    """The density of the coordinates as one vector, zero where the guide begins.

    ``sites`` returns the unconstrained sites of a vector, ``log_density`` its log density in nats.
    """

    origin: Array
    sites: Callable[[Array], Parameters]
    log_density: Callable[[Array], Array]


def _target(model: Model, start: _Start) -> _Target:
    n, members = start.linear.shape
    hierarchy = {"population": jnp.zeros(members)} if model.spec.population else {}
    zeros = {**jax.tree.map(jnp.zeros_like, start.scales), **hierarchy, "animal": start.linear * 0}
    if model.effects.each:
        zeros[EFFECT] = jnp.zeros(len(model.effects.each))
    origin, unravel = ravel_pytree(zeros)
    widths = {f"{g.name}_spread": SPREAD_FRACTION * jnp.asarray(g.scales) for g in model.groups}

    def placed(flat: Array) -> tuple[Parameters, Array]:
        moved, log_jacobian, sites = unravel(flat), jnp.zeros(()), {}
        for name, value in start.scales.items():
            move = partial(_spread, widths[name], value) if name in widths else partial(_log, value)
            sites[name], slope = jax.jvp(move, (moved[name],), (jnp.ones_like(value),))
            log_jacobian += jnp.log(slope).sum()
        if EFFECT in moved:
            sites[EFFECT] = model.effects.scales * moved[EFFECT]
            log_jacobian += np.log(model.effects.scales).sum()
        spread, width = _widths(model, sites)
        # What animals say of the population is said of it with the effects taken off.
        shift = [model.effects.shift(g.name, (g.scales.size,), sites) for g in model.groups]
        around = jnp.broadcast_to(jnp.concatenate(shift, axis=-1), start.linear.shape)
        linear = start.linear - jnp.einsum("aij,aj->ai", start.information, around)
        if model.effects.own_spreads:
            of = model.effects.factor
            factor = [of(g.name, (g.scales.size,), sites) for g in model.groups]
            spread = spread * jnp.concatenate(factor, axis=-1)
        given = conditional(spread, width, start.information, linear)
        location = given.population
        if hierarchy:
            location += width * (given.whole.inverse.T @ moved["population"])
            log_jacobian += jnp.log(width).sum() - given.whole.half_log_determinant
        e = deviations(given.own, spread, start.information, linear, location)
        e += uncorrelated(given.own, moved["animal"])
        log_jacobian -= given.own.half_log_determinant.sum()
        if hierarchy:
            parts = {"population": location, "offset": e}
            return sites | _by_part(model, parts), log_jacobian
        return sites | split_groups(model, spread * e), log_jacobian + n * jnp.log(spread).sum()

    def log_density(flat: Array) -> Array:
        sites, log_jacobian = placed(flat)
        return log_jacobian - potential(model, sites)

    return _Target(origin, lambda flat: placed(flat)[0], log_density)


def _widths(model: Model, unconstrained: Parameters) -> tuple[Array, Array]:
    """Return the spreads between animals and the standard deviations of the population values,
    ``(member,)`` each: the prior's and zeros where every animal stands on its own."""
    values = constrain(latent_sites(model), unconstrained)
    prior = jnp.concatenate([jnp.ravel(population_scale(g, values)) for g in model.groups])
    if not model.spec.population:
        return prior, jnp.zeros_like(prior)
    spread = [jnp.ravel(values[f"{g.name}_spread"]) for g in model.groups]
    return jnp.concatenate(spread), prior


def _by_part(model: Model, parts: Parameters) -> Parameters:
    """Return values ``(..., member)`` of each part of a hierarchy by site."""
    return {
        f"{name}_{part}": value
        for part, flat in parts.items()
        for name, value in split_groups(model, flat).items()
    }


def _spread(width: Array, start: Array, z: Array) -> Array:
    """Return the log of a spread at ``SPREAD_SCALE z`` from where it begins, in normal scores.

    The score c of a spread is the standard normal quantile of its probability under its prior,
    HalfNormal(width). Near zero the density of log s falls only as s, against which any normal
    guide's tail is too light; the density of c falls as that of a normal.
    """
    begun = jnp.exp(start) / (width * np.sqrt(2.0))
    score = jnp.where(begun < 0.5, ndtri(erf(begun)), -ndtri(erfc(begun))) + SPREAD_SCALE * z
    # Each half of the scores by the tail that it is in: far out the other's probability is one.
    low = score < 0.0
    below = np.sqrt(2.0) * erfinv(ndtr(jnp.where(low, score, 0.0)))
    above = -ndtri(0.5 * ndtr(-jnp.where(low, 0.0, score)))
    return jnp.log(width * jnp.where(low, below, above))


def _log(start: Array, z: Array) -> Array:
    """Return the log of another scale at ``SPREAD_SCALE z`` from where it begins."""
    return start + SPREAD_SCALE * z


def _climb(
    key: Key, target: _Target, settings: Settings, progress: Progress
) -> tuple[autoguide.AutoContinuous, Parameters, np.ndarray]:
    """Return the guide, its parameters after all steps, and the ELBO at each of them."""

    def program() -> None:
        free = dist.ImproperUniform(dist.constraints.real_vector, (), target.origin.shape)
        flat = numpyro.sample(SITE, free)
        with numpyro.handlers.block():  # the model's own sites are inside its density
            log_density = target.log_density(flat)
        numpyro.factor("density", log_density)

    unit = {} if settings.guide == "laplace" else {"init_scale": 1.0}
    begin = init_to_value(values={SITE: target.origin})
    guide = GUIDES[settings.guide](program, init_loc_fn=begin, **unit)
    rate = optax.cosine_decay_schedule(settings.learning_rate, settings.steps, alpha=0.01)
    # The guide "laplace" is a point while it climbs: all its particles would be the same.
    particles = 1 if settings.guide == "laplace" else settings.particles
    svi = SVI(program, guide, optax.adam(rate), Trace_ELBO(num_particles=particles))

    @partial(jax.jit, static_argnums=1)
    def chunk(state: Any, length: int) -> tuple[Any, Array]:
        return jax.lax.scan(lambda state, _: svi.update(state), state, None, length=length)

    state, losses = svi.init(key), []
    for done in range(0, settings.steps, settings.chunk):
        length = min(settings.chunk, settings.steps - done)
        state, loss = jax.device_get(chunk(state, length))
        losses.append(loss)
        progress("climbing the ELBO", done + length, settings.steps)
    return guide, svi.get_params(state), -np.concatenate(losses)


def _draw(
    key: Key, target: _Target, guide: autoguide.AutoContinuous, parameters: Parameters, n: int
) -> tuple[Array, Array, Array]:
    """Return draws of the guide ``(draw, coordinate)`` and log p and log q of each ``(draw,)``."""

    @jax.jit
    def drawn(key: Key) -> tuple[Array, Array, Array]:
        fitted = dist.TransformedDistribution(
            guide.get_base_dist(), guide.get_transform(parameters)
        )
        flat = fitted.sample(key, (n,))
        log_p = jax.lax.map(target.log_density, flat, batch_size=BATCH)
        return flat, log_p, fitted.log_prob(flat)

    return drawn(key)
