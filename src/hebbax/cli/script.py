"""How a command is run from a terminal: the command line itself, and the scripts of an analysis."""

import os
import sys
from pathlib import Path

import click
import jax

from hebbax import data, figures
from hebbax.cli import surroundings
from hebbax.errors import HebbaxError
from hebbax.model.declared import read_spec
from hebbax.runs.compiled import keep_compiled
from hebbax.simulation.cohort import Cohort, simulate
from hebbax.validation.quoting import plain

LONGEST = 2000
"""Characters of a sentence on the terminal."""

quick_option = click.option("--quick", is_flag=True, help="tiny sizes, about a minute")


def entry(command: click.Command) -> None:
    """Run a command in double precision, with programs that were compiled before, drawing into
    files; a problem the user can put right is one sentence and exit code 2, and results that are
    stored by then are kept."""
    jax.config.update("jax_enable_x64", True)
    keep_compiled()
    figures.use_file_backend()
    with surroundings.printing():
        try:
            _check_device()
            code = command.main(prog_name=command.name, standalone_mode=False)
        except click.exceptions.NoArgsIsHelpError as shown:
            shown.show()
            code = 2
        except click.Abort as stopped:
            if isinstance(stopped.__cause__, EOFError):
                raise stopped.__cause__ from None
            code = _say(command, "stopped; what was finished is kept.", 130)
        except (click.ClickException, HebbaxError, OSError, MemoryError) as problem:
            code = _say(command, _sentence(problem), 2)
        if code:
            sys.exit(code)


def _say(command: click.Command, sentence: str, code: int) -> int:
    click.echo(f"{command.name}: {plain(sentence, LONGEST)}", err=True)
    return code


def _sentence(problem: Exception) -> str:
    """Return a problem in one sentence: what was asked for, or what the machine refuses."""
    if isinstance(problem, click.UsageError):
        asked = problem.ctx.command_path if problem.ctx is not None else "hebbax"
        return f"{problem.format_message().rstrip('.')}; `{asked} --help` says what is allowed."
    if isinstance(problem, click.ClickException):
        return problem.format_message()
    if isinstance(problem, OSError):
        where = plain(str(problem.filename)) if problem.filename else "a file"
        return f"{where}: {problem.strerror or problem}."
    if isinstance(problem, MemoryError):
        return "this takes more memory than the machine has; ask for less of it."
    return str(problem)


def _check_device() -> None:
    """Raise `HebbaxError` where JAX cannot start on the device that the user asked for."""
    asked = os.environ.get("JAX_PLATFORMS")
    if asked:
        try:
            jax.devices()
        except RuntimeError as problem:
            raise HebbaxError(
                f'JAX_PLATFORMS is "{plain(asked)}", and JAX does not start there; unset it, or '
                'set it to "cpu".'
            ) from problem


def recorded_or_simulated(recordings: Path | None, cohort: Cohort) -> data.Sessions:
    """Return the sessions at ``recordings``; where none are given, those of a simulated cohort that
    learns by x r and forgets by w, so that a script runs without the animals."""
    if recordings is not None:
        return data.read(recordings)
    return simulate(jax.random.PRNGKey(0), cohort, read_spec("forgetting"))[0]
