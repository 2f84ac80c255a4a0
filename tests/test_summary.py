"""What is said of a posterior: tables and sentences, against closed forms."""

import made
import numpy as np
import pytest

from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import spec_attribute
from hebbax.posterior.summary import (
    animal_table,
    effective_sentence,
    effective_terms,
    population_table,
    probability,
)

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def posterior():
    return made.tree(
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
        sample_stats=made.statistics((2, 500)),
        attrs={"n_inputs": 2},
    )


def test_tables_hold_medians_and_ninety_per_cent_intervals(posterior):
    table = population_table(posterior)
    assert list(table.index) == ["theta x r", "theta w"]
    error = 5 * 0.05 / np.sqrt(1000)
    assert table.loc["theta x r", "median"] == pytest.approx(0.3, abs=error)
    assert table.loc["theta x r", "5 %"] == pytest.approx(0.3 - 1.645 * 0.05, abs=2.2 * error)
    assert table.loc["theta w", "P(< 0)"] == 1.0
    each = animal_table(posterior)
    assert each.loc[("fly2", "theta w"), "P(< 0)"] == pytest.approx(0.5, abs=0.07)


def test_a_probability_claims_no_more_digits_than_the_draws_have():
    assert [probability(p) for p in (0.0, 0.9, 1.0)] == ["under 0.001", "0.900", "over 0.999"]


def test_the_effective_number_of_terms_counts_what_is_not_shrunk_away():
    spec = ModelSpec("mine", ("x r", "w"), prior="horseshoe", expected_terms=1.0)
    tau, local = RNG.gamma(1.0, 1.0, (2, 300)), RNG.gamma(1.0, 1.0, (2, 300, 2))
    group = {"theta_global_scale": tau, "theta_local_scale": local}
    stored = made.tree(
        posterior=group,
        prior={name: 0.5 * value for name, value in group.items()},
        constant_data={"chosen": np.r_[np.zeros(50, int), -np.ones(7, int)]},  # 50 choices
        coords={"term": ["x r", "w"]},
        dims={"theta_local_scale": ["term"], "chosen": ["observation"]},
        attrs={"spec": spec_attribute(spec), "model_file": ""},
    )
    squared = (tau[..., None] * local) ** 2
    counted = (squared / (1 + squared)).sum(-1).ravel()
    found = effective_terms(stored)
    assert found.loc["posterior", "median"] == pytest.approx(np.median(counted))
    np.testing.assert_allclose(
        found.loc["posterior", ["5 %", "95 %"]], np.quantile(counted, [0.05, 0.95])
    )
    fewer = (squared / 16 / (1 + squared / 16)).sum(-1)
    assert found.loc["prior", "median"] == pytest.approx(np.median(fewer))
    said = effective_sentence(found, 2)
    assert said.startswith(f"Effective number of terms, of 2: {np.median(fewer):.1f} (")
    stored.attrs["spec"] = spec_attribute(ModelSpec("mine", ("x r", "w"), prior="laplace"))
    assert effective_terms(stored) is None
