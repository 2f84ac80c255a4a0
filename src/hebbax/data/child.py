"""The process that reads files of others: MATLAB's, HDF5, and Parquet.

A damaged file can end the process that reads it. This one reads and hands on, and knows nothing
of hebbax, so that it starts at once; `hebbax.data.isolated` starts it and judges what comes back.
Standard input says what to read (JSON: kind, paths, and the most cells, rows, columns,
bytes and memory). Each file is answered in turn
on standard output: the lengths of two parts, a header (JSON) and arrays (NPZ).
"""

import io
import json
import math
import os
import struct
import sys
from typing import Any

import numpy as np

LENGTHS = struct.Struct(">QQ")
"""The lengths in bytes of header and arrays, in front of both."""

NUMERIC = ("sparse", "double", "single", "logical", *(f"{s}int{b}" for s in ("", "u") for b in
           (8, 16, 32, 64)))  # fmt: skip
"""MATLAB's classes of numbers."""


Loaded = tuple[dict[str, Any], dict[str, np.ndarray]]
"""Header and arrays of a file."""


class TooLargeError(Exception):
    """A file asks for more than is allowed: what, in words, and how much of it is."""


def check_size(name: str, shape: tuple[int, ...], most: dict[str, int]) -> None:
    """Raise `TooLargeError` for a variable of too many numbers, before it is read."""
    if math.prod(map(int, shape)) > most["cells"]:
        allowed = f"at most {most['cells']} numbers of one variable are allowed"
        raise TooLargeError(f"{name} is {' x '.join(map(str, shape))}", allowed)


def load_matlab(path: str, most: dict[str, int]) -> Loaded:
    """Return the variables of a ``.mat`` file: its numbers, and the class of everything else."""
    import scipy.io
    import scipy.sparse

    classes = {}
    with open(path, "rb") as file:
        for name, shape, kind in scipy.io.whosmat(file, appendmat=False):
            check_size(name, shape, most)
            classes[name] = kind
    wanted = [name for name, kind in classes.items() if kind in NUMERIC]
    arrays: dict[str, np.ndarray] = {}
    if wanted:
        with open(path, "rb") as file:
            content = scipy.io.loadmat(file, appendmat=False, variable_names=wanted)
        for name in wanted:
            value = content[name]
            arrays[name] = value.toarray() if scipy.sparse.issparse(value) else value
    return {"kinds": {name: kind for name, kind in classes.items() if name not in arrays}}, arrays


def load_netcdf(path: str, most: dict[str, int]) -> Loaded:
    """Return attributes, dimensions, numbers and text of a netCDF 4 file."""
    import h5netcdf

    header: dict[str, Any] = {"attrs": {}, "dims": {}, "text": {}, "kinds": {}}
    arrays = {}
    with h5netcdf.File(path, "r") as file:
        for name in file.attrs:
            value = file.attrs[name]
            header["attrs"][name] = value.tolist() if hasattr(value, "tolist") else str(value)
        for name, variable in file.variables.items():
            check_size(name, variable.shape, most)
            header["dims"][name] = variable.dimensions
            values = np.asarray(variable[...])
            if values.dtype.kind in "fiubc":
                arrays[name] = values
            elif values.dtype.kind in "OSU" and values.ndim == 1:
                header["text"][name] = [v.decode() if isinstance(v, bytes) else v for v in values]
            else:
                header["kinds"][name] = str(values.dtype)
    return header, arrays


def load_parquet(path: str, most: dict[str, int]) -> Loaded:
    """Return a Parquet table as the bytes of an Arrow stream, in which every value is valid."""
    import pyarrow
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        held = file.metadata
        sizes = {
            "rows": held.num_rows,
            "columns": held.num_columns,
            "bytes": sum(held.row_group(k).total_byte_size for k in range(held.num_row_groups)),
        }
        for what, size in sizes.items():
            if size > most[what]:
                allowed = f"at most {most[what]} are allowed"
                raise TooLargeError(f"{size} {what} given", allowed)
        table = file.read(use_threads=False)
    table.validate(full=True)
    stream = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return {}, {"table": np.frombuffer(stream.getvalue(), np.uint8)}


LOADERS = {"mat": load_matlab, "nc": load_netcdf, "parquet": load_parquet}


def loaded(kind: str, path: str, most: dict[str, int]) -> Loaded:
    """Return what a file holds, or a header that says why it holds nothing."""
    try:
        header, arrays = LOADERS[kind](path, most)
        json.dumps(header)
    except TooLargeError as problem:
        return {"refused": "large", "what": "; ".join(problem.args)}, {}
    except MemoryError:
        allowed = f"at most {most['memory'] // 1024**3} GB are allowed"
        return {"refused": "large", "what": f"it asks for more memory; {allowed}"}, {}
    except NotImplementedError:
        return {"refused": "version 7.3"}, {}
    except Exception:  # these libraries raise many kinds for a broken file
        return {"refused": "unreadable"}, {}
    return header, arrays


def limit(memory: int) -> None:
    """Hold this process to an amount of memory, and let it crash without a trace."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Read the files that standard input names, and write each to standard output."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the answer
    order = json.load(sys.stdin)
    limit(order["most"]["memory"])
    for path in order["paths"]:
        header, arrays = loaded(order["kind"], path, order["most"])
        packed = io.BytesIO()
        np.savez(packed, **{f"v {name}": values for name, values in arrays.items()})  # type: ignore[arg-type]
        head = json.dumps(header).encode()
        out.write(LENGTHS.pack(len(head), packed.tell()) + head + packed.getvalue())
        out.flush()


if __name__ == "__main__":
    main()
