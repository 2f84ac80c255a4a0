"""Tables of text as other programs write them: packing, encoding, comments, separator, rows.

What can be told from the file itself is told, and noted where it is not the rule; what cannot is
refused. A row is known by its line in the file.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hebbax.data.limits import MAX_BYTES, MAX_COLUMNS, MAX_ROWS
from hebbax.errors import DataError
from hebbax.runs.files import check_readable
from hebbax.validation.quoting import plain, printable

SEPARATORS = {
    "\t": "tabs",
    ";": "semicolons",
    ",": "commas",
    "|": "vertical bars",
    " ": "blanks",
}
"""What may stand between columns, and its name."""

USUAL = {".csv": ",", ".tsv": "\t"}
"""The separator that the end of a file's name promises."""

SAMPLE = 50
"""Lines from which the separator is told."""

MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""First bytes of a file that say its encoding, longer ones first where one begins another."""

Known = Callable[[str], bool]
"""Whether a header is one that is looked for."""


class Line(NamedTuple):
    """The cells of a row, and the line of the file on which it ends."""

    number: int
    cells: list[str]


class Grid(NamedTuple):
    """A table of text: cells without blanks at their ends, None where empty; the index is the line
    of each row; what separates its columns; notes."""

    table: pd.DataFrame
    separator: str
    notes: list[str]


def read_grid(path: Path, name: str, known: Known) -> Grid:
    """Return a table of text; raise `DataError` for what is no table, too large, or ambiguous.

    ``known`` says which headers are looked for: it decides between separators.
    """
    text, notes = _decoded(_bytes(path, name), name)
    separator, lines = _lines(text, name, known)
    usual = next((sep for end, sep in USUAL.items() if end in map(str.lower, path.suffixes)), None)
    if separator != usual and len(lines[0].cells) > 1:
        notes.append(f"Columns are separated by {SEPARATORS[separator]}.")
    header, *rows = lines
    if len(header.cells) == 1 and rows:
        *most, last = SEPARATORS.values()
        raise DataError(
            f'{name}: has one column, "{plain(header.cells[0])}"; columns are separated by '
            f"{', '.join(most)} or {last}."
        )
    headers, told = _headers(header.cells, rows, name, known, separator)
    return Grid(_table(headers, rows, name), separator, [*notes, *told])


def _bytes(path: Path, name: str) -> bytes:
    """Return the content of a file, unpacked, up to `MAX_BYTES`."""
    check_readable(path, DataError, name)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        raise DataError(f"{name}: not a readable gzip file.") from problem
    if len(content) > MAX_BYTES:
        raise DataError(
            f"{name}: more than {MAX_BYTES} bytes given, which is the most that is allowed."
        )
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise DataError(f"{name}: a spreadsheet or an archive; save the table as CSV.")
    return content


def _decoded(content: bytes, name: str) -> tuple[str, list[str]]:
    """Return the text of a file, and a note where its encoding was a guess."""
    marked = next((code for mark, code in MARKS.items() if content.startswith(mark)), None)
    zeros = content.count(0)
    if marked is None and zeros > 0.3 * len(content):  # text of UTF-16 without its mark
        marked = "utf-16-le" if content[1::2].count(0) > zeros / 2 else "utf-16-be"
    try:
        return content.decode(marked or "utf-8"), []
    except UnicodeDecodeError:
        pass
    if marked is None:
        text = content.decode("cp1252", errors="replace")
        line = next(n for n, one in enumerate(content.splitlines(), 1) if not _is_utf8(one))
        if "\ufffd" not in text and "\x00" not in text:
            return text, [
                f"Line {line} is not UTF-8; the file was read as Windows-1252 (Latin-1), so look "
                "whether the names are right."
            ]
    raise DataError(f"{name}: not a readable table; save it as CSV in UTF-8.")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines(text: str, name: str, known: Known) -> tuple[str, list[Line]]:
    """Return the separator and all rows that are not empty, the header first."""
    skipped, body = _without_comments(text, known)
    if not body.strip():
        raise DataError(f"{name}: the file is empty.")
    sample = list(io.StringIO(body, newline=""))[:SAMPLE]
    separator = _separator(sample, known, name)
    rows: list[Line] = []
    for line in _split(io.StringIO(body, newline=""), separator, skipped, name):
        if not rows and len(line.cells) > MAX_COLUMNS:
            raise DataError(
                f"{name}: {len(line.cells)} columns given; at most {MAX_COLUMNS} are allowed."
            )
        if any(line.cells):
            rows.append(line)
        if len(rows) > MAX_ROWS + 1:
            raise DataError(
                f"{name}: more than {MAX_ROWS} rows given, which is the most that is allowed."
            )
    if not rows:
        raise DataError(f"{name}: the file is empty.")
    return separator, rows


def _without_comments(text: str, known: Known) -> tuple[int, str]:
    """Return how many lines stand before the header, and the text from there.

    Passed over are lines that start with # and the line ``sep=;`` of spreadsheets. A header behind
    a # is a header.
    """
    skipped, start = 0, 0
    for line in io.StringIO(text, newline=""):
        bare = line.strip().lstrip("#")
        comment = line.startswith("#")
        if comment and any(_matches(_cells(bare, sep), known) > 1 for sep in SEPARATORS):
            return skipped, text[start + line.index("#") + 1 :]
        if bare and not comment and not re.fullmatch("sep=.?", bare):
            break
        skipped, start = skipped + 1, start + len(line)
    return skipped, text[start:]


def _separator(sample: Sequence[str], known: Known, name: str) -> str:
    """Return what separates the columns of some lines: known headers say it, then equal rows."""
    marks = {}
    for separator in SEPARATORS:
        rows = [_cells(line, separator) for line in sample if line.strip()]
        width = len(rows[0])
        even = width > 1 and all(width <= len(row) <= width + 1 for row in rows)
        # Blanks beside another separator belong to the cells.
        matches = _matches(rows[0][:MAX_COLUMNS], known)  # more are refused
        marks[separator] = (matches, even, separator != " ", width)
    best = max(marks, key=marks.__getitem__)
    rivals = [sep for sep, mark in marks.items() if mark[:3] == marks[best][:3] and mark[3] > 1]
    if len(rivals) > 1 and marks[best][1]:
        found = " or ".join(f"{SEPARATORS[sep]} ({marks[sep][3]} columns)" for sep in rivals)
        raise DataError(f"{name}: columns may be separated by {found}; save it with one of them.")
    return best


def _matches(header: Sequence[str], known: Known) -> int:
    return sum(map(known, header))


def _cells(line: str, separator: str) -> list[str]:
    """Return the cells of one line, where the line can be split."""
    try:
        cells = next(
            csv.reader([line.strip() if separator == " " else line], **_how(separator)), []
        )
    except csv.Error:
        return [line]
    return [cell.strip() for cell in cells] or [""]


def _how(separator: str) -> dict:
    # With skipinitialspace a run of blanks is one separator, and `a, "b"` is quoted.
    return {"delimiter": separator, "skipinitialspace": True}


def _split(file: io.StringIO, separator: str, skipped: int, name: str) -> Iterator[Line]:
    """Yield the cells of each row and the line on which it ends."""
    text = (line.strip(" ") for line in file) if separator == " " else file
    reader = csv.reader(text, strict=True, **_how(separator))
    try:
        for cells in reader:
            yield Line(skipped + reader.line_num, [cell.strip() for cell in cells])
    except csv.Error as problem:
        raise DataError(
            f"{name}, row {skipped + reader.line_num}: cannot be split into cells "
            f"({problem}); look at its quotation marks."
        ) from problem


def _table(header: list[str], rows: list[Line], name: str) -> pd.DataFrame:
    """Return rows as a table; raise `DataError` where one has another number of cells."""
    n = len(header)
    _refuse_comments(rows, name)
    for number, cells in rows:
        if len(cells) < n or any(cells[n:]):
            raise DataError(
                f"{name}, row {number}: {len(cells)} cells given, the header has {n}; put a cell "
                "that holds a separator in quotation marks, and leave an empty cell where nothing "
                "was recorded."
            )
    check_headers(header, name)
    index = [line.number for line in rows]
    columns = {k: [line.cells[k] or None for line in rows] for k in range(n)}
    table = pd.DataFrame(columns, index=index, dtype=object)
    return table.set_axis(pd.Index(header, dtype=object), axis=1)


def _refuse_comments(rows: list[Line], name: str) -> None:
    """Raise `DataError` for a row that begins with #: it may have been taken out."""
    for number, _ in (line for line in rows if line.cells[0].startswith("#")):
        raise DataError(
            f"{name}, row {number}: begins with #; comments stand above the header only, so remove "
            "the row, or the # where it belongs to a name."
        )


def _headers(
    header: list[str], rows: list[Line], name: str, known: Known, separator: str
) -> tuple[list[str], list[str]]:
    """Return a header for each column, and a note where rows begin with names of their own, as R
    writes them; raise `DataError` where these may as well be a column."""
    while len(header) > 1 and not header[-1]:
        header = header[:-1]
    if not _named_rows(rows, len(header)):
        return header, []
    counted = [row.cells[0] for row in rows] == [str(k) for k in range(1, len(rows) + 1)]
    if not (known(header[0]) or (counted and separator in " \t")):
        raise DataError(
            f"{name}: rows have {len(header) + 1} cells and the header has {len(header)}; name "
            "every column."
        )
    note = "Rows have one cell more than the header: the first was taken for their name."
    return ["", *header], [note]


def _named_rows(rows: list[Line], n: int) -> bool:
    """Whether rows have one cell more than the header and begin with names of their own, as R
    writes them; where names stand twice, cells are split by something within them."""
    first = [line.cells[0] for line in rows]
    longer = all(len(line.cells) == n + 1 and line.cells[-1] for line in rows)
    return bool(rows) and longer and len(set(first)) == len(first)


def check_headers(header: Sequence[str], name: str) -> None:
    """Raise `DataError` for a header that stands twice."""
    named = [one for one in header if one]
    for k, one in enumerate(named):
        if one in named[:k]:
            raise DataError(
                f'{name}: the column "{printable(one)}" stands twice; each header may stand once.'
            )
