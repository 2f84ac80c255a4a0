"""Models by their answer to one question: a table, what it is for each animal, and a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from hebbax.display import Displayed, Part
from hebbax.posterior.verdict import Verdict

SMALL_DIFFERENCE = 4.0
"""Below this many nats the normal approximation of a difference is not to be trusted."""

OVER = {"difference_se": "trials", "session_se": "sessions", "animal_se": "animals"}
"""Columns of standard errors of a difference, and what each is over."""

BRIEF = {
    "elpd_loo": "elpd",
    "elpd": "elpd",
    "difference": "difference",
    **{error: f"SE, {what}" for error, what in OVER.items()},
    "animals_better": "better in",
    "bad_k": "bad k",
}
"""Columns of a score that a narrow table has room for, and how they are called there."""


@dataclass(frozen=True, repr=False)
class Score(Displayed):
    """Models by one score.

    Attributes:
        question: what the score answers, in words.
        table: one row a model, best first, and those that failed their diagnostics
            last; with the ``difference`` from the first in nats, its standard error over
            animals, ``animal_se``, and where there is one over trials, ``difference_se``, or over
            sessions, ``session_se``.
        by_animal: ``(model, animal)`` the difference from the first, by animal of which something
            was predicted.
        verdicts: what the diagnostics say of each model.
    """

    question: str
    table: pd.DataFrame
    by_animal: pd.DataFrame
    verdicts: Mapping[str, Verdict]

    def shown(self) -> list[Part]:
        """Return the question, models by the main columns of the table, and the sentence."""
        own = self.table[[name for name in BRIEF if name in self.table]].rename(columns=BRIEF)
        shown = own.astype(object).where(own.notna(), "")  # nothing is better than itself
        called = shown.set_axis([self.verdicts[name].called(name) for name in self.ranking])
        return [self.question, called, *filter(None, [self.sentence])]

    @property
    def ranking(self) -> list[str]:
        """Names of the models in the order of the table."""
        return [str(name) for name in self.table.index]

    @property
    def trusted(self) -> list[str]:
        """Names of the models whose posteriors did not fail their diagnostics, best first."""
        return [name for name in self.ranking if self.verdicts[name].usable]

    @property
    def as_good(self) -> list[str]:
        """Names of the trusted models that are too little behind the first of them to choose by:
        `SMALL_DIFFERENCE`, or twice the larger standard error of the difference. Where no error is
        known, as of a single animal, all are."""
        return [name for name in self.trusted if name == self.trusted[0] or self._near(name)]

    def _near(self, name: str) -> bool:
        errors = self._errors(name).values()
        far = max([SMALL_DIFFERENCE, *(2.0 * se for se in errors)])
        return not errors or bool(-self.table["difference"][name] < far)

    def _errors(self, name: str) -> dict[str, float]:
        """Return the known standard errors of the difference, by what they are over."""
        known = {what: float(self.table[se][name]) for se, what in OVER.items() if se in self.table}
        return {what: se for what, se in known.items() if np.isfinite(se)}

    @property
    def sentence(self) -> str:
        """What predicts best among the posteriors that did not fail, and where those that did would
        stand; nothing where none or all there is passed alone."""
        said = " ".join(part for part in (self._best, self._failed) if part)
        return f"{self.question[:1].upper()}{self.question[1:]}: {said}" if said else ""

    @property
    def _best(self) -> str:
        if len(self.trusted) < 2:
            return ""
        first, second = self.trusted[:2]
        within = ", ".join(f"± {se:z.1f} over {what}" for what, se in self._errors(second).items())
        if not within:
            small = ", and how sure that is cannot be told"
        else:
            small = ", too small a difference to choose by" if self._near(second) else ""
        return (
            f"{first} predicts best; {second} is {-self.table['difference'][second]:z.1f} nats "
            f"behind{f' ({within})' if within else ''}{small}.{self._farther}"
        )

    @property
    def _farther(self) -> str:
        """Which models are farther behind than the second and not told apart from the first, where
        the second is: their errors are larger."""
        if self._near(self.trusted[1]) or not (others := self.as_good[1:]):
            return ""
        are = "is" if len(others) == 1 else "are"
        return f" Farther behind, {', '.join(others)} {are} not told apart from {self.trusted[0]}."

    @property
    def _failed(self) -> str:
        """Which posteriors failed, and where they would stand."""
        failed = [name for name in self.ranking if name not in self.trusted]
        if not failed or not self.trusted:
            return ""
        said = []
        for name in failed:
            difference = float(self.table["difference"][name])
            place = "above" if difference > 0 else "behind"
            said.append(f"{name} ({abs(difference):z.1f} nats {place} {self.trusted[0]})")
        those = "A posterior" if len(said) == 1 else "Posteriors"
        return (
            f"{those} that FAILED the diagnostics, with a score that decides nothing: "
            f"{', '.join(said)}."
        )


class Predicted(NamedTuple):
    """What is predicted at a time: the ``question`` it answers, the ``animal`` (part,) of each and
    the names of the ``animals``, and the columns of the ``score`` and of the standard ``error`` of
    a difference over parts, empty where parts are animals."""

    question: str
    animal: np.ndarray
    animals: Sequence[str] | np.ndarray
    score: str
    error: str = ""


def score_of(
    part: Predicted,
    elpd: Mapping[str, np.ndarray],
    verdicts: Mapping[str, Verdict],
    more: Mapping[str, Mapping[str, float]],
) -> Score:
    """Return models by the expected log predictive density of each part ``(part,)`` in nats, with
    what ``more`` there is in the table of each."""
    order = ranked({name: found.sum() for name, found in elpd.items()}, verdicts)
    seen = np.unique(part.animal)  # an animal without a free choice says nothing
    rows, by_animal = {}, {}
    for name in order:
        difference = elpd[name] - elpd[order[0]]
        each = np.bincount(part.animal, difference)[seen]
        by_animal[name] = each
        over_parts = {part.error: standard_error(difference)} if part.error else {}
        rows[name] = {
            part.score: float(elpd[name].sum()),
            "difference": float(difference.sum()),
            **over_parts,
            "animal_se": standard_error(each),
            "animals_better": pd.NA if name == order[0] else int((each > 0).sum()),
            **more[name],
            "diagnostics": verdicts[name].word,
        }
    table = pd.DataFrame.from_dict(rows, orient="index").astype({"animals_better": "Int64"})
    table = table.rename_axis("model")
    differences = pd.DataFrame.from_dict(
        by_animal, orient="index", columns=np.asarray(part.animals)[seen]
    )
    return Score(part.question, table, differences, verdicts)


def ranked(elpd: Mapping[str, float], verdicts: Mapping[str, Verdict]) -> list[str]:
    """Return names of models, best first, those that failed their diagnostics last."""
    return sorted(elpd, key=lambda name: (not verdicts[name].usable, -elpd[name]))


def standard_error(each: np.ndarray) -> float:
    """Return the standard error of a sum over animals or other parts ``(part,)``; NaN of one."""
    n = len(each)
    return float(np.sqrt(n * each.var(ddof=1))) if n > 1 else np.nan
