"""One fit from declared model to stored result: what `hebbax fit` and `hebbax run` share."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import xarray as xr

from hebbax.data import Sessions, describe, first_trials, split
from hebbax.errors import FitError
from hebbax.inference import map, nuts, pseudo_marginal, svi
from hebbax.model.choices import Model, build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior import alone
from hebbax.posterior import estimate as estimates
from hebbax.posterior import inference_data as posteriors
from hebbax.posterior.fits import (
    Standing,
    expected_bytes,
    fit_key,
    megabytes,
    random_keys,
    result_path,
    standing,
    state_path,
)
from hebbax.posterior.methods import Result, Settings, method_of
from hebbax.runs.compiled import forget_where_many
from hebbax.submodels.scaling import scaled
from hebbax.typing import Progress, silent


def obtain(
    sessions: Sessions,
    spec: ModelSpec,
    folder: Path,
    seed: int,
    settings: Settings,
    progress: Progress = silent,
    command: str = "",
) -> Result:
    """Return the stored fit of a declared model where there is one, else fit and store it.

    Raises `FitError` where the stored one was made with other data, model, seed or settings.
    """
    found = standing(sessions, spec, folder, seed, settings)
    return finish(found, folder, seed, settings, progress, command)


def finish(
    found: Standing,
    folder: Path,
    seed: int,
    settings: Settings,
    progress: Progress = silent,
    command: str = "",
) -> Result:
    """Return the result of a fit that was found finished (`hebbax.posterior.fits.prepare`), else
    fit and store it; what is stored is not read again.

    Stored are ``<model>.nc`` of draws, ``<model>.svi.nc`` of a guide and ``<model>.map.nc`` of the
    mode. The state of a fit that is not stored yet lies beside it as ``<model>.state.npz``,
    ``.svi.state.npz`` or ``.map.state.npz`` and is removed at the end; where it is there at the
    start, the fit goes on from it. ``command`` is what repeats it, and stored with it.
    """
    if found.result is not None:
        return found.result
    sessions, spec, method = found.model.recording, found.model.spec, method_of(settings)
    path, state = result_path(folder, spec.name, method), state_path(folder, spec.name, method)
    result = make(found.model, seed, settings, progress, command=command, store=state)
    try:
        if isinstance(result, xr.Dataset):
            estimates.write(result, path)
        else:
            posteriors.write(result, path)
    except FitError as problem:
        raise FitError(
            f"{problem} What was found is kept in {state.name}: free about "
            f"{megabytes(expected_bytes(sessions, spec, settings))} and give the same command "
            "again, which takes it from there."
        ) from problem
    state.unlink(missing_ok=True)
    return result


def make(
    model: Model,
    seed: int,
    settings: Settings,
    progress: Progress = silent,
    *,
    command: str = "",
    store: Path | None = None,
) -> Result:
    """Return the fit of a model, by the method its settings are of, with all that is stored of it.

    What the sampler or the climb found is kept in the file ``store``, or taken from there; without
    one nothing is written.
    """
    forget_where_many()
    if not len(model.observed):
        raise FitError(
            f"{model.recording.source}: no animal chose freely, so nothing can be learnt."
        )
    if model.spec.scaling != "declared":
        model = build_model(scaled(model.spec, model.recording, progress), model.recording)
    provenance: dict[str, Any] = {
        "method": method_of(settings),
        "seed": seed,
        "settings": asdict(settings),
        "data_description": describe(model.recording).to_json(),
    }
    if command:
        provenance["command"] = command
    return _fitted(model, settings, provenance, store, progress)


def with_each_alone(
    posterior: posteriors.Posterior, folder: Path, progress: Progress = silent
) -> posteriors.Posterior:
    """Return a posterior with what each animal says alone (`hebbax.posterior.alone`), sampled and
    stored with it where that was not done yet; as it is where there is no such thing.

    It takes about as long as the fit. Raises `FitError` where the folder refuses the file.
    """
    known = alone.stored(posterior) is not None
    found = each_alone(posterior, progress)
    if not known and alone.stored(found) is not None:
        name, method = str(posterior.attrs["model"]), posterior.attrs["method"]
        posteriors.write(found, result_path(folder, name, method))
    return found


def each_alone(
    posterior: posteriors.Posterior, progress: Progress = silent
) -> posteriors.Posterior:
    """Return a posterior with what each animal says alone (`hebbax.posterior.alone`), sampled where
    that was not done yet; as it is where there is no such thing."""
    if alone.stored(posterior) is not None:
        return posterior
    model = build_model(posteriors.spec_of(posterior), posteriors.sessions_of(posterior))
    key = random_keys(int(posterior.attrs["seed"]))[2]
    return alone.added(key, model, posterior, progress)


def obtain_from_first(
    sessions: Sessions,
    fraction: float,
    spec: ModelSpec,
    folder: Path,
    seed: int,
    settings: Settings,
    progress: Progress = silent,
) -> Result:
    """Return what `obtain` does of the first ``fraction`` of every animal's trials, stored in a
    folder of that fraction in ``folder``; `hebbax.check.heldout.predict` scores it on the rest."""
    part = split(sessions, first_trials(sessions, fraction))[0]
    own = folder / f"first-{100 * fraction:g}"
    own.mkdir(parents=True, exist_ok=True)
    return obtain(part, spec, own, seed, settings, progress)


def _fitted(
    model: Model, settings: Settings, provenance: dict, state: Path | None, progress: Progress
) -> Result:
    """Return the fit as it is to be stored (`make`)."""
    key = fit_key(provenance["seed"], settings)
    if isinstance(settings, map.Settings):
        mode, end = map.fit(key, model, settings, store=state, progress=progress)
        return estimates.to_dataset(model, mode, end, provenance)
    statistics: dict[str, Any]
    elbo = by_animal = None
    if isinstance(settings, svi.Settings):  # draws of the guide, as one chain
        draws, climb = svi.fit(key, model, settings, store=state, progress=progress)
        statistics, elbo = {"log_weights": climb.log_weights, "lp": climb.lp}, climb.elbo
    elif isinstance(settings, nuts.Settings):
        draws, nuts_info = nuts.fit(key, model, settings, store=state, progress=progress)
        statistics = nuts_info._asdict()
    else:
        draws, info = pseudo_marginal.fit(key, model, settings, store=state, progress=progress)
        statistics, provenance = info.statistics, {**provenance, **info.evidence.attributes}
        by_animal = info.log_marginal if model.spec.population else None
    draw_key = random_keys(provenance["seed"])[1]
    out = posteriors.to_inference_data(
        draw_key, model, draws, statistics, provenance, by_animal=by_animal
    )
    if elbo is not None:
        out.sample_stats["elbo"] = xr.DataArray(elbo, dims="step")
    return out
