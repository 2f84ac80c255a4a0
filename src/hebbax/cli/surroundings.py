"""What lies around the command line: variables and folders that libraries trip over when they are
imported, and a place to print to that may go away.

It is imported before anything else, so it imports nothing heavy itself.
"""

import atexit
import codecs
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from hebbax.errors import HebbaxError
from hebbax.validation.quoting import plain


def prepare() -> None:
    """Make the surroundings such that the libraries can be imported.

    Pictures are drawn into files, whatever MPLBACKEND says; where there is no home folder to write
    to, caches go to a temporary one. Raises `HebbaxError` where the working folder is gone.
    """
    try:
        os.getcwd()
    except OSError as problem:
        raise HebbaxError(
            "the folder this was started in is no longer there; change to another folder (cd)."
        ) from problem
    os.environ["MPLBACKEND"] = "agg"
    home = os.path.expanduser("~")
    if not (os.path.isdir(home) and os.access(home, os.W_OK)):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="hebbax-home-")
        atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)


@contextmanager
def starting() -> Iterator[None]:
    """Raise `HebbaxError` for whatever libraries raise while they are imported."""
    try:
        yield
    except Exception as problem:
        raise HebbaxError(
            f"the libraries cannot be loaded ({type(problem).__name__}: "
            f"{plain(str(problem), 200)}); look at the installation, and at variables that they "
            "read, such as JAX_ENABLE_X64."
        ) from problem


PLAIN = {"\N{PLUS-MINUS SIGN}": "+/-"}
"""Signs of hebbax's own sentences in ASCII."""


def _spelled(problem: UnicodeError) -> tuple[str, int]:
    """Return in ASCII what an encoding does not have."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    text = problem.object[problem.start : problem.end]
    spelled = (PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text)
    return "".join(spelled), problem.end


class Output:
    """A text stream that does not end the work when nobody reads it or the disk is full: the
    ``failure`` is kept, and what comes later is dropped. Characters that its encoding does not have
    are written as escapes."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        self.failure: OSError | None = None
        codecs.register_error("hebbax", _spelled)
        if reconfigure := getattr(self.stream, "reconfigure", None):
            reconfigure(errors="hebbax")

    def write(self, text: str) -> int:
        """Write text, if the stream still takes any."""
        if self.failure is None:
            try:
                return self.stream.write(text)
            except OSError as problem:
                self._give_up(problem)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if it still takes anything."""
        if self.failure is None:
            try:
                self.stream.flush()
            except OSError as problem:
                self._give_up(problem)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _give_up(self, problem: OSError) -> None:
        """Keep the failure, and let what is still buffered go nowhere when Python ends."""
        self.failure = problem
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)


@contextmanager
def printing() -> Iterator[None]:
    """Print to streams that may fail: a closed pipe is no fault, and a full disk is one sentence
    and exit code 2 at the end, when the work is done."""
    before = sys.stdout, sys.stderr
    out, err = Output(sys.stdout), Output(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield
        out.flush()
        if out.failure is not None and out.failure.errno != errno.EPIPE:
            err.write(
                f"hebbax: the answer could not be printed ({out.failure.strerror}); the files that "
                "were written are kept.\n"
            )
            sys.exit(2)
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before
