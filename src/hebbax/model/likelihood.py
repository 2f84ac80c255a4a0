"""Distributions of what an animal did in a trial, given how it would accept each stimulus.

All take ``logits`` of acceptance ``(..., stimulus)`` and ``offset`` ``(..., stimulus)``. A trial
without a choice (`NO_CHOICE`) says what its rejections say: without any, or to `Choice`, which does
not see them, nothing (log P = 0, no slopes). `KINDS` holds them by their name in a model file.
"""

from functools import reduce
from typing import Any, ClassVar, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution, constraints

from hebbax.data import NO_CHOICE, Sessions, observation_index
from hebbax.errors import ModelError
from hebbax.rule.readout import Name
from hebbax.typing import Array, ArrayLike, Key, Likelihood

LEAST_SD = 1e-30
"""Below every standard deviation of a count that can be told from zero."""


class Part(NamedTuple):
    """An independent part of what is seen in a trial, when logits and offsets change.

    ``change`` is in units in which squares, summed over parts and trials, are Fisher information;
    ``slope`` is that of log P along it.
    """

    change: Array
    slope: Array


class Choice(Distribution):
    """The accepted stimulus alone: P(k) = q_k p_k / sum_j q_j p_j, log q = offset, p = sigmoid.

    Exact under the encounter process whatever the number of rejections, because every rejection
    returns the animal to the same state. ``offset`` is the log odds of the offers (up to a
    constant): the innate preference and, where the model has one, the habit.
    """

    event = "a choice"
    """What one event is called."""
    unit = "the choice of a trial"
    """What one observation is called."""
    outcome: tuple[str, ...] = ()
    """Dimensions of an observation."""
    relative = True
    """Whether only differences between stimuli are seen."""

    arg_constraints: ClassVar = {
        "logits": constraints.real_vector,
        "offset": constraints.real_vector,
    }
    pytree_data_fields = ("logits", "offset")

    def __init__(self, logits: Array, offset: Array, *, validate_args: bool | None = None) -> None:
        self.logits, self.offset = logits, offset
        shape = jnp.broadcast_shapes(jnp.shape(logits), jnp.shape(offset))
        super().__init__(batch_shape=shape[:-1], event_shape=(), validate_args=validate_args)

    @classmethod
    def of(cls, logits: Array, offset: Array, most: Array) -> "Choice":
        """Return the distribution of a recorded trial; see `Encounters` for ``most``."""
        del most
        return cls(logits, offset)

    @staticmethod
    def recorded(sessions: Sessions, name: str) -> np.ndarray:
        """Return what it sees of recorded trials ``(observation,)``; ``name`` is the model's."""
        del name
        return sessions.choices[observation_index(sessions, "choice")]

    @staticmethod
    def events(value: np.ndarray) -> np.ndarray:
        """Return the number of choices in each observation ``(observation,)``: one."""
        return np.ones(len(value))

    @staticmethod
    def attraction(logits: Array, offset: Array) -> tuple[Array, Array]:
        """Return log odds of the offers and log probability of acceptance, each ``(...,
        stimulus)``: the offset is the log odds q of meeting each stimulus."""
        return offset, jax.nn.log_sigmoid(logits)

    @property
    def support(self) -> Any:
        """Indices of the stimuli."""
        return constraints.integer_interval(0, jnp.shape(self.logits)[-1] - 1)

    @property
    def natural(self) -> Array:
        """log q_k p_k ``(..., stimulus)``: the natural parameters of a categorical choice."""
        return self.offset + jax.nn.log_sigmoid(self.logits)

    @staticmethod
    def counted(value: Array, valid: Array) -> Array:
        """Return the choices, none where ``valid`` says that a trial does not count."""
        return jnp.where(valid, value, NO_CHOICE)

    def counts(self, value: Array) -> Array:
        """Return how often each stimulus was accepted ``(..., stimulus)``: one choice a trial."""
        chosen = value[..., None] == jnp.arange(jnp.shape(self.logits)[-1])
        return chosen.astype(jnp.result_type(self.logits))

    def parts(self, counts: Array, d_logits: Array, d_offset: Array) -> list[Part]:
        """Return the independent parts of a trial, one fewer than stimuli (see `Part`).

        Given that the choice is none of the stimuli before j, it is j with probability P_j / Q_j, Q
        the sum from j on. With n choices, y_j of them of j, and s the change of `natural`, the part
        is that of a binomial:

            v_j = sd_j (s_j - mean of s after j),    sd_j^2 = n P_j Q_j+1 / Q_j,
            z_j = (y_j Q_j+1 - P_j sum of y after j) / (Q_j sd_j)
        """
        probability, accept = _probabilities(self.logits, self.offset)
        changes = [(1.0 - p) * d_logits[..., j] + d_offset[..., j] for j, p in enumerate(accept)]
        return self._parts(counts, probability, changes)

    @staticmethod
    def _parts(counts: Array, probability: list[Array], changes: list[Array]) -> list[Part]:
        """Return the parts of a categorical choice, by P(j) and the change of `natural` of each
        stimulus."""
        *first, last = range(len(changes))
        later, seen, n = probability[last], counts[..., last], counts.sum(-1)
        moved = probability[last] * changes[last]
        out = []
        for j in reversed(first):
            p, whole = probability[j], probability[j] + later
            sd = jnp.maximum(jnp.sqrt(n * p * later / whole), LEAST_SD)
            surprise = (counts[..., j] * later - p * seen) / whole
            out.append(Part(sd * (changes[j] - moved / later), surprise / sd))
            later, moved, seen = whole, moved + p * changes[j], seen + counts[..., j]
        return out

    @property
    def weights(self) -> Array:
        """Unnormalised probabilities q_k p_k."""
        return jnp.exp(self.offset) / (1.0 + jnp.exp(-self.logits))

    @property
    def probs(self) -> Array:
        """P(k) ``(..., stimulus)``."""
        return self.weights / self.weights.sum(axis=-1, keepdims=True)

    def log_prob(self, value: Array) -> Array:
        """Return log P(value) in nats, with one logarithm a trial (logarithms are the cost)."""
        return choice_log_probability(self.logits, self.offset, value)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Return drawn choices ``sample_shape + batch_shape``."""
        return jax.random.categorical(
            key, jnp.log(self.weights), shape=sample_shape + self.batch_shape
        )


@jax.custom_jvp
def choice_log_probability(logits: Array, offset: Array, choice: Array) -> Array:
    """Return log P(choice) ``(...)`` of `Choice` from logits and offsets ``(..., stimulus)``, zero
    where there was no choice.

    Its slopes are stated by hand, so that the backward pass needs no exponential again:

        d log P(k) / d offset_j = [j = k] - P(j),    d / d logit_j = ([j = k] - P(j)) (1 - p_j)
    """
    return _choice(logits, offset, choice)[0]


def _choice(logits: Array, offset: Array, choice: Array) -> tuple[Array, list[Array], list[Array]]:
    """Return log P(choice), and [j = choice] - P(j) and 1 - p_j of each stimulus j."""
    probability, accept = _probabilities(logits, offset)
    chosen = [choice == j for j in range(len(accept))]
    seen = choice != NO_CHOICE
    p_chosen = sum(jnp.where(c, p, 0.0) for c, p in zip(chosen, probability, strict=True))
    # Inside the logarithm: XLA takes it into the sum over the trials that follows, and vectorises
    # what comes before it. With anything between the two a likelihood takes twice as long.
    log_p = jnp.log(jnp.where(seen, p_chosen, 1.0))
    surprise = [jnp.where(seen, c - p, 0.0) for c, p in zip(chosen, probability, strict=True)]
    return log_p, surprise, [1.0 - p for p in accept]


def _probabilities(logits: Array, offset: Array) -> tuple[list[Array], list[Array]]:
    """Return P(j) and p_j of each stimulus j."""
    # Stimuli are a Python loop: XLA does not vectorise a sum over a last dimension of two.
    stimuli = range(jnp.shape(logits)[-1])
    accept = [1.0 / (1.0 + jnp.exp(-logits[..., j])) for j in stimuli]
    offer = [jnp.exp(offset[..., j] - offset[..., 0]) if j else 1.0 for j in stimuli]
    weights = [q * p for q, p in zip(offer, accept, strict=True)]
    scale = 1.0 / sum(weights)
    return [weight * scale for weight in weights], accept


@choice_log_probability.defjvp
def _choice_slope(
    primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    d_logits, d_offset, _ = tangents
    log_p, surprise, refuse = _choice(*primals)
    moved = [
        s * (n * d_logits[..., j] + d_offset[..., j])
        for j, (s, n) in enumerate(zip(surprise, refuse, strict=True))
    ]
    return log_p, jnp.asarray(sum(moved))


class Softmax(Choice):
    """One of the stimuli, all at hand: P(k) ~ exp(logit_k + offset_k)."""

    @staticmethod
    def attraction(logits: Array, offset: Array) -> tuple[Array, Array]:
        """Return log odds of the offers and log probability of acceptance, each ``(...,
        stimulus)``: what would be chosen is met, and accepted."""
        return logits + offset, jnp.zeros_like(logits)

    @property
    def natural(self) -> Array:
        """The natural parameters ``(..., stimulus)``: logits with their offsets."""
        return self.logits + self.offset

    def parts(self, counts: Array, d_logits: Array, d_offset: Array) -> list[Part]:
        """Return the independent parts of a trial (see `Choice.parts`)."""
        probability, _ = _softmax(self.natural)
        changes = [d_logits[..., j] + d_offset[..., j] for j in range(len(probability))]
        return self._parts(counts, probability, changes)

    @property
    def weights(self) -> Array:
        """P(k) ``(..., stimulus)``, whatever their size."""
        return jax.nn.softmax(self.natural, axis=-1)

    def log_prob(self, value: Array) -> Array:
        """Return log P(value) in nats, zero where there was no choice."""
        natural = self.natural
        stimuli = range(jnp.shape(natural)[-1])
        chosen = sum(jnp.where(value == j, natural[..., j], 0.0) for j in stimuli)
        return jnp.where(value != NO_CHOICE, chosen - _softmax(natural)[1], 0.0)


def _softmax(natural: Array) -> tuple[list[Array], Array]:
    """Return P(j) of each stimulus j, and the logarithm of what they are divided by."""
    each = [natural[..., j] for j in range(jnp.shape(natural)[-1])]
    most = jax.lax.stop_gradient(reduce(jnp.maximum, each))
    size = [jnp.exp(one - most) for one in each]
    total = sum(size[1:], size[0])
    return [one / total for one in size], most + jnp.log(total)


class Encounters(Distribution):
    """Every encounter: Bernoulli accept/reject with p = sigmoid(logit + offset), offers given.

    Weights change only on acceptance, so all encounters of a trial with one stimulus share one
    probability and their counts suffice. The event is ``(stimulus + 1,)``: the rejections of each
    stimulus, then the index of the accepted one, `NO_CHOICE` where the trial ended without any:

        log P = sum_k n_k log(1 - p_k) [+ log p_accepted]

    ``most`` (...) is the number of encounters after which a trial ends without an acceptance;
    only `sample` reads it.
    """

    event = "an encounter"
    unit = "the encounters of a trial"
    outcome: tuple[str, ...] = ("outcome",)
    relative = False

    arg_constraints: ClassVar = {
        "logits": constraints.real_vector,
        "offset": constraints.real_vector,
    }
    support = constraints.real_vector
    pytree_data_fields = ("logits", "offset", "most")

    def __init__(
        self,
        logits: Array,
        offset: Array,
        most: ArrayLike = np.inf,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.logits, self.offset, self.most = logits, offset, most
        shape = jnp.broadcast_shapes(jnp.shape(logits), jnp.shape(offset))
        super().__init__(
            batch_shape=shape[:-1], event_shape=(shape[-1] + 1,), validate_args=validate_args
        )

    @classmethod
    def of(cls, logits: Array, offset: Array, most: Array) -> "Encounters":
        """Return the distribution of a recorded trial."""
        return cls(logits, offset, most)

    @staticmethod
    def recorded(sessions: Sessions, name: str) -> np.ndarray:
        """Return what it sees of recorded trials ``(observation, stimulus + 1)``.

        Raises `ModelError`, naming the model, where rejections were not recorded.
        """
        if sessions.rejections is None:
            raise ModelError(
                f'{name}: the "encounter" likelihood needs every encounter, and {sessions.source} '
                'has accepted choices only; use likelihood = "choice".'
            )
        index = observation_index(sessions, "encounter")
        return np.column_stack([sessions.rejections[index], sessions.choices[index]]).astype(float)

    @staticmethod
    def events(value: np.ndarray) -> np.ndarray:
        """Return the number of encounters in each observation ``(observation,)``."""
        return value[:, :-1].sum(axis=1) + (value[:, -1] != NO_CHOICE)

    @staticmethod
    def attraction(logits: Array, offset: Array) -> tuple[Array, Array]:
        """Return log odds of the offers and log probability of acceptance, each ``(...,
        stimulus)``: offers are data, and even in a generated session."""
        return jnp.zeros_like(offset), jax.nn.log_sigmoid(logits + offset)

    @property
    def natural(self) -> Array:
        """Log odds of acceptance ``(..., stimulus)``: the natural parameters of each encounter."""
        return self.logits + self.offset

    @staticmethod
    def counted(value: Array, valid: Array) -> Array:
        """Return the trials, without a rejection or a choice where ``valid`` says no."""
        nothing = jnp.zeros(value.shape[-1]).at[-1].set(NO_CHOICE)
        return jnp.where(valid[..., None], value, nothing)

    def counts(self, value: Array) -> Array:
        """Return the trials as they are: the rejections of each stimulus and the accepted one."""
        return value

    def parts(self, counts: Array, d_logits: Array, d_offset: Array) -> list[Part]:
        """Return the independent parts of a trial, one a stimulus (see `Part`): a binomial of its n
        encounters, a of them acceptances, with s the change of `natural`,

        v = sd s,    sd^2 = n p (1 - p),    z = (a - n p) / sd
        """
        accept = jax.nn.sigmoid(self.natural)
        out = []
        for k in range(jnp.shape(accept)[-1]):
            p, accepted = accept[..., k], counts[..., -1] == k
            n = counts[..., k] + accepted
            sd = jnp.maximum(jnp.sqrt(n * p * (1.0 - p)), LEAST_SD)
            change = d_logits[..., k] + d_offset[..., k]
            out.append(Part(sd * change, (accepted - n * p) / sd))
        return out

    def log_prob(self, value: Array) -> Array:
        """Return log P of all encounters of each trial, in nats."""
        logit = self.logits + self.offset
        rejections, accepted = value[..., :-1], value[..., -1]
        chosen = jnp.arange(jnp.shape(logit)[-1]) == accepted[..., None]
        log_accept = jnp.where(chosen, jax.nn.log_sigmoid(logit), 0.0)
        return (rejections * jax.nn.log_sigmoid(-logit) + log_accept).sum(-1)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Return drawn trials, stimuli offered evenly until one is accepted or ``most`` were."""
        shape = sample_shape + self.batch_shape
        logit = jnp.broadcast_to(self.logits + self.offset, (*shape, self.event_shape[0] - 1))
        choice_key, total_key, split_key = jax.random.split(key, 3)
        accept, refuse = jax.nn.sigmoid(logit), jax.nn.sigmoid(-logit)
        choice = jax.random.categorical(choice_key, jnp.log(accept))
        total = jax.random.geometric(total_key, accept.mean(-1)).astype(logit.dtype) - 1.0
        choice = jnp.where(total < self.most, choice, NO_CHOICE)
        rejections = jax.random.multinomial(
            split_key, jnp.minimum(total, self.most), refuse / refuse.sum(-1, keepdims=True)
        )
        return jnp.concatenate([rejections, choice[..., None].astype(logit.dtype)], axis=-1)


Kind: TypeAlias = type[Choice] | type[Encounters]

KINDS: dict[Likelihood, Kind] = {
    "choice": Choice,
    "encounter": Encounters,
}
"""What each likelihood sees, with the readout "accept"."""

BY_READOUT: dict[tuple[Likelihood, Name], Kind] = {
    **{(likelihood, "accept"): kind for likelihood, kind in KINDS.items()},
    ("choice", "softmax"): Softmax,
}
"""The distribution that a likelihood and a readout stand for, where they go together."""


def chance(likelihood: Likelihood, value: ArrayLike, n_stimuli: int) -> np.ndarray:
    """Return log P of each observation ``(...)`` for an animal to which all is even, in nats: one
    of ``n_stimuli`` alternatives at each choice, a fair coin at each encounter."""
    even = jnp.zeros(n_stimuli)
    return np.asarray(KINDS[likelihood](even, even).log_prob(jnp.asarray(value)))
