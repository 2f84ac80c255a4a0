"""What analysis/forced_trials.py makes of forced trials, and how it tells the treatments apart."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def analysis(script):
    return script("forced_trials")


def test_forced_trials_teach_are_left_out_or_count_as_choices(analysis):
    sessions = analysis.simulated()
    n = sessions.n_trials.sum()
    forced = int((~sessions.free).sum())
    assert 0 < forced < n / 3
    for treatment, observed, seen in (
        ("teach", n - forced, n),
        ("left out", n - forced, n - forced),
        ("choices", n, n),
    ):
        fitted, whole = analysis.treated(sessions, treatment)
        assert fitted.observed("choice").sum() == observed
        assert fitted.n_trials.sum() == seen
        # What is predicted are free choices, the same under every treatment.
        assert whole.observed("choice").sum() == n - forced
        np.testing.assert_array_equal(
            whole.choices[whole.observed("choice")], sessions.choices[sessions.observed("choice")]
        )


def test_treatments_are_told_apart_by_differences_over_animals(analysis):
    log_p = {
        "teach": [-10.0, -20.0, -31.0],
        "left out": [-12.0, -21.0, -30.0],
        "choices": [-10.0] * 3,
    }
    rows = pd.DataFrame(
        [
            {"treatment": treatment, "animal": f"m{a}", "free choices": 50, "log P": value}
            for treatment, each in log_p.items()
            for a, value in enumerate(each)
        ]
    )
    found = analysis.told(rows).loc["teach - left out"]
    difference = np.array([2.0, 1.0, -1.0])
    assert found["difference"] == 2.0
    assert found["se"] == pytest.approx(np.sqrt(3) * difference.std(ddof=1))
    assert (found["better"], found["animals"]) == (2, 3)
    assert found["a choice"] == pytest.approx(2.0 / 150)
