"""All sub-models of a rule, or a search among them (`hebbax.submodels.climbs`).

Where all sub-models are solved each is begun in several ways (`enumerate_all`). A search among more
starts from neighbours alone. After either, the leading ones begin where each of their best
neighbours ended (`exchange`).
"""

from dataclasses import dataclass

import numpy as np

from hebbax.errors import ModelError
from hebbax.submodels.climbs import (
    Climb,
    Solutions,
    log_evidence,
    most_evidence,
    near_best,
    neighbours,
)
from hebbax.typing import Progress, silent

MANY_TERMS = 12
"""Up to this number of terms all sub-models are solved, beyond it some are searched for."""

LEADING, ROUNDS = 64, 3
"""Leading sub-models that begin with each animal where a smaller one found it, and how often."""

NEAR, SOURCES, BETTER = 10.0, 5, 0.2
"""Sub-models so many nats below the best are begun where each of so many best neighbours ended, and
again where one of these got better by so many nats."""

PATIENCE = 2
"""Steps without more evidence after which a path ends."""


@dataclass(frozen=True)
class Breadth:
    """How far a search goes: the ``leading`` sub-models whose neighbours are solved, and at most
    ``visits`` sub-models."""

    leading: int = 20
    visits: int = 1500


def paths(climb: Climb, progress: Progress = silent) -> Solutions:
    """Return the sub-models on a path that grows from no term and, where all sub-models could be
    solved, on one that shrinks from all terms: each time the term is added or taken out that leaves
    the most evidence, until `PATIENCE` steps in a row brought none. Rules whose terms need each
    other are found on the second path alone.
    """
    n = len(climb.model.rule.parameters)
    known = _path(climb, 0, progress)
    if n <= MANY_TERMS:
        known |= _path(climb, 2**n - 1, progress)
    return known


def _path(climb: Climb, here: int, progress: Progress) -> Solutions:
    """Return the sub-models on a path from the smallest or the largest one, whichever is here."""
    n, grows, in_vain = len(climb.model.rule.parameters), here == 0, 0
    known = climb.grown([here])
    while (near := [c for c in neighbours(here, n) if (c > here) == grows]) and in_vain < PATIENCE:
        before = most_evidence(known)
        climb.extend(known, near)
        progress("scaling terms", n - len(near) + 1, n)
        here = max(near, key=lambda code: log_evidence(known[code]))
        in_vain = 0 if log_evidence(known[here]) > before else in_vain + 1
    return known


def search(
    climb: Climb, breadth: Breadth, progress: Progress = silent, most: int | None = None
) -> Solutions:
    """Return the sub-models of at most ``most`` terms visited by a search among too many to solve.

    All neighbours of the best ``breadth.leading`` sub-models are solved, again and again, until
    there are none left unsolved or ``breadth.visits`` were visited.
    """
    n = len(climb.model.rule.parameters)
    known: Solutions = {}
    climb.extend(known, [0])
    while len(known) < breadth.visits:
        leading = sorted(known, key=lambda code: -log_evidence(known[code]))[: breadth.leading]
        near = {code for one in leading for code in neighbours(one, n) if allowed(code, most)}
        fresh = sorted(near - known.keys())[: breadth.visits - len(known)]
        if not fresh:
            break
        climb.extend(known, fresh)
        progress("searching sub-models", len(known), breadth.visits)
    return known


def allowed(code: int, most: int | None) -> bool:
    """Return whether a sub-model has at most ``most`` terms, where there is a limit."""
    return most is None or code.bit_count() <= most


def enumerate_all(climb: Climb, progress: Progress = silent, most: int | None = None) -> Solutions:
    """Return the solutions of all sub-models of a model with at most `MANY_TERMS` terms.

    All from rest on growing excerpts; then from their best neighbours, upwards by the number of
    terms and downwards again; then the leading ones with each animal where a smaller sub-model
    found it likeliest. Again, near the best, while the best gets better.

    Args:
        climb: how sub-models are solved, of the model of all candidate terms.
        progress: called after each batch.
        most: the most terms of a sub-model; all 2^D of them without it.
    """
    n, hopeless = len(climb.model.rule.parameters), climb.settings.hopeless
    if n > MANY_TERMS:
        raise ModelError(
            f"{climb.model.spec.name}: all sub-models are solved for at most {MANY_TERMS} terms, "
            f"{n} given."
        )
    levels = [[c for c in range(2**n) if c.bit_count() == k] for k in range(n + 1)]
    levels = [level for level in levels if allowed(level[0], most)]
    known = climb.grown([code for level in levels for code in level], progress)
    for k in range(ROUNDS):
        # Up to all at first: some modes are found from rules with a term less and not by growing.
        _sweep(climb, known, levels, np.inf if k == 0 else hopeless, progress)
        _sweep(climb, known, levels[::-1], hopeless, progress)
        before = most_evidence(known)
        climb.gather(known, _leading(known), progress)
        if most_evidence(known) < before + 1.0:
            break
    return known


def _sweep(
    climb: Climb, known: Solutions, levels: list[list[int]], hopeless: float, progress: Progress
) -> None:
    """Solve again, level by level and from their best neighbours, the sub-models of which they or a
    neighbour lead or are less than ``hopeless`` nats below the best."""
    n = len(climb.model.rule.parameters)
    for level in levels:
        good = {*near_best(known, hopeless), *_leading(known)}
        near = [code for code in level if good & {code, *neighbours(code, n)}]
        climb.extend(known, near, progress)


def exchange(climb: Climb, known: Solutions, progress: Progress = silent) -> None:
    """Solve the sub-models near the best again from where their best neighbours ended, and again
    from those that got better, until none does. What finds more evidence is kept in ``known``.

    Of two modes the one that the best neighbour leads to need not be the better one.
    """
    tried: dict[tuple[int, int], float] = {}
    while True:
        fresh = [
            (code, source)
            for code in near_best(known, NEAR)
            for source in climb.sources(known, code, SOURCES)
            if log_evidence(known[source]) > tried.get((code, source), -np.inf) + BETTER
        ]
        if not fresh:
            break
        tried |= {pair: log_evidence(known[pair[1]]) for pair in fresh}
        climb.begun_at(known, fresh, progress)


def _leading(known: Solutions) -> list[int]:
    """Return the `LEADING` sub-models of most evidence, best first."""
    return sorted(known, key=lambda code: -log_evidence(known[code]))[:LEADING]
