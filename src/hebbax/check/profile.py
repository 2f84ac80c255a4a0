"""The likelihood of one animal over two coefficients, with and without its innate preference.

It shows why the preference is part of every model: without it a preference can only be imitated by
weights that run away (a positive coefficient of w), and the likelihood has a second mode there.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from hebbax.data import Sessions, select
from hebbax.errors import ModelError
from hebbax.inference.density import log_likelihood_by_animal
from hebbax.model.choices import Model, build_model
from hebbax.model.spec import ModelSpec
from hebbax.rule.readout import MAX_WEIGHT
from hebbax.rule.taylor import parse_term, term_name
from hebbax.typing import Array, Progress, silent

PREFERENCES = np.linspace(-8.0, 8.0, 161)
"""Log odds over which the preference is profiled out: from one choice in 3000 on."""

DROP = 12.0
"""Nats by which the likelihood has to be below its maximum at a border of the picture."""

FLAT = 0.5
"""A plateau: where a border twice as far changes the likelihood there by less than this, nats."""

FIRST = 1.0 / 16.0
"""Part of `bound` where the search for the borders begins."""

SHAPE = (45, 51)
"""Values of the two coefficients in a picture; while borders are sought every other row."""

SEARCHES = 16
"""How often borders are moved at most."""


class Border(NamedTuple):
    """The range of one coefficient: its ends, and whether the likelihood is `DROP` below its
    maximum at each."""

    ends: tuple[float, float]
    closed: tuple[bool, bool]


def terms_of(terms: Sequence[str]) -> tuple[str, str]:
    """Return two terms by canonical name; raise `ModelError` for terms that are not two."""
    names = [term_name(parse_term(term)) for term in terms]
    if len(set(names)) != 2:
        raise ModelError(
            f"a profile is drawn over two terms, {', '.join(names) or 'none'} given; name two with "
            "--terms."
        )
    return names[0], names[1]


def bound(term: str, rate: float, n_inputs: int, largest: float = MAX_WEIGHT) -> float:
    """Return the coefficient from which a term can do no more in a single trial: fill a weight from
    zero to the ``largest`` one, or where it has a factor w turn it into its opposite."""
    exponents = parse_term(term)
    most = 2.0 if exponents.weight else largest
    return most * n_inputs / rate**exponents.pre


def profile(
    sessions: Sessions,
    spec: ModelSpec,
    animal: str,
    terms: Sequence[str],
    progress: Progress = silent,
) -> xr.Dataset:
    """Return the log likelihood in nats on a grid of two terms, over the range that matters.

    Two variables: ``fixed``, with no preference, and ``profiled``, at the best preference for each
    pair of coefficients; ``preference`` is that best value. Other terms are held at zero, there is
    no habit and no lapse, and what else an animal has is at its prior median. The range
    grows from `FIRST` of the bounds until the profile is `DROP` below its maximum along every
    border, or no longer changes there (`FLAT`), or the border is at its `bound`, and is then cut to
    what is less than `DROP` below. Attributes: ``animal``, ``model``, and the ``borders`` of each
    term as `Border`.

    Args:
        sessions: recorded trials of two alternatives.
        spec: declared model with the ``choice`` likelihood.
        animal: name of the animal.
        terms: the two terms.
        progress: called after each row of a grid.

    Raises:
        ModelError: the terms are not two of the model, or there are more than two alternatives.
    """
    names = terms_of(terms)
    for term in names:
        if term not in spec.terms:
            raise ModelError(
                f'{spec.name}: no term "{term}" to profile; '
                f"it has {', '.join(spec.terms) or 'none'}."
            )
    if sessions.n_stimuli != 2 or not spec.kind.relative:
        raise ModelError(
            f"{spec.name}: the profile is drawn for two alternatives and the choice likelihood."
        )
    free = replace(
        spec.with_terms(spec.terms), scaling="declared", by={}, habit_scale=0.0, lapse_scale=0.0
    )
    model = build_model(free, select(sessions, [animal]))
    row = _row(model, names)
    network = model.network
    bounds = [bound(name, spec.rate, network.n_inputs, network.readout.most) for name in names]
    borders = _borders(row, bounds, progress)
    rows, columns = (np.linspace(*one.ends, n) for one, n in zip(borders, SHAPE, strict=True))
    found = surface(row, rows, columns, progress)
    none = int(np.argmin(np.abs(PREFERENCES)))
    return xr.Dataset(
        {
            "fixed": (names, found[..., none], {"units": "nats"}),
            "profiled": (names, found.max(-1), {"units": "nats"}),
            "preference": (names, PREFERENCES[found.argmax(-1)], {"units": "log odds"}),
        },
        coords={names[0]: rows, names[1]: columns},
        attrs={
            "animal": animal,
            "model": spec.name,
            "borders": dict(zip(names, borders, strict=True)),
        },
    )


def best_sentence(found: xr.Dataset) -> str:
    """Return in words where a profile is highest, and where that is no maximum."""
    at = {str(k): int(v) for k, v in found["profiled"].argmax(...).items()}
    values = {term: float(found[term][place]) for term, place in at.items()}
    said = ", ".join(f"{term} = {value:.3g}" for term, value in values.items())
    out = [f"the likelihood is highest at {said}"]
    edges = [term for term, place in at.items() if place in (0, found.sizes[term] - 1)]
    if edges:
        out.append(
            f"this is the edge of the range of {' and '.join(edges)}, so that it may be no maximum"
        )
    preference = float(found["preference"][at])
    if abs(preference) == PREFERENCES[-1]:
        out.append(f"the preference there is the largest that was tried, {preference:g} log odds")
    for term, border in found.attrs["borders"].items():
        for end, closed in zip(border.ends, border.closed, strict=True):
            if not closed:
                out.append(f"towards {term} = {end:.3g} it falls by less than {DROP:g} nats")
    return "; ".join(out)


Row: TypeAlias = Callable[[float, Array], Array]
"""Returns the log likelihood ``(column, preference)`` at one value of the first coefficient."""


def _row(model: Model, names: tuple[str, str]) -> Row:
    places = jnp.array([model.rule.parameters.index(term) for term in names])

    def cell(a: Array, b: Array) -> Array:
        theta = jnp.zeros(len(model.rule.parameters)).at[places].set(jnp.stack([a, b]))
        return _over_preferences(model, theta)

    return jax.jit(jax.vmap(cell, in_axes=(None, 0)))


def surface(
    row: Row, rows: np.ndarray, columns: np.ndarray, progress: Progress = silent
) -> np.ndarray:
    """Return the log likelihood ``(row, column, preference)``, impossible where it is no number."""
    out = np.empty((len(rows), len(columns), len(PREFERENCES)))
    for i, value in enumerate(rows):
        out[i] = row(value, jnp.asarray(columns))
        progress("profiling", i + 1, len(rows))
    return np.where(np.isfinite(out), out, -np.inf)


def _borders(row: Row, bounds: Sequence[float], progress: Progress) -> list[Border]:
    """Return the ranges of both coefficients (see `profile`)."""
    ends = np.array([[-FIRST * most, FIRST * most] for most in bounds])
    stuck = np.zeros((2, 2), bool)
    before = np.full((2, 2), -np.inf)
    for _ in range(SEARCHES):
        values = _coarse(row, ends, progress)
        along = np.array(
            [[values[0].max(), values[-1].max()], [values[:, 0].max(), values[:, -1].max()]]
        )
        open_ = along > values.max() - DROP
        # A border that changes nothing any more goes back to where it was: a plateau, unless the
        # maximum lies on it.
        level = open_ & ~stuck & (np.abs(along - before) < FLAT) & (along < values.max())
        ends = np.where(level, 0.5 * ends, ends)
        at_bound = np.abs(ends) >= 0.999 * np.array(bounds)[:, None]
        stuck |= level | at_bound
        if not (moving := open_ & ~stuck).any():
            break
        before = np.where(moving, along, before)
        ends = np.where(moving, 2.0 * ends, ends)
    return _cut(row, ends, progress)


def _cut(row: Row, ends: np.ndarray, progress: Progress) -> list[Border]:
    """Return ranges cut to what is less than `DROP` below the maximum, a cell beyond it."""
    for _ in range(SEARCHES):
        values = _coarse(row, ends, progress)
        inside = values > values.max() - DROP
        new, closed = ends.copy(), np.ones((2, 2), bool)
        for axis in (0, 1):
            grid = np.linspace(ends[axis, 0], ends[axis, 1], inside.shape[axis])
            within = np.flatnonzero(inside.any(1 - axis))
            first, last = within[0], within[-1]
            closed[axis] = first > 0, last < len(grid) - 1
            new[axis] = grid[max(first - 1, 0)], grid[min(last + 1, len(grid) - 1)]
        shrunk = np.diff(new)[:, 0] / np.diff(ends)[:, 0]
        ends = new
        if (shrunk > 0.7).all():
            break
    return [
        Border((float(low), float(high)), (bool(below), bool(above)))
        for (low, high), (below, above) in zip(ends, closed, strict=True)
    ]


def _coarse(row: Row, ends: np.ndarray, progress: Progress) -> np.ndarray:
    """Return the profile ``(row, column)`` over a range, at every other row of a picture."""
    sizes = SHAPE[0] // 2 + 1, SHAPE[1]
    rows, columns = (np.linspace(low, high, n) for (low, high), n in zip(ends, sizes, strict=True))
    return surface(row, rows, columns, progress).max(-1)


def _over_preferences(model: Model, theta: Array) -> Array:
    """Return the log likelihood at each of `PREFERENCES`; the weights are simulated once."""
    values = {group.name: jnp.zeros((1, *group.shape)) for group in model.groups}

    def at(preference: Array) -> Array:
        own = {**values, "theta": theta[None], "preference": preference[None]}
        return log_likelihood_by_animal(model, own)[0]

    return jax.vmap(at)(jnp.asarray(PREFERENCES))
