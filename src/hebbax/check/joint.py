"""What models say together of fading, those not told apart from the best, and their average.

A rule that forgets and one that does not may predict a new animal equally well. So a statement is
made of all rules that are too little behind the best to choose by (`hebbax.check.score`): that
weights fade is said where each of them says so, and where one does not, both are named. The size is
averaged over their posteriors (`hebbax.posterior.fading`) by stacking weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from hebbax.check.comparison import Comparison
from hebbax.check.model_weights import probabilities, stacked
from hebbax.check.score import Score
from hebbax.errors import FitError
from hebbax.posterior.fading import Fading, fading
from hebbax.posterior.forgetting import MIDDLE, SURE
from hebbax.posterior.inference_data import spec_of
from hebbax.posterior.summary import probability
from hebbax.posterior.verdict import Verdict
from hebbax.rule.fading import PERCENT
from hebbax.runs import files, records

FILE = "answer.json"
"""Name of the file in a results folder."""

FILE_VERSION = 1

SUBJECTS = {
    "unchosen": "weights of stimuli that were not chosen",
    "chosen": "weights of the chosen stimulus",
}
"""Whose weights fade, in words."""

OF_WHOM = (
    "Where animals differ by covariates this is said of one at the mean of all animals' effects, "
    "which may be in no group."
)

ALIKE = "weights, of the chosen stimulus and of every other alike,"

DRAWS = 20_000
"""Draws of an average over models, evenly from each by its weight."""


@dataclass(frozen=True)
class Averaged:
    """A loss in a trial, in %: the ``probability`` that it is above zero, its median, and the ends
    of its 90 % interval."""

    probability: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Joint:
    """What models say together.

    Attributes:
        question: by what they were ranked, in words.
        models: one row a model in the order of the comparison: whether it is ``as_good`` as the
            best, its stacking ``weight``, its ``probability`` with Monte Carlo error, its scores,
            the ``grade`` of its posterior, and of ``unchosen`` and ``chosen`` weights the four
            numbers of `Averaged`, without the probability of a loss that the model declares.
        averaged: the same of all that are as good, by kind of weight; empty where all failed.
        sentence: the answer in words.
        verdicts: what the diagnostics say of each model, in that order.
    """

    question: str
    models: pd.DataFrame
    averaged: Mapping[str, Averaged]
    sentence: str
    verdicts: Mapping[str, Verdict]


def joint(compared: Comparison, posteriors: Mapping[str, xr.DataTree]) -> Joint | None:
    """Return what compared models say together of fading; None where one has no population."""
    if not all(spec_of(posterior).population for posterior in posteriors.values()):
        return None
    found = {name: fading(posterior) for name, posterior in posteriors.items()}
    leading = compared.scores[0]
    weight = stacking(leading, left_out=compared.animals is not None)
    said = answer(leading, found, weight)
    if said.sentence and (imprecise := _imprecise(leading)):
        said = said._replace(sentence=f"{said.sentence} {imprecise}")
    if said.sentence and any(spec_of(posterior).by for posterior in posteriors.values()):
        said = said._replace(sentence=f"{said.sentence} {OF_WHOM}")
    table = _table(compared, said.each, weight)
    for kind in SUBJECTS:  # what a model declares has no probability
        known = [name for name, one in found.items() if kind in one.declared]
        table.loc[known, f"{kind}_probability"] = np.nan
    verdicts = {name: leading.verdicts[name] for name in leading.ranking}
    return Joint(leading.question, table, said.together, said.sentence, verdicts)


def _imprecise(score: Score) -> str:
    """Return which of the posteriors that an answer is taken from are imprecise, or nothing."""
    names = [name for name in score.as_good if not score.verdicts[name].passed]
    if not names:
        return ""
    are = "posterior is" if len(names) == 1 else "posteriors are"
    return f"By the diagnostics the {are} imprecise: {', '.join(names)}."


class Answer(NamedTuple):
    """What is said of each kind of weight: by ``each`` model, averaged over those that are as good
    as the best, ``together``, and in a ``sentence``."""

    each: Mapping[str, Mapping[str, Averaged]]
    together: Mapping[str, Averaged]
    sentence: str


def answer(score: Score, found: Mapping[str, Fading], weight: Mapping[str, float]) -> Answer:
    """Return what ranked models say together of fading, by what each of them says of it."""
    each = {name: {kind: averaged(f.of(kind)) for kind in SUBJECTS} for name, f in found.items()}
    as_good = score.as_good
    together = {}
    for kind in SUBJECTS if as_good else ():
        parts = {name: found[name].of(kind) for name in as_good}
        together[kind] = averaged(mixed(parts, weight))
    best = f"which predicts {score.question} best"
    only = "that did not fail its diagnostics" if len(score.ranking) > 1 else "that was fitted"
    which = best if len(score.trusted) > 1 else f"the only model {only}"
    alike = f"the {len(as_good)} models that predict {score.question} best and are not told apart"
    told = f"{as_good[0]}, {which}" if len(as_good) == 1 else alike
    same = all(each[name]["chosen"] == each[name]["unchosen"] for name in as_good)
    subjects = {"unchosen": ALIKE} if same else SUBJECTS
    sure = {}
    for kind in subjects:
        models = [name for name in as_good if kind in found[name].declared]
        stay = [name for name, one in found.items() if not (one.of(kind) > 0).any()]
        # Where both kinds are told of as one, the chosen value may move beside others that stay.
        moves = same and any((found[name].of("chosen") > 0).any() for name in stay)
        whose = "those that were not chosen" if moves else "they"
        sure[kind] = Declared(models, _without(score, stay, whose))
    said = _said({name: each[name] for name in as_good}, together, told, subjects, sure)
    return Answer(each, together, said)


def _said(
    models: Mapping[str, Mapping[str, Averaged]],
    together: Mapping[str, Averaged],
    told: str,
    subjects: Mapping[str, str],
    sure: Mapping[str, "Declared"],
) -> str:
    """Return what is said of the weights of each of some ``subjects``, by kind."""
    again = "the same model" if len(models) == 1 else f"the same {len(models)} models"
    each = [
        sentence(
            subject, {n: one[kind] for n, one in models.items()}, together[kind], which, sure[kind]
        )
        for (kind, subject), which in zip(subjects.items(), (told, again), strict=False)
        if kind in together
    ]
    return " ".join(each)


class Declared(NamedTuple):
    """The ``models`` that declare that a weight fades, whose probability that it does is none, and
    how far the best model in which it does not is behind, in words."""

    models: Sequence[str] = ()
    without: str = ""

    @property
    def by_word(self) -> str:
        """Who declares it, in brackets."""
        names = ", ".join(self.models)
        return f" ({names} declare{'s' if len(self.models) == 1 else ''} it)" if names else ""


NOTHING = Declared()
"""Of models none of which declares anything."""


def _without(score: Score, still: Sequence[str], whose: str) -> str:
    """Return how far the best of the models in which weights, ``whose`` it is, stay is behind."""
    best = next((name for name in score.trusted if name in still), None)
    if best is None:
        failed = [f"{name}, in which {whose} stay, FAILED its diagnostics" for name in still]
        return "; ".join(failed) or f"no model in which {whose} stay was compared"
    row = score.table.loc[best]
    error = row["animal_se"]
    over = f" (± {error:z.1f} over animals)" if np.isfinite(error) else ""
    behind = f"{-row['difference']:z.1f} nats behind{over}"
    return f"{best}, the best in which {whose} stay, is {behind}"


def averaged(drawn: np.ndarray) -> Averaged:
    """Return the numbers of draws ``(sample,)`` of a loss, a fraction."""
    low, middle, high = PERCENT * np.quantile(drawn, MIDDLE)
    return Averaged(float((drawn > 0).mean()), float(middle), float(low), float(high))


def mixed(drawn: Mapping[str, np.ndarray], weight: Mapping[str, float]) -> np.ndarray:
    """Return `DRAWS` or so of the mixture of some models' draws (sample,) by their weights; of one
    that has all the weight its draws as they are."""
    whole = sum(weight[name] for name in drawn)
    parts = []
    for name, own in drawn.items():
        n = round(DRAWS * (weight[name] / whole if whole > 0 else 1.0 / len(drawn)))
        if n == DRAWS:
            return own
        parts.append(own[np.linspace(0, len(own) - 1, n).round().astype(int)])
    return np.concatenate(parts)


def stacking(score: Score, *, left_out: bool) -> dict[str, float]:
    """Return the stacking weight of each model that did not fail, zero of all that did;
    even weights of those that are not told apart from the best where no animal was ``left_out``, or
    one alone, whose best model would take all."""
    weight = dict.fromkeys(score.ranking, 0.0)
    if not left_out or score.by_animal.shape[1] < 2:
        return weight | dict.fromkeys(score.as_good, 1.0 / max(1, len(score.as_good)))
    if len(score.trusted) > 1:
        each = score.by_animal.loc[score.trusted]
        return weight | stacked({str(name): row.to_numpy() for name, row in each.iterrows()})
    return weight | dict.fromkeys(score.trusted, 1.0)


def surely(one: Averaged) -> bool:
    """Return whether a weight that loses so much is said to fade."""
    return one.probability > SURE


def sentence(
    subject: str,
    models: Mapping[str, Averaged],
    together: Averaged,
    alike: str,
    sure: Declared = NOTHING,
) -> str:
    """Return whether the weights of a subject fade by models that predict ``alike``, in words.
    Where a model declares that they do, what speaks for it is how well it predicts beside one in
    which they stay."""
    fade = [name for name, one in models.items() if surely(one)]
    others = [name for name in models if name not in fade]
    size = f"{together.median:z.1f} % a trial ({together.low:z.1f} to {together.high:z.1f})"
    by_word = sure.by_word
    if not others:
        free = [one.probability for name, one in models.items() if name not in sure.models]
        whose = "which declares" if len(models) == 1 else "which all declare"
        if not free:
            return (
                f"{subject.capitalize()} fade by {size} in {alike}, {whose} that they do: "
                f"{sure.without}."
            )
        least = probability(min(free))
        told = f"with probability {least} in {alike}{by_word}"
        return f"{subject.capitalize()} fade by {size}, {told}."
    if fade:
        return (
            f"Whether {subject} fade is open: of {alike}, they do in {', '.join(fade)}{by_word}, "
            f"and not surely in {', '.join(others)}."
        )
    if not any(one.probability > 0 for one in models.values()):
        return f"{subject.capitalize()} do not fade in {alike}."
    most = probability(max(one.probability for one in models.values()))
    return f"That {subject} fade is not shown: it has probability {most} at most in {alike}."


def _table(
    compared: Comparison, own: Mapping[str, Mapping[str, Averaged]], weight: Mapping[str, float]
) -> pd.DataFrame:
    choices, leading = compared.choices.table, compared.scores[0]
    evidence = {name: float(choices["log_evidence"][name]) for name in leading.ranking}
    error = {name: float(choices["log_evidence_error"][name]) for name in leading.ranking}
    # An evidence by chains that have not met decides nothing.
    met = {name: evidence[name] for name in leading.trusted}
    likely = dict.fromkeys(leading.ranking, (np.nan, np.nan)) | probabilities(met, error)
    rows = {}
    for name in leading.ranking:
        numbers = {
            f"{kind}_{key}": value
            for kind, one in own[name].items()
            for key, value in asdict(one).items()
        }
        left_out = np.nan if compared.animals is None else compared.animals.table["elpd"][name]
        rows[name] = {
            "as_good": name in leading.as_good,
            "weight": weight[name],
            "probability": likely[name][0],
            "probability_se": likely[name][1],
            "log_evidence": evidence[name],
            "log_evidence_se": error[name],
            "left_out_animals": left_out,
            "loo": choices["elpd_loo"][name],
            "waic": choices["elpd_waic"][name],
            **numbers,
            "grade": compared.verdicts[name].word,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def remove(folder: Path) -> None:
    """Remove the answer of an earlier study."""
    files.remove(folder, (FILE, "fading.csv"))


def write(found: Joint, folder: Path) -> None:
    """Write ``answer.json``, in place of that of an earlier study, and ``fading.csv``, a row a
    model. Raises `FitError` where the folder refuses it."""
    models = found.models.astype(object).where(found.models.notna(), None)
    record = {
        "version": FILE_VERSION,
        "sentence": found.sentence,
        "question": found.question,
        **{f"{kind}_fades": asdict(one) for kind, one in found.averaged.items()},
        "models": models.to_dict(orient="index"),
    }
    records.write(record, folder / FILE, FitError)
    files.write_tables({"fading": found.models}, folder, FitError)
