"""The mode of the `activity` model by Gauss-Newton, and the Gaussian posterior around it.

With residuals e and slopes J = dm/dtheta of the noiseless recordings
(`hebbax.rule.layer.sensitivities`) a pass over the recordings gives J^T J, J^T e and e^T e, from
which, for noise scale s and prior precision L,

    metric:     J^T J / s^2 + L,      slope:  L theta - J^T e / s^2
    posterior:  theta ~ Normal(mode, (J^T J / s^2 + L)^-1)

The noise is at its mode for given theta throughout; in a Gaussian likelihood it is independent of
theta to this order. From coefficients of zero the whole trajectory is a rugged way: weights that
run off to their bound no longer tell where they came from. The first steps of every trajectory are
nearly linear in the coefficients, so the climb starts there, on an excerpt of the recordings, and
follows the mode as the excerpt grows longer. Early steps say little of terms with w; a narrow prior
keeps these near zero on the way.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.data.recordings import excerpt
from hebbax.errors import ModelError
from hebbax.inference.optimise import Local, Minimum, newton, scaled_solve
from hebbax.model.activity import ActivityModel, Given
from hebbax.model.priors import Normal
from hebbax.rule.layer import Layer, sensitivities
from hebbax.typing import Array, Progress, silent

FINEST = 1e-6
"""Least noise the climb believes in, in units of activity: without any there is no density."""


@dataclass(frozen=True)
class Settings:
    """Settings of the climb.

    On the way it goes to the mode of an excerpt, at most ``excerpt`` trajectories and neurons, over
    the first ``horizons`` steps in turn and over all of them, no coefficient with a prior scale
    above ``narrow``, each until a step promises less than ``near`` nats. Then it goes to that of
    all recordings, until a step promises less than ``tolerance``; that step is taken. Each mode
    takes at most ``passes`` over its recordings.
    """

    horizons: tuple[int, ...] = (4, 8, 16, 32)
    excerpt: tuple[int, int] = (10, 200)
    narrow: float = 1.0
    near: float = 0.1
    passes: int = 60
    tolerance: float = 1e-2


class Gaussian(NamedTuple):
    """The Gaussian posterior.

    ``mean`` (term,) and ``covariance`` (term, term) of the coefficients; ``noise``, the mode of the
    noise scale in units of activity, and ``log_noise_sd``, the standard deviation of its logarithm.
    """

    mean: np.ndarray
    covariance: np.ndarray
    noise: float
    log_noise_sd: float

    @property
    def sd(self) -> np.ndarray:
        """Posterior standard deviation of each coefficient ``(term,)``."""
        return np.sqrt(np.diagonal(self.covariance))


class Info(NamedTuple):
    """How the climb went: the passes over the recordings at each stage, the nats that the last
    step promised, and whether that was little enough."""

    passes: tuple[int, ...]
    promised: float
    converged: bool


class Pass(NamedTuple):
    """What one pass over the recordings gives: J^T J (term, term), J^T e (term,), e^T e ()."""

    squares: Array
    pull: Array
    rest: Array


class Prior(NamedTuple):
    """Prior scales: of the coefficients ``theta`` (term,) and of the ``noise`` ()."""

    theta: Array
    noise: Array


def fit(
    model: ActivityModel, settings: Settings | None = None, *, progress: Progress = silent
) -> tuple[Gaussian, Info]:
    """Return the Gaussian posterior at the mode, and how it was reached.

    Raises:
        ModelError: the prior is not Normal, or the initial weights are unknown: NumPyro's NUTS
            takes such a model as it is.
    """
    settings = settings or Settings()
    if not isinstance(model.group.prior, Normal) or model.initial_scale is not None:
        raise ModelError(
            f"{model.recordings.source}: Gauss-Newton needs a normal prior and known initial "
            "weights; sample this model by NumPyro's NUTS."
        )
    stages = [*_excerpts(model, settings), (model, settings.tolerance)]
    theta, ends = jnp.zeros(len(model.terms)), []
    for k, (stage, tolerance) in enumerate(stages):
        progress(f"climbing on {stage.recordings.n_steps} steps", k, len(stages))
        ends.append(_climb(*_problem(stage), theta, settings.passes, tolerance))
        theta = ends[-1].point
    progress("climbing", len(stages), len(stages))
    promised = float(ends[-1].promised)
    passes = tuple(int(end.steps) + 1 for end in ends)
    gaussian = _gaussian(*_problem(model), theta)
    return gaussian, Info(passes, promised, promised <= settings.tolerance)


def _excerpts(model: ActivityModel, settings: Settings) -> list[tuple[ActivityModel, float]]:
    """Return the models on the way, each of more steps, and how near to come to their modes."""
    steps = model.recordings.n_steps
    trajectories, neurons = settings.excerpt
    narrow = replace(model.group, scales=np.minimum(model.group.scales, settings.narrow))
    return [
        (
            replace(
                model, recordings=excerpt(model.recordings, trajectories, n, neurons), group=narrow
            ),
            settings.near,
        )
        for n in (*(h for h in settings.horizons if h < steps), steps)
    ]


def _problem(model: ActivityModel) -> tuple[Layer, Prior, Array, Given]:
    """Return the layer, the prior scales, the initial weights and what is given."""
    prior = Prior(jnp.asarray(model.group.scales), jnp.asarray(model.noise_scale))
    return model.layer, prior, jnp.asarray(model.recordings.initial), model.given


@partial(jax.jit, static_argnums=0)
def _climb(
    layer: Layer,
    prior: Prior,
    initial: Array,
    given: Given,
    theta: Array,
    passes: int,
    tolerance: float,
) -> Minimum:
    """Return the mode that is reached from ``theta`` in at most so many passes."""
    size = given.activity.size

    def local(theta: Array) -> Local:
        found = _pass(layer, initial, given, theta)
        noise = best_noise(found.rest, size, prior.noise)
        value = (size - 1) * jnp.log(noise) + 0.5 * found.rest / noise**2
        value += 0.5 * ((theta / prior.theta) ** 2).sum() + 0.5 * (noise / prior.noise) ** 2
        slope = theta / prior.theta**2 - found.pull / noise**2
        return Local(value, slope, _metric(prior, found, noise))

    return newton(local, theta, steps=passes - 1, tolerance=tolerance)


@partial(jax.jit, static_argnums=0)
def _pass(layer: Layer, initial: Array, given: Given, theta: Array) -> Pass:
    """Return the pass, a trajectory at a time."""

    def one(trajectory: Given) -> Pass:
        shown, slopes = sensitivities(layer, theta, initial, trajectory.inputs, trajectory.reward)
        missed = (trajectory.activity - shown).ravel()
        flat = slopes.reshape(-1, slopes.shape[-1])
        return Pass(flat.T @ flat, missed @ flat, missed @ missed)

    return jax.tree.map(lambda leaf: leaf.sum(axis=0), jax.lax.map(one, given))


def _metric(prior: Prior, found: Pass, noise: Array) -> Array:
    return found.squares / noise**2 + jnp.diag(prior.theta**-2.0)


def best_noise(rest: Array, size: int, scale: Array) -> Array:
    """Return the mode of the noise s on the scale of log s, no less than `FINEST`.

    With ``rest`` the sum of ``size`` squared residuals and ``scale`` of the prior it solves
    size - 1 - rest / s^2 + s^2 / scale^2 = 0.
    """
    free = float(size - 1)  # its square is no integer of 32 bits
    square = 2.0 * rest / (free + jnp.sqrt(free**2 + 4.0 * rest / scale**2))
    return jnp.maximum(jnp.sqrt(square), FINEST)


def _gaussian(layer: Layer, prior: Prior, initial: Array, given: Given, theta: Array) -> Gaussian:
    """Return the Gaussian around the mode ``theta``."""
    found = _pass(layer, initial, given, theta)
    noise = best_noise(found.rest, given.activity.size, prior.noise)
    covariance = scaled_solve(_metric(prior, found, noise), jnp.eye(len(theta)))
    curvature = 2.0 * found.rest / noise**2 + 2.0 * noise**2 / prior.noise**2
    return Gaussian(
        np.asarray(theta),
        np.asarray(0.5 * (covariance + covariance.T)),
        float(noise),
        float(curvature**-0.5),
    )
