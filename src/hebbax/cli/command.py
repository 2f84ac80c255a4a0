"""A command that is declared apart from what it does, so that help needs no library.

A command's options, help and example are declared in `hebbax.cli.commands`, which imports click and
nothing heavy. What the command does is a function of the same options in a module of its own; that
module, and with it JAX, pandas and the rest, is imported when the command is run.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource

from hebbax.cli import surroundings
from hebbax.cli.options import Several
from hebbax.validation.quoting import meant, plain


class Command(click.Command):
    """A click command with examples at the end of its help."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return what is left of ``args``: nothing.

        Raises `click.UsageError` for an option that there is not, and for a word too many, where it
        says how several values are given: most such words were meant for a list.
        """
        ctx.allow_extra_args = True
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as problem:
            known = [name for one in self.get_params(ctx) for name in one.opts if name[:2] == "--"]
            name = problem.option_name
            ctx.fail(f'no such option "{plain(name)}"{meant(name, known)}')
        if rest and not ctx.resilient_parsing:
            ctx.fail(f'unexpected argument "{plain(rest[0])}"{self._commas(ctx)}')
        return rest

    def _commas(self, ctx: click.Context) -> str:
        """Return how several values of an option are written, of those that were given."""
        names = [
            one.opts[0]
            for one in self.params
            if isinstance(one.type, Several)
            and ctx.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE
        ]
        if not names:
            return ""
        lists = " or ".join(names)
        return f"; several values of {lists} are one word, with commas, as in {names[0]} a,b"

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own that is never wrapped."""
        if self.examples:
            with formatter.section("Example" if len(self.examples) == 1 else "Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class Commands(click.Group):
    """A group of commands that are listed in the order of the work, under headings."""

    def __init__(self, *args: Any, headings: Mapping[str, Sequence[Command]], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.headings = headings
        for commands in headings.values():
            for one in commands:
                self.add_command(one)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is named first, and the words behind its name.

        Raises `click.UsageError` for a name that there is not.
        """
        if args[0] not in self.commands:
            ctx.fail(f'no such command "{plain(args[0])}"{meant(args[0], self.commands)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the name and the first sentence of each command under its heading."""
        widest = max(map(len, self.commands))
        for heading, commands in self.headings.items():
            with formatter.section(heading):
                rows = [
                    (f"{one.name:{widest}}", one.get_short_help_str(formatter.width))
                    for one in commands
                ]
                formatter.write_dl(rows)


def command(does: str, *examples: str) -> Callable[[Callable[[], None]], Command]:
    """Return the decorator of a declared command.

    ``does`` is its function as "module.function" in `hebbax.cli`; the name and the docstring of
    what is decorated are name and help of the command, and nothing of it is ever called.
    """

    def declared(declaration: Callable[[], None]) -> Command:
        made = click.command(cls=Command, examples=examples)(declaration)
        made.callback = _imported(does)
        return made

    return declared


def _imported(does: str) -> Callable[..., Any]:
    """Return a callback that imports the function it calls, and JAX set up for it before."""
    module, _, function = does.rpartition(".")

    def callback(**given: Any) -> Any:
        with surroundings.starting():
            libraries = import_module("hebbax.cli.libraries")
            body = getattr(import_module(f"hebbax.cli.{module}"), function)
        libraries.start()
        return body(**given)

    return callback
