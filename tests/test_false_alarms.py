"""The table of false alarms: its simulator against the likelihood, its counts by hand."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from hebbax.data import from_animals
from hebbax.inference.density import expansion
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec


@pytest.fixture
def false_alarms(script):
    return script("false_alarms")


TRUTHS = {
    "weights stay": ("reward", (0.13 * 2 / 0.75, 0.0)),
    "weights lose 5 %": ("forgetting", (0.13 * 2 / 0.75, -0.1, 0.0)),
    "delta rule": ("chosen-forgetting", (0.2 * 2 / 0.75, -0.15 * 2 / 0.75, 0.0)),
}


def test_animals_that_are_simulated_in_numpy_have_the_likelihood_of_their_model(false_alarms):
    """At the truth the slope of the log likelihood is zero up to its Fisher information: of eight
    values one lies outside 4 standard deviations in 2000 tries."""
    for kind, (name, truth) in TRUTHS.items():
        agent = replace(false_alarms.AGENTS[kind], spread=0.0, preferences=0.0)
        rng = np.random.default_rng(5)
        animals = [replace(false_alarms.live(rng, agent, 240), animal=str(k)) for k in range(60)]
        model = build_model(read_spec(name), from_animals(animals, ("A", "B"), "simulated"))
        there = expansion(model, jnp.broadcast_to(jnp.array(truth), (60, len(truth))))
        slope, information = there.slope.sum(0), there.information.sum(0)
        z = np.asarray(slope) / np.sqrt(np.diagonal(information))
        assert np.abs(z).max() < 4, (kind, z)
        wrong = jnp.broadcast_to(0.7 * jnp.array(truth), (60, len(truth)))
        assert expansion(model, wrong).value.sum() < there.value.sum() - 3


def test_claims_and_intervals_are_counted_by_kind_of_animal(false_alarms):
    rows = []
    for kind in false_alarms.AGENTS:
        for n, (claim, low, high) in enumerate([(1, 4.0, 6.0), (0, -1.0, 5.0), (0, -2.0, -0.1)]):
            own = {"kind": kind, "cohort": n, "failed": "reward" if n == 2 else None}
            for subject in ("unchosen", "chosen"):
                own |= {
                    f"{subject} fades": claim,
                    f"{subject} loss": (low + high) / 2,
                    f"{subject} low": low,
                    f"{subject} high": high,
                }
            rows.append(own)
    found = false_alarms.summary(pd.DataFrame(rows))
    assert found.index.tolist() == list(false_alarms.AGENTS)
    assert found["unchosen claimed"].eq(1).all()
    assert found.loc["weights lose 5 %", "unchosen inside"] == 2
    assert found.loc["weights stay", "unchosen inside"] == 1
    assert found.loc["delta rule", "chosen true (%)"] == 15
    assert found["a model failed"].eq(1).all()
