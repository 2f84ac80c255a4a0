"""Simulated recordings: animals with a known rule, to try a fit or a design on."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

import jax
import pandas as pd

from hebbax.api.fit import Declared, spec_of
from hebbax.api.session import prepare, seeded
from hebbax.data import Sessions
from hebbax.errors import ModelError
from hebbax.model.spec import ModelSpec
from hebbax.simulation import cohort as simulation

GIVEN = ("population", "spread")
"""Fields of a cohort that are arguments of their own."""


class Simulated(NamedTuple):
    """A simulated recording, and the ``truth`` of each animal: its coefficients, of a learning
    model its parameters, and its preference in log odds."""

    sessions: Sessions
    truth: pd.DataFrame


def simulate(
    model: Declared = "forgetting",
    *,
    population: Mapping[str, float] | None = None,
    spread: Mapping[str, float] | None = None,
    seed: int = 0,
    **design: Any,
) -> Simulated:
    """Return animals that learn by the rule of a model.

    >>> import hebbax
    >>> hebbax.simulate(animals=2, trials_per_block=10).truth.round(2)
               x r     w  preference B
    animal
    animal 1  0.58 -0.07         -0.56
    animal 2  0.40 -0.01          0.57

    Args:
        model: a declared model, as in `hebbax.fit`.
        population: the coefficient of each term in the population, of a learning model the value of
            each parameter; by default those of `Cohort` for ``forgetting``, of a learning model the
            medians of its prior.
        spread: the standard deviation between animals, of a parameter that of its logit or
            logarithm; of a learning model by default a quarter of the prior scale.
        seed: of the random numbers.
        design: the other fields of `hebbax.simulation.cohort.Cohort`, as in ``animals=20,
            trials_per_block=60``.

    Raises `ModelError` where a value is missing or out of its range.
    """
    prepare()
    spec = spec_of(model)
    known = [one.name for one in fields(simulation.Cohort) if one.name not in GIVEN]
    for name in design:
        if name not in known:
            raise ModelError(f"{name}: no part of a design, which has {', '.join(known)}.")
    cohort = simulation.Cohort(**design)
    middle, apart = _defaults(spec, cohort)
    given = {**middle, **(population or {})}, {**apart, **(spread or {})}
    cohort = replace(cohort, population=given[0], spread=given[1])
    sessions, true = simulation.simulate(jax.random.PRNGKey(seeded(seed)), cohort, spec)
    return Simulated(sessions, simulation.truth_table(spec, sessions, true))


def _defaults(
    spec: ModelSpec, cohort: simulation.Cohort
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the population and its spread where none is given."""
    if spec.parameters:
        middle = {name: float(own["median"]) for name, own in spec.parameters.items()}
        return middle, {name: own["scale"] / 4.0 for name, own in spec.parameters.items()}
    if set(spec.members) == set(cohort.population):
        return cohort.population, cohort.spread
    return {}, {}
