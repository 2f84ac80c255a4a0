"""How a command is run from a terminal: the command line itself, and the scripts of an analysis."""

import sys

import click
import numpyro

from hebbax import figures
from hebbax.errors import HebbaxError

quick_option = click.option("--quick", is_flag=True, help="tiny sizes, about a minute")


def entry(command: click.Command) -> None:
    """Run a command in double precision, drawing into files; a problem the user can put right is
    one sentence and exit code 2."""
    numpyro.enable_x64()
    figures.use_file_backend()
    try:
        command()
    except HebbaxError as problem:
        click.echo(f"{command.name}: {problem}", err=True)
        sys.exit(2)
