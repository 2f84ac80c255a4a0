"""A command says how it is repeated: every option that was given, whatever its values."""

import os
import shlex

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hebbax.cli.command import Command
from hebbax.cli.commands import commands
from hebbax.cli.options import several_option
from hebbax.cli.repeating import command_line

VALUE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@click.command(cls=Command)
@click.argument("recordings")
@click.option("--column", multiple=True)
@click.option("--draws", type=int, default=10)
@several_option("--effect", each=click.FLOAT)
@click.option("--baited/--independent", default=True)
@click.option("--force", is_flag=True)
def command(**given):
    click.echo(repr((command_line(), {k: v for k, v in given.items() if k != "force"})))


def called(words):
    done = CliRunner().invoke(command, words, prog_name="command")
    assert done.exit_code == 0, done.output
    return eval(done.output, {"inf": float("inf")})


@given(
    VALUE, st.lists(VALUE, max_size=3), st.integers(-9, 9),
    st.lists(st.floats(allow_nan=False), max_size=3), st.booleans(),
)  # fmt: skip
def test_what_is_said_is_parsed_to_the_same(recordings, columns, draws, effects, baited):
    words = [f"--column={c}" for c in columns] + [f"--draws={draws}", "--force"]
    words += [f"--effect={e!r}" for e in effects] + ["--baited" if baited else "--independent"]
    said, values = called([*words, "--", recordings])
    assert "--force" not in said
    where, _, line = said.partition(" && ")
    assert shlex.split(where) == ["cd", os.getcwd()]
    program, name, *again = shlex.split(line)
    assert (program, name) == ("hebbax", "command")
    assert called(again) == (said, values)


def test_what_was_not_given_is_not_said():
    assert called(["t.csv"])[0] == f"cd {shlex.quote(os.getcwd())} && hebbax command t.csv"


OF_DATA = ("--column", "animal=fly id", "--column=choice=-x", "--no-choice", "-9")
GIVEN = {
    "run": (
        "my trials.csv", *OF_DATA, "--model", "no-learning,a b.toml", "--out", "o",
        "--trials-per-block", "7", "--baiting", "independent", "--seed", "3", "--warmup", "20", "--draws", "100",
    ),
    "fit": (
        "my trials.csv", *OF_DATA, "--model", "reward", "--model", "a b.toml", "--method", "svi",
        "--guide", "full", "--steps", "100", "--draws", "50", "--seed", "3",
    ),
    "demo": ("--quick", "--seed", "3", "--out", "a; b"),
    "report": ("a folder", "--trials-per-block", "7", "--baiting", "baited", "--seed", "3"),
    "terms": (
        "my trials.csv", *OF_DATA, "--terms", "x r, w", "--effect", "0.1,1.5", "--prior",
        "0.25", "--confirm", "2", "--seed", "3",
    ),
}  # fmt: skip


def parsed(name, words):
    """What a command says of itself when it is called with these words, and what it was given."""
    with commands.commands[name].make_context(name, list(words)) as context:
        return command_line(), {k: v for k, v in context.params.items() if k != "force"}


@pytest.mark.parametrize("name", GIVEN)
def test_every_command_that_says_how_it_is_repeated_is_parsed_to_the_same(name):
    force = () if name == "report" else ("--force",)
    said, values = parsed(name, [*GIVEN[name], *force])
    assert "--force" not in said
    program, again, *words = shlex.split(said.partition(" && ")[2])
    assert (program, again) == ("hebbax", name)
    assert parsed(name, words) == (said, values)
