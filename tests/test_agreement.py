"""MAP, SVI and NUTS where they must agree: one simulated cohort, each against something else."""

import arviz as az
import jax
import numpy as np
import pytest

from hebbax.inference import map, nuts, svi
from hebbax.inference.density import potential
from hebbax.model import build_model
from hebbax.simulation import Cohort, simulate
from hebbax.spec import ModelSpec

SPEC = ModelSpec("m", ("x r", "w"))
CHECKED = ("theta_population", "preference_population", "theta", "preference")


def cohort(animals, trials_per_block):
    design = Cohort(animals=animals, trials_per_block=trials_per_block)
    return build_model(SPEC, simulate(jax.random.PRNGKey(3), design, SPEC)[0])


def worst_distance(one, other):
    """Largest distance between posterior means in Monte Carlo standard errors of both."""
    worst = 0.0
    for name in CHECKED:
        errors = [
            np.asarray(az.mcse(az.convert_to_dataset({name: d[name]}))[name]) for d in (one, other)
        ]
        means = [d[name].mean((0, 1)) for d in (one, other)]
        distance = np.abs(means[0] - means[1]) / np.hypot(*errors)
        worst = max(worst, float(np.max(distance)))
    return worst


def worst_shift(guide, draws):
    """Largest distance of a guide's mean from the sampled one, in posterior standard deviations."""
    shifts = [
        np.abs(guide[n].mean((0, 1)) - draws[n].mean((0, 1))) / draws[n].std((0, 1))
        for n in CHECKED
    ]
    return max(float(np.max(s)) for s in shifts)


def check(model, sampled, reference, restarts):
    draws, _ = nuts.fit(jax.random.PRNGKey(1), model, sampled)
    longer, _ = nuts.fit(jax.random.PRNGKey(2), model, reference)
    distance = worst_distance(draws, longer)
    settings = svi.Settings()
    guide, info = svi.fit(jax.random.PRNGKey(3), model, settings)
    log_weights = info.log_weights[0]
    k_hat = float(az.psislw(log_weights - log_weights.max())[1])
    shift = worst_shift(guide, longer)
    print(f"NUTS against reference: {distance:.2f} MCSE; SVI: {shift:.2f} sd, k-hat {k_hat:.2f}")
    assert distance < 3.0
    assert k_hat < 0.7
    assert shift < 0.3

    mode, found = map.fit(jax.random.PRNGKey(4), model)
    others = map.Settings(starts=restarts)
    _, better = map.fit(jax.random.PRNGKey(5), model, others)
    print(
        f"MAP: loss {found.final:.6f}, slope {found.gradient_norm:.1e}; restarts {better.final:.6f}"
    )
    assert found.gradient_norm < 1e-5
    assert potential(model, mode) == pytest.approx(float(found.final))
    assert better.final > found.final - 1e-5


def test_the_three_ways_agree_on_a_small_cohort():
    sampled = nuts.Settings(warmup=200, draws=200)
    check(cohort(4, 30), sampled, nuts.Settings(warmup=200, draws=600), 4)


@pytest.mark.slow
def test_the_three_ways_agree_on_20_animals_with_300_trials():
    check(cohort(20, 100), nuts.Settings(), nuts.Settings(draws=4000), 20)
