"""What is said of a posterior: memory, tables and sentences, against closed forms."""

import arviz as az
import numpy as np
import pytest

from hebbax.posterior import spec_attribute
from hebbax.spec import ModelSpec
from hebbax.summary import (
    animal_table,
    effective_sentence,
    effective_terms,
    forgetting,
    memory,
    population_table,
    probability,
)

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def posterior():
    return az.from_dict(
        posterior={
            "theta_population": np.stack(
                [RNG.normal(0.3, 0.05, (2, 500)), RNG.normal(-0.1, 0.01, (2, 500))], -1
            ),
            "theta": np.stack(
                [RNG.normal(0.3, 0.05, (2, 500, 2)), RNG.normal([-0.1, 0.0], 0.01, (2, 500, 2))], -1
            ),
            "preference": RNG.normal(0.0, 1.0, (2, 500, 2)),
        },
        coords={"term": ["x r", "w"], "animal": ["fly1", "fly2"]},
        dims={
            "theta_population": ["term"],
            "theta": ["animal", "term"],
            "preference": ["animal"],
        },
        attrs={"n_inputs": 2},
    )


@pytest.mark.parametrize("trials", [1.5, 20.0, 400.0])
def test_the_memory_is_the_time_to_fade_to_one_over_e(trials):
    decay = 2 * (np.exp(-1 / trials) - 1)
    weight, t = 1.0, 0.0
    assert memory(decay, 2) == pytest.approx(trials)
    while weight * (1 + decay / 2) >= np.exp(-1):
        weight, t = weight * (1 + decay / 2), t + 1
    assert t <= trials + 1e-9 < t + 1 + 1e-6


def test_weights_that_grow_have_no_memory_time_and_a_wiped_one_none():
    np.testing.assert_array_equal(
        memory(np.array([0.0, 0.1, -2.0, -3.0]), 2), [np.inf] * 2 + [0] * 2
    )


def test_tables_hold_means_and_ninety_per_cent_intervals(posterior):
    table = population_table(posterior)
    assert list(table.index) == ["theta x r", "theta w"]
    error = 4 * 0.05 / np.sqrt(1000)
    assert table.loc["theta x r", "mean"] == pytest.approx(0.3, abs=error)
    assert table.loc["theta x r", "5 %"] == pytest.approx(0.3 - 1.645 * 0.05, abs=2.2 * error)
    assert table.loc["theta w", "P(< 0)"] == 1.0
    each = animal_table(posterior)
    assert each.loc[("fly2", "theta w"), "P(< 0)"] == pytest.approx(0.5, abs=0.07)


def test_the_sentence_says_how_large_how_sure_and_in_how_many(posterior):
    sentence = forgetting(posterior).sentence
    assert sentence.startswith("The coefficient of w in the population is -0.100 per trial")
    assert "a memory of 20 trials (17 to 23)" in sentence or "a memory of 19 trials" in sentence
    assert "with probability over 0.999" in sentence
    assert sentence.endswith("in 1 of 2 animals.")


def test_a_model_without_w_has_no_forgetting_term(posterior):
    without = az.convert_to_inference_data(posterior.posterior.sel(term=["x r"]))
    assert forgetting(without) is None


def test_a_probability_claims_no_more_digits_than_the_draws_have():
    assert [probability(p) for p in (0.0, 0.9, 1.0)] == ["under 0.001", "0.900", "over 0.999"]


def test_the_effective_number_of_terms_counts_what_is_not_shrunk_away():
    spec = ModelSpec("mine", ("x r", "w"), prior="horseshoe", expected_terms=1.0)
    tau, local = RNG.gamma(1.0, 1.0, (2, 300)), RNG.gamma(1.0, 1.0, (2, 300, 2))
    group = {"theta_global_scale": tau, "theta_local_scale": local}
    stored = az.from_dict(
        posterior=group,
        prior={name: 0.5 * value for name, value in group.items()},
        constant_data={"trial": np.arange(50)},
        coords={"term": ["x r", "w"]},
        dims={"theta_local_scale": ["term"], "trial": ["observation"]},
        attrs={"spec": spec_attribute(spec), "model_file": ""},
    )
    squared = (tau[..., None] * local) ** 2
    counted = (squared / (1 + squared)).sum(-1).ravel()
    found = effective_terms(stored)
    assert found.loc["posterior", "mean"] == pytest.approx(counted.mean())
    np.testing.assert_allclose(
        found.loc["posterior", ["5 %", "95 %"]], np.quantile(counted, [0.05, 0.95])
    )
    fewer = (squared / 16 / (1 + squared / 16)).sum(-1)
    assert found.loc["prior", "mean"] == pytest.approx(fewer.mean())
    said = effective_sentence(found, 2)
    assert said.startswith(f"Effective number of terms, of 2: {fewer.mean():.1f} (")
    stored.attrs["spec"] = spec_attribute(ModelSpec("mine", ("x r", "w"), prior="laplace"))
    assert effective_terms(stored) is None
