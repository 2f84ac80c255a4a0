"""What an animal brings to the choices of a trial beside its rule: one class a parameter.

    offset_tk = sum of what every parameter adds to the log odds of stimulus k in trial t
    w_1       = what the parameters of the start make of zero

`PARAMETERS` holds them in the order of an animal's values. Each is written over single numbers, one
a member and one a stimulus, so that the same lines serve one trial and rows of trials.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import jax.numpy as jnp

from hebbax.model.likelihood import Kind
from hebbax.model.spec import ModelSpec
from hebbax.typing import Array, ArrayLike

Numbers = Sequence[ArrayLike]
"""One number a member, or one a stimulus."""


class Trial(NamedTuple):
    """What a parameter may read of a trial: the likelihood's ``kind``, whether each stimulus was
    chosen last, and the logit of accepting it."""

    kind: Kind
    repeat: Numbers
    logits: Numbers


class Parameter:
    """One parameter of the choice model; what is not said here does nothing."""

    name: ClassVar[str]

    def scale(self, spec: ModelSpec) -> float:
        """Return its prior scale; 0 leaves it out."""
        return getattr(spec, f"{self.name}_scale")

    def dims(self, kind: Kind, n_stimuli: int) -> tuple[str, ...]:
        """Return the dimensions of one animal's value."""
        del kind, n_stimuli
        return ()

    def started(self, own: Numbers, weights: Numbers) -> Numbers:
        """Return the weights before the first trial."""
        del own
        return weights

    def shifted(self, own: Numbers, offset: Numbers, trial: Trial) -> Numbers:
        """Return the offsets of a trial."""
        del own, trial
        return offset


class Preference(Parameter):
    """The innate preference, in log odds: of every stimulus, or against the first one."""

    name = "preference"

    def dims(self, kind: Kind, n_stimuli: int) -> tuple[str, ...]:
        """Return one dimension, none for one number against the first of two."""
        if not kind.relative:
            return ("stimulus",)
        return () if n_stimuli == 2 else ("contrast",)

    def shifted(self, own: Numbers, offset: Numbers, trial: Trial) -> Numbers:
        """Return the offsets with the preference."""
        each = [0.0, *own] if trial.kind.relative else own
        return [o + p for o, p in zip(offset, each, strict=True)]


class Habit(Parameter):
    """Added log odds of the stimulus chosen last."""

    name = "habit"

    def shifted(self, own: Numbers, offset: Numbers, trial: Trial) -> Numbers:
        """Return the offsets with the habit."""
        (habit,) = own
        return [o + habit * last for o, last in zip(offset, trial.repeat, strict=True)]


class InitialWeight(Parameter):
    """Weights before the first trial, one a stimulus."""

    name = "initial_weight"

    def dims(self, kind: Kind, n_stimuli: int) -> tuple[str, ...]:
        """Return one dimension."""
        return ("stimulus",)

    def started(self, own: Numbers, weights: Numbers) -> Numbers:
        """Return the weights with its own."""
        return [w + o for w, o in zip(weights, own, strict=True)]


PARAMETERS: dict[str, Parameter] = {
    one.name: one for one in (Preference(), Habit(), InitialWeight())
}
"""Every parameter by its name, in the order of an animal's values."""


def offsets(values: Mapping[str, Numbers], trial: Trial) -> Numbers:
    """Return the offset of each stimulus in a trial, from an animal's ``values`` by name."""
    out: Numbers = [0.0 for _ in trial.logits]
    for name, parameter in PARAMETERS.items():
        if name in values:
            out = parameter.shifted(values[name], out, trial)
    return out


def initial_weights(values: Mapping[str, Numbers], n_inputs: int) -> list[Array]:
    """Return the weight of each input before the first trial, from an animal's ``values``."""
    out: Numbers = [0.0 for _ in range(n_inputs)]
    for name, parameter in PARAMETERS.items():
        if name in values:
            out = parameter.started(values[name], out)
    return [jnp.asarray(weight) for weight in out]
