"""Sessions from MATLAB files: a folder of X, Y, R files, or the published folder a fly."""

from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse

from hebbax.data.sessions import NO_CHOICE, Record, Sessions, from_animals, natural_order
from hebbax.errors import DataError

ORDERS = ("choice_order.mat", "reward_order.mat")


def read_folder(folder: Path) -> Sessions:
    """Return the sessions of a folder of ``.mat`` files, or of one folder an animal."""
    entries = [
        path
        for path in sorted(folder.iterdir(), key=lambda path: natural_order(path.name))
        if not path.name.startswith((".", "__MACOSX"))  # what archives and systems leave behind
    ]
    files = [path for path in entries if path.suffix.lower() == ".mat" and path.is_file()]
    folders = [path for path in entries if path.is_dir()]
    if any(path.name in ORDERS for path in files):
        raise DataError(
            f"{folder.name}: is the folder of one animal; give the folder that holds one such "
            "folder an animal."
        )
    if files:
        return read_encounter_files(files, folder.name)
    if any((path / name).is_file() for path in folders for name in ORDERS):
        return read_order_folders(folders, folder.name)
    raise DataError(
        f"{folder.name}: a folder needs .mat files with X, Y and R, or one folder an animal with "
        "choice_order.mat and reward_order.mat."
    )


def read_encounter_files(paths: list[Path], source: str) -> Sessions:
    """Return the sessions of ``.mat`` files, one an animal.

    Each holds X (encounter, stimulus), one-hot; Y (encounter,), 1 = accepted; R (trial,), the
    reward of each accepted one. Rejections after the last acceptance belong to no trial and are
    dropped.
    """
    read = [_read_encounters(path) for path in paths]
    widths = [len(met) for _, met in read]
    for path, width in zip(paths, widths, strict=True):
        if width != widths[0]:
            raise DataError(
                f"{path.name}, X: {width} stimuli, but {paths[0].name} has {widths[0]}; all "
                "animals need the same alternatives."
            )
    stimuli = stimulus_names(widths[0])
    met = np.any([met for _, met in read], axis=0)
    if met.sum() == 1:
        raise DataError(
            f"{source}: only stimulus {stimuli[met.argmax()]} was ever met; a choice needs at "
            "least 2 alternatives."
        )
    return from_animals([record for record, _ in read], stimuli, source)


def read_order_folders(folders: list[Path], source: str) -> Sessions:
    """Return the sessions of the published layout, one folder an animal.

    ``choice_order.mat`` and ``reward_order.mat`` are (trial, block) with 0 = no choice and stimuli
    numbered from 1; trials follow each other block by block.
    """
    records = [_read_order(folder) for folder in folders]
    chosen = np.unique(np.concatenate([record.choices for record in records]))
    chosen = chosen[chosen >= 0]
    unused = np.setdiff1d(np.arange(len(chosen)), chosen)
    if len(unused):
        raise DataError(
            f"{source}, choice: stimulus {chosen.max() + 1} is chosen but stimulus "
            f"{unused[0] + 1} never is; stimuli are numbered from 1 without gaps."
        )
    return from_animals(records, stimulus_names(len(chosen)), source)


def stimulus_names(n_stimuli: int) -> list[str]:
    """Return A, B, C, ... for stimuli that have no names of their own."""
    return [chr(ord("A") + k) if n_stimuli <= 26 else str(k + 1) for k in range(n_stimuli)]


def load(path: Path, where: str) -> dict[str, np.ndarray]:
    """Return the variables of a ``.mat`` file; raise `DataError` for one SciPy cannot read."""
    try:
        content = scipy.io.loadmat(path)
    except NotImplementedError as problem:
        raise DataError(
            f"{where}: a MATLAB 7.3 file; save it in MATLAB with save(..., '-v7')."
        ) from problem
    except Exception as problem:  # SciPy raises many kinds for a broken file
        raise DataError(f"{where}: not a readable MATLAB file.") from problem
    return {
        name: value.toarray() if scipy.sparse.issparse(value) else value
        for name, value in content.items()
        if not name.startswith("__")
    }


def _matrix(where: str, name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "fiub":
        raise DataError(f"{where}, {name}: holds {values.dtype.name} values; numbers are needed.")
    if values.ndim != 2:
        raise DataError(f"{where}, {name}: is {_shape(values)}; a matrix or vector is needed.")
    return values.astype(float)


def _read_encounters(path: Path) -> tuple[Record, np.ndarray]:
    """Return the trials of one animal, and whether each stimulus was met ``(stimulus,)``."""
    content = load(path, path.name)
    missing = [name for name in "XYR" if name not in content]
    if missing:
        raise DataError(
            f"{path.name}: the variable {missing[0]} is missing; X, Y and R are needed, "
            f"{', '.join(content) or 'nothing'} found."
        )
    x, y, r = (_matrix(path.name, name, content[name]) for name in "XYR")
    y, r = y.ravel(), r.ravel()
    _check_encounters(path, x, y, r)
    stimulus = x.argmax(axis=1)
    accepted = np.flatnonzero(y == 1)
    trial = np.searchsorted(accepted, np.arange(len(y)))
    rejections = np.zeros((len(accepted) + 1, x.shape[1]), dtype=int)
    np.add.at(rejections, (trial[y == 0], stimulus[y == 0]), 1)
    record = Record(path.stem, stimulus[accepted], r, rejections=rejections[:-1])
    return record, (x != 0).sum(axis=0) > 0


def _check_encounters(path: Path, x: np.ndarray, y: np.ndarray, r: np.ndarray) -> None:
    if x.size == 0:
        raise DataError(f"{path.name}, X: is empty; one row an encounter is needed.")
    if len(x) != len(y):
        raise DataError(
            f"{path.name}: X has {len(x)} encounters and Y has {len(y)}; they must match."
        )
    odd = np.flatnonzero(((x != 0).sum(axis=1) != 1) | ((x == 1).sum(axis=1) != 1))
    if len(odd):
        raise DataError(
            f"{path.name}, encounter {odd[0] + 1}, X: unknown stimulus; each row needs one 1 and "
            "zeros."
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
    odd = np.flatnonzero(~np.isfinite(r))
    if len(odd):
        raise DataError(
            f"{path.name}, trial {odd[0] + 1}, R: {r[odd[0]]:g} given; a finite number is needed, "
            "such as 0 or 1."
        )


def _read_order(folder: Path) -> Record:
    choices, rewards = (_read_table(folder, name) for name in ("choice_order", "reward_order"))
    if choices.shape != rewards.shape:
        raise DataError(
            f"{folder.name}: choice_order is {_shape(choices)} and reward_order is "
            f"{_shape(rewards)}; both are trials x blocks."
        )
    finite = np.isfinite(choices)
    whole = finite & (np.floor(choices) == choices) & (choices >= 0)
    allowed = "0 = no choice and whole numbers from 1 are allowed"
    _check_cells(folder, "choice", choices, whole, allowed)
    usable = np.isfinite(rewards) | (np.isnan(rewards) & (choices == 0))
    _check_cells(folder, "reward", rewards, usable, "a finite number is needed, such as 0 or 1")
    blocks = np.broadcast_to(np.arange(choices.shape[1]), choices.shape)
    order = choices.ravel(order="F").astype(int) - 1
    return Record(
        folder.name,
        np.where(order < 0, NO_CHOICE, order),
        rewards.ravel(order="F"),
        blocks=blocks.ravel(order="F"),
    )


def _read_table(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.mat"
    where = f"{folder.name}/{path.name}"
    if not path.is_file():
        raise DataError(f"{folder.name}: {path.name} is missing.")
    content = load(path, where)
    if len(content) == 1:
        return _matrix(where, *next(iter(content.items())))
    if name not in content:
        raise DataError(f"{where}: no variable {name}; {', '.join(content) or 'nothing'} found.")
    return _matrix(where, name, content[name])


def _check_cells(
    folder: Path, field: str, values: np.ndarray, usable: np.ndarray, allowed: str
) -> None:
    """Raise `DataError` naming the first trial and block (trial, block) that is not usable."""
    if not usable.all():
        block, trial = np.argwhere(~usable.T)[0]
        raise DataError(
            f"{folder.name}, trial {trial + 1} of block {block + 1}, {field}: "
            f"{values[trial, block]:g} given; {allowed}."
        )


def _shape(values: np.ndarray) -> str:
    return " x ".join(map(str, values.shape))
