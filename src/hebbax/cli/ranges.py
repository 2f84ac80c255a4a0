"""Numbers on the command line: every one has a range, and what is outside is one sentence."""

import math
from typing import Any

import click

from hebbax.errors import HebbaxError
from hebbax.validation import limits
from hebbax.validation.quoting import plain


class Whole(click.IntRange):
    """A whole number from ``low`` to ``high``; `HebbaxError` for anything else."""

    name = "number"

    def __init__(self, low: int, high: int) -> None:
        super().__init__(low, high)
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number that was given."""
        try:
            number = int(value)
        except ValueError:  # no number, or one of thousands of digits
            number = self.low - 1
        if not self.low <= number <= self.high:
            raise _refused(param, value, f"a whole number from {self.low} to {self.high}")
        return number


class Number(click.FloatRange):
    """A number from ``low`` to ``high``; `HebbaxError` for anything else."""

    name = "number"

    def __init__(self, low: float, high: float) -> None:
        super().__init__(low, high)
        self.low, self.high = low, high

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number that was given."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not self.low <= number <= self.high:
            raise _refused(param, value, f"a number from {self.low:g} to {self.high:g}")
        return number


def _refused(param: click.Parameter | None, value: Any, allowed: str) -> HebbaxError:
    flag = max(param.opts, key=len) if param is not None else "value"
    return HebbaxError(f"{flag} {plain(str(value))}: must be {allowed}.")


ANIMALS = Whole(1, limits.MAX_ANIMALS)
TRIALS = Whole(2, limits.MAX_TRIALS)
BLOCKS = Whole(1, limits.MAX_TRIALS)
PART = Number(0.05, 0.95)
CHAINS = Whole(1, limits.MAX_CHAINS)
ITERATIONS = Whole(1, limits.MAX_DRAWS)
DRAWS = Whole(limits.MIN_DRAWS, limits.MAX_DRAWS)

STEPS = Whole(1, limits.MAX_STEPS)
REPLICATES = Whole(2, limits.MAX_REPLICATES)
SIMULATIONS = Whole(1, limits.MAX_SIMULATIONS)
WORKERS = Whole(1, limits.MAX_WORKERS)
SUBMODELS = Whole(0, limits.MAX_SUBMODELS)
COEFFICIENT = Number(-limits.MAX_COEFFICIENT, limits.MAX_COEFFICIENT)
EFFECT = Number(0.001, 100.0)
PROBABILITY = Number(1e-6, 1.0 - 1e-6)

SEED = Whole(0, limits.MAX_SEED)


def check_cohort(animals: int, trials: int, flag: str = "--animals") -> None:
    """Raise `HebbaxError` where a simulated cohort would have more than `limits.MAX_CHOICES`
    choices."""
    if animals * trials > limits.MAX_CHOICES:
        raise HebbaxError(
            f"{flag} {animals}: with {trials} trials each these are {animals * trials} choices; at "
            f"most {limits.MAX_CHOICES} are simulated."
        )
