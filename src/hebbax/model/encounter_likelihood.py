"""The distribution of all encounters of a trial, given how an animal would accept each stimulus."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution, constraints

from hebbax.data import NO_CHOICE, Sessions, observation_index
from hebbax.errors import ModelError
from hebbax.model.parts import LEAST_SD, Part
from hebbax.typing import Array, ArrayLike, Key, Numbers


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

    @classmethod
    def mixed(
        cls,
        logits: Numbers,
        offset: Numbers,
        lapse: Array | None,
        offered: Numbers | None,
    ) -> Numbers:
        """Return log odds of acceptance of each stimulus, one entry (...) each, where an animal
        with probability ``lapse`` accepts or rejects, each as likely. What was offered was met."""
        del offered
        part = 0.0 if lapse is None else lapse
        accept = [jax.nn.sigmoid(a + o) for a, o in zip(logits, offset, strict=True)]
        mixture = [(1.0 - part) * p + 0.5 * part for p in accept]
        return [jnp.log(p) - jnp.log1p(-p) for p in mixture]

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
