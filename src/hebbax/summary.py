"""A posterior in tables and sentences: what is said of each coefficient, and of the forgetting.

The weight of every stimulus is multiplied by 1 + theta_w / n_inputs in each trial, so that a
negative coefficient of w is a memory that fades to 1/e within

    tau = -1 / log(1 + theta_w / n_inputs)   trials.
"""

from dataclasses import dataclass
from functools import partial

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from hebbax.posterior import spec_of
from hebbax.priors import SHRINKING, Group, scale_priors
from hebbax.priors import effective_terms as count

INTERVAL = (0.05, 0.95)
"""Ends of the central 90 % interval that every table gives."""

COLUMNS = ["mean", "sd", "5 %", "95 %", "P(< 0)"]
"""Columns of a table of coefficients."""

DECAY = "w"
"""Name of the forgetting term."""


def population_table(posterior: az.InferenceData) -> pd.DataFrame:
    """Return one row a population value: mean, sd, ends of the 90 % interval and P(< 0).

    Where the model has no population (``hierarchy = "none"``) the table is empty.
    """
    rows: dict[str, dict[str, float]] = {}
    for name, values in posterior.posterior.data_vars.items():
        group = str(name).removesuffix("_population")
        if group != str(name):
            rows |= _rows(group, _samples(values))
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=COLUMNS)


def animal_table(posterior: az.InferenceData) -> pd.DataFrame:
    """Return one row an animal and value: mean, sd, ends of the 90 % interval and P(< 0)."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for name, values in posterior.posterior.data_vars.items():
        if "animal" not in values.dims:
            continue
        samples = _samples(values)
        for animal in samples["animal"].to_numpy():
            members = _rows(str(name), samples.sel(animal=animal, drop=True))
            rows |= {(str(animal), value): row for value, row in members.items()}
    index = pd.MultiIndex.from_tuples(list(rows), names=["animal", "value"])
    return pd.DataFrame(list(rows.values()), index=index, columns=COLUMNS)


def effective_terms(posterior: az.InferenceData) -> pd.DataFrame | None:
    """Return the effective number of terms (`hebbax.sparsity`), rows ``prior`` and ``posterior``:
    mean and ends of the 90 % interval.

    None where the prior has no scales of its own, under which the number would be the same whatever
    the choices (normal), or no number at all given the scales (Laplace).
    """
    spec = spec_of(posterior)
    if spec.prior not in SHRINKING or not spec.terms:
        return None
    choices = posterior.constant_data.sizes["observation"]
    ones = np.ones(len(spec.terms))
    group = Group("theta", ones, spec.prior, spec.hierarchy, spec.sparsity(choices))
    rows = {}
    for name, draws in (("prior", posterior.prior), ("posterior", posterior.posterior)):
        values = {
            site: jnp.asarray(_samples(draws[site]).transpose("sample", ...))
            for site in scale_priors(group)
        }
        drawn = np.asarray(jax.vmap(partial(count, group))(values))
        rows[name] = [drawn.mean(), *np.quantile(drawn, INTERVAL)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "5 %", "95 %"])


def effective_sentence(table: pd.DataFrame, n_terms: int) -> str:
    """Return the effective number of terms in words, prior beside posterior."""
    said = [
        f"{row['mean']:.1f} ({row['5 %']:.1f} to {row['95 %']:.1f}) by the {name}"
        for name, row in table.iterrows()
    ]
    return f"Effective number of terms, of {n_terms}: {', '.join(said)}."


def memory(decay: np.ndarray, n_inputs: int) -> np.ndarray:
    """Return the time constant in trials of a coefficient of w; infinite where nothing fades."""
    factor = 1.0 + np.asarray(decay) / n_inputs
    with np.errstate(divide="ignore", invalid="ignore"):
        trials = -1.0 / np.log(np.clip(factor, 0.0, None))
    return np.where(factor >= 1.0, np.inf, np.where(factor <= 0.0, 0.0, trials))


@dataclass(frozen=True)
class Forgetting:
    """The posterior of the forgetting term.

    ``population`` (sample,) or None where the model has none, ``animals`` (sample, animal), in
    1/trial; ``names`` of the animals and ``n_inputs`` of the network.
    """

    population: np.ndarray | None
    animals: np.ndarray
    names: tuple[str, ...]
    n_inputs: int

    @property
    def sentence(self) -> str:
        """The answer to: is there active forgetting, how large, how sure."""
        below = (self.animals < 0).mean(0)
        sure = int((below > INTERVAL[1]).sum())
        each = (
            f"On its own each animal's coefficient is below zero with more than "
            f"{INTERVAL[1]:.0%} probability in {sure} of {len(self.names)} animals."
        )
        if self.population is None:
            return each
        low, high = np.quantile(self.population, INTERVAL)
        middle = np.median(self.population)
        sooner, later = memory(np.array([low, high]), self.n_inputs)
        fading = memory(middle, self.n_inputs)
        ends = f"{sooner:.0f} to {later:.0f}" if np.isfinite(later) else f"{sooner:.0f} or more"
        time = f", a memory of {fading:.0f} trials ({ends})" if np.isfinite(fading) else ""
        return (
            f"The coefficient of w in the population is {middle:.3f} per trial (90 % interval "
            f"{low:.3f} to {high:.3f}){time}; it is below zero, which is forgetting, with "
            f"probability {probability(float((self.population < 0).mean()))}. {each}"
        )


def forgetting(posterior: az.InferenceData) -> Forgetting | None:
    """Return the posterior of the forgetting term, or None where the model has no such term."""
    draws = posterior.posterior
    if "theta" not in draws or DECAY not in draws["term"]:
        return None
    animals = _samples(draws["theta"]).sel(term=DECAY).transpose("sample", "animal")
    population = None
    if "theta_population" in draws:
        population = _samples(draws["theta_population"]).sel(term=DECAY).to_numpy()
    names = tuple(str(name) for name in draws["animal"].to_numpy())
    return Forgetting(population, animals.to_numpy(), names, int(posterior.attrs["n_inputs"]))


def probability(value: float) -> str:
    """Return a probability in words that claim no more digits than the draws have."""
    if value > 0.999:
        return "over 0.999"
    return "under 0.001" if value < 0.001 else f"{value:.3f}"


def _samples(values: xr.DataArray) -> xr.DataArray:
    return values.stack(sample=("chain", "draw"))


def _rows(name: str, samples: xr.DataArray) -> dict[str, dict[str, float]]:
    dims = [str(d) for d in samples.dims if d != "sample"]
    if not dims:
        return {name: _row(samples.to_numpy())}
    labels = samples[dims[0]].to_numpy()
    return {f"{name} {k}": _row(samples.sel({dims[0]: k}).to_numpy()) for k in labels}


def _row(drawn: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(drawn, INTERVAL)
    numbers = (drawn.mean(), drawn.std(), low, high, (drawn < 0).mean())
    return dict(zip(COLUMNS, map(float, numbers), strict=True))
