"""One fit from declared model to stored posterior: what `hebbax fit` and `hebbax run` share."""

from dataclasses import asdict
from pathlib import Path

import arviz as az
import jax

from hebbax import posterior as posteriors
from hebbax.data import Sessions, compact, data_hash
from hebbax.errors import FitError
from hebbax.inference import nuts
from hebbax.model import build_model
from hebbax.spec import ModelSpec
from hebbax.typing import Progress, silent


def posterior_path(folder: Path, model: str) -> Path:
    """Return where the posterior of a model lies in a results folder."""
    return folder / f"{model}.nc"


def fit_and_store(
    sessions: Sessions,
    spec: ModelSpec,
    folder: Path,
    seed: int,
    settings: nuts.Settings,
    progress: Progress = silent,
) -> az.InferenceData:
    """Return the posterior of one declared model, stored as ``<folder>/<model>.nc``.

    The state of the unfinished fit lies beside it as ``<model>.state.npz`` and is removed at the
    end; where it is there at the start, the fit goes on from it.
    """
    model = build_model(spec, sessions)
    fit_key, draw_key = jax.random.split(jax.random.PRNGKey(seed))
    state = folder / f"{spec.name}.state.npz"
    draws, info = nuts.fit(fit_key, model, settings, store=state, progress=progress)
    provenance = {"method": "nuts", "seed": seed, "settings": asdict(settings)}
    result = posteriors.to_inference_data(draw_key, model, draws, info._asdict(), provenance)
    posteriors.write(result, posterior_path(folder, spec.name))
    state.unlink(missing_ok=True)
    return result


def finished(sessions: Sessions, spec: ModelSpec, folder: Path) -> az.InferenceData | None:
    """Return the stored posterior of this model and data, or None where there is none.

    Raises `FitError` where one of other data is in the way.
    """
    path = posterior_path(folder, spec.name)
    if not path.exists():
        return None
    stored = posteriors.read(path)
    if stored.attrs["data_hash"] != data_hash(compact(sessions)):
        raise FitError(f"{path.name}: was fitted to other data; use --force or another --out.")
    return stored
