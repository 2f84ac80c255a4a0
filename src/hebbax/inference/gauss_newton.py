"""The mode of the `activity` model by Gauss-Newton, and the Gaussian posterior around it.

With residuals e and slopes J = dm/dtheta of the noiseless recordings
(`hebbax.rule.layer.sensitivities`) a pass over the recordings gives J^T J, J^T e and e^T e, from
which, for noise scale s and prior precision L,

    step:       (J^T J / s^2 + L + damping) d = J^T e / s^2 - L theta
    posterior:  theta ~ Normal(mode, (J^T J / s^2 + L)^-1)

The noise is at its mode for given theta throughout; in a Gaussian likelihood it is independent of
theta to this order. From coefficients of zero the whole trajectory is a rugged way: weights that
run off to their bound no longer tell where they came from. The first steps of every trajectory are
nearly linear in the coefficients, so the climb starts there, on an excerpt of the recordings, and
follows the mode as the excerpt grows longer. Early steps say little of terms with w; a narrow prior
keeps these near zero on the way.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.data.recordings import excerpt
from hebbax.errors import ModelError
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
    """What one pass over the recordings gives: J^T J (term, term), J^T e (term,), e^T e."""

    squares: np.ndarray
    pull: np.ndarray
    rest: float


class Place(NamedTuple):
    """A point of the climb: coefficients, the pass there, the noise and the potential in nats."""

    theta: np.ndarray
    found: Pass
    noise: float
    potential: float


class Climb(NamedTuple):
    """Where a climb ended: the coefficients, the last point it passed over the recordings at, the
    nats that the step from there promised, and its passes."""

    theta: np.ndarray
    place: Place
    promised: float
    passes: int


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
    theta, passes = np.zeros(len(model.terms)), []
    stages = [*_excerpts(model, settings), (model, settings.tolerance)]
    for stage, tolerance in stages:
        here = partial(
            progress, f"{stage.recordings.n_steps} steps of {stage.recordings.n_neurons} neurons"
        )
        climb = _climb(stage, theta, settings.passes, tolerance, here)
        theta = climb.theta
        passes.append(climb.passes)
    converged = climb.promised < settings.tolerance
    return _gaussian(model, climb), Info(tuple(passes), climb.promised, converged)


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


def _climb(
    model: ActivityModel,
    theta: np.ndarray,
    passes: int,
    tolerance: float,
    progress: Callable[[int, int], None],
) -> Climb:
    """Return the mode that is reached from ``theta``, by Levenberg's and Marquardt's damping."""
    visit = partial(_visit, model, model.given)
    here, damping, done = visit(theta), 1e-6, 1
    while True:
        progress(done, passes)
        metric, slope = _metric(model, here), _slope(model, here)
        promised = 0.5 * float(slope @ _solve(metric, slope))
        if promised < tolerance:
            # So near the mode the step leads to it; no pass is needed to see that.
            return Climb(here.theta + _solve(metric, slope), here, promised, done)
        if done >= passes:
            return Climb(here.theta, here, promised, done)
        there = visit(here.theta + _solve(metric + damping * np.diag(np.diagonal(metric)), slope))
        done += 1
        if there.potential < here.potential:
            here, damping = there, 0.1 * damping
        else:
            damping = max(30.0 * damping, 1e-3)


def _visit(model: ActivityModel, given: Given, theta: np.ndarray) -> Place:
    size, initial = given.activity.size, jnp.asarray(model.recordings.initial)
    squares, pull, rest = jax.device_get(_pass(model.layer, initial, given, theta))
    found = Pass(squares, pull, float(rest) if np.isfinite(rest) else np.inf)
    noise = best_noise(found.rest, size, model.noise_scale)
    likelihood = (1 - size) * np.log(noise) - 0.5 * found.rest / noise**2
    prior = ((theta / model.group.scales) ** 2).sum() + (noise / model.noise_scale) ** 2
    return Place(theta, found, noise, float(0.5 * prior - likelihood))


@partial(jax.jit, static_argnums=0)
def _pass(layer: Layer, initial: Array, given: Given, theta: Array) -> tuple[Array, Array, Array]:
    """Return the pass as arrays of JAX, a trajectory at a time."""

    def one(trajectory: Given) -> tuple[Array, Array, Array]:
        shown, slopes = sensitivities(layer, theta, initial, trajectory.inputs, trajectory.reward)
        missed = (trajectory.activity - shown).ravel()
        flat = slopes.reshape(-1, slopes.shape[-1])
        return flat.T @ flat, missed @ flat, missed @ missed

    return jax.tree.map(lambda leaf: leaf.sum(axis=0), jax.lax.map(one, given))


def best_noise(rest: float, size: int, scale: float) -> float:
    """Return the mode of the noise s on the scale of log s, no less than `FINEST`.

    With ``rest`` the sum of ``size`` squared residuals and ``scale`` of the prior it solves
    size - 1 - rest / s^2 + s^2 / scale^2 = 0.
    """
    free = size - 1
    square = 2.0 * rest / (free + np.sqrt(free**2 + 4.0 * rest / scale**2))
    return float(np.maximum(np.sqrt(square), FINEST))


def _gaussian(model: ActivityModel, climb: Climb) -> Gaussian:
    place = climb.place
    square = place.noise**2
    curvature = 2.0 * place.found.rest / square + 2.0 * square / model.noise_scale**2
    return Gaussian(
        climb.theta, _inverse(_metric(model, place)), place.noise, float(curvature**-0.5)
    )


def _metric(model: ActivityModel, place: Place) -> np.ndarray:
    return place.found.squares / place.noise**2 + np.diag(model.group.scales**-2.0)


def _slope(model: ActivityModel, place: Place) -> np.ndarray:
    return place.found.pull / place.noise**2 - place.theta / model.group.scales**2


def _solve(metric: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return metric^-1 vector, scaled first: coefficients differ by orders of magnitude."""
    scale = np.sqrt(np.diagonal(metric))
    return np.linalg.solve(metric / np.outer(scale, scale), vector / scale) / scale


def _inverse(metric: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diagonal(metric))
    inverse = np.linalg.inv(metric / np.outer(scale, scale)) / np.outer(scale, scale)
    return 0.5 * (inverse + inverse.T)
