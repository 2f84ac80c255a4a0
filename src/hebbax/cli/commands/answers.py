"""Commands that weigh models and terms against each other, declared: compare, terms."""

import click

from hebbax.cli.command import command
from hebbax.cli.options import (
    Written,
    column_option,
    data_argument,
    fits_argument,
    force_option,
    model_option,
    no_choice_option,
    out_option,
    seed_option,
    several_option,
    terms_option,
)
from hebbax.cli.ranges import EFFECT, PART, PROBABILITY, SUBMODELS


@command("answers.compare", "hebbax compare results/reward.nc results/forgetting.nc --out results")
@fits_argument
@click.option("--out", type=Written(), help="folder of results; without it nothing is written")
@click.option(
    "--refit", is_flag=True, help="fit again without each left-out animal that is uncertain"
)
@click.option("--refit-all", is_flag=True, help="fit again without each animal")
@click.option(
    "--next",
    "first",
    metavar="PART",
    type=PART,
    help="fit again to this part of every animal's trials, the first, and predict the rest; "
    "the fits lie in --out",
)
@force_option
def compare() -> None:
    """Compare posteriors of the same data by what they predict.

    How well they predict a new animal, a session of a known one, its next trials, and a choice
    among known ones.
    """


@command(
    "terms.terms",
    'hebbax terms trials.csv --terms "1, x, x r, w, x w"',
    "hebbax terms trials.csv --confirm 3 --out results",
)
@data_argument
@column_option
@no_choice_option
@terms_option("candidate terms; those of the model by default")
@model_option("sparse")
@several_option(
    "--effect",
    "effects",
    each=EFFECT,
    default="0.1,0.3,1,3",
    help="prior standard deviations of information-scaled coefficients, equally likely",
)
@click.option("--prior", type=PROBABILITY, default=0.5, help="prior probability that a term is in")
@click.option(
    "--confirm", type=SUBMODELS, default=0, help="sample this many of the leading sub-models"
)
@seed_option
@out_option
@force_option
def terms() -> None:
    """Say which candidate terms are in the rule of DATA.

    Which are in, which are not, and of which the data cannot tell. Written are terms.csv,
    terms_pairs.csv, terms_submodels.csv, terms_rules.csv, terms_projection.csv, terms.json with
    what was asked, and two pictures; with --confirm terms_confirmed.csv, a posterior a
    sub-model, and the check of the best of them. The same command with --confirm
    goes on where it was stopped.
    """
