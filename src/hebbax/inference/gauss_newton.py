"""The mode of the `activity` model by Gauss-Newton, and the Gaussian posterior around it.

With residuals e and slopes J = dm/dtheta of the noiseless recordings (`hebbax.layer.sensitivities`)
a pass over the recordings gives J^T J, J^T e and e^T e, from which, for noise scale s and prior
precision L,

    step:       (J^T J / s^2 + L + damping) d = J^T e / s^2 - L theta
    posterior:  theta ~ Normal(mode, (J^T J / s^2 + L)^-1),    log(s - least) ~ Normal

A handful of passes replace hundreds of epochs of descent. The noise is at its best for given theta
throughout; in a Gaussian likelihood it is then independent of theta to this order. The first passes
run on a few trajectories only, whose mode is a good start for all.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from hebbax.activity import FINEST, ActivityModel, Given
from hebbax.errors import FitError, ModelError
from hebbax.layer import Layer, sensitivities
from hebbax.recordings import first_trajectories
from hebbax.typing import Array, Key, Progress, silent


@dataclass(frozen=True)
class Settings:
    """Settings of the climb.

    ``passes`` at most over the recordings, until a step promises less than ``tolerance`` nats;
    before that as many over the first ``pilot`` trajectories.
    """

    passes: int = 30
    tolerance: float = 1e-6
    pilot: int = 2


class Gaussian(NamedTuple):
    """The Gaussian posterior of the coefficients.

    ``mean`` (term,) and ``covariance`` (term, term) of the coefficients; ``noise`` and
    ``log_noise_sd``: mode of the noise scale and the standard deviation of log(noise - `FINEST`);
    ``information`` (term, term): what the recordings alone say of the coefficients.
    """

    mean: np.ndarray
    covariance: np.ndarray
    noise: float
    log_noise_sd: float
    information: np.ndarray

    @property
    def sd(self) -> np.ndarray:
        """Posterior standard deviation of each coefficient ``(term,)``."""
        return np.sqrt(np.diagonal(self.covariance))

    def draw(self, key: Key, n: int) -> np.ndarray:
        """Return ``(draw, term)`` draws of the coefficients."""
        # By Cholesky of the correlations: variances may be twenty orders of magnitude apart.
        factor = np.linalg.cholesky(self.covariance / np.outer(self.sd, self.sd))
        normal = np.asarray(jax.random.normal(key, (n, len(self.mean))))
        return self.mean + self.sd * (normal @ factor.T)


class Info(NamedTuple):
    """How the climb went: the potential in nats after each pass over all recordings, the nats that
    the last step promised, and whether that was little enough."""

    potential: tuple[float, ...]
    promised: float
    converged: bool


class Pass(NamedTuple):
    """What one pass over the recordings gives: J^T J (term, term), J^T e (term,), e^T e."""

    squares: np.ndarray
    pull: np.ndarray
    rest: float


def fit(
    model: ActivityModel, settings: Settings | None = None, *, progress: Progress = silent
) -> tuple[Gaussian, Info]:
    """Return the Gaussian posterior at the mode, and how it was reached.

    Raises:
        ModelError: the prior is not Normal, or the initial weights are unknown: NumPyro's NUTS
            takes such a model as it is.
        FitError: the recordings cannot be run from coefficients of zero.
    """
    settings = settings or Settings()
    if model.group.prior != "normal" or model.initial_scale is not None:
        raise ModelError(
            f"{model.recordings.source}: Gauss-Newton needs a normal prior and known initial "
            "weights; sample this model by NumPyro's NUTS."
        )
    theta = np.zeros(len(model.terms))
    if settings.pilot < model.recordings.n_trajectories:
        theta = _climb(model, theta, settings, settings.pilot, progress)[0].mean
    return _climb(model, theta, settings, model.recordings.n_trajectories, progress)


def with_prior(posterior: Gaussian, old: np.ndarray, new: np.ndarray) -> Gaussian:
    """Return the posterior under other Normal prior scales ``(term,)``, without another fit.

    Exact where the likelihood is Gaussian in the coefficients, as it is between any two priors
    that leave the recordings explained.
    """
    precision = posterior.information + np.diag(new**-2.0)
    pull = (posterior.information + np.diag(old**-2.0)) @ posterior.mean
    mean, covariance = _solve(precision, pull), _inverse(precision)
    return posterior._replace(mean=mean, covariance=covariance)


def _climb(
    model: ActivityModel, theta: np.ndarray, settings: Settings, n: int, progress: Progress
) -> tuple[Gaussian, Info]:
    """Return the Gaussian at the mode of the first ``n`` trajectories, and how it was reached."""
    own = first_trajectories(model.recordings, n)
    given = jax.tree.map(lambda leaf: leaf[:n], model.given)
    run = partial(_pass, model.layer, jnp.asarray(own.initial), given)
    task = f"climbing, {n} trajectories"
    size, precision = own.activity.size, model.group.scales**-2.0
    here = _numbers(run(theta))
    if not np.isfinite(here.rest):
        raise FitError(f"{own.source}: the layer cannot be run from coefficients of zero.")
    noise = best_noise(model, here.rest, size)
    damping, history = 1e-6, [_potential(model, theta, noise, here.rest, size)]
    for done in range(settings.passes):
        progress(task, done, settings.passes)
        metric = here.squares / noise**2 + np.diag(precision)
        slope = here.pull / noise**2 - precision * theta
        promised = 0.5 * float(slope @ _solve(metric, slope))
        if promised < settings.tolerance:
            break
        step = _solve(metric + damping * np.diag(np.diagonal(metric)), slope)
        there = _numbers(run(theta + step))
        quieter = best_noise(model, there.rest, size) if np.isfinite(there.rest) else noise
        potential = _potential(model, theta + step, quieter, there.rest, size)
        if potential < history[-1]:
            theta, here, noise, damping = theta + step, there, quieter, 0.1 * damping
            history.append(potential)
        else:
            damping *= 30.0
    progress(task, settings.passes, settings.passes)
    metric = here.squares / noise**2 + np.diag(precision)
    posterior = Gaussian(
        theta, _inverse(metric), noise, _log_noise_sd(model, noise, here.rest, size),
        here.squares / noise**2,
    )  # fmt: skip
    return posterior, Info(tuple(history), promised, promised < settings.tolerance)


@partial(jax.jit, static_argnums=0)
def _pass(layer: Layer, initial: Array, given: Given, theta: Array) -> Pass:
    """Return one pass over the recordings, a trajectory at a time."""

    def one(trajectory: Given) -> Pass:
        shown, slopes = sensitivities(
            layer, theta, initial, trajectory.inputs, trajectory.reward
        )
        missed = (trajectory.activity - shown).ravel()
        flat = slopes.reshape(-1, slopes.shape[-1])
        return Pass(flat.T @ flat, missed @ flat, missed @ missed)

    return jax.tree.map(lambda leaf: leaf.sum(axis=0), jax.lax.map(one, given))


def _numbers(found: Pass) -> Pass:
    squares, pull, rest = jax.device_get(found)
    return Pass(squares, pull, float(rest))


def best_noise(model: ActivityModel, rest: float, size: int) -> float:
    """Return the mode of the noise scale, on the scale of log(noise - `FINEST`), given the sum
    ``rest`` of ``size`` squared residuals."""

    def slope(log: float) -> float:
        return _noise_slope(model, log, rest, size)

    top = np.log(np.sqrt(rest / size) + 10.0 * FINEST) + 5.0
    return FINEST + float(np.exp(brentq(slope, -60.0, top, xtol=1e-12)))


def _noise_slope(model: ActivityModel, log: float, rest: float, size: int) -> float:
    """Return the slope of the potential in log(noise - `FINEST`)."""
    above = np.exp(log)
    noise = FINEST + above
    return above * (size / noise - rest / noise**3 + noise / model.noise_scale**2) - 1.0


def _log_noise_sd(model: ActivityModel, noise: float, rest: float, size: int) -> float:
    """Return the standard deviation of log(noise - `FINEST`) at the mode."""
    log, h = np.log(noise - FINEST), 1e-5
    ends = [_noise_slope(model, log + side, rest, size) for side in (-h, h)]
    return float(((ends[1] - ends[0]) / (2.0 * h)) ** -0.5)


def _potential(
    model: ActivityModel, theta: np.ndarray, noise: float, rest: float, size: int
) -> float:
    """Return minus the log density of theta and log(noise - `FINEST`), up to a constant."""
    likelihood = -size * np.log(noise) - 0.5 * rest / noise**2
    prior = -0.5 * ((theta / model.group.scales) ** 2).sum() - 0.5 * (noise / model.noise_scale) ** 2
    return float(-(likelihood + prior + np.log(noise - FINEST)))


def _solve(metric: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return metric^-1 vector, scaled first: coefficients differ by many orders of magnitude."""
    scale = np.sqrt(np.diagonal(metric))
    return np.linalg.solve(metric / np.outer(scale, scale), vector / scale) / scale


def _inverse(metric: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diagonal(metric))
    inverse = np.linalg.inv(metric / np.outer(scale, scale)) / np.outer(scale, scale)
    return 0.5 * (inverse + inverse.T)
