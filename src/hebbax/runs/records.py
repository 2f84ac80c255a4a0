"""Small records as JSON: what a command keeps of how it was asked, so that it can go on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hebbax.errors import HebbaxError
from hebbax.runs.files import check_readable, replacing


def write(record: Mapping[str, Any], path: Path, error: type[HebbaxError]) -> None:
    """Write a record in place of an earlier one, as a whole or not at all."""
    with replacing(path, error) as unfinished:
        unfinished.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def read(path: Path, error: type[HebbaxError], damaged: str) -> dict[str, Any]:
    """Return a record; raise ``error`` where the file may not be read, with the sentence
    ``damaged`` where it holds none."""
    check_readable(path, error)
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise error(damaged)
    return held
