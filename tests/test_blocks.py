"""A density in blocks of animals is the density."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_sessions

from hebbax.inference.density import log_likelihood
from hebbax.model import blocks
from hebbax.model import choices as models
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec


@pytest.mark.parametrize("lengths", [(5, 5, 5), (7, 4, 9)])
@pytest.mark.parametrize("event", [(), (3,)])
def test_padding_and_flattening_are_inverse(lengths, event):
    counts = np.array(lengths)
    values = np.random.default_rng(0).normal(size=(counts.sum(), *event))
    observed = np.arange(max(lengths)) < counts[:, None]
    trials = blocks.padded(observed, jnp.asarray(values))
    assert trials.shape == (3, max(lengths), *event)
    np.testing.assert_array_equal(blocks.flat(observed, trials), values)
    apart = np.roll(observed, 1, axis=1)  # observations need not come first
    spread = blocks.padded(apart, jnp.asarray(values))
    np.testing.assert_array_equal(blocks.flat(apart, spread), values)
    for a, n in enumerate(counts):
        before = counts[:a].sum()
        np.testing.assert_array_equal(trials[a, :n], values[before : before + n])


@pytest.mark.parametrize("likelihood", ["choice", "encounter"])
@pytest.mark.parametrize("lengths", [(11, 11, 11, 11, 11), (9, 14, 6, 12, 8)])
def test_blocks_give_the_density_slope_and_draws_of_the_whole(monkeypatch, likelihood, lengths):
    spec = replace(read_spec("forgetting"), likelihood=likelihood)
    model = build_model(spec, random_sessions(3, lengths=lengths))
    rng = np.random.default_rng(4)
    shape = (5,) if likelihood == "choice" else (5, 2)
    values = {
        "theta": jnp.asarray(rng.normal(size=(5, 2))),
        "preference": jnp.asarray(rng.normal(size=shape)),
    }

    weights = jnp.arange(1.0, 1.0 + len(model.observed))

    def density_and_slope():
        """One program, traced anew whenever it is asked for."""
        return jax.jit(
            lambda values: (
                log_likelihood(model, values),
                jax.grad(lambda v: (log_likelihood(model, v) * weights).sum())(values),
            )
        )(values)

    whole, whole_slope = density_and_slope()
    monkeypatch.setattr(models, "MANY_TRIALS", 10)
    monkeypatch.setattr(blocks, "BLOCK_TRIALS", 28)  # two or three animals: the last block is short
    assert isinstance(model.distribution(values), blocks.Blocks)
    parts, parts_slope = density_and_slope()
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    for name, expected in whole_slope.items():
        np.testing.assert_allclose(parts_slope[name], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lengths", [(11, 11), (9, 14)])
def test_draws_in_blocks_have_the_probabilities_of_the_whole(monkeypatch, lengths):
    model = build_model(read_spec("forgetting"), random_sessions(5, lengths=lengths))
    values = {"theta": jnp.array([[0.9, -0.1], [0.4, 0.1]]), "preference": jnp.array([0.5, -1.0])}
    probability = model.distribution(values).probs[:, 1]
    monkeypatch.setattr(models, "MANY_TRIALS", 10)
    drawn = model.distribution(values).sample(jax.random.PRNGKey(0), (4000,))
    assert drawn.shape == (4000, model.observed.size)
    error = np.sqrt(probability * (1 - probability) / 4000)
    assert (np.abs(drawn.mean(0) - probability) < 4.5 * error).all()
