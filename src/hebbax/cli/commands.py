"""The commands of ``hebbax``: parse, call, print."""

import click

from hebbax.cli import (
    answers,
    calibrate,
    check,
    cohort,
    design,
    fit,
    latents,
    recordings,
    study,
    terms,
)

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}


@click.group("hebbax", context_settings=SETTINGS)
@click.version_option(package_name="hebbax")
def commands() -> None:
    """How sure can one be of a synaptic plasticity rule, given what animals chose?"""


for _command in (
    study.demo,
    recordings.describe,
    study.run,
    fit.fit,
    answers.diagnose,
    answers.compare,
    check.check,
    latents.latents,
    answers.profile,
    design.identify,
    design.design,
    terms.terms,
    calibrate.calibrate,
    study.report,
    cohort.simulate,
    cohort.models,
):
    commands.add_command(_command)
