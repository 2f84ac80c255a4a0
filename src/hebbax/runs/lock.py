"""One writer a folder of results: a lock that goes with the process that holds it.

The lock is the operating system's (filelock), so that a process that was killed holds none. What
it leaves are two hidden files, which the next writer takes over.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hebbax.errors import HebbaxError

LOCK, WRITER = ".hebbax.lock", ".hebbax.writer"
"""Hidden files of a folder that is written to: the lock, and who holds it."""


@contextmanager
def results_folder(folder: Path) -> Iterator[Path]:
    """Give a folder of results, made where it is missing, and keep other writers out; one that was
    made and has nothing in it at the end goes again.

    Raises `HebbaxError` where nothing can be written, or another process writes already.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise HebbaxError(
            f"{folder}: results cannot be written there ({problem.strerror}); give another --out."
        ) from problem
    try:
        with writing(folder):
            yield folder
    finally:
        if made:
            with suppress(OSError):  # there are results
                folder.rmdir()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that exists; raise `HebbaxError` at once where another process
    does, or where the folder cannot be written to."""
    lock, writer = FileLock(folder / LOCK), folder / WRITER
    try:
        lock.acquire(timeout=0)
        writer.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
    except Timeout as problem:
        raise HebbaxError(
            f"{folder}: another hebbax writes there ({_holder(writer)}); wait for its end, or give "
            "another --out."
        ) from problem
    except (OSError, NotImplementedError) as problem:
        lock.release()
        reason = getattr(problem, "strerror", None) or problem
        raise HebbaxError(
            f"{folder}: results cannot be written there ({reason}); give another --out."
        ) from problem
    try:
        yield
    finally:  # removed while it is held: who opened it meanwhile sees that it is gone
        for path in (writer, folder / LOCK):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        lock.release()


def _holder(writer: Path) -> str:
    try:
        return writer.read_text(encoding="utf-8") or "it has just begun"
    except (OSError, UnicodeDecodeError):
        return "it has just begun"
