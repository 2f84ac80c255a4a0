"""The mode of the `activity` model by Gauss-Newton, and the Gaussian posterior around it.

With residuals e and slopes J = dm/dtheta of the noiseless recordings (`hebbax.layer.sensitivities`)
a pass over the recordings gives J^T J, J^T e and e^T e, from which, for noise scale s and prior
precision L,

    step:       (J^T J / s^2 + L + damping) d = J^T e / s^2 - L theta
    posterior:  theta ~ Normal(mode, (J^T J / s^2 + L)^-1)

The noise is at its mode for given theta throughout; in a Gaussian likelihood it is independent of
theta to this order. From coefficients of zero the whole trajectory is a rugged way: weights that
run off to their bound no longer tell where they came from. The first steps of every trajectory are
nearly linear in the coefficients, so the climb starts there and follows the mode as the recordings
grow longer. Early steps say little of terms with w; a narrow prior keeps these near zero on the way.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.activity import FINEST, ActivityModel, Given
from hebbax.errors import ModelError
from hebbax.layer import Layer, sensitivities
from hebbax.typing import Array, Progress, silent


@dataclass(frozen=True)
class Settings:
    """Settings of the climb.

    It goes to the mode of the first ``horizons`` steps of each trajectory in turn and of all steps,
    no coefficient with a prior scale above ``narrow``, and then to that of the model itself: at most
    ``passes`` over the recordings for each, until a step promises less than ``tolerance`` nats.
    """

    horizons: tuple[int, ...] = (4, 8, 16, 32)
    narrow: float = 1.0
    passes: int = 20
    tolerance: float = 1e-3


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


class Task(NamedTuple):
    """What one stage of the climb is after: a model, its recordings so far, the prior scales."""

    model: ActivityModel
    given: Given
    scales: np.ndarray


class Place(NamedTuple):
    """A point of the climb: coefficients, the pass there, the noise and the potential in nats."""

    theta: np.ndarray
    found: Pass
    noise: float
    potential: float


def fit(
    model: ActivityModel, settings: Settings | None = None, *, progress: Progress = silent
) -> tuple[Gaussian, Info]:
    """Return the Gaussian posterior at the mode, and how it was reached.

    Raises:
        ModelError: the prior is not Normal, or the initial weights are unknown: NumPyro's NUTS
            takes such a model as it is.
    """
    settings = settings or Settings()
    if model.group.prior != "normal" or model.initial_scale is not None:
        raise ModelError(
            f"{model.recordings.source}: Gauss-Newton needs a normal prior and known initial "
            "weights; sample this model by NumPyro's NUTS."
        )
    theta, passes = np.zeros(len(model.terms)), []
    stages = _stages(model, settings)
    for done, (horizon, scales) in enumerate(stages):
        progress(f"{horizon} steps", done, len(stages))
        first = jax.tree.map(lambda leaf, h=horizon: leaf[:, :h], model.given)
        here = Task(model, first, scales)
        place, promised, count = _climb(here, _visit(here, theta), settings)
        theta = place.theta
        passes.append(count)
    progress("done", len(stages), len(stages))
    posterior = Gaussian(
        theta, _inverse(_metric(here, place)), place.noise, _log_noise_sd(model, place)
    )
    return posterior, Info(tuple(passes), promised, promised < settings.tolerance)


def _stages(model: ActivityModel, settings: Settings) -> list[tuple[int, np.ndarray]]:
    """Return the horizon and the prior scales of each stage of the climb."""
    steps, own = model.recordings.inputs.shape[1], model.group.scales
    narrow = np.minimum(own, settings.narrow)
    on_the_way = [(horizon, narrow) for horizon in settings.horizons if horizon < steps]
    return [*on_the_way, (steps, narrow), (steps, own)]


def _climb(task: Task, here: Place, settings: Settings) -> tuple[Place, float, int]:
    """Return the mode, the nats that another step promises, and the number of passes."""
    damping = 1e-6
    for count in range(1, settings.passes + 1):
        metric = _metric(task, here)
        slope = here.found.pull / here.noise**2 - here.theta / task.scales**2
        promised = 0.5 * float(slope @ _solve(metric, slope))
        if promised < settings.tolerance:
            break
        step = _solve(metric + damping * np.diag(np.diagonal(metric)), slope)
        there = _visit(task, here.theta + step)
        if there.potential < here.potential:
            here, damping = there, 0.1 * damping
        else:
            damping = max(30.0 * damping, 1e-3)
    return here, promised, count


def _visit(task: Task, theta: np.ndarray) -> Place:
    model, size = task.model, task.given.activity.size
    initial = jnp.asarray(model.recordings.initial)
    squares, pull, rest = jax.device_get(_pass(model.layer, initial, task.given, theta))
    found = Pass(squares, pull, float(rest) if np.isfinite(rest) else np.inf)
    noise = best_noise(found.rest, size, model.noise_scale)
    likelihood = (1 - size) * np.log(noise) - 0.5 * found.rest / noise**2
    prior = ((theta / task.scales) ** 2).sum() + (noise / model.noise_scale) ** 2
    return Place(theta, found, noise, float(0.5 * prior - likelihood))


@partial(jax.jit, static_argnums=0)
def _pass(layer: Layer, initial: Array, given: Given, theta: Array) -> Pass:
    """Return one pass over the recordings, a trajectory at a time."""

    def one(trajectory: Given) -> Pass:
        shown, slopes = sensitivities(layer, theta, initial, trajectory.inputs, trajectory.reward)
        missed = (trajectory.activity - shown).ravel()
        flat = slopes.reshape(-1, slopes.shape[-1])
        return Pass(flat.T @ flat, missed @ flat, missed @ missed)

    return jax.tree.map(lambda leaf: leaf.sum(axis=0), jax.lax.map(one, given))


def best_noise(rest: float, size: int, scale: float) -> float:
    """Return the mode of the noise s on the scale of log s, no less than `FINEST`.

    With ``rest`` the sum of ``size`` squared residuals and ``scale`` of the prior it solves
    size - 1 - rest / s^2 + s^2 / scale^2 = 0.
    """
    free = size - 1
    square = 2.0 * rest / (free + np.sqrt(free**2 + 4.0 * rest / scale**2))
    return float(np.maximum(np.sqrt(square), FINEST))


def _log_noise_sd(model: ActivityModel, place: Place) -> float:
    square = place.noise**2
    return float((2.0 * place.found.rest / square + 2.0 * square / model.noise_scale**2) ** -0.5)


def _metric(task: Task, place: Place) -> np.ndarray:
    return place.found.squares / place.noise**2 + np.diag(task.scales**-2.0)


def _solve(metric: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return metric^-1 vector, scaled first: coefficients differ by orders of magnitude."""
    scale = np.sqrt(np.diagonal(metric))
    return np.linalg.solve(metric / np.outer(scale, scale), vector / scale) / scale


def _inverse(metric: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diagonal(metric))
    inverse = np.linalg.inv(metric / np.outer(scale, scale)) / np.outer(scale, scale)
    return 0.5 * (inverse + inverse.T)
