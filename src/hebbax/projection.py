"""The smallest rule that predicts as well as all of them: projection on growing sub-models.

A reference posterior predicts every choice with probabilities p_tk, its draws averaged. A sub-model
is projected on it by fitting these probabilities in place of the choices (in the manner of
Goutis & Robert 1998 and Piironen, Paasiniemi & Vehtari 2020): its animals' values minimise

    sum_t KL(p_t || q_t(phi_a)),

their hierarchy counting for little, so that no sub-model is fitted to the noise of the choices anew. The term that lowers the divergence
most is added next. Written beside each other are the divergence from the reference and the log
score of the recorded choices; both use choices that the reference has seen.
"""

from dataclasses import dataclass
from typing import cast

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from hebbax.data import Sessions
from hebbax.errors import ModelError
from hebbax.inclusion import Inclusion, candidate_model
from hebbax.inference import evidence
from hebbax.inference.density import split_groups
from hebbax.inference.submodels import Climb, Solutions, neighbours
from hebbax.likelihood import Choice
from hebbax.model import Model
from hebbax.posterior import animal_values
from hebbax.spec import ModelSpec
from hebbax.typing import Array, Parameters, Progress, silent

EMPHASIS = 20.0
"""How often each trial counts in a projection, so that the hierarchy's prior, which has shrunk the
reference already, hardly shrinks again."""

SMALL = 4.0
"""A log score less far below the reference, in nats, or less than its standard error, is as good."""

NEGLIGIBLE = 1e-6
"""Posterior probability below which a sub-model is left out of the average."""


@dataclass(frozen=True)
class Projection:
    """The path of growing sub-models.

    Attributes:
        table: one row a number of terms: the term ``added``; ``divergence`` from the reference, in
            nats over all choices; ``log score`` of the recorded choices above that of the
            reference, with its standard error over animals; whether it is ``as good``.
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
        return (
            f"The smallest rule that predicts as well as all candidates together has {named}: its "
            f"log score is {row['log score']:+.1f} nats from theirs (± {row['SE']:.1f} over "
            f"animals)."
        )


def averaged(model: Model, weighed: Inclusion) -> np.ndarray:
    """Return the choice probabilities ``(animal, trial, stimulus)`` of the average of sub-models,
    each at its mode."""
    weights = weighed.weights()
    kept = np.flatnonzero(weights > NEGLIGIBLE)
    each = (_probabilities(model, weighed.phi[k]) * weights[k] for k in kept)
    return np.asarray(sum(each, np.zeros(()))) / weights[kept].sum()


def of_posterior(posterior: az.InferenceData, model: Model) -> np.ndarray:
    """Return the choice probabilities ``(animal, trial, stimulus)`` of a sampled posterior of
    ``model``, its draws averaged."""
    values = animal_values(posterior, model)

    def one(draw: Parameters) -> Array:
        return cast(Choice, model.padded_distribution(draw)).probs

    draws = jax.tree.map(jnp.asarray, values)
    total = jax.jit(lambda v: jax.lax.map(one, v, batch_size=16).mean(0))
    return np.asarray(total(draws))


def project(
    sessions: Sessions,
    spec: ModelSpec,
    reference: np.ndarray,
    scales: np.ndarray,
    progress: Progress = silent,
) -> Projection:
    """Return the projection of a reference on growing sub-models of a declared model.

    Args:
        sessions: recorded trials.
        spec: the model of all candidate terms.
        reference: probabilities of the choices ``(animal, trial, stimulus)``.
        scales: prior scale of each term's population coefficient ``(term,)``.
        progress: called after each batch.

    Raises:
        ModelError: the model is of encounters; only choices are projected.
    """
    if spec.likelihood != "choice":
        raise ModelError(f"{spec.name}: only the choice likelihood is projected.")
    model = candidate_model(sessions, spec)
    n = len(spec.terms)
    others = [np.ravel(group.scales) for group in model.groups if group.name != "theta"]
    climb = Climb(
        model, np.concatenate([scales, *others]), evidence.Settings(), EMPHASIS * reference
    )
    known: Solutions = {}
    rows, order, here = [], [], 0
    climb.extend(known, [0])
    total, done = n * (n + 1) // 2, 0
    while True:
        rows.append(_row(model, reference, known[here].phi))
        larger = [code for code in neighbours(here, n) if code > here]
        if not larger:
            break
        climb.extend(
            known, larger, lambda _, k, __, base=done: progress("projecting", base + k, total)
        )
        done += len(larger)
        best = min(larger, key=lambda c: _row(model, reference, known[c].phi)["divergence"])
        order.append(spec.terms[(best ^ here).bit_length() - 1])
        here = best
    table = pd.DataFrame(rows, index=pd.RangeIndex(n + 1, name="terms"))
    table.insert(0, "added", ["", *order])
    table["as good"] = table["log score"] > -np.maximum(table["SE"], SMALL)
    return Projection(table, tuple(order))


def _row(model: Model, reference: np.ndarray, phi: np.ndarray) -> dict[str, float]:
    """Return what is said of one projected sub-model."""
    valid, choices = model.sessions.valid, np.maximum(model.sessions.choices, 0)
    ours = np.log(_probabilities(model, phi))
    theirs = np.log(reference)
    divergence = np.where(valid, (reference * (theirs - ours)).sum(-1), 0.0).sum()
    gain = np.take_along_axis(ours - theirs, choices[..., None], -1)[..., 0]
    by_animal = np.where(valid, gain, 0.0).sum(1)
    se = np.sqrt(len(by_animal) * by_animal.var(ddof=1)) if len(by_animal) > 1 else np.nan
    return {"divergence": divergence, "log score": by_animal.sum(), "SE": se}


def _probabilities(model: Model, phi: np.ndarray) -> np.ndarray:
    values = split_groups(model, jnp.asarray(phi))
    return np.asarray(cast(Choice, model.padded_distribution(values)).probs)
