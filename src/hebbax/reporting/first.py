"""The first screen of a report, the question and its answer; and behind it the answer in detail."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from hebbax import figures
from hebbax.check.comparison import CHOICE, NEW_ANIMAL, SESSION, Comparison
from hebbax.check.joint import SUBJECTS, Averaged, Joint, averaged
from hebbax.check.predictive import SUSPICIOUS
from hebbax.check.score import Score
from hebbax.data.description import Description
from hebbax.posterior import inference_data as posteriors
from hebbax.posterior import power_scaling
from hebbax.posterior.fading import fading_of_animals
from hebbax.posterior.forgetting import SURE, remembered
from hebbax.reporting.page import Beside, Items, Part, Section, Table, Text, Tone
from hebbax.reporting.pictures import Draw, pictures
from hebbax.reporting.study import Study
from hebbax.rule.fading import PERCENT
from hebbax.runs.attempts import Failed, attempt

QUESTION = (
    "Is there active forgetting in what the animals learn: what fades, how fast, in whom, how "
    "sure, and would another animal?"
)

FADES = [
    *("as_good", "unchosen_median", "unchosen_low", "unchosen_high", "unchosen_probability"),
    *("chosen_median", "chosen_low", "chosen_high", "chosen_probability", "grade"),
]
"""Columns of what models say together that are of fading."""

WEIGHTS = {
    "as_good": "as_good",
    "weight": "weight of the model",
    "probability": "probability of the model",
    "probability_se": "probability_se",
    "log_evidence": "log_evidence",
    "log_evidence_se": "log_evidence_se",
    "grade": "grade",
}
"""Columns that are of the models' weights, and what they are called in a report."""


class _Question(NamedTuple):
    """What models are compared by: the title of its table, the kind of its picture."""

    title: str
    picture: str


QUESTIONS = {
    NEW_ANIMAL: _Question(
        "A new animal: log probability of all its choices, each animal left out", "new animal"
    ),
    SESSION: _Question(
        "A session of a known animal: log probability of its choices, each session left out",
        "known session",
    ),
    CHOICE: _Question(
        "A choice among known ones: expected log predictive density by LOO and WAIC", "comparison"
    ),
}
"""Questions by the name of their table, in the order of a report."""

WHOSE = {"unchosen": "stimuli not chosen", "chosen": "the chosen stimulus"}
"""Whose weight is remembered, in a few words."""

WHICH = (
    "Which model holds for a new animal is said by the difference and its standard error over "
    "animals: models within two of these, or within 4 nats, are not told apart, and the answer is "
    "what they share. "
    "The stacking weight is for averaging what models predict. The posterior probability is that "
    'of a model if one of them is true, and leans on priors. The documentation has more: "Which '
    'score answers my question?" on the page "Fitting, diagnostics and comparison".'
)
"""What each number of a model is for."""

LOSSES = {
    "loss of a weight (%)": tuple(SUBJECTS),
    "loss of every other weight (%)": ("unchosen",),
    "loss of the chosen weight (%)": ("chosen",),
}
"""Kinds of weights whose true loss is in a row of the table of the truth."""


def screen(
    study: Study,
    answer: str,
    truth: pd.DataFrame | Failed | None,
    folder: Path,
    failures: Sequence[Failed],
) -> Section:
    """Return the first screen: question, answer, one picture, what was read, what could not be
    said."""
    parts: list[Part] = [Text(QUESTION, Tone.QUESTION), Text(answer, Tone.ANSWER)]
    if isinstance(study.joint, Joint):
        found, animals = study.joint, attempt("The losses of animals", partial(_animals, study))
        drawn = None if isinstance(animals, Failed) else animals
        score = None if isinstance(study.compared, Failed) else study.compared.scores[0]
        n = _choosing(study.posteriors[study.leading])
        size = attempt("What the answer rests on", partial(rests_on, found, drawn, score, n))
        parts += [Text(one) for one in (size, animals) if one is size or isinstance(one, Failed)]
        parts += pictures(folder, "", {"fading": partial(_fading, found, drawn, truth)})
    read = attempt(
        "What was read",
        partial(posteriors.description_of, study.posteriors[study.ranking[0]]),
    )
    parts.append(Beside([_read(read), _unsaid(study, read, failures)]))
    return Section("The answer", parts)


def _animals(study: Study) -> figures.Animals | None:
    """Return what weights of each animal lose by the model that leads; None where it failed, or
    learns nothing."""
    name = study.leading
    each = fading_of_animals(study.posteriors[name]) if study.trusted else {}
    losses = {
        kind: {animal: averaged(own.of(kind)) for animal, own in each.items()} for kind in SUBJECTS
    }
    return figures.Animals(name, losses) if each else None


def _choosing(posterior: xr.DataTree) -> int:
    """Return of how many animals there is a free choice."""
    return len(np.unique(posterior.constant_data["animal_index"]))


def rests_on(found: Joint, animals: figures.Animals | None, score: Score | None, n: int) -> str:
    """Return the answer in trials, how many animals ``n`` it rests on, in which of them weights
    fade slowest and fastest, and how far behind the models are that it is taken from."""
    of_all = f"{n} animal{'s' if n > 1 else ''}"
    said = [f"This rests on {of_all}"]
    shown = found.models[found.models["as_good"].astype(bool)]
    lost = {
        kind: one
        for kind, one in found.averaged.items()
        if (shown[f"{kind}_probability"].fillna(1.0) > SURE).all()  # without one it is declared
    }
    if lost:
        whose = {_memory(one): WHOSE[kind] for kind, one in lost.items()}
        alike = len(lost) == len(SUBJECTS) and len(whose) == 1
        kept = [m if alike else f"{m} for {of}" for m, of in whose.items()]
        said[0] = f"That is a memory of {' and of '.join(kept)}, from {of_all}"
    if animals is not None:
        # What the chosen weight loses may be learning: of a delta rule it is the learning rate.
        for kind in [kind for kind in lost if kind == "unchosen" and n > 1]:
            said.append(f"{_in_whom(animals, kind)}, by {animals.model}")
    if score is not None and len(score.as_good) > 1:
        last = score.table.loc[score.as_good[-1]]
        error = f" ± {last['animal_se']:z.1f}" if np.isfinite(last["animal_se"]) else ""
        said.append(
            f"of the models taken together {score.as_good[-1]} is furthest behind the best, by "
            f"{-last['difference']:z.1f}{error} nats"
        )
    return "; ".join(said) + "."


def _in_whom(animals: figures.Animals, kind: str) -> str:
    """Return in which animals weights of a kind fade slowest and fastest, and in how many they do
    not surely."""
    own, said = animals.losses[kind], f"weights of {WHOSE[kind]} fade"
    order = [name for name in animals.sorted(kind) if own[name].probability > SURE]
    if not order:
        return f"{said} surely in no animal for itself"
    slow, fast = (f"{own[name].median:z.1f} % a trial" for name in (order[0], order[-1]))
    others = len(own) - len(order)
    unsure = f", and not surely in {others} of {len(own)}" if others else ""
    if len(order) == 1:
        return f"{said} surely in {order[0]} alone ({slow})"
    return f"{said} slowest in {order[0]} ({slow}) and fastest in {order[-1]} ({fast}){unsure}"


def _memory(one: Averaged) -> str:
    """Return the memory that a loss in % stands for, with its interval, in words."""
    return remembered(*(loss / PERCENT for loss in (one.low, one.median, one.high)))


def _fading(
    found: Joint, animals: figures.Animals | None, truth: pd.DataFrame | Failed | None
) -> Figure:
    """Draw what fades, how fast and in whom, by the model that leads."""
    known = None
    if isinstance(truth, pd.DataFrame):
        known = {
            kind: float(truth["truth"][row])
            for row, kinds in LOSSES.items()
            if row in truth.index
            for kind in kinds
        }
    return figures.fading(found, animals, known)


def _read(read: Description | Failed) -> Text | Items:
    """Return what was read, as it was said before the fits."""
    if isinstance(read, Failed):
        return Text(read)
    counts = [f"{what}: {how_many}" for what, how_many in read.counts.items()]
    return Items("What was read", [f"from {read.source}", *counts, *read.notes])


def _unsaid(study: Study, read: Description | Failed, failures: Sequence[Failed]) -> Items:
    """Return what failed, what was questioned, and what the leading model misses."""
    said = [f"{name}: {v.advised}" for name, v in study.verdicts.items() if not v.passed]
    if not isinstance(read, Failed):
        said += read.questions
    if not isinstance(study.compared, Failed):
        said += study.compared.doubts
    said += _by_priors(study)
    check = study.checks[study.leading]
    if not isinstance(check, Failed) and (check.cohort["p"] < SUSPICIOUS).any():
        said.append(check.sentence)
    said += list(dict.fromkeys(failed.sentence for failed in failures))
    title = "What could not be said"
    if not said:
        return Items(title, ["Nothing failed: every posterior passed its diagnostics."])
    return Items(title, said, Tone.WARNING)


def _by_priors(study: Study) -> list[str]:
    """Return what hangs on the prior in each model that did not fail, a sentence a model."""
    table = study.tables.get("sensitivity")
    if table is None or isinstance(table, Failed) or table.empty:
        return []
    own = {name: table[table.index.get_level_values("model") == name] for name in study.trusted}
    return [
        f"{name}: {power_scaling.sentence(rows.droplevel('model'))}"
        for name, rows in own.items()
        if (rows["diagnosis"] != power_scaling.NOTHING).any()
    ]


def detail(
    study: Study,
    others: Mapping[str, str],
    truth: pd.DataFrame | Failed | None,
    folder: Path,
) -> Section:
    """Return the answer in detail: all ``others`` of its sentences by what they are about, the
    comparison of models, its tables and pictures."""
    compared = study.compared
    tables: list[Table] = []
    said: list[Part] = [Text(text, about=about) for about, text in others.items()]
    if truth is not None:
        tables.append(Table("Truth and posterior of the simulated population", truth))
    if isinstance(study.joint, Joint):
        models = study.joint.models
        weights = models[list(WEIGHTS)].rename(columns=WEIGHTS)
        tables += [
            Table("What a weight loses in a trial, by each model", models[FADES], "fading.csv"),
            Table("Weights of the models", weights, "fading.csv"),
        ]
        said.append(Text(WHICH, about="Which number says what"))
    tables += [
        *_scores(compared),
        Table(
            "Statistics of the cohort that each model misses (predictive p < 0.05)",
            attempt("The table of what each model misses", partial(_missed, study)),
        ),
        Table(
            "Deviance explained by each model, in-sample (%)",
            study.tables["deviance"],
            "deviance.csv",
            folded=True,
        ),
    ]
    drawn: dict[str, Draw] = {
        QUESTIONS[name].picture: partial(figures.comparison, score)
        for name, score in _asked(compared).items()
    }
    return Section("In detail", [*said, *tables, *pictures(folder, "", drawn)])


def _asked(compared: Comparison | Failed) -> dict[str, Score]:
    """Return how the models answer each question of a report that is answered."""
    answered = {} if isinstance(compared, Failed) else compared.answered
    return {name: answered[name] for name in QUESTIONS if name in answered}


def _scores(compared: Comparison | Failed) -> list[Table]:
    """Return the table of each question that models are compared by, without the evidence."""
    if isinstance(compared, Failed):
        return [Table("The comparison of the models", compared)]
    evidence = ["log_evidence", "log_evidence_error"]
    return [
        Table(
            QUESTIONS[name].title,
            score.table.drop(columns=evidence, errors="ignore"),
            f"{name}.csv",
        )
        for name, score in _asked(compared).items()
    ]


def _missed(study: Study) -> pd.DataFrame:
    """Return how many statistics each model misses, a row a model and a column a kind of check."""
    rows: dict[str, Mapping[str, str]] = {}
    for name in study.ranking:
        check = study.checks[name]
        if isinstance(check, Failed):
            continue
        cohort = check.cohort["p"].dropna()
        kinds = cohort.groupby(level="kind", sort=False)
        rows[name] = {
            **{str(kind): f"{int((p < SUSPICIOUS).sum())} of {len(p)}" for kind, p in kinds},
            "diagnostics": study.verdicts[name].word,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
