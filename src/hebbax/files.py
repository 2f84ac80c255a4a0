"""Files that are written as a whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hebbax.errors import HebbaxError


@contextmanager
def replacing(path: Path, error: type[HebbaxError]) -> Iterator[Path]:
    """Yield the path of a sibling to write; it replaces ``path`` if all went well.

    If not, the sibling is removed, an earlier file at ``path`` stays as it was, and a failure of
    the file system (no folder, no permission, disk full) is raised as ``error``.
    """
    unfinished = path.with_name(f"{path.stem}.unfinished{path.suffix}")
    try:
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder")
        yield unfinished
        os.replace(unfinished, path)
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise error(
            f"{path.name}: could not be written to {path.parent} ({reason}); what was there before "
            "is kept."
        ) from problem
    finally:
        with suppress(OSError):
            unfinished.unlink()
