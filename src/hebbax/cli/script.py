"""How the script of an analysis is run from a terminal."""

from pathlib import Path

import click
import jax

from hebbax import data
from hebbax.cli import libraries, running
from hebbax.inference import pseudo_marginal
from hebbax.model.declared import read_spec
from hebbax.simulation.cohort import Cohort, simulate

FEW_DRAWS = pseudo_marginal.Settings(warmup=26, draws=100, points=8, most_thinning=1, evidence=0)
"""Of a sampler in a script's quick form: too few to say anything, enough to see that it runs."""

quick_option = click.option("--quick", is_flag=True, help="tiny sizes, about a minute")
flies_argument = click.argument(
    "recordings", metavar="[DATA]", required=False, type=click.Path(path_type=Path)
)


def entry(command: click.Command) -> None:
    """Run a script as the command line runs a command."""
    running.run(command, libraries.start)


def recorded_or_simulated(recordings: Path | None, cohort: Cohort) -> data.Sessions:
    """Return the sessions at ``recordings``; where none are given, those of a simulated cohort that
    learns by x r and forgets by w, so that a script runs without the animals."""
    if recordings is not None:
        return data.read(recordings)
    return simulate(jax.random.PRNGKey(0), cohort, read_spec("forgetting"))[0]
