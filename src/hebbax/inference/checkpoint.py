"""The state of an unfinished fit on disk: arrays by position, no pickles.

One ``.npz`` file holds the sampler's state, the draws kept so far, and as JSON what fit they are
of, how far it is, and what made them. It is replaced as a whole, so that a killed process leaves
the last complete one. What is read back is believed only where every array is of the shape and type
that the fit needs.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hebbax.data import data_hash
from hebbax.errors import FitError
from hebbax.model.choices import Model
from hebbax.model.identity import difference, identity
from hebbax.runs.files import check_readable, replacing
from hebbax.typing import Key

Kept = list[dict[str, np.ndarray]]

FORMAT = 7
PACKAGES = ("hebbax", "jax", "jaxlib", "numpyro")
"""What has to be the same for a fit to go on bit for bit."""

ANEW = "remove it, or use --force, to start anew"


@dataclass(frozen=True)
class Saved:
    """A state as it was stored: of which fit (`hebbax.model.identity`), after how many
    iterations."""

    fit: Mapping[str, Any]
    done: int
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Expected:
    """What a state must hold to go on: the structure of the sampler's ``state``, of one draw of
    all chains, and the iterations before the first kept draw and in all."""

    state: Any
    drawn: Mapping[str, Any]
    warmup: int
    total: int


def fit_identity(key: Key, model: Model, settings: Any) -> dict[str, Any]:
    """Return what a fit is made of (`hebbax.model.identity`), whichever sampler the ``settings``
    are of: what goes on is one of the same."""
    numbers = np.asarray(jax.random.key_data(key)).tolist()
    data = data_hash(model.recording)
    return identity(model.spec, data, asdict(settings), random_key=numbers)


def save(path: Path, fit: Mapping[str, Any], state: Any, kept: Kept, done: int) -> None:
    """Replace the file at ``path`` by the state of a fit after ``done`` iterations."""
    about = {"format": FORMAT, "versions": _versions(), "done": done, "fit": fit}
    arrays: dict[str, Any] = {"about": np.array(json.dumps(about))}
    arrays |= {f"state {i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    for name in kept[0] if kept else ():
        arrays[f"draw {name}"] = np.concatenate([part[name] for part in kept])
    with replacing(path, FitError) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)


def read(path: Path) -> Saved:
    """Return what is stored at ``path``, whatever fit it is of.

    Raises `FitError` for a file that may not be read, is damaged, or was made by other versions.
    """
    check_readable(path, FitError)
    try:
        arrays = _arrays(path)
        about = json.loads(str(arrays.pop("about")))
        made, versions, done, fit = (about[k] for k in ("format", "versions", "done", "fit"))
    except Exception as problem:  # whatever a damaged file raises
        raise FitError(f"{path.name}: not a readable state of a fit; {ANEW}.") from problem
    if made != FORMAT:
        raise FitError(
            f"{path.name}: a state of version {made}, and this hebbax reads version {FORMAT}; "
            f"{ANEW}."
        )
    for name, now in _versions().items():
        if versions.get(name) != now:
            raise FitError(
                f"{path.name}: was made with {name} {versions.get(name)}, and {now} does not go "
                f"on with it bit for bit; install the former, or {ANEW}."
            )
    return Saved(fit, done, arrays)


def load(path: Path, fit: Mapping[str, Any], expected: Expected) -> tuple[Any, Kept, int]:
    """Return state, kept draws and number of iterations done.

    Raises `FitError` for a file of another fit, one that cannot be read, or one whose arrays are
    not those of this fit.
    """
    saved = read(path)
    refuse_other(path, saved, fit)
    done, total = saved.done, expected.total
    if not isinstance(done, int) or isinstance(done, bool) or not 0 <= done <= total:
        raise FitError(f"{path.name}: {done} of {total} iterations cannot have been done; {ANEW}.")
    n = max(0, done - expected.warmup)
    leaves, structure = jax.tree.flatten(expected.state)
    wanted = {f"state {i}": (leaf.shape, leaf.dtype) for i, leaf in enumerate(leaves)}
    if n:
        wanted |= {f"draw {k}": ((n, *v.shape), v.dtype) for k, v in expected.drawn.items()}
    _check_arrays(path, saved.arrays, wanted)
    state = [saved.arrays[f"state {i}"] for i in range(len(leaves))]
    draws = {k: saved.arrays[f"draw {k}"] for k in expected.drawn} if n else {}
    return jax.tree.unflatten(structure, state), [draws] if n else [], done


def load_result(path: Path, fit: Mapping[str, Any], result: Any, total: int) -> Any:
    """Return the result of a fit that keeps no draws on its way, as `save` stored it after all of
    its ``total`` iterations; ``result`` has its structure, shapes and types. Raises `FitError` as
    `load` does."""
    stored, _, _ = load(path, fit, Expected(result, {}, warmup=total, total=total))
    return stored


def refuse_other(path: Path, saved: Saved, fit: Mapping[str, Any]) -> None:
    """Raise `FitError` where a state is of another fit, naming the difference."""
    if other := difference(saved.fit, fit):
        raise FitError(
            f"{path.name}: an unfinished fit {other}; ask for the same, use --force to start anew, "
            "or give another --out."
        )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of a file, of which none takes more memory than the file itself."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise zipfile.BadZipFile("more inside than there is room for")
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def _check_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[Any, Any]]
) -> None:
    """Raise `FitError` for an array that is missing, of another shape or type, or too much."""
    for name in [*wanted, *(name for name in arrays if name not in wanted)]:
        if name not in arrays:
            wrong = "is missing"
        elif name not in wanted:
            wrong = "belongs to no such fit"
        else:
            shape, dtype = wanted[name]
            own = arrays[name]
            if own.shape == tuple(shape) and own.dtype == dtype:
                continue
            wrong = f"is {own.dtype} {own.shape}, and {dtype} {tuple(shape)} is needed"
        raise FitError(f'{path.name}: its array "{name}" {wrong}; {ANEW}.')


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}
