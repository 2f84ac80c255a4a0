"""A point estimate as it is stored: an xarray dataset, since a point has no posterior.

Variables, dimensions and attributes are those of the group ``posterior`` of a sampled fit without
``chain`` and ``draw``, so that ``posterior["theta"].mean(("chain", "draw")) - estimate["theta"]``
lines up by animal and term.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hebbax.errors import FitError
from hebbax.inference import map
from hebbax.inference.density import constrain, latent_sites
from hebbax.model.choices import Model
from hebbax.posterior import learning
from hebbax.posterior.inference_data import attributes, coordinates, spec_of, variable_dims
from hebbax.posterior.stored import check_attributes, check_estimate
from hebbax.rule.fading import PERCENT, losses
from hebbax.runs import netcdf
from hebbax.typing import Parameters
from hebbax.validation.limits import MAX_STORED


def to_dataset(
    model: Model, mode: Parameters, info: map.Info, provenance: Mapping[str, Any]
) -> xr.Dataset:
    """Return the estimate of every value, with its loss (nats) and the norm of its slope, which is
    near zero at a mode, as attributes."""
    values = constrain(latent_sites(model), mode)
    named = {k: v for k, v in values.items() if not k.endswith("_offset")}
    named |= map.estimates(model, mode)
    dims, coords = variable_dims(model), coordinates(model)
    arrays = {name: np.asarray(value) for name, value in named.items()}
    arrays |= learning.derived(model, arrays)
    variables = {name: (dims.get(name, []), value) for name, value in arrays.items()}
    used = {d for names, _ in variables.values() for d in names}
    quality = {"loss": float(info.final), "gradient_norm": float(info.gradient_norm)}
    return xr.Dataset(
        variables,
        coords={k: v for k, v in coords.items() if k in used},
        attrs=attributes(model, {**provenance, **quality}),
    )


def write(estimate: xr.Dataset, path: Path) -> None:
    """Write netCDF, as a whole or not at all; raise `FitError` where the folder refuses it."""
    netcdf.write({"/": estimate}, path, FitError)


def read(path: Path) -> xr.Dataset:
    """Return a stored estimate; raise `FitError` for a file hebbax did not write, one of another
    version, a damaged one, and one with a number that is none."""
    if not path.is_file():
        raise FitError(f"{path}: there is no such estimate; `hebbax fit --method map` makes one.")
    netcdf.check_size(path, "point estimate", FitError, MAX_STORED)
    with (
        netcdf.reading(path, "point estimate", FitError),
        xr.open_dataset(path, engine="h5netcdf") as file,
    ):
        stored = file.load()
    if stored.attrs.get("method") != "map":
        raise FitError(f"{path.name}: not a point estimate that hebbax wrote.")
    check_attributes(stored.attrs, path.name)
    check_estimate(stored, spec_of(stored), path.name)
    return stored


def sentence(estimate: xr.Dataset) -> str:
    """Return what the estimate is and whether its descent arrived."""
    loss, slope = estimate.attrs["loss"], estimate.attrs["gradient_norm"]
    if slope < ARRIVED:
        return f"A mode of the joint density: loss {loss:.2f} nats, slope {slope:.1e}."
    return (
        f"The descent did NOT reach a mode: its slope is {slope:.1e} (below {ARRIVED:g} at one); "
        f"the loss so far is {loss:.2f} nats. More steps, or a rule without collinear terms."
    )


ARRIVED = 1e-3
"""Norm of the slope below which the descent has arrived."""


def table(estimate: xr.Dataset) -> pd.DataFrame:
    """Return the estimates, one row an animal and one column a value, with what its weights lose in
    a trial, in per cent, where a term fades them (`hebbax.rule.fading`)."""
    columns = {}
    for name, before in learning.told(estimate).items():
        values = estimate[name]
        if values.ndim == 1:
            columns[name] = values.to_numpy()
            continue
        (member,) = (d for d in values.dims if d != "animal")
        for label in values[member].to_numpy():
            columns[f"{before} {label}".strip()] = values.sel({member: label}).to_numpy()
    if "theta" in estimate:
        rule, rate = learning.taylor(estimate), spec_of(estimate).rate
        terms = [str(term) for term in rule["term"].to_numpy()]
        theta = rule["theta"].transpose("animal", "term").to_numpy()
        for loss in losses(terms, rate, int(estimate.attrs["n_inputs"])):
            columns[f"loss of {loss.weight} (%)"] = PERCENT * loss.of(theta)
    return pd.DataFrame(columns, index=pd.Index(estimate["animal"].to_numpy(), name="animal"))
