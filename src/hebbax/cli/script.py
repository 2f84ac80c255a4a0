"""How a command is run from a terminal: the command line itself, and the scripts of an analysis."""

import sys
from pathlib import Path

import click
import jax
import numpyro

from hebbax import data, figures
from hebbax.errors import HebbaxError
from hebbax.simulation import Cohort, simulate
from hebbax.spec import read_spec

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


def recorded_or_simulated(recordings: Path | None, cohort: Cohort) -> data.Sessions:
    """Return the sessions at ``recordings``; where none are given, those of a simulated cohort that
    learns by x r and forgets by w, so that a script runs without the animals."""
    if recordings is not None:
        return data.read(recordings)
    return simulate(jax.random.PRNGKey(0), cohort, read_spec("forgetting"))[0]
