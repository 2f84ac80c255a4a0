"""Stored posteriors made without a fit: draws at random, statistics of a sampler that moved."""

import jax
import numpy as np
from arviz_base import from_dict
from conftest import random_sessions

from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import to_inference_data

KEY = jax.random.PRNGKey(0)
PROVENANCE = {"method": "nuts", "seed": 0, "settings": {}}


def statistics(shape, seed=0):
    """Return what NUTS says of itself where nothing is wrong, each ``(chain, draw)``."""
    rng = np.random.default_rng(seed)
    return {
        "diverging": np.zeros(shape, dtype=bool),
        "reached_max_treedepth": np.zeros(shape, dtype=bool),
        "energy": rng.normal(size=shape),
        "lp": rng.normal(size=shape),
    }


def tree(coords=None, dims=None, attrs=None, **groups):
    """Return groups of variables, each an array by its name, as the posterior of a stored fit."""
    return from_dict(groups, coords=coords, dims=dims, attrs={"/": attrs or {}})


def posterior(spec=None, sessions=None, shape=(2, 5), shift=0.0):
    """Return a posterior of independent normal draws, which passes its diagnostics where there are
    enough of them; chains lie ``shift`` apart."""
    spec = spec or ModelSpec("m", ("x r", "w"))
    model = build_model(spec, sessions or random_sessions(4))
    rng = np.random.default_rng(1)
    apart = shift * np.arange(shape[0])
    draws = {}
    for group in model.groups:
        for name, size in (
            (group.name, (model.sessions.n_animals, *group.shape)),
            (f"{group.name}_population", group.shape),
        ):
            drawn = 0.3 * rng.normal(size=(*shape, *size))
            draws[name] = drawn + apart.reshape(-1, *[1] * (drawn.ndim - 1))
        spread = np.abs(0.3 * np.random.default_rng(2).normal(size=(*shape, *group.shape)))
        draws[f"{group.name}_spread"] = spread
    return to_inference_data(KEY, model, draws, statistics(shape), PROVENANCE)
