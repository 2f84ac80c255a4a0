"""Fits in a folder of results: where they lie, what they were made of, how far they are.

A fit that is finished is taken as it is where it was made of the same data, model, seed and
settings (`hebbax.model.identity`), an unfinished one goes on, and one of something else is refused.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import xarray as xr

from hebbax.data import Sessions
from hebbax.errors import FitError
from hebbax.inference import checkpoint, map, svi
from hebbax.model.choices import Model, build_model
from hebbax.model.identity import comparable, difference
from hebbax.model.spec import ModelSpec
from hebbax.posterior import estimate as estimates
from hebbax.posterior import inference_data as posteriors
from hebbax.posterior.computed import PRIOR_DRAWS
from hebbax.posterior.methods import (
    ENDINGS,
    SAMPLED,
    Method,
    Result,
    Sampler,
    Settings,
    method_of,
)
from hebbax.posterior.stored import check_attributes, is_stored_fit
from hebbax.runs import differing, netcdf
from hebbax.runs.names import file_name
from hebbax.typing import Key
from hebbax.validation.limits import MAX_STORED


def result_path(folder: Path, model: str, method: Method = "pseudo-marginal") -> Path:
    """Return where the fit of a model by a method lies in a results folder."""
    return folder / f"{file_name(model)}{ENDINGS[method]}"


def state_path(folder: Path, model: str, method: Method = "pseudo-marginal") -> Path:
    """Return where the state of an unfinished fit of a model by a method lies in a results
    folder."""
    return folder / f"{file_name(model)}{ENDINGS[method].removesuffix('.nc')}.state.npz"


def posteriors_in(folder: Path) -> dict[str, xr.DataTree]:
    """Return the sampled posteriors that lie in a folder, by the name of their model.

    They are told by what is in them, not by their file names; approximations, estimates and netCDF
    files of others are left alone. Raises `FitError` where there is none, where two are of one
    model, and for a file that may not be read or is damaged, whatever it was.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("[!.]*.nc")):  # hidden: cut off while it was written
        attributes = netcdf.attributes(path, "netCDF file", FitError)
        if not is_stored_fit(attributes):
            continue
        check_attributes(attributes, path.name)
        if attributes["method"] not in SAMPLED:
            continue
        model = str(attributes["model"])
        if model in found:
            raise FitError(
                f"{found[model].name} and {path.name}: both are posteriors of {model}; move one of "
                "them away."
            )
        found[model] = path
    if not found:
        raise FitError(f"{folder}: holds no posterior; `hebbax run` makes some.")
    return {model: posteriors.read(path) for model, path in found.items()}


@dataclass(frozen=True)
class Standing:
    """How far a fit that is asked for is: its ``model``, with scales that are not looked for yet;
    its result where it is finished; and a sentence on what will be taken from what lies in the
    folder, empty where nothing is."""

    model: Model
    result: Result | None = None
    sentence: str = ""


def standing(
    sessions: Sessions, spec: ModelSpec, folder: Path, seed: int, settings: Settings
) -> Standing:
    """Return how far the fit of a declared model is.

    Raises `FitError` where a fit of other data, model, seed or settings is in the way, finished or
    not, naming the difference, and where it would be too large to store.
    """
    return _standing(unscaled(sessions, spec), folder, seed, settings)


def refuse_others(
    sessions: Sessions, specs: Sequence[ModelSpec], folder: Path, seed: int, settings: Settings
) -> None:
    """Raise `FitError` where a fit of something else is in the way of models whose prior scales are
    still to be found, finished or not, naming the difference; scales are none."""
    for spec in specs:
        _standing(unscaled(sessions, spec), folder, seed, settings, but=("scales",))


def _standing(
    model: Model, folder: Path, seed: int, settings: Settings, but: Sequence[str] = ()
) -> Standing:
    """Return how far the fit of a model is; parts of its identity named in ``but`` may differ."""
    method, name = method_of(settings), model.spec.name
    path, state = result_path(folder, name, method), state_path(folder, name, method)
    if path.exists():
        stored = estimates.read(path) if method == "map" else posteriors.read(path)
        provenance = {"method": method, "seed": seed, "settings": asdict(settings)}
        asked = posteriors.attributes(model, provenance)
        made, wanted = (_without(_identity(a), but) for a in (stored.attrs, asked))
        if other := difference(made, wanted):
            raise FitError(
                f"{path.name}: a finished fit {other}; ask for the same, use --force to fit it "
                "again, or give another --out."
            )
        return Standing(model, stored, f"{path.name} is finished, and taken as it is.")
    check_size(model.recording, model.spec, settings)
    if state.exists():
        saved = checkpoint.read(state)
        own = replace(saved, fit=_without(saved.fit, but))
        checkpoint.refuse_other(state, own, _without(_asked_of(model, seed, settings), but))
        total = settings.iterations
        said = f"{state.name} goes on after {saved.done} of {total} iterations."
        return Standing(model, None, said)
    return Standing(model)


def prepare(
    sessions: Sessions,
    specs: Sequence[ModelSpec],
    folder: Path,
    seed: int,
    settings: Settings,
    *,
    anew: bool,
) -> list[Standing]:
    """Return how far each of some fits is, for `hebbax.posterior.fitting.finish` to go on from.

    Nothing is fitted. Raises `HebbaxError` where one of them cannot be made or stored, as far as
    that is known before, or where one of something else is in the way (`standing`). With ``anew``
    nothing is: finished fits are to be replaced, and states of something else removed.
    """
    models = [unscaled(sessions, spec) for spec in specs]
    for spec in specs:
        file_name(spec.name)
    if anew:
        found = [Standing(model) for model in models]
        for model in models:
            check_size(sessions, model.spec, settings)
        for model in models:
            _remove_other_state(model, folder, seed, settings)
    else:
        found = [_standing(model, folder, seed, settings) for model in models]
    to_fit = [spec for spec, fit in zip(specs, found, strict=True) if fit.result is None]
    _check_room(folder, sum(expected_bytes(sessions, spec, settings) for spec in to_fit))
    return found


def _remove_other_state(model: Model, folder: Path, seed: int, settings: Settings) -> None:
    """Remove the state of an unfinished fit that is not the one asked for, or cannot be read."""
    state = state_path(folder, model.spec.name, method_of(settings))
    if not state.exists():
        return
    try:
        asked = _asked_of(model, seed, settings)
        checkpoint.refuse_other(state, checkpoint.read(state), asked)
    except FitError:
        state.unlink()


def _check_room(folder: Path, needed: int) -> None:
    """Raise `FitError` where there is no room for what is to be fitted."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FitError(
            f"{folder}: {megabytes(free)} are free there, and what is to be fitted takes about "
            f"{megabytes(needed)}; free some, or give another --out."
        )


def check_size(sessions: Sessions, spec: ModelSpec, settings: Settings) -> None:
    """Raise `FitError` where a fit would store more than `hebbax.validation.limits.MAX_STORED`."""
    size = expected_bytes(sessions, spec, settings)
    if isinstance(settings, map.Settings) or size <= MAX_STORED:
        return
    fixed, each, observed = _sizes(sessions, spec, settings)
    chains = settings.chains if isinstance(settings, Sampler) else 1
    of = f" of {chains} chains" if chains > 1 else ""
    most = (MAX_STORED - fixed - posteriors.OBSERVED_DRAWS * observed) // (each * chains)
    if most * chains < posteriors.OBSERVED_DRAWS:
        most = (MAX_STORED - fixed) // ((each + observed) * chains)
    raise FitError(
        f"{spec.name}: {settings.draws} draws{of} would store {size / 1e9:.1f} GB; at most "
        f"{MAX_STORED / 1e9:g} GB are allowed, so ask for at most {most} draws."
    )


def expected_bytes(sessions: Sessions, spec: ModelSpec, settings: Settings) -> int:
    """Return what a stored fit takes at most, before it is compressed."""
    fixed, each, observed = _sizes(sessions, spec, settings)
    draws = _draws(settings)
    return fixed + each * draws + observed * min(draws, posteriors.OBSERVED_DRAWS)


def _draws(settings: Settings) -> int:
    """Return the number of draws of all chains; a mode is one."""
    if isinstance(settings, map.Settings):
        return 1
    return settings.draws * (settings.chains if isinstance(settings, Sampler) else 1)


def _sizes(sessions: Sessions, spec: ModelSpec, settings: Settings) -> tuple[int, int, int]:
    """Return the bytes that a stored fit takes whatever its draws, those of the values of each
    draw, of every animal and of the population, and of a posterior those of each draw that has the
    log likelihood of all observations and what is predicted of them."""
    members = len(spec.members) + 2 * sessions.n_stimuli + 1
    if spec.parameters:  # and what is stored of them in natural units
        members += len(spec.members) + len(spec.terms)
    values = 8 * ((sessions.n_animals + 3) * members + sessions.n_animals + 20)
    fixed = 250_000 + 8 * values
    if isinstance(settings, map.Settings):
        return fixed, values, 0
    seen = int(sessions.observed(spec.likelihood).sum())
    outcomes = sessions.n_stimuli + 1 if spec.kind.outcome else 1
    fixed += PRIOR_DRAWS * (values + 2 * seen * outcomes) + 8 * seen * (outcomes + 6)
    if isinstance(settings, svi.Settings):
        fixed += 8 * settings.steps
    return fixed, values, seen * (4 + 2 * outcomes)


def _identity(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a fit was made of (`hebbax.model.identity`), from what is stored with it."""
    return {
        "data": attributes["data_hash"],
        **comparable(json.loads(attributes["spec"])),
        "seed": int(attributes["seed"]),
        **differing.flat(json.loads(attributes["settings"])),
    }


def _without(identity: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in identity.items() if name not in names}


def _asked_of(model: Model, seed: int, settings: Settings) -> dict[str, Any]:
    return checkpoint.fit_identity(fit_key(seed, settings), model, settings)


def unscaled(sessions: Sessions, spec: ModelSpec) -> Model:
    """Return the model with its scales not looked for; raise `ModelError` where there is none."""
    return replace(build_model(replace(spec, scaling="declared"), sessions), spec=spec)


def random_keys(seed: int) -> tuple[Key, Key, Key]:
    """Return the random keys of a fit, of what is drawn from it, and of what each animal says
    alone."""
    key = jax.random.PRNGKey(seed)
    fit_key, draw_key = jax.random.split(key)
    return fit_key, draw_key, jax.random.fold_in(key, 2)


def fit_key(seed: int, settings: Settings) -> Key:
    """Return the random key of a fit, which for a mode, of which nothing is drawn, is the seed's
    own."""
    return jax.random.PRNGKey(seed) if isinstance(settings, map.Settings) else random_keys(seed)[0]


def megabytes(size: int) -> str:
    """Return a number of bytes as a reader takes it."""
    return f"{max(size / 1e6, 0.1):.1f} MB"
