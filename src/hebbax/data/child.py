"""The process that reads files of others: MATLAB's, HDF5, Parquet, Excel and NWB.

A damaged file can end the process that reads it. This one reads and hands on, and knows nothing
of hebbax, so that it starts at once; `hebbax.data.isolated` starts it and judges what comes back.
Standard input says what to read (JSON: kind, paths, and the most cells, rows, columns,
bytes and memory). Each file is answered in turn
on standard output: the lengths of two parts, a header (JSON) and arrays (NPZ).
"""

import datetime
import io
import json
import math
import os
import re
import struct
import sys
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

LENGTHS = struct.Struct(">QQ")
"""The lengths in bytes of header and arrays, in front of both."""

NUMERIC = ("sparse", "double", "single", "logical", *(f"{s}int{b}" for s in ("", "u") for b in
           (8, 16, 32, 64)))  # fmt: skip
"""MATLAB's classes of numbers."""


Loaded = tuple[dict[str, Any], dict[str, np.ndarray]]
"""Header and arrays of a file."""


class RefusedError(Exception):
    """A file that is not read: what it holds, in words, and what is allowed or to be done."""


def check_size(name: str, shape: tuple[int, ...], most: dict[str, int]) -> None:
    """Raise `RefusedError` for a variable of too many numbers, before it is read."""
    if math.prod(map(int, shape)) > most["cells"]:
        allowed = f"at most {most['cells']} numbers of one variable are allowed"
        raise RefusedError(f"{name} is {' x '.join(map(str, shape))}", allowed)


def load_matlab(path: str, most: dict[str, int]) -> Loaded:
    """Return the variables of a ``.mat`` file: its numbers, and the class of everything else."""
    import scipy.io
    import scipy.sparse

    classes = {}
    with open(path, "rb") as file:
        try:
            found = scipy.io.whosmat(file, appendmat=False)
        except NotImplementedError:  # version 7.3, which is HDF5
            return load_matlab_hdf5(path, most)
        for name, shape, kind in found:
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


def load_matlab_hdf5(path: str, most: dict[str, int]) -> Loaded:
    """Return the same of a ``.mat`` file of version 7.3, whose matrices stand transposed."""
    import h5py

    kinds, arrays = {}, {}
    with h5py.File(path, "r") as file:
        for name, held in file.items():
            if name.startswith("#"):  # what cells and structures refer to
                continue
            kind = held.attrs.get("MATLAB_class", b"")
            kind = kind.decode() if isinstance(kind, bytes) else str(kind)
            kind = "sparse" if "MATLAB_sparse" in held.attrs else kind  # a group, and no matrix
            if not isinstance(held, h5py.Dataset) or kind not in NUMERIC:
                kinds[name] = kind or "other"
                continue
            check_size(name, held.shape, most)
            empty = held.attrs.get("MATLAB_empty", 0)
            arrays[name] = np.zeros(held[...].astype(int)) if empty else held[...].T
    return {"kinds": kinds}, arrays


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
                raise RefusedError(f"{size} {what} given", allowed)
        table = file.read(use_threads=False)
    table.validate(full=True)
    stream = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return {}, {"table": np.frombuffer(stream.getvalue(), np.uint8)}


def load_excel(path: str, most: dict[str, int]) -> Loaded:
    """Return the columns of the first sheet of an Excel file: errors as their text, formulas as
    what they gave when the file was saved."""
    import openpyxl
    import pandas as pd

    with open(path, "rb") as stored, open(path, "rb") as written:
        values = openpyxl.load_workbook(stored, read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(written, read_only=True)
        names = [sheet.title for sheet in values.worksheets]
        for book in (values, formulas):
            book.worksheets[0].reset_dimensions()  # some programs write others than they filled
        both = zip(values.worksheets[0].rows, formulas.worksheets[0].rows, strict=True)
        rows = [excel_row(*row) for row in both]
    cells = pd.DataFrame(rows, dtype=object)
    header = ["" if pd.isna(value) else str(value) for value in cells.iloc[0]] if rows else []
    filled = max((k for k, row in enumerate(rows, 1) if row), default=0)
    refuse_merged(path, values.worksheets[0], header, filled)
    columns = columns_of(cells.iloc[1:], most)
    return {"columns": columns, "attrs": {"sheets": names, "header": header}}, {}


def refuse_merged(path: str, sheet: Any, header: Sequence[str], rows: int) -> None:
    """Raise `RefusedError` for merged cells in a table of so many ``rows``, the header among them:
    all of them but the first would look empty."""
    from openpyxl.utils import range_boundaries

    with zipfile.ZipFile(path) as archive:
        text = archive.read(sheet._worksheet_path).decode("utf-8", errors="replace")
    for cells in re.findall(r'<(?:\w+:)?mergeCell ref="([A-Z]+[0-9]+:[A-Z]+[0-9]+)"', text):
        left, top, right, bottom = range_boundaries(cells)
        if any(header[left - 1 : right]) and top <= rows and bottom > 1:
            raise RefusedError(
                f"cells {cells} are merged, of which all but the first are empty; part them, and "
                "fill in every row"
            )


def excel_row(stored: Sequence[Any], written: Sequence[Any]) -> list:
    """Return the values of a row, without the empty ones at its end, of the cells as they are
    ``stored`` and as they were ``written``; raise `RefusedError` for a formula that was never
    computed, whose cell would look empty."""
    values = []
    for cell, formula in zip(stored, written, strict=True):
        # Of a formula that gave an empty text, the kind "str" is stored.
        if formula.data_type == "f" and cell.value is None and cell.data_type != "str":
            raise RefusedError(
                f"cell {formula.coordinate} has a formula and no value; open the file in a "
                "spreadsheet program and save it there, which stores what formulas give"
            )
        whole = isinstance(cell.value, float) and cell.value.is_integer()
        values.append(int(cell.value) if whole else cell.value)
    while values and values[-1] in (None, ""):
        values.pop()
    return values


def load_nwb(path: str, most: dict[str, int]) -> Loaded:
    """Return the columns of the trials of an NWB file, and who was recorded when."""
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(path, "r") as opened:
        file = opened.read()
        table = None if file.trials is None else file.trials.to_dataframe().reset_index(drop=True)
        attrs = {"start": file.session_start_time.isoformat(), "trials": table is not None}
        for name in ("subject_id", "sex", "genotype"):
            attrs[name] = getattr(file.subject, name, None)
        return {"columns": {} if table is None else columns_of(table, most), "attrs": attrs}, {}


def columns_of(table: Any, most: dict[str, int]) -> dict[str, list]:
    """Return the columns of a table of pandas, whose cells are numbers, truth, text or nothing;
    those with cells that hold several values are left out."""
    for what, size in (("rows", len(table)), ("columns", table.shape[1])):
        if size > most[what]:
            allowed = f"at most {most[what]} are allowed"
            raise RefusedError(f"{size} {what} given", allowed)
    columns = {}
    for name in table.columns:
        cells = table[name].tolist()
        if not any(hasattr(value, "__len__") and not isinstance(value, str) for value in cells):
            columns[str(name)] = [cell(value) for value in cells]
    return columns


def cell(value: Any) -> Any:
    """Return a cell as JSON holds it: a date as ISO 8601 writes it, nothing where it is empty."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ").removesuffix(" 00:00:00")
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, bool | int | float | str) else str(value)


LOADERS = {
    "mat": load_matlab,
    "nc": load_netcdf,
    "parquet": load_parquet,
    "xlsx": load_excel,
    "nwb": load_nwb,
}


def loaded(kind: str, path: str, most: dict[str, int]) -> Loaded:
    """Return what a file holds, or a header that says why it holds nothing."""
    try:
        header, arrays = LOADERS[kind](path, most)
        json.dumps(header)
    except RefusedError as problem:
        return {"refused": "said", "what": "; ".join(problem.args)}, {}
    except MemoryError:
        allowed = f"at most {most['memory'] // 1024**3} GB are allowed"
        return {"refused": "said", "what": f"it asks for more memory; {allowed}"}, {}
    except ImportError as problem:
        return {"refused": "missing", "what": problem.name or str(problem)}, {}
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
