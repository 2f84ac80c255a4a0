"""The verdict on a posterior: every way to fail is named, and nothing else fails."""

import logging
import re

import made
import numpy as np
import pytest

from hebbax.errors import FitError
from hebbax.figures.style import failed
from hebbax.inference.convergence import convergence
from hebbax.posterior import remedies
from hebbax.posterior.diagnostics import diagnose
from hebbax.posterior.measures import e_bfmi
from hebbax.posterior.verdict import Grade

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
    return made.tree(posterior=values, sample_stats=stats, attrs={"method": "nuts"})


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


def test_the_energies_of_two_chains_by_hand():
    # Steps 1, -1, 2 around a mean of 0.75: 6 / 2.75; steps of 1 around 1.5: 3 / 5. The least counts.
    energy = np.array([[0.0, 1.0, 0.0, 2.0], [0.0, 1.0, 2.0, 3.0]])
    stored = made.tree(posterior={"a": energy}, sample_stats={"energy": energy})
    assert e_bfmi(stored) == pytest.approx(3 / 5)
    assert e_bfmi(stored.isel(chain=[0])) == pytest.approx(6 / 2.75)


FAILURES = {
    "chains apart": ({"a": shift_first_chain}, "R-hat of a is 1."),
    "slow chains": ({"a": walk}, "bulk ESS of a is "),
    "divergences": (
        {"diverging": put((1, slice(0, 3)), True)},
        "3 of 2000 draws diverged (none allowed)",
    ),
    "energy that hardly moves": (
        {"energy": lambda x: np.cumsum(x, axis=1)},
        "E-BFMI is 0.0",
    ),
    "a frozen chain": ({"lp": put(2, -3.0)}, "1 chains did not move"),
}


def few(shape):
    def change(x):
        return x[: shape[0], : shape[1]]

    names = ("a", "b", "diverging", "reached_max_treedepth", "energy", "lp")
    return posterior(**dict.fromkeys(names, change))


@pytest.mark.parametrize(
    ("shape", "reasons"),
    [
        ((1, 500), ("one chain: R-hat needs two or more",)),
        ((2, 3), ("3 draws of a chain: R-hat and ESS need 4 or more",)),
        (
            (1, 2),
            (
                "one chain: R-hat needs two or more",
                "2 draws of a chain: R-hat and ESS need 4 or more",
            ),
        ),
    ],
)
def test_what_cannot_be_compared_is_a_reason_and_no_warning(shape, reasons, caplog):
    logger = logging.getLogger("arviz")
    logger.addHandler(caplog.handler)
    try:
        verdict = diagnose(few(shape))
        assert np.isnan(convergence(few(shape).posterior["a"].to_numpy())["r_hat"])
    finally:
        logger.removeHandler(caplog.handler)
    assert verdict.reasons == reasons
    assert np.isnan(verdict.figures["r_hat"])
    assert caplog.records == []


def test_nothing_is_said_of_a_value_that_is_no_number():
    with pytest.raises(FitError) as error:
        diagnose(posterior(b=put((0, 0, 1), np.nan)))
    assert str(error.value) == (
        "fit, b in posterior, chain 0, draw 0, b_dim_0 1: nan is stored where a finite number is "
        "needed, and there is no right answer with it; fit the model again with --force."
    )


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_is_named(name):
    changes, reason = FAILURES[name]
    verdict = diagnose(posterior(**changes))
    assert not verdict.passed
    assert reason in verdict.sentence
    assert verdict.sentence.startswith(
        "The posterior FAILED its diagnostics and must not be summarised as it is: "
    )


def correlated(n, width=0.9):
    """Return four chains of as many draws that have met, each like the one before."""
    x = np.random.default_rng(19).normal(size=(4, n))
    for t in range(1, n):
        x[:, t] = width * x[:, t - 1] + np.sqrt(1 - width**2) * x[:, t]
    return x


def shifted(x):
    x[0] += 0.35
    return x


IMPRECISE = {
    "one divergence": (
        {"diverging": put((1, 7), True)},
        "1 of 2000 draws diverged (none allowed)",
    ),
    "long trajectories": (
        {"reached_max_treedepth": put((slice(None), slice(0, 50)), True)},
        "10% of the trajectories hit the depth limit",
    ),
    "chains nearly met": ({"a": shifted}, "R-hat of a is 1.0"),
    "draws alike": ({"a": lambda x: correlated(x.shape[1], 0.8)}, "bulk ESS of a is "),
}


@pytest.mark.parametrize("case", IMPRECISE)
def test_a_posterior_whose_middle_may_be_read_is_imprecise(case):
    changes, reason = IMPRECISE[case]
    verdict = diagnose(posterior(**changes))
    assert (verdict.grade, verdict.passed, verdict.usable) == (Grade.IMPRECISE, False, True)
    assert verdict.called("m") == "m (imprecise by its diagnostics)"
    assert reason in verdict.brief
    assert verdict.sentence.endswith(
        ". Its medians and 90 % intervals may be read, and their last digits and probabilities "
        "near 0 or 1 are less sure."
    )
    assert not failed(verdict.brief)


def test_one_grave_reason_among_others_leaves_nothing():
    """And with one, however many others there are, it is no imprecise posterior."""
    light, _ = IMPRECISE["one divergence"]
    grave, _ = FAILURES["chains apart"]
    verdict = diagnose(posterior(**light, **grave))
    assert verdict.grade is Grade.FAILED
    assert len(verdict.reasons) > 1
    assert failed(verdict.brief)


def test_medians_of_imprecise_chains_are_what_the_grade_promises():
    """Of chains of known distribution: the median within 0.3 sd, the ends of the 90 % interval
    within 0.5 sd, in 40 of them that are called imprecise (ESS of 100 and more: standard errors
    of 0.125 and 0.21 sd, so that one in 60 medians may lie outside)."""
    rng = np.random.default_rng(3)
    seen, middle, ends = 0, 0, 0
    while seen < 40:
        x = rng.normal(size=SHAPE)
        for t in range(1, SHAPE[1]):
            x[:, t] = 0.85 * x[:, t - 1] + np.sqrt(1 - 0.85**2) * x[:, t]
        if diagnose(posterior(a=lambda _, x=x: x)).grade is not Grade.IMPRECISE:
            continue
        seen += 1
        low, median, high = np.quantile(x, (0.05, 0.5, 0.95))
        middle += abs(median) < 0.3
        ends += max(abs(low + 1.645), abs(high - 1.645)) < 0.5
    assert middle >= 37
    assert ends >= 37


@pytest.mark.parametrize("case", FAILURES)
def test_what_failed_comes_with_what_to_do(case):
    changes, _ = FAILURES[case]
    verdict = diagnose(posterior(**changes))
    assert verdict.remedies
    assert verdict.advised == f"{verdict.sentence} What to do: {'; '.join(verdict.remedies)}."
    if case == "chains apart":
        assert verdict.remedies == (remedies.warm_up(650),)
    elif case not in ("slow chains",):
        assert verdict.remedies == (remedies.NO_NUTS,)


def test_rules_that_a_shrinking_prior_leaves_open_are_weighed_by_terms():
    changes, _ = FAILURES["chains apart"]
    tree = posterior(**changes)
    tree["posterior"] = tree.posterior.dataset.assign(theta_global_scale=abs(tree.posterior["a"]))
    verdict = diagnose(tree)
    assert verdict.remedies == (remedies.warm_up(650, shrinks=True),)
    assert verdict.advised.endswith(
        "the choices leave several rules open, and `hebbax terms` with the same `--model` says how "
        "probable each is, by its evidence."
    )


def test_chains_that_have_met_are_asked_for_as_many_draws_as_they_need():
    """Autocorrelated draws: with the draws that are asked for they pass."""
    rng = np.random.default_rng(19)

    def verdict(n):
        names = ("lp", "acceptance_rate", "non_centred", "kept_animals")
        stats = {name: np.full((4, n), 0.3) for name in names}
        values = {"a": correlated(n), "b": rng.normal(size=(4, n, 2))}
        attrs, dims = {"method": "pseudo-marginal"}, {"b": ["animal"]}
        return diagnose(made.tree(posterior=values, sample_stats=stats, dims=dims, attrs=attrs))

    short = verdict(1500)
    assert not short.passed
    assert short.figures["r_hat"] <= 1.01
    enough = [int(n) for one in short.remedies for n in re.findall(r"--draws (\d+)", one)]
    assert verdict(max(enough)).passed
    assert remedies.more_draws(1000, 200.0, 400.0).endswith("`--draws 2400 --force`")
    assert diagnose(posterior()).advised == diagnose(posterior()).sentence
