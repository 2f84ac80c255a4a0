"""The command line. Nothing heavy is imported before a command is run (docs/decisions.md, 125)."""

from hebbax.cli import commands, running, surroundings


def main() -> None:
    """Run the command line."""
    running.run(commands.commands, surroundings.prepare)
