"""Which model predicts better: one table a question, differences with standard errors over animals.

    a new animal                   leave-one-animal-out, of a hierarchy whose animals were
                                   integrated out (`hebbax.check.new_animal`)
    a session of a known animal    LOO over sessions, where animals have several
    the next trials of the same    fits of the first trials of every animal, asked for by name
    animals                        (`hebbax.check.next_trials`)
    a choice among known ones      LOO and WAIC over trials: how well is a choice predicted, given
                                   the true past, with parameters that also saw the rest of the
                                   session (`hebbax.check.known_animals`, both)

The animal is the unit that was sampled: beside the standard error over trials stands that of the
sums over each animal's trials. Where the first question is answered it leads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from hebbax.check import known_animals, new_animal
from hebbax.check.leave_one_out import drawn, either, log_mean
from hebbax.check.new_animal import LeftOut
from hebbax.check.score import Score
from hebbax.display import Displayed, Part
from hebbax.errors import FitError
from hebbax.model.likelihood import chance
from hebbax.posterior.diagnostics import verdict_of
from hebbax.posterior.observed import check_comparable, site_of
from hebbax.posterior.stored import SCORED, check_groups
from hebbax.posterior.verdict import Verdict
from hebbax.runs import files

NEW_ANIMAL, CHOICE = "comparison_new_animal", "comparison"
SESSION, NEXT_TRIALS = "comparison_session", "comparison_next_trials"
QUESTIONS = (NEW_ANIMAL, CHOICE, SESSION, NEXT_TRIALS)
"""What may be asked, by the name of its table: the first that is answered leads."""

TABLES = tuple(f"{name}{end}.csv" for name in sorted(QUESTIONS) for end in ("", "_by_animal"))
"""What `write_tables` writes: two a question, where that is asked."""

CHAINS_APART = 1.1
"""R-hat above which chains are said to be in different places (Gelman & Rubin 1992)."""


@dataclass(frozen=True, repr=False)
class Comparison(Displayed):
    """Models against each other.

    Attributes:
        choices: on a choice among known ones. The table has elpd and its difference from the first
            by LOO with the standard error over trials and over animals, the number of animals in
            which it is better than the first (missing for the first itself), effective parameters,
            WAIC, worst k-hat, the number of observations with one above the threshold and the
            threshold, the number of ``observations``, the log evidence and its Monte Carlo error in
            nats (missing where the method or the prior gives none), and whether its ``diagnostics``
            passed, imprecise or FAILED.
        sessions: on a session of a known animal; None where no animal has two.
        animals: on a new animal (`hebbax.check.new_animal.score`); None where a posterior does not
            say.
        future: on the next trials of the same animals; None where that was not asked.
        left_out: what each model predicts of each left-out animal; empty where one does not say.
        lacking: why nothing is said of a new animal, a sentence; empty where something is.
    """

    choices: Score
    sessions: Score | None = None
    animals: Score | None = None
    future: Score | None = None
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)
    lacking: str = ""

    def shown(self) -> list[Part]:
        """Return the scores, the one that leads first, and what limits them."""
        return [*(part for score in self.scores for part in score.shown()[:2]), self.sentence]

    @property
    def answered(self) -> dict[str, Score]:
        """What is answered by the name of its table (`QUESTIONS`), the question that leads
        first."""
        scores = (self.animals, self.choices, self.sessions, self.future)
        asked = zip(QUESTIONS, scores, strict=True)
        return {name: score for name, score in asked if score is not None}

    @property
    def scores(self) -> list[Score]:
        """What is answered, the question that leads first."""
        return list(self.answered.values())

    def refitted(self, exact: Mapping[str, LeftOut]) -> "Comparison":
        """Return the same with what fits without some animals predict of them, by model
        (`hebbax.check.new_animal.refitted`)."""
        left_out = {**self.left_out, **exact}
        animals = new_animal.score(left_out, self.verdicts) if left_out else None
        return replace(self, animals=animals, left_out=left_out)

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """What the diagnostics say of each model."""
        return self.choices.verdicts

    @property
    def ranking(self) -> list[str]:
        """Names of the models in the order of the table that leads."""
        return self.scores[0].ranking

    @property
    def trusted(self) -> list[str]:
        """Names of the models whose posteriors did not fail their diagnostics, best first."""
        return self.scores[0].trusted

    @property
    def sentence(self) -> str:
        """The answers in words, what predicts best among the posteriors that did not fail, which
        did, and where a score cannot be trusted."""
        if len(self.ranking) == 1:
            return f"Only {self.ranking[0]} was given; there is nothing to compare."
        parts = [self._too_few, self.lacking]
        parts += [score.sentence or self._nothing(score) for score in self.scores]
        return " ".join(part for part in (*parts, *self.doubts) if part)

    @property
    def doubts(self) -> list[str]:
        """Where a score cannot be trusted, a sentence each."""
        found = [new_animal.uncertain_sentence(self.left_out), *map(self._apart, self.ranking)]
        if self.sessions is not None:
            found.append(_bad_k(self.sessions, "session"))
        found.append(_bad_k(self.choices, "observation"))
        return [sentence for sentence in found if sentence]

    def _nothing(self, score: Score) -> str:
        """Return that the fits of the first trials all failed, which have verdicts of their own."""
        if score is not self.future or score.trusted:
            return ""
        return f"Of {score.question} nothing is said: every fit of the first trials FAILED."

    @property
    def _too_few(self) -> str:
        if not self.trusted:
            return "Every posterior FAILED its diagnostics; no model is said to predict best."
        if len(self.trusted) == 1:
            return (
                f"All but {self.trusted[0]} FAILED their diagnostics; no model is said to predict "
                "best."
            )
        return ""

    def _apart(self, name: str) -> str:
        r_hat = self.verdicts[name].figures.get("r_hat", 1.0)
        if not r_hat > CHAINS_APART:  # of one chain there is none
            return ""
        return (
            f"The chains of {name} do not meet (R-hat {r_hat:.2f}): its LOO weighs the solutions "
            "that they found by the number of chains in each, and not by their probability."
        )


def _bad_k(score: Score, part: str) -> str:
    """Return for how many parts the LOO of which models is not to be trusted, or nothing."""
    bad = score.table[score.table["bad_k"] > 0]
    if bad.empty:
        return ""
    counts = ", ".join(f"{row['bad_k']} of {name}" for name, row in bad.iterrows())
    return (
        f"Of {bad.iloc[0][f'{part}s']} {part}s the LOO of some is not to be trusted ({counts}; "
        f"Pareto k above {either(bad['good_k'])}): without such a"
        f"{'n' if part[0] in 'aeiou' else ''} {part} the posterior would be another one than its "
        "draws stand for, so that the score may be off by more than its standard errors."
    )


def compare(
    posteriors: Mapping[str, xr.DataTree],
    verdicts: Mapping[str, Verdict] | None = None,
) -> Comparison:
    """Return the comparison of posteriors by model name; they must be of the same observations.
    Those whose ``verdicts`` are known already are not diagnosed again.

    Raises `FitError` where they are not, where a group is missing or a number in it is none, and
    for a variational fit that failed its diagnostics: its draws have no expected log predictive
    density.
    """
    for name, posterior in posteriors.items():
        check_groups(posterior, SCORED, name)
    check_comparable(posteriors)
    known = verdicts or {}
    verdicts = {name: verdict_of(fit, known.get(name)) for name, fit in posteriors.items()}
    for name, verdict in verdicts.items():
        if verdict.variational and not verdict.usable:
            raise FitError(f"{name}: not to be compared. {verdict.sentence}")
    choices = known_animals.of_choices(posteriors, verdicts)
    sessions = known_animals.of_sessions(posteriors, verdicts)
    for name, posterior in posteriors.items():
        if why := new_animal.lacking(posterior):
            said = f"Of {new_animal.QUESTION} nothing is said: {name} {why}."
            return Comparison(choices, sessions, lacking=said)
    found = {name: new_animal.leave_one_animal_out(fit) for name, fit in posteriors.items()}
    return Comparison(choices, sessions, new_animal.score(found, verdicts), left_out=found)


def write_tables(compared: Comparison, folder: Path) -> None:
    """Write ``comparison.csv``, and ``comparison_by_animal.csv`` with a row a model and animal, and
    the same of every other question that is answered (`QUESTIONS`); tables of one that is not are
    of an earlier comparison, and removed."""
    answered = compared.answered
    by_animal = {f"{name}_by_animal": _by_animal(score) for name, score in answered.items()}
    if NEW_ANIMAL in answered:
        by_animal[f"{NEW_ANIMAL}_by_animal"] = new_animal.animal_table(
            compared.left_out, answered[NEW_ANIMAL].by_animal, compared.verdicts
        )
    by_model = {name: score.table for name, score in answered.items()}
    files.write_tables(by_model, folder, FitError, index_label="model")
    files.write_tables(by_animal, folder, FitError, index=False)
    written = {f"{name}.csv" for name in (*by_model, *by_animal)}
    files.remove(folder, [name for name in TABLES if name not in written])


def _by_animal(score: Score) -> pd.DataFrame:
    """Return the difference of each model from the first, a row a model and animal."""
    rows = [
        (model, animal, difference, score.verdicts[model].word)
        for model in score.ranking
        for animal, difference in score.by_animal.loc[model].items()
    ]
    return pd.DataFrame(rows, columns=["model", "animal", "difference", "diagnostics"])


def deviances(posterior: xr.DataTree) -> pd.DataFrame:
    """Return the deviance of each animal, in-sample and in nats, -2 sum_t log P(trial_t): ``model``
    with the mean of P over draws, ``chance`` of even odds (`hebbax.model.likelihood.chance`)."""
    index = np.asarray(posterior.constant_data["animal_index"])
    ((kind, observed),) = posterior.observed_data.data_vars.items()
    offered = posterior.constant_data.get("offered")
    even = chance(kind, observed.to_numpy(), posterior.attrs["n_stimuli"], offered)
    own = log_mean(drawn(posterior.log_likelihood[site_of(posterior)]))
    each = {"model": own, "chance": even}
    animals = pd.Index(np.asarray(posterior.posterior["animal"]), name="animal")
    sums = {of: -2 * np.bincount(index, p, len(animals)) for of, p in each.items()}
    return pd.DataFrame(sums, animals)


def explained(deviance: pd.Series, reference: pd.Series) -> pd.Series:
    """Return the part of a reference's `deviances` that is explained, in percent:
    100 (1 - D / D_0); missing of an animal without a free choice."""
    return 100 * (1 - deviance / reference.where(reference > 0))
