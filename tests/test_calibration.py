"""Answers that are right as often as they say are told from those that are not."""

import numpy as np
import pytest

from hebbax.calibration import reliability


def test_a_reliability_curve_lies_in_its_band_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        p = rng.beta(0.3, 0.3, 300)
        inside += reliability(p, rng.random(300) < p).inside
    # At least 90 %, more because counts are whole numbers; 4 standard errors are 8 %.
    assert 0.82 * 200 <= inside <= 0.99 * 200


def test_probabilities_that_are_too_sure_leave_the_band():
    rng = np.random.default_rng(1)
    p = rng.beta(0.5, 0.5, 400)
    sure = p**2 / (p**2 + (1 - p) ** 2)
    found = reliability(sure, rng.random(400) < p)
    assert not found.inside
    assert found.sentence.startswith(
        "Of 400 probabilities the reliability curve leaves its 90% band: of "
    )
    assert found.table["n"].sum() == 400


def test_a_curve_is_counted_by_hand():
    table = reliability(np.array([0.0, 0.25, 0.22, 1.0]), np.array([0, 1, 0, 1]), bins=5).table
    assert table["from"].tolist() == pytest.approx([0.0, 0.2, 0.8])
    assert table["n"].tolist() == [1, 2, 1]
    assert table["predicted"].tolist() == pytest.approx([0.0, 0.235, 1.0])
    assert table["observed"].tolist() == [0.0, 0.5, 1.0]
    # What is sure has no band to speak of.
    assert table.loc[[0, 2], ["lower", "upper"]].to_numpy().tolist() == [[0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("probabilities", "truth", "sentence"),
    [
        ([0.5], [True, False], "as many truths as probabilities are needed, and at least one: (2,) and (1,) given."),
        ([1.5], [True], "probabilities lie between 0 and 1: 1.5 to 1.5 given."),
    ],
)  # fmt: skip
def test_what_reliability_refuses(probabilities, truth, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        reliability(np.array(probabilities), np.array(truth))
    assert str(caught.value) == sentence
