"""People in a two-armed bandit: hebbax's posterior of Q-learning is the one that Stan found."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats
from scipy.special import expit, log_softmax, logit

from hebbax.data import Record, from_animals
from hebbax.inference.density import latent_sites, potential
from hebbax.model.choices import build_model
from hebbax.runs.ledger import read

PEOPLE = "humans/bandit2arm_exampleData.txt"


@pytest.fixture
def study(script):
    return script("stan_bandit")


def stan_density(sessions, mu, sigma, z):
    """The log density of stan/q_learning.stan in plain Python, as its equations are written."""
    scale = np.array([1.0, 0.8])
    total = stats.norm(0, scale).logpdf(mu).sum() + stats.halfnorm(0, scale / 2).logpdf(sigma).sum()
    total += stats.norm.logpdf(z).sum()
    for choices, rewards, (first, second) in zip(
        sessions.choices, sessions.rewards, mu + sigma * z, strict=True
    ):
        alpha, beta = expit(logit(0.4) + first), 3.0 * np.exp(second)
        q = np.zeros(2)
        for c, reward in zip(choices, rewards, strict=True):
            total += log_softmax(beta * q)[c]
            q[c] += alpha * (reward - q[c])
    return total


def test_the_density_is_that_of_the_stan_program(study):
    rng = np.random.default_rng(0)
    records = [Record(a, rng.integers(0, 2, 15), rng.choice([-1.0, 1.0], 15)) for a in "ab"]
    model = build_model(study.SPEC, from_animals(records, "12", "random"))
    none = {name: jnp.zeros(shape) for name, shape in latent_sites(model).shapes.items()}
    differences = []
    for _ in range(4):
        # Small values: hebbax bounds weights that are over 40, where no choice is in doubt.
        mu, log_sigma, *z = 0.5 * rng.normal(size=(4, 2))
        theirs = stan_density(model.sessions, mu, np.exp(log_sigma), np.array(z)) + log_sigma.sum()
        point = {"theta_population": mu, "theta_spread": log_sigma, "theta_offset": np.array(z)}
        differences.append(theirs + float(potential(model, none | point)))
    # The one constant is the density of the preference, here none.
    assert np.ptp(differences) < 1e-8


def test_a_difference_is_told_in_monte_carlo_errors(study):
    rows = [
        {"posterior": name, "quantity": "mu alpha", "statistic": "mean", "value": v, "error": e}
        for name, v, e in [
            (study.HEBBAX, 1.0, 0.3), (study.STAN, 0.5, 0.4), (study.PUBLISHED, 7.0, 0.1)
        ]
    ]  # fmt: skip
    (found,) = study.beside(pd.DataFrame(rows))["apart"]
    assert found == pytest.approx(1.0)


def test_the_stored_posteriors_of_stan_passed(study):
    stored = read(study.STORED)
    assert set(stored["posterior"]) == {study.HEBBAX, study.STAN, study.PUBLISHED}
    own = stored[stored["posterior"] != study.HEBBAX]
    assert own["r_hat"].max() < 1.01
    assert own["ess"].min() > 2000


@pytest.mark.slow
def test_people_have_the_learning_rate_and_inverse_temperature_that_stan_finds(
    study, recording, tmp_path
):
    done = CliRunner().invoke(study.main, [str(recording(PEOPLE)), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    fresh = read(tmp_path / "stan_bandit.csv")
    assert set(fresh["posterior"]) == {study.HEBBAX}
    apart = study.beside(study.with_stored(fresh, fresh["choices"].iloc[0]))["apart"]
    assert len(apart) == 30
    # Mean, sd and three quantiles of two means and two spreads, and of two values that are functions
    # of the means: were they independent, one of the 30 would be over 3 in 8 of 100 seeds; this one is fixed.
    assert apart.abs().max() < 3
