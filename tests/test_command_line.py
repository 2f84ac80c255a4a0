"""A command says how it is repeated: every option that was given, whatever its values."""

import os
import shlex

import click
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hebbax.cli.options import ListCommand, command_line

VALUE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@click.command(cls=ListCommand)
@click.argument("recordings")
@click.option("--column", multiple=True)
@click.option("--draws", type=int, default=10)
@click.option("--effect", type=float, multiple=True)
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
