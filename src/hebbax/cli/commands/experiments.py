"""Commands about what an experiment can say, declared: models, simulate, design, calibrate,
identify."""

import click

from hebbax.cli.command import command
from hebbax.cli.options import (
    BAITING,
    CHANCES,
    MODEL,
    NUMBER_OF_BLOCKS,
    TRIALS_OF_AN_ANIMAL,
    Written,
    animals_option,
    baiting_option,
    blocks_option,
    column_option,
    data_argument,
    draws_option,
    force_option,
    model_option,
    models_option,
    no_choice_option,
    out_option,
    outcomes_option,
    rewards_option,
    seed_option,
    sessions_option,
    several_option,
    terms_option,
    trials_option,
    warmup_option,
)
from hebbax.cli.ranges import (
    ANIMALS,
    BLOCKS,
    COEFFICIENT,
    REPLICATES,
    SIMULATIONS,
    TRIALS,
    WORKERS,
)


@command("cohort.models", "hebbax models", "hebbax models --model forgetting --animals 200")
@several_option(
    "--model",
    "models",
    metavar="MODEL,...",
    help=f"{MODEL}, one or more, whose prior is drawn  [default: none, a list]",
)
@click.option(
    "--animals", type=REPLICATES, default=500, help="number of animals, drawn from each prior"
)
@baiting_option
@seed_option
@out_option
@force_option
def models() -> None:
    """List the declared models, or draw what priors expect.

    With --model what the prior of each model expects of choices is drawn; written are, for each,
    prior_MODEL.png and prior_MODEL.csv.
    """


@command("cohort.simulate", "hebbax simulate cohort.csv --animals 12 --forgetting -0.06")
@click.argument("out", metavar="FILE.csv", type=Written())
@seed_option
@animals_option(12)
@click.option("--trials-per-block", type=TRIALS, default=80, help="trials in a block, of three")
@click.option("--learning", type=COEFFICIENT, default=0.35, help="population coefficient of x r")
@click.option(
    "--forgetting",
    type=COEFFICIENT,
    default=-0.06,
    help="population coefficient of w: half its size is lost of a weight in a trial",
)
@baiting_option
@force_option
def simulate() -> None:
    """Simulate a cohort that learns by x r and forgets by w.

    Written are FILE.csv, and FILE.truth.csv with each animal's own coefficients.
    """


@command("design.design", 'hebbax design --terms "x, x r, w, x w" --animals 6,12 --trials 120,240')
@terms_option("terms that are free: w, its look-alikes", "1, x, x r, w, x w")
@click.option("--rule", default="0.35 x r - 0.06 w", help="true rule of the population")
@model_option("forgetting")
@several_option("--animals", each=ANIMALS, default="6,12,24", help="numbers of animals")
@several_option("--trials", each=TRIALS, default="120,240", help=TRIALS_OF_AN_ANIMAL)
@several_option("--blocks", each=BLOCKS, default="1,3,6", help=NUMBER_OF_BLOCKS)
@several_option("--rewards", default="0.2/0.8,0.1/0.4,0.5/1", help=CHANCES)
@several_option(
    "--baiting",
    each=click.Choice(BAITING),
    default="baited,independent",
    help="whether an armed reward waits",
)
@click.option("--simulated", type=REPLICATES, default=48, help="animals simulated of each task")
@seed_option
@out_option
@force_option
def design() -> None:
    """Rank designs by how well they tell forgetting from others.

    Every combination of --animals, --trials, --blocks, --rewards and --baiting is one design.
    Written are design.csv, design_effects.csv, design.json with every setting, and a picture.
    """


@command(
    "calibrate.calibrate",
    "hebbax calibrate --model forgetting --simulations 100 --animals 6 --trials 120",
    "hebbax calibrate --model reward,forgetting --simulations 20",
)
@models_option
@click.option(
    "--simulations",
    type=SIMULATIONS,
    default=300,
    help="simulated cohorts; of each of several models",
)
@animals_option(12)
@trials_option
@blocks_option
@rewards_option
@outcomes_option
@baiting_option
@sessions_option
@warmup_option(260)
@draws_option(100)
@click.option(
    "--workers", "number", type=WORKERS, default=1, help="processes of this machine, by Dask"
)
@click.option("--scheduler", metavar="ADDRESS", help="of a Dask cluster, as in tcp://host:8786")
@seed_option
@out_option
@force_option
def calibrate() -> None:
    """Say whether posteriors are right as often as they say.

    Cohorts are simulated from the prior of a model and fitted. Of several models the answer is
    whether the experiment can tell them apart. What was stopped goes on where it is started again
    with the same options.
    """


@command("design.identify", 'hebbax identify trials.csv --terms "1, x, x r, w, x w"')
@data_argument
@column_option
@no_choice_option
@terms_option('candidate terms as in "x r, w, x w"; "all", or "model" for those of --model', "all")
@model_option("forgetting")
@seed_option
@out_option
@force_option
def identify() -> None:
    """Say which candidate terms DATA can tell apart.

    How well each would be known, and the smallest forgetting that would be seen. Written are
    identify.csv, its correlations, directions and merged terms, and a picture.
    """
