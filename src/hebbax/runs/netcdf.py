"""NetCDF files: written as a whole or not at all, and read where they may be damaged.

HDF5 ends the process where a disk is full while it writes. So it writes into memory, and plain
bytes go to the disk, where a failure is an ordinary `OSError`. A flipped byte surfaces as any of a
dozen kinds of exception, from HDF5, its wrappers, xarray or ArviZ, and which one is no part of
their interfaces. So one place takes them all.
"""

import io
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import xarray as xr

from hebbax.errors import HebbaxError
from hebbax.runs.files import check_readable, replacing


def write(groups: Mapping[str, xr.Dataset], path: Path, error: type[HebbaxError]) -> None:
    """Write data sets as the groups of one file; the name of the root is ``/``.

    A failure of the file system is raised as ``error``, and leaves what was there before.
    """
    content = _image(groups)
    with replacing(path, error) as unfinished:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _check(unfinished, len(content), groups)


def _image(groups: Mapping[str, xr.Dataset]) -> memoryview:
    """Return a file of these groups, compressed, as it will lie on the disk."""
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        for name, dataset in groups.items():
            numbers = [n for n, values in dataset.variables.items() if values.dtype.kind in "biuf"]
            store = xr.backends.H5NetCDFStore(file, group=name, mode="a")
            dataset.dump_to_store(store, encoding={n: {"zlib": True} for n in numbers})
    return buffer.getbuffer()


def _check(path: Path, size: int, groups: Mapping[str, xr.Dataset]) -> None:
    """Raise `OSError` where what is on the disk is not what was written."""
    if path.stat().st_size != size:
        raise OSError(f"{path.stat().st_size} of {size} bytes arrived")
    with h5py.File(path, "r") as file:
        missing = [name for name in groups if name not in file]
    if missing:
        raise OSError(f"{missing[0]} did not arrive")


@contextmanager
def reading(path: Path, what: str, error: type[HebbaxError]) -> Iterator[None]:
    """Raise ``error``, which says that the file at ``path`` is no readable ``what``, for whatever
    goes wrong inside; it says so where the file may not be read at all."""
    check_readable(path, error)
    try:
        with h5py.File(path, "r") as file:  # h5netcdf leaves what fails here half open
            file.attrs.get("_nc3_strict")
        yield
    except Exception as problem:
        raise error(
            f"{path.name}: not a readable {what}; it is damaged, or no netCDF file."
        ) from problem


def attributes(path: Path, what: str, error: type[HebbaxError]) -> dict[str, Any]:
    """Return the attributes of a file without its arrays; raise ``error``, which says that it is no
    readable ``what``, where that fails."""
    with reading(path, what, error), h5netcdf.File(path, "r") as file:
        return {str(name): file.attrs[name] for name in file.attrs}


def check_size(path: Path, what: str, error: type[HebbaxError], most: int) -> None:
    """Raise ``error`` where the arrays of a file, a ``what``, would take more than ``most`` bytes;
    nothing of them is read: a small file can ask for any size."""
    with reading(path, what, error), h5py.File(path, "r") as file:
        sizes: list[int] = []

        def add(_: str, found: h5py.Group | h5py.Dataset) -> None:
            if isinstance(found, h5py.Dataset):
                sizes.append(math.prod(found.shape or (0,)) * found.dtype.itemsize)

        file.visititems(add)
    if (size := sum(sizes)) > most:
        raise error(
            f"{path.name}: its arrays would take {size / 1e9:.1f} GB of memory; at most "
            f"{most / 1e9:g} GB are allowed."
        )
