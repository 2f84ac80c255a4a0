"""Population and scales are drawn anew given the animals' values, and the prior stays what it was."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from hebbax.inference.density import animal_values, constrain, latent_sites
from hebbax.inference.interweave import interweave
from hebbax.prior_predictive import draw_truth, template
from hebbax.rehearsal import Task
from hebbax.spec import parse_spec

DRAWS = 3000


@pytest.mark.parametrize("prior", ["laplace", "regularised horseshoe", "r2d2"])
def test_values_are_kept_and_the_prior_is_left_as_it_is(prior):
    own = {"expected_terms": 1} if "horseshoe" in prior else {}
    spec = parse_spec({"name": "both", "terms": ["x r", "w"], "prior": prior, **own})
    model = template(spec, 3, Task(6, 1, (0.2, 0.8), "baited"))
    sites = latent_sites(model)

    def one(key):
        """A draw of the prior before and after many moves, and its animals' values."""
        truth_key, move_key = jax.random.split(key)
        drawn = draw_truth(truth_key, model)
        for group in model.groups:
            away = drawn[group.name] - drawn[f"{group.name}_population"]
            drawn[f"{group.name}_offset"] = away / drawn[f"{group.name}_spread"]
        start = {name: sites.transforms[name].inv(drawn[name]) for name in sites.shapes}
        keys = jax.random.split(move_key, 8)
        end, _ = jax.lax.scan(lambda now, own: (interweave(own, model, now), None), start, keys)
        end = constrain(sites, end)
        return drawn, end, animal_values(model, end)

    before, after, values = jax.jit(jax.vmap(one))(jax.random.split(jax.random.PRNGKey(0), DRAWS))
    for group in model.groups:
        np.testing.assert_allclose(values[group.name], before[group.name], rtol=1e-6, atol=1e-9)
    moved = 0
    for name in sites.shapes:
        if name.endswith("_offset"):
            continue
        old, new = (np.asarray(v[name]).reshape(DRAWS, -1) for v in (before, after))
        for member in range(old.shape[1]):
            # Both are samples of one prior; they would differ so much once in 10 000 tests.
            assert kstest(old[:, member], new[:, member]).pvalue > 1e-4, (name, member)
            assert np.mean(old[:, member] != new[:, member]) > 0.9
            moved += 1
    assert moved == (6 if prior == "laplace" else 9)


def test_animals_that_stand_alone_have_no_population_to_draw():
    spec = parse_spec({"name": "alone", "terms": ["x r"], "hierarchy": "none"})
    model = template(spec, 2, Task(6, 1, (0.2, 0.8), "baited"))
    sites = {"theta": jnp.zeros((2, 1)), "preference": jnp.zeros(2)}
    assert interweave(jax.random.PRNGKey(0), model, sites) is sites
