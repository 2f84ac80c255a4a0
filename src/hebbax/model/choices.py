"""Spec + sessions -> a NumPyro model: the only assembly.

Generative equations, for animal a and trial t (one with a choice, or under `Encounters` with an
encounter; without a choice w, E[R] and the last choice stay as they are):

    theta_a, preference_a, ...  ~ hierarchy of `hebbax.model.groups`
    w_a1 = initial weights;  w_a,t+1 = bounded(w_at + g(x, y, w_at, r) / n_inputs)
    logit_atk = that of `hebbax.rule.readout`, from x_k and w_at
    choice_at ~ Choice, Softmax or Encounters(logit_at, offset_at)
    offset_atk of `hebbax.model.choice_parameters`, from preference, habit ...

`build_model` returns an ordinary NumPyro model: `MCMC`, `SVI`, `Predictive` and ArviZ take it
without hebbax.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro

from hebbax.data import NO_CHOICE, Sessions, compact, observation_index
from hebbax.errors import ModelError
from hebbax.model.blocks import MANY_TRIALS, Blocks, flat
from hebbax.model.choice_parameters import PARAMETERS, Trial, initial_weights, offsets
from hebbax.model.conditioning import shown
from hebbax.model.groups import Group, sample_group
from hebbax.model.likelihood import Choice, Encounters, Kind
from hebbax.model.spec import ModelSpec
from hebbax.rule.network import Network, drives, logits_of, replay
from hebbax.rule.readout import READOUTS
from hebbax.rule.reward import reward_signal
from hebbax.rule.stimulus import one_hot
from hebbax.rule.taylor import FunctionRule, Rule, TaylorRule
from hebbax.typing import Array, Parameters
from hebbax.validation.precision import warn_if_single


class Design(NamedTuple):
    """What the recorded trials say that no parameter touches; leading dimension ``animal``.

    ``valid`` (trial,) marks observed trials, not padding, and ``accepted`` (trial,) those of them
    with a choice. ``x`` (trial, input) is the accepted stimulus (zero without one), ``drive`` the
    rule's data, ``repeat`` (trial, stimulus) marks the stimulus chosen last, and ``most`` (trial,)
    is the number of encounters that ended a trial without a choice, infinite where it has one.
    """

    valid: Array
    accepted: Array
    x: Array
    drive: Any
    repeat: Array
    most: Array


@dataclass(frozen=True, eq=False)
class Model:
    """A NumPyro model of recorded sessions; call it with no argument to condition on them.

    Attributes:
        spec: the declared model.
        recording: the recorded trials, all of them.
        sessions: those that the likelihood sees.
        rule: the plasticity rule.
        network: fixed parts of the network.
        groups: the latent variables of each animal.
        observed: what is conditioned on, ``(observation,)`` choices, or
            ``(observation, stimulus + 1)`` rejections and choice.
        trials: ``(observation,)`` number of each observed trial in the recording, from 1 and all
            others counted.
    """

    spec: ModelSpec
    recording: Sessions
    sessions: Sessions
    rule: Rule
    network: Network
    groups: tuple[Group, ...]
    observed: np.ndarray
    trials: np.ndarray
    design: Design

    @property
    def site(self) -> str:
        """Name of the observed site."""
        return self.spec.likelihood

    def __call__(self, **observed: Array | None) -> None:
        """State the model as NumPyro sites.

        ``model()`` conditions on the recorded choices; ``model(choice=None)`` (or
        ``encounter=None``) predicts them one step ahead, given the recorded history. A trial that
        ended without a choice is predicted with as many encounters as it had at most. Raises
        `ModelError` for another name, and for observations of another shape than recorded.
        """
        seen = shown(observed, self.site, self.observed)
        numpyro.sample(self.site, self.distribution(self.latents()), obs=seen)

    @property
    def index(self) -> tuple[np.ndarray, np.ndarray]:
        """Animal and trial, both from 0 in `sessions`, of each observation ``(observation,)``."""
        return observation_index(self.sessions, self.spec.likelihood)

    @property
    def scales(self) -> np.ndarray:
        """Prior scale of every member of an animal's values ``(member,)``, groups in order."""
        return np.concatenate([np.ravel(group.scales) for group in self.groups])

    def recorded(self, design: Design, observed: Array) -> "Model":
        """Return the model of other trials, as many of each animal; both may be traced, so that one
        compiled fit serves all."""
        return replace(self, design=design, observed=observed)  # type: ignore[arg-type]

    def latents(self) -> Parameters:
        """State the priors alone as NumPyro sites, and return each animal's values by group."""
        return {group.name: sample_group(group, self.sessions.n_animals) for group in self.groups}

    def distribution(self, values: Parameters) -> Choice | Encounters | Blocks:
        """Return the distribution of the observed site ``(observation,)`` given the values of each
        animal by group name."""
        counts = self.sessions.n_trials
        if self.sessions.choices.size > MANY_TRIALS:
            event = self.observed.shape[1:]
            return Blocks(self._animal_distribution, (values, self.design), counts, event)
        return self.whole_distribution(values)

    def whole_distribution(self, values: Parameters) -> Choice | Encounters:
        """Return the same in one piece, however many trials there are."""
        counts = self.sessions.n_trials
        logits, offset = self.readout(values)
        most = flat(counts, self.design.most)
        return self.kind.of(flat(counts, logits), flat(counts, offset), most)

    def padded_distribution(self, values: Parameters) -> Choice | Encounters:
        """Return the same by ``(animal, trial)``, with whatever comes out in padding."""
        return self.kind.of(*self.readout(values), self.design.most)

    def readout(self, values: Parameters) -> tuple[Array, Array]:
        """Return logits of acceptance and offsets, each ``(animal, trial, stimulus)``."""
        return jax.vmap(self._animal_readout)(values, self.design)

    def weights(self, values: Parameters) -> Array:
        """Return the weight of each stimulus before each trial ``(animal, trial, input)``."""
        return jax.vmap(self._animal_weights)(values, self.design)[..., 0]

    def animal_parameters(
        self, values: Parameters
    ) -> tuple[Array, Array, Callable[[Array, Array], Array]]:
        """Return one animal's theta (term,) and initial weights (input, 1), from its values by
        group name, and the function that gives its offsets ``(..., stimulus)`` where these were
        chosen last and have these logits."""
        own = {name: list(jnp.atleast_1d(value)) for name, value in values.items()}
        start = jnp.stack(initial_weights(own, self.network.n_inputs))[:, None]

        def offset(repeat: Array, logits: Array) -> Array:
            rows = (jnp.moveaxis(leaf, -1, 0) for leaf in (repeat, logits))
            each = offsets(own, Trial(self.kind, *map(list, rows)))
            # Where no trial is read they are the same in every one: an exponential.
            return jnp.broadcast_to(jnp.stack(jnp.broadcast_arrays(*each), -1), logits.shape)

        return values.get("theta", jnp.zeros(0)), start, offset

    @property
    def kind(self) -> Kind:
        """The distribution of what an animal did in a trial, of logits and offsets."""
        return self.spec.kind

    def _animal_distribution(self, animal: tuple[Parameters, Design]) -> Choice | Encounters:
        return self.kind.of(*self._animal_readout(*animal), animal[1].most)

    def _animal_weights(self, values: Parameters, design: Design) -> Array:
        theta, start, _ = self.animal_parameters(values)
        if not self.rule.parameters:
            return jnp.broadcast_to(start, (design.valid.shape[0], *start.shape))
        # The choice likelihood sees no trial without one: nothing to skip, and a faster loop.
        accepted = None if self.kind.relative else design.accepted
        return replay(self.rule, self.network, theta, start, design.x, design.drive, accepted)

    def _animal_readout(self, values: Parameters, design: Design) -> tuple[Array, Array]:
        weights = self._animal_weights(values, design)
        _, _, offset = self.animal_parameters(values)
        logits = jax.vmap(partial(logits_of, self.network))(weights)
        return logits, offset(design.repeat, logits)


def build_model(
    spec: ModelSpec,
    sessions: Sessions,
    rule: Callable[[Array, Array, Array, Array, Array], Array] | None = None,
) -> Model:
    """Return the NumPyro model of a declared model on recorded sessions.

    Warns (`SinglePrecisionWarning`) where JAX was not told to compute in double precision.

    Args:
        spec: declared model (`hebbax.read_spec`).
        sessions: recorded trials (`hebbax.read`).
        rule: a rule of one's own, a plain function ``g(theta, x, y, w, r)`` at one synapse; then
            ``spec.terms`` are the names of ``theta``. Without it the terms are Taylor terms.

    Raises:
        ModelError: the likelihood asks for what was not recorded, or the prior scales are still to
            be found from the choices (`hebbax.inference.scaling.scaled`).
    """
    if spec.scaling == "information" and spec.terms and not spec.scales:
        raise ModelError(
            f"{spec.name}: its prior scales come from the choices; "
            "hebbax.inference.scaling.scaled finds them."
        )
    observed = spec.kind.recorded(sessions, spec.name)
    warn_if_single()
    recording, trials = sessions, observation_index(sessions, spec.likelihood)[1] + 1
    sessions = compact(recording, spec.likelihood)
    network = Network(one_hot(sessions.n_stimuli, spec.rate), READOUTS[spec.readout])
    plasticity: Rule = TaylorRule(spec.terms) if rule is None else FunctionRule(rule, spec.terms)
    return Model(
        spec=spec,
        recording=recording,
        sessions=sessions,
        rule=plasticity,
        network=network,
        groups=groups_of(spec, sessions.n_stimuli, sessions.n_choices),
        observed=observed,
        trials=trials,
        design=_design(spec, sessions, plasticity, network),
    )


def groups_of(spec: ModelSpec, n_stimuli: int, n_choices: int) -> tuple[Group, ...]:
    """Return the latent variables of each animal that a model declares, for so many choices."""
    groups = []
    if spec.terms:
        scales = np.array([spec.scale(term) for term in spec.terms])
        prior = spec.own_prior(n_choices)
        groups.append(Group("theta", scales, prior, spec.population, ("term",)))
    sizes = {"stimulus": n_stimuli, "contrast": n_stimuli - 1}
    for name, parameter in PARAMETERS.items():
        scale, dims = parameter.scale(spec), parameter.dims(spec.kind, n_stimuli)
        if scale:
            scales = np.full([sizes[dim] for dim in dims], scale)
            groups.append(Group(name, scales, population=spec.population, dims=dims))
    return tuple(groups)


def _design(spec: ModelSpec, sessions: Sessions, rule: Rule, network: Network) -> Design:
    """Return the arrays of the observed trials; the signal is that of the trials with a choice."""
    accepted, signal = sessions.valid, np.zeros(sessions.choices.shape)
    for animal, own in enumerate(accepted):
        signal[animal, own] = reward_signal(sessions.rewards[animal, own], spec.reward, spec.window)
    x = network.stimuli[np.maximum(sessions.choices, 0)] * accepted[..., None]
    last = _last_choices(sessions)
    most = np.full(accepted.shape, np.inf)
    if sessions.rejections is not None:
        most = np.where(accepted, np.inf, sessions.rejections.sum(axis=-1))
    return Design(
        valid=jnp.asarray(sessions.observed(spec.likelihood)),
        accepted=jnp.asarray(accepted),
        x=jnp.asarray(x),
        drive=jax.vmap(partial(drives, rule))(jnp.asarray(x), jnp.asarray(signal))
        if rule.parameters
        else (),
        repeat=jnp.asarray(last[..., None] == np.arange(sessions.n_stimuli)),
        most=jnp.asarray(most),
    )


def _last_choices(sessions: Sessions) -> np.ndarray:
    """Return the choice made last before each trial ``(animal, trial)``, `NO_CHOICE` where there
    was none."""
    n_animals, n_trials = sessions.choices.shape
    place = np.where(sessions.valid, np.arange(n_trials), -1)
    before = np.full((n_animals, n_trials), -1)
    before[:, 1:] = np.maximum.accumulate(place, axis=1)[:, :-1]
    made = np.take_along_axis(sessions.choices, np.maximum(before, 0), axis=1)
    return np.where(before >= 0, made, NO_CHOICE)
