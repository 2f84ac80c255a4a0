"""What the terminal shows of DATA before anything is made of it."""

import click
import pytest
from command import run
from conftest import random_sessions

from hebbax.cli.commands import commands
from hebbax.cli.recordings import described
from hebbax.data import describe, read, write_table
from hebbax.errors import DataError

ROWS = (
    "animal,trial,choice,reward\n[/x],1,A,1\n[/x],2,miss,0\n[/x],3,B,0\n[/x],4,A,0\n[/x],5,miss,0\n"
)


def of_data():
    """Names and options of the commands that take recordings."""
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in commands.commands.items()
        if any(
            isinstance(one, click.Argument) and one.name == "recordings" for one in command.params
        )
    }


def test_every_command_that_takes_data_can_be_told_what_its_columns_mean():
    found = of_data()
    assert set(found) >= {"run", "fit", "identify", "terms", "profile"}
    for name, options in found.items():
        assert {"--column", "--no-choice"} <= options, name


REQUIRED = {"fit": ("--model", "reward")}
"""Options without which a command does not begin."""


@pytest.mark.parametrize("name", sorted(set(of_data()) - {"describe"}))
def test_every_command_says_what_was_read_before_it_makes_anything(name, tmp_path):
    path = tmp_path / "trials.csv"
    write_table(random_sessions(4), path)
    # The folder of results would lie in a file: there every command ends.
    done = run(name, path, *REQUIRED.get(name, ()), "--out", path / "results")
    assert done.returncode == 2
    assert done.stderr == (
        f"hebbax: {path / 'results'}: results cannot be written there (Not a directory); give "
        "another --out.\n"
    )
    said = " ".join(done.stdout.split())
    assert said.startswith("Read from trials.csv: animals 2: animal0, animal1 trials 23,")
    for count, value in describe(read(path)).counts.items():
        assert f"{count} {' '.join(value.split())}" in said


def test_what_was_read_is_said_before_anything_else(tmp_path, capsys):
    (tmp_path / "t.csv").write_text(ROWS)
    sessions = described(tmp_path / "t.csv", (), None)
    said = " ".join(capsys.readouterr().out.split())
    assert said == (
        "Read from t.csv: animals 1: [/x] trials 5, 5 an animal blocks 1 choices 5: A 2 (40.0 %), "
        "B 1 (20.0 %), miss 2 (40.0 %) trials without a choice 0 (0.0 %) rewards 0 in 4 (80.0 %), "
        '1 in 1 (20.0 %) Question: "miss" was chosen in 2 trials; if it stands for no choice, read '
        "the table with --no-choice miss."
    )
    assert sessions.n_stimuli == 3
    assert described(tmp_path / "t.csv", (), "miss").n_stimuli == 2
    said = capsys.readouterr().out
    assert "miss is no choice, in 2 trials." in said
    assert "Question" not in said


def test_a_name_for_no_choice_is_for_tables_of_trials(tmp_path):
    (tmp_path / "s.nc").write_bytes(b"")
    text = "animal,trial,stimulus,accepted,reward\nm,1,A,1,1\nm,2,B,1,0\n"
    (tmp_path / "e.csv").write_text(text)
    for name, sentence in {
        "s.nc": "--no-choice is for tables only (.csv, .tsv, .txt, .parquet, .xlsx, .nwb).",
        "e.csv": "has one row an encounter; --no-choice is for one row a trial.",
    }.items():
        with pytest.raises(DataError) as error:
            described(tmp_path / name, (), "miss")
        assert str(error.value) == f"{name}: {sentence}"


@pytest.mark.parametrize("name", sorted(of_data()))
def test_a_field_has_one_header(name, tmp_path):
    """The last of two would be taken in silence: another column is another choice."""
    (tmp_path / "t.csv").write_text("animal,a,b,reward\nm,A,B,1\nm,B,A,0\n")
    given = ["--model", "reward"] if name == "fit" else []
    columns = ["--column", "choice=a", "--column", "choice=b"]
    done = run(name, tmp_path / "t.csv", *given, *columns)
    assert (done.returncode, done.stderr) == (
        2,
        'hebbax: Invalid value: --column names "a" and "b" for choice; each field has one header; '
        f"`hebbax {name} --help` says what is allowed.\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
