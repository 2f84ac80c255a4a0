"""Many sub-models of one model solved side by side, in batches that wait for nobody.

A batch takes as long as the slowest climb in it, so that all sub-models first climb one stretch of
rounds, and those that have not arrived go on together. What is computed of members that are out is
thrown away, and there is a program for small sub-models too (`SIZES`). A program belongs to the
form of a model, not to its choices: one serves all cohorts of a simulation.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import joblib
import numpy as np

from hebbax.inference.density import Expansion, expansion, fisher_information
from hebbax.inference.mixed import Problem
from hebbax.model.choices import Model
from hebbax.model.trials import Design
from hebbax.submodels.laplace import STEP, Settings, Solution, Start, climb
from hebbax.typing import Array, ArrayLike, Progress, silent

SIZES = (4, 6, 8)
"""Numbers of members that have a program of their own, besides all of them: a slope along a member
costs as much as the trials themselves."""


def solve(
    model: Model,
    problems: Problem,
    start: Start,
    settings: Settings | None = None,
    progress: Progress = silent,
    labels: Array | None = None,
    best: float = -np.inf,
) -> Solution:
    """Return the `Solution` of many sub-models, with a leading dimension ``sub-model``.

    Args:
        model: the model of all candidate terms, with a hierarchy of animals.
        problems: masks and prior scales, each ``(sub-model, member)``.
        start: where each begins, with a leading dimension ``sub-model``.
        settings: of the pass.
        progress: called after each batch.
        labels: probabilities of the choices ``(animal, trial, stimulus)`` in place of the recorded
            ones, see `hebbax.inference.density.expansion`.
        best: the most log evidence known of other sub-models.
    """
    settings = settings or Settings()
    n = len(problems.included)
    length = np.full(np.shape(start.phi)[:2], STEP)
    found = _in_batches(model, settings, labels, (problems, start, length), progress)
    for _ in range(settings.stretches - 1):
        promised = found.log_evidence + found.shortfall
        best = max(best, np.max(found.log_evidence, initial=-np.inf, where=~np.isnan(promised)))
        hopeful = promised > best - settings.hopeless
        (going,) = np.nonzero(hopeful & (found.rounds == settings.rounds))
        if not going.size:
            break
        here = (problems, Start(found.phi, found.log_spread), found.length)
        own = jax.tree.map(lambda leaf, going=going: leaf[going], here)
        further = _in_batches(model, settings, labels, own)
        for leaf, new in zip(found, further, strict=True):
            leaf[going] = new
    progress("weighing sub-models", n, n)
    return found


def _in_batches(
    model: Model,
    settings: Settings,
    labels: Array | None,
    given: tuple[Problem, Start, ArrayLike],
    progress: Progress = silent,
) -> Solution:
    """Return the solutions after one stretch, each from where it is ``given`` to begin."""
    n = len(given[0].included)
    data, form = (model.design, model.observed, labels, settings.tolerance), _Form(model)
    batch, settings = settings.batch, replace(settings, stretches=1, tolerance=0.0)  # one program

    included = np.asarray(given[0].included)

    def size(own: np.ndarray) -> int:
        return _size(included[own])

    def one(own: np.ndarray) -> Solution:
        part = jax.tree.map(lambda leaf: leaf[own], given)
        return jax.device_get(_solve_batch(form, settings, size(own), data, *part))

    return _side_by_side(one, size, _numbers(n, batch), progress)


def _numbers(n: int, batch: int) -> np.ndarray:
    """Return the numbers 0 to ``n`` - 1 in batches ``(batch, number)``; the last one is filled up
    with the last number, so that one program serves all."""
    return np.minimum(np.arange(-(-n // batch) * batch), n - 1).reshape(-1, batch)


def _side_by_side(
    one: Callable[[np.ndarray], Any],
    program: Callable[[np.ndarray], int],
    batches: np.ndarray,
    progress: Progress = silent,
) -> Any:
    """Return what ``one`` finds of each batch of numbers, put together.

    A program runs on one core: a thread for each lets several batches run at once. The first batch
    of every ``program`` runs here, before the threads: they find it compiled, and tracing, in which
    JAX's own locks are taken, stays in one thread.
    """
    n, found = int(batches.max()) + 1, {}
    _, first = np.unique([program(own) for own in batches], return_index=True)

    def told(k: int, result: Any) -> None:
        found[k] = result
        progress("weighing sub-models", min(len(found) * batches.shape[1], n), n)

    for k in first:
        told(k, one(batches[k]))
    rest = [k for k in range(len(batches)) if k not in found]
    if rest:
        with ThreadPoolExecutor(joblib.cpu_count()) as threads:
            for k, result in zip(rest, threads.map(one, batches[rest]), strict=True):
                told(k, result)
    in_order = [found[k] for k in range(len(batches))]
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:n], *in_order)


def information(model: Model, phi: np.ndarray, batch: int) -> np.ndarray:
    """Return the Fisher information ``(sub-model, member)`` that all recorded choices carry of each
    member, at values ``phi`` (sub-model, animal, member); ``batch`` sub-models side by side."""
    form, data = _Form(model), (model.design, model.observed)

    def one(own: np.ndarray) -> np.ndarray:
        return jax.device_get(_information_batch(form, data, phi[own]))

    return _side_by_side(one, lambda _: 0, _numbers(len(phi), batch))


def _size(included: Array) -> int:
    """Return the number of members of the smallest program that holds a batch of masks
    (sub-model, member)."""
    most = int(np.sum(included, axis=-1).max())
    return min((size for size in SIZES if size >= most), default=included.shape[-1])


@dataclass(frozen=True, eq=False)
class _Form:
    """A model without what was chosen and rewarded. Two of the same form are equal, so that a
    program compiled for one cohort serves every other with the same numbers of trials."""

    model: Model

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Form) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple:
        model = self.model
        spec = replace(model.spec, name="any", reason="", scales={}, text="")
        members = tuple(group.shape for group in model.groups)
        return (
            repr(asdict(spec)),
            model.rule,
            model.network,
            members,
            model.cells.shape,
            model.cells.tobytes(),
        )


@partial(jax.jit, static_argnames=("form", "settings", "size"))
def _solve_batch(
    form: _Form,
    settings: Settings,
    size: int,
    data: tuple[Design, Any, Array | None, Array],
    problems: Problem,
    start: Start,
    length: Array,
) -> Solution:
    design, observed, labels, tolerance = data
    settings = replace(settings, tolerance=tolerance)  # type: ignore[arg-type]
    model = form.model.recorded(design, observed)
    return jax.vmap(partial(_solve_small, model, settings, size, labels))(problems, start, length)


@partial(jax.jit, static_argnames=("form",))
def _information_batch(form: _Form, data: tuple[Design, Any], phi: Array) -> Array:
    model = form.model.recorded(*data)
    return jax.vmap(lambda phi: jnp.diagonal(fisher_information(model, phi).sum(0)))(phi)


def _solve_small(
    model: Model,
    settings: Settings,
    size: int,
    labels: Array | None,
    problem: Problem,
    start: Start,
    length: Array,
) -> Solution:
    """Return the solution of one sub-model of at most ``size`` members, found among as many."""
    own = jnp.argsort(~problem.included)[:size]  # those that are in come first
    directions = jnp.eye(problem.included.shape[0])[own]
    found = climb(
        partial(_expand, model, labels, directions),
        settings,
        Problem(problem.included[own], problem.scales[own]),
        Start(start.phi[:, own], start.log_spread[own]),
        length,
    )
    return found._replace(
        phi=found.phi @ directions,
        log_spread=start.log_spread.at[own].set(found.log_spread),
        population=found.population @ directions,
        covariance=directions.T @ found.covariance @ directions,
        spread_covariance=directions.T @ found.spread_covariance @ directions,
    )


def _expand(model: Model, labels: Array | None, directions: Array, phi: Array) -> Expansion:
    return expansion(model, phi @ directions, labels, directions)
