"""Draws -> ArviZ data (an xarray DataTree) with named dims and coords, provenance, and netCDF.

Dimensions: ``animal``, ``term``, ``observation`` (a trial with a choice, or under ``encounter``
with an encounter; its animal, and its trial in the recording from 1, are in ``constant_data``), of
a learning model those of `hebbax.posterior.learning`. The file opens in ArviZ without hebbax.

The group ``log_likelihood`` has log P of each observation given the values of its animal, and
``posterior_predictive`` observations: both of `OBSERVED_DRAWS` draws at most, evenly spaced, since
they are much the largest and say little more with all. ``log_likelihood_animals`` has ``animals``
(chain, draw, animal) of a hierarchy whose animals were integrated out: log p-hat of all choices of
an animal given the population (`hebbax.check.new_animal`). ``log_prior`` has the log density
(chain, draw) of each site of the top level, whose prior depends on no other site
(`hebbax.inference.density.log_prior`): what `hebbax.posterior.power_scaling` scales. Offsets of
animals, which population, spread and the animals' values say, are not stored.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr
from arviz_base import from_dict

from hebbax.data import (
    Description,
    Record,
    Sessions,
    data_hash,
    describe,
    from_animals,
)
from hebbax.errors import FitError, ModelError
from hebbax.model.choices import Model
from hebbax.model.declared import stored_spec
from hebbax.model.effects import DIMENSION
from hebbax.model.effects import NAME as EFFECT
from hebbax.model.spec import ModelSpec
from hebbax.posterior import computed, learning
from hebbax.posterior.observed import (
    BY_ANIMAL,
    UNOBSERVED,
    observed,
    of_all_trials,
    of_each_animal,
    of_each_draw,
)
from hebbax.posterior.stored import FILE_VERSION, check_attributes, check_posterior, digest
from hebbax.runs import netcdf
from hebbax.typing import Key
from hebbax.validation.keys import words
from hebbax.validation.limits import MAX_STORED

Posterior = xr.DataTree
"""A stored posterior: what ArviZ 1 takes as it is, and ArviZ 0.23 by `arviz.from_datatree`; its
file is opened by both without hebbax."""

OBSERVED_DRAWS = 1000
"""Draws of all chains for which something is stored of every observation."""


PACKAGES = ("hebbax", "jax", "numpyro", "arviz-base", "arviz-stats", "xarray", "numpy")


def to_inference_data(
    key: Key,
    model: Model,
    draws: Mapping[str, np.ndarray],
    sample_stats: Mapping[str, np.ndarray],
    provenance: Mapping[str, Any],
    *,
    by_animal: np.ndarray | None = None,
) -> xr.DataTree:
    """Return posterior, sample_stats, log_likelihood, log_prior, predictive, prior and data in one
    object.

    Args:
        key: random key of the predictive draws.
        model: the model that was fitted.
        draws: site values ``(chain, draw, ...)``.
        sample_stats: statistics of each draw ``(chain, draw)``.
        provenance: method, seed and settings, stored as attributes.
        by_animal: log p-hat of each animal's choices given the population ``(chain, draw,
            animal)``, where the method gives it
            (`hebbax.inference.pseudo_marginal.Info.log_marginal`).

    Raises `FitError` where the provenance lacks one of these: such a file could not be read again.
    """
    for name in ("method", "seed", "settings"):
        if name not in provenance:
            raise FitError(
                f'{model.spec.name}: the provenance has no "{name}"; method, seed and settings are '
                "needed."
            )
    key = words(key)
    predictive_key, prior_key = jax.random.split(key)
    each = slice(None, None, _step(draws))
    few = {g.name: draws[g.name][:, each] for g in model.groups}
    log_p = computed.pointwise_log_likelihood(model, few)
    prior = computed.draw_prior(prior_key, model)
    named = {name: drawn for name, drawn in draws.items() if not name.endswith("_offset")}
    stored = {**named, **learning.derived(model, named)}
    groups: dict[str, Mapping[str, np.ndarray]] = {
        "posterior": stored,
        "sample_stats": sample_stats,
        "log_likelihood": {model.site: log_p.astype(np.float32)},
        "posterior_predictive": {model.site: computed.predict(predictive_key, model, few)},
        "prior": {k: v[None] for k, v in prior.items() if k in stored},
        "prior_predictive": {model.site: computed.counts(prior[model.site][None])},
        "observed_data": {model.site: model.observed},
        "constant_data": _constant_data(model),
    }
    out = from_dict(
        {name: values for name, values in groups.items() if values},
        coords=coordinates(model),
        dims=variable_dims(model),
        attrs={"/": attributes(model, provenance)},
    )
    chosen = out.posterior["draw"].to_numpy()[each]
    for name in ("log_likelihood", "posterior_predictive"):
        out[name] = xr.DataTree(out[name].to_dataset().assign_coords(draw=chosen))
    if by_animal is not None:
        out[BY_ANIMAL] = xr.DataTree(of_each_animal(out.posterior, by_animal))
    if priors := computed.log_priors(model, draws):
        out["log_prior"] = xr.DataTree(of_each_draw(out.posterior, priors))
    return out


def _step(draws: Mapping[str, np.ndarray]) -> int:
    """Return one of how many draws ``(chain, draw, ...)`` is taken, so that of all chains at most
    `OBSERVED_DRAWS` are."""
    n_chains, n_draws = next(iter(draws.values())).shape[:2]
    return -(-n_chains * n_draws // OBSERVED_DRAWS)


def coordinates(model: Model) -> dict[str, Any]:
    """Return the coordinate of every dimension."""
    stimuli = list(model.sessions.stimuli)
    return {
        "animal": list(model.sessions.animals),
        "term": list(model.rule.parameters),
        **learning.coordinates(model),
        DIMENSION: [effect.label for effect in model.effects.each],
        "stimulus": stimuli,
        "contrast": [f"{name} against {stimuli[0]}" for name in stimuli[1:]],
        "observation": np.arange(len(model.trials)),
        "outcome": [*(f"rejections of {name}" for name in stimuli), "choice"],
    }


def variable_dims(model: Model) -> dict[str, list[str]]:
    """Return the dimensions of every variable, without chain and draw."""
    dims = {"n_trials": ["animal"]}
    for name in ("animal_index", "trial", "block", "session", "chosen", "reward", "offered"):
        more = ["stimulus"] if name == "offered" else []
        dims |= {name: ["observation", *more], f"{UNOBSERVED}{name}": ["unobserved", *more]}
    for group in model.groups:
        member = list(group.dims)
        dims[group.name] = ["animal", *member]
        for end in ("population", "spread", "local_scale"):
            dims[f"{group.name}_{end}"] = member
    dims[EFFECT] = [DIMENSION]
    dims |= {name: list(own) for name, own in learning.dims(model.spec).items()}
    dims[model.site] = ["observation", *model.kind.outcome]
    return dims


def attributes(model: Model, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what identifies a fit: model, data, versions, and its provenance."""
    known = {
        "hebbax": FILE_VERSION,
        "model": model.spec.name,
        "model_file": model.spec.text,
        "spec": spec_attribute(model.spec),
        "n_inputs": model.network.n_inputs,
        "n_stimuli": model.sessions.n_stimuli,
        "stimuli": json.dumps(model.sessions.stimuli),
        "data": model.sessions.source,
        "data_hash": data_hash(model.recording),
        "covariates": json.dumps(model.recording.covariates),
        "observed": _observed(model),
        "versions": json.dumps({name: version(name) for name in PACKAGES}),
        **provenance_attributes(provenance),
    }
    return {**known, "digest": digest(known)}


def provenance_attributes(provenance: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Return provenance as attributes: numbers and text as they are, all else as JSON."""
    return {
        k: v if isinstance(v, str | int | float) else json.dumps(v) for k, v in provenance.items()
    }


def spec_attribute(spec: ModelSpec) -> str:
    """Return a declared model as JSON, the inverse of `spec_of`, without the text of its file."""
    return json.dumps({k: v for k, v in asdict(spec).items() if k != "text"})


def write(posterior: xr.DataTree, path: Path) -> None:
    """Write netCDF, as a whole or not at all; raise `FitError` where the folder refuses it."""
    groups = {name: group.to_dataset() for name, group in posterior.children.items()}
    netcdf.write({"/": xr.Dataset(attrs=posterior.attrs), **groups}, path, FitError)


def read(path: Path) -> xr.DataTree:
    """Return a stored posterior; raise `FitError` for a file hebbax did not write, one of another
    version, one that is too large, a damaged one, and one with a number that is none."""
    if not path.is_file():
        raise FitError(f"{path}: there is no such posterior; `hebbax fit` makes one.")
    netcdf.check_size(path, "posterior", FitError, MAX_STORED)
    with (
        netcdf.reading(path, "posterior", FitError),
        xr.open_datatree(path, engine="h5netcdf") as file,
    ):
        stored = file.load()
    if stored.attrs.get("method") == "map":
        raise FitError(f"{path.name}: a point estimate, which has no posterior to speak of.")
    check_attributes(stored.attrs, path.name)
    check_posterior(stored, spec_of(stored), path.name)
    return stored


def animal_values(posterior: xr.DataTree, model: Model) -> dict[str, np.ndarray]:
    """Return each animal's values by group name, draws joined: ``(sample, animal, ...)``."""
    return {
        g.name: np.concatenate(list(np.asarray(posterior.posterior[g.name]))) for g in model.groups
    }


def drawn_values(posterior: xr.DataTree, model: Model, n: int) -> dict[str, np.ndarray]:
    """Return n draws of each animal's values ``(sample, animal, ...)``, evenly spaced over all
    chains; draws repeat where the posterior has fewer."""
    values = animal_values(posterior, model)
    total = len(next(iter(values.values())))
    chosen = np.linspace(0, total - 1, n).round().astype(int)
    return {name: drawn[chosen] for name, drawn in values.items()}


def spec_of(posterior: xr.DataTree | xr.Dataset) -> ModelSpec:
    """Return the declared model a stored posterior or point estimate belongs to; raise `ModelError`
    for what is none."""
    try:
        return stored_spec(posterior.attrs["spec"], posterior.attrs["model_file"])
    except ModelError as problem:
        raise ModelError(
            f"{posterior.attrs['model']}: the model stored with it is damaged; fit it again with "
            "--force."
        ) from problem


def sessions_of(posterior: xr.DataTree) -> Sessions:
    """Return the recorded trials that a stored posterior was conditioned on, without all others."""
    known = posterior.constant_data
    animal, number = of_all_trials(known, "animal_index"), of_all_trials(known, "trial")
    rejections = None
    if "encounter" in posterior.observed_data:
        seen = np.asarray(posterior.observed_data["encounter"])[:, :-1].astype(int)
        rejections = np.zeros((len(animal), seen.shape[1]), dtype=int)
        rejections[: len(seen)] = seen
    fields = [of_all_trials(known, name) for name in ("chosen", "reward", "block", "session")]
    offered = of_all_trials(known, "offered").astype(bool) if "offered" in known else None
    covariates = covariates_of(posterior)
    records = []
    for a, name in enumerate(np.asarray(posterior.posterior["animal"])):
        (own,) = np.nonzero(animal == a)
        own = own[np.argsort(number[own], kind="stable")]
        choices, rewards, blocks, session = (values[own] for values in fields)
        records.append(
            Record(
                str(name),
                choices,
                rewards,
                blocks,
                None if rejections is None else rejections[own],
                session,
                None if offered is None else offered[own],
                {name: values[a] for name, values in covariates.items()},
            )
        )
    stimuli = json.loads(posterior.attrs["stimuli"])
    return from_animals(records, stimuli, posterior.attrs["data"])


def covariates_of(posterior: xr.DataTree) -> dict[str, list[str | float]]:
    """Return the covariates of the animals of a posterior, a value an animal each, by name."""
    return dict(json.loads(posterior.attrs.get("covariates", "{}")))


def numbers_of(posterior: xr.DataTree) -> list[np.ndarray]:
    """Return the number in the recording, from 1, of each trial of `sessions_of` (trial,), animal
    by animal."""
    known = posterior.constant_data
    animal, number = of_all_trials(known, "animal_index"), of_all_trials(known, "trial")
    return [np.sort(number[animal == a]) for a in range(posterior.posterior.sizes["animal"])]


def description_of(posterior: xr.DataTree) -> Description:
    """Return what was read before a posterior was sampled; of one that was made in Python, what it
    holds."""
    if "data_description" in posterior.attrs:
        return Description.from_json(posterior.attrs["data_description"])
    return describe(sessions_of(posterior))


def _observed(model: Model) -> str:
    """Return what a model was conditioned on (`hebbax.posterior.observed.Observed`), as JSON."""
    index, names = model.index[0], model.sessions.animals
    seen = observed(model.spec.likelihood, model.observed, index, names)
    return seen.model_dump_json()


def _constant_data(model: Model) -> dict[str, np.ndarray]:
    """Return the recorded trials: those that are observations, and beside them, each variable by a
    name of its own, those that only teach."""
    sessions = model.sessions
    number = np.full(sessions.choices.shape, 0)
    recorded = sessions.session >= 0
    number[recorded] = model.numbers
    fields = {
        "trial": number,
        "block": sessions.blocks,
        "session": sessions.session,
        "chosen": sessions.choices,
        "reward": sessions.rewards,
    }
    if sessions.offered is not None:
        fields["offered"] = sessions.offered.astype(np.int8)
    out: dict[str, np.ndarray] = {"n_trials": model.recording.n_trials}
    for begin, cells in (("", model.cells), (UNOBSERVED, recorded & ~model.cells)):
        if cells.any():
            animal, trial = np.nonzero(cells)
            out[f"{begin}animal_index"] = animal
            out |= {f"{begin}{name}": values[animal, trial] for name, values in fields.items()}
    return out
