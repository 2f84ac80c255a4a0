"""The likelihood of one animal over two coefficients, with and without its innate preference.

It shows why the preference is part of every model: without it a preference can only be imitated by
weights that run away (a positive coefficient of w), and the likelihood has a second mode there.
"""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from hebbax.data import Sessions, select
from hebbax.errors import ModelError
from hebbax.likelihood import Choice
from hebbax.model import Model, build_model
from hebbax.plasticity import parse_term, term_name
from hebbax.spec import ModelSpec
from hebbax.typing import Array, Progress, silent

PREFERENCES = np.linspace(-4.0, 4.0, 81)
"""Log odds over which the preference is profiled out."""


def grids(terms: Sequence[str]) -> dict[str, np.ndarray]:
    """Return values of two terms, by canonical name, that hold what animals have been found to do.

    Raises `ModelError` for terms that are not two.
    """
    names = [term_name(parse_term(term)) for term in terms]
    if len(set(names)) != 2:
        raise ModelError(
            f"a profile is drawn over two terms, {', '.join(names) or 'none'} given; name two with "
            "--terms."
        )
    return {name: _grid(name) for name in names}


def _grid(term: str) -> np.ndarray:
    exponents = parse_term(term)
    if exponents.reward:
        return np.linspace(-0.2, 0.9, 45)
    # A factor x leaves a term to the accepted stimulus and shortens it to 0.75.
    reach = 0.6 if exponents.pre else 0.25
    return np.linspace(-reach, reach, 51)


def profile(
    sessions: Sessions,
    spec: ModelSpec,
    animal: str,
    grids: dict[str, np.ndarray],
    progress: Progress = silent,
) -> xr.Dataset:
    """Return the log likelihood in nats on a grid of two terms.

    Two variables: ``fixed``, with no preference, and ``profiled``, at the best preference for each
    pair of coefficients; ``preference`` is that best value. Other terms are held at zero.

    Args:
        sessions: recorded trials of two alternatives.
        spec: declared model with the ``choice`` likelihood.
        animal: name of the animal.
        grids: values of the two terms by name.
        progress: called after each row of the grid.

    Raises:
        ModelError: a term is not in the model, or there are more than two alternatives.
    """
    for term in grids:
        if term not in spec.terms:
            raise ModelError(
                f'{spec.name}: no term "{term}" to profile; '
                f"it has {', '.join(spec.terms) or 'none'}."
            )
    if sessions.n_stimuli != 2 or spec.likelihood != "choice":
        raise ModelError(
            f"{spec.name}: the profile is drawn for two alternatives and the choice likelihood."
        )
    model = build_model(replace(spec, scaling="declared"), select(sessions, [animal]))
    (first, rows), (second, columns) = grids.items()
    places = [model.rule.parameters.index(term) for term in (first, second)]

    def cell(a: Array, b: Array) -> Array:
        theta = jnp.zeros(len(spec.terms)).at[jnp.array(places)].set(jnp.stack([a, b]))
        return _over_preferences(model, theta)

    row = jax.jit(jax.vmap(cell, in_axes=(None, 0)))
    surface = np.empty((len(rows), len(columns), len(PREFERENCES)))
    for i, value in enumerate(rows):
        surface[i] = row(value, jnp.asarray(columns))
        progress("profiling", i + 1, len(rows))
    none = int(np.argmin(np.abs(PREFERENCES)))
    dims = (first, second)
    return xr.Dataset(
        {
            "fixed": (dims, surface[..., none], {"units": "nats"}),
            "profiled": (dims, surface.max(-1), {"units": "nats"}),
            "preference": (dims, PREFERENCES[surface.argmax(-1)], {"units": "log odds"}),
        },
        coords={first: rows, second: columns},
        attrs={"animal": animal, "model": spec.name},
    )


def _over_preferences(model: Model, theta: Array) -> Array:
    """Return the log likelihood at each of `PREFERENCES`; the weights are simulated once."""
    values = {"theta": theta[None], "preference": jnp.zeros(1)}
    for group in model.groups:
        values.setdefault(group.name, jnp.zeros((1, *group.shape)))
    logits = model.readout(values)[0][0]
    observed = jnp.asarray(model.observed)

    def at(preference: Array) -> Array:
        offset = jnp.stack([jnp.zeros_like(preference), preference])
        return Choice(logits, offset).log_prob(observed).sum()

    return jax.vmap(at)(jnp.asarray(PREFERENCES))
