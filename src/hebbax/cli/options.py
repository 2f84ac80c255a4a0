"""Options of the command line: each means one thing, in every command that has it.

A name in the singular takes one value, or one each time it is given (``--column``, ``--animal``).
Where several values are one list, they are one word with commas (``--model reward,forgetting``,
``--terms "x r, w"``): a list that went on over blanks would swallow DATA. Files that are read are
arguments without a name. Nothing heavy is imported here; defaults and allowed values are written
out, and tests/test_help.py holds them to those of the package.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from hebbax.cli.ranges import ANIMALS, BLOCKS, DRAWS, ITERATIONS, SEED, TRIALS
from hebbax.errors import HebbaxError
from hebbax.validation.quoting import plain

FIELDS = (
    *("animal", "session", "trial", "block", "choice", "reward", "forced", "offered"),
    *("stimulus", "accepted"),
)
"""Fields that a column of DATA may hold."""

BAITING = ("baited", "independent")
"""Whether an armed reward waits until it is collected."""


class Written(click.Path):
    """A path that is written: what its ".." lead back from is no part of it, so that no folder is
    made on the way."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, in full where it goes back."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        return Path(os.path.realpath(path)) if ".." in path.parts else path


class Several(click.ParamType):
    """Values of one kind with commas between them, in one word."""

    name = "list"

    def __init__(self, each: click.ParamType) -> None:
        self.each = each

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Return the values; `HebbaxError` where one of them is empty, or all are one file."""
        parts = [part.strip() for part in str(value).split(",")]
        given = f'{param.opts[-1] if param is not None else "value"} "{plain(str(value))}"'
        if not all(parts):
            raise HebbaxError(f"{given}: a value before or after a comma is missing.")
        if len(parts) > 1 and os.path.isfile(str(value)):
            raise HebbaxError(
                f"{given}: a comma parts two values, and this is one file; give it a name without "
                "a comma."
            )
        return tuple(self.each.convert(part, param, ctx) for part in parts)


def _flat(
    ctx: click.Context, param: click.Parameter, lists: Sequence[tuple[Any, ...]]
) -> tuple[Any, ...]:
    """Return the values of an option that was given once or more, in one list."""
    return tuple(value for each in lists for value in each)


def several_option(
    *names: str, each: click.ParamType = click.STRING, default: str | None = None, **settings: Any
) -> Callable[..., Any]:
    """Return an option that takes one or more values: commas between them, ``default`` likewise."""
    return click.option(
        *names,
        type=Several(each),
        multiple=True,
        default=None if default is None else [default],
        callback=_flat,
        **settings,
    )


data_argument = click.argument("recordings", metavar="DATA", type=click.Path(path_type=Path))
fits_argument = click.argument(
    "posteriors", metavar="FIT.nc...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
column_option = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=HEADER",
    help="header of a field in DATA, such as animal=subjID; may be repeated; fields are "
    f"{', '.join(FIELDS)}",
)
no_choice_option = click.option(
    "--no-choice",
    metavar="NAME",
    help="what stands in the column of choices where the animal made none, such as miss",
)
out_option = click.option(
    "--out", type=Written(), default=Path("results"), help="folder of results"
)
force_option = click.option(
    "--force", is_flag=True, help="replace what an earlier command left in its place"
)
seed_option = click.option("--seed", type=SEED, default=0, help="random seed")
by_option = click.option(
    "--by",
    metavar="FORMULA",
    help="columns of DATA, one value an animal, by which every value of a rule may differ, such as "
    "group or sex+center(age)",
)

MODEL = "declared model, .toml file or module:function"
models_option = several_option(
    "--model", "models", required=True, metavar="MODEL,...", help=f"{MODEL}, one or more"
)


def model_option(default: str) -> Callable[..., Any]:
    """Return the option of a command that takes one model, all but its terms."""
    return click.option("--model", metavar="MODEL", default=default, help=f"{MODEL}: all but terms")


def terms_option(means: str, default: str | None = None) -> Callable[..., Any]:
    """Return the option that names terms."""
    return several_option("--terms", metavar="TERM,...", default=default, help=means)


trials_per_block_option = click.option(
    "--trials-per-block",
    type=BLOCKS,
    help="trials in a block, where DATA did not say its blocks",
)
asked_baiting_option = click.option(
    "--baiting",
    type=click.Choice(["auto", *BAITING]),
    default="auto",
    help="whether an armed reward waits; auto: what the recorded rewards say",
)
baiting_option = click.option(
    "--baiting",
    type=click.Choice(BAITING),
    default="baited",
    help="whether an armed reward waits",
)


def animals_option(default: int) -> Callable[..., Any]:
    """Return the option of how many animals are simulated."""
    return click.option("--animals", type=ANIMALS, default=default, help="number of animals")


TRIALS_OF_AN_ANIMAL = "trials of an animal, in all its blocks"
NUMBER_OF_BLOCKS = "number of blocks; contingencies move on from block to block"
CHANCES = "reward probabilities of the first block, a stimulus each, as in 0.2/0.8"

trials_option = click.option("--trials", type=TRIALS, default=240, help=TRIALS_OF_AN_ANIMAL)
blocks_option = click.option("--blocks", type=BLOCKS, default=3, help=NUMBER_OF_BLOCKS)
rewards_option = click.option("--rewards", default="0.2/0.8", help=CHANCES)
sessions_option = click.option(
    "--sessions", type=BLOCKS, default=1, help="sessions of an animal, as long as each other"
)
outcomes_option = click.option(
    "--outcomes",
    default="0/1",
    help="reward of a choice that collects nothing, and of one that collects, as in -1/1",
)


def warmup_option(default: int) -> Callable[..., Any]:
    """Return the option of how long a sampler warms up."""
    return click.option("--warmup", type=ITERATIONS, default=default, help="iterations of warm-up")


def draws_option(default: int) -> Callable[..., Any]:
    """Return the option of how many draws a sampler keeps."""
    return click.option("--draws", type=DRAWS, default=default, help="draws kept per chain")


def mapping(columns: tuple[str, ...]) -> dict[str, str]:
    """Return header by field of ``--column FIELD=HEADER``; raise `click.BadParameter` for what is
    not of this form, and for a field that is given twice."""
    out: dict[str, str] = {}
    for column in columns:
        name, given, header = column.partition("=")
        if not given or not header:
            raise click.BadParameter(f'"{column}" is not FIELD=HEADER, such as animal=subjID.')
        if name in out:
            raise click.BadParameter(
                f'--column names "{out[name]}" and "{header}" for {name}; each field has one '
                "header."
            )
        out[name] = header
    return out
