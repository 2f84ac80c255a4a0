"""What lies in a folder of recordings, in the order in which people count."""

from itertools import islice
from pathlib import Path

from hebbax.data.limits import MAX_FILES
from hebbax.data.sessions import natural_order
from hebbax.errors import DataError


def entries(folder: Path, name: str) -> list[Path]:
    """Return what lies in a folder, called ``name``, less what archives and systems leave behind,
    Fly2 before Fly10. Raises `DataError` for one that cannot be read, or holds too much."""
    try:
        found = list(islice(folder.iterdir(), MAX_FILES + 1))
    except OSError as problem:
        raise DataError(f"{name}: the folder cannot be read ({problem.strerror}).") from problem
    if len(found) > MAX_FILES:
        raise DataError(f"{name}: more than {MAX_FILES} files lie in this folder.")
    kept = [path for path in found if not path.name.startswith((".", "__MACOSX"))]
    return sorted(kept, key=lambda path: natural_order(path.name))
