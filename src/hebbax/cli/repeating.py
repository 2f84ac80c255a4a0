"""A command says how it is typed to repeat it."""

import os
import shlex
from typing import Any

import click
from click.core import ParameterSource

from hebbax.cli.options import Several


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
        if isinstance(parameter.type, Several):
            values = [",".join(map(str, values))]
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
