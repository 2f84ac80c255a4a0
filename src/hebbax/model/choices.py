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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro

from hebbax.data import NO_CHOICE, Sessions, observation_index, part
from hebbax.errors import ModelError
from hebbax.model.blocks import MANY_TRIALS, Blocks, flat
from hebbax.model.choice_model import Animal, ChoiceModel, animal_of
from hebbax.model.conditioning import shown
from hebbax.model.effects import DIMENSION, MOST, Effect, design_of
from hebbax.model.effects import NAME as EFFECT
from hebbax.model.groups import Group, sample_group
from hebbax.model.likelihood import Choice, Encounters, Kind
from hebbax.model.spec import ModelSpec
from hebbax.rule.memory import followed
from hebbax.rule.network import Network, Presented, drives, logits_of, replay
from hebbax.rule.readout import READOUTS
from hebbax.rule.reward import reward_signal
from hebbax.rule.stimulus import one_hot
from hebbax.rule.taylor import FunctionRule, Rule
from hebbax.typing import Array, ArrayLike, Parameters
from hebbax.validation.precision import warn_if_single
from hebbax.validation.quoting import plain


class Design(NamedTuple):
    """What the recorded trials say that no parameter touches; leading dimension ``animal``.

    ``valid`` (trial,) marks observations, ``accepted`` (trial,) trials with a choice, and
    ``learns`` those in which weights change. ``x`` (trial, input) is the accepted stimulus (zero
    without one), ``signal`` (trial,) the reward signal, or the reward itself where what is expected
    has a parameter, and ``drive`` the rule's data of both. ``trace`` (trial, stimulus) marks the
    stimulus chosen last, and ``most`` (trial,) is the number of encounters that ended a trial
    without a choice, infinite where it has one. ``begins`` (trial,) marks the first trial of every
    later session, and ``offered`` (trial, stimulus) what was at hand; None where there is but one
    session, and where all was. ``covariates`` (effect,) are those of the animal by the columns of a
    model's effects, None where it has none.
    """

    valid: Array
    accepted: Array
    learns: Array
    x: Array
    signal: Array
    drive: Any
    trace: Array
    most: Array
    begins: Array | None
    offered: Array | None
    covariates: Array | None


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
        effects: of covariates, in the order of their group.
        observed: what is conditioned on, ``(observation,)`` choices, or
            ``(observation, stimulus + 1)`` rejections and choice.
        numbers: ``(trial,)`` number of each trial of `sessions` in the recording, animal by animal,
            from 1 and all others counted.
    """

    spec: ModelSpec
    recording: Sessions
    sessions: Sessions
    rule: Rule
    network: Network
    groups: tuple[Group, ...]
    effects: tuple[Effect, ...]
    observed: np.ndarray
    numbers: np.ndarray
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
    def trials(self) -> np.ndarray:
        """Number of each observation in the recording ``(observation,)``, from 1."""
        return self.numbers[self.cells[self.sessions.session >= 0]]

    @property
    def cells(self) -> np.ndarray:
        """Which of the trials of `sessions` are observations ``(animal, trial)``."""
        return self.sessions.observed(self.spec.likelihood)

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
        if self.sessions.choices.size > MANY_TRIALS:
            event = self.observed.shape[1:]
            return Blocks(self._animal_distribution, (values, self.design), self.cells, event)
        return self.whole_distribution(values)

    def whole_distribution(self, values: Parameters) -> Choice | Encounters:
        """Return the same in one piece, however many trials there are."""
        logits, offset = self.readout(values)
        leaves = (flat(self.cells, leaf) for leaf in (logits, offset, self.design.most))
        return self.kind.of(*leaves)

    def padded_distribution(self, values: Parameters) -> Choice | Encounters:
        """Return the same by ``(animal, trial)``, with whatever comes out in padding."""
        return self.kind.of(*self.readout(values), self.design.most)

    def readout(self, values: Parameters) -> tuple[Array, Array]:
        """Return logits of acceptance and offsets, each ``(animal, trial, stimulus)``."""
        return jax.vmap(self._animal_readout)(values, self.design)

    def weights(self, values: Parameters) -> Array:
        """Return the weight of each stimulus before each trial ``(animal, trial, input)``."""
        return jax.vmap(self._animal_weights)(values, self.design)[..., 0]

    @property
    def choice_model(self) -> ChoiceModel:
        """What stands between weights and choices."""
        return ChoiceModel.of(self.spec)

    def animal(self, values: Parameters, covariates: Array | None = None) -> Animal:
        """Return one animal, from its values by group name and its covariates (effect,)."""
        n = self.network.n_inputs
        return animal_of(self.choice_model, values, n, self.effects, covariates)

    @property
    def kind(self) -> Kind:
        """The distribution of what an animal did in a trial, of logits and offsets."""
        return self.spec.kind

    def animal_expected(self, own: Animal, design: Design) -> Array | None:
        """Return the reward that one animal expects before each of its trials ``(trial,)``; None
        where that has no parameter."""
        if (rate := own.rates.expected) is None:
            return None
        start = jnp.asarray(own.model.start)
        return followed(design.signal, rate, design.accepted, _nights(design, own), start)

    def animal_weights(self, own: Animal, design: Design) -> Array:
        """Return the weights of one animal before each of its trials ``(trial, input, hidden)``."""
        if not self.rule.parameters:
            return jnp.broadcast_to(own.initial, (design.valid.shape[0], *own.initial.shape))
        drive, expected = design.drive, self.animal_expected(own, design)
        if expected is not None:
            signal = jnp.where(design.accepted, design.signal - expected, 0.0)
            drive = drives(self.rule, design.x, signal)
        # Where every recorded trial has a choice there is nothing to skip, and the loop is faster.
        all_learn = self.kind.relative and self.spec.omitted == "pass"
        learns = None if all_learn else design.learns
        trials = Presented(design.x, drive, learns, design.begins)
        return replay(self.rule, self.network, own.theta, own.initial, trials, own.rates.kept)

    def animal_readout(self, own: Animal, weights: Array, design: Design) -> tuple[Array, Array]:
        """Return logits of acceptance and offsets of one animal, each ``(trial, stimulus)``, given
        its weights before each trial."""
        logits = jax.vmap(partial(logits_of, self.network))(weights)
        trace = design.trace
        if (rate := own.rates.trace) is not None:
            chosen = (design.x > 0).astype(logits.dtype)
            start = jnp.zeros(chosen.shape[1:])
            trace = followed(chosen, rate, design.accepted, _nights(design, own), start)
        return own.readout(logits, trace, design.offered)

    def _animal_distribution(self, animal: tuple[Parameters, Design]) -> Choice | Encounters:
        return self.kind.of(*self._animal_readout(*animal), animal[1].most)

    def _animal_weights(self, values: Parameters, design: Design) -> Array:
        return self.animal_weights(self.animal(values, design.covariates), design)

    def _animal_readout(self, values: Parameters, design: Design) -> tuple[Array, Array]:
        own = self.animal(values, design.covariates)
        return self.animal_readout(own, self.animal_weights(own, design), design)


def _nights(design: Design, animal: Animal) -> tuple[Array, ArrayLike] | None:
    return None if design.begins is None else (design.begins, animal.rates.kept)


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
            ``spec.terms`` are the names of ``theta``. Without it the rule is that of the model.

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
    recording, sessions = sessions, part(sessions, seen(sessions, spec))
    network = Network(one_hot(sessions.n_stimuli, spec.rate), READOUTS[spec.readout])
    plasticity = spec.rule(sessions.n_stimuli) if rule is None else FunctionRule(rule, spec.terms)
    effects, covariates = effects_of(spec, sessions)
    design = _design(spec, sessions, plasticity, network)
    return Model(
        spec=spec,
        recording=recording,
        sessions=sessions,
        rule=plasticity,
        network=network,
        groups=groups_of(spec, sessions.n_stimuli, sessions.n_choices, effects),
        effects=effects,
        observed=observed,
        numbers=np.nonzero(seen(recording, spec))[1] + 1,
        design=design._replace(covariates=covariates),
    )


def effects_of(spec: ModelSpec, sessions: Sessions) -> tuple[tuple[Effect, ...], Array | None]:
    """Return the effects of covariates that a model declares, and these covariates ``(animal,
    effect)``; none for a model without. Raises `ModelError` as `hebbax.model.effects.design_of`."""
    if not spec.by:
        return (), None
    designs = design_of(spec.by, sessions, spec.name)
    effects = tuple(
        Effect(*place_of(spec, member, sessions.n_stimuli), member, str(column))
        for member, design in designs.items()
        for column in design
    )
    if len(effects) > MOST:
        raise ModelError(
            f"{spec.name}: {len(effects)} effects of covariates; at most {MOST} are allowed."
        )
    return effects, jnp.asarray(np.concatenate([one.to_numpy() for one in designs.values()], 1))


def place_of(spec: ModelSpec, member: str, n_stimuli: int) -> tuple[str, int]:
    """Return group and place of a value that may have effects: one of the rule, or a single one of
    the choice model. Raises `ModelError` for another."""
    if member in spec.members:
        return "theta", spec.members.index(member)
    single = [p.name for p in ChoiceModel.of(spec).parameters if not p.dims(spec.kind, n_stimuli)]
    if member in single:
        return member, 0
    raise ModelError(
        f'{spec.name}: "by" names "{plain(member)}", which is none of '
        f"{', '.join((*spec.members, *single))}."
    )


def groups_of(
    spec: ModelSpec, n_stimuli: int, n_choices: int, effects: Sequence[Effect] = ()
) -> tuple[Group, ...]:
    """Return the latent variables of each animal that a model declares, for so many choices, and
    the effects of covariates that it has."""
    groups = []
    if spec.members:
        scales = np.array([spec.scale(member) for member in spec.members])
        prior = spec.own_prior(n_choices)
        groups.append(Group("theta", scales, prior, spec.population, ("term",)))
    sizes = {"stimulus": n_stimuli, "contrast": n_stimuli - 1}
    for one in ChoiceModel.of(spec).parameters:
        dims = one.dims(spec.kind, n_stimuli)
        scales = np.full([sizes[dim] for dim in dims], one.scale)
        groups.append(Group(one.name, scales, population=spec.population, dims=dims))
    if spec.by:
        own = {one.name: one.scale for one in ChoiceModel.of(spec).parameters}
        scales = np.array([own.get(e.member) or spec.scale(e.member) for e in effects])
        groups.append(Group(EFFECT, scales, population=spec.population, dims=(DIMENSION,)))
    return tuple(groups)


def seen(recording: Sessions, spec: ModelSpec) -> np.ndarray:
    """Return ``(animal, trial)`` which trials a model sees: those in which weights change or that
    are observed."""
    if spec.omitted == "decay":
        return recording.session >= 0
    return recording.valid | recording.observed(spec.likelihood)


def _design(spec: ModelSpec, sessions: Sessions, rule: Rule, network: Network) -> Design:
    """Return the arrays of the trials; the signal is that of the trials with a choice."""
    accepted, recorded = sessions.valid, sessions.session >= 0
    signal = np.zeros(accepted.shape)
    for cells in _stretches(sessions, spec):
        signal[cells] = reward_signal(sessions.rewards[cells], spec.reward, spec.window)
    x = network.stimuli[np.maximum(sessions.choices, 0)] * accepted[..., None]
    most = np.full(accepted.shape, np.inf)
    if sessions.rejections is not None:
        most = np.where(accepted, np.inf, sessions.rejections.sum(axis=-1))
    known = rule.parameters and spec.reward != "exponential"
    several = sessions.n_sessions > 1 and spec.between_sessions != "keep"
    begins = np.diff(sessions.session, axis=1, prepend=0) > 0
    last = _last_choices(sessions, spec)
    return Design(
        valid=jnp.asarray(sessions.observed(spec.likelihood)),
        accepted=jnp.asarray(accepted),
        learns=jnp.asarray(recorded if spec.omitted == "decay" else accepted),
        x=jnp.asarray(x),
        signal=jnp.asarray(signal),
        drive=jax.vmap(partial(drives, rule))(jnp.asarray(x), jnp.asarray(signal)) if known else (),
        trace=jnp.asarray(last[..., None] == np.arange(sessions.n_stimuli)),
        most=jnp.asarray(most),
        begins=jnp.asarray(begins) if several else None,
        offered=None if sessions.offered is None else jnp.asarray(sessions.offered),
        covariates=None,
    )


def _stretches(sessions: Sessions, spec: ModelSpec) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the cells of the choices that follow each other: those of a session where sessions
    begin anew, else those of an animal."""
    several = spec.between_sessions == "reset"
    key = np.where(sessions.valid, sessions.session if several else 0, -1)
    cells = []
    for animal, own in enumerate(key):
        for session in np.unique(own[own >= 0]):
            (trials,) = np.nonzero(own == session)
            cells.append((np.full(trials.shape, animal), trials))
    return cells


def _last_choices(sessions: Sessions, spec: ModelSpec) -> np.ndarray:
    """Return the choice made last before each trial ``(animal, trial)``, `NO_CHOICE` where there
    was none."""
    place = np.where(sessions.valid, np.arange(sessions.max_trials), -1)
    before = np.full(place.shape, -1)
    before[:, 1:] = np.maximum.accumulate(place, axis=1)[:, :-1]
    made, session = (
        np.take_along_axis(values, np.maximum(before, 0), axis=1)
        for values in (sessions.choices, sessions.session)
    )
    forgotten = (spec.between_sessions == "reset") & (session != sessions.session)
    return np.where((before >= 0) & ~forgotten, made, NO_CHOICE)
