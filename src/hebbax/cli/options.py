"""What the commands share: options, folders, and what they refuse to overwrite."""

from pathlib import Path

import click

from hebbax import data, fitting
from hebbax.errors import HebbaxError
from hebbax.spec import ModelSpec

data_argument = click.argument("recordings", metavar="DATA", type=click.Path(path_type=Path))
flies_argument = click.argument(
    "recordings", metavar="[DATA]", required=False, type=click.Path(path_type=Path)
)
column_option = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=HEADER",
    help="header of a field in DATA, such as animal=subjID; may be repeated",
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), help="folder of results"
)


blocks_option = click.option(
    "--blocks", type=int, help="trials in a block, where DATA did not say its blocks"
)


class ListCommand(click.Command):
    """A command whose repeated options may be given once with several values:
    ``--models null reward`` for ``--models null --models reward``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return what is left of ``args`` after parsing, lists spelled out."""
        names = {
            n for p in self.params if isinstance(p, click.Option) and p.multiple for n in p.opts
        }
        flags = {n for p in self.params for n in p.opts + p.secondary_opts}
        spelled: list[str] = []
        option = None
        for arg in args:
            if arg.split("=")[0] in flags or arg in ctx.help_option_names:
                option = arg if arg in names else None
                spelled.append(arg)
            elif option is not None and spelled[-1] != option:
                spelled += [option, arg]
            else:
                spelled.append(arg)
                option = option if option in names else None
        return super().parse_args(ctx, spelled)


def mapping(columns: tuple[str, ...]) -> dict[str, str]:
    """Return header by field of ``--column FIELD=HEADER``."""
    out = {}
    for column in columns:
        name, given, header = column.partition("=")
        if not given or not header:
            raise click.BadParameter(f'"{column}" is not FIELD=HEADER, such as animal=subjID.')
        out[name] = header
    return out


def prepare_folder(folder: Path) -> None:
    """Make the folder of results; raise `HebbaxError` where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".hebbax"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise HebbaxError(
            f"{folder}: results cannot be written there ({problem.strerror}); give another --out."
        ) from problem


def refuse_replacing(path: Path, *, force: bool) -> None:
    """Raise `HebbaxError` where an earlier answer lies at ``path``, unless it is to go."""
    if path.exists() and not force:
        raise HebbaxError(f"{path}: exists already; --force replaces it.")


def refuse_overwrite(
    sessions: data.Sessions,
    spec: ModelSpec,
    out: Path,
    method: fitting.Method = "nuts",
    *,
    force: bool,
    resume: bool,
) -> None:
    """Raise `HebbaxError` where a fit is there, finished or not, unless it is to be resumed.

    ``force`` removes an unfinished one. Only NUTS leaves any.
    """
    state = fitting.state_path(out, spec.name) if method == "nuts" else None
    if force:
        if state is not None:
            state.unlink(missing_ok=True)
        return
    if fitting.finished(sessions, spec, out, method) is not None and not resume:
        name = fitting.result_path(out, spec.name, method).name
        raise HebbaxError(
            f"{name}: this fit is finished in {out}; --force fits it again, another --out keeps "
            "both."
        )
    if state is not None and state.exists() and not resume:
        raise HebbaxError(
            f"{state.name}: an unfinished fit lies in {out}; --resume goes on with it, --force "
            "starts anew."
        )
