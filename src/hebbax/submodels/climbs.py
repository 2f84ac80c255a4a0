"""One climb after the other to the modes of numbered sub-models, and what is known of them.

A sub-model is numbered by the bits of its terms: bit j is set where term j is in. Its neighbours
have one term more or one less. Rules that imitate each other have several modes, and single animals
are left behind in another one, so that a sub-model can be begun in several ways: where a neighbour
ended, on growing parts of the sessions, or with each animal where a smaller sub-model found it
likeliest. The solution of most evidence is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.data import first_trials
from hebbax.inference.mixed import Problem
from hebbax.model.choices import Model
from hebbax.submodels.batches import solve
from hebbax.submodels.laplace import Settings, Solution, Start, rest
from hebbax.typing import Progress, silent

EXCERPTS = tuple(2.0 ** (-k / 2) for k in range(10, 0, -1))
"""First parts of every animal's trials, 1/32 to 0.71, on which sub-models climb before all."""

Solutions = dict[int, Solution]
"""Solutions of single sub-models by their numbers."""


def members(model: Model, code: int) -> np.ndarray:
    """Return the mask ``(member,)`` of a numbered sub-model: its terms, and all that is no term."""
    n = len(model.rule.parameters)
    others = model.scales.size - n
    return np.array([bool(code >> j & 1) for j in range(n)] + [True] * others)


def neighbours(code: int, n_terms: int) -> list[int]:
    """Return the sub-models with one term more or less."""
    return [code ^ (1 << j) for j in range(n_terms)]


def excerpt(model: Model, part: float) -> Model:
    """Return the model in whose expansion only the first ``part`` of every animal's trials
    counts."""
    valid, last = model.design.valid, first_trials(model.sessions, part)
    early = valid & (jnp.arange(valid.shape[1]) < last[:, None])
    return model.recorded(model.design._replace(valid=early), jnp.asarray(model.observed))


@dataclass(frozen=True)
class Climb:
    """How sub-models are solved: of one model, with given prior ``scales`` (member,), and of other
    choices than the recorded ones where ``labels`` are given (see `hebbax.inference.density`)."""

    model: Model
    scales: np.ndarray
    settings: Settings
    labels: np.ndarray | None = None

    def extend(
        self,
        known: Solutions,
        codes: Iterable[int],
        progress: Progress = silent,
        starts: list[Start] | None = None,
    ) -> None:
        """Solve sub-models, each from its best neighbour in ``known`` or its own one of ``starts``,
        and add them there; what is known already is replaced where this finds more evidence. With
        starts of their own sub-models may be named several times."""
        codes = list(codes)
        if not codes:
            return
        if starts is None:
            starts = [self._start(known, code) for code in codes]
        found = self._solve(codes, starts, progress, most_evidence(known))
        keep(known, zip(codes, found, strict=True))

    def grown(self, codes: list[int], progress: Progress = silent) -> Solutions:
        """Return the solutions of sub-models begun at rest on `EXCERPTS` of the trials and then
        on the whole, each from the one before; what is hopeless on an excerpt goes on with the
        whole at once.

        Weights that run away make the likelihood of all trials a maze around its mode, in
        which single animals are left behind; in its first trials they have not gone far yet, and a
        few more trials move the mode by little.
        """
        nothing = self._rest()
        begun = dict.fromkeys(codes, nothing)
        early = replace(self.settings, stretches=1, tolerance=self.settings.excerpt_tolerance)
        going = list(codes)
        for part in EXCERPTS:
            climb = replace(self, model=excerpt(self.model, part), settings=early)
            found: Solutions = {}
            climb.extend(found, going, progress, [begun[code] for code in going])
            begun |= {code: _begin(one, nothing) for code, one in found.items()}
            floor = most_evidence(found) - self.settings.hopeless
            going = [code for code in going if log_evidence(found[code]) > floor]
        known: Solutions = {}
        self.extend(known, codes, progress, [begun[code] for code in codes])
        return known

    def gather(self, known: Solutions, codes: list[int], progress: Progress = silent) -> None:
        """Solve sub-models again, each animal from where it was likeliest in any sub-model known
        with a term less, or in its own: what was left behind in one was not in another. What finds
        more evidence is kept."""
        terms, starts = len(self.model.rule.parameters), []
        for code in codes:
            smaller = [known[c] for c in neighbours(code, terms) if c < code and c in known]
            each = [known[code], *smaller]
            likely = [np.nan_to_num(one.log_likelihood, nan=-np.inf) for one in each]
            best = np.argmax(likely, axis=0)
            phi = np.stack([one.phi for one in each])[best, np.arange(best.size)]
            starts.append(Start(jnp.asarray(phi), known[code].log_spread))
        self.extend(known, codes, progress, starts)

    def again(
        self, known: Solutions, codes: Iterable[int], progress: Progress = silent
    ) -> Solutions:
        """Return the solutions of sub-models under the scales of this climb, each begun at its own
        in ``known``, which was found under others."""
        codes = list(codes)
        starts = [Start(known[code].phi, known[code].log_spread) for code in codes]
        return dict(zip(codes, self._solve(codes, starts, progress), strict=True))

    def _solve(
        self, codes: list[int], starts: list[Start], progress: Progress, best: float = -np.inf
    ) -> list[Solution]:
        start = jax.tree.map(lambda *leaves: np.stack(leaves), *starts)
        included = np.stack([members(self.model, code) for code in codes])
        scales = np.broadcast_to(self.scales, included.shape)
        problems = Problem(jnp.asarray(included), jnp.asarray(scales))
        labels = None if self.labels is None else jnp.asarray(self.labels)
        found = solve(self.model, problems, start, self.settings, progress, labels, best)
        return [jax.tree.map(lambda leaf, k=k: leaf[k], found) for k in range(len(codes))]

    def sources(self, known: Solutions, code: int, size: int) -> list[int]:
        """Return the known neighbours of a sub-model that have most evidence, best first."""
        near = [c for c in neighbours(code, len(self.model.rule.parameters)) if c in known]
        return sorted(near, key=lambda c: -log_evidence(known[c]))[:size]

    def begun_at(self, known: Solutions, pairs: list[tuple[int, int]], progress: Progress) -> None:
        """Solve the first of each pair of sub-models from where the second ended. What finds more
        evidence is kept."""
        nothing = self._rest()
        starts = [_begin(known[source], nothing) for _, source in pairs]
        self.extend(known, [code for code, _ in pairs], progress, starts)

    def _start(self, known: Solutions, code: int) -> Start:
        """Return where the best neighbour ended; a term that it has not starts at zero."""
        best = self.sources(known, code, 1)
        return _begin(known[best[0]], self._rest()) if best else self._rest()

    def _rest(self) -> Start:
        return jax.tree.map(np.asarray, rest(self.model, jnp.asarray(self.scales)))


def _begin(found: Solution, nothing: Start) -> Start:
    """Return where a solution ended; a term that it has not starts where ``nothing`` is known, and
    so does all where it ended nowhere."""
    if not np.isfinite(log_evidence(found)):
        return nothing
    inside = np.isfinite(found.log_spread) & (found.population != 0.0)
    phi = jnp.where(jnp.isfinite(found.phi), found.phi, nothing.phi)
    return Start(phi, jnp.where(inside, found.log_spread, nothing.log_spread))


def keep(known: Solutions, found: Iterable[tuple[int, Solution]]) -> None:
    """Add what was found to what is known, where it is new or has more evidence."""
    for code, one in found:
        if code not in known or log_evidence(one) > log_evidence(known[code]):
            known[code] = one


def most_evidence(known: Solutions) -> float:
    """Return the most log evidence of some solutions, minus infinity where there are none."""
    return max(map(log_evidence, known.values()), default=-np.inf)


def near_best(known: Solutions, nats: float) -> list[int]:
    """Return the sub-models less than some nats of evidence below the best, by their numbers."""
    floor = most_evidence(known) - nats
    return [code for code in sorted(known) if log_evidence(known[code]) > floor]


def log_evidence(solution: Solution) -> float:
    """Return the log evidence, and minus infinity where there is none."""
    value = float(solution.log_evidence)
    return value if np.isfinite(value) else -np.inf
