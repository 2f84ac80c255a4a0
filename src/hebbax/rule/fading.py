r"""What a weight loses of itself in a trial, and for how many trials it is remembered.

Of a Taylor rule the terms w, x w and x^2 w change a weight in proportion to itself, alike in every
trial. With the rate x of a chosen stimulus, zero of every other,

    w_(t+1) = w_t (1 - loss) + what the other terms do,
    loss = -(theta(w) + rate theta(x w) + rate^2 theta(x^2 w)) / n_inputs    of the chosen weight,
    loss = -theta(w) / n_inputs                                              of every other,
    memory = -1 / log(1 - loss)    trials, in which a weight fades to 1/e.

A negative loss is growth. Other terms with w or y (r w, w^2, y, ...) change a weight by a share
that is not the same in every trial: they are no part of the loss, and whoever tells it names them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hebbax.rule.taylor import Exponents, parse_term
from hebbax.typing import ArrayLike

PERCENT = 100.0
"""Losses are told in per cent."""

CHOSEN = "the chosen weight"
"""Whose loss is told where it is not that of every weight."""


@dataclass(frozen=True)
class Loss:
    """Whose weight loses, ``weight``, and its loss in a trial as a sum of the coefficients of the
    rule times ``factors`` (term,)."""

    weight: str
    factors: np.ndarray

    def of(self, theta: np.ndarray) -> np.ndarray:
        """Return the loss in a trial ``(...)`` of coefficients ``(..., term)``."""
        return np.asarray(theta) @ self.factors + 0.0  # nothing lost is told without a sign


def losses(terms: Sequence[str], rate: float, n_inputs: int) -> list[Loss]:
    """Return what is lost in a trial: of each weight where all lose alike, else of the chosen one
    and of every other that loses; nothing for a rule without such terms."""
    fading = [_fading(term) for term in terms]
    every = np.array([float(e is not None and e.pre == 0) for e in fading])
    chosen = np.array([0.0 if e is None else rate**e.pre for e in fading])
    if not chosen.any():
        return []
    if (chosen == every).all():
        return [Loss("a weight", -every / n_inputs)]
    both = [Loss(CHOSEN, -chosen / n_inputs)]
    if every.any():
        both.append(Loss("every other weight", -every / n_inputs))
    return both


def percent(term: str, size: ArrayLike, rate: float, n_inputs: int) -> np.ndarray:
    """Return the loss in a trial, in per cent, that a coefficient of one term stands for that is
    below zero by ``size`` (...): of the chosen weight, where the term has an x. Missing for a term
    that does not fade weights by the same share in every trial."""
    e = _fading(term)
    share = np.nan if e is None else rate**e.pre / n_inputs
    return PERCENT * share * np.asarray(size, float)


def unsteady(terms: Sequence[str]) -> list[str]:
    """Return the terms that change a weight by a share that is not the same in every trial."""
    known = {term: parse_term(term) for term in terms}
    return [term for term, e in known.items() if (e.weight or e.post) and _fading(term) is None]


def memory(loss: np.ndarray | float) -> np.ndarray:
    """Return the memory in trials of losses ``(...)`` in a trial; infinite where nothing is lost,
    zero where all is."""
    left = 1.0 - np.asarray(loss, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        trials = -1.0 / np.log(np.clip(left, 0.0, None))
    return np.where(left >= 1.0, np.inf, np.where(left <= 0.0, 0.0, trials))


def _fading(term: str) -> Exponents | None:
    """Return the exponents of a term that fades weights by the same share in every trial."""
    exponents = parse_term(term)
    if (exponents.post, exponents.reward, exponents.weight) != (0, 0, 1):
        return None
    return exponents
