"""The `activity` likelihood: a NumPyro model of recorded activity.

    theta_j ~ prior of `hebbax.model.priors`,    noise ~ HalfNormal(noise_scale)
    w_0 = the known initial weights, or ~ Normal(0, initial_scale)
    y_t, w_t = the layer's run over the recorded inputs (`hebbax.rule.layer`)
    activity_tn ~ Normal(readout(y_tn), noise)    for every recorded neuron n

Neurons that were not recorded have no part in it: they change nothing that was. `activity_model`
returns an ordinary NumPyro model: `MCMC`, `SVI`, `Predictive` and ArviZ take it without hebbax.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from hebbax.data.recordings import Recordings
from hebbax.errors import ModelError
from hebbax.model.conditioning import shown
from hebbax.model.groups import NORMAL, Group, sample_scales
from hebbax.model.priors import Prior
from hebbax.rule.layer import Layer, recorded
from hebbax.typing import Array
from hebbax.validation.precision import warn_if_single


class Given(NamedTuple):
    """The recordings as arrays that a compiled function takes; fields as of `Recordings`."""

    inputs: Array
    reward: Array
    activity: Array


@dataclass(frozen=True, eq=False)
class ActivityModel:
    """A NumPyro model of recorded activity; call it with no argument to condition on it.

    Sites: ``theta`` (term,), ``noise``, ``initial_weight`` (input, neuron) where the initial
    weights are unknown, and the observed ``activity`` (observation,), flat over trajectories, steps
    and recorded neurons.
    """

    recordings: Recordings
    layer: Layer
    group: Group
    noise_scale: float
    initial_scale: float | None

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self.layer.rule.terms

    @property
    def given(self) -> Given:
        """The recordings as arrays."""
        recorded = self.recordings
        return Given(*map(jnp.asarray, (recorded.inputs, recorded.reward, recorded.activity)))

    def __call__(self, **observed: Array | None) -> None:
        """State the model as NumPyro sites.

        ``model()`` conditions on the recordings; ``model(activity=None)`` predicts new ones. Raises
        `ModelError` for another name, and for activity of another shape than recorded.
        """
        seen = shown(observed, "activity", self.recordings.activity.ravel())
        prior = self.group.prior.value(self.group.scales, *sample_scales(self.group))
        theta = numpyro.sample("theta", prior.to_event(1))
        noise = numpyro.sample("noise", dist.HalfNormal(self.noise_scale))
        mean = self.noiseless(theta, self._initial())
        numpyro.sample("activity", dist.Normal(mean.ravel(), noise), obs=seen)

    def noiseless(self, theta: Array, initial: Array) -> Array:
        """Return what noiseless recordings show ``(trajectory, step, neuron)``."""

        def one(trajectory: tuple[Array, Array]) -> Array:
            return recorded(self.layer, theta, initial, *trajectory)

        return jax.lax.map(one, (self.given.inputs, self.given.reward))

    def _initial(self) -> Array:
        if self.initial_scale is None:
            return jnp.asarray(self.recordings.initial)
        shape = (self.recordings.n_inputs, self.recordings.n_neurons)
        prior = dist.Normal(0.0, self.initial_scale).expand(shape).to_event(2)
        return numpyro.sample("initial_weight", prior)


def activity_model(
    recordings: Recordings,
    layer: Layer,
    scales: Mapping[str, float],
    *,
    prior: Prior = NORMAL,
    noise_scale: float = 1.0,
    initial_scale: float | None = None,
) -> ActivityModel:
    """Return the NumPyro model of recorded activity.

    Warns (`SinglePrecisionWarning`) where JAX was not told to compute in double precision.

    Args:
        recordings: recorded activity (`hebbax.data.recordings.recordings`).
        layer: rule, unit and readout.
        scales: prior scale of each term of the rule.
        prior: of the coefficients, one of those of `hebbax.model.priors`.
        noise_scale: prior scale of the noise, in units of activity.
        initial_scale: prior scale of the initial weights where they are unknown.

    Raises:
        ModelError: a term without a scale, a term with a reward that is zero throughout, initial
            weights neither recorded nor given a prior, or both.
    """
    warn_if_single()
    source, rule = recordings.source, layer.rule
    for term, exponents in zip(rule.terms, rule.exponents, strict=True):
        if term not in scales or not scales[term] > 0:
            raise ModelError(f'{source}: the term "{term}" needs a positive prior scale.')
        if exponents.reward and not recordings.reward.any():
            raise ModelError(
                f'{source}: the term "{term}" needs the reward signal, which is zero in all steps.'
            )
    if recordings.initial is None and initial_scale is None:
        raise ModelError(
            f"{source}: the initial weights are unknown; give their prior scale as initial_scale."
        )
    if recordings.initial is not None and initial_scale is not None:
        raise ModelError(
            f"{source}: the initial weights are known; initial_scale is for unknown ones."
        )
    if not noise_scale > 0 or not (initial_scale is None or initial_scale > 0):
        raise ModelError(f"{source}: noise_scale and initial_scale must be positive.")
    values = np.array([scales[term] for term in rule.terms])
    group = Group("theta", values, prior, population=False)
    return ActivityModel(recordings, layer, group, noise_scale, initial_scale)
