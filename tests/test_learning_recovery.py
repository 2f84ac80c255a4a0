"""Learning models from simulation to posterior: what was put in comes out, within its uncertainty."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from hebbax.errors import ModelError
from hebbax.inference import pseudo_marginal
from hebbax.inference.density import log_likelihood_by_animal
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec
from hebbax.posterior import alone, diagnostics, summary
from hebbax.posterior.inference_data import to_inference_data
from hebbax.simulation.cohort import Cohort, simulate

Q = read_spec("q-learning")
COHORT = {
    "population": {"alpha": 0.35, "beta": 3.0},
    "spread": {"alpha": 0.3, "beta": 0.25},
    "reward_probability": ((0.2, 0.8), (0.8, 0.2)) * 2,
    "baiting": "independent",
    "animals": 6,
    "trials_per_block": 50,
}


def test_the_likelihood_of_simulated_animals_lies_around_what_they_are():
    sessions, truth = simulate(jax.random.PRNGKey(0), Cohort(**COHORT), Q)
    model = build_model(Q, sessions)
    preference = jnp.asarray(truth["preference"][:, 0])

    def at(moved):
        return log_likelihood_by_animal(
            model, {"theta": truth["theta"] + moved, "preference": preference}
        )

    grid = np.linspace(-1.5, 1.5, 31)  # of the logit of alpha and the logarithm of beta
    moved = jnp.asarray(np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2))
    found = jax.lax.map(at, moved)
    drop = 2.0 * (found.max(0) - at(jnp.zeros(2)))
    # Wilks: chi squared of two degrees of freedom each; one sum beyond this in a thousand seeds.
    assert drop.sum() < chi2.ppf(0.999, 2 * sessions.n_animals)
    # And it says something: a learning rate or a temperature far off is refused.
    assert (2.0 * (found.max(0) - found[jnp.array([0, -1])]) > chi2.ppf(0.999, 2)).all()


@pytest.mark.slow
def test_learning_rate_and_inverse_temperature_are_recovered():
    cohort = Cohort(**COHORT)
    sessions, truth = simulate(jax.random.PRNGKey(0), cohort, Q)
    model = build_model(Q, sessions)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(1), model)
    posterior = to_inference_data(
        jax.random.PRNGKey(2),
        model,
        draws,
        info.statistics,
        {"method": "pseudo-marginal", "seed": 0, "settings": {}},
        by_animal=info.log_marginal,
    )
    assert diagnostics.diagnose(posterior).passed
    values = posterior.posterior["parameters"].stack(sample=("chain", "draw")).to_numpy()
    # One of these twelve lies outside by chance in 11 of 100 seeds; this one is fixed.
    low, high = np.quantile(values, (0.005, 0.995), axis=-1)
    assert ((low < truth["parameters"]) & (truth["parameters"] < high)).all()
    table = summary.population_table(posterior)
    for name, value in cohort.population.items():
        assert table.loc[name, "5 %"] < value < table.loc[name, "95 %"]
    own = alone.of_each(jax.random.PRNGKey(3), model)["parameters"]
    apart = own.sel(statistic="95 %") - own.sel(statistic="5 %")
    together = np.subtract(*np.quantile(values, (0.95, 0.05), axis=-1))
    # Alone no strength is borrowed: less is known.
    assert (apart.mean("animal").to_numpy() > together.mean(0)).all()


@pytest.mark.parametrize(
    ("population", "sentence"),
    [
        ({"alpha": 1.2, "beta": 3.0}, 'the parameter "alpha" lies between 0 and 1, 1.2 given.'),
        ({"x r": 1.0}, "q-learning: its parameters are alpha, beta, and the cohort gives x r."),
    ],
)
def test_a_cohort_gives_each_parameter_in_its_range(population, sentence):
    with pytest.raises(ModelError) as error:
        simulate(jax.random.PRNGKey(0), Cohort(**{**COHORT, "population": population}), Q)
    assert str(error.value) == sentence
