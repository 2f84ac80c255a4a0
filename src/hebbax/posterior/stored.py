"""What a stored fit must hold for an answer to be given of it, and the sentence where it does not.

Every answer reads some groups of a posterior. `check_groups` is their door: it asks for variables,
dimensions, sizes and finite numbers. `check_posterior` and `check_estimate` are the doors of files:
they ask for the attributes and for the values of the declared model as well.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError

from hebbax.data import Description
from hebbax.data.limits import MAX_TRIALS
from hebbax.errors import FitError
from hebbax.model.effects import DIMENSION
from hebbax.model.effects import NAME as EFFECT
from hebbax.model.likelihood import KINDS
from hebbax.model.members import groups_of
from hebbax.model.spec import ModelSpec
from hebbax.posterior import learning
from hebbax.posterior.observed import ANIMALS, BY_ANIMAL, Observed, observed_of, of_all_trials

FILE_VERSION = 6
"""Of stored fits. Version 2 says what was observed; the digest of version 3 covers what was read,
the command and how an estimate was reached; version 4 has a log likelihood of animals, version
5 sessions, and trials that only teach, version 6 effects, and log priors."""

SCORED = ("posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data")
"""Groups that a comparison reads."""

CHECKED = ("posterior", "sample_stats", "observed_data", "constant_data")
"""Groups that a predictive check reads."""

NEEDED = (*SCORED, "log_prior", "prior")
"""Groups that a file must have."""

AGAIN = "fit the model again with --force"

_Dims = tuple[str, ...]
_DRAWS: _Dims = ("chain", "draw")
_SAMPLED: dict[str, _Dims] = dict.fromkeys(
    ("diverging", "energy", "lp", "reached_max_treedepth"), _DRAWS
)
_STATISTICS: dict[str, dict[str, _Dims]] = {
    "svi": {"elbo": ("step",), "log_weights": _DRAWS, "lp": _DRAWS},
    "nuts": _SAMPLED,
    "pseudo-marginal": dict.fromkeys(
        ("acceptance_rate", "kept_animals", "lp", "non_centred"), _DRAWS
    ),
}
"""What the diagnostics read, by method; of any other sampler `_SAMPLED`."""
_TRIALS: dict[str, _Dims] = {
    **dict.fromkeys(
        ("animal_index", "trial", "block", "session", "chosen", "reward"), ("observation",)
    ),
    "n_trials": ("animal",),
}


class _Attributes(BaseModel):
    """Attributes of a stored fit, as `hebbax.posterior.inference_data.attributes` writes them; what
    has a default is not known of every fit."""

    model_config = ConfigDict(strict=True)

    model: str = Field(min_length=1)
    model_file: str
    spec: str
    n_inputs: int = Field(ge=1)
    n_stimuli: int = Field(ge=2)
    stimuli: Json[list[str]]
    data: str
    data_hash: str = Field(min_length=1)
    observed: Json[Observed]
    versions: Json[dict[str, str]]
    method: str
    seed: int
    settings: Json[dict[str, Any]]
    data_description: Json[Description] | None = None
    command: str | None = None
    covariates: Json[dict[str, list[str | float]]] | None = None
    loss: float | None = None
    gradient_norm: float | None = None
    digest: str


def digest(attributes: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what identifies a fit: HDF5 has no checksum for attributes, so that a
    flipped byte in one would be another window or another seed in silence."""
    names = [name for name in _Attributes.model_fields if name != "digest"]
    text = repr([_plain(attributes.get(name)) for name in names])
    return hashlib.sha256(text.encode()).hexdigest()


def is_stored_fit(attributes: Mapping[str, Any]) -> bool:
    """Return whether the attributes of a file say that hebbax stored a fit in it, as far as they
    are not damaged: of two names of its own one is enough."""
    return "hebbax" in attributes or "data_hash" in attributes


def check_attributes(attributes: Mapping[Any, Any], source: str) -> None:
    """Raise `FitError` where the fit read from ``source`` is not hebbax's, is of another version,
    or lacks what identifies it."""
    if "hebbax" not in attributes:
        raise FitError(f"{source}: not a fit that hebbax stored.")
    if _plain(attributes["hebbax"]) != FILE_VERSION:
        raise FitError(
            f"{source}: a fit of version {attributes['hebbax']}, and this hebbax reads version "
            f"{FILE_VERSION}; {AGAIN}."
        )
    try:
        known = _Attributes.model_validate({str(k): _plain(v) for k, v in attributes.items()})
    except ValidationError as problem:
        first = problem.errors()[0]
        what = first["msg"][:1].lower() + first["msg"][1:]
        raise FitError(
            f'{source}: its attribute "{first["loc"][0]}" is missing or damaged ({what}); {AGAIN}.'
        ) from problem
    if known.digest != digest(attributes):
        raise FitError(f"{source}: its attributes are not those it was stored with; {AGAIN}.")


def check_posterior(posterior: xr.DataTree, spec: ModelSpec, source: str) -> None:
    """Raise `FitError` where a posterior of a declared model, read from ``source``, is not as
    hebbax writes it; its attributes are (`check_attributes`)."""
    check_groups(posterior, NEEDED, source)
    wanted = _value_dims(spec, int(posterior.attrs["n_stimuli"]))
    draws = {name: (*_DRAWS, *dims) for name, dims in wanted.items()}
    _check_variables(posterior.posterior.to_dataset(), draws, f"{source}, posterior")
    priors = dict.fromkeys(_top_sites(spec, int(posterior.attrs["n_stimuli"])), _DRAWS)
    _check_variables(posterior.log_prior.to_dataset(), priors, f"{source}, log_prior")
    terms = tuple(posterior.posterior["term"].to_numpy()) if spec.members else ()
    if terms != spec.members:
        raise FitError(f"{source}, posterior: its terms are not those of its model; {AGAIN}.")
    _check_trials(posterior, source)


def check_estimate(estimate: xr.Dataset, spec: ModelSpec, source: str) -> None:
    """Raise `FitError` where a point estimate of a declared model, read from ``source``, is not as
    hebbax writes it; its attributes are (`check_attributes`)."""
    _check_variables(estimate, _value_dims(spec, int(estimate.attrs["n_stimuli"])), source)
    for name, values in estimate.data_vars.items():
        check_finite(values, f"{source}, {name}")
    for name in ("loss", "gradient_norm"):
        value = _plain(estimate.attrs.get(name))
        if not isinstance(value, float) or not math.isfinite(value):
            raise FitError(f'{source}: its attribute "{name}" is not a number; {AGAIN}.')


def check_groups(posterior: xr.DataTree, groups: Sequence[str], name: str) -> None:
    """Raise `FitError` where a group that an answer reads of the posterior called ``name`` is
    missing, lacks a variable, has other dimensions or sizes, or holds what is no number. Of a
    hierarchy whose animals were integrated out a comparison reads what it says of each animal."""
    for group in groups:
        if group not in posterior.children:
            raise FitError(
                f"{name}: has no group {group}, without which nothing can be said of it; {AGAIN}."
            )
        found = posterior[group].to_dataset()
        _check_variables(found, _wanted(posterior, group), f"{name}, {group}")
        if group == "log_likelihood" and _integrates_animals(posterior):
            check_groups(posterior, ("posterior", BY_ANIMAL), name)
    _check_sizes(posterior, groups, name)
    for group in groups:
        for variable, values in posterior[group].to_dataset().data_vars.items():
            where = f"{name}, {variable} in {group}"
            # What a sampler says of itself may be infinite: its verdict speaks of that.
            _check_numbers(values, where, posterior, infinite=group == "sample_stats")


def check_finite(values: xr.DataArray, where: str) -> None:
    """Raise `FitError` where one of some numbers, which are called ``where``, is missing or
    infinite, saying which."""
    _check_numbers(values, where, None, infinite=False)


def _value_dims(spec: ModelSpec, n_stimuli: int) -> dict[str, _Dims]:
    """Return the dimensions of each animal's values and of the population's, by name."""
    members = {group.name: group.dims for group in groups_of(spec, n_stimuli, 1)}
    out: dict[str, _Dims] = {name: ("animal", *dims) for name, dims in members.items()}
    if spec.population:
        out |= {f"{name}_population": dims for name, dims in members.items()}
    if spec.by:
        out[EFFECT] = (DIMENSION,)
    return out | learning.dims(spec)


def _top_sites(spec: ModelSpec, n_stimuli: int) -> list[str]:
    """Return the names of the values whose prior depends on no other."""
    sites = [site for group in groups_of(spec, n_stimuli, 1) for site in group.top_sites]
    return [*sites, EFFECT] if spec.by else sites


def _wanted(posterior: xr.DataTree, group: str) -> dict[str, _Dims]:
    """Return the variables that a group must have, with their dimensions."""
    if group == "sample_stats":
        return _STATISTICS.get(posterior.attrs.get("method", ""), _SAMPLED)
    if group == "constant_data":
        return _TRIALS
    if group == BY_ANIMAL:
        return {ANIMALS: (*_DRAWS, "animal")}
    if group not in ("log_likelihood", "observed_data"):
        return {}
    names = [name for name in posterior[group].to_dataset().data_vars if name in KINDS]
    site = str(names[0]) if names else " or ".join(KINDS)
    if group == "log_likelihood":
        return {site: (*_DRAWS, "observation")}
    return {site: ("observation", *(KINDS[site].outcome if site in KINDS else ()))}


def _integrates_animals(posterior: xr.DataTree) -> bool:
    """Return whether a posterior is of a hierarchy whose animals were integrated out."""
    population = any(str(name).endswith("_population") for name in posterior.posterior.data_vars)
    return population and posterior.attrs.get("method") == "pseudo-marginal"


def _check_variables(dataset: xr.Dataset, wanted: Mapping[str, _Dims], where: str) -> None:
    for name, dims in wanted.items():
        if name not in dataset.data_vars:
            raise FitError(f"{where}: the variable {name} is missing; {AGAIN}.")
        found = tuple(map(str, dataset[name].dims))
        if found != dims:
            raise FitError(
                f"{where}: the variable {name} lies along ({', '.join(found)}), and must along "
                f"({', '.join(dims)}); {AGAIN}."
            )


def _check_sizes(posterior: xr.DataTree, groups: Sequence[str], name: str) -> None:
    """Raise `FitError` where groups differ in the number of draws, animals or observations, or
    draws that something is said of are none of the posterior."""
    for dim in _DRAWS if "log_likelihood" in groups else ():
        known, found = (posterior[g][dim].to_numpy() for g in ("posterior", "log_likelihood"))
        for label in found[~np.isin(found, known)][:1]:
            raise FitError(
                f"{name}: has {dim} {label} in log_likelihood, which posterior has not; {AGAIN}."
            )
    first: dict[str, tuple[int, str]] = {}
    for group in groups:
        few = group in ("prior", "log_likelihood")  # of some draws
        for dim in ("animal", "observation", *(() if few else _DRAWS)):
            size = int(posterior[group].sizes.get(dim, 0))
            known, other = first.setdefault(dim, (size, group)) if size else (size, group)
            if size != known:
                raise FitError(
                    f"{name}: has {size} values of {dim} in {group} and {known} in {other}; "
                    f"{AGAIN}."
                )


def _check_trials(posterior: xr.DataTree, source: str) -> None:
    """Raise `FitError` where the recorded trials cannot be, or are not those that were observed."""
    trials, attributes = posterior.constant_data, posterior.attrs
    ends = {
        "animal_index": (0, posterior.posterior.sizes["animal"] - 1),
        "trial": (1, MAX_TRIALS),
        "block": (0, None),
        "session": (0, None),
        "chosen": (-1, int(attributes["n_stimuli"]) - 1),
    }
    for name, (low, high) in ends.items():
        values = of_all_trials(trials, name)
        whole = np.issubdtype(values.dtype, np.integer)
        if not whole or values.min() < low or (high is not None and values.max() > high):
            allowed = f"{low} to {high}" if high is not None else f"{low} or more"
            raise FitError(
                f"{source}, {name} in constant_data: must be whole numbers, {allowed}; {AGAIN}."
            )
    if observed_of(posterior) != Observed.model_validate_json(attributes["observed"]):
        raise FitError(
            f"{source}: its observations are not those that it was fitted to, as its attribute "
            f'"observed" says; {AGAIN}.'
        )


def _check_numbers(
    values: xr.DataArray, where: str, posterior: xr.DataTree | None, *, infinite: bool
) -> None:
    """Raise `FitError` for the first value that is missing or, unless that may be, infinite.

    ``posterior`` knows the animal and the trial of an observation.
    """
    array = values.to_numpy()
    if array.dtype.kind not in "biuf":
        raise FitError(f"{where}: holds no numbers; {AGAIN}.")
    if array.dtype.kind != "f":
        return
    bad = np.isnan(array) if infinite else ~np.isfinite(array)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        at = _place(values, place, posterior)
        raise FitError(
            f"{where}{at}: {array[place]} is stored where a finite number is needed, and there is "
            f"no right answer with it; {AGAIN}."
        )


def _place(values: xr.DataArray, place: tuple[int, ...], posterior: xr.DataTree | None) -> str:
    """Return where a value lies: animal and trial of an observation, the label of all else."""
    parts = []
    for dim, index in zip(values.dims, place, strict=True):
        if dim == "observation" and posterior is not None:
            trials = posterior.constant_data
            animal = int(trials["animal_index"][index])
            parts.append(f"animal {posterior.posterior['animal'].to_numpy()[animal]}")
            parts.append(f"trial {int(trials['trial'][index])}")
        else:
            label = values[dim].to_numpy()[index] if dim in values.coords else index
            parts.append(f"{dim} {label}")
    return "".join(f", {part}" for part in parts)


def _plain(value: Any) -> Any:
    """Return an attribute as Python has it: HDF5 gives numbers as arrays."""
    return value.item() if isinstance(value, np.generic) else value
