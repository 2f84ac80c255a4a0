"""The verdict on a posterior: every way to fail is named, and nothing else fails."""

import arviz as az
import numpy as np
import pytest

from hebbax.diagnostics import diagnose

SHAPE = (4, 500)


def posterior(**changes):
    rng = np.random.default_rng(0)
    values = {"a": rng.normal(size=SHAPE), "b": rng.normal(size=(*SHAPE, 3))}
    stats = {
        "diverging": np.zeros(SHAPE, dtype=bool),
        "reached_max_treedepth": np.zeros(SHAPE, dtype=bool),
        "energy": rng.normal(size=SHAPE),
        "lp": rng.normal(size=SHAPE),
    }
    for name, change in changes.items():
        group = values if name in values else stats
        group[name] = change(group[name].copy())
    return az.from_dict(posterior=values, sample_stats=stats, attrs={"method": "nuts"})


def shift_first_chain(x):
    x[0] += 1.0
    return x


def put(index, value):
    def change(x):
        x[index] = value
        return x

    return change


def walk(x):
    return np.cumsum(x, axis=1) if x.ndim == 2 else x


def test_independent_draws_pass_and_the_sentence_gives_the_numbers():
    verdict = diagnose(posterior())
    assert verdict.passed
    assert verdict.sentence.startswith("The posterior passed its diagnostics: R-hat at most 1.0")
    assert verdict.sentence.endswith("0 divergent draws of 2000.")


FAILURES = {
    "chains apart": ({"a": shift_first_chain}, "R-hat of a is 1."),
    "slow chains": ({"a": walk}, "bulk ESS of a is "),
    "one divergence": (
        {"diverging": put((1, 7), True)},
        "1 of 2000 draws diverged (none allowed)",
    ),
    "energy that hardly moves": (
        {"energy": lambda x: np.cumsum(x, axis=1)},
        "E-BFMI is 0.0",
    ),
    "long trajectories": (
        {"reached_max_treedepth": put((slice(None), slice(0, 50)), True)},
        "10% of the trajectories hit the depth limit",
    ),
    "a frozen chain": ({"lp": put(2, -3.0)}, "1 chains did not move"),
    "a value that is no number": ({"b": put((0, 0, 1), np.nan)}, "R-hat of b is nan"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_is_named(name):
    changes, reason = FAILURES[name]
    verdict = diagnose(posterior(**changes))
    assert not verdict.passed
    assert reason in verdict.sentence
    assert verdict.sentence.startswith(
        "The posterior FAILED its diagnostics and must not be summarised as it is: "
    )
