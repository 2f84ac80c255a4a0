"""Sessions from MATLAB files: a folder of X, Y, R files, or the published folder a fly."""

from pathlib import Path

import numpy as np

from hebbax.data.folders import entries
from hebbax.data.isolated import Content, Named, load_files
from hebbax.data.record import NO_CHOICE, Record
from hebbax.data.sessions import Sessions, from_animals
from hebbax.errors import DataError
from hebbax.validation.quoting import printable

ORDERS = ("choice_order.mat", "reward_order.mat")


def read_folder(folder: Path, name: str) -> Sessions:
    """Return the sessions of a folder of ``.mat`` files, or of one folder an animal.

    Messages call the folder ``name``. What lies in it and is no animal is named in the notes; what
    may be one is refused.
    """
    found = entries(folder, name)
    files = [path for path in found if path.suffix.lower() == ".mat" and path.is_file()]
    folders = [path for path in found if path.is_dir()]
    if any(path.name in ORDERS for path in files):
        raise DataError(
            f"{name}: is the folder of one animal; give the folder that holds one such "
            "folder an animal."
        )
    orders = [path for path in folders if any((path / order).is_file() for order in ORDERS)]
    if not files and not orders:
        raise DataError(
            f"{name}: a folder needs .mat files with X, Y and R, or one folder an animal with "
            "choice_order.mat and reward_order.mat."
        )
    _check_left_out(found, [] if orders and not files else folders, name)
    if files:
        notes = _left_out([path for path in found if path not in files])
        return read_encounter_files(files, name, notes)
    notes = _left_out([path for path in found if path not in folders])
    return read_order_folders(folders, name, notes)


def _check_left_out(found: list[Path], folders: list[Path], name: str) -> None:
    """Raise `DataError` for the first entry that may hold an animal and would be left out."""
    for path in found:
        if path.suffix.lower() != ".mat" and path.name.strip().lower().endswith(".mat"):
            raise DataError(
                f'{name}: the name of "{printable(path.name)}" ends with a blank; rename it to end '
                "with .mat, or move it to another folder."
            )
    for path in folders:
        inner = [one for one in entries(path, path.name) if one.suffix.lower() == ".mat"]
        if inner:
            raise DataError(
                f"{name}: .mat files lie in it and in its folder {printable(path.name)} "
                f"({printable(inner[0].name)}); put all animals into one folder."
            )


def _left_out(paths: list[Path]) -> list[str]:
    """Return a note that names what was not read."""
    if not paths:
        return []
    names = ", ".join(f"{printable(p.name)}{' (a folder)' if p.is_dir() else ''}" for p in paths)
    return [f"Left out, because they are no .mat files: {names}."]


def read_encounter_files(paths: list[Path], source: str, notes: list[str]) -> Sessions:
    """Return the sessions of ``.mat`` files, one an animal.

    Each holds X (encounter, stimulus), one-hot; Y (encounter,), 1 = accepted; R (acceptance,), the
    reward of each accepted one. Rejections after the last acceptance are one last trial without a
    choice.
    """
    contents = load_files("mat", [Named(path, printable(path.name)) for path in paths])
    read = [_read_encounters(p, content) for p, content in zip(paths, contents, strict=True)]
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
    return from_animals([record for record, _ in read], stimuli, source, notes)


def read_order_folders(folders: list[Path], source: str, notes: list[str]) -> Sessions:
    """Return the sessions of the published layout, one folder an animal.

    ``choice_order.mat`` and ``reward_order.mat`` are (trial, block) with 0 = no choice and stimuli
    numbered from 1; trials follow each other block by block.
    """
    files = [_order_file(folder, order) for folder in folders for order in ORDERS]
    contents = load_files("mat", files)
    records = [
        _read_order(folder, *contents[2 * k : 2 * k + 2]) for k, folder in enumerate(folders)
    ]
    chosen = np.unique(np.concatenate([record.choices for record in records]))
    chosen = chosen[chosen >= 0]
    unused = np.setdiff1d(np.arange(len(chosen)), chosen)
    if len(unused):
        raise DataError(
            f"{source}, choice: stimulus {chosen.max() + 1} is chosen but stimulus "
            f"{unused[0] + 1} never is; stimuli are numbered from 1 without gaps."
        )
    return from_animals(records, stimulus_names(len(chosen)), source, notes)


def stimulus_names(n_stimuli: int) -> list[str]:
    """Return A, B, C, ... for stimuli that have no names of their own."""
    return [chr(ord("A") + k) if n_stimuli <= 26 else str(k + 1) for k in range(n_stimuli)]


def _matrix(where: str, name: str, content: Content) -> np.ndarray:
    """Return a variable as floating-point numbers; raise `DataError` where it has none."""
    kind = content.kinds.get(name) or content.numbers[name].dtype.name
    if name in content.kinds or content.numbers[name].dtype.kind not in "fiub":
        raise DataError(f"{where}, {name}: holds {kind} values; numbers are needed.")
    values = content.numbers[name]
    if values.ndim != 2:
        raise DataError(f"{where}, {name}: is {_shape(values)}; a matrix or vector is needed.")
    return values.astype(float)


def _read_encounters(path: Path, content: Content) -> tuple[Record, np.ndarray]:
    """Return the trials of one animal, and whether each stimulus was met ``(stimulus,)``."""
    missing = [name for name in "XYR" if name not in content.names]
    if missing:
        raise DataError(
            f"{path.name}: the variable {missing[0]} is missing; X, Y and R are needed, "
            f"{', '.join(content.names) or 'nothing'} found."
        )
    x, y, r = (_matrix(path.name, name, content) for name in "XYR")
    y, r = y.ravel(), r.ravel()
    _check_encounters(path, x, y, r)
    stimulus = x.argmax(axis=1)
    accepted = np.flatnonzero(y == 1)
    trial = np.searchsorted(accepted, np.arange(len(y)))
    n_trials = trial[-1] + 1  # one more than acceptances where the last encounter was rejected
    rejections = np.zeros((n_trials, x.shape[1]), dtype=int)
    np.add.at(rejections, (trial[y == 0], stimulus[y == 0]), 1)
    choices, rewards = np.full(n_trials, NO_CHOICE), np.full(n_trials, np.nan)
    choices[: len(r)], rewards[: len(r)] = stimulus[accepted], r
    record = Record(path.stem, choices, rewards, rejections=rejections)
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


def _read_order(folder: Path, chosen: Content, rewarded: Content) -> Record:
    choices = _read_table(folder, "choice_order", chosen)
    rewards = _read_table(folder, "reward_order", rewarded)
    if choices.shape != rewards.shape:
        raise DataError(
            f"{folder.name}: choice_order is {_shape(choices)} and reward_order is "
            f"{_shape(rewards)}; both are trials x blocks."
        )
    if choices.shape[0] == 1 < choices.shape[1]:
        raise DataError(
            f"{folder.name}: choice_order is {_shape(choices)}, one trial in each of "
            f"{choices.shape[1]} blocks; it is trials x blocks, so transpose it where "
            "these are the trials of one block."
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


def _order_file(folder: Path, order: str) -> Named:
    if not (folder / order).is_file():
        raise DataError(f"{printable(folder.name)}: {order} is missing.")
    return Named(folder / order, f"{printable(folder.name)}/{order}")


def _read_table(folder: Path, name: str, content: Content) -> np.ndarray:
    where = f"{folder.name}/{name}.mat"
    if len(content.names) == 1:
        return _matrix(where, content.names[0], content)
    if name not in content.names:
        found = ", ".join(content.names) or "nothing"
        raise DataError(f"{where}: no variable {name}; {found} found.")
    return _matrix(where, name, content)


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
