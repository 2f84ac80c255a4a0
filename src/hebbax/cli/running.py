"""How a command line is run: it ends with an answer, or with one sentence and a code."""

import sys
from collections.abc import Callable

import click

from hebbax.cli import surroundings
from hebbax.errors import HebbaxError
from hebbax.validation.quoting import plain

LONGEST = 2000
"""Characters of a sentence on the terminal."""


def run(command: click.Command, prepare: Callable[[], None]) -> None:
    """Run a command after what has to be prepared for it; a problem the user can put right is one
    sentence and exit code 2, and results that are stored by then are kept."""
    with surroundings.printing():
        try:
            prepare()
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
