"""The commands of ``hebbax`` as they are declared, in the order of the work.

What they do is in the modules of `hebbax.cli` that they name.
"""

import click

from hebbax.cli.command import Commands
from hebbax.cli.commands import answers, experiments, fits, studies

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}

HEADINGS = {
    "First steps": (studies.demo, studies.describe, studies.run),
    "Design an experiment": (
        experiments.models,
        experiments.simulate,
        experiments.design,
        experiments.calibrate,
    ),
    "Fit": (experiments.identify, fits.fit, fits.diagnose, fits.profile),
    "Check": (fits.check, fits.latents),
    "Compare": (answers.compare, answers.terms),
    "Report": (studies.report,),
}


@click.group(
    "hebbax", cls=Commands, headings=HEADINGS, context_settings=SETTINGS, no_args_is_help=True
)
@click.version_option(package_name="hebbax")
def commands() -> None:
    """How sure can one be of a synaptic plasticity rule, given what animals chose?

    DATA is a table of trials (.csv, .tsv, .txt, .parquet, .xlsx), a netCDF or NWB file, or a folder
    of NWB or .mat files.
    `hebbax COMMAND --help` shows what a command takes, with an example.
    """
