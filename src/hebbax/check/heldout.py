"""Trials that no fit has seen: the first of every animal's trials train, the rest is predicted.

The prediction is one step ahead: parameters come from the first part alone, and every held-out
trial is predicted given the recorded ones before it. Two ways to have weights there:

- ``carried``: the recorded session is replayed from its beginning, so that weights, E[R] and the
  last choice are those of the animal at that trial;
- ``reset``: the held-out part is a session of its own, and all three start anew.

Two densities of an animal's held-out trials t, in nats, with draws s of the training posterior, of
the choice in each or, under ``encounter``, of its encounters:

    trial by trial    sum_t log mean_s P(trial_t | s)      what leave-one-out would be compared to
    jointly           log mean_s prod_t P(trial_t | s)     parameters go on learning from trials

The yardsticks are `no-learning`, whose constant preference is learnt from the first part too,
and a fair coin (`hebbax.model.likelihood.chance`): even odds of all alternatives at each choice, or
under ``encounter`` of accepting and rejecting at each encounter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import bootstrap

from hebbax.check.score import standard_error
from hebbax.data import Sessions, data_hash, first_trials, split
from hebbax.errors import FitError
from hebbax.mehta2024 import stopped
from hebbax.model.choices import build_model
from hebbax.model.likelihood import chance
from hebbax.model.spec import ModelSpec
from hebbax.posterior import learning
from hebbax.posterior.computed import pointwise_log_likelihood
from hebbax.posterior.diagnostics import verdict_of
from hebbax.posterior.inference_data import spec_of
from hebbax.posterior.observed import Observed, observed
from hebbax.posterior.stored import CHECKED, check_groups
from hebbax.posterior.verdict import Verdict, marked
from hebbax.typing import Key

Weights = Literal["carried", "reset"]

INTERVAL = 0.9
"""Probability of the interval of a median over animals."""


@dataclass(frozen=True)
class Heldout:
    """Predicted trials.

    Attributes:
        log_p: ``(chain, draw, observation)`` log P of each held-out trial given a draw, in nats.
        coin: ``(observation,)`` the same of a fair coin.
        chosen: ``(observation,)`` whether it has a choice; under ``encounter`` some have none.
        animal: ``(observation,)`` index of its animal.
        animals: names of the animals.
        observed: what is predicted (`hebbax.posterior.observed`).
        data: hash of the sessions that it is a part of.
        verdict: on the posterior that predicts; None for a point estimate.
    """

    log_p: np.ndarray
    coin: np.ndarray
    chosen: np.ndarray
    animal: np.ndarray
    animals: tuple[str, ...]
    observed: Observed
    data: str
    verdict: Verdict | None = None

    @property
    def chains(self) -> list["Heldout"]:
        """What each chain predicts on its own: where chains do not meet, how far that matters."""
        return [replace(self, log_p=one[None]) for one in self.log_p]


@dataclass(frozen=True)
class Scores:
    """Scores of held-out trials, and what they are densities of.

    Attributes:
        table: one row an animal: number of ``choices``, the log density of its trials ``trial by
            trial`` and ``jointly`` in nats, that of a fair ``coin``, and the ``percent`` of the
            coin's deviance that the first explains, 100 (1 - D / D_coin); with the ``diagnostics``
            of the posterior that predicts.
        observed: what is predicted (`hebbax.posterior.observed`).
        data: hash of the sessions that it is a part of.
        verdict: on the posterior that predicts; None for a point estimate.
    """

    table: pd.DataFrame
    observed: Observed
    data: str
    verdict: Verdict | None = None

    @property
    def over_coin(self) -> "Gain":
        """By how much the trials are predicted better than by a fair coin, trial by trial."""
        table = self.table[self._predicted]
        found = gain(table["trial by trial"].to_numpy(), table["coin"].to_numpy())
        return found._replace(diagnostics=_worse(self.verdict))

    @property
    def _predicted(self) -> pd.Series:
        """The animals of which something was held out: chance has a log density of it."""
        return self.table["coin"] != 0.0

    def gain(self, other: "Scores", column: str = "trial by trial") -> "Gain":
        """Return by how much these scores exceed others of the same trials.

        Raises `FitError` where the one are of choices and the others of encounters, or they are of
        other trials or another recording.
        """
        one, two = self.observed, other.observed
        if one.likelihood != two.likelihood:
            raise FitError(
                f"one score is {one.words} and the other {two.words}: they cannot be compared; "
                'give predictions of models with the same "likelihood".'
            )
        if one != two or self.data != other.data:
            raise FitError(
                f"one score is {one.words} and the other {two.words}, of other trials or another "
                "recording: they cannot be compared; give predictions of the same trials."
            )
        own, its = (table.loc[self._predicted, column] for table in (self.table, other.table))
        found = gain(own.to_numpy(), its.to_numpy())
        return found._replace(diagnostics=_worse(self.verdict, other.verdict))


class Gain(NamedTuple):
    """How much better one prediction is than another, animals being the unit.

    ``total`` nats of all animals and its standard error over them, their ``median`` and the ends of
    its 90 % bootstrap interval, and the number of animals that are predicted ``better``. Of scores
    of posteriors ``diagnostics`` says the worst of their grades.
    """

    total: float
    total_se: float
    median: float
    low: float
    high: float
    better: int
    diagnostics: str = ""


def predict(
    posterior: xr.DataTree,
    sessions: Sessions,
    weights: Weights,
    *,
    without: tuple[str, ...] = (),
    verdict: Verdict | None = None,
) -> Heldout:
    """Return the prediction of all trials after those that a posterior has seen.

    ``sessions`` are the whole ones, of whose beginnings (`hebbax.data.split`) the posterior is.
    Groups named in ``without``, such as ``"preference"``, are set to zero in every draw: what the
    prediction owes to them, everything else being as it was fitted. A posterior whose ``verdict``
    is known already is not diagnosed again. Raises `FitError` where the posterior lacks a group or
    holds what is no number, is of other trials, or has no such group of values.
    """
    check_groups(posterior, CHECKED, str(posterior.attrs["model"]))
    seen = np.asarray(posterior.constant_data["n_trials"])
    fits = seen.shape == sessions.n_trials.shape and (seen < sessions.n_trials).all()
    if not fits or posterior.attrs["data_hash"] != data_hash(split(sessions, seen)[0]):
        raise FitError(
            f"{posterior.attrs['model']}: was not fitted to the first trials of {sessions.source}; "
            "give the whole sessions of the same animals."
        )
    spec = spec_of(posterior)
    names = [group.name for group in build_model(spec, sessions).groups]
    # A parameter with a range has its prior median at zero, and is there still: so has a rule of
    # parameters.
    ranged = {*learning.RANGED, "theta"} if spec.parameters else learning.RANGED
    known = [name for name in names if name not in ranged]
    for name in without:
        if name not in known:
            raise FitError(
                f'{spec.name}: no group "{name}" to leave out; it has {", ".join(known)}.'
            )
    values = {name: np.asarray(posterior.posterior[name]) * (name not in without) for name in names}
    found = predict_from(spec, sessions, values, seen, weights)
    return replace(found, verdict=verdict_of(posterior, verdict))


def predict_from(
    spec: ModelSpec,
    sessions: Sessions,
    values: Mapping[str, np.ndarray],
    seen: np.ndarray,
    weights: Weights,
) -> Heldout:
    """Return the prediction of all trials after trial ``seen`` (animal,) of each session.

    ``values`` are those of each animal by group name ``(chain, draw, animal, ...)``; a point
    estimate is one draw of one chain.
    """
    rest = split(sessions, seen)[1]
    model = build_model(spec, sessions if weights == "carried" else rest)
    animal, trial = model.index
    # Reset, the session is the held-out part itself, counted from its own first trial.
    after = model.trials > (seen[animal] if weights == "carried" else 0)
    held = model.observed[after]
    all_offered = model.sessions.offered
    offered = None if all_offered is None else all_offered[animal, trial][after]
    return Heldout(
        log_p=pointwise_log_likelihood(model, values)[..., after],
        coin=chance(spec.likelihood, held, sessions.n_stimuli, offered),
        chosen=model.sessions.valid[animal, trial][after],
        animal=animal[after],
        animals=sessions.animals,
        observed=observed(spec.likelihood, held, animal[after], sessions.animals),
        data=data_hash(sessions),
    )


def published(
    key: Key,
    spec: ModelSpec,
    sessions: Sessions,
    fractions: Sequence[float],
    settings: stopped.Settings,
) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Return the published fit (`hebbax.mehta2024.stopped`) to the first of every animal's trials,
    for each fraction: the trials ``seen`` (animal,) and the values that `predict_from` takes."""
    parts = np.stack([first_trials(sessions, fraction) for fraction in fractions])
    found, _ = stopped.fit(key, build_model(spec, sessions), settings, parts=parts)
    return [
        (seen, {name: np.asarray(value)[None, k : k + 1] for name, value in found.items()})
        for k, seen in enumerate(parts)
    ]


def trial_by_trial(heldout: Heldout) -> np.ndarray:
    """Return the log density of each held-out trial ``(observation,)``, the mean over draws."""
    flat = heldout.log_p.reshape(-1, heldout.log_p.shape[-1])
    return logsumexp(flat, axis=0) - np.log(len(flat))


def scores(heldout: Heldout) -> Scores:
    """Return the scores of predicted trials, by animal."""
    size = len(heldout.animals)
    flat = heldout.log_p.reshape(-1, heldout.log_p.shape[-1])
    each = trial_by_trial(heldout)
    sums = np.stack([np.bincount(heldout.animal, draw, minlength=size) for draw in flat])
    choices = np.bincount(heldout.animal, heldout.chosen, minlength=size).astype(int)
    density = np.bincount(heldout.animal, each, minlength=size)
    coin = np.bincount(heldout.animal, heldout.coin, minlength=size)
    table = pd.DataFrame(
        {
            "choices": choices,
            "trial by trial": density,
            "jointly": logsumexp(sums, axis=0) - np.log(len(flat)),
            "coin": coin,
            "percent": 100.0 * (1.0 - density / coin),
        },
        index=pd.Index(heldout.animals, name="animal"),
    )
    if heldout.verdict is not None:
        table = marked(table, heldout.verdict)
    return Scores(table, heldout.observed, heldout.data, heldout.verdict)


def _worse(*verdicts: Verdict | None) -> str:
    """Return the worst of some verdicts in a word, nothing where no posterior was diagnosed."""
    known = [verdict for verdict in verdicts if verdict is not None]
    return min(known, key=lambda one: (one.usable, one.passed)).word if known else ""


def gain(ours: np.ndarray, theirs: np.ndarray) -> Gain:
    """Return by how much one score ``(animal,)`` exceeds another of the same observations
    (`Scores.gain` asks whether they are), summed and in the median; of one animal alone its errors
    are missing."""
    difference = ours - theirs
    low = high = np.nan
    if not len(difference):
        return Gain(total=0.0, total_se=np.nan, median=np.nan, low=low, high=high, better=0)
    if len(difference) > 1:
        low, high = bootstrap(
            (difference,),
            np.median,
            confidence_level=INTERVAL,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
    return Gain(
        total=float(difference.sum()),
        total_se=standard_error(difference),
        median=float(np.median(difference)),
        low=float(low),
        high=float(high),
        better=int((difference > 0).sum()),
    )
