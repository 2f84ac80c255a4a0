"""Help, versions and errors of usage: at once, complete, and true of the package."""

import inspect
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_args

import click
import pytest
from command import HEBBAX, LIMIT, run

from hebbax.check import predictive, repeated_fits, sbc
from hebbax.cli import options
from hebbax.cli.command import Command
from hebbax.cli.commands import HEADINGS, commands
from hebbax.cli.commands.fits import GUIDES, METHODS
from hebbax.data import headers
from hebbax.design import designs
from hebbax.errors import HebbaxError
from hebbax.inference import nuts, pseudo_marginal, svi
from hebbax.posterior import methods
from hebbax.simulation.cohort import Cohort
from hebbax.simulation.environment import TASK, Baiting, shown
from hebbax.terms import inclusion

COMMANDS = sorted(commands.commands)
HEAVY = (
    "jax",
    "numpy",
    "pandas",
    "scipy",
    "xarray",
    "arviz_base",
    "arviz_stats",
    "numpyro",
    "matplotlib",
    "pydantic",
    "sklearn",
)
ASKED = (
    ["--help"], ["--version"], [], ["fitt"], ["run"], ["fit", "t.csv", "--modle", "x"], ["run", "--draws", "0", "t.csv"],
    *([name, "--help"] for name in COMMANDS),
)  # fmt: skip


def test_what_runs_nothing_imports_nothing_heavy():
    """All in one process, which would have imported what any of them needs."""
    code = (
        "import sys\n"
        "from hebbax.cli import main\n"
        f"for args in {ASKED!r}:\n"
        "    sys.argv = ['hebbax', *args]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit:\n"
        "        pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=LIMIT
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.count("Usage: hebbax") == len(COMMANDS) + 1
    assert done.stderr.count("\nhebbax: ") == 4


def test_the_package_alone_imports_nothing_heavy():
    code = f"import sys, hebbax; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=LIMIT
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_declared_is_what_the_function_takes(name):
    command = commands.commands[name]
    where = inspect.getclosurevars(command.callback).nonlocals
    function = getattr(import_module(f"hebbax.cli.{where['module']}"), where["function"])
    takes = inspect.signature(function).parameters
    declared = {parameter.name for parameter in command.params}
    rest = any(one.kind is one.VAR_KEYWORD for one in takes.values())
    named = {key for key, one in takes.items() if one.kind is not one.VAR_KEYWORD}
    assert named <= declared if rest else named == declared


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_are_parsed(name):
    command = commands.commands[name]
    text = run(name, "--help").stdout.rstrip("\n")
    heading = "\nExample:\n" if len(command.examples) == 1 else "\nExamples:\n"
    assert text.rpartition(heading)[2].split("\n") == [f"  {one}" for one in command.examples]
    assert command.examples
    for example in command.examples:
        assert len(example) <= 78
        program, own, *words = shlex.split(example)
        assert (program, own) == ("hebbax", name)
        with command.make_context(name, words) as context:
            assert context.params
        lists = [p for p in command.params if isinstance(p.type, options.Several)]
        for parameter in lists:  # names of models are those of models
            if parameter.name == "models":
                known = {
                    path.stem for path in (Path(__file__).parents[1] / "models").glob("*.toml")
                }
                assert set(context.params["models"]) <= known


def test_commands_are_listed_by_the_work_and_no_sentence_is_cut():
    text = run("--help").stdout
    listed = re.findall(r"^(\w[^\n]*):\n((?:  \w.*\n)+)", text, re.M)
    names = {heading: re.findall(r"^  (\w+)", rows, re.M) for heading, rows in listed}
    assert names == {title: [one.name for one in own] for title, own in HEADINGS.items()}
    assert sorted(name for own in names.values() for name in own) == COMMANDS
    assert "..." not in text.partition("\n")[2]
    assert max(map(len, text.split("\n"))) <= 80


def option(command: str, name: str) -> click.Parameter:
    return next(p for p in commands.commands[command].params if name in p.opts)


def default(command: str, name: str) -> object:
    """The default as the command's function would be given it."""
    found = option(command, name)
    with click.Context(commands.commands[command]) as context:
        return found.process_value(context, found.get_default(context))


SAMPLED, OF_NUTS, GUIDED = pseudo_marginal.Settings(), nuts.Settings(), svi.Settings()
REPEATED, RANKED, COHORT = repeated_fits.SETTINGS, sbc.Settings(), Cohort()
DEFAULTS = {
    ("run", "--warmup"): SAMPLED.warmup,
    ("run", "--draws"): SAMPLED.draws,
    ("calibrate", "--warmup"): REPEATED.warmup,
    ("calibrate", "--draws"): REPEATED.draws,
    ("calibrate", "--animals"): RANKED.animals,
    ("calibrate", "--trials"): TASK.trials,
    ("calibrate", "--blocks"): TASK.blocks,
    ("calibrate", "--rewards"): shown(TASK.rewards),
    ("calibrate", "--baiting"): TASK.baiting,
    ("simulate", "--animals"): COHORT.animals,
    ("simulate", "--trials-per-block"): COHORT.trials_per_block,
    ("simulate", "--learning"): COHORT.population["x r"],
    ("simulate", "--forgetting"): COHORT.population["w"],
    ("simulate", "--baiting"): COHORT.baiting,
    ("check", "--replicates"): predictive.Settings.replicates,
    ("design", "--rule"): designs.Settings.rule,
    ("design", "--animals"): designs.Settings.animals,
    ("design", "--trials"): designs.Settings.trials,
    ("design", "--blocks"): designs.Settings.blocks,
    ("design", "--rewards"): tuple(map(shown, designs.Settings.rewards)),
    ("design", "--baiting"): designs.Settings.baiting,
    ("design", "--simulated"): designs.Settings.simulated,
    ("terms", "--effect"): inclusion.Settings.effects,
    ("terms", "--prior"): inclusion.Settings.inclusion,
}


@pytest.mark.parametrize(("command", "name"), DEFAULTS)
def test_defaults_are_those_of_the_package(command, name):
    assert default(command, name) == DEFAULTS[command, name]


def test_what_fit_says_of_its_defaults_and_what_may_be_chosen_is_that_of_the_package():
    said = {
        name: option("fit", name).help
        for name in ("--chains", "--warmup", "--guide", "--steps", "--draws")
    }
    assert said["--chains"].endswith(f"[default: {SAMPLED.chains}]")
    assert OF_NUTS.chains == SAMPLED.chains
    assert OF_NUTS.draws == SAMPLED.draws
    assert said["--warmup"].endswith(f"[default: {SAMPLED.warmup}; nuts: {OF_NUTS.warmup}]")
    assert said["--guide"].endswith(f"[default: {GUIDED.guide}]")
    assert said["--steps"].endswith(f"[default: {GUIDED.steps}]")
    ends = f"[default: {SAMPLED.draws}]; svi: of the guide  [default: {GUIDED.draws}]"
    assert said["--draws"].endswith(ends)
    assert tuple(methods.SETTINGS) == METHODS
    assert tuple(svi.GUIDES) == GUIDES
    assert headers.FIELDS == options.FIELDS
    assert get_args(Baiting) == options.BAITING


def test_an_option_of_one_name_has_one_meaning_in_every_command():
    """Its kind is the same, and its help begins with the same words."""
    said: dict[str, set[str]] = {}
    for command in commands.commands.values():
        for one in command.params:
            if isinstance(one, click.Option):
                said.setdefault(one.opts[0], set()).add(re.split(r"[,;:(]|  \[", one.help)[0])
    allowed = {
        "--animals": {"number of animals", "numbers of animals"},
        "--seed": {"random seed", "seed of the checks"},
        "--animal": {"animal that is drawn"},
        "--blocks": {"number of blocks"},
        "--trials": {"trials of an animal"},
        "--trials-per-block": {"trials in a block"},
        "--model": {"declared model"},
        "--out": {"folder of results"},
        "--force": {"replace what an earlier command left in its place"},
        "--baiting": {"whether an armed reward waits"},
        "--rewards": {"reward probabilities of the first block"},
        "--draws": {"draws kept per chain"},
    }
    assert {name: said[name] for name in allowed} == allowed


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("t.csv", "--model", "a,b"), ("a", "b")),
        (("--model", "a, b", "t.csv"), ("a", "b")),
        (("--model", "a", "t.csv", "--model", "b,c"), ("a", "b", "c")),
        (("--model=a,b", "--", "t.csv"), ("a", "b")),
    ],
)
def test_a_list_never_takes_data(words, given):
    with commands.commands["run"].make_context("run", list(words)) as context:
        assert context.params["models"] == given
        assert context.params["recordings"] == Path("t.csv")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("run", "--model", "a", "b", "t.csv"),
            'unexpected argument "t.csv"; several values of --model are one word, with commas, as in --model a,b; '
            "`hebbax run --help` says what is allowed.",
        ),
        (
            ("run", "t.csv", "--model", "a", "b"),
            'unexpected argument "b"; several values of --model are one word, with commas, as in --model a,b; '
            "`hebbax run --help` says what is allowed.",
        ),
        (
            ("design", "--trials", "120", "240"),
            'unexpected argument "240"; several values of --trials are one word, with commas, as in --trials a,b; '
            "`hebbax design --help` says what is allowed.",
        ),
        (
            ("describe", "a", "b"),
            'unexpected argument "b"; `hebbax describe --help` says what is allowed.',
        ),
        (
            ("fit", "t.csv", "--model", "a,,b"),
            '--model "a,,b": a value before or after a comma is missing.',
        ),
        (
            ("modles",),
            'no such command "modles" (did you mean "models"?); `hebbax --help` says what is allowed.',
        ),
        (
            ("fit", "t.csv", "--models", "a"),
            'no such option "--models" (did you mean "--model"?); `hebbax fit --help` says what is allowed.',
        ),
        (
            ("fit", "t.csv", "--model", "a", "--method", "nutz"),
            "Invalid value for '--method': 'nutz' is not one of 'pseudo-marginal', 'nuts', 'svi', 'map'; "
            "`hebbax fit --help` says what is allowed.",
        ),
    ],
)
def test_errors_of_usage_are_one_sentence(words, sentence):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"hebbax: {sentence}\n")


def test_a_file_whose_name_has_a_comma_is_no_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine,too.toml").touch()
    done = run("fit", "t.csv", "--model", "mine,too.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'hebbax: --model "mine,too.toml": a comma parts two values, and this is one file; give it a name '
        "without a comma.\n"
    )


ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "models" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def lines_of(page: Path) -> list[str]:
    """The commands of a page: of its blocks of code, and those within its sentences."""
    text = page.read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```sh\n.*?^```|^    hebbax .*?\n(?! )", text, re.M | re.S))
    typed = re.findall(r"(?:^|&&) *(hebbax .*)", blocks.replace("\\\n", " "), re.M)
    within = re.findall(r"`(hebbax [a-z]+ [^`]*)`", text.replace("\n", " "))
    return typed + [line for line in within if "..." not in line]


def test_every_command_of_every_page_is_parsed():
    refused = {}
    found = [(page.name, line) for page in PAGES for line in lines_of(page)]
    assert len(found) > 50
    for page, line in found:
        _, name, *words = shlex.split(line, comments=True)
        try:
            commands.commands[name].make_context(name, words).close()
        except (click.MissingParameter, click.exceptions.Exit):
            pass  # help, or a sentence that names a command and an option and leaves the rest
        except (KeyError, click.UsageError, HebbaxError) as problem:
            refused[page, line] = str(problem)
    assert refused == {}


def test_every_command_is_declared_so():
    assert all(isinstance(one, Command) for one in commands.commands.values())


def test_a_reader_that_has_seen_enough_ends_it_quietly():
    done = subprocess.run(
        f"{shlex.join(HEBBAX)} --help | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "Usage: hebbax [OPTIONS] COMMAND [ARGS]...\n",
        "",
    )
