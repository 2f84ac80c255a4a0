"""Commands from recordings to a report, declared: demo, describe, run, report."""

from pathlib import Path

import click

from hebbax.cli.command import command
from hebbax.cli.options import (
    BAITING,
    MODEL,
    Written,
    asked_baiting_option,
    by_option,
    column_option,
    data_argument,
    draws_option,
    force_option,
    no_choice_option,
    out_option,
    seed_option,
    several_option,
    trials_per_block_option,
    warmup_option,
)
from hebbax.cli.ranges import BLOCKS, SEED


@command("study.demo", "hebbax demo --quick")
@click.option("--quick", is_flag=True, help="a small cohort and few draws, in a minute or so")
@click.option("--out", type=Written(), default=Path("hebbax-demo"), help="folder of results")
@seed_option
@force_option
def demo() -> None:
    """Simulate flies that learn and forget, and find the truth.

    The flies of a known rule are fitted as recordings are, and a report says whether the posterior
    finds the rule.
    """


@command(
    "recordings.describe",
    "hebbax describe trials.csv --column animal=subjID --column reward=outcome",
)
@data_argument
@column_option
@no_choice_option
def describe() -> None:
    """Say what is read of DATA, and what looks odd in it.

    Nothing is fitted.
    """


@command(
    "study.run",
    "hebbax run trials.csv --out results",
    "hebbax run trials.csv --model no-learning,reward,forgetting --by group",
)
@data_argument
@column_option
@no_choice_option
@several_option(
    "--model",
    "models",
    metavar="MODEL,...",
    help=f"{MODEL}, one or more  [default: no learning, reward learning and each way of fading, "
    "with and without a choice kernel]",
)
@out_option
@trials_per_block_option
@asked_baiting_option
@seed_option
@warmup_option(650)
@draws_option(1000)
@by_option
@force_option
def run() -> None:
    """Fit, diagnose, compare and check models, and write a report.

    The same command goes on where it was stopped: finished fits are taken as they are.
    """


@command("study.report", "hebbax report results")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--trials-per-block", type=BLOCKS, help="trials in a block  [default: as the study was told]"
)
@click.option(
    "--baiting",
    type=click.Choice(["auto", *BAITING]),
    help="whether an armed reward waits  [default: as the study was told]",
)
@click.option("--seed", type=SEED, help="seed of the checks  [default: as the study was told]")
def report() -> None:
    """Write the report of the posteriors in DIR anew.

    Tables, checks and pictures are made again. Blocks, baiting and seed are those that `hebbax run`
    was told, unless others are given.
    """
