"""Spec + sessions -> a NumPyro model: the only assembly.

Generative equations, for animal a and trial t (one with a choice, or under `Encounters` with an
encounter; without a choice w, E[R] and the last choice stay as they are):

    theta_a, preference_a, ...  ~ hierarchy of `hebbax.model.groups`, `hebbax.model.effects`
    w_a1 = initial weights;  w_a,t+1 = bounded(w_at + g(x, y, w_at, r) / n_inputs)
    logit_atk = that of `hebbax.rule.readout`, from x_k and w_at
    choice_at ~ Choice, Softmax or Encounters(logit_at, offset_at)
    offset_atk of `hebbax.model.choice_parameters`, from preference, habit ...

`build_model` returns an ordinary NumPyro model: `MCMC`, `SVI`, `Predictive` and ArviZ take it
without hebbax.
"""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro

from hebbax.data import NO_CHOICE, Sessions, observation_index, part
from hebbax.data.headers import listed
from hebbax.errors import ModelError
from hebbax.model.blocks import MANY_TRIALS, Blocks, flat
from hebbax.model.choice_model import Animal, ChoiceModel, animal_of
from hebbax.model.conditioning import shown
from hebbax.model.effects import Effects
from hebbax.model.groups import Group, named, sample_group
from hebbax.model.likelihood import Choice, Encounters, Kind
from hebbax.model.members import effects_of, groups_of
from hebbax.model.spec import Declared, ModelSpec
from hebbax.model.trials import Design, design_of_trials, seen
from hebbax.rule.memory import followed
from hebbax.rule.network import Network, Presented, drives, logits_of, replay
from hebbax.rule.readout import READOUTS
from hebbax.rule.stimulus import one_hot
from hebbax.typing import Array, ArrayLike, Parameters
from hebbax.validation.precision import warn_if_single


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
        effects: of covariates on the population's values.
        observed: what is conditioned on, ``(observation,)`` choices, or
            ``(observation, stimulus + 1)`` rejections and choice.
        numbers: ``(trial,)`` number of each trial of `sessions` in the recording, animal by animal,
            from 1 and all others counted.
    """

    spec: ModelSpec
    recording: Sessions
    sessions: Sessions
    rule: Declared
    network: Network
    groups: tuple[Group, ...]
    effects: Effects
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
        dims = named("observation", *self.kind.outcome)
        numpyro.sample(self.site, self.distribution(self.latents()), obs=seen, infer=dims)

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
        effects, n = self.effects.sample(), self.sessions.n_animals
        return {
            group.name: sample_group(group, n, *self.by_covariates(group, effects))
            for group in self.groups
        }

    def by_covariates(self, group: Group, values: Parameters) -> tuple[Array, ArrayLike]:
        """Return what the effects among ``values`` by site add to the means of a group, and by what
        they multiply its spreads, ``(animal, *shape)``."""
        of = group.name, group.shape, values
        return self.effects.shift(*of), self.effects.factor(*of)

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

    def animal(self, values: Parameters) -> Animal:
        """Return one animal, from its values by group name."""
        return animal_of(self.choice_model, values, self.network.n_inputs)

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
        trials = Presented(design.x, drive, design.learns, design.begins)
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
        session = own.followed(logits, trace, _free_choices(design), design.begins)
        return own.readout(logits, trace, design.offered, session)

    def _animal_distribution(self, animal: tuple[Parameters, Design]) -> Choice | Encounters:
        return self.kind.of(*self._animal_readout(*animal), animal[1].most)

    def _animal_weights(self, values: Parameters, design: Design) -> Array:
        return self.animal_weights(self.animal(values), design)

    def _animal_readout(self, values: Parameters, design: Design) -> tuple[Array, Array]:
        own = self.animal(values)
        return self.animal_readout(own, self.animal_weights(own, design), design)


def _check_varying(spec: ModelSpec, sessions: Sessions) -> None:
    """Raise `ModelError` where a preference cannot vary by session as a model declares."""
    if spec.session_sd_scale and sessions.n_stimuli != 2:
        raise ModelError(
            f"{spec.name}: the preference varies by session, which is a preference between two "
            f"alternatives, and {sessions.source} has "
            f'{sessions.n_stimuli}; leave out "session_sd_scale".'
        )


def _check_rewards(spec: ModelSpec, sessions: Sessions) -> None:
    """Raise `ModelError` for the first recorded reward for which a model's parameters have no
    meaning."""
    if not spec.rewards:
        return
    other = sessions.valid & ~np.isin(sessions.rewards, spec.rewards)
    for animal, trial in np.argwhere(other)[:1]:
        known = listed([f"{reward:.15g}" for reward in spec.rewards])
        raise ModelError(
            f"{spec.name}: {sessions.source}, animal {sessions.animals[animal]}, trial "
            f"{trial + 1}: reward {sessions.rewards[animal, trial]:.15g} given; the parameters of "
            f'this model have a meaning for rewards of {known} ("rewards" in its file).'
        )


def _free_choices(design: Design) -> Array:
    """Return the choices of one animal between two alternatives ``(trial,)``, `NO_CHOICE` where
    there was none or only one was at hand."""
    return jnp.where(design.valid & design.accepted, design.x[:, 1] > 0, NO_CHOICE)


def _nights(design: Design, animal: Animal) -> tuple[Array, ArrayLike] | None:
    return None if design.begins is None else (design.begins, animal.rates.kept)


def _check_scales(spec: ModelSpec) -> None:
    """Raise `ModelError` for prior scales that no coefficient has, of a model made in Python."""
    for term in () if spec.parameters else spec.scales:
        if term not in spec.terms:
            raise ModelError(
                f'{spec.name}: "scales" names the term "{term}", which is not among "terms" '
                f"({', '.join(spec.terms)})."
            )


def build_model(spec: ModelSpec, sessions: Sessions) -> Model:
    """Return the NumPyro model of a declared model on recorded sessions.

    Warns (`SinglePrecisionWarning`) where JAX was not told to compute in double precision.

    Args:
        spec: declared model (`hebbax.read_spec`).
        sessions: recorded trials (`hebbax.read`).

    Raises:
        ModelError: the likelihood asks for what was not recorded, a preference varies by session
            where there are more than two alternatives, a reward was recorded for which its
            parameters have no meaning, a prior scale is of no term, prior scales are still to be
            found from the choices (`hebbax.submodels.scaling.scaled`), or a rule of one's own is
            not the one that was declared.
    """
    if spec.scaling == "information" and len(spec.scales) < len(spec.terms):
        raise ModelError(
            f"{spec.name}: its prior scales come from the choices; "
            "hebbax.submodels.scaling.scaled finds them."
        )
    _check_scales(spec)
    _check_varying(spec, sessions)
    _check_rewards(spec, sessions)
    observed = spec.kind.recorded(sessions, spec.name)
    warn_if_single()
    recording, kept = sessions, seen(sessions, spec)
    sessions = part(recording, kept)
    network = Network(one_hot(sessions.n_stimuli, spec.rate), READOUTS[spec.readout])
    plasticity = spec.plasticity(sessions.n_stimuli)
    design = design_of_trials(spec, sessions, plasticity, network)
    return Model(
        spec=spec,
        recording=recording,
        sessions=sessions,
        rule=plasticity,
        network=network,
        groups=groups_of(spec, sessions.n_stimuli, sessions.n_free),
        effects=effects_of(spec, sessions),
        observed=observed,
        numbers=np.nonzero(kept)[1] + 1,
        design=design,
    )
