"""Model recovery: simulate from every model, fit every model, and see which is taken for which.

Each cohort has its truth drawn from the prior of one model. Every model is then sampled, and judged
by its log evidence (bridge sampling, `hebbax.inference.pseudo_marginal.evidence`) and by LOO
(`hebbax.check.leave_one_out`). Source: Wilson & Collins (2019), confusion and inversion.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from arviz_base import from_dict
from scipy.special import softmax
from scipy.stats import binom

from hebbax.check import calibration, repeated_fits
from hebbax.check.leave_one_out import leave_one_out, scored
from hebbax.check.prior_predictive import Lived, generator, recorded, template
from hebbax.check.sbc import Settings, reasons
from hebbax.data import Sessions
from hebbax.errors import HebbaxError, ModelError
from hebbax.inference import pseudo_marginal
from hebbax.inference.convergence import convergence
from hebbax.inference.density import log_likelihood
from hebbax.inference.pseudo_marginal.animal import frame_of
from hebbax.inference.pseudo_marginal.evidence import Evidence, has_evidence
from hebbax.inference.pseudo_marginal.mixture import WHOLE
from hebbax.inference.pseudo_marginal.population import prior_of
from hebbax.model.choices import Model, build_model
from hebbax.model.spec import ModelSpec
from hebbax.model.trials import Design
from hebbax.posterior.inference_data import Posterior, coordinates, variable_dims
from hebbax.posterior.observed import site_of
from hebbax.runs import files, workers
from hebbax.runs.ledger import Ledger
from hebbax.typing import Array, Key, Parameters, Progress, silent

APART = 0.75
"""Two models of which the right one is found less often cannot be told apart; chance is 0.5."""

POPULATIONS = 500
"""Draws of the mixture that the evidence of a fit is bridged to."""

CRITERIA = {"evidence": "evidence", "LOO": "elpd"}
"""Column that decides, by the name of the criterion."""


class Judged(NamedTuple):
    """What a fit says of a data set: the ``values`` of the draws by site, log P of each observation
    ``log_likelihood`` (chain, draw, observation), the part of the proposals ``accepted``, and the
    ``evidence``."""

    values: Parameters
    log_likelihood: Array
    accepted: float
    evidence: Evidence


@dataclass(frozen=True)
class Program:
    """A model with its compiled simulator and judge; data sets are arguments of the judge."""

    model: Model
    live: Callable[[Key], Lived]
    judge: Callable[[Key, Design, Array], Judged]


@dataclass(frozen=True)
class Recovery:
    """Which model is taken for which.

    Attributes:
        table: one row a data set and fitted model: ``simulation``, ``true``, ``fitted``,
            ``evidence``, its ``error`` and ``elpd`` in nats, and the sampler's diagnostics.
        confusion: by criterion, the fraction of data sets of each true model (row) in which each
            model (column) is best.
        inversion: by criterion, the probability of each true model (row) where a model (column) is
            best, all models equally likely beforehand.
        pairs: one row a pair of models: how often the right one of the two is better, by each
            criterion, with the number ``n`` of data sets.
        reliability: of the models' posterior probabilities by evidence.
    """

    table: pd.DataFrame
    confusion: dict[str, pd.DataFrame]
    inversion: dict[str, pd.DataFrame]
    pairs: pd.DataFrame
    reliability: calibration.Reliability

    @property
    def sentence(self) -> str:
        """The answer in words."""
        right = " and ".join(
            f"{np.nanmean(np.diagonal(found)):.0%} by {name}"
            for name, found in self.confusion.items()
        )
        head = (
            f"Of {self.table['simulation'].nunique()} cohorts the true model is found in {right}."
        )
        return " ".join([head, self._together, self.reliability.sentence, *self._fits])

    @property
    def _together(self) -> str:
        found = self.pairs[list(self.confusion)]
        best = found.max(axis=1).sort_values()
        alike = best.index[best < APART]
        if alike.empty:
            n = int(self.pairs["n"].min())
            most = int(self.pairs["n"].max())
            chance = binom.sf(np.ceil(APART * n) - 1, n, 0.5)
            of = f"{n}" if n == most else f"{n} to {most}"
            return (
                f"Of every two models the right one is found in {APART:.0%} or more of their {of} "
                f"cohorts, by the better of both criteria (by chance in {chance:.2g} of such "
                "experiments, by each)."
            )
        words = []
        for first, second in alike:
            right = found.loc[(first, second)]
            each = ", ".join(f"{value:.0%} by {name}" for name, value in right.items())
            words.append(f"{first} and {second} ({each})")
        return (
            f"This experiment cannot tell apart {'; '.join(words)}: in brackets how often the "
            "right one of the two is found."
        )

    @property
    def _fits(self) -> list[str]:
        """What is wrong with some of the fits."""
        n, failed = len(self.table), self.table["failed"].notna().sum()
        unknown = self.table["evidence"].isna().sum()
        said = [f"{failed} of {n} fits failed their diagnostics; they are counted in."]
        said += [
            f"{unknown} of {n} fits have no evidence, for few draws carry it: their cohorts are "
            "left out of what is said by evidence."
        ]
        return [words for words, found in zip(said, (failed, unknown), strict=True) if found]


def check(specs: Sequence[ModelSpec], settings: Settings) -> None:
    """Raise `HebbaxError` where models cannot be compared by evidence."""
    names = [spec.name for spec in specs]
    for k, spec in enumerate(specs):
        if spec.name in names[:k]:
            raise HebbaxError(f"{spec.name}: is given twice; each model may stand once.")
        if spec.by:
            raise ModelError(f"{spec.name}: models with covariates are not told apart here.")
        if spec.likelihood != specs[0].likelihood:
            raise ModelError(
                f"{specs[0].name} and {spec.name} speak of different data ({specs[0].likelihood} "
                f"and {spec.likelihood}); compare models of the same."
            )
        model = template(spec, settings.animals, settings.task)
        frame = frame_of(model)
        if not has_evidence(frame, prior_of(model)):
            raise ModelError(
                f"{spec.name}: models are told apart by evidence, which is there for priors "
                f"without scales of their own and at most {WHOLE} values an animal; it has "
                f'prior = "{spec.prior}" and {frame.n_members}.'
            )


@lru_cache(maxsize=16)
def program(spec: ModelSpec, settings: Settings) -> Program:
    """Return the compiled simulator and judge of a model."""
    model = template(spec, settings.animals, settings.task)

    def pointwise(own: Model, values: Parameters) -> Array:
        return log_likelihood(own, {group.name: values[group.name] for group in own.groups})

    look = repeated_fits.looking(model, pointwise)

    def judge(key: Key, design: Design, observed: Array) -> Judged:
        fitted = model.recorded(design, observed)
        values, info = pseudo_marginal.fit(key, fitted, settings.sampler)
        draws = jax.tree.map(jnp.asarray, values)
        accepted = float(info.acceptance_rate.mean())
        return Judged(draws, look(design, observed, draws), accepted, info.evidence)

    return Program(model, generator(model, settings.task), judge)


def simulate(
    specs: tuple[ModelSpec, ...], settings: Settings, simulation: int
) -> tuple[list[dict[str, Any]]]:
    """Return the rows of one data set, numbered from 0, the true models taking turns."""
    true = specs[simulation % len(specs)]
    key = jax.random.fold_in(jax.random.PRNGKey(settings.seed), simulation)
    live_key, *fit_keys = jax.random.split(key, 1 + len(specs))
    lived = jax.device_get(program(true, settings).live(live_key))
    sessions = recorded(lived.session, settings.task, true)
    judged = {
        spec.name: _judge(own, spec, settings, sessions)
        for spec, own in zip(specs, fit_keys, strict=True)
    }
    loo = {
        name: leave_one_out(scored(stored, stored.log_likelihood[site_of(stored)]))
        for name, (_, stored) in judged.items()
    }
    return (
        [
            {
                "simulation": simulation,
                "true": true.name,
                "fitted": name,
                **row,
                "elpd": loo[name].elpd,
                "worst k": float(loo[name].k.max()),
            }
            for name, (row, _) in judged.items()
        ],
    )


def _judge(
    key: Key, spec: ModelSpec, settings: Settings, sessions: Sessions
) -> tuple[dict[str, Any], Posterior]:
    """Return evidence and diagnostics of a fit, and what leave-one-out reads of it."""
    model = build_model(spec, sessions)
    made = program(spec, settings).judge(key, model.design, jnp.asarray(model.observed))
    judged = jax.device_get(made)
    draws = np.concatenate(
        [value.reshape(*value.shape[:2], -1) for value in judged.values.values()], axis=-1
    )
    sampler = convergence(draws)

    stored = from_dict(
        {
            "posterior": judged.values,
            "log_likelihood": {model.site: judged.log_likelihood},
        },
        coords=coordinates(model),
        dims=variable_dims(model),
    )
    sampler["accepted"] = judged.accepted
    found = judged.evidence
    row = {"evidence": found.log_evidence, "error": found.error, **sampler}
    return {**row, "failed": "; ".join(reasons(sampler, settings))}, stored


def path(folder: Path) -> Path:
    """Return where the data sets of a recovery lie in a folder."""
    return folder / "recovery.csv"


def recover(
    specs: Sequence[ModelSpec],
    settings: Settings,
    simulations: int,
    folder: Path,
    staff: workers.Workers | None = None,
    progress: Progress = silent,
    *,
    anew: bool = False,
) -> Recovery:
    """Return what ``simulations`` of each model say, taking those in the folder from there, if not
    ``anew``.

    Written are ``recovery.csv`` (`Recovery.table`), each data set as soon as it is judged, and in
    the end ``recovery_<criterion>.csv`` with confusion and inversion, ``recovery_pairs.csv`` and
    ``recovery_reliability.csv``. Raises `HebbaxError` where models cannot be compared, or the data
    sets in the folder were made with other settings.
    """
    sampler = replace(settings.sampler, evidence=POPULATIONS)
    settings, models = replace(settings, sampler=sampler), tuple(specs)
    check(models, settings)
    ledger = Ledger(path(folder), ("simulation",), (models, settings), anew=anew)
    total = simulations * len(models)
    work = partial(simulate, models, settings)
    workers.fill([ledger], "simulation", total, work, staff or workers.Workers(), progress)
    found = summarise(ledger.arrange().query(f"simulation < {total}"))
    tables = {"recovery_reliability": found.reliability.table.set_index("from")}
    tables["recovery_pairs"] = found.pairs
    for name, confusion in found.confusion.items():
        both = {"confusion": confusion, "inversion": found.inversion[name]}
        tables[f"recovery_{name.lower()}"] = pd.concat(both, names=["matrix", "true"])
    files.write_tables(tables, folder, HebbaxError, float_format="%.6g")
    return found


def summarise(table: pd.DataFrame) -> Recovery:
    """Return which model is taken for which, from one row a data set and fitted model."""
    names = list(dict.fromkeys(table["fitted"]))
    true = table.groupby("simulation")["true"].first()
    scores = {  # where one model has no score nothing is known of which is the best
        name: table.pivot(index="simulation", columns="fitted", values=column)[names].dropna()
        for name, column in CRITERIA.items()
    }
    if scores["evidence"].empty:
        raise HebbaxError(
            "recovery: in no cohort does every model have an evidence, since too few draws carry "
            "it; ask for more --draws."
        )
    confusion, inversion = {}, {}
    for name, score in scores.items():
        best = score.idxmax(axis=1)
        counts = pd.crosstab(true[best.index], best).reindex(index=names, columns=names)
        counts = counts.fillna(0.0).rename_axis(index="true", columns=None)
        confusion[name] = counts.div(counts.sum(axis=1), axis=0)
        inversion[name] = confusion[name] / confusion[name].sum(axis=0)
    probabilities = softmax(scores["evidence"].to_numpy(), axis=1)
    truth = true[scores["evidence"].index].to_numpy()[:, None] == np.array(names)
    return Recovery(
        table,
        confusion,
        inversion,
        _pairs(scores, true),
        calibration.reliability(probabilities, truth),
    )


def _pairs(scores: dict[str, pd.DataFrame], true: pd.Series) -> pd.DataFrame:
    """Return how often the right one of two models is better, on the data sets of the two."""
    rows = {}
    for first, second in itertools.combinations(next(iter(scores.values())).columns, 2):
        own = true[true.isin([first, second])]
        known = {name: score[score.index.isin(own.index)] for name, score in scores.items()}
        right = {
            name: ((score[first] > score[second]) == (own[score.index] == first)).mean()
            for name, score in known.items()
        }
        rows[first, second] = {**right, "n": min(map(len, known.values()))}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index=["first", "second"])
