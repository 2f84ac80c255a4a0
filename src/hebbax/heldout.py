"""Choices that no fit has seen: the first part of every session trains, the rest is predicted.

The prediction is one step ahead: parameters come from the first part alone, and every held-out
choice is predicted given the recorded trials before it. Two ways to have weights there:

- ``carried``: the recorded session is replayed from its beginning, so that weights, E[R] and the
  last choice are those of the animal at that trial;
- ``reset``: the held-out part is a session of its own, and all three start anew.

Two densities of an animal's T held-out choices, in nats, with draws s of the training posterior:

    trial by trial    sum_t log mean_s P(choice_t | s)      what leave-one-out would be compared to
    jointly           log mean_s prod_t P(choice_t | s)     parameters go on learning from choices

The yardsticks are the `null` model, whose constant preference is learnt from the first part too,
and a fair coin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import arviz as az
import numpy as np
import pandas as pd
from scipy.special import logsumexp
from scipy.stats import bootstrap

from hebbax.data import Sessions, compact, data_hash, first_trials, observation_index, split
from hebbax.errors import FitError
from hebbax.inference import stopped
from hebbax.model import build_model
from hebbax.posterior import pointwise_log_likelihood, spec_of
from hebbax.spec import ModelSpec
from hebbax.typing import Key

Weights = Literal["carried", "reset"]

INTERVAL = 0.9
"""Probability of the interval of a median over animals."""


@dataclass(frozen=True)
class Heldout:
    """Predicted choices.

    Attributes:
        log_p: ``(chain, draw, observation)`` log P of each held-out choice given a draw, in nats.
        animal: ``(observation,)`` index of its animal.
        animals: names of the animals.
        n_stimuli: number of alternatives.
    """

    log_p: np.ndarray
    animal: np.ndarray
    animals: tuple[str, ...]
    n_stimuli: int

    @property
    def chains(self) -> list["Heldout"]:
        """What each chain predicts on its own: where chains do not meet, how far that matters."""
        return [replace(self, log_p=one[None]) for one in self.log_p]


class Gain(NamedTuple):
    """How much better one prediction is than another, animals being the unit.

    ``total`` nats of all animals and its standard error over them, their ``median`` and the ends of
    its 90 % bootstrap interval, and the number of animals that are predicted ``better``.
    """

    total: float
    total_se: float
    median: float
    low: float
    high: float
    better: int


def predict(
    posterior: az.InferenceData,
    sessions: Sessions,
    weights: Weights,
    *,
    without: tuple[str, ...] = (),
) -> Heldout:
    """Return the prediction of all choices after those that a posterior has seen.

    ``sessions`` are the whole ones, of whose beginnings (`hebbax.data.split`) the posterior is.
    Groups named in ``without``, such as ``"preference"``, are set to zero in every draw: what the
    prediction owes to them, everything else being as it was fitted. Raises `FitError` where the
    posterior is of other trials, or has no such group.
    """
    known = posterior.constant_data
    animal, trial = np.asarray(known["animal_index"]), np.asarray(known["trial"])
    seen = np.zeros(len(posterior.posterior["animal"]), dtype=int)
    np.maximum.at(seen, animal, trial)
    fits = seen.shape == sessions.n_trials.shape and (seen < sessions.n_trials).all()
    if not fits or posterior.attrs["data_hash"] != data_hash(compact(split(sessions, seen)[0])):
        raise FitError(
            f"{posterior.attrs['model']}: was not fitted to the first trials of {sessions.source}; "
            "give the whole sessions of the same animals."
        )
    spec = spec_of(posterior)
    names = [group.name for group in build_model(spec, sessions).groups]
    for name in without:
        if name not in names:
            known = ", ".join(names)
            raise FitError(f'{spec.name}: no group "{name}" to leave out; it has {known}.')
    values = {name: np.asarray(posterior.posterior[name]) * (name not in without) for name in names}
    return predict_from(spec, sessions, values, seen, weights)


def predict_from(
    spec: ModelSpec,
    sessions: Sessions,
    values: Mapping[str, np.ndarray],
    seen: np.ndarray,
    weights: Weights,
) -> Heldout:
    """Return the prediction of all choices after trial ``seen`` (animal,) of each session.

    ``values`` are those of each animal by group name ``(chain, draw, animal, ...)``; a point
    estimate is one draw of one chain.
    """
    rest = split(sessions, seen)[1]
    model = build_model(spec, sessions if weights == "carried" else rest)
    animal = observation_index(model.sessions)[0]
    log_p = pointwise_log_likelihood(model, values)
    if weights == "carried":
        after = model.trials > seen[animal]
        log_p, animal = log_p[..., after], animal[after]
    return Heldout(log_p, animal, sessions.animals, sessions.n_stimuli)


def published(
    key: Key,
    spec: ModelSpec,
    sessions: Sessions,
    fractions: Sequence[float],
    settings: stopped.Settings,
) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Return the published fit (`hebbax.inference.stopped`) to the first part of every session, for
    each fraction: the trials ``seen`` (animal,) and the values that `predict_from` takes."""
    parts = np.stack([first_trials(sessions, fraction) for fraction in fractions])
    found, _ = stopped.fit(key, build_model(spec, sessions), settings, parts=parts)
    return [
        (seen, {name: np.asarray(value)[None, k : k + 1] for name, value in found.items()})
        for k, seen in enumerate(parts)
    ]


def scores(heldout: Heldout) -> pd.DataFrame:
    """Return one row an animal: number of ``choices``, their log density ``trial by trial`` and
    ``jointly`` in nats, that of a fair ``coin``, and the ``percent`` of its deviance that the first
    explains, 100 (1 - D / D_coin)."""
    size = len(heldout.animals)
    flat = heldout.log_p.reshape(-1, heldout.log_p.shape[-1])
    each = logsumexp(flat, axis=0) - np.log(len(flat))
    sums = np.stack([np.bincount(heldout.animal, draw, minlength=size) for draw in flat])
    choices = np.bincount(heldout.animal, minlength=size)
    density = np.bincount(heldout.animal, each, minlength=size)
    coin = -choices * np.log(heldout.n_stimuli)
    return pd.DataFrame(
        {
            "choices": choices,
            "trial by trial": density,
            "jointly": logsumexp(sums, axis=0) - np.log(len(flat)),
            "coin": coin,
            "percent": 100.0 * (1.0 - density / coin),
        },
        index=pd.Index(heldout.animals, name="animal"),
    )


def gain(ours: np.ndarray, theirs: np.ndarray) -> Gain:
    """Return by how much one score ``(animal,)`` exceeds another, summed and in the median."""
    difference = np.asarray(ours) - np.asarray(theirs)
    n = len(difference)
    drawn = bootstrap(
        (difference,),
        np.median,
        confidence_level=INTERVAL,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return Gain(
        total=float(difference.sum()),
        total_se=float(np.sqrt(n * difference.var(ddof=1))),
        median=float(np.median(difference)),
        low=float(drawn.confidence_interval.low),
        high=float(drawn.confidence_interval.high),
        better=int((difference > 0).sum()),
    )
