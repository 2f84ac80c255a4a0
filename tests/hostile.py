"""Files that no laboratory meant to send: bytes by name, each kind once or more.

A name says what is wrong. Every entry is made here, from a table that is right or from nothing.
"""

import gzip
import io
import json
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse

HEADER = "animal,trial,block,choice,reward"


def rows(animals=("m1", "m2"), trials=6) -> list[list[str]]:
    """Return the rows of a table that is right: A and B in turn, B is rewarded."""
    return [
        [animal, str(trial), "1", "AB"[trial % 2], str(trial % 2)]
        for animal in animals
        for trial in range(1, trials + 1)
    ]


def csv(lines: list[list[str]] | None = None, header: str = HEADER, sep: str = ",") -> str:
    """Return a table as text."""
    body = [sep.join(line) for line in (rows() if lines is None else lines)]
    return "\n".join([header.replace(",", sep), *body]) + "\n"


def cell(field: str, value: str, row: int = 2) -> str:
    """Return the right table with one value of one row replaced."""
    lines = rows()
    lines[row][HEADER.split(",").index(field)] = value
    return csv(lines)


def everywhere(field: str, old: str, new: str) -> str:
    """Return the right table with one value of a field replaced in every row."""
    place = HEADER.split(",").index(field)
    lines = rows()
    for line in lines:
        line[place] = new if line[place] == old else line[place]
    return csv(lines)


NAMES = {
    "mathtext": "$x$",
    "broken mathtext": "$\\frac{",
    "markup": "[/x]",
    "bold markup": "[bold]m",
    "html": "<script>alert(1)</script>",
    "entity": "&amp;&lt;",
    "traversal": "../../m",
    "absolute path": "/tmp/m",
    "backslash": "a\\b",
    "device": "CON",
    "dots": "..",
    "option": "--force",
    "emoji": "🪰",
    "combining": "e\u0301" * 5,
    "right to left": "\u202eabc",
    "no-break blank": "\u00a0m\u00a0",
    "zero width": "m\u200b1",
    "nul": "m\x001",
    "bell": "m\x07",
    "escape": "\x1b[31mred",
    "surrogate pair": "𝒳",
    "300 characters": "n" * 300,
    "5000 characters": "n" * 5000,
    "formula": "=1+1",
    "percent": "%s%n%(x)s",
    "braces": "{0} {x}",
    "quote": "'; DROP TABLE m;--",
    "cohort": "cohort",
    "population": "population",
    "NA": "NA",
    "None": "None",
    "nan": "nan",
    "null": "null",
    "true": "True",
    "number": "007",
    "float": "1e400",
}
"""Names of an animal or an alternative."""

VALUES = {
    "text": "often",
    "infinite": "inf",
    "minus infinite": "-inf",
    "nan": "nan",
    "overflow": "1e400",
    "denormal": "1e-320",
    "400 digits": "1" + "0" * 400,
    "hexadecimal": "0x10",
    "complex": "1+2j",
    "date": "2024-05-01",
    "time": "12:30:01",
    "percent": "50%",
    "comma": '"1,5"',
    "thousands": '"1,000"',
    "negative": "-1",
    "fraction": "1.5",
    "empty": "",
    "true": "TRUE",
    "blank": "   ",
}
"""Values of a number."""


@cache
def tables() -> dict[str, bytes]:
    """Return text tables by name."""
    out: dict[str, str | bytes] = {
        "empty": "",
        "one newline": "\n",
        "header alone": HEADER + "\n",
        "header without end": HEADER,
        "nul bytes": b"\x00" * 4096,
        "random bytes": np.random.default_rng(0).bytes(4096),
        "png": b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "zip": b"PK\x03\x04" + b"\x00" * 60,
        "hdf5": b"\x89HDF\r\n\x1a\n" + b"\x00" * 60,
        "json": json.dumps({"animal": ["m1"], "trial": [1]}),
        "json lines": '{"animal": "m1", "trial": 1}\n' * 5,
        "xml": "<?xml version='1.0'?><trials><t/></trials>",
        "prose": "It was a dark and stormy night; the flies chose left.\n" * 3,
        "toml": 'terms = ["x r"]\n',
        "one column": "animal\nm1\nm1\n",
        "no header": "\n".join(csv().splitlines()[1:]),
        "header twice": csv(header="animal,trial,block,choice,choice"),
        "header of blanks": csv(header=" , , , , "),
        "header in capitals": csv(header=HEADER.upper()),
        "ragged, long": csv() + "m3,1,1,A,0,9,9\n",
        "ragged, short": csv() + "m3,1\n",
        "unclosed quote": csv() + 'm3,1,1,"A,0\n',
        "quote inside": csv() + 'm3,1,1,A"B,0\n',
        "carriage returns": csv().replace("\n", "\r"),
        "carriage returns and newlines": csv().replace("\n", "\r\n"),
        "blank lines": csv().replace("\n", "\n\n"),
        "comment first": "# rig 3\n" + csv(),
        "comment within": csv() + "# the end\n",
        "byte order mark": b"\xef\xbb\xbf" + csv().encode(),
        "utf-16": csv().encode("utf-16"),
        "utf-16 without mark": csv().encode("utf-16-le"),
        "utf-32": csv().encode("utf-32"),
        "latin-1": csv().replace("m1", "müß").encode("latin-1"),
        "broken utf-8": csv().encode().replace(b"m2", b"m\xff\xfe"),
        "overlong utf-8": csv().encode().replace(b"m2", b"m\xc0\xaf"),
        "tabs": csv(sep="\t"),
        "semicolons": csv(sep=";"),
        "bars": csv(sep="|"),
        "blanks": csv(sep=" "),
        "mixed separators": csv() + csv(sep=";"),
        "one animal": csv(rows(("m1",))),
        "one trial": csv(rows(trials=1)),
        "one alternative": csv([[*row[:3], "A", row[4]] for row in rows()]),
        "no choice at all": csv([[*row[:3], "", ""] for row in rows()]),
        "101 alternatives": csv([["m1", str(k + 1), "1", f"o{k}", "0"] for k in range(101)]),
        "wide": "animal," + ",".join(map(str, range(1, 21))) + "\nm1," + ",".join("AB" * 10),
        "20 000 columns": csv(header=HEADER + "," + ",".join(f"c{k}" for k in range(20_000))),
        "trials out of order": csv(rows()[::-1]),
        "trial twice": csv([*rows(), rows()[-1]]),
        "trial left out": csv([row for row in rows() if row[1] != "3"]),
        "trials from 51": csv([[a, str(int(t) + 50), *rest] for a, t, *rest in rows()]),
        "numbering restarts": csv([*rows(), *[[a, t, "2", c, r] for a, t, _, c, r in rows()]]),
        "block within block": csv([[a, t, str(int(t) % 2), c, r] for a, t, _, c, r in rows()]),
        "reward without a choice": cell("choice", ""),
        "rewards that name the side": csv([[*row[:4], row[3]] for row in rows()]),
        "all rewards equal": csv([[*row[:4], "1"] for row in rows()]),
        "reward of a code": cell("reward", "-99"),
        "choices in two cases": cell("choice", "a"),
        "encounters, two accepted": "animal,trial,stimulus,accepted,reward\n"
        + "m1,1,A,1,1\nm1,1,B,1,0\nm1,2,A,1,0\n",
        "encounters, none accepted": "animal,trial,stimulus,accepted,reward\n"
        + "".join(f"m1,{t},{s},0,\n" for t in (1, 2) for s in "AB"),
        "encounters, all rejected but one": "animal,trial,stimulus,accepted,reward\n"
        + "m1,1,A,0,\nm1,1,B,0,\nm1,2,A,1,1\nm1,3,B,0,\n",
        "session restarts": csv(header=HEADER.replace("block", "session")),
        "sessions of dates": everywhere("block", "1", "2024-05-01").replace("block", "session"),
        "session empty": cell("block", "").replace("block", "session"),
        "session with escape": everywhere("block", "1", "\x1b[31m").replace("block", "session"),
        "sessions in turn": "animal,session,choice,reward\n" + "m,1,A,1\nm,2,B,1\n" * 3,
        "forced": csv(header=HEADER.replace("block", "forced")),
        "forced text": cell("block", "sometimes").replace("block", "forced"),
        "offered": everywhere("block", "1", "A|B").replace("block", "offered"),
        "offered bars": everywhere("block", "1", "|||").replace("block", "offered"),
        "offered others": everywhere("block", "1", "C|D").replace("block", "offered"),
        "offered 200": cell("block", "|".join(f"o{k}" for k in range(200))).replace(
            "block", "offered"
        ),
        "a bomb of gzip": gzip.compress(b"m1,1,1,A,0\n" * 100_000),
    }
    out |= {f"animal {kind}": everywhere("animal", "m1", name) for kind, name in NAMES.items()}
    out |= {f"choice {kind}": everywhere("choice", "A", name) for kind, name in NAMES.items()}
    for field in ("trial", "reward", "block"):
        out |= {f"{field} {kind}": cell(field, value) for kind, value in VALUES.items()}
    return {name: v if isinstance(v, bytes) else v.encode() for name, v in out.items()}


@cache
def declared() -> dict[str, bytes]:
    """Return model files by name."""
    values = {
        "true": "true",
        "text": '"much"',
        "empty text": '""',
        "list": "[1.0]",
        "table": "{ a = 1 }",
        "negative": "-1",
        "zero": "0",
        "infinite": "inf",
        "nan": "nan",
        "400 digits": "9" * 400,
        "date": "2024-05-01",
        "long text": '"' + "n" * 5000 + '"',
    }
    keys = (
        "name", "terms", "reason", "likelihood", "reward", "window", "rate", "hierarchy", "prior",
        "scales", "scaling", "effect", "expected_terms", "preference_scale", "habit_scale",
        "initial_weight_scale",
    )  # fmt: skip
    out = {
        f"{key} {kind}": f"{key} = {value}\n" + ("" if key == "terms" else 'terms = ["x r", "w"]\n')
        for key in keys
        for kind, value in values.items()
    }
    out |= {
        "empty": "",
        "not toml": "terms = [",
        "key twice": 'terms = []\nterms = ["w"]',
        "unknown key": 'terms = []\nfoo = 1\nfoa = "b"',
        "terms of numbers": "terms = [1, 2]",
        "terms nested": 'terms = [["x r"]]',
        "terms twice": 'terms = ["x r", "r x"]',
        "term of nothing": 'terms = [""]',
        "term too high": 'terms = ["x^9 r"]',
        "100 000 terms": "terms = [" + '"w",' * 100_000 + "]",
        "scales of a term that is none": 'terms = ["w"]\nscales = { "x r" = 1.0 }',
        "scales twice": 'terms = ["x r"]\n[scales]\n"x r" = 0.1\n"r x" = 0.3',
        "scales text": 'terms = ["w"]\nscales = { w = "1" }',
        "name with a slash": 'name = "../escape"\nterms = []',
        "name with a nul": 'name = "a\\u0000b"\nterms = []',
        "name of markup": 'name = "[/x]"\nterms = []',
        "name pandas reads as missing": 'name = "null"\nterms = []',
        "deep": "a = " + "[" * 900 + "]" * 900,
    }
    return {name: text.encode() for name, text in out.items()} | {
        "latin-1": 'reason = "müß"\nterms = []'.encode("latin-1"),
        "random bytes": np.random.default_rng(1).bytes(300),
        "nul bytes": b"\x00" * 100,
    }


def matlab(**changes) -> bytes:
    """Return a .mat file of one animal, that is right or has some variables changed."""
    x = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]])
    content = {"X": x, "Y": np.array([0, 1, 1, 1, 0]), "R": np.array([1, 0, 1])} | changes
    file = io.BytesIO()
    scipy.io.savemat(file, {k: v for k, v in content.items() if v is not None})
    return file.getvalue()


def sparse_bomb() -> bytes:
    """Return a sparse matrix of few bytes that asks for terabytes when it is made dense."""
    shape = (2_000_000, 200_000)
    return matlab(X=scipy.sparse.csc_array(([1.0], ([0], [0])), shape=shape))


@cache
def matlab_files() -> dict[str, bytes]:
    """Return .mat files by name."""
    right = matlab()
    out = {
        "empty": b"",
        "truncated": right[: len(right) // 2],
        "header alone": right[:128],
        "version 7.3": b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM" + b"\x89HDF",
        "text": matlab(X="abc"),
        "cell": matlab(X=np.array([[1], ["a"]], dtype=object)),
        "struct": matlab(X={"a": 1}),
        "complex": matlab(X=np.eye(2) * 1j),
        "empty X": matlab(X=np.zeros((0, 2))),
        "no R": matlab(R=None),
        "three dimensions": matlab(X=np.zeros((2, 2, 2))),
        "nan reward": matlab(R=np.array([1, np.nan, 0])),
        "lengths differ": matlab(R=np.array([1.0])),
        "two hot": matlab(X=np.ones((5, 2))),
        "sparse bomb": sparse_bomb(),
        "compressed bomb": right[:128] + zlib.compress(b"\x00" * 10_000_000),
    }
    rng = np.random.default_rng(2)
    for place in rng.choice(np.arange(len(right)), 25, replace=False):
        flipped = bytearray(right)
        flipped[place] ^= 1 << int(rng.integers(8))
        out[f"bit flipped at {place}"] = bytes(flipped)
    return out


def flips(path: Path, number: int, seed: int) -> dict[str, bytes]:
    """Return a file with one byte changed, at several places, and cut short."""
    right = path.read_bytes()
    rng = np.random.default_rng(seed)
    out = {"half": right[: len(right) // 2], "but its last byte": right[:-1], "nothing": b""}
    for place in rng.choice(len(right), number, replace=False):
        changed = bytearray(right)
        changed[place] ^= int(rng.integers(1, 256))
        out[f"byte changed at {place}"] = bytes(changed)
    return out


@cache
def parquet() -> dict[str, bytes]:
    """Return parquet tables by name."""
    table = pd.read_csv(io.StringIO(csv()))
    changed = {
        "right": table,
        "animal in the index": table.set_index("animal"),
        "dates as trials": table.assign(trial=pd.date_range("2024-05-01", periods=len(table))),
        "lists as choices": table.assign(choice=[["A"]] * len(table)),
        "bytes as choices": table.assign(choice=[b"\xff"] * len(table)),
        "categories": table.astype({"animal": "category", "choice": "category"}),
        "no rows": table.iloc[:0],
        "no columns": table[[]],
    }
    out = {}
    for name, values in changed.items():
        file = io.BytesIO()
        values.to_parquet(file)
        out[name] = file.getvalue()
    return out | {"truncated": out["right"][:-20], "random": b"PAR1" + bytes(90) + b"PAR1"}
