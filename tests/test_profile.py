"""The likelihood surface of one animal."""

import numpy as np
import pytest
from conftest import random_sessions
from slow_reference import choice_log_likelihood, session

from hebbax.errors import ModelError
from hebbax.profile import grids, profile
from hebbax.spec import ModelSpec

SPEC = ModelSpec("forgetting", ("x r", "w"))
GRIDS = {"x r": np.array([0.0, 0.4]), "w": np.array([-0.2, 0.0, 0.1])}


def test_the_surface_is_the_slow_likelihood_with_and_without_the_best_preference():
    sessions = random_sessions(3)
    surface = profile(sessions, SPEC, "animal1", GRIDS)
    for i, j in np.ndindex(2, 3):
        a, b = GRIDS["x r"][i], GRIDS["w"][j]
        trials = list(
            session(
                SPEC.terms, (a, b), sessions.choices[1], sessions.rewards[1], raw=False, n_stimuli=2
            )
        )
        by_preference = {
            p: sum(choice_log_likelihood([0.0, p], 0.0, trials)) for p in np.linspace(-4, 4, 81)
        }
        best = max(by_preference, key=by_preference.__getitem__)
        assert surface["profiled"][i, j] == pytest.approx(by_preference[best], abs=1e-9)
        assert surface["preference"][i, j] == pytest.approx(best, abs=1e-9)
        assert surface["fixed"][i, j] == pytest.approx(
            sum(choice_log_likelihood([0.0, 0.0], 0.0, trials)), abs=1e-9
        )


def test_a_term_that_is_not_there_is_refused():
    with pytest.raises(ModelError, match=r'^reward: no term "w" to profile; it has x r\.$'):
        profile(random_sessions(3), ModelSpec("reward", ("x r",)), "animal1", GRIDS)


def test_a_profile_is_over_two_terms():
    assert list(grids(["x r", "x w"])) == ["x r", "x w"]
    with pytest.raises(ModelError) as caught:
        grids(["w", "w"])
    assert str(caught.value) == (
        "a profile is drawn over two terms, w, w given; name two with --terms."
    )
