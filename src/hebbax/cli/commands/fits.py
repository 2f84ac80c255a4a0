"""Commands about one fit, declared: fit, diagnose, profile, check, latents."""

from pathlib import Path

import click

from hebbax.cli.command import command
from hebbax.cli.options import (
    asked_baiting_option,
    by_option,
    column_option,
    data_argument,
    fits_argument,
    force_option,
    model_option,
    models_option,
    no_choice_option,
    out_option,
    seed_option,
    terms_option,
    trials_per_block_option,
)
from hebbax.cli.ranges import CHAINS, DRAWS, ITERATIONS, REPLICATES, STEPS

METHODS = ("pseudo-marginal", "nuts", "svi", "map")
GUIDES = ("diagonal", "full", "low-rank", "laplace")
"""Methods of `fit`, and families of an approximation."""


@command("fit.fit", "hebbax fit trials.csv --model reward,forgetting --out results")
@data_argument
@column_option
@no_choice_option
@models_option
@out_option
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="pseudo-marginal",
    help="sample the posterior (pseudo-marginal, nuts), approximate it, or find the mode",
)
@seed_option
@click.option("--chains", type=CHAINS, help="sampling: chains  [default: 4]")
@click.option(
    "--warmup",
    type=ITERATIONS,
    help="sampling: iterations of warm-up  [default: 650; nuts: 500]",
)
@click.option(
    "--guide",
    type=click.Choice(GUIDES),
    help="svi: family of the approximation  [default: full]",
)
@click.option("--steps", type=STEPS, help="svi: steps of Adam  [default: 1000]")
@click.option(
    "--draws",
    type=DRAWS,
    help="draws kept per chain  [default: 1000]; svi: of the guide  [default: 4000]",
)
@by_option
@force_option
def fit() -> None:
    """Fit models, and say whether each posterior can be trusted.

    The posterior is sampled, or approximated, or its mode is found. The same command goes on where
    it was stopped: finished fits are taken as they are.
    """


@command("answers.diagnose", "hebbax diagnose results/forgetting.nc")
@fits_argument
def diagnose() -> None:
    """Say whether posteriors can be trusted, and why not.

    Each is also compared with its prior: how far the answer hangs on it.
    """


@command("answers.profile", 'hebbax profile trials.csv --terms "x r, w" --animal Fly10')
@data_argument
@column_option
@no_choice_option
@model_option("forgetting")
@terms_option("two terms of the model; its first two by default")
@click.option(
    "--animal",
    "animals",
    metavar="NAME",
    multiple=True,
    help="animal that is drawn; may be repeated; all of them by default",
)
@out_option
@force_option
def profile() -> None:
    """Draw the likelihood of an animal over two coefficients."""


@command("check.check", "hebbax check results/forgetting.nc --trials-per-block 80")
@fits_argument
@trials_per_block_option
@click.option(
    "--contingencies",
    metavar="TABLE",
    type=click.Path(path_type=Path),
    help="reward probabilities (animal, block, stimulus, probability); estimated by default",
)
@asked_baiting_option
@click.option("--replicates", type=REPLICATES, default=200, help="predicted data sets")
@seed_option
@out_option
@force_option
def check() -> None:
    """Compare what animals did with what posteriors predict.

    Predictions are made one step ahead, and running free. Written are, for each model,
    check_MODEL.csv, its curves and contingencies, and two pictures.
    """


@command("latents.latents", "hebbax latents results/forgetting.nc --out results")
@click.argument("posterior", metavar="FIT.nc", type=click.Path(path_type=Path))
@out_option
@click.option(
    "--animal",
    metavar="NAME",
    help="animal that is drawn; one with the median number of trials by default",
)
@force_option
def latents() -> None:
    """Say what weights and rewards meant in every trial.

    By a stored posterior: weights, reward signal, learning and choice probabilities. Written are
    latents_MODEL.csv, one row a trial, and a picture of the first trials of one animal.
    """
