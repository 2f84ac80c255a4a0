"""One fit from declared model to stored result: what `hebbax fit` and `hebbax run` share."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal, TypeAlias

import arviz as az
import jax
import xarray as xr

from hebbax import estimate as estimates
from hebbax import posterior as posteriors
from hebbax.data import Sessions, compact, data_hash, first_trials, split
from hebbax.errors import FitError
from hebbax.inference import map, nuts, svi
from hebbax.model import Model, build_model
from hebbax.scaling import scaled
from hebbax.spec import ModelSpec
from hebbax.typing import Key, Progress, silent

Method = Literal["nuts", "svi", "map"]

ENDINGS: dict[Method, str] = {"nuts": ".nc", "svi": ".svi.nc", "map": ".map.nc"}
"""End of the file name of each method, so that no method's fit replaces another's."""


SETTINGS: dict[Method, type] = {
    "nuts": nuts.Settings,
    "svi": svi.Settings,
    "map": map.Settings,
}
"""Settings of each method; a fit is by the method its settings are of."""

Settings: TypeAlias = nuts.Settings | svi.Settings | map.Settings

Result: TypeAlias = az.InferenceData | xr.Dataset
"""A posterior, sampled or approximated, or a point estimate."""


def result_path(folder: Path, model: str, method: Method = "nuts") -> Path:
    """Return where the fit of a model by a method lies in a results folder."""
    return folder / f"{model}{ENDINGS[method]}"


def state_path(folder: Path, model: str) -> Path:
    """Return where the state of an unfinished NUTS fit of a model lies in a results folder."""
    return folder / f"{model}.state.npz"


def fit_and_store(
    sessions: Sessions,
    spec: ModelSpec,
    folder: Path,
    seed: int,
    settings: Settings,
    progress: Progress = silent,
) -> Result:
    """Return the fit of one declared model by the method its settings are of, and store it.

    Stored are ``<model>.nc`` by NUTS, ``<model>.svi.nc`` of a guide and ``<model>.map.nc`` of the
    mode. The state of an unfinished NUTS lies beside it as ``<model>.state.npz`` and is removed at
    the end; where it is there at the start, the fit goes on from it.
    """
    model = build_model(scaled(spec, sessions, progress), sessions)
    method = method_of(settings)
    provenance = {"method": method, "seed": seed, "settings": asdict(settings)}
    key, path = jax.random.PRNGKey(seed), result_path(folder, spec.name, method)
    if isinstance(settings, map.Settings):
        mode, info = map.fit(key, model, settings, progress=progress)
        estimate = estimates.to_dataset(model, mode, info, provenance)
        estimates.write(estimate, path)
        return estimate
    if isinstance(settings, svi.Settings):
        posterior = _approximate(key, model, settings, provenance, progress)
        posteriors.write(posterior, path)
        return posterior
    state = state_path(folder, spec.name)
    posterior = _sample(key, model, settings, provenance, state, progress)
    posteriors.write(posterior, path)
    state.unlink(missing_ok=True)
    return posterior


def obtain(
    sessions: Sessions,
    spec: ModelSpec,
    folder: Path,
    seed: int,
    settings: Settings,
    progress: Progress = silent,
) -> Result:
    """Return the stored fit of a declared model where there is one, else fit and store it.

    Raises `FitError` where the stored one was made with other data, model, seed or settings.
    """
    stored = finished(sessions, spec, folder, method_of(settings))
    if stored is None:
        return fit_and_store(sessions, spec, folder, seed, settings, progress)
    check_same(stored, spec, seed, settings)
    return stored


def obtain_from_first(
    sessions: Sessions,
    fraction: float,
    spec: ModelSpec,
    folder: Path,
    seed: int,
    settings: Settings,
    progress: Progress = silent,
) -> Result:
    """Return what `obtain` does of the first ``fraction`` of every session, stored in a folder of
    that fraction in ``folder``; `hebbax.heldout.predict` scores it on the rest."""
    part = split(sessions, first_trials(sessions, fraction))[0]
    own = folder / f"first-{100 * fraction:g}"
    own.mkdir(parents=True, exist_ok=True)
    return obtain(part, spec, own, seed, settings, progress)


def method_of(settings: Settings) -> Method:
    """Return the method that settings are of."""
    (method,) = (name for name, kind in SETTINGS.items() if isinstance(settings, kind))
    return method


def _sample(
    key: Key,
    model: Model,
    settings: nuts.Settings,
    provenance: dict,
    state: Path,
    progress: Progress,
) -> az.InferenceData:
    fit_key, draw_key = jax.random.split(key)
    draws, info = nuts.fit(fit_key, model, settings, store=state, progress=progress)
    return posteriors.to_inference_data(draw_key, model, draws, info._asdict(), provenance)


def _approximate(
    key: Key, model: Model, settings: svi.Settings, provenance: dict, progress: Progress
) -> az.InferenceData:
    """Return the guide's draws as one chain, with the weights of each and the ELBO of each step."""
    fit_key, draw_key = jax.random.split(key)
    draws, info = svi.fit(fit_key, model, settings, progress=progress)
    statistics = {"log_weights": info.log_weights, "lp": info.lp}
    out = posteriors.to_inference_data(draw_key, model, draws, statistics, provenance)
    out.sample_stats = out.sample_stats.assign(elbo=("step", info.elbo))
    return out


def check_same(stored: Result, spec: ModelSpec, seed: int, settings: Settings) -> None:
    """Raise `FitError` where a stored fit is not the one that these would give."""
    attributes = posteriors.provenance_attributes({"seed": seed, "settings": asdict(settings)})
    made = posteriors.spec_of(stored)
    if made.scaling == "information":  # its scales were found, and are no part of what was asked
        made = replace(made, scales=spec.scales)
    attributes["spec"] = stored.attrs["spec"] if made == spec else posteriors.spec_attribute(spec)
    for name, value in attributes.items():
        if stored.attrs[name] != value:
            what = {"spec": "terms or priors", "seed": "random seed"}.get(name, name)
            raise FitError(
                f"{spec.name}: the finished fit was made with other {what}; resume with them, or "
                "use --force or another --out."
            )


def finished(
    sessions: Sessions, spec: ModelSpec, folder: Path, method: Method = "nuts"
) -> Result | None:
    """Return the stored fit of this model and data by a method, or None where there is none.

    Raises `FitError` where one of other data is in the way.
    """
    path = result_path(folder, spec.name, method)
    if not path.exists():
        return None
    stored = estimates.read(path) if method == "map" else posteriors.read(path)
    if stored.attrs["data_hash"] != data_hash(compact(sessions)):
        raise FitError(f"{path.name}: was fitted to other data; use --force or another --out.")
    return stored
