r"""What a weight loses of itself in a trial, whatever the rule: chosen, and not chosen.

A rule changes a small weight w of a stimulus with the rate x by g(x, tanh(x w), w, r) / n_inputs.
Of itself it loses

    loss(x) = -mean over trials of dg/dw / n_inputs    at w = 0,

with x the rate of a chosen stimulus or zero, and the mean over the reward signals r of the recorded
trials. For terms w and x w it is that of `hebbax.rule.fading`; a rule without weights in it loses
nothing. So rules of any form are told in one number of each, in % a trial, of the population; where
it depends on covariates, of a population with the mean of those of the animals.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from hebbax.errors import FitError
from hebbax.model.choices import Model, build_model
from hebbax.model.effects import NAME as EFFECT
from hebbax.model.trials import Design
from hebbax.posterior.inference_data import animal_values, sessions_of, spec_of
from hebbax.posterior.learning import WIDER
from hebbax.posterior.summary import samples_of
from hebbax.rule.taylor import Rule
from hebbax.typing import Array

KINDS = ("unchosen", "chosen")
"""Of whose weight a loss is told."""

SIGNALS = 64
"""Reward signals that a mean over trials is taken at: all where there are no more, else evenly
spaced quantiles."""


@dataclass(frozen=True)
class Fading:
    """Draws ``(sample,)`` of the part of itself that the population's weight of a stimulus loses in
    a trial: of one that was ``chosen``, and of one that was not, ``unchosen``. Of the kinds that
    are ``declared`` it loses wherever parameters may be: that it fades is then the model's
    word, and what its posterior says is how fast."""

    unchosen: np.ndarray
    chosen: np.ndarray
    declared: frozenset[str] = frozenset()

    def of(self, kind: str) -> np.ndarray:
        """Return the draws of one of the two, by its name."""
        return {"unchosen": self.unchosen, "chosen": self.chosen}[kind]


class Signals(NamedTuple):
    """Reward signals ``value`` (signal,), and the ``part`` (signal,) of the trials with each."""

    value: Array
    part: Array


def fading(posterior: xr.DataTree) -> Fading:
    """Return what the population's weights lose in a trial.

    Raises `FitError` where there is no population.
    """
    model = build_model(spec_of(posterior), sessions_of(posterior))
    members = len(model.spec.members)
    if not (members and model.spec.population):
        return fading_of(model, posterior)
    theta = _population(model, posterior)
    prior = WIDER * posterior.prior["theta_population"].to_numpy().reshape(-1, members)
    # Posterior and prior at once: one program.
    both = _of(np.concatenate([theta, prior]), model, signals(model, posterior))
    n = len(theta)
    declared = frozenset(kind for kind in KINDS if _only_loss(both.of(kind)[n:]))
    return Fading(both.unchosen[:n], both.chosen[:n], declared)


def _only_loss(drawn: np.ndarray) -> bool:
    """Return whether weights lose by every draw, or keep all where a parameter is at its end."""
    return bool((drawn >= 0).all() and (drawn > 0).any())


def fading_of(model: Model, posterior: xr.DataTree) -> Fading:
    """Return the losses of a model that is built already; of the ``posterior`` only the draws are
    read, so that nothing is said of what is declared."""
    spec = model.spec
    if not spec.population:
        raise FitError(f"{spec.name}: has no population whose weights could fade.")
    if not spec.members:
        none = np.zeros(posterior.posterior.sizes["chain"] * posterior.posterior.sizes["draw"])
        return Fading(none, none)
    return _of(_population(model, posterior), model, signals(model, posterior))


def _population(model: Model, posterior: xr.DataTree) -> np.ndarray:
    """Return the population's values ``(draw, member)``, with the mean effect of covariates."""
    theta = _values(posterior, "theta_population")
    if EFFECT not in posterior.posterior:
        return theta
    effects = {EFFECT: jnp.asarray(_values(posterior, EFFECT))}
    return theta + np.asarray(model.effects.shift("theta", theta.shape[1:], effects)).mean(1)


def fading_of_animals(posterior: xr.DataTree) -> dict[str, Fading]:
    """Return what weights of each animal lose in a trial, by its name, over the reward signals of
    all animals' trials; nothing for a rule that learns nothing."""
    spec = spec_of(posterior)
    if not spec.members:
        return {}
    model = build_model(spec, sessions_of(posterior))
    own = samples_of(posterior.posterior["theta"]).transpose("animal", "sample", ...).to_numpy()
    # Of all animals at once: one program.
    found = _of(own.reshape(-1, own.shape[-1]), model, signals(model, posterior))
    unchosen, chosen = (lost.reshape(own.shape[:2]) for lost in (found.unchosen, found.chosen))
    names = posterior.posterior["animal"].to_numpy()
    return {str(name): Fading(unchosen[k], chosen[k]) for k, name in enumerate(names)}


def _of(theta: np.ndarray, model: Model, at: Signals) -> Fading:
    """Return the losses of values ``(draw, member)``."""
    rate = float(model.network.stimuli.max())
    lost = losses(model.rule, jnp.asarray(theta), rate, model.network.n_inputs, at)
    return Fading(*np.asarray(lost).T)


def losses(rule: Rule, theta: Array, rate: float, n_inputs: int, signals: Signals) -> Array:
    """Return the losses in a trial ``(draw, 2)`` of a weight whose stimulus was not chosen, and of
    the chosen one, for values ``theta`` (draw, member) and over reward ``signals``."""

    def slope(own: Array, x: Array, r: Array) -> Array:
        def change(w: Array) -> Array:
            return rule.change(own, rule.hoist(own, rule.drive(x, r)), jnp.tanh(x * w), w)

        return jax.grad(change)(jnp.zeros(()))

    def one(theta: Array) -> Array:
        own = rule.coefficients(theta)
        each = jax.vmap(jax.vmap(lambda x, r: slope(own, x, r), (None, 0)), (0, None))
        return -each(jnp.array([0.0, rate]), signals.value) @ signals.part / n_inputs

    return jax.jit(jax.vmap(one))(theta)


def signals(model: Model, posterior: xr.DataTree) -> Signals:
    """Return the reward signals of the recorded trials with a choice: where what is expected has a
    rate of its own, at the mean of each animal's values."""
    design, accepted = model.design, np.asarray(model.design.accepted)
    signal = np.asarray(design.signal)
    if model.spec.reward == "exponential":
        values = animal_values(posterior, model)
        means = {name: jnp.asarray(value.mean(0)) for name, value in values.items()}

        def expected(values: dict[str, Array], design: Design) -> Array:
            found = model.animal_expected(model.animal(values), design)
            assert found is not None
            return found

        signal = signal - np.asarray(jax.vmap(expected)(means, design))
    found, times = np.unique(signal[accepted], return_counts=True)
    if len(found) <= SIGNALS:
        return Signals(jnp.asarray(found), jnp.asarray(times / times.sum()))
    even = np.quantile(signal[accepted], (np.arange(SIGNALS) + 0.5) / SIGNALS)
    return Signals(jnp.asarray(even), jnp.full(SIGNALS, 1.0 / SIGNALS))


def _values(posterior: xr.DataTree, name: str) -> np.ndarray:
    return np.asarray(samples_of(posterior.posterior[name]).transpose("sample", ...))
