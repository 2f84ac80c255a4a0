r"""The Gaussian nearest to the posterior of a shared rule, on average and not at one point.

Opper & Archambeau (2009): at the Gaussian q = N(m, V) of greatest ELBO,

    V^-1 = E_q[curvature],    E_q[gradient of the log posterior] = 0,

reached by damped natural-gradient steps with a few draws of q each (curvature in its Gauss-Newton
form). For rules whose parameters are not to be had one by one, an MLP's, of which a Gaussian around
one of many equivalent modes still gives the spread of what the rule *does*.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from hebbax.mehta2024.mode import Gaussian, curvature, draws, log_posterior
from hebbax.mehta2024.pooled import Pooled, Recorded
from hebbax.typing import Array, Key


@dataclass(frozen=True)
class Settings:
    """Settings: ``rounds`` of ``samples`` draws, in each of which the Gaussian moves by ``damping``
    of the way, less and less in the second half; ``weighed`` draws tell how good it is."""

    rounds: int = 25
    samples: int = 4
    damping: float = 0.2
    weighed: int = 200


@partial(jax.jit, static_argnames=("pooled", "settings"))
def fit(
    key: Key,
    pooled: Pooled,
    data: Recorded,
    precision: Array,
    start: Gaussian,
    settings: Settings,
) -> tuple[Gaussian, Array]:
    """Return the variational Gaussian and log p - log q of ``weighed`` of its draws, in nats.

    ``start`` is the Gaussian at a mode (`hebbax.mehta2024.mode.fit`); the ``evidence`` of the
    result is its ELBO. The log weights are for k-hat, by which the Gaussian is judged.
    """
    local = partial(curvature, pooled, data, precision)
    density = partial(log_posterior, pooled, data, precision)
    half = settings.rounds // 2

    def round_(state: Gaussian, now: tuple[Key, Array]) -> tuple[Gaussian, None]:
        key, k = now
        step = settings.damping * jnp.minimum(1.0, half / (k + 1.0))
        slope, sharpness = jax.lax.map(local, _paired(key, state, settings.samples))
        inverse = (1 - step) * state.precision + step * sharpness.mean(axis=0)
        mean = state.mean + step * jnp.linalg.solve(inverse, slope.mean(axis=0))
        return state._replace(mean=mean, precision=inverse), None

    keys = jax.random.split(key, settings.rounds + 1)
    rounds = (keys[1:], jnp.arange(settings.rounds))
    end = jax.lax.scan(round_, start, rounds)[0]
    drawn = draws(keys[0], end, settings.weighed)
    away = drawn - end.mean
    half_log_det = jnp.log(jnp.diagonal(jnp.linalg.cholesky(end.precision))).sum()
    log_q = half_log_det - 0.5 * jnp.einsum("si,ij,sj->s", away, end.precision, away)
    log_q -= 0.5 * len(end.mean) * jnp.log(2 * jnp.pi)
    log_weights = jax.lax.map(density, drawn) - log_q
    return end._replace(density=density(end.mean), evidence=log_weights.mean()), log_weights


def _paired(key: Key, state: Gaussian, size: int) -> Array:
    """Return draws of the Gaussian in pairs about its mean, whose errors of first order cancel."""
    drawn = draws(key, state, size // 2)
    return jnp.concatenate([drawn, 2 * state.mean - drawn])
