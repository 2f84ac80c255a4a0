"""The state of an unfinished fit on disk: arrays by position, no pickles.

One ``.npz`` file holds the sampler's state, the draws kept so far and a label of the fit it belongs
to. It is replaced as a whole, so that a killed process leaves the last complete one.
"""

import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hebbax.errors import FitError
from hebbax.files import replacing

Kept = list[dict[str, np.ndarray]]


def save(path: Path, label: str, state: Any, kept: Kept, done: int) -> None:
    """Replace the file at ``path`` by the state after ``done`` iterations."""
    leaves = jax.tree.leaves(state)
    arrays: dict[str, Any] = {"label": np.array(label), "done": np.array(done)}
    arrays |= {f"state {i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
    for name in kept[0] if kept else ():
        arrays[f"draw {name}"] = np.concatenate([part[name] for part in kept])
    with replacing(path, FitError) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)


def load(path: Path, label: str, like: Any) -> tuple[Any, Kept, int]:
    """Return state, kept draws and number of iterations done; ``like`` has the state's structure.

    Raises `FitError` for a file of another fit or one that cannot be read.
    """
    try:
        with np.load(path) as stored:
            arrays = dict(stored)
    except (OSError, ValueError, zipfile.BadZipFile) as problem:
        raise FitError(
            f"{path.name}: not a readable state of a fit; remove it to start anew."
        ) from problem
    if str(arrays["label"]) != label:
        raise FitError(
            f"{path.name}: the unfinished fit has other data, model, seed or settings; resume with "
            "the same ones, or start anew with --force."
        )
    structure = jax.tree.structure(like)
    leaves = [arrays[f"state {i}"] for i in range(len(jax.tree.leaves(like)))]
    state = jax.tree.unflatten(structure, leaves)
    draws = {k.removeprefix("draw "): v for k, v in arrays.items() if k.startswith("draw ")}
    return state, [draws] if draws else [], int(arrays["done"])
