"""Every number on the command line has a range, and what is outside is one sentence."""

from pathlib import Path

import click
import pytest
from command import run

from hebbax.cli.commands import commands
from hebbax.cli.options import Several, Written
from hebbax.cli.ranges import Number, Whole, check_cohort
from hebbax.errors import HebbaxError


def kind_of(option):
    """The kind of a value: of a list that of each of its values."""
    return option.type.each if isinstance(option.type, Several) else option.type


NUMBERS = [
    (name, option)
    for name, command in commands.commands.items()
    for option in command.params
    if isinstance(kind_of(option), click.types.IntParamType | click.types.FloatParamType)
]
IDS = [f"{name} {option.opts[0]}" for name, option in NUMBERS]
GIVEN = ["-1", "0", "-0.5", "9223372036854775808", "1" + "0" * 400, "-" + "9" * 5000, "nan", "inf",
         "1e400", "", "12x", "true", "\x1b[31m"]  # fmt: skip


def test_the_walk_meets_the_numbers_of_every_command():
    assert {name for name, _ in NUMBERS} == {
        "calibrate", "check", "compare", "demo", "design", "fit", "identify", "models", "report", "run",
        "simulate", "terms",
    }  # fmt: skip
    assert len(NUMBERS) > 30


@pytest.mark.parametrize(("name", "option"), NUMBERS, ids=IDS)
def test_a_number_is_in_its_range_or_refused_before_anything_runs(name, option):
    of = kind_of(option)
    assert isinstance(of, Whole | Number)
    low, high = of.low, of.high
    required = [p for p in commands.commands[name].params if p.required]
    needed = [
        part
        for p in required
        for part in ([p.opts[0], "x"] if p.opts[0].startswith("-") else ["x"])
    ]
    for text in GIVEN:
        if of is not option.type and not text:
            continue  # of a list it is a value that is missing
        try:
            kind = int if isinstance(of, Whole) else float
            inside = low <= kind(text) <= high
        except ValueError:
            inside = False
        if inside:
            assert of.convert(text, option, None) == kind(text)
            continue
        with pytest.raises(HebbaxError) as error:
            commands.main([name, *needed, f"{option.opts[0]}={text}"], standalone_mode=False)
        what = "whole number" if isinstance(of, Whole) else "number"
        shown = text if len(text) <= 60 else text[:57] + "..."
        shown = shown.replace("\x1b", "\\x1b")
        ends = f"{low} to {high}" if what == "whole number" else f"{low:g} to {high:g}"
        assert str(error.value) == f"{option.opts[0]} {shown}: must be a {what} from {ends}."


def test_sizes_are_bounded_together():
    with pytest.raises(HebbaxError) as error:
        check_cohort(10_000, 101)
    assert str(error.value) == (
        "--animals 10000: with 101 trials each these are 1010000 choices; at most 1000000 are simulated."
    )
    check_cohort(10_000, 100)


def test_a_cohort_without_end_is_refused(tmp_path):
    done = run("simulate", tmp_path / "c.csv", "--animals", 10**12)
    assert (done.returncode, done.stderr) == (
        2, "hebbax: --animals 1000000000000: must be a whole number from 1 to 10000.\n",
    )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_what_is_written_makes_no_folder_on_the_way_there(tmp_path, monkeypatch):
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    written = Written().convert("sub/../../q.csv", None, None)
    assert written == tmp_path / "a" / "q.csv"
    # A link is followed before it is gone back from, as a shell does.
    (tmp_path / "far" / "inner").mkdir(parents=True)
    (here / "link").symlink_to(tmp_path / "far" / "inner")
    assert Written().convert("link/../q.csv", None, None) == tmp_path / "far" / "q.csv"
    assert Written().convert("plain/q.csv", None, None) == Path("plain/q.csv")


def test_every_path_that_a_command_writes_is_one_of_them():
    out = {
        (name, parameter.name): type(parameter.type)
        for name, command in commands.commands.items()
        for parameter in command.params
        if parameter.name == "out"
    }
    assert len(out) >= 10
    assert set(out.values()) == {Written}
