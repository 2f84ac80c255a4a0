"""Which model is taken for which, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from hebbax.check.model_recovery import check, summarise
from hebbax.check.sbc import Settings
from hebbax.errors import HebbaxError
from hebbax.model.declared import parse_spec, read_spec
from hebbax.rule.taylor import all_terms
from hebbax.simulation.environment import Task


def table(evidence: dict[str, list[tuple[float, float, float]]]) -> pd.DataFrame:
    """Rows of data sets; by true model the evidence of a, b and c on each of its data sets."""
    rows, simulation = [], 0
    for true, scores in evidence.items():
        for score in scores:
            rows += [
                {"simulation": simulation, "true": true, "fitted": name, "evidence": value, "elpd": -value, "failed": np.nan}
                for name, value in zip("abc", score, strict=True)
            ]  # fmt: skip
            simulation += 1
    return pd.DataFrame(rows)


def test_confusion_inversion_and_pairs_are_counted():
    found = summarise(
        table(
            {
                "a": [(0, -9, -9), (0, -9, -9), (0, -9, -9), (-9, 0, -8)],
                "b": [(0, -1, -9), (0, -1, -9), (-9, 0, -9), (-9, 0, -9)],
                "c": [(-9, -9, 0), (-9, -9, 0), (-9, -9, 0), (-9, -9, 0)],
            }
        )
    )
    assert found.confusion["evidence"].to_numpy().tolist() == [
        [0.75, 0.25, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0],
    ]  # fmt: skip
    assert found.inversion["evidence"].to_numpy() == pytest.approx(
        np.array([[0.6, 1 / 3, 0.0], [0.4, 2 / 3, 0.0], [0.0, 0.0, 1.0]])
    )
    # The second score is the first turned round: what is best by one is never best by the other.
    assert np.diagonal(found.confusion["LOO"]).max() < 0.6
    pairs = found.pairs
    assert pairs.loc[("a", "b"), ["evidence", "n"]].tolist() == [5 / 8, 8]
    assert pairs.loc[("b", "c"), "evidence"] == 1.0
    assert (
        "This experiment cannot tell apart a and b (62% by evidence, 38% by LOO): in brackets how "
        "often the right one of the two is found." in found.sentence
    )
    assert found.sentence.startswith(
        "Of 12 cohorts the true model is found in 75% by evidence and "
    )


def test_cohorts_without_an_evidence_say_nothing_by_it():
    """A model of unknown evidence is neither the best nor the worst of its cohort."""
    scores = {"a": [(0, -1, -9), (np.nan, 0, -9)], "b": [(-9, 0, -9)], "c": [(-9, -9, 0)]}
    found = summarise(table(scores))
    assert np.diagonal(found.confusion["evidence"]).tolist() == [1.0, 1.0, 1.0]
    assert found.pairs["evidence"].tolist() == [1.0, 1.0, 1.0]
    assert found.reliability.table["n"].sum() == 9
    assert (
        "1 of 12 fits have no evidence, for few draws carry it: their cohorts are left out of"
        in (found.sentence)
    )
    with pytest.raises(HebbaxError, match=r"^recovery: in no cohort does every model have an evi"):
        summarise(table({"a": [(0, np.nan, -9)], "b": [(np.nan, 0, -9)]}))


def test_models_told_apart_in_few_cohorts_are_told_with_what_chance_does():
    found = summarise(table({"a": [(0, -1, -9)], "b": [(-1, 0, -9)], "c": [(-9, -9, 0)]}))
    assert (
        "Of every two models the right one is found in 75% or more of their 2 cohorts, by the "
        "better of both criteria (by chance in 0.25 of such experiments, by each)."
        in found.sentence
    )


def test_reliability_is_of_the_posterior_probabilities_of_models():
    found = summarise(table({"a": [(0, np.log(3), -99)] * 2, "b": [(0, np.log(3), -99)] * 2}))
    assert found.reliability.table["predicted"].tolist() == pytest.approx([0.0, 0.25, 0.75])
    assert found.reliability.table["observed"].tolist() == pytest.approx([0.0, 0.5, 0.5])


@pytest.mark.parametrize(
    ("specs", "sentence"),
    [
        ([read_spec("reward")] * 2, "reward: is given twice; each model may stand once."),
        (
            [read_spec("reward"), parse_spec({"name": "few", "terms": ["w"], "prior": "r2d2"})],
            "few: models are told apart by evidence, which is there for priors without scales of "
            'their own and at most 8 values an animal; it has prior = "r2d2" and 2.',
        ),
        (
            [parse_spec({"name": "groups", "terms": ["w"], "by": {"w": "group"}})],
            "groups: models with covariates are not told apart here.",
        ),
        (
            [parse_spec({"name": "many", "terms": list(all_terms("xrw")[:8])})],
            "many: models are told apart by evidence, which is there for priors without scales of "
            'their own and at most 8 values an animal; it has prior = "normal" and 9.',
        ),
        (
            [
                read_spec("no-learning"),
                parse_spec({"name": "all", "terms": [], "likelihood": "encounter"}),
            ],
            "no-learning and all speak of different data (choice and encounter); compare models of the same.",
        ),
    ],
)
def test_what_recovery_refuses(specs, sentence):
    with pytest.raises(HebbaxError) as caught:
        check(specs, Settings(animals=2, task=Task(12, 1, (0.2, 0.8), "baited")))
    assert str(caught.value) == sentence
