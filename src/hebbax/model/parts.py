"""Independent parts of what is seen in a trial: what a Fisher information is summed over."""

from typing import NamedTuple

from hebbax.typing import Array

LEAST_SD = 1e-12
"""Below every standard deviation of a count that matters: the slope is the same with any, and the
information is that of nothing. Much smaller, and products of it vanish in single precision."""


class Part(NamedTuple):
    """An independent part of what is seen in a trial, when logits and offsets change.

    ``change`` is in units in which squares, summed over parts and trials, are Fisher information;
    ``slope`` is that of log P along it.
    """

    change: Array
    slope: Array
