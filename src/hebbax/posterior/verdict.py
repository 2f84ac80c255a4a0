"""What the diagnostics say of one posterior, in three grades.

    passed       everything may be said
    imprecise    chains have nearly met, with fewer effective draws than asked or a few that went
                 wrong: what is in the middle of the posterior may be said, its ends less surely
    FAILED       nothing may be said of its values

An imprecise posterior takes part in every answer, under its name; one that failed in none.
"""

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from hebbax.display import Displayed, Part


class Grade(StrEnum):
    """How far a posterior can be trusted, as it stands in tables."""

    PASSED = "passed"
    IMPRECISE = "imprecise"
    FAILED = "FAILED"


IMPRECISE = (
    "medians and 90 % intervals may be read, and their last digits and probabilities near 0 or 1 "
    "are less sure"
)
"""What may still be said of an imprecise posterior."""


@dataclass(frozen=True, repr=False)
class Verdict(Displayed):
    """What the diagnostics say of one posterior.

    ``reasons`` lists what was not as it should be, in words; it is empty where everything passed.
    ``figures`` holds the numbers behind it, and ``measured`` says the main ones. ``variational`` is
    whether a guide was fitted instead of chains sampled. ``remedies`` are what to do about the
    reasons, and ``grave`` is whether one of them leaves nothing to be said.
    """

    reasons: tuple[str, ...]
    figures: dict[str, float]
    measured: str
    variational: bool = False
    remedies: tuple[str, ...] = ()
    grave: bool = True

    def shown(self) -> list[Part]:
        """Return the verdict, and what to do."""
        return [self.advised]

    @property
    def grade(self) -> Grade:
        """How far the posterior can be trusted."""
        if not self.reasons:
            return Grade.PASSED
        return Grade.FAILED if self.grave else Grade.IMPRECISE

    @property
    def passed(self) -> bool:
        """Whether nothing is to be said against it."""
        return self.grade is Grade.PASSED

    @property
    def usable(self) -> bool:
        """Whether anything may be said of its values."""
        return self.grade is not Grade.FAILED

    @property
    def word(self) -> str:
        """The grade in a word, for a table."""
        return self.grade.value

    @property
    def told(self) -> str:
        """What is said behind "this posterior"; nothing where it passed."""
        words = {
            Grade.PASSED: "",
            Grade.IMPRECISE: "is imprecise by its diagnostics",
            Grade.FAILED: "FAILED its diagnostics",
        }
        return words[self.grade]

    @property
    def mark(self) -> str:
        """What stands behind the caption of a table of a posterior that did not pass, else
        nothing."""
        return "" if self.passed else f" (this posterior {self.told})"

    def before(self, name: str) -> str:
        """Return what stands before sentences of a posterior that did not pass, else nothing."""
        return "" if self.passed else f"{name}{self.mark}:"

    def called(self, name: str, joined: str = " ") -> str:
        """Return the name of a model, marked where its posterior did not pass."""
        return name if self.passed else f"{name}{joined}({self.told.removeprefix('is ')})"

    @property
    def advised(self) -> str:
        """The verdict, and what to do about what was not as it should be."""
        steps = f" What to do: {'; '.join(self.remedies)}." if self.remedies else ""
        return f"{self.sentence}{steps}"

    @property
    def brief(self) -> str:
        """The verdict in a cell of a table, passed or what was not as it should be."""
        reasons = "; ".join(self.reasons)
        return reasons if reasons and self.grave else f"{self.word}: {reasons}".rstrip(": ")

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.passed:
            kind = "variational posterior" if self.variational else "posterior"
            return f"The {kind} passed its diagnostics: {self.measured}."
        reasons = "; ".join(self.reasons)
        if self.usable:
            return f"The posterior {self.told}: {reasons}. Its {IMPRECISE}."
        failed = (
            "variational approximation FAILED its diagnostics and cannot be called a posterior"
            if self.variational
            else "posterior FAILED its diagnostics and must not be summarised as it is"
        )
        return f"The {failed}: {reasons}."


def marked(table: pd.DataFrame, verdict: Verdict) -> pd.DataFrame:
    """Return a table of a posterior's numbers with a last column ``diagnostics``: the grade."""
    return table.assign(diagnostics=verdict.word)
