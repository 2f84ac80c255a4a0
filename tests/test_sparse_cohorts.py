"""The study of cohorts: what it draws, how it scores, and that a small one runs and goes on."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from hebbax.runs.ledger import read


@pytest.fixture
def study(script):
    return script("sparse_cohorts")


def test_rules_come_from_the_written_prior(study):
    written = study.Written()
    drawn = [study.draw_rule(k, study.Design()) for k in range(2000)]
    theta = np.array([one["theta_population"] for one in drawn])
    spread = np.array([one["theta_spread"] for one in drawn])
    offset = np.array([one["theta"] for one in drawn]) - theta[:, None]
    size = (theta != 0).sum(1)
    law = stats.binom(10, 0.25).pmf(np.arange(1, 5))
    expected = 2000 * law / law.sum()
    assert stats.chisquare(np.bincount(size, minlength=5)[1:], expected).pvalue > 1e-3
    assert size.max() == 4
    scales = np.array([scale for _, scale in written.scales])
    inside = theta != 0
    assert stats.kstest((theta / scales)[inside], "norm").pvalue > 1e-3
    assert stats.kstest((2 * spread / scales)[inside], "halfnorm").pvalue > 1e-3
    assert (spread[~inside] == 0).all()
    relative = (offset / np.where(inside, spread, np.inf)[:, None])[:, 0]
    assert stats.kstest(relative[inside], "norm").pvalue > 1e-3
    assert (offset.transpose(0, 2, 1)[~inside] == 0).all()


def test_clear_terms_are_told_from_those_that_are_out(study):
    scored = pd.DataFrame(
        {
            "theta": [1.0, 0.1, 0.0, 0.0],
            "detectable": [0.2, 0.2, 0.2, 0.2],
            "score": [0.9, 0.3, 0.5, 0.1],
        }
    )
    found = study.receiver(scored)
    assert found == {
        "AUC, clear terms": 1.0, "clear terms": 1, "AUC, all terms": 0.75, "all terms": 2,
    }  # fmt: skip


def test_the_summary_counts_what_each_method_says_and_the_figure_shows_it(study):
    rng = np.random.default_rng(0)
    n = 400
    said = rng.random(n)
    theta = np.where(rng.random(n) < said, 1.0, 0.0)  # calibrated
    scored = pd.DataFrame(
        {
            "cohort": np.repeat(np.arange(n // 10), 10), "term": "w", "theta": theta,
            "detectable": 0.1, "score": said, "processor s": 2.0,
        }
    )  # fmt: skip
    tables = {
        "inclusion": scored,
        "L1": scored.assign(**{"score": 1.0 - said, "L1 0.01": said, "L1, scaled": said}),
        "horseshoe": scored.assign(r_hat=np.where(scored["cohort"] < 3, 1.2, 1.0)),
    }
    found = study.summary(tables)
    assert found.loc["horseshoe", "chains apart"] == 3
    areas = found["AUC, all terms"]
    assert areas["L1"] == pytest.approx(1.0 - areas["inclusion"])
    assert areas["L1 0.01"] == areas["L1, scaled"] == areas["inclusion"]
    assert found.loc["inclusion", "terms expected"] == pytest.approx(10 * said.mean())
    curve = study.reliability(said, theta != 0)
    assert curve.inside
    figure = study.draw(tables, curve)
    assert figure.axes[0].get_ylabel() == "fraction of terms that are in"
    assert len(figure.axes[1].lines) == 3


@pytest.mark.slow
def test_a_small_study_scores_every_term_by_every_method_and_goes_on(study, tmp_path):
    command = ["--quick", "--out", str(tmp_path)]
    result = CliRunner().invoke(study.main, command)
    assert result.exit_code == 0, result.output
    truth = read(tmp_path / "sparse_cohorts_truth.csv")
    for method in ("inclusion", "L1", "horseshoe", "laplace", "own scales"):
        rows = read(tmp_path / f"sparse_cohorts_{method}.csv")
        assert list(rows["term"]) == list(truth["term"])
        assert not {"theta", "spread", "detectable"} & set(rows.columns)
    said = read(tmp_path / "sparse_cohorts_inclusion.csv")["score"]
    assert said.between(0, 1).all()
    assert (tmp_path / "sparse_cohorts.svg").is_file()
    # What is there is not done again.
    path = tmp_path / "sparse_cohorts_L1.csv"
    rows = read(path)
    rows[rows["cohort"] == 0].to_csv(tmp_path / "part.csv", index=False)
    head = path.read_text().splitlines()[0].partition(" {")[0]  # does not count the rows
    path.write_text(f"{head}\n{(tmp_path / 'part.csv').read_text()}")
    assert CliRunner().invoke(study.main, command).exit_code == 0
    again = read(path)
    known = [column for column in rows.columns if column != "processor s"]
    pd.testing.assert_frame_equal(again[known], rows[known], rtol=1e-4)
    assert (again["processor s"][again["cohort"] == 0] == rows["processor s"][:3]).all()
