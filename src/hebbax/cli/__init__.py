"""The command line: parse, call, print."""

import sys

import click
import numpyro

from hebbax import figures
from hebbax.cli import answers, check, cohort, fit, study
from hebbax.errors import HebbaxError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="hebbax")
def commands() -> None:
    """How sure can one be of a synaptic plasticity rule, given what animals chose?"""


for _command in (
    study.demo,
    study.run,
    fit.fit,
    answers.diagnose,
    answers.compare,
    check.check,
    answers.profile,
    study.report,
    cohort.simulate,
    cohort.models,
):
    commands.add_command(_command)


def main() -> None:
    """Run the command line; a problem the user can put right is one sentence and exit code 2."""
    numpyro.enable_x64()
    figures.use_file_backend()
    try:
        commands()
    except HebbaxError as problem:
        click.echo(f"hebbax: {problem}", err=True)
        sys.exit(2)
