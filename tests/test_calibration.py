"""Answers that are right as often as they say are told from those that are not."""

import numpy as np
import pandas as pd
import pytest

from hebbax.check.calibration import COVERAGES, ecdf, ranked, reliability
from hebbax.check.ecdf_band import ecdf_band


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


DRAWS = 100


def conjugate(simulations: int, width: float) -> pd.DataFrame:
    """truth ~ N(0, 1), y ~ N(truth, 1), so that the posterior is N(y / 2, 1 / 2); its standard
    deviation is given ``width`` times too large."""
    rng = np.random.default_rng(2)
    truth = rng.standard_normal(simulations)
    mean = (truth + rng.standard_normal(simulations)) / 2
    sd = np.full(simulations, width * np.sqrt(0.5))
    drawn = mean[:, None] + sd[:, None] * rng.standard_normal((simulations, DRAWS))
    below = drawn < truth[:, None]
    columns = {"truth": truth, "mean": mean, "sd": sd, "rank": below.sum(1), "below": below.mean(1)}
    return pd.DataFrame({"quantity": "mu", "kind": "population", **columns})


def test_the_ranks_of_an_exact_posterior_are_uniform():
    found = ranked(conjugate(1000, 1.0), DRAWS)
    row = found.table.loc["mu"]
    assert row["inside"]
    assert row["inside all"]
    for level in COVERAGES:
        # Four binomial standard errors; 100 draws widen a central interval by a percent or so.
        assert abs(row[f"{100 * level:g} %"] - level) < 4 * row[f"SE {100 * level:g} %"] + 0.01
    assert row["SE 90 %"] == pytest.approx(np.sqrt(0.09 / 1000))
    assert row["contraction"] == pytest.approx(0.5, abs=0.1)
    assert row["z mean"] == pytest.approx(0.0, abs=0.13)
    assert row["z sd"] == pytest.approx(1.0, abs=0.1)
    assert "Ranks of 1 of 1 quantities lie inside their own 95% band (0.1 outside" in found.sentence


@pytest.mark.parametrize("width", [0.7, 1.4])
def test_a_posterior_too_narrow_or_too_wide_is_caught(width):
    found = ranked(conjugate(300, width), DRAWS)
    row = found.table.loc["mu"]
    assert not row["inside all"]
    assert (row["90 %"] < 0.86) if width < 1 else (row["90 %"] > 0.94)
    assert row["z sd"] == pytest.approx(1 / width, rel=0.15)
    assert "mu leaves even the band for all of them at once: the posterior is not calibrated" in (
        found.sentence
    )


def test_the_band_holds_whole_curves_as_often_as_it_says():
    lower, upper = ecdf_band(60, 20, 0.95)
    rng = np.random.default_rng(3)
    curves = np.array([ecdf(rng.integers(0, 21, 60), 20) for _ in range(1000)])
    held = ((curves >= lower - 1e-9) & (curves <= upper + 1e-9)).all(1).mean()
    # 0.95 or more, because counts are whole numbers; 4 standard errors are 0.03.
    assert 0.92 < held < 0.995
    assert ecdf(np.array([0, 2, 2, 4]), 4).tolist() == [0.25, 0.25, 0.75, 0.75]
