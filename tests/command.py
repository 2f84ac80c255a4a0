"""The command line, run in this process: what it prints, and the code that it ends with.

A process of its own takes seconds to start; tests of what only a process has (signals, streams,
variables, libraries that are missing) start one, with a limit of time.
"""

import io
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from hebbax.cli import main

HEBBAX = [sys.executable, "-c", "from hebbax.cli import main; main()"]
"""The command line as a process."""

SHORT = ("--warmup", "20", "--draws", "20")
"""Options of a fit with so few draws that its posterior FAILED its diagnostics; of sessions of one shape and with the same
options all files of tests share the programs that JAX compiled."""

LIMIT = 240
"""Seconds that a process of a test may take."""


class Ended(NamedTuple):
    """What a command left in the terminal."""

    returncode: int
    stdout: str
    stderr: str


def run(*args: object) -> Ended:
    """Run the command line with these arguments; what is no sentence of it is raised. Warnings are
    no errors there, as in a terminal."""
    out, err = io.StringIO(), io.StringIO()
    before, code = sys.argv, 0
    sys.argv = ["hebbax", *map(str, args)]
    try:
        with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
            warnings.resetwarnings()
            for quiet in (DeprecationWarning, PendingDeprecationWarning, ImportWarning):
                warnings.simplefilter("ignore", quiet)
            main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv = before
    return Ended(code, out.getvalue(), err.getvalue())
