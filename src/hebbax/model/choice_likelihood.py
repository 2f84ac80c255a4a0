"""Distributions of a choice among stimuli, given how the animal would accept each.

Both take ``logits`` of acceptance ``(..., stimulus)`` and ``offset`` ``(..., stimulus)``:

    Choice     P(k) ~ exp(offset_k) sigmoid(logit_k)
    Softmax    P(k) ~ exp(offset_k + logit_k)

A trial without a choice (`NO_CHOICE`) says nothing (log P = 0, no slopes).
"""

from functools import reduce
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution, constraints

from hebbax.data import NO_CHOICE, Sessions, observation_index
from hebbax.model.parts import LEAST_SD, Part
from hebbax.typing import Array, Key, Numbers

EXCLUDED = -40.0
"""Log probability of what was not offered: below what a sum of probabilities can tell from none,
and far from what single precision takes for none."""


FARTHEST = 80.0
"""Log odds of an offer behind the likeliest one below which it is as good as never: what single
precision can tell from that, so that all of hebbax has one likelihood. Slopes go on."""


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

    @classmethod
    def mixed(
        cls, logits: Numbers, offset: Numbers, lapse: Array | None, offered: Numbers | None
    ) -> Numbers:
        """Return log P of each stimulus, one entry (...) each, of a choice among the ``offered``
        which with probability ``lapse`` is any of them, each as likely."""
        return _among(cls.naturals(logits, offset), lapse, offered)

    @classmethod
    def naturals(cls, logits: Numbers, offset: Numbers) -> list[Array]:
        """Return log q_k p_k of each stimulus, one entry (...) each (see `natural`)."""
        pairs = zip(offset, logits, strict=True)
        return [jnp.asarray(o + jax.nn.log_sigmoid(a)) for o, a in pairs]

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
    most = reduce(jnp.maximum, [offset[..., j] for j in stimuli])
    offer = [jnp.exp(jnp.maximum(offset[..., j] - most, -FARTHEST)) for j in stimuli]
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

    @classmethod
    def naturals(cls, logits: Numbers, offset: Numbers) -> list[Array]:
        """Return the natural parameter of each stimulus, one entry (...) each."""
        return [jnp.asarray(o + a) for o, a in zip(offset, logits, strict=True)]

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


def _among(natural: Numbers, lapse: Array | None, offered: Numbers | None) -> Numbers:
    """Return log P of each stimulus from natural parameters (see `Choice.mixed`)."""
    shown = [jnp.asarray(True) for _ in natural] if offered is None else offered
    seen = [jnp.where(on, one, -jnp.inf) for on, one in zip(shown, natural, strict=True)]
    most = jax.lax.stop_gradient(reduce(jnp.maximum, seen))
    apart = [jnp.where(on, one - most, -jnp.inf) for on, one in zip(shown, natural, strict=True)]
    size = [jnp.exp(one) for one in apart]
    total = sum(size[1:], size[0])
    if lapse is None:
        log_p = [one - jnp.log(total) for one in apart]
    else:
        n = sum(on * 1.0 for on in shown)
        mixture = [(1.0 - lapse) * one / total + lapse / n for one in size]
        log_p = [jnp.log(one) for one in mixture]
    return [jnp.where(on, one, EXCLUDED) for on, one in zip(shown, log_p, strict=True)]
