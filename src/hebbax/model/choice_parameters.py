"""What an animal brings to the choices of a trial beside its rule: one class a parameter.

    offset_tk = sum of what every parameter adds to the log odds of stimulus k in trial t
    w_1       = what the parameters of the start make of zero

`PARAMETERS` holds them in the order of an animal's values. Each is written over single numbers, one
a member and one a stimulus, so that the same lines serve one trial and rows of trials. What lies
between 0 and 1, or above 0, is the logistic function or the exponential of a value, shifted to its
prior median.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import jax.numpy as jnp

from hebbax.model.likelihood import Kind
from hebbax.model.spec import ModelSpec
from hebbax.rule.named import Parameter as Named
from hebbax.rule.named import Range
from hebbax.typing import Array, ArrayLike, Numbers


class Trial(NamedTuple):
    """What a parameter may read of a trial: the likelihood's ``kind``, the ``trace`` of choices of
    each stimulus, which at rate 1 is one for the last chosen, and the logit of accepting it."""

    kind: Kind
    trace: Numbers
    logits: Numbers


class Rates(NamedTuple):
    """How an animal keeps its past (`hebbax.rule.memory`): rates of its ``expected`` reward and of
    its ``trace`` of choices, None where neither is a parameter, and what is ``kept`` between
    sessions of these and of the weights."""

    kept: ArrayLike
    expected: ArrayLike | None = None
    trace: ArrayLike | None = None


@dataclass(frozen=True)
class Parameter:
    """One parameter of the choice model, of some prior ``scale``; what is not said here does
    nothing."""

    scale: float

    name: ClassVar[str]

    @classmethod
    def declared(cls, spec: ModelSpec) -> Self | None:
        """Return the parameter as a model declares it, None where it leaves it out."""
        scale = getattr(spec, f"{cls.name}_scale")
        return cls(scale) if scale else None

    def dims(self, kind: Kind, n_stimuli: int) -> tuple[str, ...]:
        """Return the dimensions of one animal's value."""
        del kind, n_stimuli
        return ()

    def started(self, own: Numbers, weights: Numbers) -> Numbers:
        """Return the weights before the first trial."""
        del own
        return weights

    def remembered(self, own: Numbers, rates: Rates) -> Rates:
        """Return how the past is kept."""
        del own
        return rates

    def shifted(self, own: Numbers, offset: Numbers, trial: Trial) -> Numbers:
        """Return the offsets of a trial."""
        del own, trial
        return offset

    def lapsing(self, own: Numbers) -> Array | None:
        """Return the probability that a choice has nothing to do with the stimuli."""
        del own
        return None

    def varying(self, own: Numbers) -> Array | None:
        """Return the standard deviation over sessions of the preference."""
        del own
        return None


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
    """Added log odds of the stimulus chosen last, or of each by its trace of choices."""

    name = "habit"

    def shifted(self, own: Numbers, offset: Numbers, trial: Trial) -> Numbers:
        """Return the offsets with the habit."""
        (habit,) = own
        return [o + habit * past for o, past in zip(offset, trial.trace, strict=True)]


class InitialWeight(Parameter):
    """Weights before the first trial, one a stimulus."""

    name = "initial_weight"

    def dims(self, kind: Kind, n_stimuli: int) -> tuple[str, ...]:
        """Return one dimension."""
        return ("stimulus",)

    def started(self, own: Numbers, weights: Numbers) -> Numbers:
        """Return the weights with its own."""
        return [w + o for w, o in zip(weights, own, strict=True)]


@dataclass(frozen=True)
class Ranged(Parameter, ABC):
    """A parameter of a `range`, between 0 and 1 if not said else, around its prior ``median``."""

    median: float

    range: ClassVar[Range] = "unit"

    @classmethod
    def declared(cls, spec: ModelSpec) -> Self | None:
        """Return the parameter as a model declares it, None where it leaves it out."""
        scale, median = (getattr(spec, f"{cls.name}_{end}") for end in ("scale", "median"))
        return cls(scale, median) if cls.read(spec) else None

    @classmethod
    @abstractmethod
    def read(cls, spec: ModelSpec) -> bool:
        """Return whether a model has it."""

    @property
    def named(self) -> Named:
        """The parameter, as those of learning models are."""
        return Named(self.name, self.range, self.median)

    def value(self, own: Numbers) -> Array:
        """Return the parameter itself."""
        (z,) = own
        return self.named.value(jnp.asarray(z))


class HabitRate(Ranged):
    """The rate at which the trace of choices follows them: a choice kernel."""

    name = "habit_rate"

    @classmethod
    def read(cls, spec: ModelSpec) -> bool:
        """Return whether the habit is a choice kernel."""
        return spec.habit == "kernel" and spec.habit_scale > 0.0

    def remembered(self, own: Numbers, rates: Rates) -> Rates:
        """Return the rates with its own."""
        return rates._replace(trace=self.value(own))


class RewardRate(Ranged):
    """The rate at which the expected reward follows rewards."""

    name = "reward_rate"

    @classmethod
    def read(cls, spec: ModelSpec) -> bool:
        """Return whether the reward signal is relative to an exponential average."""
        return spec.reward == "exponential"

    def remembered(self, own: Numbers, rates: Rates) -> Rates:
        """Return the rates with its own."""
        return rates._replace(expected=self.value(own))


class Retention(Ranged):
    """The part of weights, expected reward and trace that is left when a new session begins."""

    name = "retention"

    @classmethod
    def read(cls, spec: ModelSpec) -> bool:
        """Return whether a part is kept."""
        return spec.between_sessions == "retain"

    def remembered(self, own: Numbers, rates: Rates) -> Rates:
        """Return the rates with its own."""
        return rates._replace(kept=self.value(own))


class Lapse(Ranged):
    """The probability of a choice that has nothing to do with the stimuli: one of those offered, or
    to accept or reject, each as likely."""

    name = "lapse"

    @classmethod
    def read(cls, spec: ModelSpec) -> bool:
        """Return whether there are lapses."""
        return spec.lapse_scale > 0.0

    def lapsing(self, own: Numbers) -> Array | None:
        """Return the probability of a lapse."""
        return self.value(own)


class SessionSd(Ranged):
    """The standard deviation over sessions of the preference, in log odds
    (`hebbax.model.session_preference`)."""

    name = "session_sd"
    range = "positive"

    @classmethod
    def read(cls, spec: ModelSpec) -> bool:
        """Return whether the preference varies by session."""
        return spec.session_sd_scale > 0.0

    def varying(self, own: Numbers) -> Array | None:
        """Return the standard deviation."""
        return self.value(own)


PARAMETERS: dict[str, type[Parameter]] = {
    one.name: one
    for one in (
        Preference,
        Habit,
        InitialWeight,
        HabitRate,
        RewardRate,
        Retention,
        Lapse,
        SessionSd,
    )
}
"""Every parameter by its name, in the order of an animal's values."""
