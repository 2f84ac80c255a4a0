"""Distributions of what an animal did in a trial, given how it would accept each stimulus.

Both take ``logits`` of acceptance ``(..., stimulus)`` and ``offset`` ``(..., stimulus)``.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution, constraints

from hebbax.typing import Array, Key


class Choice(Distribution):
    """The accepted stimulus alone: P(k) = q_k p_k / sum_j q_j p_j, log q = offset, p = sigmoid.

    Exact under the encounter process whatever the number of rejections, because every rejection
    returns the animal to the same state. ``offset`` is the log odds of the offers (up to a
    constant): the innate preference and, where the model has one, the habit.
    """

    arg_constraints: ClassVar = {
        "logits": constraints.real_vector,
        "offset": constraints.real_vector,
    }
    pytree_data_fields = ("logits", "offset")

    def __init__(self, logits: Array, offset: Array, *, validate_args: bool | None = None) -> None:
        self.logits, self.offset = logits, offset
        shape = jnp.broadcast_shapes(jnp.shape(logits), jnp.shape(offset))
        super().__init__(batch_shape=shape[:-1], event_shape=(), validate_args=validate_args)

    @property
    def support(self) -> Any:
        """Indices of the stimuli."""
        return constraints.integer_interval(0, jnp.shape(self.logits)[-1] - 1)

    @property
    def natural(self) -> Array:
        """log q_k p_k ``(..., stimulus)``: the natural parameters of a categorical choice."""
        return self.offset + jax.nn.log_sigmoid(self.logits)

    def information(self, value: Array) -> Array:
        """Return the Fisher information of `natural` ``(..., stimulus, stimulus)``, whatever the
        ``value``: diag(P) - P P^T."""
        probs = self.probs
        return probs[..., None] * (jnp.eye(probs.shape[-1]) - probs[..., None, :])

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
    """Return log P(choice) ``(...)`` of `Choice` from logits and offsets ``(..., stimulus)``.

    Its slopes are stated by hand, so that the backward pass needs no exponential again:

        d log P(k) / d offset_j = [j = k] - P(j),    d / d logit_j = ([j = k] - P(j)) (1 - p_j)
    """
    return _choice(logits, offset, choice)[0]


def _choice(logits: Array, offset: Array, choice: Array) -> tuple[Array, list[Array], list[Array]]:
    """Return log P(choice), and [j = choice] - P(j) and 1 - p_j of each stimulus j."""
    # Stimuli are a Python loop: XLA does not vectorise a sum over a last dimension of two.
    stimuli = range(jnp.shape(logits)[-1])
    accept = [1.0 / (1.0 + jnp.exp(-logits[..., j])) for j in stimuli]
    offer = [jnp.exp(offset[..., j] - offset[..., 0]) if j else 1.0 for j in stimuli]
    weights = [q * p for q, p in zip(offer, accept, strict=True)]
    scale = 1.0 / sum(weights)
    probability = [weight * scale for weight in weights]
    chosen = [choice == j for j in stimuli]
    log_p = jnp.log(sum(jnp.where(c, p, 0.0) for c, p in zip(chosen, probability, strict=True)))
    surprise = [c - p for c, p in zip(chosen, probability, strict=True)]
    return log_p, surprise, [1.0 - p for p in accept]


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


class Encounters(Distribution):
    """Every encounter: Bernoulli accept/reject with p = sigmoid(logit + offset), offers given.

    Weights change only on acceptance, so all encounters of a trial with one stimulus share one
    probability and their counts suffice. The event is ``(stimulus + 1,)``: the rejections of each
    stimulus, then the index of the accepted one.

        log P = sum_k n_k log(1 - p_k) + log p_accepted
    """

    arg_constraints: ClassVar = {
        "logits": constraints.real_vector,
        "offset": constraints.real_vector,
    }
    support = constraints.real_vector
    pytree_data_fields = ("logits", "offset")

    def __init__(self, logits: Array, offset: Array, *, validate_args: bool | None = None) -> None:
        self.logits, self.offset = logits, offset
        shape = jnp.broadcast_shapes(jnp.shape(logits), jnp.shape(offset))
        super().__init__(
            batch_shape=shape[:-1], event_shape=(shape[-1] + 1,), validate_args=validate_args
        )

    @property
    def natural(self) -> Array:
        """Log odds of acceptance ``(..., stimulus)``: the natural parameters of each encounter."""
        return self.logits + self.offset

    def information(self, value: Array) -> Array:
        """Return the Fisher information of `natural` given the encounters in ``value``:
        diag(n p (1 - p)) ``(..., stimulus, stimulus)``, n the encounters with each stimulus."""
        n_stimuli = jnp.shape(self.natural)[-1]
        chosen = jnp.arange(n_stimuli) == value[..., -1:]
        accept = jax.nn.sigmoid(self.natural)
        each = (value[..., :-1] + chosen) * accept * (1.0 - accept)
        return each[..., None] * jnp.eye(n_stimuli)

    def log_prob(self, value: Array) -> Array:
        """Return log P of the rejections and the acceptance of each trial, in nats."""
        logit = self.logits + self.offset
        rejections, accepted = value[..., :-1], value[..., -1]
        chosen = jnp.arange(jnp.shape(logit)[-1]) == accepted[..., None]
        log_accept = jnp.where(chosen, jax.nn.log_sigmoid(logit), 0.0)
        return (rejections * jax.nn.log_sigmoid(-logit) + log_accept).sum(-1)

    def sample(self, key: Key, sample_shape: tuple[int, ...] = ()) -> Array:
        """Return drawn trials, stimuli offered evenly until one is accepted."""
        shape = sample_shape + self.batch_shape
        logit = jnp.broadcast_to(self.logits + self.offset, (*shape, self.event_shape[0] - 1))
        choice_key, total_key, split_key = jax.random.split(key, 3)
        accept, refuse = jax.nn.sigmoid(logit), jax.nn.sigmoid(-logit)
        choice = jax.random.categorical(choice_key, jnp.log(accept))
        total = jax.random.geometric(total_key, accept.mean(-1)) - 1
        rejections = jax.random.multinomial(
            split_key, total.astype(logit.dtype), refuse / refuse.sum(-1, keepdims=True)
        )
        return jnp.concatenate([rejections, choice[..., None].astype(logit.dtype)], axis=-1)
