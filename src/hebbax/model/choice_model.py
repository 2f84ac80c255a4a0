"""From weights to what an animal does in a trial: the part of a model that no trial touches.

    offset_tk = sum of what every parameter adds        (`hebbax.model.choice_parameters`)
    P(k)      = that of the likelihood among the offered, from logit_tk and offset_tk
    P(k)      = (1 - lapse) P(k) + lapse / number offered

`ChoiceModel` is hashable: a compiled program depends on it. `Animal` is one with its values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp

from hebbax.model.choice_likelihood import Choice
from hebbax.model.choice_parameters import (
    PARAMETERS,
    Parameter,
    Ranged,
    Rates,
    Trial,
)
from hebbax.model.likelihood import Kind
from hebbax.model.session_preference import SessionFilter, filter_of, followed, shifted, updated
from hebbax.model.spec import ModelSpec
from hebbax.typing import Array, ArrayLike, Numbers, Parameters

KEPT = {"reset": 0.0, "keep": 1.0}
"""What is kept between sessions where it is no parameter."""


@dataclass(frozen=True)
class ChoiceModel:
    """The ``kind`` of likelihood, the ``parameters`` that a model declares, what is ``kept`` of
    weights between sessions where that is none of them, and the expected reward at the ``start``.
    """

    kind: Kind
    parameters: tuple[Parameter, ...]
    kept: float
    start: float

    @classmethod
    def of(cls, spec: ModelSpec) -> "ChoiceModel":
        """Return that of a declared model."""
        found = (parameter.declared(spec) for parameter in PARAMETERS.values())
        kept = KEPT.get(spec.between_sessions, 1.0)
        return cls(spec.kind, tuple(filter(None, found)), kept, spec.expected_start)

    @property
    def ranged(self) -> list[Ranged]:
        """The parameters that have a range."""
        return [one for one in self.parameters if isinstance(one, Ranged)]

    def initial_weights(self, values: Mapping[str, Numbers], n_inputs: int) -> list[Array]:
        """Return the weight of each input before the first trial, from an animal's ``values``."""
        out: Numbers = [0.0 for _ in range(n_inputs)]
        for one in self._of(values):
            out = one.started(values[one.name], out)
        return [jnp.asarray(weight) for weight in out]

    def rates(self, values: Mapping[str, Numbers]) -> Rates:
        """Return how an animal of some ``values`` keeps its past."""
        out = Rates(self.kept)
        for one in self._of(values):
            out = one.remembered(values[one.name], out)
        return out

    def readout(
        self,
        values: Mapping[str, Numbers],
        logits: Numbers,
        trace: Numbers,
        offered: Numbers | None,
        filtered: SessionFilter | None = None,
    ) -> tuple[Array, Array]:
        """Return logits and offsets ``(..., stimulus)`` that the likelihood takes.

        ``logits``, ``trace`` of choices and whether each stimulus was ``offered`` have one entry
        (...) a stimulus; ``filtered`` is the preference of the session, where it varies.
        With lapses, or where a part was offered, the logits are zero and the offsets are log
        probabilities: those of the mixture.
        """
        offset, lapse = self._offsets(values, logits, trace)
        if filtered is not None:
            first, second = offset
            moved = shifted(filtered, self._odds(logits, offset))
            offset = [first, second + moved]
        stacked = jnp.stack(jnp.broadcast_arrays(*map(jnp.asarray, logits)), -1)
        if lapse is not None or offered is not None:
            each = self.kind.mixed(logits, offset, lapse, offered)
            return jnp.zeros_like(stacked), _side_by_side(each, stacked)
        return stacked, _side_by_side(offset, stacked)

    def session_filter(self, values: Mapping[str, Numbers]) -> SessionFilter | None:
        """Return what an animal of some ``values`` begins a session with, None where its preference
        is the same in all."""
        each = (one.varying(values[one.name]) for one in self._of(values))
        return next((filter_of(sd) for sd in each if sd is not None), None)

    def updated(
        self,
        values: Mapping[str, Numbers],
        logits: Numbers,
        trace: Numbers,
        filtered: SessionFilter,
        choice: Array,
    ) -> SessionFilter:
        """Return the filter of the session after a ``choice`` (...) between two."""
        return updated(filtered, *self._between_two(values, logits, trace), choice)

    def followed(
        self,
        values: Mapping[str, Numbers],
        logits: Numbers,
        trace: Numbers,
        choices: Array,
        begins: Array | None,
    ) -> SessionFilter | None:
        """Return the filter before each trial, from logits, traces and ``choices`` of all and which
        begin a later session, (trial,); None where the preference is the same in all."""
        filtered = self.session_filter(values)
        if filtered is None:
            return None
        return followed(filtered, *self._between_two(values, logits, trace), choices, begins)

    def _between_two(
        self, values: Mapping[str, Numbers], logits: Numbers, trace: Numbers
    ) -> tuple[Array, ArrayLike]:
        """Return the log odds (...) of the second of two alternatives, and the probability of a
        lapse."""
        offset, lapse = self._offsets(values, logits, trace)
        return self._odds(logits, offset), 0.0 if lapse is None else lapse

    def _odds(self, logits: Numbers, offset: Numbers) -> Array:
        """Return the log odds (...) of the second of two alternatives."""
        assert issubclass(self.kind, Choice)  # as the declared model says
        first, second = self.kind.naturals(logits, offset)
        return second - first

    def _offsets(
        self, values: Mapping[str, Numbers], logits: Numbers, trace: Numbers
    ) -> tuple[Numbers, Array | None]:
        """Return the offset of each stimulus (...), and the probability of a lapse."""
        trial = Trial(self.kind, trace, logits)
        offset: Numbers = [0.0 for _ in logits]
        lapse = None
        for one in self._of(values):
            offset = one.shifted(values[one.name], offset, trial)
            lapse = one.lapsing(values[one.name]) if lapse is None else lapse
        return offset, lapse

    def _of(self, values: Mapping[str, Numbers]) -> list[Parameter]:
        return [one for one in self.parameters if one.name in values]


def _side_by_side(each: Numbers, like: Array) -> Array:
    # Where no trial is read they are the same in every one: an exponential.
    together = jnp.stack(jnp.broadcast_arrays(*map(jnp.asarray, each)), -1)
    return jnp.broadcast_to(together.astype(like.dtype), like.shape)


class Animal(NamedTuple):
    """One animal: coefficients ``theta`` (term,), ``initial`` weights (input, hidden), ``rates`` of
    its memory, and its ``values`` by name, by which the ``model`` makes choices of logits."""

    theta: Array
    initial: Array
    rates: Rates
    values: Mapping[str, Numbers]
    model: ChoiceModel

    def readout(
        self,
        logits: Array,
        trace: Array,
        offered: Array | None = None,
        filtered: SessionFilter | None = None,
    ) -> tuple[Array, Array]:
        """Return logits and offsets of trials from their logits, traces of choices, and what was
        offered, all ``(..., stimulus)``, and the filter of the session."""
        shown = None if offered is None else _rows(offered)
        return self.model.readout(self.values, _rows(logits), _rows(trace), shown, filtered)

    def updated(
        self, logits: Array, trace: Array, filtered: SessionFilter, choice: Array
    ) -> SessionFilter:
        """Return the filter of the session after a choice, from logits and traces
        ``(stimulus,)``."""
        return self.model.updated(self.values, _rows(logits), _rows(trace), filtered, choice)

    def followed(
        self, logits: Array, trace: Array, choices: Array, begins: Array | None
    ) -> SessionFilter | None:
        """Return the filter before each trial, from logits and traces ``(trial, stimulus)``, and
        choices and which trials begin a later session, (trial,)."""
        return self.model.followed(self.values, _rows(logits), _rows(trace), choices, begins)


def _rows(leaf: Array) -> list[Array]:
    return list(jnp.moveaxis(leaf, -1, 0))


def animal_of(model: ChoiceModel, values: Parameters, n_inputs: int) -> Animal:
    """Return an animal by its values by group name."""
    own: dict[str, Numbers] = {name: list(jnp.atleast_1d(value)) for name, value in values.items()}
    start = jnp.stack(model.initial_weights(own, n_inputs))[:, None]
    theta = [jnp.asarray(one) for one in own.get("theta", [])]
    stacked = jnp.stack(theta) if theta else jnp.zeros(0)
    return Animal(stacked, start, model.rates(own), own, model)
