"""Fig. 2's script measures against the same gradient."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.errors import HebbaxError
from hebbax.rule.layer import Layer, recorded
from hebbax.rule.taylor import TaylorRule
from hebbax.simulation.recording_task import LayerTask, record

ANALYSIS = Path(__file__).parents[1] / "analysis"
TINY = LayerTask(n_inputs=5, n_neurons=4, trajectories=1, steps=7, input_variance=0.5)


@pytest.fixture
def scripts(monkeypatch):
    """The scripts import each other as they do when they are run."""
    monkeypatch.syspath_prepend(str(ANALYSIS))
    import fig2_oja
    import plain_layer

    yield fig2_oja, plain_layer
    for name in ("fig2_oja", "plain_layer"):
        sys.modules.pop(name)


def test_the_plain_gradient_is_the_same_or_there_is_no_race(scripts):
    fig2_oja, plain_layer = scripts
    layer = Layer(TaylorRule(fig2_oja.TERMS))
    data = record(jax.random.PRNGKey(0), layer, TINY)
    theta = jnp.asarray(0.2 * np.random.default_rng(1).normal(size=27))
    run = (jnp.asarray(data.initial), jnp.asarray(data.inputs[0]), jnp.asarray(data.activity[0]))

    @jax.jit
    @jax.grad
    def slope(theta):
        initial, x, y = run
        return 0.5 * ((recorded(layer, theta, initial, x, jnp.zeros(7)) - y) ** 2).sum()

    assert plain_layer.race(lambda: slope(theta), theta, *run)["apart"] < 1e-12
    with pytest.raises(HebbaxError, match=r"^the plain gradient differs by .* of its size\.$"):
        plain_layer.race(lambda: slope(1.01 * theta), theta, *run)
