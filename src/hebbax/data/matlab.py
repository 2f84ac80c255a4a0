"""Sessions from MATLAB files: a folder of X, Y, R files, or the published folder a fly."""

import re
from pathlib import Path

import numpy as np
import scipy.io

from hebbax.data.sessions import NO_CHOICE, Record, Sessions, from_animals
from hebbax.errors import DataError


def natural_order(path: Path) -> list[int | str]:
    """Return a sorting key that puts Fly2 before Fly10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def read_encounter_folder(folder: Path) -> Sessions:
    """Return the sessions of a folder of ``.mat`` files, one an animal.

    Each holds X (encounter, stimulus), one-hot; Y (encounter,), 1 = accepted; R (trial,), the
    reward of each accepted one. Rejections after the last acceptance belong to no trial and are
    dropped.
    """
    paths = sorted(folder.glob("*.mat"), key=natural_order)
    records, widths = [], {}
    for path in paths:
        record, width = _read_encounters(path)
        widths[path.name] = width
        records.append(record)
    if len(set(widths.values())) > 1:
        first, other = paths[0].name, next(n for n in widths if widths[n] != widths[paths[0].name])
        raise DataError(
            f"{other}, X: {widths[other]} stimuli, but {first} has {widths[first]}; all animals "
            "need the same alternatives."
        )
    return from_animals(records, stimulus_names(next(iter(widths.values()))), folder.name)


def read_order_folder(folder: Path) -> Sessions:
    """Return the sessions of the published layout, one folder an animal.

    ``choice_order.mat`` and ``reward_order.mat`` are (trial, block) with 0 = no choice and stimuli
    numbered from 1; trials follow each other block by block.
    """
    records = [
        _read_order(path) for path in sorted(folder.iterdir(), key=natural_order) if path.is_dir()
    ]
    width = max(2, *(int(record.choices.max()) + 1 for record in records))
    return from_animals(records, stimulus_names(width), folder.name)


def stimulus_names(n_stimuli: int) -> list[str]:
    """Return A, B, C, ... for stimuli that have no names of their own."""
    return [chr(ord("A") + k) if n_stimuli <= 26 else str(k + 1) for k in range(n_stimuli)]


def load(path: Path) -> dict[str, np.ndarray]:
    """Return the variables of a ``.mat`` file; raise `DataError` for one SciPy cannot read."""
    try:
        content = scipy.io.loadmat(path)
    except NotImplementedError as problem:
        raise DataError(
            f"{path.name}: a MATLAB 7.3 file; save it in MATLAB with save(..., '-v7')."
        ) from problem
    except Exception as problem:  # SciPy raises many kinds for a broken file
        raise DataError(f"{path.name}: not a readable MATLAB file.") from problem
    return {name: value for name, value in content.items() if not name.startswith("__")}


def _numbers(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.number) and values.dtype != bool:
        raise DataError(
            f"{path.name}, {name}: holds {values.dtype.name} values; numbers are needed."
        )
    values = values.astype(float)
    if not np.isfinite(values).all():
        raise DataError(f"{path.name}, {name}: NaN or infinite values; finite numbers are needed.")
    return values


def _read_encounters(path: Path) -> tuple[Record, int]:
    content = load(path)
    missing = [name for name in "XYR" if name not in content]
    if missing:
        raise DataError(
            f"{path.name}: the variable {missing[0]} is missing; X, Y and R are needed, "
            f"{', '.join(content) or 'nothing'} found."
        )
    x = np.atleast_2d(_numbers(path, "X", content["X"]))
    y, r = (_numbers(path, name, content[name]).ravel() for name in "YR")
    _check_encounters(path, x, y, r)
    stimulus = x.argmax(axis=1)
    accepted = np.flatnonzero(y == 1)
    trial = np.searchsorted(accepted, np.arange(len(y)))
    rejections = np.zeros((len(accepted) + 1, x.shape[1]), dtype=int)
    np.add.at(rejections, (trial[y == 0], stimulus[y == 0]), 1)
    return Record(path.stem, stimulus[accepted], r, rejections=rejections[:-1]), x.shape[1]


def _check_encounters(path: Path, x: np.ndarray, y: np.ndarray, r: np.ndarray) -> None:
    if len(x) != len(y):
        raise DataError(
            f"{path.name}: X has {len(x)} encounters and Y has {len(y)}; they must match."
        )
    odd = np.flatnonzero(((x != 0).sum(axis=1) != 1) | (x.max(axis=1) <= 0))
    if len(odd):
        raise DataError(
            f"{path.name}, encounter {odd[0] + 1}, X: unknown stimulus; each row needs one active "
            "stimulus and zeros."
        )
    odd = np.flatnonzero((y != 0) & (y != 1))
    if len(odd):
        raise DataError(
            f"{path.name}, encounter {odd[0] + 1}, Y: {y[odd[0]]:g} given; 1 = accepted and "
            "0 = rejected are allowed."
        )
    if int(y.sum()) != len(r):
        raise DataError(
            f"{path.name}: Y has {int(y.sum())} accepted encounters and R has {len(r)} rewards; "
            "every accepted encounter needs one."
        )


def _read_order(folder: Path) -> Record:
    tables = []
    for name in ("choice_order", "reward_order"):
        path = folder / f"{name}.mat"
        if not path.is_file():
            raise DataError(f"{folder.name}: {path.name} is missing.")
        content = load(path)
        if len(content) != 1 and name not in content:
            raise DataError(
                f"{folder.name}/{path.name}: no variable {name}; {', '.join(content)} found."
            )
        values = content.get(name, next(iter(content.values())))
        tables.append(np.atleast_2d(_numbers(path, name, values)))
    choices, rewards = tables
    if choices.shape != rewards.shape:
        raise DataError(
            f"{folder.name}: choice_order is {_shape(choices)} and reward_order is "
            f"{_shape(rewards)}; both are trials x blocks."
        )
    odd = np.argwhere((choices < 0) | (choices % 1 != 0))
    if len(odd):
        trial, block = odd[0]
        raise DataError(
            f"{folder.name}, trial {trial + 1} of block {block + 1}, choice: "
            f"{choices[trial, block]:g} given; 0 = no choice and whole numbers from 1 are allowed."
        )
    blocks = np.broadcast_to(np.arange(choices.shape[1]), choices.shape)
    order = choices.ravel(order="F").astype(int) - 1
    return Record(
        folder.name,
        np.where(order < 0, NO_CHOICE, order),
        rewards.ravel(order="F"),
        blocks=blocks.ravel(order="F"),
    )


def _shape(values: np.ndarray) -> str:
    return " x ".join(map(str, values.shape))
