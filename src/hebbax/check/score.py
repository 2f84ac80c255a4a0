"""Models by their answer to one question: a table, what it is for each animal, and a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hebbax.posterior.verdict import Verdict

SMALL_DIFFERENCE = 4.0
"""Below this many nats the normal approximation of a difference is not to be trusted."""


@dataclass(frozen=True)
class Score:
    """Models by one score.

    Attributes:
        question: what the score answers, in words.
        table: one row a model, best first, and those that failed their diagnostics
            last; with the ``difference`` from the first in nats, its standard error over
            animals, ``animal_se``, and where there is one over trials, ``difference_se``.
        by_animal: ``(model, animal)`` the difference from the first, by animal.
        verdicts: what the diagnostics say of each model.
    """

    question: str
    table: pd.DataFrame
    by_animal: pd.DataFrame
    verdicts: Mapping[str, Verdict]

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
        `SMALL_DIFFERENCE`, or twice the larger standard error of the difference."""
        return [name for name in self.trusted if name == self.trusted[0] or self._near(name)]

    def _near(self, name: str) -> bool:
        row = self.table.loc[name]
        errors = [
            2.0 * row[se]
            for se in ("difference_se", "animal_se")
            if np.isfinite(row.get(se, np.nan))
        ]
        return bool(-row["difference"] < max([SMALL_DIFFERENCE, *errors]))

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
        row = self.table.loc[second]
        errors = [(row.get("difference_se", np.nan), "trials"), (row["animal_se"], "animals")]
        known = [(se, over) for se, over in errors if np.isfinite(se)]
        within = ", ".join(f"± {se:.1f} over {over}" for se, over in known)
        return (
            f"{first} predicts best; {second} is {-row['difference']:.1f} nats behind"
            f"{f' ({within})' if within else ''}"
            f"{', too small a difference to choose by' if self._near(second) else ''}."
        )

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
            said.append(f"{name} ({abs(difference):.1f} nats {place} {self.trusted[0]})")
        those = "A posterior" if len(said) == 1 else "Posteriors"
        return (
            f"{those} that FAILED the diagnostics, with a score that decides nothing: "
            f"{', '.join(said)}."
        )


def ranked(elpd: Mapping[str, float], verdicts: Mapping[str, Verdict]) -> list[str]:
    """Return names of models, best first, those that failed their diagnostics last."""
    return sorted(elpd, key=lambda name: (not verdicts[name].usable, -elpd[name]))


def standard_error(by_animal: np.ndarray) -> float:
    """Return the standard error of a sum over animals ``(animal,)``; NaN of one animal."""
    n = len(by_animal)
    return float(np.sqrt(n * by_animal.var(ddof=1))) if n > 1 else np.nan
