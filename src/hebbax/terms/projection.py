"""The smallest rule that predicts as well as all of them: projection on growing sub-models.

A reference posterior predicts every choice with probabilities p_tk, its draws averaged. A sub-model
is projected on it by fitting these probabilities in place of the choices (in the manner of
Goutis & Robert 1998 and Piironen, Paasiniemi & Vehtari 2020): its animals' values minimise

    sum_t KL(p_t || q_t(phi_a)),

their hierarchy counting for little, so that no sub-model is fitted to the noise of the choices
anew. The term that lowers the divergence most is added next. Written beside each other are the
divergence from the reference and the log score of the recorded choices; both use choices that the
reference has seen.
"""

from dataclasses import dataclass
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from hebbax.data import Sessions
from hebbax.errors import ModelError
from hebbax.inference.density import split_groups
from hebbax.model.choices import Model
from hebbax.model.likelihood import Choice
from hebbax.model.priors import SPREAD_FRACTION
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import animal_values
from hebbax.submodels.climbs import Climb, Solutions, neighbours
from hebbax.submodels.laplace import Start
from hebbax.submodels.scaling import candidate_model
from hebbax.terms.inclusion import Inclusion
from hebbax.typing import Array, ArrayLike, Parameters, Progress, silent

EMPHASIS = 20.0
"""How often each trial counts in a projection, so that the hierarchy's prior, which has shrunk the
reference already, hardly shrinks again."""

SMALL_DIFFERENCE = 4.0
"""A sub-model is as good where the reference expects it to lose fewer nats over all choices: a
difference that `hebbax.check.comparison` would not choose by."""

NEGLIGIBLE = 1e-6
"""Posterior probability below which a sub-model is left out of the average."""


@dataclass(frozen=True)
class Projection:
    """The path of growing sub-models.

    Attributes:
        table: one row a number of terms: the term ``added``; ``divergence`` from the reference, in
            nats over all choices, which is the loss that the reference expects; ``log score`` of
            the recorded choices above that of the reference, with its standard error over animals,
            ``SE``; whether it is ``as good``.
        terms: terms in the order they were added.
    """

    table: pd.DataFrame
    terms: tuple[str, ...]

    @property
    def smallest(self) -> tuple[str, ...]:
        """Terms of the smallest rule that is as good as the reference; all where none is."""
        good = np.flatnonzero(self.table["as good"])
        return self.terms[: int(good[0])] if good.size else self.terms

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        named = ", ".join(self.smallest) or "no term"
        row = self.table.iloc[len(self.smallest)]
        error = f" ± {row['SE']:.1f} (over animals)" if np.isfinite(row["SE"]) else ""
        whose = (
            f"The smallest rule that predicts as well as all candidates together has {named}: it"
            if row["as good"]
            else "No rule predicts as well as all candidates together: that of all terms"
        )
        return (
            f"{whose} is expected to lose {row['divergence']:.1f} nats over all choices, and on "
            f"those recorded its log score is {row['log score']:+.1f}{error}."
        )


def averaged(model: Model, weighed: Inclusion) -> np.ndarray:
    """Return the choice probabilities ``(animal, trial, stimulus)`` of the average of sub-models,
    each at its mode."""
    weights = weighed.weights()
    kept = np.flatnonzero(weights > NEGLIGIBLE)
    each = (_probabilities(model, weighed.phi[k]) * weights[k] for k in kept)
    return np.asarray(sum(each, np.zeros(()))) / weights[kept].sum()


def of_posterior(posterior: xr.DataTree, model: Model) -> np.ndarray:
    """Return the choice probabilities ``(animal, trial, stimulus)`` of a sampled posterior of
    ``model``, its draws averaged."""
    values = animal_values(posterior, model)

    def one(draw: Parameters) -> Array:
        return cast(Choice, model.padded_distribution(draw)).probs

    draws = jax.tree.map(jnp.asarray, values)
    total = jax.jit(lambda v: jax.lax.map(one, v, batch_size=16).mean(0))
    return np.asarray(total(draws))


def check_projected(spec: ModelSpec) -> None:
    """Raise `ModelError` for a model of encounters: only choices are projected."""
    if not spec.kind.relative:
        raise ModelError(f"{spec.name}: only the choice likelihood is projected.")


def project(
    sessions: Sessions,
    spec: ModelSpec,
    weighed: Inclusion,
    reference: np.ndarray | None = None,
    progress: Progress = silent,
) -> Projection:
    """Return the projection of a reference on growing sub-models of a declared model.

    Args:
        sessions: recorded trials.
        spec: the model of all candidate terms.
        weighed: its sub-models; their scales are used, and each projection begins at their mode.
        reference: probabilities of the choices ``(animal, trial, stimulus)``; without it those of
            the average of all sub-models (`averaged`).
        progress: called after each batch.

    Raises:
        ModelError: the model is of encounters; only choices are projected.
    """
    check_projected(spec)
    model = candidate_model(sessions, spec)
    reference = averaged(model, weighed) if reference is None else reference
    n = len(spec.terms)
    scales = np.concatenate([weighed.scales, model.scales[n:]])
    climb = Climb(model, scales, weighed.settings.climb, EMPHASIS * reference)
    known: Solutions = {}
    rows: list[dict[str, float]] = []
    order: list[str] = []
    here = 0
    climb.extend(known, [0])
    rows.append(_row(model, reference, known[0].phi))
    while larger := [code for code in neighbours(here, n) if code > here]:
        began = [(c, start) for c in larger if (start := _own_start(weighed, scales, c))]
        if began:
            climb.extend(known, [c for c, _ in began], starts=[start for _, start in began])
        climb.extend(known, larger)
        progress("projecting", len(order) + 1, n)
        found = {code: _row(model, reference, known[code].phi) for code in larger}
        best = min(larger, key=lambda code: found[code]["divergence"])
        rows.append(found[best])
        order.append(spec.terms[(best ^ here).bit_length() - 1])
        here = best
    table = pd.DataFrame(rows, index=pd.RangeIndex(n + 1, name="terms"))
    table.insert(0, "added", ["", *order])
    table["as good"] = table["divergence"] < SMALL_DIFFERENCE
    return Projection(table, tuple(order))


def _own_start(weighed: Inclusion, scales: np.ndarray, code: int) -> Start | None:
    """Return the mode of a sub-model for the choices themselves, or None where it was not visited,
    with spreads at their prior scale."""
    terms = tuple(term for j, term in enumerate(weighed.terms) if code >> j & 1)
    place = weighed.place(terms)
    if place is None:
        return None
    return Start(jnp.asarray(weighed.phi[place]), jnp.log(SPREAD_FRACTION * scales))


def _row(model: Model, reference: np.ndarray, phi: ArrayLike) -> dict[str, float]:
    """Return what is said of one projected sub-model."""
    valid, choices = model.sessions.valid, np.maximum(model.sessions.choices, 0)
    ours = np.log(_probabilities(model, phi))
    theirs = np.log(reference)
    divergence = np.where(valid, (reference * (theirs - ours)).sum(-1), 0.0).sum()
    gain = np.take_along_axis(ours - theirs, choices[..., None], -1)[..., 0]
    by_animal = np.where(valid, gain, 0.0).sum(1)[valid.any(1)]
    se = np.sqrt(len(by_animal) * by_animal.var(ddof=1)) if len(by_animal) > 1 else np.nan
    return {"divergence": divergence, "log score": by_animal.sum(), "SE": se}


def _probabilities(model: Model, phi: ArrayLike) -> np.ndarray:
    values = split_groups(model, jnp.asarray(phi))
    return np.asarray(cast(Choice, model.padded_distribution(values)).probs)
