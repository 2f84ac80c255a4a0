"""Which candidate terms the recorded trials cannot tell apart at all, whatever the coefficients.

With J(theta) the slopes of the log odds of all recorded choices by the coefficients (trial x term,
animals stacked), a direction v of coefficients is invisible if J(theta) v = 0 for every theta. So
J is stacked over several drawn theta, and the null space of the stack is read off term by term:
from the simplest term to the most complex, each either adds a direction of its own or is a
combination of simpler ones. Nothing is known here of which terms these may be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import orth

from hebbax.inference.density import natural_slopes
from hebbax.model.choices import Model
from hebbax.rule.taylor import parse_term
from hebbax.typing import Key
from hebbax.validation.keys import words

POINTS = 4
"""Coefficient vectors at which the slopes are compared."""

SIZE = 0.25
"""Their standard deviation, in prior scales: weights move, and do not all saturate."""

TOLERANCE = 1e-7
"""Part of a term's slopes that a combination of others must leave over for it to count. Double
precision leaves 1e-12."""


@dataclass(frozen=True)
class Redundancy:
    """What is left of the candidate terms.

    Attributes:
        kept: the terms that add a direction of their own, in the order given; their number is the
            rank.
        merged: for every other term, the combination of kept ones that it is (empty: it does
            nothing).
        alike: kept terms that move the weights of all stimuli alike as long as nothing else is
            learnt, so that the log odds feel them only where weights differ already.
    """

    kept: tuple[str, ...]
    merged: dict[str, dict[str, float]]
    alike: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """What was merged, and what shifts all stimuli alike, in words."""
        silent = [term for term, parts in self.merged.items() if not parts]
        out = [
            f"{term} is {combination(parts)} on these inputs."
            for term, parts in self.merged.items()
            if parts
        ]
        if silent:
            out.append(f"{listed(silent)} cannot move the log odds of any recorded choice.")
        if self.alike:
            verb = "shifts" if len(self.alike) == 1 else "shift"
            out.append(
                f"{listed(self.alike)} {verb} all stimuli alike under `choice`: the log odds feel "
                "it only where weights differ already."
            )
        return out


def redundancy(key: Key, model: Model) -> Redundancy:
    """Return which of the model's terms are redundant on its sessions (see the module).

    The model's other values (preference, habit, starting weights) belong to each animal: what a
    term shares with them counts as theirs.
    """
    key = words(key)
    terms = model.rule.parameters
    slopes, whole = _stacked_slopes(key, model)
    order = sorted(range(len(terms)), key=lambda j: sum(parse_term(terms[j])))
    norms = np.linalg.norm(slopes, axis=0)
    kept: list[int] = []
    merged: dict[str, dict[str, float]] = {}
    for j in order:
        if norms[j] <= TOLERANCE * whole[j]:
            merged[terms[j]] = {}
            continue
        scaled = slopes[:, kept] / norms[kept]
        parts, *_ = np.linalg.lstsq(scaled, slopes[:, j] / norms[j])
        left = np.linalg.norm(slopes[:, j] / norms[j] - scaled @ parts)
        if left > TOLERANCE:
            kept.append(j)
            continue
        sizes = parts * norms[j] / norms[kept]
        merged[terms[j]] = {
            terms[k]: float(size)
            for k, size, part in zip(kept, sizes, parts, strict=True)
            if abs(part) > 10 * TOLERANCE
        }
    return Redundancy(
        tuple(terms[j] for j in sorted(kept)),
        {term: merged[term] for term in terms if term in merged},
        tuple(terms[j] for j in _shift_all(model, sorted(kept))),
    )


def _stacked_slopes(key: Key, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes of the log odds ``(point * observation * stimulus, term)`` at drawn
    coefficients, less what each animal's own values explain of them; and the size ``(term,)`` of
    the slopes before that was taken off, and what they do to all stimuli alike."""
    scales = model.scales
    points = SIZE * scales * jax.random.normal(key, (POINTS, scales.size))
    n = model.sessions.n_animals

    def at(point: jax.Array) -> tuple[jax.Array, jax.Array]:
        slopes = natural_slopes(model, jnp.broadcast_to(point, (n, scales.size)))
        whole = (slopes**2).sum(range(1, slopes.ndim))
        if model.kind.relative:  # only differences between stimuli matter
            slopes = slopes[..., 1:] - slopes[..., :1]
        return jnp.moveaxis(slopes, 0, -1), whole

    found, whole = map(np.asarray, jax.jit(lambda points: jax.lax.map(at, points))(points))
    n_terms = len(model.rule.parameters)
    animal = model.index[0]
    left = np.concatenate([_less_own(found[:, animal == a], n_terms) for a in range(n)])
    return left, np.sqrt(whole.sum(0)[:n_terms])


def _less_own(slopes: np.ndarray, n_terms: int) -> np.ndarray:
    """Return one animal's slopes by the terms ``(row, term)``, less their projection on those by
    its other values."""
    rows = slopes.reshape(-1, slopes.shape[-1])
    own = orth(rows[:, n_terms:])
    return rows[:, :n_terms] - own @ (own.T @ rows[:, :n_terms])


def _shift_all(model: Model, terms: list[int]) -> list[int]:
    """Return which of the terms move all weights alike where no other acts, and choices do not see
    that."""
    if not terms or not model.kind.relative:
        return []
    n = model.sessions.n_animals
    values = {g.name: jnp.zeros((n, *g.shape)) for g in model.groups}
    coefficients = 0.1 * np.diag(model.groups[0].scales)[terms]

    def weights(own: jax.Array) -> jax.Array:
        return model.weights(values | {"theta": values["theta"] + own})

    found = np.asarray(jax.jit(lambda rows: jax.lax.map(weights, rows))(coefficients))
    by_term = found.reshape(len(terms), -1, found.shape[-1])
    size, spread = np.abs(by_term).max((1, 2)), np.ptp(by_term, axis=-1).max(1)
    return [terms[k] for k in np.flatnonzero((size > 0) & (spread <= TOLERANCE * size))]


def combination(parts: dict[str, float]) -> str:
    """Return a sum of terms in words, as in ``0.75 x - 2 x r``."""
    text = ""
    for term, size in parts.items():
        number = "" if abs(abs(size) - 1.0) < 1e-6 and term != "1" else f"{abs(size):.4g} "
        name = "" if term == "1" else term
        sign = (" - " if size < 0 else " + ") if text else ("-" if size < 0 else "")
        text += f"{sign}{number}{name}".rstrip()
    return text


def listed(names: Sequence[str]) -> str:
    """Return names as a list in words."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
