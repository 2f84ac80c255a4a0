"""The sampler without choices: its posterior is the prior, whatever the prior."""

import jax
import jax.numpy as jnp
import numpy as np
from arviz_stats import ess
from numpyro.handlers import seed, trace
from small import RUNS_LONG, compile_blocks

from hebbax.data import NO_CHOICE
from hebbax.inference import pseudo_marginal
from hebbax.inference.pseudo_marginal import animal, sampling

SETTINGS = pseudo_marginal.Settings(warmup=130, draws=600, points=4, most_thinning=1, evidence=0)
DIRECT = 20_000


def sampled_without_choices(model, monkeypatch):
    """Return draws and `Info` of a model whose animals made no choice."""

    def unrecorded(model):
        trials = animal.trials_of(model)
        return trials._replace(value=jnp.full_like(trials.value, NO_CHOICE))

    monkeypatch.setattr(sampling, "trials_of", unrecorded)
    compile_blocks(monkeypatch, RUNS_LONG)
    return pseudo_marginal.fit(jax.random.PRNGKey(0), model, SETTINGS)


def drawn_directly(model):
    """Return draws of all sites from the prior that the model states, ``(draw, ...)``."""

    def direct(key):
        sites = trace(seed(model.latents, key)).get_trace()
        return {name: site["value"] for name, site in sites.items() if site["type"] != "plate"}

    return jax.jit(jax.vmap(direct))(jax.random.split(jax.random.PRNGKey(3), DIRECT))


def assert_alike(sampled, truth, names):
    """Assert that three quantiles of the sizes of some sites are within 4.5 Monte Carlo errors."""
    for name in names:
        expected = np.abs(np.asarray(truth[name])).reshape(DIRECT, -1)
        found = np.abs(sampled[name]).reshape(SETTINGS.chains, SETTINGS.draws, -1)
        # A local scale is drawn within a cell of the grid.
        slack = 0.01 if name.endswith("_scale") else 0.0
        for j in range(expected.shape[1]):
            for level in (0.1, 0.5, 0.9):
                below = 1.0 * (found[..., j] < np.quantile(expected[:, j], level))
                error = np.sqrt(level * (1 - level) * (1 / float(ess(below)) + 1 / DIRECT))
                assert abs(below.mean() - level) < 4.5 * error + slack, (name, j, level)
