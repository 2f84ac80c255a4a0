"""The likelihood surface of one animal."""

import numpy as np
import pytest
from conftest import random_sessions
from slow_reference import choice_log_likelihood, session

from hebbax.check.profile import (
    DROP,
    PREFERENCES,
    _row,
    best_sentence,
    bound,
    profile,
    surface,
    terms_of,
)
from hebbax.data import Record, from_animals, select
from hebbax.errors import ModelError
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec

SPEC = ModelSpec("forgetting", ("x r", "w"))
ROWS, COLUMNS = np.array([0.0, 0.4]), np.array([-0.2, 0.0, 0.1])


def learner(learning, fading, trials=240, seed=0):
    """An animal of a known rule, generated in plain loops, with rewards that move."""
    rng = np.random.default_rng(seed)
    choices, rewards, w = [], [], np.zeros(2)
    for t in range(trials):
        p = 1 / (1 + np.exp(-5 * np.tanh(0.75 * w)))
        choice = int(rng.random() < p[1] / p.sum())
        reward = int(rng.random() < (0.9 if (t // 40) % 2 == choice else 0.1))
        r = reward - sum(rewards[-10:]) / 10
        w *= 1 + fading / 2
        w[choice] += learning * 0.75 * r / 2
        w = np.clip(w, -4.5, 4.5)
        choices.append(choice)
        rewards.append(reward)
    record = Record("one", np.array(choices), np.array(rewards, float))
    return from_animals([record], ["A", "B"], "looped")


def test_the_surface_is_the_slow_likelihood_with_and_without_the_best_preference():
    sessions = random_sessions(3)
    row = _row(build_model(SPEC, select(sessions, ["animal1"])), ("x r", "w"))
    found = surface(row, ROWS, COLUMNS)
    none = int(np.argmin(np.abs(PREFERENCES)))
    for i, j in np.ndindex(2, 3):
        trials = list(
            session(
                SPEC.terms,
                (ROWS[i], COLUMNS[j]),
                sessions.choices[1],
                sessions.rewards[1],
                raw=False,
                n_stimuli=2,
            )
        )
        by_preference = [choice_log_likelihood([0.0, p], 0.0, trials) for p in PREFERENCES]
        slow = np.array([sum(each) for each in by_preference])
        np.testing.assert_allclose(found[i, j], slow, atol=1e-9)
        assert PREFERENCES[none] == 0.0


@pytest.mark.parametrize(
    ("learning", "fading"), [(0.35, -0.06), (1.0, -0.3), (5.0, -0.5), (5.0, -1.0)]
)
def test_the_range_is_that_of_the_animal_whatever_its_size(learning, fading):
    found = profile(learner(learning, fading), SPEC, "one", ["x r", "w"])
    below = found["profiled"] - found["profiled"].max()
    at = {str(k): int(v) for k, v in found["profiled"].argmax(...).items()}
    for term, size in found["profiled"].sizes.items():
        assert 0 < at[term] < size - 1
        border = found.attrs["borders"][term]
        assert border.ends == (found[term][0], found[term][-1])
        for place, closed in zip((0, -1), border.closed, strict=True):
            assert not closed or float(below.isel({term: place}).max()) < -DROP + 1.0
        # What is drawn is what matters: a quarter of the range at least is within the drop.
        inside = (below > -DROP).any([d for d in below.dims if d != term])
        assert inside.mean() > 0.25
    truth = below.interp({"x r": learning, "w": fading}, method="nearest")
    assert float(truth) > -DROP
    assert "edge" not in best_sentence(found)


def test_a_maximum_at_the_edge_is_said():
    """An animal that repeats what was rewarded last, always: more learning is always better."""
    choices, rewards = [0], []
    rng = np.random.default_rng(0)
    for _ in range(60):
        rewards.append(float(rng.random() < 0.5))
        choices.append(choices[-1] if rewards[-1] else 1 - choices[-1])
    record = Record("one", np.array(choices[:60]), np.array(rewards))
    spec = ModelSpec("raw", ("x r", "w"), reward="expected")
    found = profile(from_animals([record], ["A", "B"], "loops"), spec, "one", ["x r", "w"])
    said = best_sentence(found)
    at = {str(k): int(v) for k, v in found["profiled"].argmax(...).items()}
    edges = [t for t, place in at.items() if place in (0, found.sizes[t] - 1)]
    print(said, edges)
    assert edges
    assert (
        f"; this is the edge of the range of {' and '.join(edges)}, so that it may be no maximum"
        in said
    )


def test_the_bound_of_a_term_is_what_one_trial_can_do():
    assert bound("w", 0.75, 2) == 4.0  # w + 4 w / 2 cut off below; w - 4 w / 2 = -w
    assert bound("x r", 0.75, 2) == pytest.approx(5.0 * 2 / 0.75)


def test_a_term_that_is_not_there_is_refused():
    with pytest.raises(ModelError, match=r'^reward: no term "w" to profile; it has x r\.$'):
        profile(random_sessions(3), ModelSpec("reward", ("x r",)), "animal1", ["x r", "w"])


def test_a_profile_is_over_two_terms():
    assert terms_of(["x r", "x w"]) == ("x r", "x w")
    with pytest.raises(ModelError) as caught:
        terms_of(["w", "w"])
    assert str(caught.value) == (
        "a profile is drawn over two terms, w, w given; name two with --terms."
    )
