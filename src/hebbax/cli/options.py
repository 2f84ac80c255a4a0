"""What the commands share: options, folders, and what they refuse to replace."""

import glob
import os
import shlex
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from hebbax.cli.ranges import BLOCKS
from hebbax.data.headers import FIELDS
from hebbax.errors import HebbaxError
from hebbax.runs.lock import writing
from hebbax.simulation.environment import Baiting


class Written(click.Path):
    """A path that is written: what its ".." lead back from is no part of it, so that no folder is
    made on the way."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, in full where it goes back."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        return Path(os.path.realpath(path)) if ".." in path.parts else path


data_argument = click.argument("recordings", metavar="DATA", type=click.Path(path_type=Path))
flies_argument = click.argument(
    "recordings", metavar="[DATA]", required=False, type=click.Path(path_type=Path)
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


blocks_option = click.option(
    "--blocks", type=BLOCKS, help="trials in a block, where DATA did not say its blocks"
)
asked_baiting_option = click.option(
    "--baiting",
    type=click.Choice(["auto", *get_args(Baiting)]),
    default="auto",
    help="whether an armed reward waits; auto: what the recorded rewards say",
)
baiting_option = click.option(
    "--baiting",
    type=click.Choice(get_args(Baiting)),
    default="baited",
    help="whether an armed reward waits",
)


force_option = click.option(
    "--force", is_flag=True, help="fit again what is finished, whatever it was made of"
)


by_option = click.option(
    "--by",
    metavar="FORMULA",
    help="columns of DATA, one value an animal, by which every value of a rule may differ, such as "
    "group or sex+age",
)


class ListCommand(click.Command):
    """A command whose repeated options may be given once with several values:
    ``--models no-learning reward`` for ``--models no-learning --models reward``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return what is left of ``args`` after parsing, lists spelled out."""
        names = {
            n for p in self.params if isinstance(p, click.Option) and p.multiple for n in p.opts
        }
        flags = {n for p in self.params for n in p.opts + p.secondary_opts}
        spelled: list[str] = []
        option = None
        end = args.index("--") if "--" in args else len(args)
        for arg in args[:end]:
            if arg.split("=")[0] in flags or arg in ctx.help_option_names:
                option = arg if arg in names else None
                spelled.append(arg)
            elif option is not None and spelled[-1] != option:
                spelled += [option, arg]
            else:
                spelled.append(arg)
                option = option if option in names else None
        spelled += args[end:]
        return super().parse_args(ctx, spelled)


def command_line() -> str:
    """Return the command that is being run as it is typed to repeat it: from which folder, and
    every argument and option that was given, as it was given, but --force."""
    context = click.get_current_context()
    options: list[str] = []
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE or name == "force":
            continue
        value = context.params[name]
        values = list(value) if parameter.multiple or parameter.nargs != 1 else [value]
        if isinstance(parameter, click.Option):
            options += _spelled(parameter, values)
        else:
            arguments += map(os.fspath, values)
    dashed = any(argument.startswith("-") for argument in arguments)
    words = [*options, "--", *arguments] if dashed else [*arguments, *options]
    command = shlex.join(["hebbax", context.info_name or "", *words])
    return f"cd {shlex.quote(os.getcwd())} && {command}"


def _spelled(option: click.Option, values: list[Any]) -> list[str]:
    """Return an option and its values as words of a command line."""
    name = option.opts[-1]
    if option.is_flag:
        return [name if values[0] else option.secondary_opts[0]]
    texts = [str(value) for value in values]
    return [word for t in texts for word in ([f"{name}={t}"] if t[:1] == "-" else [name, t])]


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


def prepare_folder(folder: Path) -> None:
    """Make the folder of results and keep other writers out until the command ends.

    Raises `HebbaxError` where nothing can be written, or another process writes already.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise HebbaxError(
            f"{folder}: results cannot be written there ({problem.strerror}); give another --out."
        ) from problem
    click.get_current_context().with_resource(writing(folder))


def refuse_replacing_any(folder: Path, stem: str, *, force: bool) -> None:
    """Raise `HebbaxError` where a file of an earlier answer, whose names begin with ``stem``, lies
    in a folder, unless it is to go."""
    for path in sorted(folder.glob(f"{glob.escape(stem)}*")):
        refuse_replacing(path, force=force)


def refuse_replacing(path: Path, *, force: bool) -> None:
    """Raise `HebbaxError` where an earlier answer lies at ``path``, unless it is to go."""
    if path.exists() and not force:
        raise HebbaxError(f"{path}: exists already; --force replaces it.")
