"""MAP, SVI and NUTS where they must agree: one simulated cohort, each against something else."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from arviz_stats import mcse
from arviz_stats.base import array_stats
from scipy.stats import norm

from hebbax.inference import map, nuts, svi
from hebbax.inference.density import potential
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.simulation.cohort import Cohort, simulate

SPEC = ModelSpec("m", ("x r", "w"))
CHECKED = ("theta_population", "preference_population", "theta", "preference")


def cohort(animals, trials_per_block):
    design = Cohort(animals=animals, trials_per_block=trials_per_block)
    return build_model(SPEC, simulate(jax.random.PRNGKey(3), design, SPEC)[0])


def distances(one, other, names):
    """Distances between posterior means, in Monte Carlo standard errors of both."""
    out = []
    for name in names:
        errors = [mcse(d[name]) for d in (one, other)]
        means = [d[name].mean((0, 1)) for d in (one, other)]
        out.append(np.ravel((means[0] - means[1]) / np.hypot(*errors)))
    return np.concatenate(out)


def worst_shift(guide, draws):
    """Largest distance of a guide's mean from the sampled one, in posterior standard deviations."""
    shifts = [
        np.abs(guide[n].mean((0, 1)) - draws[n].mean((0, 1))) / draws[n].std((0, 1))
        for n in CHECKED
    ]
    return max(float(np.max(s)) for s in shifts)


def check_samplers(draws, longer, guide, info):
    population = distances(draws, longer, CHECKED[:2])
    every = distances(draws, longer, CHECKED)
    log_weights = info.log_weights[0]
    k_hat = float(array_stats.psislw(-log_weights)[1])
    shift = worst_shift(guide, longer)
    print(
        f"NUTS against reference, in MCSE: population {np.abs(population).max():.2f}, all "
        f"{every.size} values {np.abs(every).max():.2f} (rms {np.sqrt((every**2).mean()):.2f}); "
        f"SVI: {shift:.2f} sd, k-hat {k_hat:.2f}"
    )
    assert np.abs(population).max() < 3.0
    # Of 63 values that agree one lies beyond 3 in every sixth run: the bound of all of them is that
    # which the worst one exceeds as rarely as a single one exceeds 3.
    assert np.abs(every).max() < norm.isf(norm.sf(3.0) / every.size)
    assert k_hat < 0.7
    assert shift < 0.3


def check_mode(model, settings, restarts):
    mode, found = map.fit(jax.random.PRNGKey(4), model, settings)
    _, better = map.fit(jax.random.PRNGKey(5), model, replace(settings, starts=restarts))
    print(
        f"MAP: loss {found.final:.6f}, slope {found.gradient_norm:.1e}; of {restarts} restarts "
        f"{better.final:.6f}"
    )
    assert found.gradient_norm < 1e-5
    assert potential(model, mode) == pytest.approx(float(found.final))
    assert better.final > found.final - 1e-5


# Each of the three has a yardstick of its own in CI: importance sampling in test_inference.py and
# test_svi.py, the slope and other starts in test_map.py.
@pytest.mark.slow
def test_the_three_ways_agree_on_a_small_cohort():
    model = cohort(3, 40)
    quick = map.Settings(epochs=200, starts=2)
    # One call for both, a third of the chains against the others: it compiles once.
    settings = nuts.Settings(warmup=150, draws=250)
    draws, _ = nuts.fit(jax.random.PRNGKey(1), model, settings)
    guide = svi.fit(jax.random.PRNGKey(3), model, svi.Settings(steps=500))
    few, many = ({k: v[part] for k, v in draws.items()} for part in (slice(2), slice(2, None)))
    check_samplers(few, many, *guide)
    check_mode(model, quick, 4)


@pytest.mark.slow
def test_the_three_ways_agree_on_20_animals_with_300_trials():
    model = cohort(20, 100)
    draws, _ = nuts.fit(jax.random.PRNGKey(1), model)
    longer, _ = nuts.fit(jax.random.PRNGKey(2), model, nuts.Settings(draws=4000))
    check_samplers(draws, longer, *svi.fit(jax.random.PRNGKey(3), model))
    check_mode(model, map.Settings(), 20)
