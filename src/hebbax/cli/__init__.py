"""The command line. Nothing heavy is imported before its surroundings are such that it can be."""

import sys

from hebbax.cli import surroundings
from hebbax.errors import HebbaxError


def main() -> None:
    """Run the command line; a problem the user can put right is one sentence and exit code 2."""
    try:
        surroundings.prepare()
        with surroundings.starting():
            from hebbax.cli.commands import commands
            from hebbax.cli.script import entry
    except HebbaxError as problem:
        print(f"hebbax: {problem}", file=sys.stderr)
        sys.exit(2)
    entry(commands)
