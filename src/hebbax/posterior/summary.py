"""A posterior in tables: what is said of each coefficient, and of how many matter.

The value of a coefficient is the median of its draws, here and everywhere. Tables of coefficients
say in a last column how far the posterior can be trusted (`diagnostics.marks`).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from hebbax.model.effects import NAME as EFFECT
from hebbax.model.groups import Group
from hebbax.model.priors import Shrinking
from hebbax.posterior import alone, diagnostics, learning
from hebbax.posterior.inference_data import spec_of
from hebbax.posterior.stored import check_finite

INTERVAL = (0.05, 0.95)
"""Ends of the central 90 % interval that every table gives."""

COLUMNS = ["median", "sd", "5 %", "95 %", "P(< 0)"]
"""Columns of a table of coefficients."""


@diagnostics.marks
def population_table(posterior: xr.DataTree) -> pd.DataFrame:
    """Return one row a population value: median, sd, ends of the 90 % interval and P(< 0); of a
    learning model its parameters first, then the coefficients that they make; effects of covariates
    last.

    Where the model has no population (``hierarchy = "none"``) the table is empty.
    """
    rows: dict[str, dict[str, float]] = {}
    draws = posterior.posterior
    for name, label in learning.told(draws).items():
        if f"{name}_population" in draws:
            rows |= _rows(label, samples_of(draws[f"{name}_population"]))
    if EFFECT in draws:
        rows |= _rows("", samples_of(draws[EFFECT]))
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=COLUMNS)


@diagnostics.marks
def animal_table(posterior: xr.DataTree) -> pd.DataFrame:
    """Return one row an animal and value: median, sd, ends of the 90 % interval and P(< 0); of the
    coefficients also by the animal's own choices alone (`hebbax.posterior.alone`) where that is
    stored."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    draws = posterior.posterior
    for name, label in learning.told(draws).items():
        samples = samples_of(draws[name])
        for animal in samples["animal"].to_numpy():
            members = _rows(label, samples.sel(animal=animal, drop=True))
            rows |= {(str(animal), value): row for value, row in members.items()}
    index = pd.MultiIndex.from_tuples(list(rows), names=["animal", "value"])
    table = pd.DataFrame(list(rows.values()), index=index, columns=COLUMNS)
    found = alone.stored(posterior)
    if found is not None:
        own = alone.values_name(found)
        before = f"{own} " if own == "theta" else ""
        for statistic in alone.STATISTICS:
            each = found[own].sel(statistic=statistic).to_pandas().add_prefix(before).stack()
            table[f"alone: {statistic}"] = each.reindex(table.index)
    return table


def between_animals(posterior: xr.DataTree) -> pd.Series:
    """Return the standard deviation of the values of these animals, its median over draws, by the
    names of `population_table`; missing of a single animal."""
    draws, rows = posterior.posterior, {}
    for name, label in learning.told(draws).items():
        samples = samples_of(draws[name])
        n = samples.sizes["animal"]
        apart = samples.std("animal", ddof=1) if n > 1 else np.nan * samples.mean("animal")
        for member, own in members(label, apart).items():
            rows[member] = float(np.median(own))
    return pd.Series(rows, name="between animals (sd)", dtype=float)


def effective_terms(posterior: xr.DataTree) -> pd.DataFrame | None:
    """Return the effective number of terms (`hebbax.model.sparsity`), rows ``prior`` and
    ``posterior``: median and ends of the 90 % interval.

    None where the prior has no scales of its own, under which the number would be the same whatever
    the choices (normal), or no number at all given the scales (Laplace).
    """
    spec = spec_of(posterior)
    prior = spec.own_prior(int((posterior.constant_data["chosen"] >= 0).sum()))
    if not isinstance(prior, Shrinking) or not spec.terms:
        return None
    sites = Group("theta", np.ones(len(spec.terms)), prior).scale_sites
    rows = {}
    for name, draws in (("prior", posterior.prior), ("posterior", posterior.posterior)):
        own = (jnp.asarray(samples_of(draws[site]).transpose("sample", ...)) for site in sites)
        drawn = np.asarray(jax.vmap(prior.effective_terms)(*own))
        rows[name] = [np.median(drawn), *np.quantile(drawn, INTERVAL)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["median", "5 %", "95 %"])


def effective_sentence(table: pd.DataFrame, n_terms: int) -> str:
    """Return the effective number of terms in words, prior beside posterior."""
    said = [
        f"{row['median']:.1f} ({row['5 %']:.1f} to {row['95 %']:.1f}) by the {name}"
        for name, row in table.iterrows()
    ]
    return f"Effective number of terms, of {n_terms}: {', '.join(said)}."


def probability(value: float) -> str:
    """Return a probability in words that claim no more digits than the draws have."""
    if value > 0.999:
        return "over 0.999"
    return "under 0.001" if value < 0.001 else f"{value:.3f}"


def samples_of(values: xr.DataArray) -> xr.DataArray:
    """Return draws joined ``(..., sample)``; raise `FitError` where one is no number."""
    check_finite(values, f"{values.name} in the posterior")
    return values.stack(sample=("chain", "draw"))


def members(name: str, values: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return each member of some values by its label, ``name`` before it, without its dimension;
    the values themselves where they have none."""
    dims = [str(d) for d in values.dims if d not in ("sample", "chain", "draw")]
    if not dims:
        return {name: values}
    labels = values[dims[0]].to_numpy()
    return {f"{name} {k}".strip(): values.sel({dims[0]: k}, drop=True) for k in labels}


def _rows(name: str, samples: xr.DataArray) -> dict[str, dict[str, float]]:
    return {label: row_of(one.to_numpy()) for label, one in members(name, samples).items()}


def row_of(drawn: np.ndarray) -> dict[str, float]:
    """Return `COLUMNS` of draws ``(sample,)``."""
    low, high = np.quantile(drawn, INTERVAL)
    numbers = (np.median(drawn), drawn.std(), low, high, (drawn < 0).mean())
    return dict(zip(COLUMNS, map(float, numbers), strict=True))
